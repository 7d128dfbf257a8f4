"""The page of the API shows the OpenAPI document to people, in both languages."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
import uvicorn

from server.api import Services, build_api
from server.api.docs_page.texts_zh import TEXTS_ZH
from server.api.docs_page.words import STATUSES_ZH, WORDS
from tests.support.api_docs import operations
from tests.support.asgi_client import AsgiClient
from tests.support.parts import chromium_path
from tests.support.wait import wait_until

pytest_plugins = ["tests.support.databases", "tests.support.api_fixtures"]


def described(document: dict[str, Any]) -> Iterator[str]:
    for _, _, operation in operations(document):
        yield operation["operationId"]
        for parameter in operation.get("parameters", []):
            yield parameter["description"]
    for name, schema in document["components"]["schemas"].items():
        if name.startswith("Error"):
            continue
        for field in schema.get("properties", {}).values():
            if "description" in field:
                yield field["description"]


async def test_every_text_of_the_page_is_there_in_both_languages(document: dict[str, Any]) -> None:
    assert set(WORDS["en"]) == set(WORDS["zh-CN"])
    assert set(described(document)) == set(TEXTS_ZH)
    statuses = {
        status for _, _, operation in operations(document) for status in operation["responses"]
    }
    assert {int(status) for status in statuses} == set(STATUSES_ZH)


class Page(HTMLParser):
    """What a browser would load, run and show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.language: str | None = None
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "html":
            self.language = dict(attrs)["lang"]

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.mark.parametrize(
    ("query", "accept", "language"),
    [
        ("", "", "en"),
        ("", "zh-TW,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("", "fr-FR, en-GB;q=0.7, zh;q=0.2", "en"),
        ("", "fr", "en"),
        ("?lang=zh-CN", "en", "zh-CN"),
        ("?lang=en", "zh", "en"),
        ("?lang=<script>", "zh", "zh-CN"),
    ],
)
async def test_the_page_speaks_the_language_asked_for(
    nobody: AsgiClient, query: str, accept: str, language: str
) -> None:
    answer = await nobody.call("GET", f"/docs{query}", headers={"accept-language": accept})
    assert answer.status == 200
    page = Page(answer.body.decode())
    assert page.language == language
    assert WORDS[language]["start"] in page.words
    assert answer.headers["vary"] == "Accept-Language"


@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_the_page_needs_no_script_and_nothing_from_elsewhere(
    nobody: AsgiClient, language: str
) -> None:
    answer = await nobody.call("GET", f"/docs?lang={language}")
    assert answer.headers["content-security-policy"] == (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
        "frame-ancestors 'none'; form-action 'none'"
    )
    page = Page(answer.body.decode())
    assert not {"script", "style", "iframe", "form"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name == "style" or name.startswith("on")]
    links = {value for name, value in page.attributes if name in {"href", "src"} and value}
    outside = {link for link in links if not link.startswith(("#", "/")) or link.startswith("//")}
    assert outside == set()
    for link in links:
        if link.startswith("/"):
            assert (await nobody.call("GET", link)).status == 200, link


async def test_every_operation_has_its_place_and_its_curl_on_the_page(
    nobody: AsgiClient, document: dict[str, Any]
) -> None:
    page = Page((await nobody.call("GET", "/docs?lang=en")).body.decode())
    anchors = {value for name, value in page.attributes if name == "id"}
    for path, method, operation in operations(document):
        assert operation["operationId"] in anchors
        assert operation["summary"] in page.words
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path":
                path = path.replace("{id}", parameter["schema"]["examples"][0])
        target = path
        verb = "" if method in {"get", "post"} else f"-X {method.upper()} "
        assert f'curl {verb}"$HOST{target}"' in page.words
    assert "HOST=http://shop.example" in page.words


async def test_the_page_carries_the_shops_brand_and_not_ours(services: Services) -> None:
    settings = dataclasses.replace(
        services.settings,
        brand_name="<b>Tea & Co</b>",
        brand_color="#112233",
        brand_logo_url="/l.png",
    )
    client = AsgiClient(build_api(dataclasses.replace(services, settings=settings)))
    for language in ("en", "zh-CN"):
        text = (await client.call("GET", f"/docs?lang={language}")).body.decode()
        page = Page(text)
        assert "<b>Tea & Co</b>" in page.words
        assert "b" not in page.tags
        assert ("src", "/l.png") in page.attributes
        assert "onair" not in text.lower()
    assert b"--brand: #112233" in (await client.call("GET", "/docs/style.css")).body
    document = (await client.call("GET", "/openapi.json")).body
    assert b"onair" not in document.lower()


async def test_a_host_header_cannot_put_markup_into_the_page(nobody: AsgiClient) -> None:
    answer = await nobody.call("GET", "/docs", headers={"host": 'x"><script>alert(1)</script>'})
    assert "script" not in Page(answer.body.decode()).tags


@pytest.fixture
async def served(services: Services) -> AsyncIterator[str]:
    """The API on a real server and port."""
    config = uvicorn.Config(build_api(services), port=0, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await wait_until(lambda: server.started, 10, "the server listens")
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await serving


@pytest.mark.needs_chromium
async def test_a_browser_shows_the_page_without_complaint(served: str) -> None:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium_path(), args=["--no-sandbox"]
        )
        for language, width in itertools.product(("en", "zh-CN"), (390, 1280)):
            page = await browser.new_page(viewport={"width": width, "height": 844})
            await check_page(page, served, language, width)
            await page.close()
        await browser.close()


async def check_page(page: Any, served: str, language: str, width: int) -> None:
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(f"{served}/docs?lang={language}")
    wide = await page.evaluate("document.documentElement.scrollWidth")
    accent = await page.evaluate("getComputedStyle(document.querySelector('.top')).borderTopColor")
    await page.click("nav.contents a[href='#publish']")
    top = await page.evaluate("document.getElementById('publish').getBoundingClientRect().top")
    case = (language, width)
    assert complaints == [], case
    assert [url for url in asked if not url.startswith(f"{served}/docs")] == [], case
    assert wide == width, case
    assert accent == "rgb(229, 56, 59)", case  # the style sheet was taken
    assert 50 <= top <= 120, case  # below the bar that stays at the top
