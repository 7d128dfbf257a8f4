"""Whoever comes and goes while frames are on their way: everybody gets all of theirs, in order."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rooms.frame import Frame
from rooms.hub import Audience, Delivery
from rooms.model import UserId


class Reader:
    """Somebody's stay in the room: what is due to it, and the bytes that came."""

    user_id = UserId("")
    encoding = 0

    def __init__(self) -> None:
        self.due = b""
        self.came = b""

    def offer(self, frame: Frame) -> bool:
        self.came += frame.whole[0]
        return True


class Room(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.audience = Audience()
        self.delivery = Delivery(self.audience)
        self.here: list[Reader] = []
        self.gone: list[Reader] = []
        self.boarded = 0

    @rule(count=st.integers(1, 100))
    def come(self, count: int) -> None:
        for _ in range(count):
            self.here.append(Reader())
            self.audience.add(self.here[-1])

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        if self.here:
            first = data.draw(st.integers(0, len(self.here) - 1))
            count = data.draw(st.integers(1, 150))
            left, self.here[first : first + count] = self.here[first : first + count], []
            for reader in left:
                self.audience.discard(reader)
                self.delivery.tidy()
            self.gone += left

    @rule(steps=st.integers(0, 3), places=st.integers(1, 60))
    def board(self, steps: int, places: int) -> None:
        for _ in range(steps):
            self.delivery.step(places)
        self.boarded += 1
        wire = b"%d," % self.boarded
        for reader in self.here:
            reader.due += wire
        self.delivery.board(Frame((wire,), (wire,)))

    @rule()
    def arrive(self) -> None:
        before = self.delivery.passed
        while self.delivery.is_under_way:
            self.delivery.step(50)
        assert self.delivery.passed - before <= 2 * len(self.audience.places)
        assert all(reader.came == reader.due for reader in self.here)

    @invariant()
    def nobody_gets_anything_twice_or_out_of_turn(self) -> None:
        assert all(reader.due.startswith(reader.came) for reader in (*self.here, *self.gone))

    @invariant()
    def places_are_not_kept_for_ever(self) -> None:
        assert len(self.audience.places) <= 2 * len(self.audience) + 64


TestRoom = Room.TestCase
TestRoom.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
