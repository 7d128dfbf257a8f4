"""Clients of a chosen worker. Which worker takes a connection is the kernel's choice."""

from __future__ import annotations

import asyncio
import time

from tests.support.live_server import LiveServer
from tests.support.wait import wait_until
from tests.support.ws_client import WireClient

WITHIN_S = 60.0
AT_ONCE = 8  # connections made together are spread, one after the other often is not


async def two_workers(server: LiveServer) -> list[int]:
    """The pids of both workers, once both are there."""
    await wait_until(lambda: len(server.worker_pids()) == 2, 30, "there are two workers")
    return server.worker_pids()


async def client_of(
    server: LiveServer, worker_pid: int, channel: str = "", token: str = ""
) -> WireClient:
    """A connected wire client that this worker serves; with a channel, a subscribed one."""
    deadline_s = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline_s:
        clients = await asyncio.gather(*(WireClient.open(server.ws_url) for _ in range(AT_ONCE)))
        there = [one for one in clients if server.worker_of(one.port) == worker_pid]
        await asyncio.gather(*(one.close() for one in clients if one not in there[:1]))
        if there:
            await there[0].connect(token)
            if channel:
                await there[0].subscribe(channel)
            return there[0]
    raise AssertionError(f"the kernel gave no connection to worker {worker_pid}")
