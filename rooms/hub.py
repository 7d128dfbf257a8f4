"""Who is in a room on this worker, and how frames reach all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from rooms.frame import Frame
from rooms.model import UserId

_PLACES_LEFT_MIN = 64  # so many may be empty before it is worth closing up


class Member(Protocol):
    """A connection in a room."""

    user_id: UserId
    encoding: int

    def offer(self, frame: Frame) -> bool:
        """Write a finished frame now, never wait or queue. False: the reader is at its bound."""


class Audience:
    """The members of one room, in order of arrival. Keeps counts of people and encodings.

    Everybody has a place, one behind the last; the place of somebody who left stays empty until
    `close_up`, so that who walks along the places may stop on the way and go on later.
    """

    __slots__ = ("_encodings", "_members", "_users", "places")

    def __init__(self) -> None:
        self.places: list[Member | None] = []
        self._members: dict[Member, int] = {}  # member -> its place
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
        """Let a member in, behind all others; adding one twice is a bug."""
        assert member not in self._members
        self._members[member] = len(self.places)
        self.places.append(member)
        self._users[member.user_id] = self._users.get(member.user_id, 0) + 1
        self._encodings[member.encoding] = self._encodings.get(member.encoding, 0) + 1

    def discard(self, member: Member) -> None:
        """Let a member go, if it is here."""
        if member not in self._members:
            return
        self.places[self._members.pop(member)] = None
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

    @property
    def is_gappy(self) -> bool:
        """More places are empty than taken: it is time to close up."""
        empty = len(self.places) - len(self._members)
        return empty > max(_PLACES_LEFT_MIN, len(self._members))

    def close_up(self, marks: Sequence[int]) -> list[int]:
        """Remove the empty places; returns where these places are now, in the same order.

        A mark is a place, or the end of all.
        """
        moved = [sum(member is not None for member in self.places[:mark]) for mark in marks]
        self.places[:] = self._members
        self._members = {member: place for place, member in enumerate(self._members)}
        return moved


class Delivery:
    """Frames on their way round an audience: each passes every place once, in order of boarding.

    A frame boards wherever the round is just then and leaves it at the same place, so none has to
    wait for another: who has not had the earlier ones yet gets all of them in one write. Those who
    come after a frame has boarded are not offered it, nor those who left and came back.
    """

    __slots__ = ("_at", "_audience", "_frame", "_on_board", "_until", "passed")

    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self._on_board: list[_Passage] = []
        self._at = 0  # the next place
        self._until = 0  # from that place to here all get `_frame`
        self._frame = _NOTHING
        self.passed = 0  # places, ever

    @property
    def is_under_way(self) -> bool:
        return bool(self._on_board)

    def board(self, frame: Frame) -> None:
        """Take a frame on; everybody who is here now will be offered it."""
        self._on_board.append(_Passage(frame, self._at, len(self._audience.places)))
        self._look_ahead()

    def step(self, places_max: int) -> list[Member]:
        """Go on by at most so many places. Returns the members at their bound.

        The caller closes them: a slow viewer may lose its connection, never slow down the room.
        """
        until = min(self._at + places_max, self._until)
        passed = self._audience.places[self._at : until]
        self.passed += until - self._at
        self._at = until
        frame = self._frame
        slow = [member for member in passed if member is not None and not member.offer(frame)]
        if until == self._until:
            self._look_ahead()
        return slow

    def tidy(self) -> None:
        """To be called when somebody left: closes up the audience when that is worth it."""
        if not self._audience.is_gappy:
            return
        marks = [self._at]
        for passage in self._on_board:
            marks += (passage.begin, passage.end)
        self._at, *ends = self._audience.close_up(marks)
        for passage, begin, end in zip(self._on_board, ends[::2], ends[1::2], strict=True):
            passage.begin, passage.end = begin, end
        self._look_ahead()

    def _look_ahead(self) -> None:
        """How far the same frames go together; lets those off that have been everywhere."""
        while self._on_board:
            due = [passage for passage in self._on_board if self._at < passage.stop]
            if due:
                self._until = min(passage.stop for passage in due)
                self._frame = due[0].frame
                for passage in due[1:]:
                    self._frame = self._frame.then(passage.frame)
                return
            self._on_board = [passage for passage in self._on_board if passage.turn()]
            self._at = 0
        self._at, self._until, self._frame = 0, 0, _NOTHING


class _Passage:
    """One frame's way: from `begin` to `end`, and then from the first place to `begin`."""

    __slots__ = ("begin", "end", "frame", "has_turned")

    def __init__(self, frame: Frame, begin: int, end: int) -> None:
        self.frame = frame
        self.begin = begin
        self.end = end
        self.has_turned = False

    @property
    def stop(self) -> int:
        return self.begin if self.has_turned else self.end

    def turn(self) -> bool:
        """At the end of the places: back to the first one. False: it has been there already."""
        if self.has_turned:
            return False
        self.has_turned = True
        return self.begin > 0


_NOTHING = Frame((), ())


def _count_down(table: dict[Any, int], key: object) -> None:
    if table[key] > 1:
        table[key] -= 1
    else:
        del table[key]
