"""What a worker remembers of a person that the room's log has held back."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from rooms.model import RoomId
from server.people import REPEATS_ASKED_MAX, Pace, Person

ROOM, OTHER = RoomId("garden"), RoomId("hall")
PACE = Pace(1_000, 5)


@pytest.fixture
def held() -> Person:
    person = Person()
    with patch("time.monotonic", lambda: 100.0):
        person.hold(ROOM, 700, PACE)
    return person


def left_ms(person: Person, *, at_s: float, cid: str | None = None, pace: Pace = PACE) -> int:
    with patch("time.monotonic", lambda: at_s):
        return person.held_ms(ROOM, cid, pace)


def test_nobody_is_held_back_before_the_log_said_so() -> None:
    assert left_ms(Person(), at_s=100.0) == 0


def test_who_is_held_back_is_told_what_is_left_of_the_wait(held: Person) -> None:
    assert [left_ms(held, at_s=at_s) for at_s in (100.0, 100.25, 100.75)] == [700, 450, 0]
    assert left_ms(held, at_s=100.0) == 0  # it was over


def test_another_room_is_open(held: Person) -> None:
    with patch("time.monotonic", lambda: 100.0):
        assert held.held_ms(OTHER, None, PACE) == 0


def test_when_the_pace_of_the_room_changes_the_log_is_asked_again(held: Person) -> None:
    assert left_ms(held, at_s=100.0, pace=Pace(30_000, 1)) == 0


def test_a_few_repeatable_comments_reach_the_log_which_may_know_them(held: Person) -> None:
    waits = [left_ms(held, at_s=100.0, cid=f"c{number}") for number in range(8)]
    assert waits == [0] * REPEATS_ASKED_MAX + [700] * (8 - REPEATS_ASKED_MAX)
    with patch("time.monotonic", lambda: 100.1):
        held.hold(ROOM, 600, PACE)  # the log's answer to one of them
    assert left_ms(held, at_s=100.1, cid="another") == 600
