"""When those who are refused at the door may come again."""

from __future__ import annotations

from collections import Counter
from random import Random

from server.returns import RETURN_WITHIN_S, Returns


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_refused_herd_comes_again_no_faster_than_it_can_be_let_in() -> None:
    returns = Returns(1_000, 1, now_s=Clock(), chance=Random(7).random)
    told = Counter(returns.after_s("all") for _ in range(7_000))
    assert set(range(1, 9)) <= set(told) <= set(range(1, 10)), "spread over its seconds"
    assert all(count <= 1_100 for count in told.values()), told


def test_a_single_one_may_come_again_soon_and_nobody_is_kept_waiting_for_ever() -> None:
    clock = Clock()
    returns = Returns(10, 1, now_s=clock, chance=Random(7).random)
    assert returns.after_s("all") in (1, 2)
    told = [returns.after_s("all") for _ in range(10_000)]
    assert max(told) == RETURN_WITHIN_S
    clock.now_s += 2 * RETURN_WITHIN_S
    assert returns.after_s("all") in (1, 2), "the line has gone"


def test_one_line_does_not_wait_for_another_and_only_so_many_are_remembered() -> None:
    returns = Returns(1, 2, now_s=Clock(), chance=lambda: 0.0)
    assert [returns.after_s("a") for _ in range(3)] == [2, 3, 4]
    assert returns.after_s("b") == 2
    assert returns.after_s("c") == 2
    assert returns.after_s("a") == 2, "forgotten, begins anew"
