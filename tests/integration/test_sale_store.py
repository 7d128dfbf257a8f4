"""The store of sales on a real Redis: every operation and every answer, beside its twin."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.resources import files

import pytest

from flash_sale.adapters.redis_sales import StoreLimits
from flash_sale.adapters.script import key_of, keys_of
from flash_sale.adapters.wire import FIELD
from flash_sale.errors import NotOnSale, SaleFrozen
from flash_sale.model import (
    Change,
    Line,
    MoveKind,
    OrderState,
    Outcome,
    PaymentOutcome,
    Refusal,
    SaleState,
    Steering,
)
from tests.support.sale_machine import HOLD_MS, SALE, terms_of
from tests.support.sale_on_redis import sales_on
from tests.support.sale_talk import (
    JAM,
    OIL,
    SALT,
    TEA,
    act,
    buying,
    calls,
    everything,
    everything_stored,
    hearing,
    opened,
    paying,
)
from tests.support.sale_twins import GRACE_MS, Twins
from tests.support.wait import wait_until

pytest_plugins = ["tests.support.sale_store_fixtures"]

EVERY_WORD = {
    *(f"reserve {word}" for word in Outcome),
    *(f"pay {word}" for word in PaymentOutcome),
    *(f"cancel {word}" for word in Change),
    *(f"refund {word}" for word in Change),
    *(f"steer {word}" for word in Refusal),
    *("arm wrong_state", "arm reused"),
}
TOLD_REFUSALS = {Outcome.NOT_STARTED, Outcome.PAUSED, Outcome.ENDED, Outcome.LIMIT_REACHED}
FIELDS_OF_A_SALE = {
    "epoch", "seq", "told", "version", "state", "reason", "room", "currency", "skus", "clock_ms",
    "starts_at_ms", "ends_at_ms", "hold_ms", "offer_ms", "grace_ms", "cancel_holds",
    "refused_generation", "refused_since_ms", "home", "fenced_ms",
}  # fmt: skip
COUNTERS = {
    "initial", "available", "reserved", "sold", "refunded", "written_off", "allocated", "price",
    "limit", "index",
}  # fmt: skip
OTHER_WORDS = {
    *("ok", "missing", "stale", "frozen", "refused"),  # how an answer begins
    *("hash", "zset", "stream", "none"),  # types of keys
    *("put_on_sale", "restock", "allocate"),  # kinds of stock moves
    *("moves", "rebuilding", "arm"),
    *("replication", "string"),
}


# words


def quoted(script: str) -> set[str]:
    text = files("flash_sale.adapters").joinpath(f"{script}.lua").read_text("utf-8")
    code = "\n".join(line.partition("--")[0] for line in text.splitlines())
    return set(re.findall(r"'([a-z_]+)'", code)) | set(re.findall(r"function acts\.(\w+)", code))


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("reserve", Outcome),
        ("pay", PaymentOutcome),
        ("cancel", Change),
        ("refund", Change),
        ("steer", Steering),
        ("steer", Refusal),
        ("arm", [Refusal.WRONG_STATE, Refusal.BAD_TIME, Refusal.REUSED]),
    ],
)
def test_every_word_of_an_answer_stands_in_its_script(script: str, words: list[str]):
    assert not {str(word) for word in words} - quoted(script)


def test_every_word_in_a_script_is_a_word_of_the_model():
    enums = (Outcome, PaymentOutcome, Change, Steering, Refusal, MoveKind, SaleState, OrderState)
    known = {str(word) for enum in enums for word in enum}
    known |= FIELDS_OF_A_SALE | COUNTERS | OTHER_WORDS
    scripts = [
        file.name.removesuffix(".lua")
        for file in files("flash_sale.adapters").iterdir()
        if file.name.endswith(".lua")
    ]
    assert len(scripts) >= 10
    for script in scripts:
        assert not quoted(script) - known, script


# answers


async def test_a_sale_gets_the_answers_of_its_twin_and_meets_every_one(twins):
    await everything(twins)
    assert set(twins.words) >= EVERY_WORD
    assert twins.ledger.kinds == set(MoveKind)


async def test_all_keys_of_a_sale_are_named_in_one_place(twins, redis_client):
    await everything(twins)
    keys = {key.decode() for key in await redis_client.keys("*")}
    assert keys <= set(keys_of(SALE))
    assert key_of(SALE, "ledger") in keys


async def test_what_is_announced_is_what_the_stream_holds_and_no_announcement_is_missing(
    twins, redis_client, redis_url
):
    async with hearing(redis_url) as told:
        await everything(twins)
        at = twins.twin.sales[SALE].at
        await wait_until(lambda: told and told[-1].at.told == at.told, 20, "all is heard")
    assert [one.at.told for one in told] == list(range(1, at.told + 1))
    assert [move for one in told for move in one.moves] == twins.twin.sales[SALE].moves
    refused = {order_id for one in told for order_id in one.refused}
    asked = twins.twin.sales[SALE].asked
    assert refused == {one for one, (_, told) in asked.items() if told.outcome in TOLD_REFUSALS}
    view = await twins.check()
    last_told = {sku: units for one in told for sku, units in one.available.items()}
    assert last_told == {item.sku: 0 if item.waiting else item.available for item in view.items}


async def test_nothing_is_announced_or_written_when_nothing_changed(twins, redis_client, redis_url):
    await opened(twins)
    purchase = buying("ann", 1, Line(TEA, 2))
    await twins.reserve(purchase)
    before = await everything_stored(redis_client)
    async with hearing(redis_url) as told:
        await twins.reserve(purchase, purchase, replace(purchase, lines=(Line(OIL, 1),)))
        await twins.reserve(buying("ann", 2, Line(SALT, 1)))
        await twins.cancel(purchase.order_id, "ben")
        await twins.sweep(5)
        await twins.steer(Steering.OPEN, act("open"))
        assert await everything_stored(redis_client) == before
        await twins.reserve(buying("ben", 1))
        await wait_until(lambda: told, 20, "the next purchase is heard")
    assert len(told) == 1


# baskets


async def test_a_basket_is_sold_whole_or_not_at_all(twins):
    await opened(twins)
    await twins.reserve(buying("ann", 1, Line(JAM, 1)))
    decided = await twins.reserve(buying("ben", 1, Line(TEA, 1), Line(JAM, 1), Line(OIL, 1)))
    assert decided.decisions[0].outcome is Outcome.SOLD_OUT
    view = await twins.check()
    assert [item.available for item in view.items] == [3, 2, 0]


async def test_a_basket_in_another_order_is_the_same_request(twins):
    await opened(twins)
    basket = buying("ann", 1, Line(TEA, 1), Line(OIL, 2))
    decided = await twins.reserve(basket, replace(basket, lines=basket.lines[::-1]))
    assert decided.decisions[0] == decided.decisions[1]
    assert decided.decisions[0].order.amount_minor == 199 + 2 * 249


@pytest.mark.parametrize(
    "wrong",
    [
        {"lines": (Line(TEA, 1), Line(TEA, 1))},
        {"lines": (Line(TEA, 0),)},
        {"lines": (Line(TEA, -1),)},
        {"lines": ()},
        {"lines": (Line(TEA, 2),), "waitlist": True},
        {"lines": (Line(TEA, 1), Line(OIL, 1)), "waitlist": True},
        {"user": f"ann{FIELD}"},
        {"request_id": "1\n2"},
        {"name": "ann\x1e"},
        {"name": "\ud800"},
    ],
)
async def test_a_purchase_that_no_script_could_decide_is_refused_with_its_neighbours(
    twins, redis_client, wrong
):
    await opened(twins)
    before = await everything_stored(redis_client)
    with pytest.raises(ValueError, match=r"\w+"):
        await twins.backend.sales.reserve(
            SALE, [buying("ben", 1), replace(buying("ann", 1), **wrong)]
        )
    assert await everything_stored(redis_client) == before


@pytest.mark.parametrize("payment_id", ["", "two words", "a\x1fb"])
async def test_a_payment_whose_id_no_script_could_keep_is_refused(twins, payment_id):
    await opened(twins)
    await twins.reserve(buying("ann", 1))
    with pytest.raises(ValueError, match="payment"):
        await twins.backend.sales.pay(SALE, [paying(buying("ann", 1), payment_id)])
    await twins.check()


# time


async def test_a_payment_is_taken_until_the_grace_ends_and_not_a_moment_later(twins):
    await opened(twins)
    ann, ben = buying("ann", 1), buying("ben", 1)
    await twins.reserve(ann, ben)
    await twins.pass_time(HOLD_MS + GRACE_MS)
    await twins.sweep(10)
    assert (await twins.pay(paying(ann, "p1")))[0].outcome is PaymentOutcome.ACCEPTED
    await twins.pass_time(1)
    assert (await twins.pay(paying(ben, "p2")))[0].outcome is PaymentOutcome.LATE
    await twins.check()


async def test_a_sale_opens_and_closes_by_the_clock_in_whatever_is_asked_first(twins):
    terms = replace(twins.terms, starts_at_ms=await twins.backend.now_ms() + 10_000_000)
    twins = Twins(twins.backend, replace(terms, ends_at_ms=terms.starts_at_ms + 60_000))
    await twins.arm(act("arm"))
    await twins.pass_time(terms.starts_at_ms - twins.now_ms - 1)
    first = await twins.reserve(buying("ann", 1))
    await twins.pass_time(1)
    second = await twins.reserve(buying("ann", 2))
    await twins.pass_time(60_000)
    assert (await twins.check()).state is SaleState.CLOSED
    third = await twins.reserve(buying("ann", 3))
    outcomes = [one.decisions[0].outcome for one in (first, second, third)]
    assert outcomes == [Outcome.NOT_STARTED, Outcome.RESERVED, Outcome.ENDED]
    await twins.check()


# the waitlist


async def test_more_people_than_one_step_serves_are_served_in_order_by_the_sweeps(redis_client):
    terms = terms_of([1, 1, 1], [1, 1, 1], starts_at_ms=None, ends_at_ms=None)
    sales = sales_on(redis_client, StoreLimits(waitlist_max=1_000))
    await sales.arm(terms, act("arm"), {TEA: 0})
    await sales.steer(SALE, Steering.OPEN, act("open"))
    people = [buying(f"user-{number}", 1, waitlist=True) for number in range(300)]
    await sales.reserve(SALE, people[:150])
    await sales.reserve(SALE, people[150:])
    await sales.steer(SALE, Steering.RESTOCK, act("more"), units={TEA: 250}, allocate=True)
    newcomers = await sales.reserve(SALE, [buying("new", 1), buying("new", 2, waitlist=True)])
    assert [one.outcome for one in newcomers.decisions] == [Outcome.SOLD_OUT, Outcome.QUEUED]
    while (await sales.sweep(SALE, 40)).more:
        pass
    orders, cursor = await sales.orders(SALE, 0, 1_000)
    assert cursor == 0
    states = {order.id: order.state for order in orders}
    assert {states[one.order_id] for one in people[:250]} == {OrderState.RESERVED}
    assert {states[one.order_id] for one in people[250:]} == {OrderState.QUEUED}
    assert {item.sku: item.waiting for item in (await sales.view(SALE)).items}[TEA] == 51


async def test_what_comes_back_while_a_sale_is_paused_is_offered_when_it_goes_on(twins):
    await opened(twins)
    ann, ben = buying("ann", 1, Line(JAM, 1)), buying("ben", 1, Line(JAM, 1), waitlist=True)
    await twins.reserve(ann, ben)
    await twins.steer(Steering.PAUSE, act("pause"))
    await twins.cancel(ann.order_id, "ann")
    assert (await twins.check()).item(JAM).waiting == 1
    await twins.steer(Steering.RESUME, act("resume"))
    assert (await twins.check()).item(JAM).waiting == 0
    assert (await twins.backend.sales.order(ben.order_id)).state is OrderState.RESERVED


# answers that were given without the store


async def test_a_remembered_answer_is_given_again_even_when_there_is_stock(twins):
    await opened(twins)
    known, told = buying("ann", 1), buying("ben", 1)
    await twins.reserve(known)
    await twins.remember_sold_out(known, told)
    decided = await twins.reserve(known, told, replace(told, lines=(Line(OIL, 1),)))
    outcomes = [one.outcome for one in decided.decisions]
    assert outcomes == [Outcome.RESERVED, Outcome.SOLD_OUT, Outcome.REUSED]
    await twins.check()


async def test_who_cancels_and_orders_again_is_bounded(redis_client):
    terms = terms_of([9, 9, 9], [3, 3, 3], starts_at_ms=None, ends_at_ms=None)
    sales = sales_on(redis_client, StoreLimits(orders_per_buyer_max=2))
    await sales.arm(terms, act("arm"), {})
    await sales.steer(SALE, Steering.OPEN, act("open"))
    for number in (1, 2):
        purchase = buying("ann", number)
        decided = await sales.reserve(SALE, [purchase])
        assert decided.decisions[0].outcome is Outcome.RESERVED
        await sales.cancel(purchase.order_id, "ann", "")
    others = await sales.reserve(SALE, [buying("ann", 3), buying("ben", 1), buying("ann", 2)])
    outcomes = [one.outcome for one in others.decisions]
    assert outcomes == [Outcome.LIMIT_REACHED, Outcome.RESERVED, Outcome.RESERVED]


async def test_of_many_refusals_the_last_ones_are_kept(redis_client):
    terms = terms_of([1, 1, 1], [1, 1, 1], starts_at_ms=None, ends_at_ms=None)
    sales = sales_on(redis_client, StoreLimits(refusals_kept_max=10))
    await sales.arm(terms, act("arm"), {})
    refused = [buying(f"user-{number}", 1) for number in range(40)]
    for purchase in refused:
        await sales.reserve(SALE, [purchase])
    kept = await redis_client.hlen(key_of(SALE, "refused:0"))
    kept += await redis_client.hlen(key_of(SALE, "refused:1"))
    assert 10 <= kept <= 20
    await sales.steer(SALE, Steering.OPEN, act("open"))
    again = await sales.reserve(SALE, refused[-10:])
    assert {one.outcome for one in again.decisions} == {Outcome.NOT_STARTED}
    forgotten = await sales.reserve(SALE, refused[:1])
    assert forgotten.decisions[0].outcome is Outcome.RESERVED


# a sale that is not there, or not to be trusted


async def test_every_operation_names_a_sale_that_is_not_in_the_store(redis_client):
    for call in calls(sales_on(redis_client)):
        with pytest.raises(NotOnSale):
            await call()


async def test_nothing_is_decided_in_a_frozen_sale_but_it_can_be_seen(twins, redis_client):
    await opened(twins)
    await twins.reserve(buying("ann", 1))
    await twins.steer(Steering.FREEZE, act("freeze"))
    before = await everything_stored(redis_client)
    for call in calls(twins.backend.sales):
        with pytest.raises(SaleFrozen):
            await call()
    assert await everything_stored(redis_client) == before
    assert (await twins.check()).state is SaleState.FROZEN
