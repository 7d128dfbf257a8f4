"""Readers who stop reading, and peers that died: they end; the others notice nothing."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from tests.support.raw_socket import RawSocket
from tests.support.redis_server import RedisServer
from tests.support.wait import wait_until
from tests.support.worker_app import CHANNEL, StartWorker, WorkerApp
from tests.support.ws_client import WireClient

MIB = 2**20
SLOW = {
    "viewer_buffer_bytes_max": 262_144,
    "pulse_skip_bytes": 32_768,
    "history_events_max": 20,
    "pulse_interval_ms": 1,
}
LARGE = "x" * 60_000
STOPPED = 20


class Publisher:
    """Publishes large events and pulses in turn, and counts them."""

    def __init__(self, worker: WorkerApp) -> None:
        self.events = self.pulses = 0
        self._worker = worker

    async def publish(self) -> None:
        await self._send("chat", {"t": "large", "number": self.events, "text": LARGE})
        self.events += 1
        await self._send("pulse", {"t": f"p{self.pulses}"})
        self.pulses += 1

    async def _send(self, lane: str, data: Any) -> None:
        body = {"channel": CHANNEL, "data": data, "lane": lane}
        await asyncio.to_thread(self._worker.call, "POST", "/api/publish", body)


async def test_a_reader_who_stops_loses_pulse_then_the_connection_and_others_get_everything(
    own_redis: RedisServer, start_worker: StartWorker
):
    worker = start_worker(own_redis.url, **SLOW)
    publisher = Publisher(worker)
    viewer, _ = await WireClient.join(worker.ws_url, CHANNEL)
    stopped = [
        await RawSocket.connected(worker.port, channel=CHANNEL, lazy=True) for _ in range(STOPPED)
    ]
    await publisher.publish()
    rss_before = worker.rss_bytes
    try:

        async def clients() -> int:
            result = await viewer.ask("presence_stats", {"channel": CHANNEL})
            return int(result["num_clients"])

        while await clients() > 1:
            assert publisher.events < 1_000, "the stopped readers are never closed"
            await publisher.publish()
        grown = worker.rss_bytes - rss_before
        assert grown < STOPPED * 0.5 * MIB + 20 * MIB  # their bounds, and what the room holds
        ends = await asyncio.gather(*(raw.end() for raw in stopped))
        assert set(ends) == {(3008, "slow")}
        for raw in stopped:
            pubs = [one["push"]["pub"] for one in raw.messages if "push" in one]
            offsets = [pub["offset"] for pub in pubs if "offset" in pub]
            assert offsets == list(range(1, len(offsets) + 1))  # no event is left out before
            names = {pub["data"]["t"] for pub in pubs if "offset" not in pub}
            pulses = [name for name in names if name.startswith("p")]
            assert len(pulses) < len(offsets) - 1  # but pulses are
    finally:
        for raw in stopped:
            async with raw:
                pass
    await wait_until(
        lambda: len(viewer.stored(CHANNEL)) == publisher.events, 20, "the viewer has it all"
    )
    offsets = [offset for offset, _ in viewer.stored(CHANNEL)]
    assert offsets == list(range(1, publisher.events + 1))
    names = {pub["data"]["t"] for pub in viewer.publications(CHANNEL) if "offset" not in pub}
    assert {f"p{number}" for number in range(publisher.pulses - 1)} <= names
    assert not viewer.is_closed
    await viewer.close()


async def test_a_reader_who_was_closed_as_slow_recovers_all_it_missed_when_it_returns(
    own_redis: RedisServer, start_worker: StartWorker
):
    worker = start_worker(own_redis.url, **SLOW | {"history_events_max": 1_000})
    publisher = Publisher(worker)
    async with await RawSocket.connected(worker.port, channel=CHANNEL, lazy=True) as stopped:
        end = asyncio.create_task(_until_closed(worker, 3008))
        while not end.done():
            assert publisher.events < 300, "the stopped reader is never closed"
            await publisher.publish()
        assert await stopped.end() == (3008, "slow")
        pubs = [one["push"]["pub"] for one in stopped.messages if "push" in one]
    seen = [pub["offset"] for pub in pubs if "offset" in pub]
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) < publisher.events
    back, _ = await WireClient.join(worker.ws_url)
    async with back:
        result = await back.subscribe(CHANNEL, recover=True, offset=seen[-1], epoch="")
        assert result["recovered"]
        missed = [one["offset"] for one in result["publications"]]
        assert missed == list(range(seen[-1] + 1, publisher.events + 1))


async def _until_closed(worker: WorkerApp, code: int) -> None:
    """Return when the worker has closed a connection with this code."""

    async def closed() -> bool:
        metrics = await asyncio.to_thread(worker.text, "/metrics")
        return f'code="{code}"' in metrics

    await wait_until(closed, 60, f"somebody is closed with {code}")


async def test_a_peer_that_does_not_answer_pings_is_closed_and_one_that_does_stays(
    own_redis: RedisServer, start_worker: StartWorker
):
    worker = start_worker(own_redis.url, ping_interval_s=6, pong_within_s=5, close_within_s=1)
    alive, _ = await WireClient.join(worker.ws_url, CHANNEL)
    dead, _ = await WireClient.join(worker.ws_url, CHANNEL)
    dead.answers_pings = False
    began_s = time.monotonic()
    assert await dead.closed() == (3012, "no pong")
    assert time.monotonic() - began_s < 6 + 5 + 5
    await wait_until(lambda: alive.pings >= 3, 40, "the other one is pinged on")
    assert not alive.is_closed
    await dead.close()
    await alive.close()


async def test_a_peer_that_vanished_is_cut_though_it_never_closes(
    own_redis: RedisServer, start_worker: StartWorker
):
    worker = start_worker(own_redis.url, ping_interval_s=6, pong_within_s=5, close_within_s=1)
    alive, _ = await WireClient.join(worker.ws_url, CHANNEL)
    async with await RawSocket.connected(worker.port, channel=CHANNEL) as vanished:
        assert (await vanished.end())[0] == 3012
        await vanished.hung_up()
    assert not alive.is_closed
    await alive.close()
