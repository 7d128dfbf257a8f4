"""A load balancer before several servers, as small as one can be.

It asks `/readyz` and passes on bytes. New connections go to the servers that were ready when they
were last asked, in turn; those that are there stay until one of their ends closes. Everything
runs in the test's own event loop.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

CHECK_EVERY_S = 0.1
CHECK_WITHIN_S = 10.0
_REQUEST = b"GET /readyz HTTP/1.1\r\nHost: balancer\r\nConnection: close\r\n\r\n"


class Balancer:
    """`async with Balancer([port, ...]) as balancer:` connect to `balancer.port`.

    `ready` are the ports that get newcomers now; a failed check takes one out at once.
    """

    def __init__(self, ports: Sequence[int]) -> None:
        self.port = 0
        self.ready: set[int] = set()
        self._ports = list(ports)
        self._turns = itertools.count()
        self._server: asyncio.Server | None = None
        self._checks: list[asyncio.Task[None]] = []
        self._pipes: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        self._checks = [asyncio.create_task(self._check(port)) for port in self._ports]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in (*self._checks, *self._pipes):
            task.cancel()
        await asyncio.gather(*self._checks, *self._pipes, return_exceptions=True)
        await self._server.wait_closed()

    async def _check(self, port: int) -> None:
        while True:
            if await _is_ready(port):
                self.ready.add(port)
            else:
                self.ready.discard(port)
            await asyncio.sleep(CHECK_EVERY_S)

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer), name="balancer")
        self._pipes.add(task)
        task.add_done_callback(self._pipes.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._pass_on(reader, writer)
        finally:
            await _close(writer)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        candidates = sorted(self.ready)
        if not candidates:
            return
        port = candidates[next(self._turns) % len(candidates)]
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            self.ready.discard(port)
            return
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            await _close(far_writer)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on bytes until the sender has no more, then say so to the receiver."""
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    with suppress(OSError):
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _is_ready(port: int) -> bool:
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(CHECK_WITHIN_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(_REQUEST)
                return b" 200 " in await reader.readline()
            finally:
                await _close(writer)
    return False
