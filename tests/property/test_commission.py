"""Commissions for any plan: two levels at most, never more than was paid, nobody by themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash_sale.commission import Earning, Plan, earnings

people = st.sampled_from(["", "ann", "bob", "eve"])


@given(
    st.integers(0, 6_000),
    st.integers(0, 4_000),
    st.integers(0, 10**6),
    st.integers(0, 10**4),
    people,
    people,
    people,
    st.sampled_from(["ann", "bob", "eve"]),
)
def test_nobody_earns_by_an_own_order_and_never_more_is_paid_than_there_is(
    one_bp: int,
    two_bp: int,
    base: int,
    markup: int,
    inviter: str,
    above: str,
    sharer: str,
    buyer: str,
) -> None:
    found = earnings(
        Plan(one_bp, two_bp),
        buyer=buyer,
        base_minor=base,
        inviter=inviter,
        above=above,
        markup_minor=markup,
        sharer=sharer,
    )
    assert len({earning.level for earning in found}) == len(found)
    assert {earning.level for earning in found} <= {0, 1, 2}
    assert all(earning.user not in ("", buyer) for earning in found)
    assert all(earning.amount_minor > 0 for earning in found)
    assert sum(one.amount_minor for one in found if one.level) <= base
    assert sum(one.amount_minor for one in found if not one.level) in (0, markup)
    by_level = {one.level: one.user for one in found}
    assert by_level.get(1) is None or by_level.get(1) != by_level.get(2)


def test_shares_are_rounded_down_and_a_markup_is_paid_whole() -> None:
    plan = Plan(level1_bp=1_000, level2_bp=333)
    found = earnings(
        plan,
        buyer="ann",
        base_minor=999,
        inviter="bob",
        above="eve",
        markup_minor=70,
        sharer="rob",
    )
    assert found == (Earning(0, "rob", 70), Earning(1, "bob", 99), Earning(2, "eve", 33))


@pytest.mark.parametrize("shares", [(-1, 0), (0, -1), (9_000, 1_001)])
def test_a_plan_that_pays_more_than_everything_cannot_be_made(shares: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="level1_bp"):
        Plan(*shares)
