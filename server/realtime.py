"""Server-to-server realtime: `server.ports.Realtime` on this worker's rooms."""

from __future__ import annotations

from typing import Any

import orjson

from rooms.errors import Overloaded, RoomLogUnavailable
from rooms.log import NewEvent, NewPulse, Position
from rooms.model import Lane
from server.channels import room_of
from server.control import Control
from server.live_room import LiveRoom
from server.live_rooms import LiveRooms
from server.ports import HistoryPage, Published, RealtimeUnavailable, StoredEvent, UnknownChannel
from server.replies import Refused


class RoomRealtime:
    """Channels are `room:<id>`; everything else is unknown."""

    def __init__(self, rooms: LiveRooms, control: Control, history_max: int) -> None:
        self._rooms = rooms
        self._control = control
        self._history_max = history_max

    async def publish(self, channel: str, data: Any, lane: Lane) -> Published:
        """Store (state, chat) or send (pulse) one JSON value to everybody in a room."""
        room = await self._room(channel)
        payload = orjson.dumps(data)
        name = data.get("t", "") if isinstance(data, dict) else ""
        name = name if isinstance(name, str) and name.isascii() and name.isprintable() else ""
        try:
            if lane is Lane.PULSE:
                await room.outbox.put(NewPulse(name, payload))
                return Published(0, room.replica.epoch)
            answer = await room.outbox.put(NewEvent(lane, "", payload, stamp=False))
        except (Overloaded, RoomLogUnavailable) as error:
            raise RealtimeUnavailable(str(error)) from error
        return Published(answer.outcome.number, room.replica.epoch)

    async def history(
        self, channel: str, limit: int, since: tuple[int, str] | None, reverse: bool
    ) -> HistoryPage:
        """Stored events of a room, up to what is stored at this moment.

        Raises `LookupError` when `since` is out of reach.
        """
        room = await self._room(channel)
        try:
            await self._rooms.freshen(room)
        except RoomLogUnavailable as error:
            raise RealtimeUnavailable(str(error)) from error
        entries = room.replica.history(
            limit=self._history_max if limit < 0 else min(limit, self._history_max),
            since=None if since is None else Position(*since),
            reverse=reverse,
        )
        if entries is None:
            raise LookupError("since: not in the stream any more")
        events = [StoredEvent(entry.offset, orjson.loads(entry.payload)) for entry in entries]
        return HistoryPage(events, room.replica.top, room.replica.epoch)

    async def presence_stats(self, channel: str) -> tuple[int, int]:
        """(clients, users) in the room, over all workers, at most a few seconds old."""
        return (await self._room(channel)).presence_stats()

    async def disconnect(self, user: str, code: int, reason: str) -> None:
        """Close every connection of a user on every worker with a close code and reason."""
        try:
            await self._control.disconnect(user, code, reason)
        except RoomLogUnavailable as error:
            raise RealtimeUnavailable(str(error)) from error

    async def _room(self, channel: str) -> LiveRoom:
        try:
            room = await self._rooms.open(room_of(channel))
        except Refused as refused:
            raise UnknownChannel(refused.message) from None
        except (Overloaded, RoomLogUnavailable) as error:  # DatabaseUnavailable passes through
            raise RealtimeUnavailable(str(error)) from error
        if room is None:
            raise UnknownChannel(f"unknown channel {channel}")
        return room
