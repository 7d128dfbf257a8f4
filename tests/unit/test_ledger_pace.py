"""When the ledger looks at a stream again."""

from __future__ import annotations

from server.ledger.pace import Pace


def test_a_new_stream_is_due_at_once() -> None:
    assert Pace(0.05, 1.0).due_s < 0


def test_after_a_full_hand_the_next_look_is_due_at_once() -> None:
    pace = Pace(0.05, 1.0)
    pace.found(10.0, all_that_fit=True)
    assert pace.due_s == 10.0


def test_after_less_than_that_entries_may_gather() -> None:
    pace = Pace(0.05, 1.0)
    pace.found(10.0, all_that_fit=False)
    assert pace.due_s == 10.05


def test_the_pauses_of_a_quiet_stream_double_up_to_the_longest() -> None:
    pace = Pace(0.1, 1.0)
    pauses = []
    for now_s in range(6):
        pace.found_nothing(now_s)
        pauses.append(round(pace.due_s - now_s, 3))
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    pace.found(10.0, all_that_fit=False)
    pace.found_nothing(11.0)
    assert pace.due_s == 11.1


def test_a_hint_ends_the_pause_but_leaves_entries_time_to_gather() -> None:
    pace = Pace(0.125, 1.0)
    for now_s in range(5):
        pace.found_nothing(now_s)
    pace.hurry(4.01)
    assert pace.due_s == 4.125
    pace.hurry(4.5)
    assert pace.due_s == 4.125
    pace.found_nothing(4.75)
    pace.hurry(4.76)
    assert pace.due_s == 4.875


def test_a_hint_never_makes_it_wait_longer() -> None:
    pace = Pace(0.1, 1.0)
    pace.found(10.0, all_that_fit=True)
    pace.hurry(10.0)
    assert pace.due_s == 10.0
