"""Pools are split to the cent, worst cases are never exceeded, rankings have no ties."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from rooms.sharing.arrivals import Thresholds
from rooms.sharing.ladders import Ladder, RewardKind, Tier, costs
from rooms.sharing.packets import split
from rooms.sharing.ranking import Climber, place

SEEDS = st.integers(0, 2**64 - 1)


@given(st.data(), st.integers(1, 500), SEEDS)
def test_shares_add_up_to_the_pool_and_each_has_something(
    data: st.DataObject, shares: int, seed: int
) -> None:
    pool_minor = data.draw(st.integers(shares, shares * 100_000))
    amounts = split(pool_minor, shares, seed)
    assert len(amounts) == shares
    assert sum(amounts) == pool_minor
    assert min(amounts) >= 1
    assert split(pool_minor, shares, seed) == amounts


def tiers() -> st.SearchStrategy[list[Tier]]:
    tier = st.builds(
        Tier,
        number=st.just(1),
        needs=st.integers(1, 50),
        kind=st.sampled_from(RewardKind),
        title=st.just(""),
        stock=st.integers(1, 50),
        cost_minor=st.integers(0, 10_000),
        pool_minor=st.integers(50, 100_000),
    )
    return st.lists(tier, min_size=1, max_size=10, unique_by=lambda one: one.needs)


@given(tiers(), st.lists(st.integers(0, 60), max_size=80), SEEDS)
def test_nobody_climbing_in_any_way_costs_more_than_the_worst_case(
    drawn: list[Tier], climbed: list[int], seed: int
) -> None:
    ladder = Ladder("l", "r", "", "CNY", 0, tuple(drawn), Thresholds(), 0, 1)
    spent_minor = 0
    for tier in drawn:
        given_out = min(tier.stock, sum(valid >= tier.needs for valid in climbed))
        if tier.kind is RewardKind.RED_PACKET:
            spent_minor += sum(split(tier.pool_minor, tier.stock, seed)[:given_out])
        else:
            spent_minor += given_out * tier.cost_minor
    assert spent_minor <= costs(ladder).worst_minor


climbers = st.builds(
    Climber, user=st.text(min_size=1), valid=st.integers(0, 3), reached_at_ms=st.integers(0, 3)
)


@given(st.lists(climbers, unique_by=lambda one: one.user), st.randoms())
def test_a_ranking_is_the_same_whatever_order_the_climbers_come_in(
    drawn: list[Climber], random: Random
) -> None:
    ranked = sorted(drawn, key=lambda one: place("spring", one))
    shuffled = list(drawn)
    random.shuffle(shuffled)
    assert sorted(shuffled, key=lambda one: place("spring", one)) == ranked
    for ahead, behind in pairwise(ranked):
        assert (ahead.valid, -ahead.reached_at_ms) >= (behind.valid, -behind.reached_at_ms)
