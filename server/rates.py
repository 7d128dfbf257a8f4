"""Rates without timers: one number per subject says when it is next on time.

The generic cell rate algorithm (ITU-T I.371): a steady rate, and a burst it may run ahead.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import NamedTuple


class Taken(NamedTuple):
    """`due_s` is the number to keep; `wait_ms` 0 means granted."""

    due_s: float
    wait_ms: int


class Rate:
    """`per_s` steadily, `burst` at once. Holds no state of its own."""

    __slots__ = ("_ahead_s", "_interval_s", "_now_s")

    def __init__(
        self, per_s: float, burst: int, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval_s = 1 / per_s
        self._ahead_s = burst / per_s
        self._now_s = now_s

    def take(self, due_s: float, amount: int) -> Taken:
        """Take an amount for the subject whose number is `due_s` (0 at first)."""
        now_s = self._now_s()
        next_due_s = max(due_s, now_s) + amount * self._interval_s
        early_s = next_due_s - self._ahead_s - now_s
        if early_s > 1e-9:
            return Taken(due_s, max(1, round(early_s * 1000)))
        return Taken(next_due_s, 0)


class RateTable:
    """A rate per key, for a bounded number of keys; the longest unused are forgotten first."""

    def __init__(self, rate: Rate, keys_max: int) -> None:
        self._rate = rate
        self._keys_max = keys_max
        self._due_s: OrderedDict[Hashable, float] = OrderedDict()

    def would_wait(self, key: Hashable) -> bool:
        """Whether one more would be refused now. Takes nothing."""
        return self._rate.take(self._due_s.get(key, 0.0), 1).wait_ms > 0

    def take(self, key: Hashable, amount: int = 1) -> int:
        """0 when granted, else the milliseconds to wait."""
        taken = self._rate.take(self._due_s.pop(key, 0.0), amount)
        self._due_s[key] = taken.due_s
        if len(self._due_s) > self._keys_max:
            self._due_s.popitem(last=False)
        return taken.wait_ms
