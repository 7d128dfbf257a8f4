"""Real, small parts that stand behind the HTTP API in its tests, and remember what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rooms.model import Identity, Lane, RoomId
from server.database.records import Act, RoomRecords
from server.ports import HistoryPage, Published, RealtimeUnavailable, StoredEvent, UnknownChannel

API_KEY = "key-key-key-key-0123456789-abcdef"
PAYMENT_SECRET = "a payment secret of enough bytes: 0123456789"
EPOCH = "k3v9"


class MemoryRealtime:
    """Rooms whose streams are lists. `down` makes it unreachable."""

    def __init__(self, *rooms: str) -> None:
        self.streams: dict[str, list[Any]] = {f"room:{room}": [] for room in rooms}
        self.sent: list[tuple[str, Any, Lane]] = []
        self.disconnected: list[tuple[str, int, str]] = []
        self.down = False

    async def publish(self, channel: str, data: Any, lane: Lane) -> Published:
        stream = self._stream(channel)
        self.sent.append((channel, data, lane))
        if lane is Lane.PULSE:
            return Published(0, EPOCH)
        stream.append(data)
        return Published(len(stream), EPOCH)

    async def history(
        self, channel: str, limit: int, since: tuple[int, str] | None, reverse: bool
    ) -> HistoryPage:
        stream = self._stream(channel)
        events = [StoredEvent(offset, data) for offset, data in enumerate(stream, 1)]
        if reverse:
            events.reverse()
        if since is not None:
            events = [event for event in events if (event.offset > since[0]) is not reverse]
        return HistoryPage(events[:limit], len(stream), EPOCH)

    async def presence_stats(self, channel: str) -> tuple[int, int]:
        self._stream(channel)
        return (7, 3)

    async def disconnect(self, user: str, code: int, reason: str) -> None:
        self._check_up()
        self.disconnected.append((user, code, reason))

    def _stream(self, channel: str) -> list[Any]:
        self._check_up()
        if channel not in self.streams:
            raise UnknownChannel(channel)
        return self.streams[channel]

    def _check_up(self) -> None:
        if self.down:
            raise RealtimeUnavailable("Redis is stopped")


class StoredActs:
    """Acts that reach the database and nobody else."""

    def __init__(self, records: RoomRecords) -> None:
        self._records = records

    async def update_room(self, actor: Identity, room_id: RoomId, changes: dict[str, str]) -> None:
        act = self._act(actor, room_id, "room.update", dict(changes))
        await self._records.act(act, changes=changes)

    async def set_shelf(self, actor: Identity, room_id: RoomId, product_ids: Sequence[str]) -> None:
        act = self._act(actor, room_id, "shelf", {"products": list(product_ids)})
        await self._records.act(act, shelf=product_ids)

    @staticmethod
    def _act(actor: Identity, room_id: RoomId, kind: str, detail: dict[str, Any]) -> Act:
        role = actor.role_in(room_id)
        return Act(room_id, actor.user_id, role, kind, detail=detail, at_ms=1_800_000_000_000)
