"""Who is in a room, and who gets a frame that goes out in slices."""

from __future__ import annotations

from rooms.frame import Frame
from rooms.hub import Audience, Member, broadcast
from rooms.model import UserId

FRAME = Frame((b"whole", b""), (b"lasting", b""))


class Reader:
    """A member that keeps what it is offered, up to a number of frames."""

    def __init__(self, user_id: str = "", *, encoding: int = 0, frames_max: int = 100) -> None:
        self.user_id = UserId(user_id)
        self.encoding = encoding
        self.frames: list[Frame] = []
        self._frames_max = frames_max

    def offer(self, frame: Frame) -> bool:
        if len(self.frames) >= self._frames_max:
            return False
        self.frames.append(frame)
        return True


def test_everybody_gets_the_same_frame_object() -> None:
    readers = [Reader(), Reader(), Reader()]
    assert broadcast(FRAME, readers) == []
    assert all(reader.frames[0] is FRAME for reader in readers)


def test_readers_at_their_bound_are_returned_and_the_others_are_served() -> None:
    slow, quick = Reader(frames_max=0), Reader()
    assert broadcast(FRAME, [slow, quick]) == [slow]
    assert quick.frames == [FRAME]


def test_people_are_counted_once_and_anonymous_guests_one_by_one() -> None:
    audience = Audience()
    members = [Reader("ada"), Reader("ada"), Reader("bo"), Reader(), Reader()]
    for member in members:
        audience.add(member)
    assert (len(audience), audience.users) == (5, 4)
    audience.discard(members[0])
    assert (len(audience), audience.users) == (4, 4)
    audience.discard(members[1])
    assert (len(audience), audience.users) == (3, 3)


def test_only_encodings_that_somebody_reads_are_named() -> None:
    audience = Audience()
    plain, deflated = Reader(encoding=0), Reader(encoding=1)
    audience.add(plain)
    audience.add(deflated)
    assert set(audience.encodings) == {0, 1}
    audience.discard(deflated)
    assert set(audience.encodings) == {0}


def test_discarding_somebody_who_is_not_here_changes_nothing() -> None:
    audience = Audience()
    audience.add(Reader("ada"))
    audience.discard(Reader("ada"))
    assert (len(audience), audience.users) == (1, 1)


def test_connections_of_a_person_are_found() -> None:
    audience = Audience()
    phone, laptop = Reader("ada"), Reader("ada")
    for member in (phone, Reader("bo"), laptop):
        audience.add(member)
    assert audience.of_user(UserId("ada")) == [phone, laptop]
    assert audience.of_user(UserId("cy")) == []


def test_a_sliced_flush_passes_over_those_who_left_or_came_since() -> None:
    audience = Audience()
    readers: list[Member] = [Reader() for _ in range(5)]
    for reader in readers:
        audience.add(reader)
    slices = audience.roll().slices(2)
    served = list(next(slices))
    audience.discard(readers[2])  # leaves
    audience.discard(readers[3])  # leaves and comes back: stands after the frame
    audience.add(readers[3])
    audience.add(Reader())  # newcomer
    for piece in slices:
        served += piece
    assert served == [readers[0], readers[1], readers[4]]
