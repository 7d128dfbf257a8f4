"""Publishes events at a fixed rate, whether or not the server keeps up (open loop)."""

from __future__ import annotations

import asyncio
import re
import time
from array import array
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, cast

from loadtest.bench.launch import MARKER, Contender
from loadtest.bench.nats_line import NatsLine
from loadtest.samples import Spread

LINES_MAX = 256
TEXT = "the red one in size M, and is it in stock today? 真的有货吗"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Published:
    """What became of a round's events on the way in."""

    answered: int  # with NATS, which answers to no event: taken, as shown by a pong at the end
    refused: dict[str, int]  # status or error -> how many
    answer_ms: Spread
    behind_ms: Spread  # how much later than due an event was handed over: the generator's fault


def event(number: int, sent_us: int) -> dict[str, Any]:
    """One comment-sized event; `sent_us` is the wall clock just before it is handed over."""
    return {
        "t": MARKER,
        "n": number,
        "sent_us": sent_us,
        "id": f"c{number:08d}",
        "user": f"u{number % 997:04d}",
        "name": f"Viewer {number % 997}",
        "text": TEXT,
    }


@dataclass(slots=True)
class Publisher:
    """Events of one contender. Numbers run on from round to round."""

    contender: Contender
    next_number: int = 1
    _idle: list[_Line] = field(default_factory=list)
    _lines: list[_Line] = field(default_factory=list)
    _free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LINES_MAX))
    _refused: Counter[str] = field(default_factory=Counter)
    _answers_ms: array[float] = field(default_factory=lambda: array("d"))

    async def publish(self, count: int, per_s: float) -> Published:
        """Hand over `count` events, `per_s` a second, and wait for all answers.

        Opens its own connections and closes them: none is left to time out between rounds.
        """
        self._refused.clear()
        self._answers_ms = array("d")
        behind_ms = array("d")
        contender, nats = self.contender, None
        if contender.published_by == "nats":
            nats = NatsLine(contender.publish_path)
            await self._tried(nats.open(contender.publish_port))
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for index in range(count):
                due = began + index / per_s
                if (early := due - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
                behind_ms.append(max(0.0, time.perf_counter() - due) * 1000)
                body = contender.body(event(self.next_number, time.time_ns() // 1000))
                self.next_number += 1
                if nats is None:
                    group.create_task(self._send(body))
                else:
                    self._hand_over(nats, body)
        if nats is not None:
            await self._tried(nats.flush())
            nats.close()
        self._hang_up()
        return Published(
            answered=max(0, count - self._refused.total()),
            refused=dict(self._refused),
            answer_ms=Spread.of(self._answers_ms),
            behind_ms=Spread.of(behind_ms),
        )

    def _hang_up(self) -> None:
        for line in self._lines:
            line.close()
        self._lines.clear()
        self._idle.clear()

    async def _send(self, body: bytes) -> None:
        began = time.perf_counter()
        async with self._free:
            try:
                line = self._idle.pop() if self._idle else await self._open()
                status = await line.ask(body)
                self._idle.append(line)
                if status // 100 != 2:
                    self._refused[str(status)] += 1
            except OSError as error:
                self._refused[type(error).__name__] += 1
        self._answers_ms.append((time.perf_counter() - began) * 1000)

    def _hand_over(self, nats: NatsLine, body: bytes) -> None:
        try:
            nats.publish(body)
        except OSError as error:
            self._refused[str(error)] += 1

    async def _tried(self, step: Awaitable[None]) -> None:
        try:
            await step
        except OSError as error:
            self._refused[str(error) or type(error).__name__] += 1

    async def _open(self) -> _Line:
        contender = self.contender
        loop = asyncio.get_running_loop()
        _transport, line = await loop.create_connection(
            lambda: _Line(_head(contender)), "127.0.0.1", contender.publish_port
        )
        self._lines.append(line)
        return line


class _Line(asyncio.Protocol):
    """A kept-alive HTTP/1.1 connection with one request at a time."""

    __slots__ = ("_answer", "_head", "_received", "_transport")

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._received = b""
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass

    async def ask(self, body: bytes) -> int:
        """Send a request, return the answer's status. `ConnectionError` if the line is cut."""
        if self._transport is None:
            raise ConnectionResetError("the server closed an idle connection")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(b"%scontent-length: %d\r\n\r\n%s" % (self._head, len(body), body))
        return await self._answer

    def data_received(self, data: bytes) -> None:
        self._received += data
        status = answer_status(self._received)
        if status is not None and self._answer is not None:
            self._received = b""
            self._answer.set_result(status)
            self._answer = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("cut while waiting for an answer"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def answer_status(received: bytes) -> int | None:
    """Status of the HTTP answer in `received`, or None while it is incomplete."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    length = _LENGTH.search(received, 0, end + 2)
    if length is None:
        raise ValueError(f"an answer without length: {received[:200]!r}")
    return int(received[9:12]) if len(received) >= end + 4 + int(length[1]) else None


def _head(contender: Contender) -> bytes:
    lines = [
        f"POST {contender.publish_path} HTTP/1.1",
        f"host: 127.0.0.1:{contender.publish_port}",
        "content-type: application/json",
        *(f"{name}: {value}" for name, value in contender.publish_headers),
    ]
    return ("\r\n".join(lines) + "\r\n").encode()
