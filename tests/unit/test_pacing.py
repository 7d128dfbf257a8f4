"""A quiet room does not wait; busy rooms together keep to their share of the loop."""

from __future__ import annotations

import pytest

from rooms.pacing import Pacing


def test_a_quiet_room_does_not_wait() -> None:
    pace = Pacing(loop_percent=25, tick_ms_max=250).room()
    assert pace.wait_s(now_s=1_000.0) == 0


def test_the_tick_is_the_cost_of_a_flush_over_the_share() -> None:
    pacing = Pacing(loop_percent=25, tick_ms_max=250)
    pace = pacing.room()
    for flush in range(60):
        pace.flushed(started_at_s=flush * 0.1, cost_s=0.010)
    assert pacing.tick_s(6.0) == pytest.approx(0.040, rel=0.01)
    assert pace.wait_s(5.9) == pytest.approx(0.040, rel=0.01)
    assert pace.wait_s(5.95) == 0


def test_the_tick_has_an_upper_bound() -> None:
    pacing = Pacing(loop_percent=25, tick_ms_max=250)
    pace = pacing.room()
    for flush in range(60):
        pace.flushed(started_at_s=float(flush), cost_s=5.0)
    assert pacing.tick_s(59.0) == 0.25


def test_busy_rooms_share_what_one_room_could_take() -> None:
    pacing = Pacing(loop_percent=50, tick_ms_max=1_000)
    rooms = [pacing.room() for _ in range(4)]
    for flush in range(60):
        for room in rooms:
            room.flushed(started_at_s=flush * 0.2, cost_s=0.010)
    tick_s = pacing.tick_s(11.9)
    assert 4 * 0.010 / tick_s == pytest.approx(0.5, rel=0.01)


def test_a_room_that_fell_silent_no_longer_slows_the_others() -> None:
    pacing = Pacing(loop_percent=50, tick_ms_max=1_000)
    silent, busy = pacing.room(), pacing.room()
    for flush in range(60):
        silent.flushed(started_at_s=flush * 0.1, cost_s=0.1)
        busy.flushed(started_at_s=flush * 0.1, cost_s=0.001)
    with_both = pacing.tick_s(6.0)
    busy.flushed(started_at_s=8.0, cost_s=0.001)
    assert pacing.tick_s(8.0) < with_both / 10


def test_a_forgotten_room_does_not_count() -> None:
    pacing = Pacing(loop_percent=50, tick_ms_max=1_000)
    gone = pacing.room()
    gone.flushed(started_at_s=1.0, cost_s=0.5)
    pacing.forget(gone)
    assert pacing.tick_s(1.0) == 0
