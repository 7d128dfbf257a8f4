"""Buyers over WebSockets: each order is sent at its intended time, whether or not answers come.

A buyer is a bare `asyncio.Protocol` that signs in, joins the room and then sends `order.place`.
Every answer is counted by its outcome and timed from the instant the order was meant to go out
(no coordinated omission). Raw samples are kept.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
import time
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import orjson

from loadtest import frames
from loadtest.dialects import PONG, Centrifuge
from loadtest.samples import Spread
from loadtest.waiting import until

_TICK_S = 0.001
_ALREADY_S = 0.01  # from the call until the first turn is due
_FIRST_ORDER_ID = 10  # below are the ids of the opening


@dataclass(frozen=True, slots=True)
class Answers:
    """What became of a run's orders. `unanswered` ones got no reply in time."""

    sent: int
    outcomes: dict[str, int]  # outcome, or "error <code>"
    unanswered: int
    seconds: float  # from the first intended send to the last answer
    late_ms: Spread  # answer after intended send
    behind_ms: Spread  # sent later than intended: the generator's fault

    @property
    def per_s(self) -> float:
        return sum(self.outcomes.values()) / self.seconds if self.seconds else 0.0


class Buyer(asyncio.Protocol):
    """One connection. `due_s` holds, by command id, when each open order was meant to go out."""

    __slots__ = ("_answers", "_dialect", "_host", "_reader", "_transport", "_upgraded", "due_s",
                 "opened", "outcomes", "samples_ms", "user")  # fmt: skip

    def __init__(
        self, user: str, dialect: Centrifuge, shared: Shared, host: str = "127.0.0.1"
    ) -> None:
        self.user = user
        self._host = host
        self._dialect = dialect
        self._reader = frames.FrameReader()
        self._upgraded = b""
        self._answers = 0
        self._transport: asyncio.Transport | None = None
        self.due_s: dict[int, float] = {}
        self.outcomes, self.samples_ms = shared.outcomes, shared.samples_ms
        self.opened: asyncio.Future[None] | None = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(frames.upgrade_request(self._host, self._dialect.path))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self.opened is not None and not self.opened.done():
            self.opened.set_exception(ConnectionError(f"{self.user}: {exc or 'closed'}"))

    def data_received(self, data: bytes) -> None:
        if self._upgraded is not None:
            self._upgraded += data
            taken = frames.upgrade_answer(self._upgraded)
            if taken is None:
                return
            data, self._upgraded = self._upgraded[taken:], None  # type: ignore[assignment]
            self.say(self._dialect.opening)
        for opcode, payload in self._reader.feed(data):
            if opcode == frames.TEXT:
                self._hear(payload)

    def say(self, text: bytes) -> None:
        if self._transport is not None:
            self._transport.write(frames.client_frame(text, mask=frames.NO_MASK))

    def leave(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _hear(self, payload: bytes) -> None:
        if self.opened is not None:
            self._answers += self._dialect.answered(payload).answers
            if self._answers >= self._dialect.answers_expected:
                self.opened.set_result(None)
                self.opened = None
            return
        for line in payload.split(b"\n"):
            if line.startswith(b'{"id":'):
                self._answered(line)
            elif line == b"{}":
                self.say(PONG)

    def _answered(self, line: bytes) -> None:
        due_s = self.due_s.pop(int(line[6 : line.index(b",")]), None)
        if due_s is None:
            return
        self.samples_ms.append((time.perf_counter() - due_s) * 1000)
        self.outcomes[self._outcome(line)] += 1

    def _outcome(self, line: bytes) -> str:
        """What an answer says, in a word."""
        at = line.find(b'"outcome":"')
        if at < 0:
            return f"error {orjson.loads(line).get('error', {}).get('code')}"
        return line[at + 11 : line.index(b'"', at + 11)].decode()


class Asker(Buyer):
    """A connection whose commands are done, which is `DONE`, or answered with an error."""

    __slots__ = ()
    DONE = "ok"

    def _outcome(self, line: bytes) -> str:
        error = orjson.loads(line).get("error") if b'"error"' in line else None
        return self.DONE if error is None else f"error {error.get('code')}"


@dataclass(slots=True)
class Shared:
    """What the buyers of a party count together."""

    outcomes: Counter[str] = field(default_factory=Counter)
    samples_ms: array[float] = field(default_factory=lambda: array("d"))


@dataclass(slots=True)
class Party:
    """Buyers of one sale on one server. Use inside a running uvloop (or asyncio) loop.

    `prefix` is the path below which the server is, such as `/rehearsal`. Without a room the buyers
    only sign in. Request ids begin with `stamp`, which no other party has.
    """

    port: int
    room: str
    host: str = "127.0.0.1"
    prefix: str = ""
    is_secure: bool = False
    stamp: str = field(default_factory=lambda: secrets.token_hex(4))
    shared: Shared = field(default_factory=Shared)
    buyers: list[Buyer] = field(default_factory=list)
    _next_id: int = _FIRST_ORDER_ID

    async def join(self, tokens: Sequence[tuple[str, str]]) -> None:
        """Bring in one buyer per (user, token). Raises `OSError` if one does not get in."""
        loop = asyncio.get_running_loop()
        tls = ssl.create_default_context() if self.is_secure else None
        for user, token in tokens:
            dialect = Centrifuge(self.room, token, f"{self.prefix}/connection/websocket")
            buyer = Buyer(user, dialect, self.shared, self.host)
            await loop.create_connection(
                lambda buyer=buyer: buyer,
                self.host,
                self.port,
                ssl=tls,
            )
            self.buyers.append(buyer)
            assert buyer.opened is not None
            await buyer.opened

    async def buy(
        self, sale: str, sku: str, count: int, per_s: float, *, within_s: float = 30
    ) -> Answers:
        """Send `count` orders, `per_s` a second from all buyers in turn, and hear the answers."""
        head = b'{"rpc":{"method":"order.place","data":{"sale":"%s","sku":"%s","qty":1,%s' % (
            sale.encode(),
            sku.encode(),
            b'"request_id":"%s' % self.stamp.encode(),
        )
        buyers = self.buyers

        def send(turn: int, due_s: float) -> None:
            self._send(buyers[turn % len(buyers)], head, due_s)

        return await self.open_loop(send, count, per_s, within_s)

    async def open_loop(
        self, send: Callable[[int, float], None], count: int, per_s: float, within_s: float
    ) -> Answers:
        """Call `send` with a turn, from 0, and the instant it was due at; then hear the answers.

        Turns do not wait for answers: a slow server does not slow them down.
        """
        self.shared.outcomes.clear()
        del self.shared.samples_ms[:]
        behind_ms = array("d")
        began, sent = time.perf_counter() + _ALREADY_S, 0
        while sent < count:
            now = time.perf_counter()
            due = min(count, int((now - began) * per_s) + 1) if now >= began else 0
            while sent < due:
                due_s = began + sent / per_s
                behind_ms.append(max(0.0, time.perf_counter() - due_s) * 1000)
                send(sent, due_s)
                sent += 1
            await asyncio.sleep(max(_TICK_S, began + sent / per_s - time.perf_counter()))
        await until(lambda: len(self.shared.samples_ms) >= count, within_s)
        return Answers(
            sent=count,
            outcomes=dict(self.shared.outcomes),
            unanswered=count - len(self.shared.samples_ms),
            seconds=time.perf_counter() - began,
            late_ms=Spread.of(self.shared.samples_ms),
            behind_ms=Spread.of(behind_ms),
        )

    def next_id(self) -> int:
        """For one more command of this party."""
        number = self._next_id
        self._next_id += 1
        return number

    def _send(self, buyer: Buyer, head: bytes, due_s: float) -> None:
        number = self.next_id()
        buyer.due_s[number] = due_s
        buyer.say(b'%s-%d"}},"id":%d}' % (head, number, number))

    async def leave(self) -> None:
        for buyer in self.buyers:
            buyer.leave()
        self.buyers.clear()
        await asyncio.sleep(0)
