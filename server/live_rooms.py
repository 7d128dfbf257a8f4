"""All rooms this worker has open: loading, catching up, counting heads, unloading.

A room is opened by its first viewer and forgotten when nobody has been there for a while.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import Any

import orjson

from rooms.adapters.redis_feed import RedisFeed
from rooms.adapters.redis_log import channel_of
from rooms.adapters.wire import parse_batch
from rooms.errors import Overloaded, RoomLogUnavailable
from rooms.log import NOWHERE, Attendance, Batch, Position, RoomLog, Seed, Vitals
from rooms.model import RoomId, UserId
from rooms.outbox import Outbox, OutboxLimits
from rooms.pacing import Pacing
from rooms.replica import Replica
from server.codec.wire_frames import FrameBuilder
from server.courier import Turns
from server.database.records import DatabaseUnavailable
from server.endings import end_tasks
from server.live_room import LiveRoom
from server.replies import Unsubscribed
from server.settings import Limits
from server.viewer import Viewer

_LOG = logging.getLogger("onair.rooms")

_NOBODY = Attendance(clients=0, users=0)

SeedOf = Callable[[RoomId], Awaitable[Seed | None]]


@dataclass(slots=True)
class _Opening:
    """A room on its way in: what was announced meanwhile, and who waits for it."""

    batches: list[Batch]
    room: asyncio.Future[LiveRoom | None]


class LiveRooms:
    """`seed_of` reads a room from SQL; None means that there is no such room."""

    def __init__(self, log: RoomLog, seed_of: SeedOf, limits: Limits) -> None:
        self._log = log
        self._seed_of = seed_of
        self._limits = limits
        self._pacing = Pacing(
            loop_percent=limits.fanout_loop_percent,
            tick_ms_max=limits.tick_ms_max,
            burst_ms=limits.fanout_burst_ms,
        )
        self._turns = Turns(limits.fanout_slice_ms)
        self._builder = FrameBuilder(limits.compress_bytes_min)
        self._numbers = itertools.count(1)
        self._rooms: dict[RoomId, LiveRoom] = {}
        self._opening: dict[RoomId, _Opening] = {}
        self._by_channel: dict[str, RoomId] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self.feed: RedisFeed | None = None

    def __iter__(self) -> Any:
        return iter(list(self._rooms.values()))

    def __len__(self) -> int:
        return len(self._rooms)

    def loaded(self, room_id: RoomId) -> LiveRoom | None:
        """The room, if this worker has it open; without waiting."""
        return self._rooms.get(room_id)

    async def open(self, room_id: RoomId) -> LiveRoom | None:
        """The room, loaded if need be. None: no such room.

        Raises `RoomLogUnavailable` or `DatabaseUnavailable` when a store is out of reach, and
        `Overloaded` when too many rooms are open.
        """
        room = self._rooms.get(room_id)
        if room is not None:
            return room
        opening = self._opening.get(room_id)
        if opening is None:
            if len(self._rooms) + len(self._opening) >= self._limits.rooms_loaded_max:
                raise Overloaded("rooms_loaded_max")
            opening = _Opening([], asyncio.get_running_loop().create_future())
            self._opening[room_id] = opening
            self._spawn(self._open(room_id, opening))
        return await asyncio.shield(opening.room)

    async def _open(self, room_id: RoomId, opening: _Opening) -> None:
        try:
            opening.room.set_result(await self._load(room_id, opening))
        except Exception as error:
            opening.room.set_exception(error)
            opening.room.exception()  # retrieved: nobody may be waiting any more
            if not isinstance(error, RoomLogUnavailable | DatabaseUnavailable):
                raise
        finally:
            del self._opening[room_id]

    async def _load(self, room_id: RoomId, opening: _Opening) -> LiveRoom | None:
        assert self.feed is not None
        seed = await self._seed_of(room_id)
        if seed is None:
            return None
        channel = channel_of(room_id)
        self._by_channel[channel] = room_id
        try:
            await self.feed.subscribe(channel)
            room = self._build(await self._replica(room_id, seed))
        except Exception:
            self._by_channel.pop(channel, None)
            await self.feed.unsubscribe(channel)
            raise
        self._rooms[room_id] = room
        for batch in opening.batches:
            room.announced(batch)
        self._spawn(self._report(room))
        return room

    async def _replica(self, room_id: RoomId, seed: Seed, known: Position = NOWHERE) -> Replica:
        loaded = await self._log.load(room_id, seed, known)
        return Replica(room_id, loaded, events_max=self._limits.history_events_max)

    def _build(self, replica: Replica) -> LiveRoom:
        limits = self._limits
        outbox = Outbox(
            replica.room_id,
            self._log,
            OutboxLimits(
                events_max=limits.outbox_events_max,
                comments_max=limits.outbox_comments_max,
                batch_events_max=limits.batch_events_max,
                gap_ms=limits.append_gap_ms,
                within_s=limits.append_within_s,
            ),
            numbers=self._numbers,
            now_s=time.monotonic,
        )
        return LiveRoom(
            replica,
            outbox,
            builder=self._builder,
            pacing=self._pacing,
            turns=self._turns,
            limits=limits,
            on_gap=lambda room: self._spawn(self._catch_up(room)),
        )

    # what the feed brings

    def announced(self, channel: str, message: bytes) -> None:
        """A batch arrived on a room's channel."""
        room_id = self._by_channel.get(channel)
        if room_id is None:
            return
        batch = parse_batch(message)
        room = self._rooms.get(room_id)
        if room is not None:
            room.announced(batch)
        elif room_id in self._opening:
            self._opening[room_id].batches.append(batch)

    async def resumed(self, channels: Collection[str]) -> None:
        """The feed was broken and works again: look in these rooms for what was missed."""
        for channel in channels:
            room = self._rooms.get(self._by_channel.get(channel, RoomId("")))
            if room is not None:
                self.look(room)

    def look(self, room: LiveRoom) -> None:
        """Compare a room with its stream and fetch what is missing."""
        if not room.catching_up:
            room.catching_up = True
            self._spawn(self._catch_up(room))

    async def reach(self, room: LiveRoom, offset: int) -> None:
        """Bring a room to an offset that a client has seen on another worker, if it exists.

        Raises `RoomLogUnavailable` when the stream could not be asked in time.
        """
        there = room.reach(offset)
        if there is None:
            return
        self.look(room)
        try:
            await asyncio.wait_for(there, self._limits.append_within_s)
        except TimeoutError:
            raise RoomLogUnavailable(f"reach offset {offset} of room {room.room_id}") from None

    async def freshen(self, room: LiveRoom) -> None:
        """Bring a room to where its stream stands now. Raises `RoomLogUnavailable`."""
        vitals = await self._log.report(room.room_id, self._attendance(room))
        if vitals.epoch == room.replica.epoch:
            await self.reach(room, vitals.top)

    async def _catch_up(self, room: LiveRoom) -> None:
        """Fetch what was stored after the replica's top; start anew if that is gone."""
        pause_s = 0.1
        while self._rooms.get(room.room_id) is room:
            try:
                known = room.known
                vitals = await self._log.report(room.room_id, self._attendance(room))
                if _goes_on(vitals, known):
                    missed = await self._log.read_after(room.room_id, room.replica.top)
                    if missed:  # of another epoch, if one began between the two answers
                        known = Position(max(known.offset, missed[-1].offset), known.epoch)
                        vitals = await self._log.report(room.room_id, self._attendance(room))
                    follows = not missed or missed[0].offset == room.replica.top + 1
                    if follows and _goes_on(vitals, known):
                        if missed:
                            room.missed(missed)
                        room.caught_up()
                        room.likes_missed(vitals.likes_total)
                        return
                await self._start_anew(room)
                return
            except (RoomLogUnavailable, DatabaseUnavailable) as error:
                _LOG.warning("room %s waits to catch up: %s", room.room_id, error)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 2.0)

    async def _start_anew(self, room: LiveRoom) -> None:
        """History was lost: viewers subscribe again and get a fresh picture."""
        seed = await self._seed_of(room.room_id)
        if seed is None:
            return
        replica = await self._replica(room.room_id, seed, room.known)
        for member in room.audience.members():
            assert isinstance(member, Viewer)
            member.gateway.unsubscribe(member, room, Unsubscribed.INSUFFICIENT_STATE)
        room.caught_up(replica)

    # counting heads

    async def keep(self) -> None:
        """Report, count and unload, until cancelled."""
        while True:
            await asyncio.sleep(self._limits.vitals_interval_s)
            for room in self:
                if self._is_idle(room):
                    await self._unload(room)
                else:
                    self._spawn(self._report(room))

    async def _report(self, room: LiveRoom) -> None:
        if room.reporting:
            return  # the last report is still on its way: the store hangs
        room.reporting = True
        try:
            attendance, known = self._attendance(room), room.known
            vitals = await self._log.report(room.room_id, attendance)
            own = (attendance.clients, attendance.users)
            room.set_attendance(vitals.clients, vitals.users, own)
            if vitals.sanctions_version != room.replica.sanctions_version:
                await self._refresh_sanctions(room, vitals.sanctions_version)
        except (RoomLogUnavailable, DatabaseUnavailable) as error:
            _LOG.warning("%s", error)
            return
        finally:
            room.reporting = False
        self._check_position(room, vitals, known)

    def _check_position(self, room: LiveRoom, vitals: Vitals, known: Position) -> None:
        """Below the stream in two reports with the same top: an announcement was lost.

        A stream below what was `known` before the report has lost what people saw.
        """
        top = room.replica.top
        stuck = vitals.top > top and room.behind_at == top and not room.has_pending
        if stuck or not _goes_on(vitals, known):
            self.look(room)
        elif vitals.top == top and room.outbox.idle and not room.has_pending:
            room.likes_missed(vitals.likes_total)
        room.behind_at = top if vitals.top > top else None

    async def _refresh_sanctions(self, room: LiveRoom, version: int) -> None:
        """Read a room's bans anew: the word about one may have been lost.

        Older ones in the store mean that it lost what was put there: it gets it back.
        """
        seed = await self._seed_of(room.room_id)
        if seed is None:
            return
        if version < room.replica.sanctions_version:
            await self._log.sanction(room.room_id, seed)
            version = seed.version
        room.replica.sanctions_version = version
        self.apply_bans(room, frozenset(seed.bans))

    def apply_bans(self, room: LiveRoom, banned: frozenset[UserId]) -> None:
        """From now on these people are not let in; those who are inside are put out."""
        for user_id in banned - room.replica.banned:
            for viewer in room.connections_of(user_id):
                viewer.gateway.unsubscribe(viewer, room, Unsubscribed.BANNED)
        room.replica.banned = banned

    def _attendance(self, room: LiveRoom) -> Attendance:
        audience = room.audience
        listed = len(audience) <= self._limits.presence_clients_max
        return Attendance(
            clients=len(audience),
            users=audience.users,
            members=orjson.dumps(presence_of(room)) if listed else b"",
        )

    def _is_idle(self, room: LiveRoom) -> bool:
        return (
            not len(room.audience)
            and room.outbox.idle
            and not room.catching_up
            and time.monotonic() - room.idle_since_s > self._limits.room_idle_unload_s
        )

    async def _unload(self, room: LiveRoom) -> None:
        assert self.feed is not None
        del self._rooms[room.room_id]
        room.close()
        channel = channel_of(room.room_id)
        self._by_channel.pop(channel, None)
        await self.feed.unsubscribe(channel)
        try:
            await self._log.report(room.room_id, _NOBODY)
        except RoomLogUnavailable as error:
            _LOG.warning("the count of room %s lapses by itself: %s", room.room_id, error)

    async def say_goodbye(self) -> None:
        """Before the worker ends: everything said is stored, and nobody is counted any more."""
        for room in self:
            await room.outbox.drained()
        try:
            for room in self:
                await self._log.report(room.room_id, _NOBODY)
        except RoomLogUnavailable as error:
            _LOG.warning("counts will lapse by themselves: %s", error)

    async def close(self) -> None:
        """Let go of all rooms; nothing more is read or reported."""
        for room in self:
            room.close()
        await end_tasks(self._tasks)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _LOG.error("room task failed", exc_info=task.exception())


def _goes_on(vitals: Vitals, known: Position) -> bool:
    """Whether the store still has the history that people saw."""
    return vitals.epoch == known.epoch and vitals.top >= known.offset


def presence_of(room: LiveRoom) -> dict[str, dict[str, Any]]:
    """Client id -> who it is, for the connections of this worker."""
    return {
        member.client_id: client_info(member)
        for member in room.audience.members()
        if isinstance(member, Viewer)
    }


def client_info(viewer: Viewer) -> dict[str, Any]:
    """ClientInfo of the client protocol."""
    info: dict[str, Any] = {"user": viewer.user_id, "client": viewer.client_id}
    if viewer.identity.name:
        info["conn_info"] = {"name": viewer.identity.name}
    return info
