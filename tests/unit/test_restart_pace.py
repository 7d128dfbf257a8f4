"""How soon what died is started again."""

from __future__ import annotations

import pytest

from server.restart_pace import DELAY_S, DELAY_S_MAX, STEADY_AFTER_S, RestartPace


def test_delays_double_up_to_a_bound() -> None:
    pace = RestartPace(chance=lambda: 0.0)
    delays = [pace.delay_s(0) for _ in range(30)]
    assert delays[:4] == pytest.approx([DELAY_S, 2 * DELAY_S, 4 * DELAY_S, 8 * DELAY_S])
    assert delays == sorted(delays)
    assert delays[-1] == DELAY_S_MAX


def test_a_long_life_makes_the_next_restart_a_first_one() -> None:
    pace = RestartPace(chance=lambda: 0.0)
    for _ in range(10):
        pace.delay_s(STEADY_AFTER_S - 1)
    assert pace.delay_s(STEADY_AFTER_S) == DELAY_S
    assert pace.delay_s(0) == 2 * DELAY_S


def test_chance_takes_up_to_half_of_a_delay_away() -> None:
    assert RestartPace(chance=lambda: 1.0).delay_s(0) == DELAY_S / 2
