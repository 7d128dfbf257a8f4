"""The shared log of a room: one order of events for all viewers, whatever their worker.

Entries hold finished JSON and the few facts a replica needs; this layer never looks into it.
Offsets start at 1 and grow by 1; the epoch changes when history was lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from rooms.model import ANONYMOUS, CommentId, Lane, RoomId, UserId


class Verdict(StrEnum):
    """What the log answered to one entry. Every value is a word of append.lua."""

    STORED = "stored"  # number: the offset
    REPLAYED = "replayed"  # text: the id the first call got
    CONFLICT = "conflict"  # same cid, other text
    SAMPLED = "sampled"  # accepted, but the room is above its comment budget
    LIKED = "liked"  # number: likes of that comment now
    MUTED = "muted"  # number: until_ms
    BANNED = "banned"
    TOO_FAST = "too_fast"  # number: milliseconds to wait
    SUPERSEDED = "superseded"  # a newer change of the same field is in place
    SENT = "sent"  # a pulse: announced, not stored; buyers: noted


@dataclass(frozen=True, slots=True)
class Outcome:
    verdict: Verdict
    number: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored event, as every replica gets it."""

    offset: int
    lane: Lane
    name: str
    payload: bytes  # the JSON every viewer gets
    subject: str = ""  # the comment that the event holds or speaks of
    author: UserId = ANONYMOUS
    field: str = ""  # snapshot field this event replaces
    value: bytes = b""  # its new JSON


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that is always stored. `stamp` adds `at_ms` (Redis time) to a JSON object.

    `version` orders changes of one snapshot field: an older one than stored is superseded.
    """

    lane: Lane
    name: str
    payload: bytes
    subject: str = ""
    author: UserId = ANONYMOUS
    field: str = ""
    value: bytes = b""
    version: int = 0
    stamp: bool = True


@dataclass(frozen=True, slots=True)
class NewComment:
    """A comment that the log may refuse. `interval_ms` 0: no pace, no budget (staff)."""

    comment_id: CommentId
    author: UserId
    payload: bytes
    interval_ms: int
    burst: int
    cid: str = ""
    fingerprint: str = ""  # of what was asked; another one under the same cid is a conflict


@dataclass(frozen=True, slots=True)
class CommentLike:
    """One person likes one comment; counts once per person."""

    comment_id: CommentId
    author: UserId


@dataclass(frozen=True, slots=True)
class NewPulse:
    """A value that is announced and not stored; a newer one of the same name replaces it."""

    name: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class NewBuyers:
    """People who have just bought in the room: above the budget their comments come first."""

    users: tuple[UserId, ...]


Append = NewEvent | NewComment | CommentLike | NewPulse | NewBuyers


@dataclass(frozen=True, slots=True)
class Position:
    """How far somebody has read: the last offset they saw, in which epoch."""

    offset: int
    epoch: str


NOWHERE = Position(0, "")


@dataclass(frozen=True, slots=True)
class Appended:
    """What one batch came to: outcome i answers entry i."""

    outcomes: list[Outcome]
    likes_total: int
    now_ms: int
    epoch: str
    top: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What the log announces to every worker after an append; contiguous from `first`."""

    epoch: str
    first: int
    entries: list[Entry]
    likes_total: int = 0
    comment_likes: Mapping[CommentId, int] = field(default_factory=dict)
    pulses: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seed:
    """The room as SQL knows it, to fill a log that has less: fields, mutes (until_ms), bans."""

    version: int
    fields: Mapping[str, bytes]
    mutes: Mapping[UserId, int]
    bans: Sequence[UserId]


@dataclass(frozen=True, slots=True)
class Loaded:
    epoch: str
    top: int
    fields: dict[str, bytes]
    entries: list[Entry]  # ascending, ending at `top`
    likes_total: int
    comment_likes: dict[CommentId, int]
    banned: frozenset[UserId]
    sanctions_version: int


@dataclass(frozen=True, slots=True)
class Attendance:
    """One worker's part of a room. `members` is its list of clients, or empty if too many."""

    clients: int
    users: int
    members: bytes = b""


@dataclass(frozen=True, slots=True)
class Vitals:
    """The room as all workers see it, at most a few seconds old."""

    clients: int
    users: int
    epoch: str
    top: int
    likes_total: int
    sanctions_version: int


class RoomLog(Protocol):
    """Every method raises `RoomLogUnavailable` when the store cannot be reached in time."""

    async def append(
        self,
        room_id: RoomId,
        seq: int,
        entries: Sequence[Append],
        likes: int,
        known: Position = NOWHERE,
    ) -> Appended:
        """Decide and store a batch in one step, and announce it.

        `seq` grows by 1 per room and worker; a repeated `seq` gets its first answer again.
        A store that stands before what is `known` has lost what people saw: another epoch begins,
        so that no offset ever names two events.
        Of comments above the room's budget those are shown whose authors bought lately or were
        overlooked for long, then those whose authors were not shown for longest; offsets follow
        the order of `entries`.
        """

    async def load(self, room_id: RoomId, seed: Seed, known: Position = NOWHERE) -> Loaded:
        """The room's fields and newest events; fills from `seed` what the store lacks.

        `known` as for `append`.
        """

    async def read_after(self, room_id: RoomId, offset: int) -> list[Entry]:
        """Stored entries after an offset, ascending; may start later if trimmed."""

    async def sanction(self, room_id: RoomId, seed: Seed) -> None:
        """Replace the room's mutes and bans by those of `seed`, unless newer ones are in place."""

    async def report(self, room_id: RoomId, attendance: Attendance) -> Vitals:
        """Tell who is here on this worker; learn the whole. Counts of dead workers lapse."""

    async def members(self, room_id: RoomId) -> list[bytes]:
        """The client lists other workers reported; empty bytes where one was too long."""
