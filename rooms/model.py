"""The words of a room: ids, roles, lanes and who somebody is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NewType

UserId = NewType("UserId", str)
RoomId = NewType("RoomId", str)
CommentId = NewType("CommentId", str)

ANONYMOUS = UserId("")
EVERY_ROOM = "*"


class Role(StrEnum):
    """What a person is in a room; each role includes what the ones before it may do."""

    VIEWER = "viewer"
    MODERATOR = "moderator"
    HOST = "host"
    MERCHANT = "merchant"

    @property
    def is_staff(self) -> bool:
        return self is not Role.VIEWER


class Lane(IntEnum):
    """How an event travels: STATE is never dropped, CHAT may be sampled, PULSE is newest only."""

    STATE = 0
    CHAT = 1
    PULSE = 2


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a connection or request speaks for. `user_id` is empty for an anonymous guest."""

    user_id: UserId = ANONYMOUS
    name: str = ""
    avatar: str = ""
    role: Role = Role.VIEWER
    rooms: frozenset[str] = frozenset()
    expires_at_s: int | None = None

    @property
    def is_anonymous(self) -> bool:
        return self.user_id == ANONYMOUS

    def role_in(self, room_id: RoomId) -> Role:
        """The role this person holds in one room: their own where it is granted, else viewer."""
        granted = room_id in self.rooms or EVERY_ROOM in self.rooms
        return self.role if granted else Role.VIEWER


GUEST = Identity()
