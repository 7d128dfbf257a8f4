"""Coupons over the WebSocket of a real worker: seen, quoted, used; and what sharing has earned."""

from __future__ import annotations

from flash_sale.model import Steering
from flash_sale.pricing import CouponKind, CouponTerms
from server.app import wall_clock_ms
from server.database.account_records import Leg, post
from server.database.coupon_records import Batch, CouponRecords
from tests.support.sale_rpc import Denied, Stage
from tests.support.shop import PRICE_MINOR

pytest_plugins = ["tests.support.sale_rpc_fixtures"]


async def granted(stage: Stage, user: str) -> str:
    """A coupon of 100 off in this stage's sale only."""
    records = CouponRecords(stage.shop.database)
    batch = f"batch-{stage.sale}"
    if await records.find(batch) is None:
        terms = CouponTerms(batch, "One off", CouponKind.AMOUNT, "CNY", amount_minor=100)
        await records.create(Batch(terms, issue_max=10, per_user_max=10))
    coupon = await records.grant(batch, user, f"{batch}-{user}", wall_clock_ms())
    assert coupon is not None
    return coupon


async def test_a_buyer_sees_quotes_and_uses_a_coupon(stage: Stage) -> None:
    await stage.open_sale(tea=5)
    coupon = await granted(stage, "ann")
    async with await stage.entered("ann") as ann:
        (mine,) = (await ann.rpc("coupon.list", {}))["coupons"]
        assert (mine["id"], mine["state"], mine["amount_minor"]) == (coupon, "granted", 100)
        basket = {"sale": stage.sale, "sku": "tea", "qty": 2, "coupons": [coupon]}
        quote = await ann.rpc("order.quote", basket)
        assert (quote["list_minor"], quote["amount_minor"]) == (
            2 * PRICE_MINOR,
            2 * PRICE_MINOR - 100,
        )
        asked = {**basket, "request_id": "r1"}
        placed = await ann.rpc("order.place", asked)
        order = placed["order"]
        assert (order["amount_minor"], order["price"]) == (quote["amount_minor"], quote["price"])
        assert await ann.rpc("order.place", asked) == placed
        (mine,) = (await ann.rpc("coupon.list", {}))["coupons"]
        assert (mine["state"], mine["order"]) == ("held", order["id"])
        with Denied(422, f"coupons: {coupon} held"):
            await ann.rpc("order.place", {**basket, "request_id": "r2"})
        paid = await ann.rpc("order.pay", {"order": order["id"]})
        assert paid["order"]["amount_minor"] == 2 * PRICE_MINOR - 100


async def test_coupons_are_for_those_who_are_signed_in_and_prices_for_everybody(
    stage: Stage,
) -> None:
    await stage.open_sale(tea=5)
    basket = {"sale": stage.sale, "sku": "tea", "qty": 1}
    async with await stage.entered("") as nobody:
        assert (await nobody.rpc("order.quote", basket))["amount_minor"] == PRICE_MINOR
        for method, asked in (
            ("coupon.list", {}),
            ("earnings.list", {}),
            ("order.quote", {**basket, "coupons": ["c1"]}),
            ("order.place", {**basket, "coupons": ["c1"], "request_id": "r1"}),
        ):
            with Denied(401):
                await nobody.rpc(method, asked)
        with Denied(404, "sku"):
            await nobody.rpc("order.quote", {**basket, "sku": "coffee"})
        with Denied(400, "qty"):
            await nobody.rpc("order.quote", {"sale": stage.sale, "sku": "tea"})


async def test_a_coupon_in_a_sale_that_is_over_stays_free(stage: Stage) -> None:
    await stage.open_sale(tea=5)
    coupon = await granted(stage, "zed")
    asked = {**stage.purchase(), "coupons": [coupon]}
    async with await stage.entered("zed") as zed:
        await stage.shop.steer(stage.sale, Steering.CLOSE)
        assert await zed.rpc("order.place", asked) == {"outcome": "ended"}
        (mine,) = (await zed.rpc("coupon.list", {}))["coupons"]
        assert mine["state"] == "granted"


async def test_who_is_banned_uses_no_coupon(stage: Stage) -> None:
    await stage.open_sale(tea=5)
    coupon = await granted(stage, "eve")
    async with (
        await stage.entered("mod", role="moderator") as moderator,
        await stage.entered("eve") as eve,
    ):
        await moderator.rpc("room.ban", {"room": stage.room, "user": "eve"})
        with Denied(403, "banned"):
            await eve.rpc("order.place", {**stage.purchase(), "coupons": [coupon]})


async def test_earnings_are_ones_own_balances_and_commissions(stage: Stage) -> None:
    user = f"sharer-{stage.sale}"
    legs = [
        Leg("shop:commission", "CNY", -70),
        Leg(f"user:{user}:pending", "CNY", 70),
    ]
    await stage.shop.database.run(lambda one: post(one, f"t-{stage.sale}", "test", 1, legs))
    async with await stage.entered(user) as sharer, await stage.entered("ann") as ann:
        assert await sharer.rpc("earnings.list", {}) == {
            "accounts": [{"account": "pending", "unit": "CNY", "minor": 70}],
            "commissions": [],
        }
        assert await ann.rpc("earnings.list", {}) == {"accounts": [], "commissions": []}
