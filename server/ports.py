"""What the HTTP API may ask of the realtime side, as narrow protocols.

The API never touches sockets, Redis or the wire: it calls these, and `server.app` connects them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rooms.model import Identity, Lane, RoomId


class UnknownChannel(Exception):
    """The channel is not a room of this server; the text names it."""


class RealtimeUnavailable(Exception):
    """Redis cannot be reached. Whether the event was stored is unknown; the caller may retry."""


@dataclass(frozen=True, slots=True)
class Published:
    """Where an event was stored. `offset` is 0 for the pulse lane, which is not stored."""

    offset: int
    epoch: str


@dataclass(frozen=True, slots=True)
class StoredEvent:
    offset: int
    data: Any


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Events in the order asked for, and the top of the room's stream."""

    events: list[StoredEvent]
    offset: int
    epoch: str


class Realtime(Protocol):
    """Server-to-server realtime: what `/api/publish` and its neighbours do."""

    async def publish(self, channel: str, data: Any, lane: Lane) -> Published:
        """Store (state, chat) or send (pulse) one JSON value to everybody in a room."""

    async def history(
        self, channel: str, limit: int, since: tuple[int, str] | None, reverse: bool
    ) -> HistoryPage:
        """Stored events of a room. `since` is exclusive (offset, epoch); limit 0 gives the top."""

    async def presence_stats(self, channel: str) -> tuple[int, int]:
        """(clients, users) in the room, over all workers, at most a few seconds old."""

    async def disconnect(self, user: str, code: int, reason: str) -> None:
        """Close every connection of a user on every worker with a close code and reason."""


class RoomActs(Protocol):
    """Changes to a room that its viewers must see: logged in SQL first, then announced."""

    async def update_room(self, actor: Identity, room_id: RoomId, changes: dict[str, str]) -> None:
        """Change `title`, `stream_url` or `state`; viewers get `room.info` and `room.state`."""

    async def set_shelf(self, actor: Identity, room_id: RoomId, product_ids: Sequence[str]) -> None:
        """Replace the shelf; viewers get `shelf`. Unknown products: `LookupError` names them."""
