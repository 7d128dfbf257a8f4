"""The seats of an audience: who comes at his instant, is lost, and comes back where he was.

A viewer costs a connection and a few numbers, no task. Whoever is turned away or cut off tries
again after a pause with jitter, for as long as the audience is open. Instants are Unix
microseconds of this machine's clock.
"""

from __future__ import annotations

import asyncio
import errno
import heapq
import random
import re
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from loadtest import frames
from loadtest.callers import caller_from, source_of
from loadtest.dialects import Centrifuge
from loadtest.rehearsal.records import OK, UNKNOWN, Sample
from loadtest.rehearsal.witnesses import RoomWitness
from loadtest.swarm import Crowd, Tally, Viewer, Wire
from loadtest.waiting import until

MARKER: Final = b'"pub":{'  # of every event; never inside a JSON text
OPEN_WITHIN_S: Final = 15.0
IN_FLIGHT_MAX: Final = 512
RETRY_S: Final = 0.5  # the first pause before trying again is up to so long, then twice, ...
RETRY_S_MAX: Final = 5.0
PING_S: Final = 25  # where the server does not say how often it pings
SILENCE_GRACE_S: Final = 10.0  # as the SDKs: a ping may be so late
SLOW_BUFFER_BYTES: Final = 4_096
LOOK_S: Final = 0.005
PACE_BURST_S: Final = 0.1  # of arrivals that may be made up for at once
LOOPBACK: Final = "127.0.0.1"
LEFT: Final = "left"
SILENT: Final = "silent"
# The generator's own fault: it has run out of files, ports or memory.
OWN_FAULTS: Final = frozenset(
    (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM)
)
STAY_AWAY: Final = re.compile(r"(3[5-9]|4[5-9])\d\d\b")  # close codes that say: for good


@dataclass(frozen=True, slots=True)
class Door:
    """Where to go. Raises `ValueError` for an address that is no ws or wss."""

    host: str
    port: int
    path: str
    room: str
    is_secure: bool = False

    @classmethod
    def of(cls, websocket_url: str, room: str) -> Door:
        parts = urlsplit(websocket_url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise ValueError(f"{websocket_url}: no address of a WebSocket")
        secure = parts.scheme == "wss"
        port = parts.port or (443 if secure else 80)
        return cls(parts.hostname, port, parts.path, room, secure)


@dataclass(slots=True)
class Seat:
    """One viewer of the audience, connected or not."""

    number: int  # place of the token in the list
    user: str
    token: str
    next_us: int  # when it tries (again)
    witness: RoomWitness | None = None
    viewer: Viewer | None = None
    since: tuple[int, str] | None = None  # where it was in the room
    came_before: bool = False
    pause_s: float = RETRY_S
    is_away: bool = False  # sent away for good
    heard: int = -1
    heard_at_s: float = 0.0
    is_slow: bool = False


class Seats:
    """All seats of one process. Use inside a running uvloop (or asyncio) loop."""

    def __init__(
        self,
        door: Door,
        seats: Sequence[Seat],
        told: Callable[[Sample], None],
        *,
        connect_per_s: float,
        sockets_max: int,
    ) -> None:
        """At most `sockets_max` at once: the process needs open files for other things, too."""
        dialect = Centrifuge(door.room, path=door.path)
        self._door, self._told, self._dialect = door, told, dialect
        self._crowd = Crowd(door.port, dialect, MARKER, door.host)
        self._wire = Wire.of(self._crowd)
        self._tls = ssl.create_default_context() if door.is_secure else None
        self._every_s = 1 / connect_per_s
        self._due = [(seat.next_us, place) for place, seat in enumerate(seats)]
        heapq.heapify(self._due)
        self._free = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._opening: set[asyncio.Task[None]] = set()
        self._over = False
        self._sockets_max = sockets_max
        self._connecting = 0  # sockets that are no connection yet
        self.seats = seats
        self.tally = Tally()
        self.joined = 0  # seats whose viewer is in the room now
        self.refused: Counter[str] = Counter()  # attempts, by why they failed
        self.losses: Counter[str] = Counter()  # connections that were open, by how they ended
        self.own_errors = 0

    async def keep(self) -> None:
        """Bring everybody in at his instant and again after each loss, until `leave`.

        First comings are paced; whoever waits for the pace, or for a server that is slow to answer
        those before him, is not late by the generator's fault.
        """
        paced_s = 0.0
        while not self._over:
            if not self._due or self._due[0][0] > _now_us():
                await asyncio.sleep(LOOK_S)
                continue
            due_us, place = heapq.heappop(self._due)
            if self._free.locked():
                await self._free.acquire()
                due_us = _now_us()
            else:
                await self._free.acquire()
            seat = self.seats[place]
            if not seat.came_before:
                if (early_s := paced_s - time.perf_counter()) > 0:
                    await asyncio.sleep(early_s)
                    due_us = _now_us()
                paced_s = max(paced_s, time.perf_counter() - PACE_BURST_S) + self._every_s
            task = asyncio.create_task(self._open(place, seat, max(0, _now_us() - due_us)))
            self._opening.add(task)
            task.add_done_callback(self._opened)

    async def leave(self, within_s: float) -> None:
        """Close all connections, and wait until they are closed."""
        self._over = True
        for task in list(self._opening):
            task.cancel()
        if self._opening:
            await asyncio.wait(self._opening, timeout=within_s)
        for seat in self.seats:
            if seat.viewer is not None:
                seat.viewer.on_lost = None
                seat.viewer.leave()
        await until(lambda: self.tally.sockets_open == 0, within_s)
        for seat in self.seats:
            if seat.viewer is not None:
                seat.viewer.abort(LEFT)

    def behind(self) -> int:
        """Viewers in the room who have not heard the newest event that another one has heard."""
        offsets = [seat.viewer.offset for seat in self.seats if seat.viewer is not None]
        newest = max(offsets, default=0)
        return sum(offset < newest for offset in offsets)

    def slow_down(self, percent: float) -> list[Seat]:
        """So many of the silent viewers stop reading; they are returned for `speed_up`."""
        silent = [seat for seat in self.seats if seat.witness is None and seat.viewer is not None]
        wanted = round(len(silent) * percent / 100)
        chosen = [silent[number * len(silent) // wanted] for number in range(wanted)]
        for seat in chosen:
            assert seat.viewer is not None
            seat.is_slow = True
            line = seat.viewer.read_nothing()
            if line is not None:
                with suppress(OSError):
                    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER_BYTES)
        return chosen

    def speed_up(self, slow: Sequence[Seat]) -> None:
        """They read again, if their connections are still there."""
        for seat in slow:
            seat.is_slow = False
            seat.heard_at_s = time.perf_counter()
            if seat.viewer is not None:
                seat.viewer.read_again()

    def drop_silent(self) -> None:
        """Give up connections on which not even a ping came for too long, as a client does."""
        now_s = time.perf_counter()
        patience_s = (self.tally.ping_s or PING_S) + SILENCE_GRACE_S
        for seat in self.seats:
            viewer = seat.viewer
            if viewer is None or seat.is_slow:
                continue
            heard = viewer.heard + viewer.events
            if heard != seat.heard:
                seat.heard, seat.heard_at_s = heard, now_s
            elif now_s - seat.heard_at_s > patience_s:
                viewer.abort(SILENT)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        self._free.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            self.own_errors += 1  # a mistake of ours
            self.refused[f"{type(error).__name__}: {error}"] += 1

    async def _open(self, place: int, seat: Seat, late_us: int) -> None:
        """One attempt. What goes wrong is a sample, and the next attempt is due."""
        came = replace(self._dialect, token=seat.token, since=seat.since)
        wire = replace(self._wire, opening=frames.client_frame(came.opening))
        viewer = Viewer(self._crowd, self.tally, wire, seat.witness)
        assert viewer.opened is not None
        viewer.opened.add_done_callback(_retrieved)
        try:
            async with asyncio.timeout(OPEN_WITHIN_S):
                await self._connect(viewer, seat.number)
                await viewer.opened
        except (OSError, TimeoutError) as error:
            why = viewer.closed_with or f"{type(error).__name__}: {error}".rstrip(": ")
            if isinstance(error, OSError) and error.errno in OWN_FAULTS:
                self.own_errors += 1
            viewer.abort(why)
            self.refused[why] += 1
            self._tell(seat, late_us, _outcome(why))
            self._come_back(place, seat, why)
            return
        except asyncio.CancelledError:
            viewer.abort(LEFT)
            raise
        self._tell(seat, late_us, OK)
        seat.viewer, seat.came_before, seat.pause_s = viewer, True, RETRY_S
        seat.heard, seat.heard_at_s = -1, time.perf_counter()
        self.joined += 1
        viewer.on_lost = lambda: self._lost(place, seat)
        if not viewer.is_connected:
            self._lost(place, seat)

    async def _connect(self, viewer: Viewer, number: int) -> None:
        if self.tally.sockets_open + self._connecting >= self._sockets_max:
            raise OSError(errno.EMFILE, f"more than {self._sockets_max} sockets in one process")
        self._connecting += 1
        try:
            await self._call(viewer, number)
        finally:
            self._connecting -= 1

    async def _call(self, viewer: Viewer, number: int) -> None:
        loop, door = asyncio.get_running_loop(), self._door
        if door.host != LOOPBACK:
            await loop.create_connection(lambda: viewer, door.host, door.port, ssl=self._tls)
            return
        caller = caller_from(source_of(number, 1))
        try:
            await loop.sock_connect(caller, (door.host, door.port))
            await loop.create_connection(lambda: viewer, sock=caller)
        except BaseException:
            caller.close()
            raise

    def _lost(self, place: int, seat: Seat) -> None:
        viewer = seat.viewer
        assert viewer is not None
        seat.viewer, viewer.on_lost = None, None
        seat.since = (viewer.offset, viewer.epoch)
        self.joined -= 1
        self.losses[viewer.closed_with] += 1
        self._come_back(place, seat, viewer.closed_with)

    def _come_back(self, place: int, seat: Seat, why: str) -> None:
        if self._over:
            return
        if STAY_AWAY.match(why):
            seat.is_away = True
            return
        seat.next_us = _now_us() + round(random.uniform(0, seat.pause_s) * 1_000_000)
        seat.pause_s = min(RETRY_S_MAX, seat.pause_s * 2)
        heapq.heappush(self._due, (seat.next_us, place))

    def _tell(self, seat: Seat, late_us: int, outcome: str) -> None:
        name = "reconnect" if seat.came_before else "connect"
        took_us = max(0, _now_us() - seat.next_us)
        self._told(Sample("connect", name, seat.next_us, late_us, took_us, outcome, seat.user))


def _outcome(why: str) -> str:
    """The word for an attempt that failed: the status or code of a refusal, else unknown."""
    found = re.match(r"(?:FramingError|Refused): (\d{3}) ", f"{why} ")
    found = found or re.match(r"(\d{4}) ", f"{why} ")
    return f"error {found[1]}" if found else UNKNOWN


def _retrieved(opened: asyncio.Future[None]) -> None:
    """Whoever waited for it may be gone; then nobody else asks for its exception."""
    if not opened.cancelled():
        opened.exception()


def _now_us() -> int:
    return time.time_ns() // 1_000
