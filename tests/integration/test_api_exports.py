"""What a merchant takes home: the orders of a sale as CSV, and everything as lines of JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from flash_sale.model import SaleId
from server.api import Services, build_api
from server.api.exports import TooLong
from server.csv_rows import ORDER_COLUMNS
from tests.support.api_parts import API_KEY
from tests.support.api_sales import (
    ITEM,
    ORDERS,
    SALE,
    SALES,
    furnish,
    open_sale,
    paid,
    prepare,
    reserved,
)
from tests.support.asgi_client import AsgiClient, check_error
from tests.support.shop import Shop

pytest_plugins = ["tests.support.databases", "tests.support.api_fixtures"]

Bearer = Callable[..., AsgiClient]
SPRING = SaleId(SALE)


@pytest.fixture(autouse=True)
async def furnished(key: AsgiClient) -> None:
    await furnish(key)


async def test_the_csv_has_a_row_for_each_line_and_nothing_a_spreadsheet_would_run(
    key: AsgiClient, shop: Shop
) -> None:
    mug = {"sku": "mug", "stock": 5, "price_minor": 100}
    await open_sale(key, items=[ITEM, mug])
    basket = [{"sku": "tea-s", "qty": 1}, {"sku": "mug", "qty": 1}]
    await reserved(key, '=HYPERLINK("http://evil.example")', items=basket)
    bought = await paid(key, '小明, "the buyer"', request_id="+1")
    await shop.drain(SPRING)
    answer = await key.call("GET", f"{SALES}/{SALE}/orders.csv")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="orders-spring.csv"'
    assert answer.body.startswith(b"\xef\xbb\xbforder,line,")
    text = answer.body.decode("utf-8-sig")
    assert text.count("\r\n") == text.count("\n") == 4
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    assert tuple(rows[0]) == ORDER_COLUMNS
    assert sorted(row["user"] for row in rows) == [
        '\'=HYPERLINK("http://evil.example")',
        '\'=HYPERLINK("http://evil.example")',
        '小明, "the buyer"',
    ]
    (row,) = (row for row in rows if row["order"] == bought)
    assert (row["request_id"], row["state"], row["payment"]) == ("'+1", "paid", "pay-1")


async def test_more_orders_than_one_piece_are_all_in_the_csv(
    key: AsgiClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.api.exports.ROWS_AT_ONCE", 3)
    await open_sale(key, items=[ITEM | {"stock": 10}])
    placed = {(await reserved(key, f"u-{number}"))["id"] for number in range(7)}
    await shop.drain(SPRING)
    answer = await key.call("GET", f"{SALES}/{SALE}/orders.csv")
    lines = answer.body.decode("utf-8-sig").splitlines()[1:]
    assert sorted(line.partition(",")[0] for line in lines) == sorted(placed)


async def test_the_export_has_everything_of_the_merchant_and_its_end(
    key: AsgiClient, bearer: Bearer, shop: Shop
) -> None:
    await open_sale(key)
    order = await paid(key)
    body = {"restock": True, "request_id": "f-1"}
    assert (await key.call("POST", f"{ORDERS}/{order}/refund", body)).status == 200
    await key.call("PATCH", "/api/v1/rooms/demo", {"state": "live"})
    await prepare(key, id="autumn", room="other")
    await shop.drain(SPRING)

    async def export(client: AsgiClient) -> list[dict[str, Any]]:
        answer = await client.call("GET", "/api/v1/export")
        assert answer.headers["content-type"] == "application/x-ndjson"
        lines = [json.loads(line) for line in answer.body.splitlines()]
        assert lines[-1] == {"kind": "end", "rows": len(lines) - 1}
        return lines[:-1]

    lines = await export(key)
    kinds = [line["kind"] for line in lines]
    assert {kind: kinds.count(kind) for kind in kinds if kind != "move"} == {
        "room": 2,
        "act": 1,
        "product": 2,
        "sale": 2,
        "order": 1,
        "payment": 1,
        "refund": 1,
        "stock_move": 1,
    }
    (told,) = (line["order"] for line in lines if line["kind"] == "order")
    assert (told["id"], told["state"], told["user"]) == (order, "refunded", "alice")
    moves = [line["move"] for line in lines if line["kind"] == "move"]
    assert [move["seq"] for move in moves] == list(range(1, len(moves) + 1))
    assert {move["kind"] for move in moves} >= {"sale", "stock", "reserved", "paid", "refunded"}
    theirs = await export(bearer("other"))
    assert [line["sale"]["terms"]["id"] for line in theirs if line["kind"] == "sale"] == ["autumn"]
    assert not [
        line for line in theirs if line["kind"] in {"order", "move", "payment", "act", "stock_move"}
    ]


async def test_a_file_of_too_many_rows_breaks_off_instead_of_looking_whole(
    key: AsgiClient, services: Services, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_sale(key)
    await reserved(key)
    await shop.drain(SPRING)
    limits = replace(services.settings.limits, export_rows_max=3)
    settings = replace(services.settings, limits=limits)
    api = build_api(replace(services, settings=settings))
    client = AsgiClient(api, {"x-api-key": API_KEY})
    whole = await client.call("GET", f"{SALES}/{SALE}/orders.csv")
    assert (whole.status, whole.body.count(b"\r\n")) == (200, 2)
    check_error(await client.call("GET", "/api/v1/export"), 413, None, "more than 3 rows")
    monkeypatch.setattr("server.api.exports.BYTES_AT_ONCE", 1)
    with pytest.raises(TooLong):
        await client.call("GET", "/api/v1/export")


async def test_without_a_database_a_file_is_not_begun(key: AsgiClient, services: Services) -> None:
    await open_sale(key)
    await services.database.close()
    for path in (f"{SALES}/{SALE}/orders.csv", "/api/v1/export", ORDERS, f"{SALES}/{SALE}/books"):
        check_error(await key.call("GET", path), 503, None)
