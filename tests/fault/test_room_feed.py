"""The feed on a real cluster: channels follow their slots and masters within the named time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field

import pytest

from rooms.adapters.redis_feed import RESUMED_WITHIN_S, RedisFeed
from rooms.adapters.redis_log import channel_of
from rooms.model import RoomId
from server.control import CHANNEL, tell_workers
from server.redis_client import Client, ClientRole, connect
from tests.support.redis_cluster import Cluster
from tests.support.wait import wait_until

STALLS_S = 4  # of a busy machine; not the feed's
GARDEN, ORCHARD = channel_of(RoomId("garden")), channel_of(RoomId("orchard"))


@dataclass
class Ears:
    """What is heard, and which channels were said to have missed something."""

    client: Client
    heard: list[tuple[str, bytes]] = field(default_factory=list)
    resumed: set[str] = field(default_factory=set)

    async def hears(self, channel: str, word: str) -> None:
        await self.client.execute_command("SPUBLISH", channel, word)
        await wait_until(lambda: (channel, word.encode()) in self.heard, 20, f"{word} is heard")


@pytest.fixture
async def ears(cluster: Cluster) -> AsyncIterator[Ears]:
    clients = [connect(cluster.url), connect(cluster.url, role=ClientRole.LISTENER)]
    ears = Ears(clients[0])

    async def resumed(channels: Collection[str]) -> None:
        ears.resumed.update(channels)

    feed = RedisFeed(
        clients[1],
        on_message=lambda channel, message: ears.heard.append((channel, message)),
        on_resumed=resumed,
        subscribe_within_s=10,
    )
    reading = asyncio.create_task(feed.run())
    try:
        for channel in (CHANNEL, GARDEN, ORCHARD):
            await feed.subscribe(channel)
        yield ears
        assert feed.connected
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        for client in clients:
            await client.aclose()


async def test_a_channel_is_heard_again_where_its_slot_went_and_only_its_owner_looks(
    cluster: Cluster, ears: Ears
) -> None:
    await tell_workers(ears.client, {"kind": "hello"})
    await ears.hears(GARDEN, "before")

    def move() -> None:
        migration = cluster.migration(GARDEN)
        for step in (migration.begin, migration.move, migration.finish):
            step()

    await resumed_after(move, ears, GARDEN)
    assert ears.resumed == {GARDEN}
    for channel in (GARDEN, ORCHARD):
        await ears.hears(channel, "after")
    assert (CHANNEL, b'{"kind":"hello"}') in ears.heard


async def test_a_channel_is_heard_again_from_the_master_that_takes_over(
    cluster: Cluster, ears: Ears
) -> None:
    await resumed_after(lambda: cluster.fail_over(GARDEN), ears, GARDEN)
    await ears.hears(GARDEN, "handed over")
    ears.resumed.clear()

    def kill() -> None:
        dead = cluster.kill_master_of(ORCHARD)
        cluster.wait_until_promoted(ORCHARD, dead)

    await resumed_after(kill, ears, ORCHARD)
    for channel in (GARDEN, ORCHARD):
        await ears.hears(channel, "replaced")


async def resumed_after(trouble: Callable[[], object], ears: Ears, channel: str) -> None:
    await asyncio.to_thread(trouble)
    within_s = RESUMED_WITHIN_S + STALLS_S
    await wait_until(lambda: channel in ears.resumed, within_s, "its owner is told")
