"""Who is in a room, and who gets a frame that goes out in slices."""

from __future__ import annotations

from rooms.frame import Frame
from rooms.hub import Audience, Delivery
from rooms.model import UserId

FRAME = Frame((b"whole", b""), (b"lasting", b""))


class Reader:
    """A member that keeps what it is offered, up to a number of frames."""

    def __init__(self, user_id: str = "", *, encoding: int = 0, frames_max: int = 100) -> None:
        self.user_id = UserId(user_id)
        self.encoding = encoding
        self.frames: list[Frame] = []
        self._frames_max = frames_max

    @property
    def text(self) -> str:
        return b"".join(frame.whole[self.encoding] for frame in self.frames).decode()

    def offer(self, frame: Frame) -> bool:
        if len(self.frames) >= self._frames_max:
            return False
        self.frames.append(frame)
        return True


def gathered(*readers: Reader) -> tuple[Audience, Delivery]:
    audience = Audience()
    for reader in readers:
        audience.add(reader)
    return audience, Delivery(audience)


def test_everybody_gets_the_same_frame_object() -> None:
    readers = [Reader(), Reader(), Reader()]
    _audience, delivery = gathered(*readers)
    delivery.board(FRAME)
    assert delivery.step(10) == []
    assert not delivery.is_under_way
    assert all(reader.frames[0] is FRAME for reader in readers)


def test_readers_at_their_bound_are_returned_and_the_others_are_served() -> None:
    slow, quick = Reader(frames_max=0), Reader()
    _audience, delivery = gathered(slow, quick)
    delivery.board(FRAME)
    assert delivery.step(10) == [slow]
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


def test_a_delivery_passes_over_those_who_left_or_came_since() -> None:
    readers = [Reader() for _ in range(5)]
    audience, delivery = gathered(*readers)
    delivery.board(FRAME)
    delivery.step(2)
    audience.discard(readers[2])  # leaves
    audience.discard(readers[3])  # leaves and comes back: stands after the frame
    audience.add(readers[3])
    newcomer = Reader()
    audience.add(newcomer)
    delivery.step(100)
    assert not delivery.is_under_way
    assert [len(reader.frames) for reader in (*readers, newcomer)] == [1, 1, 0, 0, 1, 0]


def test_a_frame_that_boards_on_the_way_waits_for_no_other() -> None:
    """It goes on with those who lack both, in one write, and then round to the others."""
    readers = [Reader() for _ in range(6)]
    _audience, delivery = gathered(*readers)
    later = Frame((b"LATER", b""), (b"", b""))
    delivery.board(FRAME)
    delivery.step(4)
    delivery.board(later)
    delivery.step(2)
    assert [reader.text for reader in readers] == ["whole"] * 4 + ["wholeLATER"] * 2
    delivery.step(4)
    assert not delivery.is_under_way
    assert {reader.text for reader in readers} == {"wholeLATER"}
    assert [len(reader.frames) for reader in readers] == [2] * 4 + [1] * 2


def test_an_audience_that_lost_many_closes_up_on_the_way_of_a_frame() -> None:
    readers = [Reader() for _ in range(300)]
    audience, delivery = gathered(*readers)
    delivery.board(FRAME)
    delivery.step(150)
    for reader in (*readers[20:140], *readers[160:250]):
        audience.discard(reader)
        delivery.tidy()
    assert len(audience.places) < 2 * len(audience) + 64
    newcomer = Reader()
    audience.add(newcomer)
    while delivery.is_under_way:
        delivery.step(7)
    assert [len(reader.frames) for reader in audience] == [1] * 90 + [0]  # type: ignore[attr-defined]
    assert not any(reader.frames for reader in readers[160:250])
