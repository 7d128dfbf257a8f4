"""Orders through the HTTP API: placed once, paid, cancelled, refunded and listed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flash_sale.model import SaleId
from server.api import Services, build_api
from tests.support.api_parts import API_KEY, MemoryRealtime
from tests.support.api_sales import (
    ITEM,
    ORDERS,
    PRICE_MINOR,
    SALE,
    SALES,
    counters,
    furnish,
    open_sale,
    paid,
    place,
    prepare,
    reserved,
    steer,
)
from tests.support.api_stage import opened_services, tell_nobody
from tests.support.asgi_client import AsgiClient, check_error
from tests.support.shop import Shop

pytest_plugins = ["tests.support.databases", "tests.support.api_fixtures"]

Bearer = Callable[..., AsgiClient]
SPRING = SaleId(SALE)


@pytest.fixture(autouse=True)
async def furnished(key: AsgiClient) -> None:
    await furnish(key)


async def test_a_purchase_is_decided_and_told_in_whole(key: AsgiClient) -> None:
    await open_sale(key, hold_seconds=60)
    order = await reserved(key, name="Alice")
    assert order["expires_at_ms"] - order["reserved_at_ms"] == 60_000
    assert order == {
        "id": order["id"],
        "sale": SALE,
        "room": "demo",
        "sku": "tea-s",
        "qty": 1,
        "items": [{"sku": "tea-s", "qty": 1, "price_minor": PRICE_MINOR}],
        "amount_minor": PRICE_MINOR,
        "currency": "CNY",
        "state": "reserved",
        "request_id": "r-1",
        "placed_at_ms": order["placed_at_ms"],
        "reserved_at_ms": order["placed_at_ms"],
        "expires_at_ms": order["expires_at_ms"],
        "durability": "always",
    }
    assert await counters(key) == (3, 2, 1, 0)


async def test_the_same_request_gets_the_same_bytes_from_every_worker(
    key: AsgiClient, services: Services, redis_url: str
) -> None:
    await open_sale(key)
    first = await place(key)
    await paid(key, "bob")
    assert (await place(key)).body == first.body
    async with opened_services(
        services.settings, services.database, redis_url, MemoryRealtime(), tell_nobody
    ) as others:
        worker = AsgiClient(build_api(others), {"x-api-key": API_KEY})
        assert (await place(worker)).body == first.body
        check_error(await place(worker, qty=2), 409, "request_id", "another order")
    assert await counters(key) == (3, 1, 1, 1)


async def test_every_reason_not_to_sell_is_an_outcome(key: AsgiClient) -> None:
    async def outcome(user: str, request_id: str = "r-1", **more: Any) -> dict[str, Any]:
        answer = await place(key, user, request_id, **more)
        assert answer.status == 200, answer.body
        told: dict[str, Any] = answer.json
        return told

    await prepare(key, items=[ITEM | {"stock": 2}])
    await steer(key, "arm")
    assert await outcome("early") == {"outcome": "not_started"}
    await steer(key, "open")
    assert (await outcome("alice"))["outcome"] == "reserved"
    assert await outcome("alice", "r-2") == {"outcome": "limit_reached"}
    assert (await outcome("frank"))["outcome"] == "reserved"
    assert await outcome("bob") == {"outcome": "sold_out", "sku": "tea-s"}
    queued = await outcome("carol", waitlist=True)
    assert queued["outcome"] == "queued"
    assert (queued["order"]["state"], queued["order"]["position"]) == ("queued", 1)
    assert queued["order"]["expires_at_ms"] is None
    await open_sale(key, id="summer")
    await steer(key, "pause", sale="summer")
    assert await outcome("dave", sale="summer") == {"outcome": "paused"}
    await steer(key, "close", sale="summer")
    assert await outcome("erin", sale="summer") == {"outcome": "ended"}


async def test_a_basket_is_bought_in_whole_or_not_at_all(key: AsgiClient) -> None:
    mug = {"sku": "mug", "stock": 1, "price_minor": 100}
    await open_sale(key, items=[ITEM | {"per_user_max": 3}, mug])
    basket = [{"sku": "tea-s", "qty": 2}, {"sku": "mug", "qty": 1}]
    order = await reserved(key, items=basket)
    assert (order["sku"], order["qty"]) == (None, 3)
    assert order["amount_minor"] == 2 * PRICE_MINOR + 100
    refused = (await place(key, "bob", items=basket)).json
    assert refused == {"outcome": "sold_out"}
    assert await counters(key) == (3, 1, 2, 0)


@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        ({"sale": "nothing"}, 404, "sale"),
        ({"sale": "a b"}, 400, "sale"),
        ({"sku": "mug"}, 404, "sku"),
        ({"sku": None}, 400, "sku"),
        ({"qty": 0}, 400, "qty"),
        ({"qty": -1}, 400, "qty"),
        ({"qty": 1.0}, 400, "qty"),
        ({"qty": "1"}, 400, "qty"),
        ({"qty": 10**12}, 400, "qty"),
        ({"user": ""}, 400, "user"),
        ({"user": "a\nb"}, 400, "user"),
        ({"request_id": ""}, 400, "request_id"),
        ({"request_id": "x" * 65}, 400, "request_id"),
        ({"request_id": "a\x1fb"}, 400, "request_id"),
        ({"request_id": None}, 400, "request_id"),
        ({"items": [{"sku": "tea-s", "qty": 1}], "sku": "tea-s"}, 400, "items"),
        ({"items": [{"sku": "tea-s", "qty": 1}], "qty": 1}, 400, "items"),
        ({"items": []}, 400, "items"),
        ({"items": [{"sku": "tea-s", "qty": 1}] * 2}, 400, "items.1.sku"),
        ({"items": [{"sku": f"s{n}", "qty": 1} for n in range(11)]}, 400, "items"),
        ({"waitlist": True, "qty": 2}, 400, "waitlist"),
        ({"waitlist": 1}, 400, "waitlist"),
        ({"price_minor": 1}, 400, "price_minor"),
    ],
)
async def test_a_purchase_that_makes_no_sense_is_refused_by_its_field(
    key: AsgiClient, changes: dict[str, Any], status: int, field: str
) -> None:
    await open_sale(key)
    check_error(await place(key, **changes), status, field)
    assert await counters(key) == (3, 3, 0, 0)


async def test_only_back_ends_buy_for_others(
    key: AsgiClient, nobody: AsgiClient, bearer: Bearer
) -> None:
    await open_sale(key)
    for client in (nobody, bearer("*"), bearer("*", role="host")):
        check_error(await place(client), 401, None, "API key")


async def test_an_order_is_read_as_it_is_now_with_its_payments(key: AsgiClient, shop: Shop) -> None:
    await open_sale(key)
    order = await paid(key)
    told = (await key.call("GET", f"{ORDERS}/{order}")).json
    assert (told["state"], told["user"], told["payment"]) == ("paid", "alice", "pay-1")
    assert told["payments"] == told["refunds"] == []  # the ledger has not heard of it yet
    await shop.drain(SPRING)
    (payment,) = (await key.call("GET", f"{ORDERS}/{order}")).json["payments"]
    assert payment == {
        "id": "pay-1",
        "provider": "webhook",
        "amount_minor": PRICE_MINOR,
        "currency": "CNY",
        "outcome": "accepted",
        "at_ms": told["paid_at_ms"],
    }


async def test_orders_are_listed_in_pages_and_found_by_what_is_asked_for(
    key: AsgiClient, bearer: Bearer, shop: Shop
) -> None:
    await open_sale(key, items=[ITEM | {"stock": 10, "per_user_max": 5}])
    other = await open_sale(key, id="autumn", room="other")
    held = [(await reserved(key, f"u-{number}"))["id"] for number in range(3)]
    bought = await paid(key, "u-1", request_id="r-2")
    elsewhere = (await reserved(key, "u-1", sale="autumn"))["id"]
    for sale in (SPRING, SaleId(other)):
        await shop.drain(sale)

    async def ids(client: AsgiClient, query: str) -> list[str]:
        found, after = [], ""
        while True:
            page = (await client.call("GET", f"{ORDERS}?limit=2{query}{after}")).json
            assert len(page["orders"]) <= 2
            found += [order["id"] for order in page["orders"]]
            if page["next"] is None:
                return found
            after = f"&after={page['next']}"

    everything = await ids(key, "")
    assert sorted(everything) == sorted([*held, bought, elsewhere])
    told = (await key.call("GET", f"{ORDERS}?limit=4")).json["orders"]
    instants = [order["placed_at_ms"] for order in told]
    assert instants == sorted(instants, reverse=True)
    assert set(await ids(key, "&sale=spring")) == set(everything) - {elsewhere}
    assert await ids(key, "&room=other") == [elsewhere]
    assert set(await ids(key, "&user=u-1")) == {held[1], bought, elsewhere}
    assert set(await ids(key, "&user=u-1&state=reserved")) == {held[1], elsewhere}
    assert await ids(key, "&state=paid") == [bought]
    assert await ids(bearer("other"), "") == [elsewhere]
    assert await ids(bearer("other"), "&sale=spring") == []
    check_error(await bearer("other").call("GET", f"{ORDERS}?room=demo"), 403, None)
    check_error(await key.call("GET", f"{ORDERS}?state=gone"), 400, "state")
    check_error(await key.call("GET", f"{ORDERS}?limit=5"), 400, "limit")
    check_error(await key.call("GET", f"{ORDERS}?colour=red"), 400, "colour")


@pytest.mark.parametrize("order", ["nothing", "spring.", "spring." + "0" * 24, "a b." + "0" * 24])
async def test_an_order_that_does_not_exist_is_not_found(key: AsgiClient, order: str) -> None:
    await open_sale(key)
    path = f"{ORDERS}/{order.replace(' ', '%20')}"
    for method, target, body in (
        ("GET", path, None),
        ("POST", f"{path}/cancel", {}),
        ("POST", f"{path}/refund", {"restock": True}),
    ):
        answer = await key.call(method, target, body)
        check_error(answer, 404, answer.json["error"]["field"])
        assert answer.json["error"]["field"] in {"id", "order"}


async def test_a_merchant_has_no_hand_on_orders_of_other_rooms(
    key: AsgiClient, bearer: Bearer
) -> None:
    await open_sale(key)
    order = await paid(key)
    for merchant, found in ((bearer("demo"), True), (bearer("other"), False)):
        answer = await merchant.call("GET", f"{ORDERS}/{order}")
        if found:
            assert answer.json["id"] == order
            continue
        check_error(answer, 404, "id")
        for word, body in (("refund", {"restock": True}), ("cancel", {})):
            check_error(await merchant.call("POST", f"{ORDERS}/{order}/{word}", body), 404, "id")
    assert await counters(key) == (3, 2, 0, 1)


async def test_a_cancelled_hold_gives_its_units_back_once(key: AsgiClient) -> None:
    await open_sale(key)
    order = (await reserved(key))["id"]
    for _ in range(2):
        body = {"reason": "she called", "request_id": "c-1"}
        answer = await key.call("POST", f"{ORDERS}/{order}/cancel", body)
        assert (answer.status, answer.json["state"]) == (200, "cancelled")
        assert await counters(key) == (3, 3, 0, 0)
    bought = await paid(key, "bob")
    check_error(await key.call("POST", f"{ORDERS}/{bought}/cancel", {}), 409, "order", "paid")


@pytest.mark.parametrize(("restock", "expected"), [(True, (3, 3, 0, 0)), (False, (2, 2, 0, 0))])
async def test_a_refund_returns_the_units_or_writes_them_off_once(
    key: AsgiClient, shop: Shop, restock: bool, expected: tuple[int, ...]
) -> None:
    await open_sale(key)
    order = await paid(key)
    body = {"restock": restock, "reason": "broken", "request_id": "f-1"}
    for _ in range(2):
        answer = await key.call("POST", f"{ORDERS}/{order}/refund", body)
        assert (answer.status, answer.json["state"]) == (200, "refunded")
        assert await counters(key) == expected
    again = await key.call("POST", f"{ORDERS}/{order}/refund", body | {"request_id": "f-2"})
    check_error(again, 409, "order", "refunded")
    await shop.drain(SPRING)
    (owed,) = (await key.call("GET", f"{ORDERS}/{order}")).json["refunds"]
    assert owed == {
        "id": owed["id"],
        "payment": "pay-1",
        "amount_minor": PRICE_MINOR,
        "currency": "CNY",
        "reason": "refunded",
        "state": "due",
        "attempts": 0,
        "last_error": "",
        "created_at_ms": owed["created_at_ms"],
        "done_at_ms": None,
    }
    assert (await key.call("GET", f"{SALES}/{SALE}/books")).json["agree"] is True


async def test_what_is_not_paid_cannot_be_refunded(key: AsgiClient) -> None:
    await open_sale(key)
    order = (await reserved(key))["id"]
    path = f"{ORDERS}/{order}/refund"
    check_error(await key.call("POST", path, {"restock": True}), 409, "order", "reserved")
    check_error(await key.call("POST", path, {}), 400, "restock")
    check_error(await key.call("POST", path, {"restock": 1}), 400, "restock")
    assert await counters(key) == (3, 2, 1, 0)
