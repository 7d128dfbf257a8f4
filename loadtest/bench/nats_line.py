"""A publisher's connection to nats-server over TCP. NATS takes no events by HTTP."""

from __future__ import annotations

import asyncio
from typing import cast

from loadtest.dialects import NATS_CONNECT

ANSWER_WITHIN_S = 60.0  # behind everything published before


class NatsLine(asyncio.Protocol):
    """Publishes without an answer to each message; `flush` shows that all were taken.

    Every `OSError` is the line's end: it was cut, or the server refused, and says why.
    """

    def __init__(self, subject: str) -> None:
        self._subject = subject.encode()
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._pong: asyncio.Future[None] | None = None
        self._end = "not open"

    async def open(self, port: int) -> None:
        """Connect and make oneself known. `OSError` if the server does not want it."""
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", port)
        self._write(NATS_CONNECT)
        await self.flush()

    def publish(self, body: bytes) -> None:
        """Hand an event over, without waiting. `OSError` on a line that has ended."""
        self._write(b"PUB %s %d\r\n%s\r\n" % (self._subject, len(body), body))

    async def flush(self) -> None:
        """Wait until the server has taken all that was written. `OSError` if it has not."""
        self._pong = asyncio.get_running_loop().create_future()
        self._write(b"PING\r\n")
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await self._pong

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        self._end = ""

    def data_received(self, data: bytes) -> None:
        *lines, self._received = (self._received + data).split(b"\r\n")
        for line in lines:
            if line.startswith(b"-ERR"):
                self._finish(line.decode(errors="replace"))
            elif line == b"PING":
                self._write(b"PONG\r\n")
            elif line == b"PONG" and self._pong is not None and not self._pong.done():
                self._pong.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish("the line was cut")

    def _write(self, data: bytes) -> None:
        if self._transport is None or self._end:
            raise ConnectionResetError(self._end)
        self._transport.write(data)

    def _finish(self, why: str) -> None:
        self._end = self._end or why
        self.close()
        self._transport = None
        if self._pong is not None and not self._pong.done():
            self._pong.set_exception(ConnectionResetError(self._end))
