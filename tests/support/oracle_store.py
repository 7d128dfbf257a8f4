"""Where the twin of the room log keeps its rooms, and the replica that takes over from it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field

from rooms.adapters.redis_log import Announcing, channel_of
from rooms.errors import RoomLogUnavailable
from rooms.log import Appended, Attendance, Batch, Entry
from rooms.model import CommentId, RoomId, UserId

CONFIRM_TURNS, PUBLISH_TURNS = 3, 2  # of the loop, in which everything else may happen


@dataclass(slots=True)
class StoredRoom:
    """Everything the store knows of one room."""

    epoch: str = ""  # until it is loaded or something is said in it
    top: int = 0
    likes: int = 0
    now_ms: int = 0
    tokens: float | None = None  # None: full
    tokens_at_ms: int = 0
    entries: list[Entry] = field(default_factory=list)
    fields: dict[str, bytes] = field(default_factory=dict)
    field_versions: dict[str, int] = field(default_factory=dict)
    mutes: dict[UserId, int] = field(default_factory=dict)
    bans: set[UserId] = field(default_factory=set)
    sanctions: int = -1
    due_ms: dict[UserId, int] = field(default_factory=dict)
    shown_ms: dict[UserId, int] = field(default_factory=dict)
    overlooked_ms: dict[UserId, int] = field(default_factory=dict)  # sampled since last shown
    bought_ms: dict[UserId, int] = field(default_factory=dict)
    buyers_spoke_ms: int = 0
    cids: dict[tuple[UserId, str], tuple[str, CommentId]] = field(default_factory=dict)
    likers: dict[CommentId, set[UserId]] = field(default_factory=dict)
    receipts: dict[str, tuple[int, Appended, int]] = field(default_factory=dict)
    line: int = 0  # the server that stored something last
    messages: int = 0
    queue: list[tuple[int, Batch]] = field(default_factory=list)  # to be announced, with numbers
    present: dict[str, tuple[Attendance, int]] = field(default_factory=dict)


class OracleStore:
    """What all workers share. `announce` is told every batch, as (channel, Batch).

    It has a replica, which stands where `replicate` was called last.
    """

    def __init__(
        self,
        clock_ms: Callable[[], int],
        *,
        announce: Callable[[str, Batch], None] = lambda channel, batch: None,
        announcing: Announcing = Announcing.AT_ONCE,
    ) -> None:
        self.clock_ms = clock_ms
        self.announce = announce
        self.announcing = announcing
        self.rooms: dict[RoomId, StoredRoom] = {}
        self.line = 0  # grows with each promotion
        self._replica: dict[RoomId, StoredRoom] = {}
        self.available = True
        self._epochs = (f"epoch-{number}" for number in itertools.count(1))
        self.new_epoch: Callable[[], str] = lambda: next(self._epochs)

    def room(self, room_id: RoomId) -> StoredRoom:
        """What is stored of a room. Raises `RoomLogUnavailable` while the store is away."""
        if not self.available:
            raise RoomLogUnavailable(f"room {room_id}: the test took the store away")
        return self.rooms.setdefault(room_id, StoredRoom())

    def begun(self, room_id: RoomId) -> StoredRoom:
        """The same, with an epoch from now on."""
        room = self.room(room_id)
        if not room.epoch:
            self.begin(room)
        return room

    def begin(self, room: StoredRoom) -> None:
        """Another epoch of a room, with what it has."""
        room.epoch, room.line = self.new_epoch(), self.line

    def replicate(self) -> None:
        """The replica has everything now."""
        self._replica = deepcopy(self.rooms)

    def fail_over(self) -> None:
        """The replica is the store now, and has a replica of its own. Calls on their way fail."""
        self.rooms = deepcopy(self._replica)
        self.line += 1

    async def confirmed(self) -> None:
        """Return when the replica has what is stored. A failover may come first."""
        if self.announcing is not Announcing.LATER:
            return
        await self._pass(CONFIRM_TURNS, "before a replica confirmed")
        self.replicate()

    async def _pass(self, turns: int, what: str) -> None:
        line = self.line
        for _ in range(turns):
            await asyncio.sleep(0)
        if self.line != line:
            raise RoomLogUnavailable(f"the server is gone {what}")

    async def publish(self, room_id: RoomId, number: int) -> None:
        """Announce what was stored up to a message."""
        await self._pass(PUBLISH_TURNS, "before it was announced")
        queue = self.room(room_id).queue
        while queue and queue[0][0] <= number:
            self.announce(channel_of(room_id), queue.pop(0)[1])
