"""What a worker knows of a signed-in person, over all of their connections to it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rooms.model import RoomId

if TYPE_CHECKING:
    from server.viewer import Viewer


REPEATS_ASKED_MAX = 5


class Pace(NamedTuple):
    """How fast somebody may comment in a room; `interval_ms` 0: as they like."""

    interval_ms: int
    burst: int


@dataclass(slots=True)
class Held:
    """The room's log said that comments come too fast: until when, at which pace.

    `asked` counts repeatable comments that were let through since: the log may know their `cid`.
    """

    until_s: float
    pace: Pace
    asked: int = 0


class Person:
    """One per user and worker, while they are connected."""

    __slots__ = ("commands_due_s", "held", "likes_due_s", "viewers")

    def __init__(self) -> None:
        self.viewers: set[Viewer] = set()
        self.commands_due_s = 0.0
        self.likes_due_s = 0.0
        self.held: dict[RoomId, Held] | None = None

    def hold(self, room: RoomId, wait_ms: int, pace: Pace) -> None:
        """The log refused a comment in a room: those of the next milliseconds would be, too."""
        self.held = self.held or {}
        until_s = time.monotonic() + wait_ms / 1000
        held = self.held.get(room)
        if held is not None and held.pace == pace and held.until_s > time.monotonic():
            held.until_s = until_s
        else:
            self.held[room] = Held(until_s, pace)

    def held_ms(self, room: RoomId, cid: str | None, pace: Pace) -> int:
        """How long the log will refuse comments of this person, as far as is known; 0: it may not.

        Of those with a `cid` a few go through: one of them may repeat what was stored before.
        """
        held = None if self.held is None else self.held.get(room)
        if held is None or self.held is None:
            return 0
        left_s = held.until_s - time.monotonic()
        if left_s <= 0 or held.pace != pace:
            del self.held[room]
            return 0
        if cid is not None and held.asked < REPEATS_ASKED_MAX:
            held.asked += 1
            return 0
        return max(1, round(left_s * 1000))
