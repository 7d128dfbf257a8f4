"""The pages as the server sends them: addresses, headers, languages, brand."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from starlette.applications import Starlette

from server.pages.routes import content_security_policy, page_routes
from server.pages.words import WORDS, choose_language
from server.settings import Settings

SETTINGS = Settings(brand_name="Kiln <Leaf>", brand_color="#0a7d5a", guests_may_speak=True)
PAGES = ("/", "/r/demo", "/host/demo", "/r/no.such", "/static/no-such.js")


def serve(settings: Settings = SETTINGS) -> httpx.AsyncClient:
    app = httpx.ASGITransport(Starlette(routes=page_routes(settings)))
    return httpx.AsyncClient(transport=app, base_url="http://shop.example:8000")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with serve() as client:
        yield client


@pytest.mark.parametrize("page", PAGES)
async def test_every_page_carries_the_strict_headers(client: httpx.AsyncClient, page: str) -> None:
    headers = (await client.get(page)).headers
    assert headers["content-security-policy"] == content_security_policy("shop.example:8000")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["vary"] == "Accept-Language"


def test_the_policy_allows_own_scripts_own_styles_and_own_sockets_only() -> None:
    rules = dict(
        rule.split(" ", 1) for rule in content_security_policy("shop.example:8000").split("; ")
    )
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == "'self'"
    assert rules["style-src"] == "'self'"
    assert rules["connect-src"] == "'self' ws://shop.example:8000 wss://shop.example:8000"
    assert rules["img-src"] == "'self' https: data:"
    assert rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["frame-ancestors"] == "'self'"
    assert "unsafe" not in str(rules)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "shop.example", "[::1]:8000", "localhost"])
def test_a_host_is_named_in_the_policy(host: str) -> None:
    assert f"ws://{host} wss://{host};" in content_security_policy(host)


@pytest.mark.parametrize(
    "host", ["", "evil.example; script-src *", "a b", "x\r\ny", "*", "[::1", "a:b", "a:123456"]
)
def test_a_host_that_is_none_adds_nothing_to_the_policy(host: str) -> None:
    assert "connect-src 'self';" in content_security_policy(host)


@pytest.mark.parametrize("page", PAGES)
async def test_no_page_has_inline_script_or_style_or_anything_from_elsewhere(
    client: httpx.AsyncClient, page: str
) -> None:
    html = (await client.get(page)).text
    assert re.findall(r"<script(?![^>]*\ssrc=)", html) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", html, re.I) == []
    assert re.findall(r'(?:src|href)="(?:\w+:)?//', html) == []


async def test_the_brand_is_written_as_text(client: httpx.AsyncClient) -> None:
    html = (await client.get("/r/demo")).text
    assert "Kiln &lt;Leaf&gt;" in html
    assert "<Leaf>" not in html


async def test_a_logo_stands_in_place_of_the_letter() -> None:
    async with serve(replace(SETTINGS, brand_logo_url="https://cdn.example/logo.png")) as client:
        html = (await client.get("/r/demo")).text
    assert '<img class="mark" src="https://cdn.example/logo.png" alt="Kiln &lt;Leaf&gt;">' in html
    assert "mark-letter" not in html


@pytest.mark.parametrize("room", ["demo", "A-b_9", "x" * 64])
async def test_a_room_id_that_may_exist_gets_its_page(client: httpx.AsyncClient, room: str) -> None:
    for path in (f"/r/{room}", f"/host/{room}"):
        answer = await client.get(path)
        assert answer.status_code == 200
        assert f'data-room="{room}"' in answer.text


@pytest.mark.parametrize("room", ["no.such", "x" * 65, "%3Cscript%3E", "a%20b", "房间", "a%0A"])
async def test_a_room_id_that_cannot_exist_gets_the_designed_404_page(
    client: httpx.AsyncClient, room: str
) -> None:
    for path in (f"/r/{room}", f"/host/{room}"):
        answer = await client.get(path, headers={"accept-language": "en"})
        assert answer.status_code == 404
        assert WORDS["en"]["missing_head"] in answer.text
        assert "script" not in answer.text


async def test_the_language_follows_the_address_and_then_the_browser(
    client: httpx.AsyncClient,
) -> None:
    async def language(path: str, accept: str) -> tuple[str | None, str]:
        answer = await client.get(path, headers={"accept-language": accept})
        found = re.search(r'<html lang="([^"]+)">', answer.text)
        assert found
        return found[1], answer.headers["content-language"]

    assert await language("/r/demo", "zh-CN,zh;q=0.9") == ("zh-CN", "zh-CN")
    assert await language("/r/demo?lang=en", "zh-CN") == ("en", "en")
    assert await language("/r/demo?lang=zh", "en") == ("zh-CN", "zh-CN")
    assert await language("/r/demo?lang=%22%3E", "en") == ("en", "en")


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("", "en"),
        ("fr", "en"),
        ("fr, zh;q=0.5", "zh-CN"),
        ("en;q=0.3, zh-TW;q=0.8", "zh-CN"),
        ("zh;q=0, en", "en"),
        ("zh;q=oops, en;q=0.1", "en"),
        (", ;q=1,*", "en"),
        ("ZH-hans-cn", "zh-CN"),
    ],
)
def test_accept_language_is_read_by_weight(accept: str, language: str) -> None:
    assert choose_language(None, accept) == language


def test_the_servers_own_words_exist_in_both_languages() -> None:
    assert WORDS["en"].keys() == WORDS["zh-CN"].keys()
    assert all(text for words in WORDS.values() for text in words.values())


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        (SETTINGS, "yes"),
        (replace(SETTINGS, guests_may_speak=False), "no"),
        (replace(SETTINGS, guests_may_speak=False, insecure=True), "yes"),
    ],
)
async def test_the_page_knows_whether_guests_may_speak(settings: Settings, word: str) -> None:
    async with serve(settings) as client:
        assert f'data-guests="{word}"' in (await client.get("/r/demo")).text


async def test_bounds_of_the_fields_are_those_of_the_settings() -> None:
    limits = replace(SETTINGS.limits, text_chars_max=77, name_chars_max=11)
    async with serve(replace(SETTINGS, limits=limits)) as client:
        html = (await client.get("/r/demo")).text
    assert 'maxlength="77"' in html
    assert 'maxlength="11"' in html


async def test_the_theme_has_the_brands_colour_and_may_be_kept_under_its_hash(
    client: httpx.AsyncClient,
) -> None:
    found = re.search(r'href="(/theme\.css\?v=\w+)"', (await client.get("/")).text)
    assert found
    lasting = await client.get(found[1])
    assert "--brand: #0a7d5a;" in lasting.text
    assert "immutable" in lasting.headers["cache-control"]
    assert lasting.headers["content-type"] == "text/css; charset=utf-8"
    assert (await client.get("/theme.css")).headers["cache-control"] == "no-cache"
    assert (await client.get("/theme.css?v=old")).headers["cache-control"] == "no-cache"


async def test_a_file_may_be_kept_for_ever_under_its_version_and_only_there(
    client: httpx.AsyncClient,
) -> None:
    found = re.search(r'src="(/static/v-\w+/)viewer\.js"', (await client.get("/r/demo")).text)
    assert found
    lasting = await client.get(f"{found[1]}viewer.js")
    assert lasting.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert lasting.headers["content-type"] == "text/javascript; charset=utf-8"
    for other in ("/static/viewer.js", "/static/v-000000000000/viewer.js"):
        answer = await client.get(other)
        assert answer.text == lasting.text
        assert answer.headers["cache-control"] == "no-cache"


async def test_a_file_that_the_browser_has_is_not_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/static/base.css")
    again = await client.get("/static/base.css", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await client.get("/static/base.css", headers={"if-none-match": '"other"'})
    assert other.status_code == 200


async def test_files_travel_packed_when_the_browser_takes_that(client: httpx.AsyncClient) -> None:
    packed = await client.get("/static/messages-en.js", headers={"accept-encoding": "gzip"})
    plain = await client.get("/static/messages-en.js", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 2


@pytest.mark.parametrize(
    "path",
    ["no-such.js", "../routes.py", "..%2froutes.py", "v-000000000000/../routes.py", "", "demo"],
)
async def test_only_the_pages_own_files_are_served(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(f"/static/{path}")).status_code == 404


async def test_the_demo_has_its_four_pictures(client: httpx.AsyncClient) -> None:
    for number in range(1, 5):
        picture = await client.get(f"/static/demo/product-{number}.svg")
        assert picture.status_code == 200
        assert picture.headers["content-type"] == "image/svg+xml"


async def test_a_browser_that_asks_for_a_favicon_gets_one(client: httpx.AsyncClient) -> None:
    assert (await client.get("/favicon.ico")).headers["content-type"] == "image/svg+xml"
