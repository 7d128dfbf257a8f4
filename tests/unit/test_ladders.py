"""What a ladder costs at most, and what keeps it from being published."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rooms.sharing.arrivals import Thresholds
from rooms.sharing.ladders import BatchFacts, Ladder, RewardKind, Tier, costs, problems

COUPON = Tier(1, 3, RewardKind.COUPON, "10 off", 100, 1_000, coupon_batch="ten-off")
PACKET = Tier(2, 10, RewardKind.RED_PACKET, "Packet", 30, 0, pool_minor=20_000)
VOUCHER = Tier(3, 30, RewardKind.VOUCHER, "Mug", 5, 5_900)
LADDER = Ladder(
    id="spring",
    room="demo",
    title="Bring friends",
    currency="CNY",
    budget_minor=150_000,
    tiers=(COUPON, PACKET, VOUCHER),
    thresholds=Thresholds(),
    starts_at_ms=1_000,
    ends_at_ms=9_000,
)
BATCHES = {
    "ten-off": BatchFacts("CNY", 100, 1_000),
    "hello": BatchFacts("CNY", 500, 300),
    "tenth": BatchFacts("CNY", 500, None),
    "short": BatchFacts("CNY", 500, 500, ends_at_ms=9_000 + Thresholds().settle_ms),
    "once": BatchFacts("CNY", 500, 1_000, per_user_max=1),
}


def found(ladder: Ladder, *, shares_max: int = 100) -> dict[str, str]:
    return dict(problems(ladder, BATCHES, shares_max=shares_max, now_ms=2_000))


def with_tier(number: int, **changes: Any) -> Ladder:
    tiers = list(LADDER.tiers)
    tiers[number - 1] = replace(tiers[number - 1], **changes)
    return replace(LADDER, tiers=tuple(tiers))


def test_the_worst_case_is_all_of_its_stock_and_whole_pools() -> None:
    result = costs(
        replace(LADDER, newcomer_batch="hello", newcomer_stock=40, newcomer_cost_minor=300)
    )
    assert [tier.worst_minor for tier in result.tiers] == [100_000, 20_000, 29_500]
    assert result.newcomer_worst_minor == 12_000
    assert result.worst_minor == 161_500
    assert result.left_minor == -11_500


def test_the_cost_of_an_arrival_is_that_of_all_tiers_so_far_rounded_up() -> None:
    result = costs(LADDER)
    assert [tier.reached_minor for tier in result.tiers] == [1_000, 1_667, 7_567]
    assert [tier.per_arrival_minor for tier in result.tiers] == [334, 167, 253]
    assert result.per_arrival_minor == (167, 334)


def test_a_ladder_within_its_budget_can_be_published() -> None:
    assert found(LADDER) == {}


@pytest.mark.parametrize(
    ("ladder", "field", "says"),
    [
        (replace(LADDER, budget_minor=149_499), "budget_minor", "costs 1 more than the budget"),
        (with_tier(2, needs=3), "tiers.1.needs", "must be more than 3"),
        (with_tier(3, stock=0), "tiers.2.stock", "at least 1"),
        (with_tier(1, coupon_batch=""), "tiers.0.coupon_batch", "is missing"),
        (with_tier(1, coupon_batch="gone"), "tiers.0.coupon_batch", "no batch 'gone'"),
        (with_tier(1, stock=101, cost_minor=1), "tiers.0.coupon_batch", "only 100"),
        (with_tier(1, cost_minor=999), "tiers.0.cost_minor", "takes off up to 1000"),
        (with_tier(1, coupon_batch="tenth"), "tiers.0.coupon_batch", "no cap"),
        (with_tier(1, coupon_batch="short"), "tiers.0.coupon_batch", "ends before"),
        (
            replace(
                LADDER,
                tiers=(
                    replace(COUPON, coupon_batch="once", stock=1),
                    replace(COUPON, number=2, needs=4, coupon_batch="once", stock=1),
                ),
            ),
            "tiers.1.coupon_batch",
            "one person gets at most 1",
        ),
        (with_tier(2, pool_minor=29), "tiers.1.pool_minor", "1 for each share"),
        (with_tier(2, stock=101), "tiers.1.stock", "at most 100 shares"),
        (with_tier(3, kind=RewardKind.POINTS), "tiers.2.points", "at least 1"),
        (replace(LADDER, currency="EUR"), "tiers.0.coupon_batch", "its coupons are CNY"),
        (replace(LADDER, ends_at_ms=2_000), "ends_at_ms", "later"),
        (replace(LADDER, starts_at_ms=9_000), "ends_at_ms", "later"),
        (replace(LADDER, newcomer_batch="hello"), "newcomer_stock", "at least 1"),
        (replace(LADDER, newcomer_stock=1), "newcomer_batch", "is missing"),
        (
            replace(LADDER, newcomer_batch="ten-off", newcomer_stock=1, newcomer_cost_minor=1_000),
            "newcomer_batch",
            "only 100",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_keeps_a_ladder_from_being_published_is_named(
    ladder: Ladder, field: str, says: str
) -> None:
    assert says in found(ladder).get(field, "nothing")
