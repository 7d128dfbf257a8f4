"""What the API says of prices: bounds of a sale's items, and orders that coupons made cheaper."""

from __future__ import annotations

import csv
import io
from typing import Any

import orjson
import pytest

from flash_sale.catalog import SkuId
from flash_sale.model import Line, Outcome, Purchase, SaleId, order_id_of
from tests.support.api_sales import (
    DRAFT,
    ITEM,
    ORDERS,
    PRICE_MINOR,
    SALE,
    SALES,
    furnish,
    open_sale,
    prepare,
    steer,
)
from tests.support.asgi_client import AsgiClient, check_error
from tests.support.shop import Shop

pytest_plugins = ["tests.support.databases", "tests.support.api_fixtures"]

BOUNDS = {"floor_minor": 5000, "markup_max_minor": 1500}
PRICE = [{"coupon": "c1", "minor": 400, "why": "满减"}]
NOTE = {"price": PRICE, "source": {"channel": "wechat"}, "share": {"link": "l", "sharer": "zoe"}}


@pytest.fixture(autouse=True)
async def furnished(key: AsgiClient) -> None:
    await furnish(key)


async def cheaper(shop: Shop, request_id: str = "r1") -> str:
    """An order of two teas with a markup of 100 each and 400 taken off."""
    order_id = order_id_of(SaleId(SALE), "alice", request_id)
    purchase = Purchase(
        order_id,
        "alice",
        request_id,
        (Line(SkuId("tea-s"), 2, 100),),
        discount_minor=400,
        coupons=("c1", "c2"),
        note=orjson.dumps(NOTE).decode(),
    )
    decided = await shop.store.reserve(SaleId(SALE), [purchase])
    assert decided.decisions[0].outcome is Outcome.RESERVED
    return order_id


async def test_floor_and_cap_are_shown_to_staff_before_and_after_a_sale_is_armed(
    key: AsgiClient,
) -> None:
    sale = await prepare(key, items=[ITEM | BOUNDS])
    assert sale["items"][0] == sale["items"][0] | BOUNDS
    changed = {"items": [ITEM | BOUNDS | {"floor_minor": 6000}]}
    assert (await key.call("PATCH", f"{SALES}/{SALE}", changed)).status == 200
    await steer(key, "arm")
    armed = (await key.call("GET", f"{SALES}/{SALE}")).json["items"][0]
    assert (armed["floor_minor"], armed["markup_max_minor"]) == (6000, 1500)


@pytest.mark.parametrize(
    ("bounds", "field"),
    [
        ({"floor_minor": PRICE_MINOR + 1}, "items.0.floor_minor"),
        ({"floor_minor": -1}, "items.0.floor_minor"),
        ({"markup_max_minor": -1}, "items.0.markup_max_minor"),
        ({"markup_max_minor": 1.5}, "items.0.markup_max_minor"),
        ({"markup_max_minor": 10**12, "per_user_max": 10_000}, "items"),
    ],
)
async def test_bounds_that_cannot_hold_are_refused(
    key: AsgiClient, bounds: dict[str, Any], field: str
) -> None:
    answer = await key.call("POST", SALES, DRAFT | {"items": [ITEM | bounds]})
    check_error(answer, 400, field)


async def test_a_free_item_needs_no_floor(key: AsgiClient) -> None:
    assert (await prepare(key, items=[ITEM | {"price_minor": 0}]))["items"][0]["floor_minor"] == 1


async def test_an_order_tells_its_price_its_coupons_and_its_source(
    key: AsgiClient, shop: Shop
) -> None:
    await open_sale(key, items=[ITEM | {"per_user_max": 2}])
    order_id = await cheaper(shop)
    expected = {
        "items": [{"sku": "tea-s", "qty": 2, "price_minor": PRICE_MINOR + 100}],
        "amount_minor": 2 * (PRICE_MINOR + 100) - 400,
        "discount_minor": 400,
        "coupons": ["c1", "c2"],
        "price": PRICE,
        "source": NOTE["source"],
        "share": NOTE["share"],
    }
    order = (await key.call("GET", f"{ORDERS}/{order_id}")).json
    assert order == order | expected
    await shop.drain(SaleId(SALE))
    (listed,) = (await key.call("GET", ORDERS)).json["orders"]
    assert listed == listed | expected


async def test_the_files_have_the_price_of_an_order_in_whole(key: AsgiClient, shop: Shop) -> None:
    await open_sale(key, items=[ITEM | {"per_user_max": 2}])
    order_id = await cheaper(shop)
    await shop.drain(SaleId(SALE))
    file = (await key.call("GET", f"{SALES}/{SALE}/orders.csv")).body.decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(file, newline=""))
    amounts = [row[f"{name}_minor"] for name in ("line_amount", "discount", "order_amount")]
    assert amounts == ["20000", "400", "19600"]
    assert (row["markup_minor"], row["coupons"]) == ("100", "c1 c2")
    assert orjson.loads(row["note"]) == NOTE
    lines = (await key.call("GET", "/api/v1/export")).body.splitlines()
    found = [orjson.loads(line) for line in lines]
    (order,) = [one["order"] for one in found if one["kind"] == "order"]
    assert (order["id"], order["discount_minor"], order["price"]) == (order_id, 400, PRICE)
