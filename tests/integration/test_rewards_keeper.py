"""The keeper of ladders: waits for the visits, tells what nobody was told, goes on after a bug."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from rooms.errors import RoomLogUnavailable
from rooms.sharing.arrivals import Verdict
from rooms.sharing.policy import ChannelPolicy
from server.database.arrival_judging import postpone
from server.database.engine import Database
from server.database.ladder_tables import arrivals
from server.ledger.figures import Figures
from server.ledger.lease import Lease
from server.ledger.reward_news import RewardNews
from server.ledger.rewards import LEASE_KEY, POSTPONED_MS, RewardsKeeper
from server.redis_client import Client
from tests.support.ladder_town import DAY_MS, LADDER, Guest, Town

pytest_plugins = ["tests.support.databases"]

Open = Callable[..., RewardsKeeper]


class Wire:
    """What goes to the web workers; `down` keeps it from going."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.down = False

    async def execute_command(self, *parts: Any) -> None:
        if self.down:
            raise OSError("the store is away")
        self.sent.append(orjson.loads(parts[2]))

    def told(self, user: str) -> list[str]:
        return [one["data"]["t"] for one in self.sent if one.get("user") == user]


@pytest.fixture
async def town(database: Database) -> Town:
    town = Town(database)
    await town.furnish()
    return town


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def opened(town: Town, wire: Wire, redis_client: Client) -> Open:
    def keeper(name: str = "one", written_to_ms: int | None = None) -> RewardsKeeper:
        async def written() -> int:
            return town.now_ms if written_to_ms is None else written_to_ms

        return RewardsKeeper(
            town.database,
            town.court,
            Lease(redis_client, name, LEASE_KEY),
            RewardNews(wire, town.database, lambda: town.now_ms),  # type: ignore[arg-type]
            written,
            Figures(),
            retention_days=90,
            now_ms=lambda: town.now_ms,
        )

    return keeper


async def until_idle(keeper: RewardsKeeper) -> None:
    while await keeper.look():
        pass


async def test_nothing_is_judged_before_the_visits_until_then_are_written(
    town: Town, opened: Open
) -> None:
    await town.come(Guest("bob"))
    written_to_ms = town.now_ms
    town.now_ms += 100_000
    await until_idle(opened(written_to_ms=written_to_ms))
    assert await town.verdicts() == {"bob": Verdict.QUALIFIED}
    await until_idle(opened())
    assert await town.verdicts() == {"bob": Verdict.VALID}


async def test_people_are_told_of_rewards_and_progress_and_rooms_of_the_ranking(
    town: Town, opened: Open, wire: Wire
) -> None:
    await town.come(*(Guest(f"g{n}") for n in range(3)), Guest("bot", acts_after_ms=1))
    town.now_ms += 100_000
    keeper = opened()
    await until_idle(keeper)
    assert wire.told("ann") == ["reward", "share.progress"]
    progress = wire.sent[1]["data"]
    assert (progress["valid"], progress["refused"]) == (3, 1)
    assert [one["tier"] for one in progress["granted"]] == [1]
    assert "policy" not in progress  # it is that of each browser
    assert wire.sent[2]["kind"] == "pulse"
    assert wire.sent[2]["data"]["top"] == [{"rank": 1, "name": "*", "valid": 3}]
    await until_idle(keeper)
    assert len(wire.sent) == 3


async def test_what_could_not_be_told_is_told_later_by_whoever_keeps_then(
    town: Town, opened: Open, wire: Wire
) -> None:
    await town.come(*(Guest(f"g{n}") for n in range(3)))
    town.now_ms += 100_000
    wire.down = True
    with pytest.raises(RoomLogUnavailable):
        await opened().look()
    assert set((await town.verdicts()).values()) == {Verdict.VALID}
    wire.down = False
    await until_idle(opened("two"))
    assert wire.told("ann") == ["reward", "share.progress"]


async def test_an_arrival_that_cannot_be_judged_holds_up_no_other(town: Town, opened: Open) -> None:
    plain = town.court.policy_of

    def stumbling(channel: str, app: str) -> ChannelPolicy:
        if channel == "sms":
            raise LookupError("a bug")
        return plain(channel, app)

    town.court = replace(town.court, policy_of=stumbling)
    await town.come(Guest("first"), Guest("poison", channel="sms"), Guest("last"))
    town.now_ms += 100_000
    await until_idle(opened())
    assert await town.verdicts() == {
        "first": Verdict.VALID,
        "poison": Verdict.QUALIFIED,
        "last": Verdict.VALID,
    }
    town.court = replace(town.court, policy_of=plain)
    town.now_ms += POSTPONED_MS
    await until_idle(opened())
    assert (await town.verdicts())["poison"] is Verdict.VALID


async def test_one_that_the_writer_holds_is_not_postponed_for_another(town: Town) -> None:
    if town.database.is_sqlite:
        pytest.skip("SQLite has one writer")
    await town.come(Guest("held"))
    town.now_ms += 1_000
    await town.come(Guest("poison"))
    town.now_ms += 100_000
    locked, done = threading.Event(), threading.Event()
    held: list[str] = []

    def hold(connection: sa.Connection) -> None:
        first = sa.select(arrivals).order_by(arrivals.c.due_at_ms).limit(1).with_for_update()
        held.append(connection.execute(first).one().visit_id)
        locked.set()
        assert done.wait(10)

    holding = asyncio.create_task(town.database.run(hold))
    await asyncio.to_thread(locked.wait, 10)
    visit = await town.database.run(
        lambda connection: postpone(connection, town.now_ms, POSTPONED_MS)
    )
    done.set()
    await holding
    assert visit not in ("", *held)
    query = sa.select(arrivals.c.visit_id).where(arrivals.c.due_at_ms > town.now_ms)
    later = await town.database.run(lambda connection: connection.execute(query).scalars().all())
    assert later == [visit]


async def test_a_ladder_that_is_over_is_closed_by_the_keeper(town: Town, opened: Open) -> None:
    town.now_ms = LADDER.ends_at_ms - 62_000
    await town.come(Guest("bob"))
    town.now_ms = LADDER.ends_at_ms
    await until_idle(opened())
    ranking = await town.rewards.ranking(LADDER.id, 10)
    assert ranking is not None
    assert ranking.frozen
    assert [(one.user, one.valid) for one in ranking.top] == [("ann", 1)]


async def test_a_ladder_that_cannot_be_closed_keeps_nobody_from_being_told(
    town: Town, opened: Open, wire: Wire
) -> None:
    plain = town.court.policy_of

    def stumbling(channel: str, app: str) -> ChannelPolicy:
        if channel == "sms":
            raise LookupError("a bug")
        return plain(channel, app)

    town.court = replace(town.court, policy_of=stumbling)
    town.now_ms = LADDER.ends_at_ms - 200_000
    await town.come(Guest("first"), Guest("poison", channel="sms"))
    town.now_ms = LADDER.ends_at_ms
    await until_idle(opened())
    assert await town.verdicts() == {"first": Verdict.VALID, "poison": Verdict.QUALIFIED}
    assert wire.told("ann") == ["share.progress"]
    town.court = replace(town.court, policy_of=plain)
    await until_idle(opened("two"))
    ranking = await town.rewards.ranking(LADDER.id, 10)
    assert ranking is not None
    assert (ranking.frozen, [one.valid for one in ranking.top]) == (True, [2])


async def test_devices_and_networks_of_arrivals_are_forgotten_after_their_time(
    town: Town, opened: Open
) -> None:
    await town.come(Guest("bob"), Guest("no-device", device=""))
    town.now_ms = LADDER.ends_at_ms
    await until_idle(opened())

    async def marks() -> set[tuple[str, str, str]]:
        query = sa.select(arrivals.c.device, arrivals.c.net, arrivals.c.agent)
        rows = await town.database.run(lambda connection: connection.execute(query).all())
        return {(row[0], row[1], row[2]) for row in rows}

    town.now_ms += 90 * DAY_MS
    await until_idle(opened())
    assert len(await marks()) == 2
    town.now_ms += 1
    for _ in range(2):
        await until_idle(opened())
    assert await marks() == {("", "", "")}
    assert set((await town.verdicts()).values()) == {Verdict.VALID, Verdict.NOT_NEW_DEVICE}
