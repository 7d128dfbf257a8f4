"""Two workers on a real cluster, and under real sentinels: masters die and slots move while a room
talks. `replicated`: what was acknowledged, everybody sees once and in one order.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rooms.adapters.redis_log import room_key
from rooms.model import RoomId
from server.database.engine import sqlite_url
from tests.support.redis_cluster import Cluster
from tests.support.redis_nodes import RedisNode
from tests.support.redis_sentinels import SentinelGroup
from tests.support.wait import wait_until, wait_until_sync
from tests.support.worker_app import CHANNEL, ROOM, WorkerApp
from tests.support.ws_client import WireClient, WireError

KEY = room_key(RoomId(ROOM), "meta")
ORCHARD = "orchard"  # a room that no other test's workers have open
OTHER = f"room:{ORCHARD}"
ORCHARD_KEY = room_key(RoomId(ORCHARD), "meta")
NOTICE_EVERY = 8
SETTINGS: dict[str, int | str] = {
    "vitals_interval_s": 1,
    "redis_within_ms": 500,
    "history_events_max": 100_000,
    "comment_interval_ms": 1,
    "comment_burst": 10_000,
    "chat_per_s": 10_000,
    "chat_burst": 9_999,
}
Workers = list[WorkerApp]


@contextmanager
def workers_on(url: str, durability: str, directory: Path, database: Path) -> Iterator[Workers]:
    path = directory / "worker.sqlite3"
    shutil.copy(database, path)
    store = {"REDIS_URL": url, "durability": durability}  # as the supervisor would have it
    workers = [WorkerApp(directory, url, sqlite_url(path), **SETTINGS, **store) for _ in range(2)]
    try:
        with ThreadPoolExecutor() as threads:
            list(threads.map(WorkerApp.start, workers))
        workers[0].make_room()
        yield workers
    finally:
        for worker in workers:
            worker.end()


@pytest.fixture(scope="module")
def on_cluster(
    cluster_of_the_run: Cluster, tmp_path_factory: pytest.TempPathFactory, migrated_file: Path
) -> Iterator[Workers]:
    cluster_of_the_run.heal()
    cluster_of_the_run.empty()
    directory = tmp_path_factory.mktemp("rooms")
    with workers_on(cluster_of_the_run.url, "replicated", directory, migrated_file) as workers:
        yield workers


@dataclass
class Chat:
    """On each worker one who watches and one who talks; the first of these is the host."""

    viewers: list[WireClient]
    speakers: list[WireClient]
    acknowledged: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    is_enough: bool = False

    async def talk(self, number: int) -> None:
        turn = 0
        while not self.is_enough:
            text = f"{id(self)}-{number}-{turn}"
            is_notice = number == 0 and turn % NOTICE_EVERY == 0
            said = await (self.notice(text) if is_notice else self.say(number, text))
            (self.acknowledged if said else self.refused).append(text)
            turn += 1

    async def say(self, number: int, text: str) -> bool:
        request = {"room": ROOM, "text": text, "cid": text}
        return await self._is_done(self.speakers[number], "comment.send", request)

    async def notice(self, text: str) -> bool:
        return await self._is_done(self.speakers[0], "room.notice", {"room": ROOM, "text": text})

    async def _is_done(self, client: WireClient, method: str, request: dict[str, Any]) -> bool:
        try:
            await client.rpc(method, request)
        except WireError as error:
            if error.code != 503:
                raise
            return False
        return True

    async def goes_on(self, more: int = 20) -> None:
        """Return when so many more things were acknowledged."""
        before = len(self.acknowledged)
        await wait_until(lambda: len(self.acknowledged) >= before + more, 40, "they talk")

    async def judge(self) -> None:
        """Everybody was shown everything that was acknowledged, once and in one order."""
        everybody = [*self.viewers, *self.speakers]
        await wait_until(
            lambda: all(
                one.is_closed or set(self.acknowledged) <= set(texts(one)) for one in everybody
            ),
            15,
            "everything is seen",
        )
        await wait_until(
            lambda: len({one.stored(CHANNEL)[-1][0] for one in everybody}) == 1, 20, "by all"
        )
        orders = [one.stored(CHANNEL) for one in everybody]
        for one, order in zip(everybody, orders, strict=True):
            assert not one.is_closed, one.close_code
            assert not ended(one)
            offsets = [offset for offset, _ in order]
            assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))
            assert order == orders[0][-len(order) :], "one order for all"
            assert len(texts(one)) == len(set(texts(one)))


def texts(client: WireClient, channel: str = CHANNEL) -> list[str]:
    return [data["text"] for _, data in client.stored(channel) if "text" in data]


def ended(client: WireClient) -> list[Any]:
    """The ends of subscriptions that it was told."""
    return [one for one in client.messages if "unsubscribe" in one.get("push", {})]


@asynccontextmanager
async def chatting(workers: Workers) -> AsyncIterator[Chat]:
    """They talk from here on; at the end they fall silent, and what was seen is judged."""
    clients = []
    for kind in ("viewer", "host"):
        for number, worker in enumerate(workers):
            role = kind if number == 0 else "viewer"
            token = worker.token(f"{kind}{number}", role)
            clients.append((await WireClient.join(worker.ws_url, CHANNEL, token))[0])
    chat = Chat(clients[:2], clients[2:])
    talking = [asyncio.create_task(chat.talk(number)) for number in range(2)]
    try:
        await chat.goes_on()
        yield chat
        await chat.goes_on()
        chat.is_enough = True
        await asyncio.gather(*talking)
        await chat.judge()
    finally:
        chat.is_enough = True
        await asyncio.gather(*talking, return_exceptions=True)
        for client in clients:
            await client.close()


async def test_a_room_goes_on_when_its_master_is_killed_and_loses_nothing_that_was_acknowledged(
    cluster_of_the_run: Cluster, on_cluster: Workers
) -> None:
    """Until the dead one is back, and follows, nobody confirms what the promoted one writes."""
    cluster = cluster_of_the_run
    async with chatting(on_cluster):
        dead = await asyncio.to_thread(cluster.kill_master_of, KEY)
        await asyncio.to_thread(cluster.wait_until_promoted, KEY, dead)
        await asyncio.to_thread(cluster.heal)


async def test_a_room_goes_on_when_its_master_freezes_with_all_connections_open(
    cluster_of_the_run: Cluster, on_cluster: Workers
) -> None:
    """Nobody is told that it is gone: it is silence that is noticed."""
    cluster = cluster_of_the_run
    await asyncio.to_thread(cluster.heal)
    async with chatting(on_cluster):
        frozen = await asyncio.to_thread(cluster.node_of, KEY)
        frozen.freeze()
        await asyncio.to_thread(cluster.wait_until_promoted, KEY, frozen)
        await asyncio.to_thread(cluster.heal)


async def test_a_room_goes_on_while_its_slot_moves_and_when_its_master_hands_over(
    cluster_of_the_run: Cluster, on_cluster: Workers
) -> None:
    cluster = cluster_of_the_run
    await asyncio.to_thread(cluster.heal)
    async with chatting(on_cluster) as chat:
        move = await asyncio.to_thread(cluster.migration, KEY)
        await asyncio.to_thread(move.begin)
        for _ in range(3):  # some of its keys are here and some there
            await asyncio.to_thread(move.move, 2)
        while await asyncio.to_thread(move.move):
            pass
        await asyncio.to_thread(move.finish)
        await chat.goes_on()
        await asyncio.to_thread(cluster.fail_over, KEY)
        await chat.goes_on()
        there = await joined(on_cluster[1], "noisy", "viewer", CHANNEL)
        ban = {"room": ROOM, "user": "noisy", "reason": "noise"}
        await chat.speakers[0].rpc("room.ban", ban)
        assert await there.unsubscribed(CHANNEL) == (2101, "banned")
        await there.close()
    assert chat.refused == [], "that takes no longer than senders are waited for"


async def test_a_room_goes_on_when_sentinels_replace_its_primary(
    sentinels: SentinelGroup, tmp_path: Path, migrated_file: Path
) -> None:
    """There are two replicas: the one that is left confirms what the promoted one writes."""
    with workers_on(sentinels.url, "replicated", tmp_path, migrated_file) as workers:
        async with chatting(workers):
            dead = await asyncio.to_thread(sentinels.kill_primary)
            await asyncio.to_thread(sentinels.wait_until_promoted, dead)


async def test_viewers_get_a_fresh_picture_when_a_failover_lost_what_they_have_seen(
    cluster: Cluster, tmp_path: Path, migrated_file: Path
) -> None:
    """`always`: the disk of the master had it, and is gone. No offset names two events."""
    with workers_on(cluster.url, "always", tmp_path, migrated_file) as workers:
        workers[0].make_room(ORCHARD)
        host = await joined(workers[0], "host", "host")
        others = [await joined(worker, "", "viewer") for worker in workers]
        await host.rpc("comment.send", {"room": ORCHARD, "text": "kept"})
        replica = await asyncio.to_thread(cluster.replica_of, cluster.node_of(ORCHARD_KEY))
        await asyncio.to_thread(cut_off, cluster, replica)
        for text in ("lost", "lost too"):
            await host.rpc("comment.send", {"room": ORCHARD, "text": text})
        everybody = [host, *others]
        await wait_until(
            lambda: all(len(texts(one, OTHER)) == 3 for one in everybody), 10, "all saw it"
        )
        seen = others[0].stored(OTHER)[-1][0]
        epoch = (await host.ask("history", {"channel": OTHER}))["epoch"]
        dead = await asyncio.to_thread(cluster.kill_master_of, ORCHARD_KEY)
        await asyncio.to_thread(cluster.wait_until_promoted, ORCHARD_KEY, dead)
        for one in everybody:
            assert await one.unsubscribed(OTHER) == (2500, "insufficient state")
        position = {"recover": True, "epoch": epoch, "offset": seen}
        results = [await one.subscribe(OTHER, **position) for one in everybody]
        assert len({result["epoch"] for result in results} - {epoch}) == 1
        for result in results:
            assert "recovered" not in result
            assert [one["text"] for one in result["data"]["comments"]] == ["kept"]
        await host.rpc("comment.send", {"room": ORCHARD, "text": "after"})
        await wait_until(
            lambda: all(texts(one, OTHER)[-1] == "after" for one in everybody),
            10,
            "all are together",
        )
        for one in everybody:
            await one.close()
        await asyncio.to_thread(replica.ask, "CONFIG", "SET", "masterauth", "")


async def joined(worker: WorkerApp, user: str, role: str, channel: str = OTHER) -> WireClient:
    token = worker.token(user, role) if user else ""
    return (await WireClient.join(worker.ws_url, channel, token))[0]


def cut_off(cluster: Cluster, replica: RedisNode) -> None:
    """The replica gets nothing any more, and lives."""
    replica.ask("CONFIG", "SET", "masterauth", "wrong")
    cluster.node_of(ORCHARD_KEY).ask("CLIENT", "KILL", "TYPE", "replica")
    wait_until_sync(
        lambda: replica.facts("replication")["master_link_status"] == "down", 10, "it is cut off"
    )
