"""A room's log by itself, in a process of its own: `python -m loadtest.bench.log_process`.

What a batch costs Redis, by the events in it and by the workers that hear of it, and what an
announcement costs each of those workers. Beside `engine_process` the only load test that calls the
parts in process: workers here are subscriptions, without rooms and viewers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Collection
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from loadtest.bench.processes import cpu_time
from loadtest.waiting import until
from rooms.adapters.redis_feed import RedisFeed
from rooms.adapters.redis_log import LogLimits, RedisRoomLog, channel_of
from rooms.adapters.wire import parse_batch
from rooms.log import NewEvent, Seed
from rooms.model import Lane, RoomId
from rooms.replica import Replica
from server.embedded_redis import EmbeddedRedis
from server.redis_client import Client, ClientRole, connect

EVENTS = (1, 16)  # per batch: two points of a line
PAYLOAD = b'{"t":"comment","id":"c-0123456789","user":"u-012345","name":"Lin","text":"%s"}'
HEARD_WITHIN_S = 20.0


async def measure(mode: str, batches: int, workers: tuple[int, ...]) -> list[dict[str, Any]]:
    """One row for each number of workers and of events per batch."""
    home = Path(tempfile.mkdtemp(prefix="onair-log-"))
    redis = EmbeddedRedis(home, durability=mode)
    await redis.start()
    rows: list[dict[str, Any]] = []
    try:
        for count in workers:
            async with AsyncExitStack() as stack:
                stage = await _Stage.open(redis.url, RoomId(f"bench-{count}"), count, stack)
                for events in EVENTS:
                    row = {"mode": mode, "workers": count, "events": events, "batches": batches}
                    rows.append(row | await stage.run(events, batches))
    finally:
        await redis.stop()
        shutil.rmtree(home, ignore_errors=True)
    return rows


class _Stage:
    """One room's log, and so many workers that hear of its batches."""

    def __init__(self, client: Client, room_id: RoomId, redis_pid: int) -> None:
        self._log = RedisRoomLog(client, "bench", LogLimits())
        self._room_id = room_id
        self._redis = (redis_pid,)
        self._seq = 0
        self._heard = 0  # by all workers
        self._messages: list[bytes] = []  # that the first worker heard
        self._workers = 0

    @classmethod
    async def open(cls, url: str, room_id: RoomId, workers: int, stack: AsyncExitStack) -> _Stage:
        client = await _client(url, ClientRole.COMMANDS, stack)
        info: dict[str, Any] = await client.info()
        stage = cls(client, room_id, int(info["process_id"]))
        for _ in range(workers):
            await stage._listen(await _client(url, ClientRole.LISTENER, stack), stack)
        return stage

    async def _listen(self, client: Client, stack: AsyncExitStack) -> None:
        async def resumed(channels: Collection[str]) -> None:
            pass

        feed = RedisFeed(
            client,
            on_message=partial(self._take, self._workers == 0),
            on_resumed=resumed,
            subscribe_within_s=HEARD_WITHIN_S,
        )
        reader = asyncio.get_running_loop().create_task(feed.run())
        stack.callback(reader.cancel)
        await feed.subscribe(channel_of(self._room_id))
        self._workers += 1

    def _take(self, keep: bool, _channel: str, message: bytes) -> None:
        self._heard += 1
        if keep:
            self._messages.append(message)

    async def run(self, events: int, batches: int) -> dict[str, Any]:
        """Append batch after batch. Every worker must hear of each, or the row says so."""
        event = NewEvent(Lane.CHAT, "comment", PAYLOAD % (b"x" * 60))
        self._heard, self._messages = 0, []
        redis, python_s = cpu_time(self._redis), time.process_time()
        for _ in range(batches):
            self._seq += 1
            await self._log.append(self._room_id, self._seq, [event] * events, 0)
        expected = batches * self._workers
        await until(lambda: self._heard >= expected, HEARD_WITHIN_S)
        redis, python_s = cpu_time(self._redis) - redis, time.process_time() - python_s
        return {
            "heard": self._heard,
            "expected": expected,
            "redis_us": redis.total_s / batches * 1e6,
            "python_us": python_s / batches * 1e6,  # the appender and all who hear
            "taken_in_us": await self._take_in(self._messages),
        }

    async def _take_in(self, messages: list[bytes]) -> float:
        """Processor time of one worker to parse and apply a batch."""
        loaded = await self._log.load(self._room_id, Seed(0, {}, {}, ()))
        loaded.entries.clear()
        replica = Replica(self._room_id, loaded, events_max=1_000)
        replica.top = parse_batch(messages[0]).first - 1
        began = time.process_time()
        for message in messages:
            replica.apply(parse_batch(message))
        return (time.process_time() - began) / len(messages) * 1e6


async def _client(url: str, role: ClientRole, stack: AsyncExitStack) -> Client:
    client = connect(url, role=role)
    stack.push_async_callback(client.aclose)
    await client.initialize()
    return client


def main() -> None:
    """Print the rows as one JSON list."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench.log_process")
    parser.add_argument("--mode", choices=("always", "everysec"), default="always")
    parser.add_argument("--batches", type=int, default=300)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 10, 50])
    options = parser.parse_args()
    rows = uvloop.run(measure(options.mode, options.batches, tuple(options.workers)))
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
