"""Orders with a price of their own: markups, discounts, coupons, and the note that explains it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flash_sale.adapters.script import key_of
from flash_sale.adapters.wire import FIELD
from flash_sale.catalog import PRICE_MINOR_MAX
from flash_sale.model import (
    COUPONS_MAX,
    NOTE_BYTES_MAX,
    UNITS_MAX,
    Line,
    Outcome,
    PaymentOutcome,
    PricedLine,
    Purchase,
)
from tests.support.sale_machine import SALE
from tests.support.sale_talk import OIL, TEA, buying, everything_stored, opened, paying
from tests.support.sale_twins import Twins

pytest_plugins = ["tests.support.sale_store_fixtures"]

BASKET = replace(
    buying("ann", 1, Line(TEA, 2, 50), Line(OIL, 1)),
    discount_minor=100,
    coupons=("c-1", "c_2"),
    note='{"price":[{"rule":"满减"}],"source":"x|y*2@3"}',
)


async def asked(twins: Twins, *purchases: Purchase) -> list[Outcome]:
    decided = await twins.reserve(*purchases)
    assert decided is not None
    return [one.outcome for one in decided.decisions]


async def test_an_order_costs_its_lines_with_markups_less_the_discount(twins):
    await opened(twins)
    order = (await twins.reserve(BASKET)).decisions[0].order
    assert order.lines == (PricedLine(OIL, 1, 249), PricedLine(TEA, 2, 249, 50))
    assert order.amount_minor == 249 + 2 * 249 - 100
    assert (order.discount_minor, order.coupons) == (100, ("c-1", "c_2"))
    assert order.note == BASKET.note
    paid = await twins.pay(paying(BASKET, "p1", 747), paying(BASKET, "p2", 647))
    assert [one.outcome for one in paid] == [PaymentOutcome.MISMATCH, PaymentOutcome.ACCEPTED]
    assert paid[1].order.note == BASKET.note
    await twins.check()


async def test_other_coupons_discounts_or_markups_are_another_request_and_another_note_is_not(
    twins,
):
    await opened(twins)
    first = (await twins.reserve(BASKET)).decisions[0]
    for other in (
        {"coupons": ("c-1",)},
        {"coupons": ()},
        {"discount_minor": 99},
        {"discount_minor": 0, "coupons": ()},
        {"lines": (Line(TEA, 2), Line(OIL, 1))},
        {"lines": (Line(TEA, 2, 51), Line(OIL, 1))},
        {"lines": (Line(TEA, 2), Line(OIL, 1, 50))},
    ):
        assert await asked(twins, replace(BASKET, **other)) == [Outcome.REUSED], other
    again = await twins.reserve(replace(BASKET, note=""), replace(BASKET, note='{"price":[]}'))
    assert again.decisions == [first, first]


async def test_a_refusal_is_told_again_only_to_the_same_coupons(twins):
    await opened(twins)
    too_many = replace(BASKET, lines=(Line(TEA, 3, 50),))
    other = replace(too_many, coupons=("c-1",))
    outcomes = await asked(twins, too_many, too_many, other)
    assert outcomes == [Outcome.LIMIT_REACHED, Outcome.LIMIT_REACHED, Outcome.REUSED]


@pytest.mark.parametrize(("discount_minor", "outcome"), [(198, "reserved"), (199, "bad_price")])
async def test_a_discount_leaves_at_least_the_smallest_coin(twins, discount_minor, outcome):
    await opened(twins)
    purchase = replace(buying("ann", 1), discount_minor=discount_minor)
    assert await asked(twins, purchase) == [outcome]
    await twins.check()


async def test_a_price_that_cannot_be_is_not_kept_as_an_answer(twins, redis_client):
    await opened(twins)
    huge = replace(buying("ann", 1, Line(TEA, UNITS_MAX, PRICE_MINOR_MAX)), discount_minor=5)
    free = replace(buying("ann", 1), discount_minor=500)
    before = await everything_stored(redis_client)
    answers = await twins.backend.sales.reserve(SALE, [huge, free, huge])
    assert [one.outcome for one in answers.decisions] == [Outcome.BAD_PRICE] * 3
    assert await everything_stored(redis_client) == before
    assert await asked(twins, replace(free, discount_minor=50)) == [Outcome.RESERVED]


async def test_an_order_without_any_of_it_is_stored_as_it_always_was(twins, redis_client):
    await opened(twins)
    plain = buying("ann", 1, Line(TEA, 1), Line(OIL, 2))
    await twins.reserve(plain)
    stored = await redis_client.hget(key_of(SALE, "orders"), plain.order_id.rpartition(".")[2])
    user, request_id, ask, amount, prices, *_, name = stored.decode().split(FIELD)
    assert (user, request_id, name) == ("ann", "r1", "ann*")
    assert (ask, amount, prices) == ("oil-1l*2,tea*1", "697", "249,199")
    assert stored.count(FIELD.encode()) == 9


async def test_somebody_with_coupons_may_wait_and_keeps_the_price(twins):
    await opened(twins)
    holder = buying("ben", 1, Line(TEA, 2))
    await twins.reserve(holder, buying("cat", 1))
    waiting = replace(
        buying("ann", 1, Line(TEA, 1, 7), waitlist=True), discount_minor=6, coupons=("c",), note="n"
    )
    assert await asked(twins, waiting, waiting) == [Outcome.QUEUED, Outcome.QUEUED]
    await twins.cancel(holder.order_id, None)
    order = await twins.backend.sales.order(waiting.order_id)
    assert (order.amount_minor, order.coupons, order.note) == (200, ("c",), "n")
    await twins.check()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"lines": (Line(TEA, 1, -1),)}, "markup_minor"),
        ({"lines": (Line(TEA, 1, PRICE_MINOR_MAX + 1),)}, "markup_minor"),
        ({"discount_minor": -1}, "discount_minor"),
        ({"discount_minor": 2**53}, "discount_minor"),
        ({"coupons": ("b", "a")}, "coupons"),
        ({"coupons": ("a", "a")}, "coupons"),
        ({"coupons": ("",)}, "coupons"),
        ({"coupons": ("tea*1",)}, "coupons"),
        ({"coupons": ("a|b",)}, "coupons"),
        ({"coupons": tuple(f"c{number}" for number in range(COUPONS_MAX + 1))}, "coupons"),
        ({"note": '{"a":\n1}'}, "note"),
        ({"note": "\x1f"}, "note"),
        ({"note": "茶" * (NOTE_BYTES_MAX // 3) + "x"}, "note"),
    ],
)
async def test_a_price_that_no_script_could_read_is_refused_with_its_field(
    twins, redis_client, wrong, field
):
    await opened(twins)
    before = await everything_stored(redis_client)
    with pytest.raises(ValueError, match=f"^{field}: "):
        await twins.backend.sales.reserve(
            SALE, [buying("ben", 1), replace(buying("ann", 1), **wrong)]
        )
    assert await everything_stored(redis_client) == before


async def test_as_many_coupons_and_as_long_a_note_as_there_may_be_are_kept(twins):
    await opened(twins)
    coupons = tuple(f"{number:064}" for number in range(COUPONS_MAX))
    purchase = replace(buying("ann", 1), coupons=coupons, note="茶" * (NOTE_BYTES_MAX // 3))
    order = (await twins.reserve(purchase)).decisions[0].order
    assert (order.coupons, order.note) == (coupons, purchase.note)
    await twins.check()
