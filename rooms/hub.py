"""Who is in a room on this worker, and how a frame reaches all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from rooms.frame import Frame
from rooms.model import UserId


class Member(Protocol):
    """A connection in a room."""

    user_id: UserId
    encoding: int

    def offer(self, frame: Frame) -> bool:
        """Write a finished frame now, never wait or queue. False: the reader is at its bound."""


class Audience:
    """The members of one room, in order of arrival. Keeps counts of people and encodings."""

    __slots__ = ("_arrivals", "_encodings", "_members", "_users")

    def __init__(self) -> None:
        self._arrivals = 0
        self._members: dict[Member, int] = {}  # member -> number of its arrival
        self._users: dict[UserId, int] = {}
        self._encodings: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members)

    def __contains__(self, member: Member) -> bool:
        return member in self._members

    @property
    def users(self) -> int:
        """Different people; each anonymous guest counts as one."""
        anonymous = self._users.get(UserId(""), 0)
        return len(self._users) - (1 if anonymous else 0) + anonymous

    @property
    def encodings(self) -> Iterable[int]:
        """The encodings that at least one member reads; only these need building."""
        return self._encodings.keys()

    def add(self, member: Member) -> None:
        """Let a member in; adding one twice is a bug."""
        assert member not in self._members
        self._arrivals += 1
        self._members[member] = self._arrivals
        self._users[member.user_id] = self._users.get(member.user_id, 0) + 1
        self._encodings[member.encoding] = self._encodings.get(member.encoding, 0) + 1

    def discard(self, member: Member) -> None:
        """Let a member go, if it is here."""
        if member not in self._members:
            return
        del self._members[member]
        _count_down(self._users, member.user_id)
        _count_down(self._encodings, member.encoding)

    def of_user(self, user_id: UserId) -> list[Member]:
        """The connections of one person; walks the room only when the person is in it."""
        if user_id not in self._users:
            return []
        return [member for member in self._members if member.user_id == user_id]

    def members(self) -> list[Member]:
        """A copy, for callers that let members go while they walk."""
        return list(self._members)

    def roll(self) -> Roll:
        """The members of this moment, for a flush that yields between slices."""
        return Roll(self._members, self._arrivals, list(self._members))


class Roll:
    """Who was here when a frame began to go out; those who left since are passed over.

    Somebody who left and came back stands after the frame, and must not get it again.
    """

    def __init__(self, present: dict[Member, int], arrivals: int, members: list[Member]) -> None:
        self._present = present
        self._arrivals = arrivals
        self._members = members

    def slices(self, size: int) -> Iterator[Iterator[Member]]:
        """The members in pieces, each checked for presence as it is read."""
        for start in range(0, len(self._members), size):
            yield (
                member
                for member in self._members[start : start + size]
                if 0 < self._present.get(member, 0) <= self._arrivals
            )


def broadcast(frame: Frame, members: Iterable[Member]) -> list[Member]:
    """Offer one finished frame to every member, without waiting. Returns those at their bound.

    The caller closes them: a slow viewer may lose its connection, never slow down the room.
    """
    return [member for member in members if not member.offer(frame)]


def _count_down(table: dict[Any, int], key: object) -> None:
    if table[key] > 1:
        table[key] -= 1
    else:
        del table[key]
