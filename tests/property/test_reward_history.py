"""Whatever happens to a ladder and however often: budgets, pools and stocks hold, books balance."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rooms.sharing.ladders import GrantState, Ladder, RewardKind, Tier, costs
from server.database.account_tables import postings
from server.database.engine import Database, sqlite_url
from server.database.ladder_tables import ladder_shares, ladder_tiers
from server.database.ladder_words import NotOpenable
from tests.support.ladder_town import DAY_MS, LADDER, Guest, Town

pytest_plugins = ["tests.support.databases"]

USERS = ("ann", "bea", "cleo")
tiers = st.lists(
    st.builds(
        Tier,
        number=st.just(0),
        needs=st.integers(1, 4),
        kind=st.sampled_from(RewardKind),
        title=st.just("reward"),
        stock=st.integers(1, 3),
        cost_minor=st.just(1_000),
        points=st.integers(1, 9),
        coupon_batch=st.just("ten-off"),
        pool_minor=st.integers(3, 50),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda tier: tier.needs,
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("come"), st.sampled_from(USERS), st.integers(1, 3)),
        st.tuples(st.just("open"), st.sampled_from(USERS), st.integers(0, 2)),
        st.tuples(st.just("wait"), st.just(""), st.integers(1, 8)),
        st.tuples(st.just("end"), st.just(""), st.just(0)),
    ),
    max_size=14,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(drawn=tiers, history=steps)
def test_no_history_of_a_ladder_costs_more_than_it_may(
    sqlite_template: Path, drawn: list[Tier], history: list[tuple[str, str, int]]
) -> None:
    ordered = sorted(drawn, key=lambda tier: tier.needs)
    numbered = tuple(replace(tier, number=number) for number, tier in enumerate(ordered, 1))
    ladder = replace(LADDER, tiers=numbered, newcomer_batch="", newcomer_stock=0)
    ladder = replace(ladder, budget_minor=costs(ladder).worst_minor)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "town.sqlite3"
        shutil.copy(sqlite_template, path)
        asyncio.run(_live_through(sqlite_url(path), ladder, history))


async def _live_through(url: str, ladder: Ladder, history: list[tuple[str, str, int]]) -> None:
    database = Database(url, threads_max=1, within_s=5)
    town = Town(database)
    try:
        await town.furnish(ladder, per_user_max=len(ladder.tiers))
        for number, (what, user, amount) in enumerate(history):
            await _step(town, number, what, user, amount)
            await _check(town)
    finally:
        await database.close()


async def _step(town: Town, number: int, what: str, user: str, amount: int) -> None:
    match what:
        case "come":
            await town.come(*(Guest(f"{number}-{n}", inviter=user) for n in range(amount)))
            await town.judge()
        case "open":
            for grant in await town.rewards.of_user(user):
                if grant.kind is RewardKind.RED_PACKET and grant.state is not GrantState.MISSED:
                    await _open(town, grant.id, user, times=amount)
        case "wait":
            town.now_ms += amount * DAY_MS
            await town.expire()
            await town.close()
        case "end":
            await town.ladders.end(LADDER.id, town.now_ms)
            await town.close()


async def _open(town: Town, grant: str, user: str, *, times: int) -> None:
    """As often as that; it is opened, or it was too late for it."""
    states = set()
    for _ in range(times):
        try:
            states.add((await town.rewards.open(grant, user, town.now_ms)).state)
        except NotOpenable as error:
            states.add(error.state or GrantState.MISSED)
    assert states in (set(), {GrantState.OPENED}, {GrantState.GRANTED}, {GrantState.EXPIRED})


async def _check(town: Town) -> None:
    record = await town.ladders.find(LADDER.id)
    assert record is not None
    grants = await town.rewards.grants(LADDER.id, None, 1_000)
    assert len({(grant.user, grant.tier) for grant in grants}) == len(grants)
    taken: Counter[int] = Counter(
        grant.tier for grant in grants if grant.state not in (GrantState.MISSED, GrantState.EXPIRED)
    )
    spent_minor = sum(grant.value_minor for grant in grants)
    for tier in record.terms.tiers:
        assert taken[tier.number] <= tier.stock
        if tier.kind is not RewardKind.RED_PACKET:
            spent_minor += taken[tier.number] * tier.cost_minor
    assert spent_minor <= record.taken_minor <= record.terms.budget_minor
    await town.database.run(_check_books)


def _check_books(connection: sa.Connection) -> None:
    key = (postings.c.transaction_id, postings.c.unit)
    sums = sa.select(*key).group_by(*key).having(sa.func.sum(postings.c.amount) != 0)
    assert connection.execute(sums).all() == []
    shares = sa.select(ladder_shares.c.tier, sa.func.sum(ladder_shares.c.amount_minor))
    pools = sa.select(ladder_tiers.c.number, ladder_tiers.c.pool_minor).where(
        ladder_tiers.c.kind == RewardKind.RED_PACKET.value
    )
    assert {
        (row[0], row[1]) for row in connection.execute(shares.group_by(ladder_shares.c.tier))
    } == {(row[0], row[1]) for row in connection.execute(pools)}
