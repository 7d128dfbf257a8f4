"""A publisher's connection to nats-server over TCP. NATS takes no events by HTTP."""

from __future__ import annotations

import asyncio
from typing import cast

from loadtest.dialects import NATS_CONNECT

ANSWER_WITHIN_S = 60.0  # behind everything published before


class NatsLine(asyncio.Protocol):
    """Publishes without an answer to each message; `flush` shows that all were taken."""

    def __init__(self, subject: str) -> None:
        self._subject = subject.encode()
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._pong: asyncio.Future[None] | None = None

    @classmethod
    async def open(cls, subject: str, port: int) -> NatsLine:
        """Connected, and known to the server. `ConnectionError` if it is not taken in."""
        loop = asyncio.get_running_loop()
        _transport, line = await loop.create_connection(lambda: cls(subject), "127.0.0.1", port)
        line._write(NATS_CONNECT)
        await line.flush()
        return line

    def publish(self, body: bytes) -> None:
        """Hand an event over, without waiting. `ConnectionError` on a line that was cut."""
        self._write(b"PUB %s %d\r\n%s\r\n" % (self._subject, len(body), body))

    async def flush(self) -> None:
        """Wait until the server has read all that was written. `ConnectionError` if it refused."""
        self._pong = asyncio.get_running_loop().create_future()
        self._write(b"PING\r\n")
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await self._pong

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass

    def data_received(self, data: bytes) -> None:
        *lines, self._received = (self._received + data).split(b"\r\n")
        for line in lines:
            if line == b"PING":
                self._write(b"PONG\r\n")
            elif line == b"PONG" and self._pong is not None and not self._pong.done():
                self._pong.set_result(None)
            elif line.startswith(b"-ERR"):
                self._fail(line.decode(errors="replace"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail("cut while publishing")

    def _write(self, data: bytes) -> None:
        if self._transport is None:
            raise ConnectionResetError("nats-server closed the line")
        self._transport.write(data)

    def _fail(self, why: str) -> None:
        if self._pong is not None and not self._pong.done():
            self._pong.set_exception(ConnectionAbortedError(why))
