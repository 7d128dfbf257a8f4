"""The record of visits as a worker keeps it: pieces go to the log in batches, off everybody's path.

What a page tells is answered when it is in the log, or refused. What the server sees by itself is
told without waiting; it is dropped, and counted, only when so many pieces wait that pages are
refused as well. Nothing here runs for an event that is delivered to viewers.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import orjson

from flash_sale.batcher import Batcher, BatchLimits
from flash_sale.errors import SaleBusy, SaleStoreUnavailable
from rooms.errors import VisitLogUnavailable
from rooms.sharing.sources import Source
from rooms.sharing.visits import Event, Fact, Piece, Seen, is_guest
from server.live_room import LiveRoom
from server.settings import Limits
from server.sharing.open_visit import OpenVisit
from server.sharing.visit_wire import piece_bytes
from server.viewer import Viewer

LIKES_GATHER_S = 1.0  # taps of one visit are told together
ROOMS_REMEMBERED_MAX = 4_096


class VisitLog(Protocol):
    """What the desk needs of `rooms.adapters.redis_visits.RedisVisitLog`."""

    async def append(self, pieces: Sequence[bytes]) -> None: ...


@dataclass(slots=True)
class VisitCounts:
    """Since this worker's start."""

    pieces: int = 0  # put into the log
    dropped: int = 0  # seen by the server, and lost because too much was waiting
    refused: int = 0  # told by a page, which was asked to try again


class VisitDesk:
    """One per worker. Open visits are on their viewers (`viewer.visits`)."""

    def __init__(self, log: VisitLog, limits: Limits, now_ms: Callable[[], int]) -> None:
        self._log = log
        self._now_ms = now_ms
        self._within_s = limits.append_within_s
        self._batcher: Batcher[bytes, None] = Batcher(
            self._append,
            BatchLimits(
                waiting_max=limits.visit_pieces_waiting_max,
                batch_max=limits.visit_batch_pieces_max,
                within_s=limits.append_within_s,
            ),
        )
        self._liking: dict[str, Viewer] = {}
        self._liking_timer: asyncio.TimerHandle | None = None
        self._pinned: dict[str, tuple[bytes | None, str]] = {}
        self._numbers = itertools.count(1)
        self.counts = VisitCounts()

    # what pages tell

    def open(
        self, viewer: Viewer, room: LiveRoom, visit_id: str, device: str, source: Source
    ) -> OpenVisit:
        """Begin or take up a visit on this connection; one that it had to the room has ended."""
        before = viewer.visits.of(room.room_id)
        if before is not None:
            self._ends(viewer, before)
        visit = OpenVisit(
            id=visit_id,
            room=room.room_id,
            source=source,
            device=device,
            user=viewer.user_id,
        )
        viewer.visits.by_room[room.room_id] = visit
        viewer.visits.opened += 1
        return visit

    def told(
        self, viewer: Viewer, room: LiveRoom, key: str, events: tuple[Event, ...]
    ) -> asyncio.Future[None]:
        """Put what the page told of its visit to the room into the log; the future says that it
        is there. Needs an open visit.

        It raises `SaleStoreUnavailable` or `Overloaded`; at the bound this call raises `SaleBusy`.
        """
        visit = viewer.visits.by_room[room.room_id]
        stored = self._batcher.put(self._piece(viewer, visit, room, key, events))
        if not visit.is_stored:
            stored.add_done_callback(lambda done: _note_stored(visit, done))
        return stored

    def key_of(self, viewer: Viewer) -> str:
        """A key for a piece that has no name of its own: never given twice."""
        return f"{viewer.client_id}.{next(self._numbers)}"

    # what the server sees

    def saw(self, viewer: Viewer, room_id: str, seen: Seen, **facts: Fact) -> None:
        """`open_visit.Saw`: a fact `id`, `order` or `link` makes it count once per visit."""
        visit = viewer.visits.of(room_id)
        if visit is None:
            return
        if seen is Seen.LIKE:
            visit.likes += int(facts.get("n", 1))
            self._liking[viewer.client_id] = viewer
            if self._liking_timer is None:
                loop = asyncio.get_running_loop()
                self._liking_timer = loop.call_later(LIKES_GATHER_S, self._tell_likes)
            return
        name = next((facts[fact] for fact in ("id", "order", "link") if fact in facts), None)
        key = None if name is None else f"{seen}.{name}"
        self._tell(viewer, visit, key, (Event(seen, self._now_ms(), facts),))

    def gone(self, viewer: Viewer) -> None:
        """The connection ends."""
        self._liking.pop(viewer.client_id, None)
        for visit in viewer.visits.by_room.values():
            self._ends(viewer, visit)
        viewer.visits.by_room.clear()

    def _ends(self, viewer: Viewer, visit: OpenVisit) -> None:
        now_ms = self._now_ms()
        self._tell(viewer, visit, None, (*_likes(visit, now_ms), Event(Seen.GONE, now_ms)))

    def _tell_likes(self) -> None:
        self._liking_timer = None
        liking, self._liking = self._liking, {}
        now_ms = self._now_ms()
        for viewer in liking.values():
            for visit in viewer.visits.by_room.values():
                self._tell(viewer, visit, None, _likes(visit, now_ms))

    def _tell(
        self, viewer: Viewer, visit: OpenVisit, key: str | None, events: tuple[Event, ...]
    ) -> None:
        if not events:
            return
        key = key or self.key_of(viewer)
        room = next((room for room in viewer.rooms if room.room_id == visit.room), None)
        try:
            stored = self._batcher.put(self._piece(viewer, visit, room, key, events))
        except SaleBusy:
            self.counts.dropped += 1
            return
        stored.add_done_callback(self._count_dropped)

    def _count_dropped(self, done: asyncio.Future[None]) -> None:
        if done.cancelled() or done.exception() is not None:
            self.counts.dropped += 1

    # how it is done

    def _piece(
        self,
        viewer: Viewer,
        visit: OpenVisit,
        room: LiveRoom | None,
        key: str,
        events: tuple[Event, ...],
    ) -> bytes:
        origin = viewer.origin
        return piece_bytes(
            Piece(
                visit=visit.id,
                key=key,
                room=visit.room,
                received_at_ms=0,
                events=events,
                device=visit.device,
                user=viewer.user_id,
                guest=is_guest(viewer.user_id),
                net=origin.net,
                agent=origin.agent,
                app=origin.app,
                explaining="" if room is None else self._explaining(room),
                source=None if visit.is_stored else visit.source,
            )
        )

    def _explaining(self, room: LiveRoom) -> str:
        """The id of the product that is pinned now, read once for each pin."""
        pinned = room.replica.fields.get("pinned")
        known = self._pinned.get(room.room_id)
        if known is None or known[0] is not pinned:
            if len(self._pinned) >= ROOMS_REMEMBERED_MAX:
                self._pinned.clear()
            product = None if pinned is None else orjson.loads(pinned)
            known = self._pinned[room.room_id] = (pinned, product["id"] if product else "")
        return known[1]

    async def _append(self, pieces: Sequence[bytes]) -> Sequence[None]:
        try:
            await self._log.append(pieces)
        except VisitLogUnavailable as error:  # the batcher tries again
            raise SaleStoreUnavailable(str(error)) from error
        self.counts.pieces += len(pieces)
        return [None] * len(pieces)

    async def drain(self) -> None:
        """Put what waits into the log, for a bounded time."""
        if self._liking_timer is not None:
            self._liking_timer.cancel()
            self._tell_likes()
        try:
            async with asyncio.timeout(self._within_s):
                await self._batcher.drained()
        except TimeoutError:
            return

    async def close(self) -> None:
        """Let go of what could not be stored."""
        if self._liking_timer is not None:
            self._liking_timer.cancel()
        await self._batcher.close()


def _likes(visit: OpenVisit, now_ms: int) -> tuple[Event, ...]:
    """The taps that were not told yet; they are now."""
    count, visit.likes = visit.likes, 0
    return (Event(Seen.LIKE, now_ms, {"n": count}),) if count else ()


def _note_stored(visit: OpenVisit, done: asyncio.Future[None]) -> None:
    if not done.cancelled() and done.exception() is None:
        visit.is_stored = True
