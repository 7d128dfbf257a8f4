"""The OpenAPI document says what the API does."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from server.api import Services, build_api
from server.api.rehearsal_models import RUN
from server.api.visit_models import VISIT
from server.database.visit_store import VisitStore
from server.payments.signature import HEADER, sign
from tests.support.api_docs import operations
from tests.support.api_parts import PAYMENT_SECRET
from tests.support.api_stage import NOW_MS
from tests.support.asgi_client import AsgiClient
from tests.support.rehearsal_rows import opened_run
from tests.support.visit_parts import GAP_MS, arrival

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
    "/api/v1/rehearsals": {"get", "post"},
    "/api/v1/rehearsals/plan-from-sale/{id}": {"get"},
    "/api/v1/rehearsals/{id}": {"get"},
    "/api/v1/rehearsals/{id}/tokens": {"post"},
    "/api/v1/rehearsals/{id}/progress": {"put"},
    "/api/v1/rehearsals/{id}/observed": {"get"},
    "/api/v1/rehearsals/{id}/drills": {"post"},
    "/api/v1/rehearsals/{id}/stop": {"post"},
    "/api/v1/rehearsals/{id}/data": {"delete"},
    "/api/v1/rehearsals/{id}/report": {"get", "put"},
    "/api/v1/rehearsals/{id}/report.html": {"get", "put"},
    "/api/v1/rehearsals/{id}/report-link": {"post"},
    "/api/v1/rehearsals/{id}/page": {"get"},
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
    "getRehearsalPage": "text/html",
    "readRehearsalPage": "text/html",
}
# Their examples need what other tests have: a voucher that was granted, a supervisor with a hall.
ELSEWHERE = {
    "redeemVoucher": "test_api_ladders",
    "openRehearsal": "test_api_rehearsals",
    "observeRehearsal": "test_api_rehearsals",
    "beginDrill": "test_api_rehearsals",
    "purgeRehearsal": "test_api_rehearsals",
    "linkRehearsalReport": "test_rehearsal_links",
    "readRehearsalPage": "test_rehearsal_links",
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
    "reportRehearsal",
    "putRehearsalPage",
]


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


async def test_those_who_ask_first_at_the_same_moment_get_one_document(services: Services) -> None:
    nobody = AsgiClient(build_api(services))
    targets = ("/openapi.json", "/docs", "/openapi.json")
    first, page, second = await asyncio.gather(*(nobody.call("GET", each) for each in targets))
    assert (first.status, page.status) == (200, 200)
    assert first.body == second.body


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
        assert statuses & {"200", "201", "202"}, path
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
    await opened_run(services.database, RUN, NOW_MS)
    schemas = document["components"]["schemas"]
    tea = schemas["ProductRequest"]["examples"][0]
    assert (await key.call("POST", "/api/v1/products", tea | {"id": "tea-02"})).status == 201
    order = {name: place for place, name in enumerate([*STORY, "", "closeSale"])}
    ranked = sorted(
        operations(document), key=lambda entry: order.get(entry[2]["operationId"], len(STORY))
    )
    for path, method, operation in ranked:
        if operation["operationId"] in ELSEWHERE:
            continue
        target = path
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path":
                target = target.replace("{id}", parameter["schema"]["examples"][0])
        raw, headers = example_of(operation, schemas)
        if operation["operationId"] == "cancelOrder":
            target = await second_order(key, schemas["PlaceRequest"]["examples"][0])
        answer = await key.call(method.upper(), target, raw=raw, headers=headers)
        assert answer.status in {200, 201}, (path, answer.body)
        assert str(answer.status) in operation["responses"], path


def example_of(
    operation: dict[str, Any], schemas: dict[str, Any]
) -> tuple[bytes | None, dict[str, str]]:
    """The body of the example, if it has one, and its headers."""
    if "requestBody" not in operation:
        return None, {}
    ((kind, body),) = operation["requestBody"]["content"].items()
    if kind == "text/html":
        return b"<!doctype html><title>GO</title>", {"content-type": kind}
    name = body["schema"]["$ref"].rpartition("/")[2]
    raw = orjson.dumps(schemas[name]["examples"][0])
    return raw, {HEADER: sign(PAYMENT_SECRET, raw, NOW_MS // 1000)}


async def second_order(key: AsgiClient, example: dict[str, Any]) -> str:
    """What is refunded cannot be cancelled: where another order can be."""
    other = example | {"user": "bob", "request_id": "r-2"}
    placed = (await key.call("POST", "/api/v1/orders", other)).json
    return f"/api/v1/orders/{placed['order']['id']}/cancel"


async def test_the_guide_names_every_route_and_nothing_else(document: dict[str, Any]) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "API.md").read_text("utf-8")
    named = set(re.findall(r"^\| `([A-Z]+ /api/[^`]*)` \|", guide, re.MULTILINE))
    assert named == {f"{method.upper()} {path}" for path, method, _ in operations(document)}
