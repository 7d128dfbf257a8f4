"""Arrivals in SQL: every verdict from what is stored, once and for all, on both engines."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from rooms.model import Role
from rooms.sharing.arrivals import Thresholds, Verdict
from rooms.sharing.policy import RewardTo
from server.database.engine import Database
from server.database.records import Act, RoomRecords, Sanction
from tests.support.ladder_town import DAY_MS, INVITER, LADDER, NOW_MS, ROOM, Guest, Town

pytest_plugins = ["tests.support.databases"]


@pytest.fixture
async def town(database: Database) -> Town:
    built = Town(database)
    await built.furnish()
    return built


async def test_a_real_arrival_is_judged_after_its_settling_time_and_counts(town: Town) -> None:
    await town.come(Guest("bob"))
    assert await town.verdicts() == {"bob": Verdict.QUALIFIED}
    assert (await town.judge(after_ms=58_000)).arrivals == 0
    judged = await town.judge(after_ms=2_000)
    assert judged.verdicts == {Verdict.VALID: 1}
    assert (await town.judge()).arrivals == 0
    progress = await town.rewards.progress(ROOM, INVITER, town.now_ms)
    assert progress is not None
    assert (progress.valid, progress.pending, progress.refused) == (1, 0, 0)


FARMERS = {
    "wechat": (Guest("x", app="wechat"), Verdict.CHANNEL_POLICY),
    "wechat link": (Guest("x", channel="wechat"), Verdict.CHANNEL_POLICY),
    "herself": (Guest("x", user=INVITER), Verdict.SELF_INVITE),
    "her own device": (Guest("x", device="d-ann"), Verdict.SELF_INVITE),
    "banned": (Guest("x", user="mallory"), Verdict.BANNED),
    "of a banned inviter": (Guest("x", inviter="mallory"), Verdict.BANNED),
    "known person": (Guest("x", user="olga"), Verdict.NOT_NEW_PERSON),
    "known device": (Guest("x", device="d-olga"), Verdict.NOT_NEW_DEVICE),
    "no device": (Guest("x", device=""), Verdict.NOT_NEW_DEVICE),
    "fast clock": (Guest("x", claims_ms=600_000), Verdict.IMPOSSIBLE_SPEED),
    "at once": (Guest("x", acts_after_ms=300), Verdict.IMPOSSIBLE_SPEED),
    "short": (Guest("x", stay_ms=59_000), Verdict.TOO_SHORT),
    "hidden": (Guest("x", visible=False, stay_ms=120_000), Verdict.TOO_SHORT),
    "silent": (Guest("x", acts_after_ms=None), Verdict.NO_ACTION),
}


@pytest.mark.parametrize("kind", FARMERS)
async def test_who_is_no_valid_arrival_is_refused_with_the_reason(town: Town, kind: str) -> None:
    guest, verdict = FARMERS[kind]
    ban = Act(
        room_id=ROOM,
        actor_id="host",
        actor_role=Role.HOST,
        kind="room.ban",
        reason="spam",
        at_ms=NOW_MS,
        target_user="mallory",
    )
    await RoomRecords(town.database).act(ban, sanction=Sanction("mallory", "ban", None, "spam"))
    await town.come(
        Guest("olga", inviter="", user="olga", device="d-olga"),
        Guest("ann", inviter="", user=INVITER, device="d-ann"),
    )
    await town.come(guest)
    judged = await town.judge(after_ms=700_000)
    assert judged.verdicts == {verdict: 1}
    assert judged.grants == []
    assert (await town.judge(after_ms=DAY_MS)).arrivals == 0


async def test_somebody_who_comes_again_after_a_look_is_still_new_to_the_same_inviter(
    town: Town,
) -> None:
    look = Guest("bob", user="bob", stay_ms=5_000)
    await town.come(look)
    await town.judge(after_ms=700_000)
    again = Guest("bob-again", user="bob", device="d-bob", net=look.net)
    await town.come(again)
    await town.come(Guest("bob-third", inviter="eve", user="bob", device="d-bob"))
    await town.judge()
    assert await town.verdicts() == {
        "bob": Verdict.TOO_SHORT,
        "bob-again": Verdict.VALID,
        "bob-third": Verdict.NOT_NEW_PERSON,
    }


@pytest.mark.parametrize("again", [{"user": "bob"}, {"device": "d-bob"}], ids=str)
async def test_a_person_and_a_device_count_once(town: Town, again: dict[str, str]) -> None:
    await town.come(Guest("bob", user="bob"), Guest("twin", **again))  # type: ignore[arg-type]
    judged = await town.judge()
    assert judged.verdicts == {Verdict.VALID: 1, Verdict.REPEAT: 1}
    await town.come(Guest("third", **again))  # type: ignore[arg-type]
    assert (await town.judge()).verdicts == {Verdict.REPEAT: 1}


async def test_several_members_on_one_device_are_all_refused(town: Town) -> None:
    await town.come(*(Guest(f"m{n}", user=f"member-{n}", device="d-one") for n in range(4)))
    assert (await town.judge()).verdicts == {Verdict.DEVICE_CLUSTER: 4}


async def test_a_guest_who_signs_in_is_one_person_on_the_device(town: Town) -> None:
    guest = Guest("bob", user="guest-abc")
    pieces = guest.pieces(town.now_ms)
    pieces[-1] = replace(pieces[-1], user="bob", guest=False)
    await town.write(pieces)
    assert (await town.judge()).verdicts == {Verdict.VALID: 1}


@pytest.mark.parametrize("batch", [1, 3, 1_000])
async def test_too_many_of_one_network_are_all_refused_in_whatever_batches(
    town: Town, batch: int
) -> None:
    await town.come(*(Guest(f"f{n}", net="198.51.100.0/24") for n in range(5)), Guest("bob"))
    verdicts: dict[Verdict, int] = {}
    while judged := (await town.judge(limit=batch)).verdicts:
        for verdict, count in judged.items():
            verdicts[verdict] = verdicts.get(verdict, 0) + count
    assert verdicts == {Verdict.ADDRESS_CLUSTER: 5, Verdict.VALID: 1}


async def test_alike_browsers_of_one_network_are_refused_and_others_there_are_not(
    town: Town,
) -> None:
    crowd = replace(LADDER.thresholds, arrivals_per_net_max=10)
    await town.ladders.end(LADDER.id, town.now_ms)
    await town.publish(replace(LADDER, id="wide", thresholds=crowd))
    net = "198.51.100.0/24"
    await town.come(
        *(Guest(f"f{n}", net=net, agent="bot") for n in range(3)),
        *(Guest(f"r{n}", net=net, agent="phone") for n in range(2)),
    )
    assert (await town.judge()).verdicts == {Verdict.AGENT_CLUSTER: 3, Verdict.VALID: 2}


HOME: dict[str, Any] = {"net": "198.51.100.0/24", "agent": "phone"}


async def with_own_browser_max(town: Town, most: int) -> None:
    """The town's ladder gives way to one that lets so many alike browsers of an inviter count."""
    rules = replace(LADDER.thresholds, own_browser_max=most)
    await town.ladders.end(LADDER.id, town.now_ms)
    await town.publish(replace(LADDER, id="at-home", thresholds=rules))


@pytest.mark.parametrize("leaves_as", [INVITER, "second"])
async def test_private_windows_of_the_inviters_own_browser_do_not_count(
    town: Town, leaves_as: str
) -> None:
    pieces = Guest("ann", inviter="", user=INVITER, **HOME).pieces(town.now_ms)
    pieces[-1] = replace(pieces[-1], user=leaves_as)
    await town.write(pieces)
    await town.come(
        Guest("window", **HOME),
        Guest("neighbour", net=HOME["net"], agent="laptop"),
        Guest("far-away", agent=HOME["agent"]),
        Guest("of-eve", inviter="eve", **HOME),
    )
    await town.judge()
    assert await town.verdicts() == {
        "window": Verdict.SELF_INVITE,
        "neighbour": Verdict.VALID,
        "far-away": Verdict.VALID,
        "of-eve": Verdict.VALID,
    }


async def test_private_windows_of_a_guest_who_invites_do_not_count(town: Town) -> None:
    await town.come(Guest("ann", inviter="", user="guest-ann", **HOME))
    await town.come(Guest("window", inviter="guest-ann", **HOME))
    assert (await town.judge()).verdicts == {Verdict.SELF_INVITE: 1}


async def test_a_ladder_may_let_browsers_like_the_inviters_own_count(town: Town) -> None:
    await with_own_browser_max(town, 1)
    await town.come(Guest("ann", inviter="", user=INVITER, **HOME))
    await town.come(Guest("brother", **HOME))
    assert (await town.judge()).verdicts == {Verdict.VALID: 1}
    town.now_ms += 2 * DAY_MS
    await town.come(Guest("window-1", **HOME), Guest("window-2", **HOME))
    assert (await town.judge()).verdicts == {Verdict.SELF_INVITE: 2}


async def test_who_tells_no_network_or_browser_is_not_taken_for_the_inviter(town: Town) -> None:
    nowhere: dict[str, Any] = {"net": "", "agent": ""}
    await town.come(Guest("ann", inviter="", user=INVITER, **nowhere))
    await town.come(Guest("bob", **nowhere))
    assert (await town.judge()).verdicts == {Verdict.VALID: 1}


async def test_arrivals_of_one_network_further_apart_than_the_window_count(town: Town) -> None:
    for number in range(5):
        await town.come(Guest(f"r{number}", net="198.51.100.0/24", agent=f"a{number}"))
        assert (await town.judge()).verdicts == {Verdict.VALID: 1}
        town.now_ms += DAY_MS


async def test_who_qualifies_after_the_end_does_not_count(town: Town) -> None:
    late = Guest("late", stay_ms=90_000)
    town.now_ms = LADDER.ends_at_ms - 30_000
    await town.come(late, Guest("early", stay_ms=10_000))
    assert (await town.judge(after_ms=700_000)).verdicts == {
        Verdict.LADDER_OVER: 1,
        Verdict.TOO_SHORT: 1,
    }


async def test_visits_outside_of_the_ladders_time_or_room_are_no_arrivals(town: Town) -> None:
    await town.come(Guest("uninvited", inviter=""))
    early = Guest("early").pieces(NOW_MS - 1)
    other = [replace(piece, room="other") for piece in Guest("other").pieces(town.now_ms)]
    await town.write([*early, *other])
    town.now_ms = LADDER.ends_at_ms
    await town.come(Guest("late"))
    assert await town.verdicts() == {}


async def test_pieces_that_come_twice_change_nothing(town: Town) -> None:
    pieces = Guest("bob").pieces(town.now_ms)
    for _ in range(2):
        await town.write(pieces)
    assert (await town.judge()).verdicts == {Verdict.VALID: 1}
    await town.write(Guest("bob", stay_ms=300_000).pieces(town.now_ms))  # the visit goes on
    assert (await town.judge()).arrivals == 0
    assert await town.verdicts() == {"bob": Verdict.VALID}


async def test_where_the_policy_rewards_the_newcomer_the_inviter_gets_nothing(
    database: Database,
) -> None:
    town = Town(database)
    policies = {"douyin"}
    plain = town.court.policy_of
    town.court = replace(
        town.court,
        policy_of=lambda channel, app: replace(
            plain("copy", app),
            reward=RewardTo.ARRIVAL if channel in policies else RewardTo.INVITER,
        ),
    )
    await town.furnish()
    await town.come(
        Guest("bob", channel="douyin", user="bob"),
        Guest("bot", channel="douyin", user="bot", acts_after_ms=100),
        Guest("nobody", channel="douyin"),
    )
    judged = await town.judge()
    assert judged.verdicts == {Verdict.CHANNEL_POLICY: 2, Verdict.IMPOSSIBLE_SPEED: 1}
    assert [(grant.user, grant.tier, grant.points) for grant in judged.grants] == [("bob", 0, 0)]
    assert judged.grants[0].coupon
    progress = await town.rewards.progress(ROOM, INVITER, town.now_ms)
    assert progress is not None
    assert progress.valid == 0
    assert progress.ladder.newcomer_left == LADDER.newcomer_stock - 1


async def test_a_ladder_with_its_own_thresholds_judges_by_them(database: Database) -> None:
    town = Town(database)
    quick = Thresholds(stay_ms=5_000, actions=0, settle_ms=0)
    await town.furnish(replace(LADDER, thresholds=quick))
    await town.come(Guest("bob", stay_ms=6_000, acts_after_ms=None))
    assert (await town.judge(after_ms=0)).verdicts == {Verdict.VALID: 1}


async def test_where_only_members_count_guests_do_not_until_they_sign_in(
    database: Database,
) -> None:
    town = Town(database)
    rules = replace(LADDER.thresholds, member_only=True)
    await town.furnish(replace(LADDER, thresholds=rules))
    signs_in = Guest("bob", user="guest-abc").pieces(town.now_ms)
    signs_in[-1] = replace(signs_in[-1], user="bob", guest=False)
    await town.write(signs_in)
    await town.come(Guest("nobody"), Guest("guest", user="guest-xyz"), Guest("eve", user="eve"))
    await town.judge()
    assert await town.verdicts() == {
        "bob": Verdict.VALID,
        "nobody": Verdict.NOT_MEMBER,
        "guest": Verdict.NOT_MEMBER,
        "eve": Verdict.VALID,
    }


async def test_arrivals_are_judged_once_by_keepers_at_the_same_time(town: Town) -> None:
    await town.come(*(Guest(f"g{n}") for n in range(30)))
    town.now_ms += 100_000

    def work(connection: sa.Connection) -> int:
        return town.court.judge_due(connection, town.now_ms, town.now_ms, 4).arrivals

    judged = 0
    while found := sum(await asyncio.gather(*(town.database.run(work) for _ in range(4)))):
        judged += found
    assert judged == 30
    progress = await town.rewards.progress(ROOM, INVITER, town.now_ms)
    assert progress is not None
    assert progress.valid == 30
    assert [grant.tier for grant in progress.grants] == [1, 2, 3, 4]
