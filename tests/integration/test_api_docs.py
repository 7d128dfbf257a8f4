"""The OpenAPI document says what the API does, and the page shows it to people."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import AsyncIterator, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
import pytest
import uvicorn

from server.api import Services, build_api
from server.api.docs_page.texts_zh import TEXTS_ZH
from server.api.docs_page.words import STATUSES_ZH, WORDS
from server.api.visit_models import VISIT
from server.database.visit_store import VisitStore
from server.payments.signature import HEADER, sign
from tests.support.api_parts import PAYMENT_SECRET
from tests.support.api_stage import NOW_MS
from tests.support.asgi_client import AsgiClient
from tests.support.parts import chromium_path
from tests.support.visit_parts import GAP_MS, arrival
from tests.support.wait import wait_until

pytest_plugins = ["tests.support.databases", "tests.support.api_fixtures"]

ROUTES = {
    "/api/v1/tokens": {"post"},
    "/api/v1/guests": {"post"},
    "/api/v1/rooms": {"get", "post"},
    "/api/v1/rooms/{id}": {"get", "patch"},
    "/api/v1/rooms/{id}/shelf": {"get", "put"},
    "/api/v1/rooms/{id}/acts": {"get"},
    "/api/v1/products": {"get", "post"},
    "/api/v1/products/{id}": {"get"},
    "/api/v1/sales": {"get", "post"},
    "/api/v1/sales/{id}": {"get", "patch"},
    "/api/v1/sales/{id}/arm": {"post"},
    "/api/v1/sales/{id}/open": {"post"},
    "/api/v1/sales/{id}/pause": {"post"},
    "/api/v1/sales/{id}/resume": {"post"},
    "/api/v1/sales/{id}/close": {"post"},
    "/api/v1/sales/{id}/restock": {"post"},
    "/api/v1/sales/{id}/books": {"get"},
    "/api/v1/sales/{id}/orders.csv": {"get"},
    "/api/v1/orders": {"get", "post"},
    "/api/v1/orders/{id}": {"get"},
    "/api/v1/orders/{id}/refund": {"post"},
    "/api/v1/orders/{id}/cancel": {"post"},
    "/api/v1/links": {"get", "post"},
    "/api/v1/policies": {"get"},
    "/api/v1/visits": {"get"},
    "/api/v1/visits/counters": {"get"},
    "/api/v1/visits/{id}": {"get"},
    "/api/v1/people/{id}/visits": {"get"},
    "/api/v1/sources": {"get"},
    "/api/v1/coupon-batches": {"get", "post"},
    "/api/v1/coupon-batches/{id}": {"get"},
    "/api/v1/coupon-batches/{id}/grant": {"post"},
    "/api/v1/rooms/{id}/commission": {"get", "put"},
    "/api/v1/commissions": {"get"},
    "/api/v1/accounts/{id}": {"get"},
    "/api/v1/statements/{id}.csv": {"get"},
    "/api/v1/ladders": {"get", "post"},
    "/api/v1/ladders/simulate": {"post"},
    "/api/v1/ladders/{id}": {"get", "patch"},
    "/api/v1/ladders/{id}/simulate": {"post"},
    "/api/v1/ladders/{id}/publish": {"post"},
    "/api/v1/ladders/{id}/end": {"post"},
    "/api/v1/ladders/{id}/arrivals": {"get"},
    "/api/v1/ladders/{id}/ranking": {"get"},
    "/api/v1/ladders/{id}/ranking.csv": {"get"},
    "/api/v1/ladders/{id}/grants": {"get"},
    "/api/v1/vouchers/redeem": {"post"},
    "/api/v1/export": {"get"},
    "/api/v1/payments/webhook": {"post"},
    "/api/publish": {"post"},
    "/api/broadcast": {"post"},
    "/api/history": {"post"},
    "/api/presence_stats": {"post"},
    "/api/disconnect": {"post"},
}
KEY: list[Any] = [{"apiKey": []}]
KEY_OR_MERCHANT: list[Any] = [{"apiKey": []}, {"bearer": []}]
KEY_OR_STAFF: list[Any] = [{"apiKey": []}, {"bearer": ["host"]}]
PROVIDER: list[Any] = [{"signature": []}]
OPEN: list[Any] = []
FILES = {
    "exportOrdersCsv": "text/csv",
    "exportRankingCsv": "text/csv",
    "exportStatement": "text/csv",
    "exportAll": "application/x-ndjson",
}
# Each needs what the ones before it have done; the rest goes in any order before `closeSale`.
STORY = [
    "createRoom",
    "createProduct",
    "createCouponBatch",
    "replaceShelf",
    "changeRoom",
    "createSale",
    "changeSale",
    "armSale",
    "openSale",
    "placeOrder",
    "paymentWebhook",
    "refundOrder",
    "cancelOrder",
    "pauseSale",
    "resumeSale",
    "restockSale",
]


@pytest.fixture
async def document(nobody: AsgiClient) -> dict[str, Any]:
    answer = await nobody.call("GET", "/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    document: dict[str, Any] = answer.json
    return document


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


async def test_every_route_is_in_the_document_and_no_other(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["info"]["title"] == "Tea House API"
    assert {path: set(methods) for path, methods in document["paths"].items()} == ROUTES


async def test_every_operation_says_what_it_does_and_how_it_fails(
    document: dict[str, Any],
) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(ids)) == len(ids)
    for path, _, operation in operations(document):
        assert operation["summary"], path
        assert operation["x-summary-zh"], path
        assert operation["description"], path
        assert {tag["name"] for tag in document["tags"]} >= set(operation["tags"])
        statuses = set(operation["responses"])
        assert statuses & {"200", "201"}, path
        if operation["security"]:
            assert "401" in statuses, path
        if "requestBody" in operation:
            assert {"400", "413", "415"} <= statuses, path
        for status, answer in operation["responses"].items():
            if status[0] == "2":
                kind = FILES.get(operation["operationId"], "application/json")
                assert list(answer["content"]) == [kind], path
                continue
            content = answer["content"]["application/json"]
            assert content["schema"] == {"$ref": "#/components/schemas/ErrorAnswer"}, path
            error = content["example"]["error"]
            assert error["code"] == int(status)
            assert set(error) == {"code", "message", "field"}
            assert ("Retry-After" in answer.get("headers", {})) is (status in {"429", "503"})


async def test_every_reference_in_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    used = set(references(document))
    there = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert used == there
    schemes = document["components"]["securitySchemes"]
    for _, _, operation in operations(document):
        assert {name for entry in operation["security"] for name in entry} <= set(schemes)


async def test_the_document_says_who_may_call_as_the_api_does(
    document: dict[str, Any], nobody: AsgiClient, key: AsgiClient, bearer: Any
) -> None:
    callers = {
        "key": key,
        "merchant": bearer("*"),
        "host": bearer("*", role="host"),
        "nobody": nobody,
    }
    for path, method, operation in operations(document):
        target = path.replace("{id}", "demo")
        admitted = {
            name
            for name, client in callers.items()
            if (await client.call(method.upper(), target, {})).status not in {401, 403}
        }
        security = {
            frozenset({"key"}): KEY,
            frozenset({"key", "merchant"}): KEY_OR_MERCHANT,
            frozenset({"key", "merchant", "host"}): KEY_OR_STAFF,
            frozenset(): PROVIDER,
            frozenset(callers): OPEN,
        }[frozenset(admitted)]
        assert operation["security"] == security, (path, method)


async def test_every_example_in_the_document_works_as_it_stands(
    document: dict[str, Any], key: AsgiClient, services: Services
) -> None:
    await VisitStore(services.database, beat_gap_ms=GAP_MS).write(arrival(VISIT["id"]), ())
    schemas = document["components"]["schemas"]
    tea = schemas["ProductRequest"]["examples"][0]
    assert (await key.call("POST", "/api/v1/products", tea | {"id": "tea-02"})).status == 201
    order = {name: place for place, name in enumerate([*STORY, "", "closeSale"])}
    ranked = sorted(
        operations(document), key=lambda entry: order.get(entry[2]["operationId"], len(STORY))
    )
    for path, method, operation in ranked:
        if operation["operationId"] == "redeemVoucher":
            continue  # a code can be redeemed once somebody was granted it: test_api_ladders
        target = path
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path":
                target = target.replace("{id}", parameter["schema"]["examples"][0])
        raw = None
        if "requestBody" in operation:
            name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
            raw = orjson.dumps(schemas[name.rpartition("/")[2]]["examples"][0])
        if operation["operationId"] == "cancelOrder":
            target = await second_order(key, schemas["PlaceRequest"]["examples"][0])
        headers = {HEADER: sign(PAYMENT_SECRET, raw, NOW_MS // 1000)} if raw is not None else {}
        answer = await key.call(method.upper(), target, raw=raw, headers=headers)
        assert answer.status in {200, 201}, (path, answer.body)
        assert str(answer.status) in operation["responses"], path


async def second_order(key: AsgiClient, example: dict[str, Any]) -> str:
    """What is refunded cannot be cancelled: where another order can be."""
    other = example | {"user": "bob", "request_id": "r-2"}
    placed = (await key.call("POST", "/api/v1/orders", other)).json
    return f"/api/v1/orders/{placed['order']['id']}/cancel"


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


async def test_the_guide_names_every_route_and_nothing_else(document: dict[str, Any]) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "API.md").read_text("utf-8")
    named = set(re.findall(r"^\| `([A-Z]+ /api/[^`]*)` \|", guide, re.MULTILINE))
    assert named == {f"{method.upper()} {path}" for path, method, _ in operations(document)}


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
@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize("width", [390, 1280])
async def test_a_browser_shows_the_page_without_complaint(
    served: str, language: str, width: int
) -> None:
    from playwright.async_api import async_playwright

    complaints: list[str] = []
    asked: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium_path(), args=["--no-sandbox"]
        )
        page = await browser.new_page(viewport={"width": width, "height": 844})
        page.on("console", lambda message: complaints.append(message.text))
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(f"{served}/docs?lang={language}")
        wide = await page.evaluate("document.documentElement.scrollWidth")
        accent = await page.evaluate(
            "getComputedStyle(document.querySelector('.top')).borderTopColor"
        )
        await page.click("nav.contents a[href='#publish']")
        top = await page.evaluate("document.getElementById('publish').getBoundingClientRect().top")
        await browser.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith(f"{served}/docs")] == []
    assert wide == width
    assert accent == "rgb(229, 56, 59)"  # the style sheet was taken
    assert 50 <= top <= 120  # below the bar that stays at the top
