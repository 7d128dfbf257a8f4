"""The network between a client and the server, in the hands of a test: it can break and come back.

Bytes are passed on as they are. Everything runs in the test's own event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self


class TcpProxy:
    """Listens on `port` and passes everything on to `target_port`, while it is `up`."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.server_side_ports: list[int] = []  # of our connections to the server, in order
        self.up = True
        self.loses_reply: Callable[[], bool] = lambda: False  # asked for each piece of a reply
        self.replies_lost = 0
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.Transport] = set()
        self._reaching: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Near(self), "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self.go_down()
        self._server.close()
        await self._server.wait_closed()
        await asyncio.gather(*self._reaching)

    def cut(self) -> None:
        """Break all connections without a word to either side; new ones are passed on."""
        for transport in list(self._pipes):
            transport.abort()

    def go_down(self) -> None:
        """Break all connections, and every new one at once."""
        self.up = False
        self.cut()

    def come_back(self) -> None:
        self.up = True

    def reach(self, near: _End) -> None:
        """Begin to connect one client with the server."""
        task = asyncio.get_running_loop().create_task(self._reach(near))
        self._reaching.add(task)
        task.add_done_callback(self._reaching.discard)

    async def _reach(self, near: _End) -> None:
        assert near.transport is not None
        far = _Far(self)
        far.other = near.transport
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: far, "127.0.0.1", self._target_port)
        except OSError:  # the server is not there
            near.transport.abort()
            return
        assert far.transport is not None
        if near.transport.is_closing() or not self.up:
            near.transport.abort()
            far.transport.abort()
            return
        near.other = far.transport
        self.server_side_ports.append(int(far.transport.get_extra_info("sockname")[1]))
        near.transport.resume_reading()

    def add(self, transport: asyncio.Transport) -> None:
        self._pipes.add(transport)

    def discard(self, transport: asyncio.Transport) -> None:
        self._pipes.discard(transport)


class _End(asyncio.Protocol):
    """One end of a connection: what it gets, the other end sends on."""

    def __init__(self, proxy: TcpProxy) -> None:
        self.proxy = proxy
        self.transport: asyncio.Transport | None = None
        self.other: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.proxy.add(transport)

    def data_received(self, data: bytes) -> None:
        assert self.other is not None
        self.other.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        assert self.transport is not None
        self.proxy.discard(self.transport)
        if self.other is not None:
            self.other.close()


class _Far(_End):
    """The server's side. A reply may be lost: the request was done, and nobody is told."""

    def data_received(self, data: bytes) -> None:
        if self.proxy.loses_reply():
            self.proxy.replies_lost += 1
            assert self.transport is not None
            assert self.other is not None
            self.transport.abort()
            self.other.abort()
            return
        super().data_received(data)


class _Near(_End):
    """The client's side, which waits for the server's before it reads."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.transport is not None
        if self.proxy.up:
            self.transport.pause_reading()
            self.proxy.reach(self)
        else:
            self.transport.abort()
