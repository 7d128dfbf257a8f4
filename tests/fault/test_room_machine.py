"""The state machine of tests/property/test_room_machine.py on a real Redis, with real feeds."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import random
import time
from collections.abc import Collection
from typing import Any

import pytest

from rooms.adapters.redis_feed import RedisFeed
from rooms.adapters.redis_log import Announcing, LogLimits, RedisRoomLog, channel_of
from rooms.errors import RoomLogUnavailable
from rooms.log import Batch, RoomLog
from server.redis_client import Client, ClientRole, connect
from server.settings import Limits
from tests.support.redis_cluster import NODE_TIMEOUT_MS, Cluster
from tests.support.room_machine import RoomMachine
from tests.support.room_oracle import message_of
from tests.support.room_stage import ROOM, Deliver
from tests.support.room_world import NOBODY, Backend, cancel_all, stage_limits
from tests.support.wait import wait_until


class RedisBackend:
    """One client and one feed per worker, as in life; the store is emptied first."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._clients: list[Client] = []
        self._reading: list[asyncio.Task[None]] = []
        self._admin = self._connect(ClientRole.COMMANDS)

    def _connect(self, role: ClientRole) -> Client:
        client = connect(self._url, role=role)
        self._clients.append(client)
        return client

    def log(self, worker: str, limits: Limits) -> RoomLog:
        bounds = LogLimits(
            events_max=limits.history_events_max,
            chat_per_s=limits.chat_per_s,
            chat_burst=limits.chat_burst,
        )
        return RedisRoomLog(self._connect(ClientRole.COMMANDS), worker, bounds, self.announcing)

    def feed(self, worker: str, deliver: Deliver) -> Any:
        feed = RedisFeed(
            self._connect(ClientRole.LISTENER),
            on_message=deliver,
            on_resumed=self.resumed,
            subscribe_within_s=5,
        )
        self._reading.append(asyncio.get_running_loop().create_task(feed.run()))
        return feed

    keeps_all = True
    announcing = Announcing.AT_ONCE

    async def resumed(self, channels: Collection[str]) -> None: ...

    async def replicate(self) -> None: ...

    async def fail_over(self) -> None: ...

    async def lose_everything(self) -> None:
        await self._admin.flushall()
        await self._admin.script_flush()

    async def close(self) -> None:
        await cancel_all(self._reading)
        for client in self._clients:
            await client.aclose()


class ClusterBackend(RedisBackend):
    """The same on a cluster, `replicated`. What is announced while nobody listens is looked up."""

    announcing = Announcing.LATER

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster.url)
        self._cluster = cluster
        self._deliver: Deliver | None = None
        self._again_at_s = 0.0

    def feed(self, worker: str, deliver: Deliver) -> Any:
        if worker == "archive":
            self._deliver = deliver
        return super().feed(worker, deliver)

    async def fail_over(self) -> None:
        await wait_until(lambda: time.monotonic() > self._again_at_s, 20, "masters vote again")
        await asyncio.to_thread(self._cluster.wait_until_healthy)
        await asyncio.to_thread(self._cluster.fail_over, channel_of(ROOM))
        self._again_at_s = time.monotonic() + 2 * NODE_TIMEOUT_MS / 1000

    async def resumed(self, channels: Collection[str]) -> None:
        log = self.log("reader", stage_limits(slice_viewers=1, chat_burst=1))
        while True:
            with contextlib.suppress(RoomLogUnavailable):
                vitals = await log.report(ROOM, NOBODY)
                entries = await log.read_after(ROOM, 0)
                break
        if entries and self._deliver is not None:
            batch = Batch(vitals.epoch, entries[0].offset, entries)
            self._deliver(channel_of(ROOM), message_of(batch))


class MachineOnRedis(RoomMachine):
    """Real time and real sockets do not repeat, so chance drives it, and nothing is shrunk."""

    settled_within_s = 10.0
    url = ""

    def make_runner(self) -> asyncio.Runner:
        return asyncio.Runner()

    async def backend(self, announcing: Announcing) -> Backend:
        assert announcing is Announcing.AT_ONCE, "there is no replica here"
        backend = RedisBackend(self.url)
        await backend.lose_everything()
        return backend


class MachineOnCluster(MachineOnRedis):
    settled_within_s = 30.0
    cluster: Cluster

    async def backend(self, announcing: Announcing) -> Backend:
        return ClusterBackend(self.cluster)


def chosen(dice: random.Random, name: str) -> Any:
    """A value for the argument `name` of a rule."""
    match name:
        case "after":
            return dice.choice([0, 0, 1, 3, 20])
        case "behind":
            return dice.choice([0, 70_000, 600_000])
        case "limit":
            return dice.choice([-1, 3])
        case "count":
            return dice.randint(1, 50)
        case "product":
            return dice.choice([None, {"id": "tea"}, {"id": "oil"}])
        case "text":
            return dice.choice([None, "one", "two"])
        case "before" | "reply":
            return dice.randint(0, 1)
        case "is_told" | "recover" | "reverse" | "remove" | "mute" | "word_lost":
            return dice.random() < 0.5
        case _:
            return dice.randint(0, 11)


RULES = [
    "join", "join", "change_network", "lose_socket", "leave", "read_slowly", "say", "say", "say",
    "say_again", "like", "like_comment", "ask_history", "pin_product", "put_notice",
    "moderate_comment", "sanction", "lose_announcement", "hold_announcements",
    "release_announcements", "break_store", "lose_store", "breathe", "settle", "heal", "newcomer",
]  # fmt: skip


@pytest.mark.parametrize("round_number", range(15))
def test_everybody_sees_the_same_room_on_a_real_redis_too(redis_url: str, round_number: int):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    machine = MachineOnRedis()
    machine.url = redis_url
    play(machine, dice, RULES)


def test_everybody_sees_the_same_room_while_the_master_of_a_real_cluster_hands_over(
    cluster: Cluster,
):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    machine = MachineOnCluster()
    machine.cluster = cluster
    rules = [rule for rule in RULES if rule != "lose_store"] + ["fail_over"] * 2
    play(machine, random.Random(seed), rules)


def play(machine: RoomMachine, dice: random.Random, rules: list[str]) -> None:
    machine.open(
        workers=dice.randint(1, 3),
        people=dice.randint(2, 5),
        slice_viewers=dice.choice([1, 500]),
        chat_burst=dice.choice([3, 1_000_000]),
    )
    try:
        for _ in range(60):
            rule = getattr(machine, dice.choice(rules))
            names = list(inspect.signature(rule).parameters)
            arguments = {name: chosen(dice, name) for name in names}
            print(rule.__name__, arguments)
            rule(**arguments)
    finally:
        machine.teardown()
