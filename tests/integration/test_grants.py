"""Rewards in SQL: each tier once, within stock and budget, pools exact, on both engines."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
import sqlalchemy as sa

from rooms.sharing.arrivals import Thresholds, Verdict
from rooms.sharing.ladders import GrantState, LadderState, RewardKind, Tier
from rooms.sharing.vouchers import checked_code
from server.database.account_records import balances
from server.database.account_tables import postings
from server.database.coupon_records import CouponRecords
from server.database.engine import Database
from server.database.errors import NotADraft
from server.database.ladder_tables import ladder_shares
from server.database.ladder_words import (
    AlreadyRedeemed,
    Grant,
    LadderRecord,
    NotOpenable,
    NotPublishable,
    UnknownGrant,
)
from tests.support.ladder_town import DAY_MS, INVITER, KEY, LADDER, TIERS, Guest, Town

pytest_plugins = ["tests.support.databases"]

PACKET = Tier(1, 1, RewardKind.RED_PACKET, "Packet", 5, 0, pool_minor=1_000)
MUG = Tier(1, 1, RewardKind.VOUCHER, "Mug", 3, 5_900)
CHEAP = replace(LADDER, newcomer_batch="", newcomer_stock=0, newcomer_cost_minor=0)
PACKETS = replace(CHEAP, tiers=(PACKET,), budget_minor=1_000)
MUGS = replace(CHEAP, tiers=(MUG,), budget_minor=17_700)


@pytest.fixture
def town(database: Database) -> Town:
    return Town(database)


async def record_of(town: Town) -> LadderRecord:
    record = await town.ladders.find(LADDER.id)
    assert record is not None
    return record


async def grants_of(town: Town, user: str = INVITER) -> dict[int, Grant]:
    return {grant.tier: grant for grant in await town.rewards.of_user(user)}


async def total(town: Town, account: str, unit: str) -> int:
    def work(connection: sa.Connection) -> int:
        found = balances(connection, account)
        return sum(one.amount for one in found if (one.account, one.unit) == (account, unit))

    return await town.database.run(work)


async def unbalanced(town: Town) -> list[str]:
    def work(connection: sa.Connection) -> list[str]:
        key = (postings.c.transaction_id, postings.c.unit)
        query = sa.select(*key).group_by(*key).having(sa.func.sum(postings.c.amount) != 0)
        return [row[0] for row in connection.execute(query)]

    return await town.database.run(work)


async def test_each_tier_is_granted_when_it_is_reached_and_never_again(town: Town) -> None:
    await town.furnish()
    await town.bring(2)
    assert await grants_of(town) == {}
    await town.bring(1, first=2)
    assert set(await grants_of(town)) == {1}
    await town.bring(9, first=3)
    grants = await grants_of(town)
    assert [grant.state for grant in grants.values()] == [GrantState.GRANTED] * 4
    assert set(grants) == {1, 2, 3, 4}
    await town.bring(4, first=12)
    assert await grants_of(town) == grants
    coupons = await CouponRecords(town.database).of_user(INVITER, town.now_ms, 10)
    assert [coupon.coupon.id for coupon in coupons] == [grants[1].coupon]
    assert checked_code(KEY, grants[3].code or "") == grants[3].code
    assert await total(town, f"user:{INVITER}:points", "points") == 500
    record = await record_of(town)
    assert record.left == (99, 9, 1, 9)
    assert record.taken_minor == 1_000 + 5_000 + 5_900 + 50
    assert await unbalanced(town) == []


async def test_when_the_stock_is_spent_a_tier_is_missed_for_good(town: Town) -> None:
    await town.furnish(replace(MUGS, tiers=(replace(MUG, stock=2),)))
    for user in ("a", "b", "c"):
        await town.bring(1, inviter=user)
    await town.bring(1, inviter="c", first=1)
    states = [(await grants_of(town, user))[1].state for user in ("a", "b", "c")]
    assert states == [GrantState.GRANTED, GrantState.GRANTED, GrantState.MISSED]
    missed = (await grants_of(town, "c"))[1]
    assert (missed.why, missed.code) == ("stock", None)
    assert (await record_of(town)).taken_minor == 2 * 5_900


async def test_when_coupons_run_out_elsewhere_a_tier_is_missed_and_nothing_is_taken(
    town: Town,
) -> None:
    ten_off = Tier(1, 1, RewardKind.COUPON, "10 off", 2, 1_000, coupon_batch="ten-off")
    await town.furnish(replace(CHEAP, tiers=(ten_off,), budget_minor=2_000), issue_max=2)
    coupons = CouponRecords(town.database)
    for user in ("x", "y"):
        assert await coupons.grant("ten-off", user, f"gift {user}", town.now_ms)
    await town.bring(1)
    missed = (await grants_of(town))[1]
    assert (missed.state, missed.why) == (GrantState.MISSED, "coupons")
    record = await record_of(town)
    assert (record.left, record.taken_minor) == ((2,), 0)


async def test_a_pool_is_opened_share_by_share_to_the_last_cent(town: Town) -> None:
    await town.furnish(PACKETS)
    users = [f"u{number}" for number in range(6)]
    for user in users:
        await town.bring(1, inviter=user)
    got: Counter[str] = Counter()
    for user in users[:5]:
        grant = (await grants_of(town, user))[1]
        assert grant.value_minor == 0
        opened = await town.rewards.open(grant.id, user, town.now_ms)
        assert opened.state is GrantState.OPENED
        assert await town.rewards.open(grant.id, user, town.now_ms + 1) == opened
        got[user] = opened.value_minor
        assert await total(town, f"user:{user}:available", "CNY") == opened.value_minor
    assert sum(got.values()) == PACKET.pool_minor
    assert min(got.values()) >= 1
    assert await total(town, "shop:red_packets", "CNY") == -PACKET.pool_minor
    assert (await grants_of(town, users[5]))[1].why == "stock"
    assert (await record_of(town)).taken_minor == PACKET.pool_minor
    assert await unbalanced(town) == []


async def test_nobody_opens_what_is_somebody_elses_or_no_packet(town: Town) -> None:
    await town.furnish()
    await town.bring(5)
    grants = await grants_of(town)
    for id, user in ((grants[2].id, "eve"), ("0" * 24, INVITER)):
        with pytest.raises(UnknownGrant):
            await town.rewards.open(id, user, town.now_ms)
    with pytest.raises(NotOpenable) as caught:
        await town.rewards.open(grants[1].id, INVITER, town.now_ms)
    assert caught.value.state is None


async def test_packets_grabbed_at_the_same_time_are_each_opened_once(town: Town) -> None:
    await town.furnish(PACKETS)
    users = [f"u{number}" for number in range(5)]
    for user in users:
        await town.bring(1, inviter=user)
    ids = {user: (await grants_of(town, user))[1].id for user in users}
    tries = [user for user in users for _ in range(4)]
    opened = await asyncio.gather(
        *(town.rewards.open(ids[user], user, town.now_ms) for user in tries)
    )
    by_user = {
        grant.user: {g.value_minor for g in opened if g.user == grant.user} for grant in opened
    }
    assert all(len(amounts) == 1 for amounts in by_user.values())
    assert sum(amount for amounts in by_user.values() for amount in amounts) == 1_000
    assert await total(town, "shop:red_packets", "CNY") == -1_000


async def test_a_packet_nobody_opened_in_time_returns_to_the_ladder_and_then_to_the_budget(
    town: Town,
) -> None:
    await town.furnish(PACKETS)
    await town.bring(1, inviter="slow")
    await town.bring(1, inviter="quick")
    slow, quick = [(await grants_of(town, user))[1] for user in ("slow", "quick")]
    await town.rewards.open(quick.id, "quick", town.now_ms)
    assert await town.expire() == 0
    town.now_ms += 7 * DAY_MS
    assert await town.expire() == 1
    assert (await record_of(town)).left == (4,)
    assert (await grants_of(town, "slow"))[1].state is GrantState.EXPIRED
    with pytest.raises(NotOpenable) as caught:
        await town.rewards.open(slow.id, "slow", town.now_ms)
    assert caught.value.state is GrantState.EXPIRED
    await town.bring(1, inviter="late")
    town.now_ms = LADDER.ends_at_ms
    assert await town.close() == [LADDER.id]
    town.now_ms += 8 * DAY_MS
    assert await town.expire() == 1
    record = await record_of(town)
    value = (await grants_of(town, "quick"))[1].value_minor
    assert (record.left, record.taken_minor) == ((0,), value)

    def work(connection: sa.Connection) -> tuple[int, int]:
        returned = ladder_shares.c.returned.is_(True)
        query = sa.select(sa.func.count(), sa.func.sum(ladder_shares.c.amount_minor))
        row = connection.execute(query.where(returned)).one()
        return int(row[0]), int(row[1])

    assert await town.database.run(work) == (4, 1_000 - value)


async def test_a_voucher_is_redeemed_exactly_once(town: Town) -> None:
    await town.furnish(MUGS)
    await town.bring(1)
    code = (await grants_of(town))[1].code
    assert code is not None
    tries = [f"till-{number}" for number in range(6)]
    answers = await asyncio.gather(
        *(town.rewards.redeem(code, request, town.now_ms) for request in tries),
        return_exceptions=True,
    )
    done = [request for request, one in zip(tries, answers, strict=True) if isinstance(one, Grant)]
    assert len(done) == 1
    assert sum(isinstance(one, AlreadyRedeemed) for one in answers) == 5
    again = await town.rewards.redeem(code, done[0], town.now_ms + 5)
    assert again.state is GrantState.REDEEMED
    assert again.done_at_ms == town.now_ms
    with pytest.raises(UnknownGrant):
        await town.rewards.redeem("0000-0000-0000", "r", town.now_ms)


async def test_a_ladder_beyond_its_budget_stays_a_draft(town: Town) -> None:
    await town.furnish(None)
    await town.ladders.create(replace(MUGS, budget_minor=17_699), town.now_ms)
    with pytest.raises(NotPublishable) as caught:
        await town.ladders.publish(LADDER.id, town.now_ms, 1)
    assert [problem.field for problem in caught.value.problems] == ["budget_minor"]
    assert (await record_of(town)).state is LadderState.DRAFT
    await town.ladders.change(MUGS)
    published = await town.ladders.publish(LADDER.id, town.now_ms, 1)
    assert published.state is LadderState.PUBLISHED
    assert await town.ladders.publish(LADDER.id, town.now_ms + 9, 2) == published
    with pytest.raises(NotADraft):
        await town.ladders.change(MUGS)


async def test_a_room_has_one_ladder_at_a_time(town: Town) -> None:
    await town.furnish(MUGS)
    other = replace(MUGS, id="other")
    await town.ladders.create(other, town.now_ms)
    with pytest.raises(NotPublishable, match="'spring' of this room runs then"):
        await town.ladders.publish("other", town.now_ms, 1)
    await town.ladders.change(
        replace(other, starts_at_ms=LADDER.ends_at_ms, ends_at_ms=LADDER.ends_at_ms + 1)
    )
    await town.ladders.publish("other", town.now_ms, 1)


async def test_the_ranking_is_frozen_at_the_end_with_what_had_qualified(town: Town) -> None:
    await town.furnish()
    await town.bring(2, inviter="bea")
    await town.bring(3, inviter="cleo")
    await town.bring(2, inviter="adam")
    town.now_ms = LADDER.ends_at_ms - 62_000
    await town.come(Guest("in-time", inviter="adam"))
    await town.come(Guest("too-late", inviter="bea", stay_ms=70_000))
    assert await town.close() == [LADDER.id]
    assert await town.close() == []
    ranking = await town.rewards.ranking(LADDER.id, 10, "bea")
    assert ranking is not None
    assert ranking.frozen
    assert [(one.rank, one.user, one.valid) for one in ranking.top] == [
        (1, "cleo", 3),
        (2, "adam", 3),
        (3, "bea", 2),
    ]
    assert ranking.own is not None
    assert ranking.own.rank == 3
    assert (await town.verdicts())["too-late"] is Verdict.LADDER_OVER
    assert set(await grants_of(town, "adam")) == {1}


async def test_a_running_ranking_breaks_ties_by_who_was_there_earlier(town: Town) -> None:
    await town.furnish()
    for user in ("adam", "bea", "cleo"):
        await town.bring(1, inviter=user)
    await town.bring(1, inviter="cleo", first=1)
    await town.bring(1, inviter="adam", first=1)
    ranking = await town.rewards.ranking(LADDER.id, 2, "bea")
    assert ranking is not None
    assert [one.user for one in ranking.top] == ["cleo", "adam"]
    assert ranking.own is not None
    assert (ranking.own.rank, ranking.frozen) == (3, False)
    whole = await town.rewards.ranked(LADDER.id, 9, lambda one: (one.rank, one.user))
    assert whole == [(1, "cleo"), (2, "adam"), (3, "bea")]


async def test_a_storm_of_arrivals_judged_by_several_keepers_never_exceeds_stock_and_budget(
    town: Town,
) -> None:
    quick = Thresholds(arrivals_per_net_max=1_000, arrivals_per_agent_max=1_000)
    tiers = (
        replace(TIERS[0], stock=3),
        replace(PACKET, number=2, needs=4, stock=2, pool_minor=99),
        replace(MUG, number=3, needs=5, stock=1),
    )
    budget = 3 * 1_000 + 99 + 5_900
    await town.furnish(replace(CHEAP, tiers=tiers, thresholds=quick, budget_minor=budget))
    guests = [Guest(f"g{n}", inviter=f"i{n % 6}") for n in range(36)]
    await town.come(*guests, apart_ms=10)
    town.now_ms += 100_000

    def work(connection: sa.Connection) -> int:
        return town.court.judge_due(connection, town.now_ms, town.now_ms, 3).arrivals

    while sum(await asyncio.gather(*(town.database.run(work) for _ in range(4)))):
        pass
    grants = await town.rewards.grants(LADDER.id, None, 100)
    assert len({(grant.user, grant.tier) for grant in grants}) == len(grants) == 18
    given = Counter(grant.tier for grant in grants if grant.state is GrantState.GRANTED)
    assert given == {1: 3, 2: 2, 3: 1}
    record = await record_of(town)
    assert record.taken_minor == budget
    assert record.left == (0, 0, 0)
    assert await unbalanced(town) == []
