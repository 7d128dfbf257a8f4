"""What staff do to a sale in the store: restocking, refunds, and acts that come again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flash_sale.errors import NotOnSale, SteeringRefused
from flash_sale.model import Change, SaleState, Steering
from tests.support.sale_machine import SALE
from tests.support.sale_talk import OIL, SALT, TEA, act, buying, opened, paying

pytest_plugins = ["tests.support.sale_store_fixtures"]


async def test_units_that_are_written_off_cannot_be_put_on_sale_again_by_the_host(twins):
    await opened(twins)
    ann = buying("ann", 1)
    await twins.reserve(ann)
    await twins.pay(paying(ann, "p1"))
    await twins.refund(ann.order_id, act("broken"), restock=False)
    assert await twins.steer(Steering.RESTOCK, act("one more"), units={TEA: 1}) is None
    assert twins.words["steer above_allocation"] == 1
    books = (await twins.check()).item(TEA)
    assert (books.initial, books.available, books.written_off) == (2, 2, 1)


async def test_one_act_refunds_one_order_once(twins):
    await opened(twins)
    ann, ben = buying("ann", 1), buying("ben", 1)
    await twins.reserve(ann, ben)
    await twins.pay(paying(ann, "p1"), paying(ben, "p2"))
    changes = [
        (await twins.refund(purchase.order_id, act("one"), restock=True)).change
        for purchase in (ann, ben, ann)
    ]
    assert changes == [Change.DONE, Change.REFUSED, Change.ALREADY]
    await twins.check()


async def test_an_act_that_comes_again_with_other_arguments_is_refused_and_changes_nothing(twins):
    await opened(twins)
    more = act("more")
    await twins.steer(Steering.RESTOCK, more, units={TEA: 1, OIL: 1}, allocate=True)
    await twins.steer(Steering.RESTOCK, more, units={OIL: 1, TEA: 1}, allocate=True)
    assert twins.words["steer reused"] == 0
    for units in ({TEA: 1}, {TEA: 2, OIL: 1}):
        await twins.steer(Steering.RESTOCK, more, units=units, allocate=True)
    await twins.steer(Steering.PAUSE, more)
    await twins.steer(Steering.PAUSE, act("arm"))
    assert twins.words["steer reused"] == 4
    assert [item.initial for item in (await twins.check()).items] == [4, 3, 1]


async def test_a_sale_that_was_opened_meanwhile_is_armed_again_by_the_same_act(twins):
    """The ledger has told the terms of the second call by then: the sale has a start."""
    await opened(twins)
    sales = twins.backend.sales
    for starts_at_ms in (None, (await sales.view(SALE)).starts_at_ms):
        view = await sales.arm(replace(twins.terms, starts_at_ms=starts_at_ms), act("arm"), {})
        assert view.state is SaleState.OPEN
    with pytest.raises(SteeringRefused, match="reused"):
        await sales.arm(replace(twins.terms, starts_at_ms=1), act("arm"), {})


async def test_units_held_back_or_unknown_are_refused_before_a_sale_is_armed(twins):
    for on_sale, refusal in (({TEA: 4}, "above_allocation"), ({SALT: 1}, "unknown_sku")):
        with pytest.raises(SteeringRefused) as refused:
            await twins.backend.sales.arm(twins.terms, act("arm"), on_sale)
        assert refused.value.refusal == refusal
    with pytest.raises(NotOnSale):
        await twins.backend.sales.view(SALE)


@pytest.mark.parametrize("units", [0, -1])
async def test_a_restock_adds_at_least_one_unit(twins, units):
    await opened(twins)
    with pytest.raises(ValueError, match="units"):
        await twins.backend.sales.steer(SALE, Steering.RESTOCK, act("none"), units={TEA: units})
    await twins.check()
