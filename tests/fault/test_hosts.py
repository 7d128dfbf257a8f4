"""Two hosts behind a load balancer, with one Redis and one PostgreSQL: they are one server.

They are restarted one after the other while people talk, watch and buy.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import urllib.request
import uuid
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis.asyncio

from tests.support.balancer import Balancer
from tests.support.live_server import LiveServer
from tests.support.redis_server import plain_redis
from tests.support.sale_stage import stage_on
from tests.support.sql import on_server, url_of
from tests.support.talk import Talk, stocked_room
from tests.support.wait import wait_until
from tests.support.wanderer import Wanderer, wander

pytestmark = [pytest.mark.needs_postgres, pytest.mark.usefixtures("new_table")]
VIEWERS = 6
PAUSE_S = 0.03  # of everybody who talks or buys: two hosts start meanwhile
SETTINGS = {
    "ONAIR_PAYMENT_PROVIDER": "demo",
    "ONAIR_LOG_LEVEL": "warning",
    "ONAIR_CHAT_PER_S": "10000",
    "ONAIR_CHAT_BURST": "10000",
    "ONAIR_DRAIN_READY_S": "1",
    "ONAIR_DRAIN_SECONDS": "2",
}


@pytest.fixture(scope="module")
def hosts(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[LiveServer, LiveServer]]:
    name = f"hosts_{uuid.uuid4().hex[:12]}"
    on_server(postgres_url, f"CREATE DATABASE {name}")
    with plain_redis("--appendonly", "yes", "--appendfsync", "always") as redis_port:
        stores = {
            "ONAIR_REDIS_URL": f"redis://127.0.0.1:{redis_port}",
            "ONAIR_DATABASE_URL": url_of(postgres_url, name),
        }
        east, west = (
            LiveServer(tmp_path_factory.mktemp(host), command="serve", **stores, **SETTINGS)
            for host in ("east", "west")
        )
        with ThreadPoolExecutor() as threads:
            list(threads.map(LiveServer.start, (east, west)))
        yield east, west
        for host in (east, west):
            host.end()
            host.keep_errors(host.directory.name)
    on_server(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@dataclass
class Fleet:
    """All hosts behind their balancer; `front` is a server at the balancer's address."""

    hosts: tuple[LiveServer, LiveServer]
    balancer: Balancer
    front: LiveServer

    async def complete(self) -> None:
        """Wait until the balancer sends people to every host."""
        everybody = {host.port for host in self.hosts}
        await wait_until(lambda: self.balancer.ready == everybody, 30, "all hosts are ready")


@pytest.fixture
async def fleet(hosts: tuple[LiveServer, LiveServer], tmp_path: Path) -> AsyncIterator[Fleet]:
    async with Balancer([host.port for host in hosts]) as balancer:
        front = LiveServer(tmp_path, command="serve")
        front.port = balancer.port
        fleet = Fleet(hosts, balancer, front)
        await fleet.complete()
        yield fleet


async def check(viewers: list[Wanderer], fleet: Fleet, room: str, talk: Talk) -> None:
    """All saw the same, everything, each once, whatever became of their connections."""
    events = await fleet.front.history(room)
    for viewer in viewers:
        await viewer.sees(events[-1][0])
        assert viewer.events == events[viewer.first - 1 :]
        assert set(viewer.closes) <= {3001}
        assert set(viewer.refusals) <= {503}
    said = [data["text"] for _, data in events if data["t"] == "comment"]
    assert said == talk.acknowledged


def decided(host: LiveServer) -> int:
    """Purchases that this host has answered since its start."""
    with urllib.request.urlopen(f"{host.base_url}/metrics", timeout=20) as response:
        text = response.read().decode()
    return int(sum(map(float, re.findall(r"^onair_orders_total\{.*\} (\S+)$", text, re.M))))


async def test_hosts_restarted_one_after_the_other_lose_no_event_and_no_purchase(
    fleet: Fleet,
) -> None:
    room = await stocked_room(fleet.front)
    async with AsyncExitStack() as stack:
        tokens = [fleet.front.token(f"viewer-{number}") for number in range(VIEWERS)]
        viewers = await wander(stack, fleet.front, f"room:{room}", tokens)
        stage = await stack.enter_async_context(stage_on(fleet.front, "rolling restart", 1))
        await stage.open(buyers=6, pause_s=PAUSE_S)
        async with Talk(fleet.front, room, pause_s=PAUSE_S) as talk:
            await talk.goes_on(10)
            assert all([await asyncio.to_thread(decided, host) > 0 for host in fleet.hosts])
            for host in fleet.hosts:
                assert await asyncio.to_thread(host.stop, signal.SIGTERM) == 0
                await stage.crowd.progress(20)  # on the other one
                await asyncio.to_thread(host.start)
                await fleet.complete()
            await talk.goes_on(10)
        stage.over()
        verdict = await stage.judged()
        assert verdict.is_clean, verdict
        assert verdict.acknowledged > 0
        await check(viewers, fleet, room, talk)
        assert all(viewer.closes for viewer in viewers), "each had to move, some twice"


async def test_one_of_all_hosts_keeps_the_books(fleet: Fleet) -> None:
    url = fleet.hosts[0].settings["ONAIR_REDIS_URL"]
    async with redis.asyncio.Redis.from_url(url, decode_responses=True) as store:
        keepers: list[str] = []

        async def are_held() -> bool:
            held = [await store.get(key) for key in await store.keys("onair:*keeper")]
            keepers[:] = [str(one) for one in held if one is not None]
            return len(keepers) >= 2

        await wait_until(are_held, 20, "somebody keeps the books")
    supervisors = {host.program.pid for host in fleet.hosts}
    assert len(keepers) >= 2, keepers
    assert all(int(keeper.rpartition(":")[2]) in supervisors for keeper in keepers), keepers


async def test_workers_renewed_under_people_cost_nobody_an_event(fleet: Fleet) -> None:
    east, _ = fleet.hosts
    room = await stocked_room(fleet.front)
    before = east.worker_pids()
    async with AsyncExitStack() as stack:
        viewers = await wander(stack, fleet.front, f"room:{room}", [""] * VIEWERS)
        async with Talk(fleet.front, room, pause_s=PAUSE_S) as talk:
            await talk.goes_on(5)
            os.kill(east.program.pid, signal.SIGHUP)
            await wait_until(lambda: "all workers are renewed" in east.errors, 60, "it is done")
            await talk.goes_on(5)
        await check(viewers, fleet, room, talk)
    assert not set(east.worker_pids()) & set(before)
    assert any(viewer.closes for viewer in viewers)
