"""Rewards over the WebSocket of two real workers, judged and granted by a real ledger worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from rooms.sharing.arrivals import Thresholds
from rooms.sharing.ladders import Ladder, RewardKind, Tier
from server.database.engine import Database
from server.database.ladder_records import LadderRecords
from tests.support.ledger_app import LedgerApp
from tests.support.sale_rpc import Denied, Estate, Stage
from tests.support.wait import wait_until
from tests.support.ws_client import WireClient

pytest_plugins = ["tests.support.sale_rpc_fixtures"]

WITHIN_S = 30
WECHAT = {"user_agent_header": "Mozilla/5.0 (iPhone) MicroMessenger/8.0.49"}
TIERS = (
    Tier(1, 1, RewardKind.RED_PACKET, "Packet", 3, 0, pool_minor=300),
    Tier(2, 2, RewardKind.VOUCHER, "Mug", 3, 5_900),
)


@pytest.fixture(scope="module")
def ledger(estate: Estate) -> Iterator[LedgerApp]:
    app = LedgerApp(estate.directory, estate.redis_url, estate.database_url)
    app.start()
    yield app
    app.end()


@pytest.fixture
async def ladder(ledger: LedgerApp, stage: Stage) -> Ladder:
    """A ladder of the room that is quick to climb from one machine."""
    now_ms = time.time_ns() // 1_000_000
    quick = Thresholds(
        stay_ms=20,
        settle_ms=0,
        first_action_after_ms=0,
        arrivals_per_net_max=1_000,
        arrivals_per_agent_max=1_000,
        own_browser_max=1_000,
    )
    ladder = Ladder(
        f"of-{stage.room}", stage.room, "Friends", "CNY", 18_000, TIERS, quick, 0, now_ms + 10**9
    )
    database = Database(stage.estate.database_url, threads_max=1, within_s=5)
    ladders = LadderRecords(database, per_room_max=20, shares_max=100)
    await ladders.create(ladder, now_ms)
    published = await ladders.publish(ladder.id, now_ms - 1_000, seed=1)
    await database.close()
    return published.terms


async def invite(client: WireClient, stage: Stage) -> str:
    made = await client.rpc("share.create", {"room": stage.room})
    code: str = made["code"]
    return code


async def come(stage: Stage, name: str, code: str) -> None:
    """Somebody opens a link in a new browser, stays for a moment and likes."""
    async with await stage.entered(f"{name}-of-{stage.room}", worker=1) as friend:
        visit = {"room": stage.room, "visit": f"visit-{name}-{stage.room}".ljust(16, "-")}
        began_ms = time.time_ns() // 1_000_000
        entering = [{"t": "enter", "at_ms": began_ms, "share": code}]
        entering.append({"t": "visible", "at_ms": began_ms})
        device = f"device-{name}-{stage.room}"
        await friend.rpc("visit.track", visit | {"seq": 1, "device": device, "events": entering})
        await friend.rpc("like.add", {"room": stage.room, "n": 1})
        await wait_until(
            lambda: time.time_ns() // 1_000_000 > began_ms + 50, 20, "a moment has passed"
        )
        beat = [{"t": "beat", "at_ms": time.time_ns() // 1_000_000}]
        await friend.rpc("visit.track", visit | {"seq": 2, "device": device, "events": beat})


async def wechat(stage: Stage, user: str) -> WireClient:
    app = stage.estate.workers[0]
    client = await WireClient.open(app.ws_url, **WECHAT)
    await client.connect(app.token(user, "viewer", [stage.room]))
    await client.subscribe(stage.channel)
    return client


def reward(tier: int) -> Any:
    return lambda event: event["t"] == "reward" and event["tier"] == tier


async def test_a_sharer_climbs_is_told_at_once_and_opens_what_was_given(
    stage: Stage, ladder: Ladder
) -> None:
    room = {"room": stage.room}
    async with await stage.entered("ann") as ann, await stage.entered("ben", worker=1) as ben:
        before = await ann.rpc("share.progress", room)
        assert (before["ladder"]["id"], before["valid"], before["next_tier"]) == (ladder.id, 0, 1)
        assert before["tiers"][1] == {
            "number": 2,
            "needs": 2,
            "kind": "voucher",
            "title": "Mug",
            "left": 3,
        }
        code = await invite(ann, stage)
        await come(stage, "bob", code)
        told = await ann.event("#ann", reward(1), "the first reward")
        assert (told["kind"], told["state"], told["value"]) == ("red_packet", "granted", None)
        progress = await ann.event(
            "#ann", lambda event: event["t"] == "share.progress", "the progress"
        )
        assert (progress["valid"], progress["next_tier"]) == (1, 2)
        ranking = await ben.event(
            stage.channel, lambda event: event["t"] == "share.ranking", "the ranking"
        )
        assert ranking["top"] == [{"rank": 1, "name": "a*", "valid": 1}]
        with Denied(404, "grant"):
            await ben.rpc("reward.open", {"grant": told["grant"]})
        opened = (await ann.rpc("reward.open", {"grant": told["grant"]}))["reward"]
        assert opened["state"] == "opened"
        assert 1 <= opened["value"] <= 298
        assert (await ann.rpc("reward.open", {"grant": told["grant"]}))["reward"] == opened
        await come(stage, "cleo", code)
        mug = await ann.event("#ann", reward(2), "the second reward")
        with Denied(422, "grant"):
            await ann.rpc("reward.open", {"grant": mug["grant"]})
        rewards = (await ann.rpc("reward.list", {}))["rewards"]
        assert [one["tier"] for one in rewards if one["room"] == stage.room] == [2, 1]
        assert rewards[0]["value"] == mug["value"]
        mine = await ann.rpc("share.ranking", room)
        assert mine["me"] == {"rank": 1, "valid": 2}
        after = await ann.rpc("share.progress", room)
        assert (after["valid"], after["next_tier"]) == (2, None)
        assert [one["tier"] for one in after["granted"]] == [1, 2]


async def test_inside_wechat_nothing_of_rewards_is_shown_or_counted(
    stage: Stage, ladder: Ladder
) -> None:
    room = {"room": stage.room}
    async with (
        await stage.entered("dora") as outside,
        await wechat(stage, "dora") as inside,
        await stage.entered("mo", "moderator") as mo,
    ):
        shown = await inside.rpc("share.progress", room)
        assert (shown["ladder"], shown["tiers"], shown["granted"]) == (None, [], [])
        assert shown["policy"]["show_rewards"] is False
        assert (await inside.rpc("share.ranking", room))["top"] == []
        await come(stage, "eve", await invite(inside, stage))  # a link of the channel wechat
        await come(stage, "finn", await invite(outside, stage))
        await outside.event("#dora", reward(1), "the reward")
        await mo.rpc("room.mute", room | {"user": "dora", "seconds": 0})
        await inside.event(
            "#dora", lambda event: event["t"] == "moderation", "what came after the reward"
        )
        told = {one["data"]["t"] for one in inside.publications("#dora")}
        assert told == {"moderation"}
        grant = (await outside.rpc("reward.list", {}))["rewards"][0]["grant"]
        assert await inside.rpc("reward.list", {}) == {"rewards": []}
        assert await inside.rpc("earnings.list", {}) == {"accounts": [], "commissions": []}
        with Denied(403, "another browser"):
            await inside.rpc("reward.open", {"grant": grant})
        opened = await outside.rpc("reward.open", {"grant": grant})
        assert opened["reward"]["state"] == "opened"
        progress = await outside.rpc("share.progress", room)
        assert (progress["valid"], progress["refused"]) == (1, 1)


async def test_the_ranking_of_a_room_goes_to_nobody_inside_wechat(
    stage: Stage, ladder: Ladder
) -> None:
    async with await stage.entered("ida") as outside, await wechat(stage, "jo") as inside:
        await come(stage, "kim", await invite(outside, stage))
        await outside.event(
            stage.channel, lambda event: event["t"] == "share.ranking", "the ranking"
        )
        likes = (await outside.rpc("like.add", {"room": stage.room, "n": 7}))["total"]
        await inside.event(
            stage.channel,
            lambda event: event["t"] == "likes" and event["total"] >= likes,
            "what came after the ranking",
        )
        told = {one["data"]["t"] for one in inside.publications(stage.channel)}
        assert "share.ranking" not in told


async def test_who_is_not_signed_in_has_no_rewards_but_sees_the_ranking(
    stage: Stage, ladder: Ladder
) -> None:
    async with await stage.entered("") as nobody:
        for method, data in (
            ("share.progress", {"room": stage.room}),
            ("reward.list", {}),
            ("reward.open", {"grant": "0" * 24}),
        ):
            with Denied(401):
                await nobody.rpc(method, data)
        ranking = await nobody.rpc("share.ranking", {"room": stage.room, "limit": 5})
        assert ranking == {"ladder": ladder.id, "frozen": False, "top": [], "me": None}
        with Denied(404, "room"):
            await nobody.rpc("share.ranking", {"room": "elsewhere"})
        with Denied(400, "limit"):
            await nobody.rpc("share.ranking", {"room": stage.room, "limit": 101})


async def test_who_asks_for_the_ranking_hears_nothing_older_than_what_the_room_was_told(
    stage: Stage, ladder: Ladder
) -> None:
    """One reading serves all who ask within seconds; news of the ranking ends that."""
    room = {"room": stage.room}
    async with await stage.entered("ann") as ann, await stage.entered("ben") as ben:
        code = await invite(ann, stage)
        coming = asyncio.create_task(come(stage, "bob", code))

        async def told() -> list[Any]:
            await ben.rpc("share.ranking", room)
            said = (one["data"] for one in ben.publications(stage.channel))
            return [data["top"] for data in said if data["t"] == "share.ranking"]

        await wait_until(told, WITHIN_S, "the room is told of its ranking", poll_s=0.05)
        asked = await ben.rpc("share.ranking", room)
        assert asked["top"] == (await told())[0] == [{"rank": 1, "name": "a*", "valid": 1}]
        await coming


async def test_a_room_without_a_ladder_has_nothing_to_climb(stage: Stage) -> None:
    async with await stage.entered("ann") as ann:
        progress = await ann.rpc("share.progress", {"room": stage.room})
        assert progress == {
            "room": stage.room,
            "ladder": None,
            "valid": 0,
            "pending": 0,
            "refused": 0,
            "next_tier": None,
            "tiers": [],
            "granted": [],
            "policy": progress["policy"],
        }
        ranking = await ann.rpc("share.ranking", {"room": stage.room})
        assert ranking == {"ladder": None, "frozen": False, "top": [], "me": None}


async def test_a_ladder_that_is_ended_freezes_within_seconds(stage: Stage, ladder: Ladder) -> None:
    async with await stage.entered("gil") as gil:
        await come(stage, "hana", await invite(gil, stage))
        await gil.event("#gil", reward(1), "the reward")
        worker = stage.estate.workers[0]
        worker.call("POST", f"/api/v1/ladders/{ladder.id}/end", {})

        async def is_frozen() -> bool:
            ranking = await gil.rpc("share.ranking", {"room": stage.room})
            return bool(ranking["frozen"])

        await wait_until(is_frozen, 20, "the ranking is frozen", poll_s=0.05)
        shown = worker.call("GET", f"/api/v1/ladders/{ladder.id}")
        assert shown["state"] == "ended"
        assert shown["taken_minor"] < 300  # shares that nobody has a right to came back
        top = worker.call("GET", f"/api/v1/ladders/{ladder.id}/ranking")["top"]
        assert [(one["user"], one["valid"]) for one in top] == [("gil", 1)]
