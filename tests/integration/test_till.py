"""Orders with coupons: held by one order, spent when it is paid, given back in every other end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import orjson
import pytest

from flash_sale.catalog import ProductId, SkuId
from flash_sale.errors import SaleStoreUnavailable
from flash_sale.model import Line
from flash_sale.pricing import CouponKind, CouponTerms, Goods
from flash_sale.pricing import Shop as Where
from server.app import wall_clock_ms
from server.database.claim_records import Asked, Claim, ClaimRecords
from server.replies import Refused
from server.sales.purchases import purchase_of
from server.sharing.till import Basket
from tests.support.sale_desk import SALE, Desk, refused
from tests.support.shop import ROOM, Shop
from tests.support.shop_fixtures import furnished_shop
from tests.support.till import FIVE_OFF, PRICE_MINOR, TillStage

pytest_plugins = ["tests.support.databases", "tests.support.sale_desk_fixtures"]
shop = furnished_shop


@pytest.fixture
async def stage(shop: Shop, one: Desk, other: Desk) -> AsyncIterator[TillStage]:
    stage = TillStage(shop, (one, other))
    await stage.batch()
    await stage.open_sale({"tea": 5, "mug": 5})
    yield stage
    await stage.close()


async def test_a_coupon_is_held_by_its_order_and_spent_when_that_is_paid(stage: TillStage) -> None:
    coupon = await stage.granted("ann")
    order = await stage.reserved("ann", coupon)
    assert (order["amount_minor"], order["discount_minor"]) == (PRICE_MINOR - 500, 500)
    assert order["coupons"] == [coupon]
    assert order["price"] == [
        {"coupon": coupon, "batch": "five", "title": "Five off", "minor": 500}
    ]
    assert await stage.states("ann") == {coupon: "held"}
    await stage.pay(order)
    await stage.drain()
    assert await stage.states("ann") == {coupon: "spent"}
    with refused(422, f"^coupons: {coupon} spent$"):
        await stage.place("ann", coupon, request_id="r2")
    used = await stage.coupons.find("five")
    assert used is not None
    assert (used.batch.issued, used.held, used.spent, used.cost_minor) == (1, 0, 1, 500)


async def test_the_same_request_gets_the_same_bytes_though_its_coupon_is_held(
    stage: TillStage,
) -> None:
    coupon = await stage.granted("ann")
    first = await stage.place("ann", coupon)
    assert await stage.place("ann", coupon, worker=1) == first
    order = orjson.loads(first)["order"]
    await stage.pay(order)
    await stage.drain()
    assert await stage.place("ann", coupon) == first
    await stage.refund(order)
    await stage.drain()
    assert await stage.place("ann", coupon, worker=1) == first


async def test_two_orders_never_hold_one_coupon(stage: TillStage) -> None:
    coupon = await stage.granted("ann")
    await stage.reserved("ann", coupon)
    with refused(422, f"^coupons: {coupon} held$"):
        await stage.place("ann", coupon, request_id="r2")


async def test_of_many_orders_at_once_on_two_workers_one_gets_the_coupon(
    stage: TillStage,
) -> None:
    coupon = await stage.granted("ann")
    places = [
        stage.place("ann", coupon, request_id=f"r{number}", worker=number % 2)
        for number in range(12)
    ]
    answers = await asyncio.gather(*places, return_exceptions=True)
    got = [answer for answer in answers if isinstance(answer, bytes)]
    assert len(got) == 1
    assert all(isinstance(answer, bytes | Refused) for answer in answers), answers
    await stage.drain()
    assert await stage.states("ann") == {coupon: "held"}


async def test_nobody_uses_the_coupon_of_another(stage: TillStage) -> None:
    coupon = await stage.granted("ann")
    with refused(422, f"^coupons: {coupon} unknown$"):
        await stage.place("bob", coupon)
    assert await stage.states("ann") == {coupon: "granted"}


async def test_a_refused_order_gives_its_coupon_back_at_once(stage: TillStage) -> None:
    coupon = await stage.granted("ann")
    answer = await stage.place("ann", coupon, qty=6)
    assert orjson.loads(answer)["outcome"] == "sold_out"
    assert await stage.states("ann") == {coupon: "granted"}
    assert await stage.place("ann", coupon, qty=6, worker=1) == answer, "the same request"
    assert (await stage.reserved("ann", coupon, request_id="r2"))["discount_minor"] == 500


@pytest.mark.parametrize("portion", [1, 100])
async def test_an_order_that_is_cancelled_gives_its_coupon_back(
    stage: TillStage, portion: int
) -> None:
    coupon = await stage.granted("ann")
    first = await stage.place("ann", coupon)
    await stage.cancel(orjson.loads(first)["order"])
    await stage.drain(portion)
    assert await stage.states("ann") == {coupon: "granted"}
    assert await stage.place("ann", coupon) == first, "the same request, and nothing is claimed"
    assert await stage.states("ann") == {coupon: "granted"}


async def test_an_order_that_is_refunded_gives_its_coupon_back_unless_its_time_is_over(
    stage: TillStage,
) -> None:
    await stage.batch(replace(FIVE_OFF, id="short"), valid_days=1)
    coupon, short = await stage.granted("ann"), await stage.granted("bob", "short")
    orders = [await stage.reserved("ann", coupon), await stage.reserved("bob", short)]
    for order in orders:
        await stage.pay(order)
    await stage.drain()
    for order in orders:
        await stage.refund(order)
    await stage.drain()
    assert await stage.states("ann") == {coupon: "granted"}
    stage.ahead_ms = 2 * 86_400_000
    assert await stage.states("bob") == {short: "expired"}
    used = await stage.coupons.find("five")
    assert used is not None
    assert (used.spent, used.cost_minor) == (0, 0)


async def test_another_request_under_the_same_id_is_a_conflict(stage: TillStage) -> None:
    first, second = await stage.granted("ann"), await stage.granted("ann")
    await stage.reserved("ann", first)
    with refused(409, "request_id"):
        await stage.place("ann", second)
    with refused(409, "request_id"):
        await stage.place("ann")
    assert await stage.states("ann") == {first: "held", second: "granted"}
    await stage.reserved("ann", request_id="plain")
    with refused(409, "request_id"):
        await stage.place("ann", second, request_id="plain")
    assert await stage.states("ann") == {first: "held", second: "granted"}


async def test_a_coupon_that_takes_nothing_off_refuses_the_order_and_says_why(
    stage: TillStage,
) -> None:
    dear = CouponTerms(
        "dear", "", CouponKind.THRESHOLD, "CNY", amount_minor=10, threshold_minor=5_000
    )
    await stage.batch(dear)
    coupon = await stage.granted("ann", "dear")
    with refused(422, f"^coupons: {coupon} below_threshold$"):
        await stage.place("ann", coupon)
    with refused(400, "^coupons: one is given twice"):
        await stage.place("ann", coupon, coupon)
    with refused(400, "^coupons: at most 3"):
        await stage.place("ann", "a", "b", "c", "d")
    assert (await stage.reserved("ann", coupon, qty=5))["discount_minor"] == 10


async def test_a_quote_explains_every_coupon_and_changes_nothing(stage: TillStage) -> None:
    first, second = await stage.granted("ann"), await stage.granted("ann")
    basket = Basket(SALE, (Line(SkuId("tea"), 2),), (first, second))
    quote = await stage.tills[0].quote(basket, user="ann")
    assert (quote["list_minor"], quote["discount_minor"], quote["amount_minor"]) == (
        *(2 * PRICE_MINOR, 500, 2 * PRICE_MINOR - 500),
    )
    assert [rule.get("why_not") for rule in quote["price"]] == [None, "not_stackable"]
    assert await stage.states("ann") == {first: "granted", second: "granted"}
    with refused(401, "sign in"):
        await stage.tills[0].quote(basket, user="")


async def claimed_only(stage: TillStage, coupon: str, user: str = "ann") -> None:
    """A worker claims and dies before it asks the store."""
    sale = await stage.desks[0].sale()
    purchase = purchase_of(
        sale,
        stage.desks[0].limits,
        user=user,
        name=user,
        lines=[Line(SkuId("tea"), 1)],
        request_id="r1",
        waitlist=False,
    )
    goods = Goods(SkuId("tea"), ProductId("tea"), 1, PRICE_MINOR, floor_minor=300)
    asked = Asked(purchase, Where(ROOM, SALE, "CNY"), (goods,), (coupon,))
    (claim,) = await ClaimRecords(stage.database).claim([asked], wall_clock_ms())
    assert isinstance(claim, Claim)


async def test_a_claim_whose_worker_died_is_given_back_and_its_request_is_over(
    stage: TillStage,
) -> None:
    coupon = await stage.granted("ann")
    await claimed_only(stage, coupon)
    assert await stage.lapses().look() == 0, "not yet"
    stage.ahead_ms = 61_000
    assert await stage.lapses().look() == 1
    assert await stage.states("ann") == {coupon: "granted"}
    assert orjson.loads(await stage.place("ann", coupon))["outcome"] == "sold_out"
    assert await stage.states("ann") == {coupon: "granted"}
    assert (await stage.reserved("ann", coupon, request_id="r2"))["discount_minor"] == 500


async def test_a_claim_whose_worker_died_is_taken_up_by_the_same_request(stage: TillStage) -> None:
    coupon = await stage.granted("ann")
    await claimed_only(stage, coupon)
    assert (await stage.reserved("ann", coupon, worker=1))["discount_minor"] == 500
    stage.ahead_ms = 61_000
    assert await stage.lapses().look() == 0
    assert await stage.states("ann") == {coupon: "held"}, "the order is in the store, not in SQL"


async def test_an_order_decided_behind_a_returned_claim_never_comes_to_be(
    stage: TillStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that hangs between its claim and the store, until the keeper has given it back."""
    coupon = await stage.granted("ann")
    sale = await stage.desks[0].sale()
    ask = sale.ask
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def hang(purchase: object) -> object:
        entered.set()
        await go_on.wait()
        return await ask(purchase)  # type: ignore[arg-type]

    monkeypatch.setattr(type(sale), "ask", lambda _sale, purchase: hang(purchase))
    placing = asyncio.create_task(stage.place("ann", coupon))
    await entered.wait()
    stage.ahead_ms = 61_000
    assert await stage.lapses().look() == 1
    go_on.set()
    assert orjson.loads(await placing)["outcome"] == "sold_out"
    assert await stage.states("ann") == {coupon: "granted"}
    view = await stage.shop.store.view(SALE)
    assert [(item.available, item.reserved) for item in view.items] == [(5, 0), (5, 0)]


async def test_a_claim_stays_while_the_store_is_away(
    stage: TillStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    coupon = await stage.granted("ann")
    await claimed_only(stage, coupon)
    stage.ahead_ms = 61_000
    lapses = stage.lapses()

    async def away(*_: object) -> None:
        raise SaleStoreUnavailable("stopped")

    monkeypatch.setattr(type(stage.shop.store), "remember_sold_out", away)
    assert await lapses.look() == 0
    assert await stage.states("ann") == {coupon: "held"}
    monkeypatch.undo()
    assert await lapses.look() == 1


async def test_a_resellers_link_adds_its_price_within_the_shops_cap(stage: TillStage) -> None:
    stage.shared("good", "rob", tea=200)
    stage.shared("greedy", "rob", tea=900)
    stage.shared("elsewhere", "rob", room="other", tea=200)
    order = await stage.reserved("ann", share="good")
    assert (order["items"][0]["price_minor"], order["amount_minor"]) == (1_200, 1_200)
    greedy = await stage.reserved("ann", share="greedy", request_id="r2")
    assert greedy["amount_minor"] == PRICE_MINOR + 250
    own = await stage.reserved("rob", share="good")
    assert own["amount_minor"] == PRICE_MINOR, "who buys by an own link pays the shop's price"
    with refused(422, "^share: is a link of another room"):
        await stage.place("ann", share="elsewhere", request_id="r3")
    with refused(422, "^share: is no link"):
        await stage.place("ann", share="made-up", request_id="r3")


async def test_coupons_never_touch_what_a_reseller_adds(stage: TillStage) -> None:
    stage.shared("good", "rob", tea=200)
    half = CouponTerms("half", "", CouponKind.PERCENT, "CNY", percent_bp=5_000)
    await stage.batch(half)
    coupon = await stage.granted("ann", "half")
    order = await stage.reserved("ann", coupon, share="good")
    assert (order["discount_minor"], order["amount_minor"]) == (500, 700)
