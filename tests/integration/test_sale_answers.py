"""What a worker answers to purchases with a price of their own, with and without the store."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import orjson
import pytest

from flash_sale.model import Line, Purchase
from server.replies import Refused
from server.sales.live_sale import Answer, LiveSale
from tests.support.sale_desk import SALE, TEA, Desk, order_id
from tests.support.shop import PRICE_MINOR, Shop
from tests.support.shop_fixtures import furnished_shop, sqlite_database

pytest_plugins = ["tests.support.databases", "tests.support.sale_desk_fixtures"]
database = sqlite_database
shop = furnished_shop

WITH_COUPON = Purchase(
    order_id("bob"), "bob", "r1", (Line(TEA, 1),), discount_minor=40, coupons=("c1",)
)


async def answered(sale: LiveSale, purchase: Purchase) -> Answer:
    placing = sale.place(purchase)
    return await placing if isinstance(placing, asyncio.Future) else placing


async def test_an_answer_given_by_a_flag_is_for_the_same_coupons_only(
    shop: Shop, one: Desk
) -> None:
    await shop.opened(SALE, {"tea": 1})
    await one.outcome("ann")
    await one.knows_sold_out()
    sale = await one.sale()
    assert sale.place(WITH_COUPON) == b'{"outcome":"sold_out","sku":"tea"}', "at once"
    others = [
        replace(WITH_COUPON, coupons=("c2",)),
        replace(WITH_COUPON, discount_minor=0, coupons=()),
        replace(WITH_COUPON, lines=(Line(TEA, 1, 5),)),
    ]
    for is_written in (False, True):
        if is_written:
            await sale.drained()
        assert await answered(sale, replace(WITH_COUPON, note="{}")) == sale.place(WITH_COUPON)
        for other in others:
            answer = await answered(sale, other)
            assert isinstance(answer, Refused), other
            assert answer.code == 409


async def test_an_order_with_coupons_is_answered_with_the_same_bytes_again(
    shop: Shop, one: Desk, other: Desk
) -> None:
    await shop.opened(SALE, {"tea": 3})
    first = await answered(await one.sale(), WITH_COUPON)
    assert isinstance(first, bytes)
    order = orjson.loads(first)["order"]
    assert (order["amount_minor"], order["discount_minor"]) == (PRICE_MINOR - 40, 40)
    assert (order["coupons"], "price" in order) == (["c1"], False)
    again = replace(WITH_COUPON, note='{"price":[]}')
    for desk in (one, other):
        assert await answered(await desk.sale(), again) == first


@pytest.mark.parametrize("discount_minor", [PRICE_MINOR, PRICE_MINOR + 1])
async def test_a_discount_that_leaves_nothing_to_pay_is_rejected(
    shop: Shop, one: Desk, discount_minor: int
) -> None:
    await shop.opened(SALE, {"tea": 3})
    sale = await one.sale()
    answer = await answered(sale, replace(WITH_COUPON, discount_minor=discount_minor))
    assert isinstance(answer, Refused)
    assert (answer.code, answer.message) == (422, "coupons: they leave nothing to pay")
    fair = await answered(sale, WITH_COUPON)
    assert isinstance(fair, bytes), "nothing was kept of the other"
