"""An audience that comes back as the official SDKs do: cut off, it waits, calls, and goes on.

A viewer who is lost remembers its position and tries again after a pause with jitter, which grows
from attempt to attempt. A client in a browser cannot see the `Retry-After` of a refused handshake;
others can, and may heed it.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from loadtest import frames
from loadtest.callers import caller_from, source_of
from loadtest.dialects import Centrifuge
from loadtest.samples import Witness
from loadtest.swarm import Crowd, Tally, Viewer, Wire
from loadtest.waiting import until

FIRST_PAUSE_S = 0.5  # minReconnectDelay of centrifuge-js
PAUSE_S_MAX = 20.0  # maxReconnectDelay
DOUBLINGS_MAX = 10
LEFT = "left"
_RETRY_AFTER = re.compile(r"retry after (\d+) s")


def pause_s(attempts: int, rng: random.Random) -> float:
    """How long centrifuge-js waits before its next attempt, so many having failed since the loss.

    The first time 0.5 to 1 s, then 0.5 to 1.5 s, 0.5 to 2.5 s, and so on, at most 20 s.
    """
    most = min(PAUSE_S_MAX, FIRST_PAUSE_S * 2 ** min(attempts, DOUBLINGS_MAX))
    return min(PAUSE_S_MAX, FIRST_PAUSE_S + rng.uniform(0, most))


@dataclass(slots=True)
class Seat:
    """One viewer of the audience, connected or not."""

    number: int
    witness: Witness | None = None
    viewer: Viewer | None = None
    since: tuple[int, str] | None = None  # where it was in the room when it was lost
    seen: int = 0  # events before this connection
    attempts: int = 0  # that failed since it was lost
    back_at_s: float = 0.0  # when it last came into the room

    @property
    def events(self) -> int:
        """All events it has seen, on whatever connection."""
        return self.seen + (0 if self.viewer is None else self.viewer.events)


@dataclass(slots=True)
class Returning:
    """The seats of one process. Use inside a running uvloop (or asyncio) loop."""

    crowd: Crowd
    dialect: Centrifuge
    heeds_retry_after: bool = False
    receive_bytes: int = 0  # what the kernel takes for a viewer who does not read; 0: it decides
    seats: list[Seat] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    attempts: int = 0
    refused: Counter[str] = field(default_factory=Counter)  # attempts, by why they failed
    losses: Counter[str] = field(default_factory=Counter)  # by what ended the connection
    present: int = 0  # seats that are in the room now
    _wire: Wire = field(init=False)
    _rng: random.Random = field(default_factory=random.Random)
    _calls: set[asyncio.Task[None]] = field(default_factory=set)
    _waits: set[asyncio.TimerHandle] = field(default_factory=set)
    _over: bool = False

    def __post_init__(self) -> None:
        self._wire = Wire.of(self.crowd)

    @property
    def witnesses(self) -> list[Witness]:
        return [seat.witness for seat in self.seats if seat.witness is not None]

    @property
    def absent(self) -> int:
        return len(self.seats) - self.present

    async def join(self, count: int, *, witnesses: int = 0, within_s: float = 60.0) -> bool:
        """Bring in so many at the crowd's pace; who is refused tries again. True: all are in."""
        began, every = time.perf_counter(), count // witnesses if witnesses else 0
        for number in range(count):
            due = began + number / self.crowd.connect_per_s
            if (early := due - time.perf_counter()) > 0.001:
                await asyncio.sleep(early)
            while len(self._calls) >= self.crowd.in_flight_max:
                await asyncio.wait(self._calls, return_when=asyncio.FIRST_COMPLETED)
            chosen = every and number % every == 0 and number // every < witnesses
            seat = Seat(number, Witness() if chosen else None)
            self.seats.append(seat)
            self._call(seat)
        return await until(lambda: self.absent == 0, within_s)

    def cut(self) -> None:
        """The network breaks: every connection is gone at once, without a goodbye."""
        for seat in self.seats:
            if seat.viewer is not None:
                seat.viewer.abort("cut")

    def read_nothing(self, seats: Sequence[Seat]) -> None:
        """They stop reading, as a device does that has hung itself up."""
        for seat in seats:
            if seat.viewer is not None:
                seat.viewer.read_nothing()

    def read_again(self, seats: Sequence[Seat], over_s: float) -> None:
        """They read again, one after the other: devices do not wake up at one instant."""
        loop = asyncio.get_running_loop()
        for place, seat in enumerate(seats):
            if seat.viewer is not None:
                loop.call_later(over_s * place / len(seats), seat.viewer.read_again)

    async def leave(self, within_s: float = 10.0) -> None:
        """Close all connections, and wait until they are closed."""
        self._over = True
        for wait in self._waits:
            wait.cancel()
        for call in list(self._calls):
            call.cancel()
        if self._calls:
            await asyncio.wait(self._calls, timeout=within_s)
        for seat in self.seats:
            if seat.viewer is not None:
                seat.viewer.leave()
        await until(lambda: self.tally.sockets_open == 0, within_s)
        self.seats.clear()

    # attempts

    def _call(self, seat: Seat) -> None:
        call = asyncio.get_running_loop().create_task(self._attempt(seat))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _attempt(self, seat: Seat) -> None:
        self.attempts += 1
        opening = replace(self.dialect, since=seat.since).opening
        wire = replace(self._wire, opening=frames.client_frame(opening))
        viewer = Viewer(self.crowd, self.tally, wire, seat.witness)
        opened = viewer.opened
        assert opened is not None
        opened.add_done_callback(_retrieved)
        try:
            async with asyncio.timeout(self.crowd.open_within_s):
                await self._connect(viewer, seat.number)
                await opened
        except (OSError, TimeoutError) as error:
            why = viewer.closed_with or f"{type(error).__name__}: {error}".rstrip(": ")
            viewer.abort(why)
            self.refused[why] += 1
            self._come_back(seat, _told_to_wait_s(why))
            return
        except asyncio.CancelledError:
            viewer.abort(LEFT)
            raise
        seat.viewer, seat.attempts, seat.back_at_s = viewer, 0, time.perf_counter()
        self.present += 1
        viewer.on_lost = lambda: self._lost(seat)
        if not viewer.is_connected:
            self._lost(seat)

    async def _connect(self, viewer: Viewer, number: int) -> None:
        loop, crowd = asyncio.get_running_loop(), self.crowd
        caller = caller_from(source_of(number, crowd.sources))
        if self.receive_bytes:  # before it connects: a smaller one later would lose what is coming
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_bytes)
        try:
            await loop.sock_connect(caller, (crowd.host, crowd.port))
            await loop.create_connection(lambda: viewer, sock=caller)
        except BaseException:
            caller.close()
            raise

    def _lost(self, seat: Seat) -> None:
        viewer = seat.viewer
        assert viewer is not None
        seat.viewer, viewer.on_lost = None, None
        seat.seen += viewer.events
        seat.since = (viewer.offset, viewer.epoch)
        self.present -= 1
        self.losses[viewer.closed_with] += 1
        self._come_back(seat, 0)

    def _come_back(self, seat: Seat, retry_after_s: int) -> None:
        if self._over:
            return
        wait_s = pause_s(seat.attempts, self._rng)
        if self.heeds_retry_after and retry_after_s:
            wait_s += retry_after_s
        seat.attempts += 1

        def call() -> None:
            self._waits.discard(timer)
            self._call(seat)

        timer = asyncio.get_running_loop().call_later(wait_s, call)
        self._waits.add(timer)


def _told_to_wait_s(why: str) -> int:
    """What the refusal's `Retry-After` said; 0 if it said nothing."""
    found = _RETRY_AFTER.search(why)
    return 0 if found is None else int(found[1])


def _retrieved(opened: asyncio.Future[None]) -> None:
    """Whoever waited for it may be gone; then nobody else asks for its exception."""
    if not opened.cancelled():
        opened.exception()
