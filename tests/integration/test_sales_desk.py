"""What buyers and staff are answered at the desk of a worker."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import orjson
import pytest

from flash_sale.catalog import SkuId
from flash_sale.model import Line, OrderId, PaymentOutcome, SaleState, Steering
from server.app import wall_clock_ms
from server.database.engine import Database
from server.redis_client import Client
from tests.support.sale_desk import (
    MUG,
    SALE,
    TEA,
    WITHIN_S,
    Desk,
    act,
    order_id,
    payment,
    refused,
)
from tests.support.shop import Shop
from tests.support.shop_fixtures import furnished_shop, sqlite_database
from tests.support.wait import wait_until

pytest_plugins = ["tests.support.databases", "tests.support.sale_desk_fixtures"]
database = sqlite_database
shop = furnished_shop


# answers


async def test_the_same_request_gets_the_same_bytes_on_every_worker(
    shop: Shop, one: Desk, other: Desk
) -> None:
    await shop.opened(SALE, {"tea": 1})
    first = await one.ask("ann")
    order = orjson.loads(first)["order"]
    assert (order["id"], order["state"], order["sku"]) == (order_id("ann"), "reserved", "tea")
    await one.desk.pay(payment("ann"))
    assert await one.ask("ann") == first
    assert await other.ask("ann") == first


async def test_a_request_id_of_another_request_is_a_conflict(shop: Shop, one: Desk) -> None:
    await shop.opened(SALE, {"tea": 5})
    await one.ask("ann")
    with refused(409, "request_id"):
        await one.ask("ann", qty=2)
    assert await one.outcome("bob") == "reserved", "request ids are each buyer's own"


@pytest.mark.parametrize(
    ("lines", "code", "field"),
    [
        ([("tea", 1), ("tea", 1)], 400, "items"),
        ([("coffee", 1)], 404, "sku"),
        ([("tea", 0)], 400, "qty"),
        ([], 400, "qty"),
        ([("tea", 1)] * 11, 400, "items"),
    ],
)
async def test_lines_that_make_no_sense_are_refused_and_spoil_no_batch(
    shop: Shop, one: Desk, lines: list[tuple[str, int]], code: int, field: str
) -> None:
    await shop.opened(SALE, {"tea": 5})
    await one.sale()

    async def nonsense() -> None:
        asked = [Line(SkuId(sku), qty) for sku, qty in lines]
        with refused(code, f"^{field}: "):
            await one.desk.place(SALE, user="eve", name="", lines=asked, request_id="r1")

    answers = await asyncio.gather(one.outcome("ann"), nonsense(), one.outcome("bob"))
    assert list(answers) == ["reserved", None, "reserved"]


async def test_texts_that_no_store_can_keep_are_refused(shop: Shop, one: Desk) -> None:
    await shop.opened(SALE, {"tea": 5})
    for user, request_id in (("a\x1fb", "r1"), ("ann", "r\n1"), ("ann", "\ud800"), ("ann", "")):
        with refused(400):
            await one.ask(user, request_id)
    with refused(413, "request_id"):
        await one.ask("ann", "r" * 65)


async def test_a_basket_is_all_or_nothing(shop: Shop, one: Desk) -> None:
    await shop.opened(SALE, {"tea": 1, "mug": 1})
    both = [Line(TEA, 1), Line(MUG, 1)]
    for user, wanted in (("ann", "reserved"), ("bob", "sold_out")):
        answer = await one.desk.place(SALE, user=user, name="", lines=both, request_id="r1")
        assert orjson.loads(answer)["outcome"] == wanted
    assert b'"sku"' not in answer, "it does not say which"


async def test_a_sale_nobody_knows_is_looked_for_once_and_found_when_it_is_armed(
    shop: Shop, one: Desk, database: Database
) -> None:
    asked: list[str] = []
    find = one.records.find

    async def counted(sale_id: str) -> Any:
        asked.append(sale_id)
        return await find(sale_id)

    one.records.find = counted  # type: ignore[method-assign]
    for _ in range(3):
        with refused(404, "sale"):
            await one.outcome("ann")
    assert len(asked) == 1
    await shop.draft(SALE, {"tea": 1})
    await one.desk.arm(SALE, act())
    assert await one.outcome("ann") == "not_started"


async def test_a_draft_is_nobodys_business(shop: Shop, one: Desk) -> None:
    await shop.draft(SALE, {"tea": 1})
    with refused(404):
        await one.outcome("ann")
    with refused(404):
        await one.desk.view(SALE)


# orders


async def test_a_payment_is_taken_once_and_only_from_those_who_have_an_order(
    shop: Shop, one: Desk, other: Desk
) -> None:
    await shop.opened(SALE, {"tea": 2})
    await one.outcome("ann")
    paid = await asyncio.gather(*(desk.desk.pay(payment("ann")) for desk in (one, other)))
    assert {one_paid.outcome for one_paid in paid} == {PaymentOutcome.ACCEPTED}
    assert (await one.desk.pay(payment("ann", "p2"))).outcome is PaymentOutcome.SURPLUS
    for nobody_s in (order_id("bob"), OrderId("spring.tea"), OrderId("no-sale." + "0" * 24)):
        with refused(404, "order"):
            await one.desk.pay(replace(payment("ann", "p3"), order_id=nobody_s))


async def test_only_its_buyer_and_staff_see_and_cancel_an_order(shop: Shop, one: Desk) -> None:
    await shop.opened(SALE, {"tea": 2})
    await one.outcome("ann")
    with refused(404):
        await one.desk.order(order_id("ann"), user="bob")
    with refused(404):
        await one.desk.cancel(order_id("ann"), user="bob")
    shown = await one.desk.order(order_id("ann"), user="ann")
    assert (shown["state"], "user" in shown) == ("reserved", False)
    seen_by_staff = await one.desk.order(order_id("ann"), user=None)
    assert seen_by_staff["user"] == "ann"
    cancelled = await one.desk.cancel(order_id("ann"), user=None, reason="out of tea")
    assert cancelled["state"] == "cancelled"
    assert (await one.desk.cancel(order_id("ann"), user="ann"))["state"] == "cancelled", "again"


async def test_a_paid_order_is_refunded_not_cancelled(shop: Shop, one: Desk) -> None:
    await shop.opened(SALE, {"tea": 1})
    await one.outcome("ann")
    with refused(409, "reserved"):
        await one.desk.refund(order_id("ann"), act(), restock=True)
    await one.desk.pay(payment("ann"))
    with refused(409, "paid"):
        await one.desk.cancel(order_id("ann"), user="ann")
    back = act()
    for _ in range(2):
        refunded = await one.desk.refund(order_id("ann"), back, restock=True)
        assert refunded["state"] == "refunded"
    assert await one.outcome("bob") == "reserved"


async def test_a_refund_long_after_a_sale_makes_the_ledger_read_it_again(
    shop: Shop, one: Desk
) -> None:
    await shop.opened(SALE, {"tea": 1})
    await one.outcome("ann")
    await one.desk.pay(payment("ann"))
    await one.desk.steer(SALE, Steering.CLOSE, act())
    await shop.drain(SALE)
    assert await one.records.settle(SALE, 1)
    assert await one.records.running() == []
    await one.desk.refund(order_id("ann"), act(), restock=False)
    assert [record.terms.id for record in await one.records.running()] == [SALE]


async def test_a_payment_that_is_owed_back_long_after_a_sale_is_read_by_the_ledger_too(
    shop: Shop, one: Desk
) -> None:
    await shop.opened(SALE, {"tea": 1})
    await one.outcome("ann")
    await one.desk.cancel(order_id("ann"), user="ann")
    await one.desk.steer(SALE, Steering.CLOSE, act())
    await shop.drain(SALE)
    assert await one.records.settle(SALE, 1)
    assert (await one.desk.pay(payment("ann"))).outcome is PaymentOutcome.LATE
    assert [record.terms.id for record in await one.records.running()] == [SALE]


@pytest.mark.parametrize("name", ["", "-", "p 1", "p\x1f1"])
async def test_a_payment_whose_id_could_not_be_kept_is_refused(
    shop: Shop, one: Desk, name: str
) -> None:
    await shop.opened(SALE, {"tea": 1})
    await one.outcome("ann")
    with refused(400, "payment"):
        await one.desk.pay(replace(payment("ann"), id=name))
    assert (await one.desk.pay(payment("ann"))).outcome is PaymentOutcome.ACCEPTED


async def test_a_payment_of_a_sale_that_is_over_and_lost_is_asked_for_again(
    shop: Shop, one: Desk, redis_client: Client
) -> None:
    await shop.opened(SALE, {"tea": 1})
    await shop.buy(SALE, "ann")
    await shop.steer(SALE, Steering.CLOSE, cancel_holds=True)
    await shop.store.sweep(SALE, 10)
    await shop.drain(SALE)
    assert await shop.records.settle(SALE, 1)
    await redis_client.flushall()
    with refused(503, "restored"):
        await one.desk.pay(payment("ann"))


async def test_a_buyer_lists_orders_of_the_ledger_and_those_on_their_way_to_it(
    shop: Shop, one: Desk
) -> None:
    await shop.opened(SALE, {"tea": 9})
    await one.outcome("ann", "old")
    await shop.drain(SALE)
    await one.desk.pay(replace(payment("ann"), order_id=order_id("ann", "old")))
    told = len(one.told)
    await one.outcome("ann", "new")
    await wait_until(lambda: len(one.told) > told, WITHIN_S, "it was heard")
    listed = await one.desk.of_user("ann")
    assert [(order["request_id"], order["state"]) for order in listed] == [
        ("new", "reserved"),
        ("old", "paid"),
    ]
    assert await one.desk.of_user("bob") == []


# staff


async def test_a_sale_is_armed_once_and_the_same_act_again_shows_it(shop: Shop, one: Desk) -> None:
    await shop.draft(SALE, {"tea": 5, "mug": 5})
    arming = act()
    for _ in range(2):
        shown = await one.desk.arm(SALE, arming, on_sale={TEA: 2})
        assert (shown["state"], [item["available"] for item in shown["items"]]) == ("armed", [2, 5])
    with refused(409, "armed"):
        await one.desk.arm(SALE, act())
    (record,) = await one.records.running()
    assert record.state is SaleState.ARMED


async def test_what_cannot_be_armed_is_a_draft_again(shop: Shop, one: Desk) -> None:
    await shop.draft(SALE, {"tea": 5})
    for on_sale, code in (({TEA: 6}, 422), ({SkuId("coffee"): 1}, 404)):
        with refused(code):
            await one.desk.arm(SALE, act(), on_sale=on_sale)
        record = await one.records.find(SALE)
        assert record is not None
        assert record.state is SaleState.DRAFT
    with refused(404, "sale"):
        await one.desk.arm("no-sale", act())


async def test_a_refused_second_arming_leaves_an_armed_sale_armed(shop: Shop, one: Desk) -> None:
    await shop.draft(SALE, {"tea": 5})
    await one.desk.arm(SALE, act())
    with refused(422):
        await one.desk.arm(SALE, act(), on_sale={TEA: 6})
    (record,) = await one.records.running()
    assert record.terms.id == SALE


async def test_a_sale_that_the_store_has_lost_is_not_armed_again(
    shop: Shop, one: Desk, other: Desk, redis_client: Client
) -> None:
    await shop.opened(SALE, {"tea": 5})
    await one.outcome("ann")
    await shop.drain(SALE)
    await redis_client.flushall()
    with refused(503, "restored"):
        await other.desk.arm(SALE, act())
    for desk in (one, other):
        with refused(503, "restored"):
            await desk.outcome("bob")


async def test_a_countdown_may_begin_with_the_arming(shop: Shop, one: Desk) -> None:
    await shop.draft(SALE, {"tea": 5})
    shown = await one.desk.arm(SALE, act(), countdown_seconds=30)
    assert shown["state"] == "countdown"
    assert shown["starts_at_ms"] > wall_clock_ms()
    with refused(400, "countdown_seconds"):
        await one.desk.steer(SALE, Steering.OPEN, act(), countdown_seconds=3_601)


async def test_arming_again_with_another_countdown_is_another_act(shop: Shop, one: Desk) -> None:
    await shop.draft(SALE, {"tea": 5})
    once = act()
    first = await one.desk.arm(SALE, once, countdown_seconds=30)
    again = await one.desk.arm(SALE, once, countdown_seconds=30)
    assert again["starts_at_ms"] == first["starts_at_ms"]
    with refused(409, "request_id"):
        await one.desk.arm(SALE, once, countdown_seconds=31)
    await one.desk.steer(SALE, Steering.OPEN, act())
    opened = await one.desk.arm(SALE, once, countdown_seconds=30)
    assert (opened["state"], opened["version"]) == ("open", again["version"] + 1)
    with refused(409, "request_id"):
        await one.desk.arm(SALE, once, countdown_seconds=31)


async def test_a_countdown_that_an_arming_never_had_is_not_begun_later(
    shop: Shop, one: Desk
) -> None:
    await shop.draft(SALE, {"tea": 5})
    once = act()
    await one.desk.arm(SALE, once)
    await one.desk.steer(SALE, Steering.OPEN, act())
    with refused(409, "open"):
        await one.desk.arm(SALE, once, countdown_seconds=30)


async def test_a_host_restocks_within_the_allocation_and_a_merchant_beyond_it(
    shop: Shop, one: Desk
) -> None:
    await shop.draft(SALE, {"tea": 5})
    await one.desk.arm(SALE, act(), on_sale={TEA: 3})
    once = act()
    for _ in range(2):
        shown = await one.desk.steer(SALE, Steering.RESTOCK, once, units={TEA: 2})
        assert shown["items"][0]["stock"] == 5
    with refused(422, "units"):
        await one.desk.steer(SALE, Steering.RESTOCK, act(), units={TEA: 1})
    shown = await one.desk.steer(SALE, Steering.RESTOCK, act(), units={TEA: 1}, allocate=True)
    assert shown["items"][0]["stock"] == 6
