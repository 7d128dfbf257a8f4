"""A steady rate and a burst, without timers."""

from __future__ import annotations

from server.rates import Rate, RateTable


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_burst_is_granted_and_then_the_steady_rate() -> None:
    clock = Clock()
    rate = Rate(per_s=2, burst=4, now_s=clock)
    due_s, waits = 0.0, []
    for _ in range(5):
        due_s, wait_ms = rate.take(due_s, 1)
        waits.append(wait_ms)
    assert waits == [0, 0, 0, 0, 500]
    clock.now_s += 0.5
    due_s, wait_ms = rate.take(due_s, 1)
    assert wait_ms == 0
    assert rate.take(due_s, 1).wait_ms == 500


def test_a_refused_amount_is_not_charged() -> None:
    clock = Clock()
    rate = Rate(per_s=1, burst=10, now_s=clock)
    due_s, wait_ms = rate.take(0.0, 20)
    assert (due_s, wait_ms) == (0.0, 10_000)
    assert rate.take(due_s, 10).wait_ms == 0


def test_idle_time_does_not_grow_the_burst() -> None:
    clock = Clock()
    rate = Rate(per_s=1, burst=2, now_s=clock)
    due_s, _ = rate.take(0.0, 2)
    clock.now_s += 1_000
    due_s, wait_ms = rate.take(due_s, 2)
    assert wait_ms == 0
    assert rate.take(due_s, 1).wait_ms > 0


def test_keys_are_limited_one_by_one() -> None:
    table = RateTable(Rate(per_s=1, burst=1, now_s=Clock()), keys_max=10)
    assert table.take("a") == 0
    assert table.take("a") == 1_000
    assert table.take("b") == 0


def test_the_table_forgets_the_longest_unused_key_at_its_bound() -> None:
    table = RateTable(Rate(per_s=1, burst=1, now_s=Clock()), keys_max=2)
    for key in ("a", "b", "a", "c"):
        table.take(key)
    assert table.take("a") > 0  # still known
    assert table.take("b") == 0  # forgotten, starts anew
