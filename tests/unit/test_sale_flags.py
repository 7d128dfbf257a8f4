"""When a worker may say "sold out" by itself: never while anything it should know is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flash_sale.catalog import SkuId
from flash_sale.model import OrderId, Position, SaleId, SaleState, SaleView, SkuBooks
from server.sales.flags import SaleFlags

TEA, MUG = SkuId("tea"), SkuId("mug")
OPEN = SaleState.OPEN


def at(told: int, *, epoch: int = 1) -> Position:
    return Position(epoch, told, told, 1_000)


def view(told: int, *, tea: int, mug: int = 5, epoch: int = 1) -> SaleView:
    def books(sku: SkuId, available: int) -> SkuBooks:
        return SkuBooks(sku, 9, available, 9 - available, 0, 0, 0, 9, 0, 100, 1)

    position = at(told, epoch=epoch)
    items = (books(TEA, tea), books(MUG, mug))
    return SaleView(SaleId("s"), "r", "CNY", OPEN, None, None, 1, 1, position, items)


@pytest.fixture
def flags() -> SaleFlags:
    """A settled picture at announcement 10: one tea left."""
    flags = SaleFlags(marks_max=3, heard_max=4)
    flags.begin()
    assert flags.settle(view(10, tea=1))
    return flags


def test_nothing_is_sold_out_before_the_picture_is_made() -> None:
    flags = SaleFlags(marks_max=3, heard_max=4)
    assert flags.hear(at(1), OPEN, {TEA: 0})
    assert not flags.says_sold_out(TEA)


def test_the_announcement_of_the_last_unit_makes_a_sku_sold_out_and_no_other(
    flags: SaleFlags,
) -> None:
    assert flags.hear(at(11), OPEN, {TEA: 0})
    assert flags.says_sold_out(TEA)
    assert not flags.says_sold_out(MUG)
    assert not flags.says_sold_out(SkuId("no such sku"))


def test_a_released_unit_ends_being_sold_out(flags: SaleFlags) -> None:
    flags.hear(at(11), OPEN, {TEA: 0})
    flags.hear(at(12), OPEN, {TEA: 1})
    assert not flags.says_sold_out(TEA)


def test_after_a_missed_announcement_nothing_is_known_until_the_next_picture(
    flags: SaleFlags,
) -> None:
    flags.hear(at(11), OPEN, {TEA: 0})
    assert not flags.hear(at(13), OPEN, {MUG: 4})
    flags.begin()
    assert not flags.says_sold_out(TEA)
    assert flags.settle(view(13, tea=0))
    assert flags.says_sold_out(TEA)


def test_what_is_told_while_the_picture_is_made_is_taken_in_after_it(flags: SaleFlags) -> None:
    flags.begin()
    for told, available in ((11, 1), (12, 0), (13, 2), (14, 0)):
        assert flags.hear(at(told), OPEN, {TEA: available})
    assert not flags.settle(view(12, tea=0)), "as many were kept as may be: some may be missing"
    flags.begin()
    flags.hear(at(13), OPEN, {TEA: 2})
    flags.hear(at(14), OPEN, {TEA: 0})
    assert flags.settle(view(12, tea=5))
    assert (flags.told, flags.says_sold_out(TEA)) == (14, True)


def test_a_gap_in_what_was_told_meanwhile_makes_the_picture_worthless(flags: SaleFlags) -> None:
    flags.begin()
    flags.hear(at(12), OPEN, {TEA: 0})
    assert not flags.settle(view(10, tea=1))
    assert not flags.says_sold_out(TEA)


def test_an_announcement_that_is_older_than_the_picture_changes_nothing(flags: SaleFlags) -> None:
    flags.hear(at(11), OPEN, {TEA: 0})
    assert flags.hear(at(9), OPEN, {TEA: 4})
    assert flags.says_sold_out(TEA)


def test_the_stores_own_answer_takes_a_flag_away_and_older_news_do_not_bring_it_back(
    flags: SaleFlags,
) -> None:
    flags.hear(at(11), OPEN, {TEA: 0})
    flags.answered(at(13), {TEA: 2})
    assert not flags.says_sold_out(TEA)
    assert flags.hear(at(12), OPEN, {TEA: 0})
    assert not flags.says_sold_out(TEA)
    assert flags.hear(at(13), OPEN, {TEA: 2})
    assert flags.hear(at(14), OPEN, {TEA: 0})
    assert flags.says_sold_out(TEA)


def test_the_stores_own_answer_sets_no_flag_for_its_neighbours_may_not_be_known_yet(
    flags: SaleFlags,
) -> None:
    flags.answered(at(11), {TEA: 0})
    assert not flags.says_sold_out(TEA)


def test_a_stores_answer_of_what_was_heard_already_sets_and_takes_flags(flags: SaleFlags) -> None:
    flags.answered(at(10), {TEA: 0})
    assert flags.says_sold_out(TEA)
    flags.answered(at(9), {TEA: 3})
    assert flags.says_sold_out(TEA), "it is an older answer"


def test_a_pause_that_staff_were_answered_holds_before_it_is_told(flags: SaleFlags) -> None:
    flags.hear(at(11), OPEN, {TEA: 0})
    flags.answered(at(13), {TEA: 0}, SaleState.PAUSED)
    assert not flags.says_sold_out(TEA)
    flags.hear(at(12), OPEN, {MUG: 4})
    assert not flags.says_sold_out(TEA), "what is told now was before the pause"
    flags.hear(at(13), SaleState.PAUSED, {})
    flags.hear(at(14), OPEN, {})
    assert flags.says_sold_out(TEA)


def test_what_was_given_back_is_asked_for_until_it_is_told(flags: SaleFlags) -> None:
    flags.hear(at(11), OPEN, {TEA: 0})
    flags.doubt([TEA])
    assert not flags.says_sold_out(TEA)
    assert flags.available[TEA] == 0, "for show it is as it was told"
    flags.hear(at(12), OPEN, {MUG: 4})
    assert not flags.says_sold_out(TEA)
    flags.hear(at(13), OPEN, {TEA: 0})
    assert flags.says_sold_out(TEA), "somebody had waited for it"
    flags.doubt([TEA])
    flags.answered(at(13), {TEA: 0})
    assert flags.says_sold_out(TEA), "the store was asked"


@pytest.mark.parametrize(
    "state", [state for state in SaleState if state not in (OPEN, SaleState.SOLD_OUT)]
)
def test_a_sale_that_takes_no_orders_is_asked_for_its_own_reason(
    flags: SaleFlags, state: SaleState
) -> None:
    flags.hear(at(11), state, {TEA: 0})
    assert not flags.says_sold_out(TEA)


def test_another_epoch_begins_with_another_picture(flags: SaleFlags) -> None:
    flags.hear(at(11), OPEN, {TEA: 0})
    assert flags.hear(at(99, epoch=0), OPEN, {TEA: 3}), "of an epoch that is over"
    assert flags.says_sold_out(TEA)
    assert not flags.hear(at(1, epoch=2), OPEN, {TEA: 3})
    flags.begin()
    assert flags.settle(replace(view(1, tea=0), at=at(1, epoch=2)))
    assert flags.says_sold_out(TEA)
    assert flags.hear(at(2, epoch=2), OPEN, {TEA: 1})
    assert not flags.says_sold_out(TEA)


def test_marked_orders_are_known_and_others_are_not(flags: SaleFlags) -> None:
    flags.mark([OrderId("s.1"), OrderId("s.2")])
    assert flags.knows(OrderId("s.1"))
    assert not flags.knows(OrderId("s.3"))


def test_with_more_orders_than_can_be_marked_no_flag_counts(flags: SaleFlags) -> None:
    flags.hear(at(11), OPEN, {TEA: 0})
    assert flags.says_sold_out(TEA)
    flags.mark(OrderId(f"s.{number}") for number in range(3))
    assert not flags.says_sold_out(TEA)
