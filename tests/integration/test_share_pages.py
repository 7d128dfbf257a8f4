"""/s/{code} on a real worker: the page, what previews see of it, and the QR code."""

from __future__ import annotations

import asyncio
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser

import pytest

from server.pages.words import WORDS
from tests.support.sale_rpc import Stage

pytest_plugins = ["tests.support.sale_rpc_fixtures"]

PRODUCT = {
    "id": "glaze",
    "title": 'Blue "glaze" <script>',
    "price_minor": 500,
    "currency": "CNY",
    "image_url": "/static/demo/product-1.svg",
}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class _Page(HTMLParser):
    """The facts of a page: its title, its meta tags, the attributes of its body."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.meta: dict[str, str] = {}
        self.attributes: dict[str, str] = {}
        self.title = ""
        self._last = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._last = tag
        facts = {name: value or "" for name, value in attrs}
        if tag == "meta":
            self.meta[facts.get("property") or facts.get("name", "")] = facts.get("content", "")
        elif tag == "body":
            self.attributes = facts

    def handle_data(self, data: str) -> None:
        if self._last == "title":
            self.title += data.strip()


def _get(url: str, headers: Mapping[str, str]) -> Answer:
    request = urllib.request.Request(url, headers=dict(headers))
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return Answer(response.status, dict(response.headers.items()), response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers.items()), error.read())


async def get(
    stage: Stage, path: str, language: str = "en", worker: int = 0, **more: str
) -> Answer:
    port = stage.estate.workers[worker].port
    headers = {"Accept-Language": language, **more}
    return await asyncio.to_thread(_get, f"http://127.0.0.1:{port}{path}", headers)


async def share(stage: Stage, **what: str) -> str:
    async with await stage.entered("ann") as ann:
        made = await ann.rpc("share.create", {"room": stage.room, **what})
        return str(made["code"])


async def api(stage: Stage, method: str, path: str, body: object) -> None:
    await asyncio.to_thread(stage.estate.workers[0].call, method, path, body)


async def test_a_link_is_the_room_itself_on_every_worker(stage: Stage) -> None:
    code = await share(stage)
    for worker in (0, 1):
        answer = await get(stage, f"/s/{code}", worker=worker)
        assert answer.status == 200
        page = _Page(answer.text)
        assert page.attributes["data-room"] == stage.room
        assert page.attributes["data-share"] == code
        assert "viewer.js" in answer.text
        assert "unsafe" not in answer.headers["content-security-policy"]
    plain = _Page((await get(stage, f"/r/{stage.room}")).text)
    assert plain.attributes["data-share"] == ""
    assert "og:title" not in plain.meta


@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_a_preview_shows_the_brand_and_the_room_in_the_readers_language(
    stage: Stage, language: str
) -> None:
    code = await share(stage)
    answer = await get(stage, f"/s/{code}", language)
    page = _Page(answer.text)
    assert answer.headers["content-language"] == language
    assert page.title == f"{stage.room.title()} · Live"
    assert page.meta["og:site_name"] == "Live"
    assert page.meta["og:title"] == stage.room.title()
    assert page.meta["og:description"] == WORDS[language]["card_room"]
    assert page.meta["og:description"] == page.meta["description"]
    assert page.meta["og:url"].endswith(f"/s/{code}")
    assert page.meta["og:url"].startswith("http://127.0.0.1:")
    assert page.meta["twitter:card"] == "summary"


async def test_a_preview_of_a_product_shows_its_name_and_picture(stage: Stage) -> None:
    await api(stage, "POST", "/api/v1/products", PRODUCT)
    await api(stage, "PUT", f"/api/v1/rooms/{stage.room}/shelf", {"products": ["glaze"]})
    code = await share(stage, product="glaze")
    answer = await get(stage, f"/s/{code}")
    page = _Page(answer.text)
    assert page.meta["og:title"] == PRODUCT["title"]
    assert stage.room.title() in page.meta["og:description"]
    assert re.fullmatch(
        r"http://127\.0\.0\.1:\d+/static/demo/product-1\.svg", page.meta["og:image"]
    )
    assert page.meta["twitter:card"] == "summary_large_image"
    assert '"glaze"' not in answer.text.replace('"glaze" <', "")
    assert "<script>" not in answer.text


async def test_a_preview_of_a_comment_quotes_it_until_it_is_removed(stage: Stage) -> None:
    text = '"><img src=x> 釉色很美'
    async with await stage.entered("ann") as ann, await stage.entered("mo", "moderator") as mo:
        said = await ann.rpc("comment.send", {"room": stage.room, "text": text})
        made = await ann.rpc("share.create", {"room": stage.room, "comment": said["id"]})
        answer = await get(stage, f"/s/{made['code']}", "zh-CN")
        assert _Page(answer.text).meta["og:description"] == f"a*：“{text}”"
        assert "<img src=x>" not in answer.text
        removal = {"room": stage.room, "id": said["id"], "reason": "off topic"}
        await mo.rpc("comment.remove", removal)
        answer = await get(stage, f"/s/{made['code']}", "zh-CN", worker=1)
        assert "釉色" not in answer.text
        assert _Page(answer.text).attributes["data-share"] == made["code"]


@pytest.mark.parametrize("language", ["zh-CN", "en"])
@pytest.mark.parametrize("code", ["A" * 16, "x", "%F0%9F%8D%B5", "..", "a" * 500])
async def test_a_code_that_was_made_up_is_a_page_that_says_so(
    stage: Stage, language: str, code: str
) -> None:
    answer = await get(stage, f"/s/{code}", language)
    assert answer.status == 404
    assert WORDS[language]["missing_head"] in answer.text
    assert (await get(stage, f"/s/{code}/qr.svg", language)).status == 404


async def test_the_qr_code_is_of_the_address_that_people_open(stage: Stage) -> None:
    code = await share(stage)
    svg = await get(stage, f"/s/{code}/qr.svg")
    assert (svg.status, svg.headers["content-type"]) == (200, "image/svg+xml")
    assert svg.body.startswith(b"<svg ")
    assert b"<script" not in svg.body
    png = await get(stage, f"/s/{code}/qr.png", worker=1)
    assert (png.status, png.headers["content-type"]) == (200, "image/png")
    assert png.body.startswith(b"\x89PNG")
    for answer in (svg, png):
        assert answer.headers["cache-control"] == "public, max-age=86400"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert (await get(stage, f"/s/{code}/qr.gif")).status == 404
    other = await get(stage, f"/s/{code}/qr.svg", Host="shop.example")
    assert other.body != svg.body
    assert (await get(stage, f"/s/{code}/qr.svg", Host="shop.example")).body == other.body


async def test_a_strange_host_gets_into_no_page(stage: Stage) -> None:
    code = await share(stage)
    answer = await get(stage, f"/s/{code}", Host='evil"><script>')
    assert "evil" not in answer.text
    assert "evil" not in answer.headers.get("content-security-policy", "")
