"""A witness of a rehearsal: gaps, repeats and order, also across lost connections."""

from __future__ import annotations

from typing import Any

import pytest

from loadtest.dialects import Answered, Arrival
from loadtest.rehearsal.witnesses import RoomWitness, Story, late_ms, summed

NOW_US = 10_000_000


class Heard:
    """Two witnesses of one process, and what they told."""

    def __init__(self, skew_ms: float = 0.0) -> None:
        self.pushes: list[tuple[str, int, int, str]] = []
        story = Story()
        self.one = RoomWitness("u1", story, self._pushed, skew_ms)
        self.other = RoomWitness("u2", story, self._pushed, skew_ms)
        for each in (self.one, self.other):
            each.joined(Answered(1, 10, "e"), NOW_US)

    def _pushed(self, name: str, stored_us: int, heard_us: int, user: str) -> None:
        self.pushes.append((name, stored_us, heard_us, user))


def event(offset: int, **data: Any) -> Arrival:
    return Arrival(offset, {"t": "comment", "id": f"c{offset}", "at_ms": 9_990, **data})


def events(first: int, last: int) -> list[Arrival]:
    return [event(offset) for offset in range(first, last + 1)]


def faults(witness: RoomWitness) -> tuple[int, int, int]:
    return witness.missing, witness.repeated, witness.disorder


def test_events_that_come_once_and_in_order_are_counted_and_timed() -> None:
    heard = Heard(skew_ms=2.0)
    heard.one.saw(events(11, 13), NOW_US)
    assert (heard.one.events, *faults(heard.one)) == (3, 0, 0, 0)
    assert heard.pushes == [("comment", 9_988_000, NOW_US, "u1")] * 3
    assert late_ms([heard.one]).p50 == 12.0


def test_events_without_a_number_are_no_promise() -> None:
    heard = Heard()
    heard.one.saw([Arrival(0, {"t": "likes", "total": 5}), event(11)], NOW_US)
    assert (heard.one.events, len(heard.pushes)) == (1, 1)


def test_a_gap_counts_every_event_in_it() -> None:
    heard = Heard()
    heard.one.saw([event(11), event(15)], NOW_US)
    assert faults(heard.one) == (3, 0, 0)


def test_an_event_that_comes_again_is_a_repeat_and_is_not_timed() -> None:
    heard = Heard()
    heard.one.saw([event(11), event(12), event(11)], NOW_US)
    assert faults(heard.one) == (0, 1, 0)
    assert len(heard.pushes) == 2


def test_an_event_that_comes_after_a_later_one_is_out_of_order_and_not_missing() -> None:
    heard = Heard()
    heard.one.saw([event(12), event(11), event(13)], NOW_US)
    assert faults(heard.one) == (0, 0, 1)
    heard.one.saw([event(11)], NOW_US)
    assert faults(heard.one) == (0, 1, 1)


def test_two_witnesses_that_hear_different_events_under_one_number_disagree() -> None:
    heard = Heard()
    heard.one.saw([event(11)], NOW_US)
    heard.other.saw([event(11, id="another")], NOW_US)
    assert summed([heard.one, heard.other])["disorder"] == 1


def test_what_was_missed_and_is_resumed_counts_as_heard_but_not_as_a_push() -> None:
    heard = Heard()
    heard.one.saw(events(11, 12), NOW_US)
    heard.one.joined(Answered(1, 12, "e", True, tuple(events(13, 15)), (event(16),)), NOW_US)
    heard.one.saw([event(17)], NOW_US)
    assert (heard.one.events, *faults(heard.one)) == (7, 0, 0, 0)
    assert (heard.one.resumed, heard.one.recovered) == (1, 3)
    assert len(heard.pushes) == 4


def test_a_resumption_that_leaves_something_out_is_a_gap() -> None:
    heard = Heard()
    heard.one.saw(events(11, 12), NOW_US)
    heard.one.joined(Answered(1, 12, "e", True, tuple(events(14, 15))), NOW_US)
    assert faults(heard.one) == (1, 0, 0)


@pytest.mark.parametrize(("epoch", "missing"), [("e", 8), ("f", 0)])
def test_what_cannot_be_resumed_is_told_and_missing_where_it_can_be_known(
    epoch: str, missing: int
) -> None:
    heard = Heard()
    heard.one.saw(events(11, 12), NOW_US)
    heard.one.joined(Answered(1, 20, epoch), NOW_US)
    heard.one.saw([event(21)], NOW_US)
    assert (heard.one.unresumed, *faults(heard.one)) == (1, missing, 0, 0)


def test_a_witness_that_never_got_in_is_counted() -> None:
    alone = RoomWitness("u1", Story(), lambda *_: None)
    told = summed([alone])
    assert (told["witnesses"], told["never_joined"], told["events"]) == (1, 1, 0)


@pytest.mark.parametrize(("last", "unheard"), [(13, 0), (15, 0), (16, 3)])
def test_what_others_hear_after_a_witness_has_fallen_silent_is_unheard(
    last: int, unheard: int
) -> None:
    heard = Heard()
    heard.one.saw(events(11, last), NOW_US)
    heard.other.saw(events(11, 13), NOW_US)  # and nothing more; two may be on their way
    assert faults(heard.other) == (0, 0, 0)
    assert summed([heard.one, heard.other])["unheard"] == unheard


def test_who_never_got_in_or_is_in_another_history_is_not_behind() -> None:
    heard = Heard()
    heard.one.saw(events(11, 40), NOW_US)
    heard.other.joined(Answered(1, 2, "f"), NOW_US)
    never = RoomWitness("u3", Story(), heard._pushed)
    assert summed([heard.one, heard.other, never])["unheard"] == 0
