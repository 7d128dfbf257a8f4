"""What the records speak of: rooms, sanctions and the acts of staff. Frozen, checked, no SQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rooms.model import Role

ACT_KINDS = frozenset(
    {
        "comment.remove",
        "comment.pin",
        "room.mode",
        "room.mute",
        "room.ban",
        "room.unban",
        "notice",
        "product.pin",
        "room.update",
        "shelf",
    }
)
USER_CHARS_MAX = 255
COMMENT_ID_CHARS_MAX = 64


@dataclass(frozen=True, slots=True)
class RoomRecord:
    """A room as stored. `version` counts its acts: a higher version was committed later."""

    id: str
    title: str
    stream_url: str
    state: str  # scheduled | live | ended
    slow_seconds: int
    pinned_product_id: str | None
    pinned_comment: dict[str, Any] | None
    notice: str | None
    version: int


@dataclass(frozen=True, slots=True)
class Sanction:
    """Somebody may not speak (`mute`) or not enter (`ban`), until `until_ms` or until lifted."""

    user_id: str
    kind: str
    until_ms: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that staff did in a room, and why."""

    room_id: str
    actor_id: str
    actor_role: str
    kind: str
    target_user: str = ""
    target_comment: str = ""
    reason: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    at_ms: int = 0

    def check(self) -> None:
        """Raise `ValueError` naming the first field that may not be stored.

        Not part of making one: the log may hold kinds of a newer version, and is still read.
        """
        if self.kind not in ACT_KINDS:
            raise ValueError(f"kind: {self.kind!r} is not one of {', '.join(sorted(ACT_KINDS))}")
        if self.actor_role not in set(Role):
            raise ValueError(f"actor_role: {self.actor_role!r} is not a role")
        if self.at_ms < 0:
            raise ValueError("at_ms: must not be negative")
        _check_text("actor_id", self.actor_id, USER_CHARS_MAX)
        _check_text("target_user", self.target_user, USER_CHARS_MAX)
        _check_text("target_comment", self.target_comment, COMMENT_ID_CHARS_MAX)
        _check_text("reason", self.reason)


@dataclass(frozen=True, slots=True)
class StoredAct:
    """An act and the version it gave its room: 1, 2, 3 and so on without gaps."""

    version: int
    act: Act


def _check_text(name: str, text: str, chars_max: int | None = None) -> None:
    if chars_max is not None and len(text) > chars_max:
        raise ValueError(f"{name}: must be at most {chars_max} characters")
    check_storable(name, text)


def check_storable(name: str, text: str) -> None:
    """Raise `ValueError` naming the field if an engine could not store this text."""
    if not is_storable(text):
        raise ValueError(f"{name}: must not contain NUL or half of a surrogate pair")


def is_storable(text: str) -> bool:
    """True if every engine can store this text, and look for it."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def as_storable(text: str) -> str:
    """The text with what could not be stored shown by its escape."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
