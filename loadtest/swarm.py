"""An audience in one process: thousands of viewers that mostly only count what they receive.

A viewer is a bare `asyncio.Protocol`. The same frame goes to all viewers of a room, so a chunk of
bytes equal to the last one costs a comparison and a few additions instead of being read again. A
named number of viewers are witnesses: they read every event (see `loadtest.samples`).
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

from loadtest import frames
from loadtest.callers import caller_from, source_of
from loadtest.dialects import Answered, Arrival, Dialect, Refused
from loadtest.samples import Witness
from loadtest.waiting import until


class Listener(Protocol):
    """A viewer's memory, such as `loadtest.samples.Witness`."""

    def joined(self, answer: Answered, now_us: int) -> None:
        """The room has answered; events follow from its position on."""

    def saw(self, arrivals: Sequence[Arrival], now_us: int) -> None:
        """These came, in this order."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who comes, where to, and how fast. `marker` is what every event to be counted contains."""

    port: int
    dialect: Dialect
    marker: bytes
    host: str = "127.0.0.1"
    connect_per_s: int = 3_000
    in_flight_max: int = 128
    open_within_s: float = 15.0
    sources: int = 1  # loopback addresses to call from; more are used above 20,000 viewers


class Tally:
    """Counters all viewers of a swarm share, and the last chunk, already understood."""

    __slots__ = ("arrivals", "bytes", "chunk", "chunk_events", "chunk_first", "chunk_last",
                 "chunk_messages", "closes", "errors", "events", "messages", "ping_s", "skips",
                 "sockets_open")  # fmt: skip

    def __init__(self) -> None:
        self.messages = self.bytes = self.events = self.sockets_open = 0
        self.ping_s = 0  # how often the server pings, once it has said so
        self.skips = 0  # times that a viewer's next numbered event was not the next number
        self.closes: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.remember([], b"", 0, (0, 0))

    def remember(
        self, messages: list[bytes], chunk: bytes, events: int, offsets: tuple[int, int]
    ) -> None:
        """Keep a chunk that held whole text messages and nothing else.

        `offsets` are those of its first and last numbered event, 0 if there was none.
        """
        self.chunk, self.chunk_messages, self.chunk_events = chunk, messages, events
        self.chunk_first, self.chunk_last = offsets
        self.arrivals: list[Arrival] | None = None  # parsed when the first witness asks


class Viewer(asyncio.Protocol):
    """One connection: handshake, opening, then counting until it is closed."""

    __slots__ = ("_answers", "_crowd", "_joining", "_opening", "_pong", "_reader", "_settled",
                 "_tally", "_transport", "_upgrade", "closed_with", "epoch", "events", "heard",
                 "offset", "on_lost", "opened", "witness")  # fmt: skip

    def __init__(self, crowd: Crowd, tally: Tally, wire: Wire, witness: Listener | None) -> None:
        self._crowd, self._tally = crowd, tally
        self._upgrade: bytes | None = wire.upgrade  # None once the server has agreed
        self._opening, self._pong = wire.opening, wire.pong
        self._reader = frames.FrameReader()
        self._answers = 0
        self._joining = True  # until the room has answered
        self._settled = False  # joined, and between two messages
        self._transport: asyncio.Transport | None = None
        self.witness = witness
        self.events = 0
        self.heard = 0  # reads of anything but the chunk everybody got; pings are among them
        self.offset, self.epoch = 0, ""  # of the last numbered event, once the room has answered
        self.closed_with = ""
        self.on_lost: Callable[[], None] | None = None
        self.opened: asyncio.Future[None] | None = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        self._tally.sockets_open += 1
        assert self._upgrade is not None
        self._transport.write(self._upgrade)
        self._upgrade = b""  # from now on: the answer's bytes so far

    def data_received(self, data: bytes) -> None:
        tally = self._tally
        if self._settled and data == tally.chunk:
            tally.messages += len(tally.chunk_messages)
            tally.bytes += len(data)
            tally.events += tally.chunk_events
            self.events += tally.chunk_events
            if tally.chunk_last:
                if self.offset + 1 != tally.chunk_first:
                    tally.skips += 1
                self.offset = tally.chunk_last
            if self.witness is not None:
                self._testify(tally)
            return
        self.heard += 1
        try:
            self._read(data)
        except (frames.FramingError, Refused, ValueError, KeyError, TypeError) as error:
            self._fail(f"{type(error).__name__}: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._tally.sockets_open -= 1
        self._settled = False
        self.closed_with = self.closed_with or f"lost {exc or ''}".strip()
        self._tally.closes[self.closed_with] += 1
        if self.opened is not None and not self.opened.done():
            self.opened.set_exception(ConnectionError(self.closed_with))
        self._transport = None
        if self.on_lost is not None:
            self.on_lost()

    @property
    def is_connected(self) -> bool:
        return self._transport is not None

    def leave(self) -> None:
        """Close with a code, as a browser tab does."""
        if self._transport is not None:
            self.closed_with = self.closed_with or "left"
            self._settled = False
            self._transport.write(frames.close_frame(1000, "bye"))
            self._transport.close()

    def say(self, frame: bytes) -> None:
        """Send a finished client frame. Ignored on a closed connection."""
        if self._transport is not None:
            self._transport.write(frame)

    def read_nothing(self) -> socket.socket | None:
        """Stop reading, as a device does that has hung itself up; its socket, if it has one."""
        if self._transport is None:
            return None
        self._transport.pause_reading()
        return cast(socket.socket, self._transport.get_extra_info("socket"))

    def read_again(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def abort(self, why: str) -> None:
        """Give the connection up at once, as a network that is gone does."""
        self.closed_with = self.closed_with or why
        self._settled = False
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, why: str) -> None:
        self._tally.errors[why] += 1
        self.abort(why)

    def _read(self, data: bytes) -> None:
        if self._upgrade is not None:
            data = self._upgrade + data
            taken = frames.upgrade_answer(data)
            if taken is None:
                self._upgrade = data
                return
            self._upgrade = None
            data = data[taken:]
            if self._opening:
                self.say(self._opening)
            if not self._crowd.dialect.answers_expected:
                self._enter()
        self._tally.bytes += len(data)
        fresh = self._settled
        before = self.offset
        texts, events, special = self._digest(self._reader.feed(data))
        self._settled = not self._joining and self._reader.between_messages
        if fresh and self._settled and not special and texts:
            offsets = (before + 1, self.offset) if self.offset != before else (0, 0)
            self._tally.remember(texts, data, events, offsets)

    def _digest(self, messages: list[tuple[int, bytes]]) -> tuple[list[bytes], int, bool]:
        """Act on messages; returns the texts, how many events, and whether any needed action."""
        dialect, tally = self._crowd.dialect, self._tally
        texts, total, special = [], 0, False
        for opcode, payload in messages:
            if opcode >= frames.CLOSE:
                special = True
                self._control(opcode, payload)
                continue
            tally.messages += 1
            texts.append(payload)
            if dialect.wants_pong(payload):
                special = True
                self.say(self._pong)
            if self._joining:
                special = True
                self._hear_answer(payload)
                continue
            total += payload.count(self._crowd.marker)
            special = self._follow(*dialect.offsets(payload)) or special
            if self.witness is not None:
                self.witness.saw(dialect.arrivals(payload), _now_us())
            if dialect.is_put_out(payload):
                special = True
                self._join_again()
        tally.events += total
        self.events += total
        return texts, total, special

    def _follow(self, first: int, last: int, count: int) -> bool:
        """Keep the place in the room; True if numbers are missing or come again."""
        if not count:
            return False
        is_broken = first != self.offset + 1 or last != first + count - 1
        self._tally.skips += is_broken
        self.offset = last
        return is_broken

    def _hear_answer(self, payload: bytes) -> None:
        answer = self._crowd.dialect.answered(payload)
        self._answers += answer.answers
        self._tally.ping_s = answer.ping_s or self._tally.ping_s
        if answer.offset is not None:
            self.offset, self.epoch = answer.offset, sys.intern(answer.epoch)
        came = (*answer.missed, *answer.after)
        numbers = [arrival.offset for arrival in came if arrival.offset]
        self.offset = numbers[-1] if numbers else self.offset
        self.events += len(came)
        self._tally.events += len(came)
        if self.witness is not None:
            self.witness.joined(answer, _now_us())
        if self._answers >= self._crowd.dialect.answers_expected:
            self._enter()

    def _enter(self) -> None:
        self._joining = False
        if self.opened is not None and not self.opened.done():
            self.opened.set_result(None)
        self.opened = None

    def _join_again(self) -> None:
        """The server put the viewer out of the room and asks it to come back."""
        self._joining = True
        self._answers -= 1
        again = self._crowd.dialect.again(self.offset, self.epoch)
        self.say(frames.client_frame(again))

    def _testify(self, tally: Tally) -> None:
        now_us = _now_us()
        if tally.arrivals is None:
            dialect = self._crowd.dialect
            tally.arrivals = [
                arrival for text in tally.chunk_messages for arrival in dialect.arrivals(text)
            ]
        assert self.witness is not None
        self.witness.saw(tally.arrivals, now_us)

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == frames.PING:
            self.say(frames.client_frame(payload, frames.PONG))
        elif opcode == frames.CLOSE and self._transport is not None:
            code, reason = frames.close_code(payload)
            self.closed_with = self.closed_with or f"{code} {reason}".strip()
            self._settled = False
            self.say(frames.client_frame(payload, frames.CLOSE))
            self._transport.close()


@dataclass(frozen=True, slots=True)
class Wire:
    """What every viewer of a crowd sends, made once."""

    upgrade: bytes
    opening: bytes
    pong: bytes

    @classmethod
    def of(cls, crowd: Crowd) -> Wire:
        dialect = crowd.dialect
        opcode = frames.BINARY if dialect.is_binary else frames.TEXT
        return cls(
            frames.upgrade_request(f"{crowd.host}:{crowd.port}", dialect.path),
            frames.client_frame(dialect.opening, opcode) if dialect.opening else b"",
            frames.client_frame(dialect.pong, opcode),
        )


@dataclass(slots=True)
class Swarm:
    """The viewers of one crowd. Use inside a running uvloop (or asyncio) loop."""

    crowd: Crowd
    tally: Tally = field(default_factory=Tally)
    viewers: list[Viewer] = field(default_factory=list)
    _wire: Wire = field(init=False)

    def __post_init__(self) -> None:
        self._wire = Wire.of(self.crowd)

    @property
    def witnesses(self) -> list[Witness]:
        return [each.witness for each in self.viewers if isinstance(each.witness, Witness)]

    @property
    def errors(self) -> int:
        return sum(self.tally.errors.values())

    async def join(self, count: int, *, witnesses: int = 0) -> float:
        """Bring in `count` more viewers, `witnesses` of them spread evenly; returns the seconds.

        Starts at most `connect_per_s` a second with `in_flight_max` unfinished. A viewer that
        does not get in is an error in the tally, not an exception here.
        """
        crowd, every = self.crowd, count // witnesses if witnesses else 0
        free = asyncio.Semaphore(crowd.in_flight_max)
        began = time.perf_counter()
        loop = asyncio.get_running_loop()
        first = len(self.viewers)
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                due = began + number / crowd.connect_per_s
                if (early := due - time.perf_counter()) > 0.001:
                    await asyncio.sleep(early)
                await free.acquire()
                chosen = every and number % every == 0 and number // every < witnesses
                viewer = Viewer(crowd, self.tally, self._wire, Witness() if chosen else None)
                self.viewers.append(viewer)
                task = group.create_task(self._open(loop, viewer, first + number))
                task.add_done_callback(lambda _done: free.release())
        return time.perf_counter() - began

    async def _open(self, loop: asyncio.AbstractEventLoop, viewer: Viewer, number: int) -> None:
        crowd, opened = self.crowd, viewer.opened
        assert opened is not None
        try:
            async with asyncio.timeout(crowd.open_within_s):
                caller = caller_from(source_of(number, crowd.sources))
                try:
                    await loop.sock_connect(caller, (crowd.host, crowd.port))
                    await loop.create_connection(lambda: viewer, sock=caller)
                except BaseException:  # also when the time is up
                    caller.close()
                    raise
                await opened
        except (OSError, TimeoutError) as error:
            if not viewer.closed_with:  # otherwise the viewer has said why
                self.tally.errors[f"opening: {type(error).__name__}: {error}"] += 1
            viewer.leave()

    def forget(self) -> None:
        """Start a new round: counters of events and the witnesses' memories begin anew."""
        self.tally.messages = self.tally.bytes = self.tally.events = 0
        for viewer in self.viewers:
            viewer.events = 0
        for witness in self.witnesses:
            witness.forget()

    async def leave(self, *, within_s: float = 10.0) -> None:
        """Close all viewers and wait until their sockets are closed."""
        for viewer in self.viewers:
            viewer.leave()
        await until(lambda: self.tally.sockets_open == 0, within_s)
        self.viewers.clear()


def _now_us() -> int:
    return time.time_ns() // 1000
