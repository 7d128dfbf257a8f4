"""The server's clock as this process sees it, and waiting for an instant of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import gevent

EARLY_US: Final = 200  # a timer may be this early; it is not worth another turn of the loop


def now_us() -> int:
    """Unix microseconds by this machine's clock."""
    return time.time_ns() // 1_000


def wait_until(instant_us: int) -> None:
    """Return at the instant, or at once if it has passed; never before it."""
    while (left_us := instant_us - now_us()) > EARLY_US:
        gevent.sleep(left_us / 1_000_000)


@dataclass(frozen=True, slots=True)
class Clock:
    """Instants of a plan, in microseconds of this machine's clock."""

    t0_us: int

    @classmethod
    def of(cls, t0_ms: int, skew_ms: float) -> Clock:
        """`t0_ms` by the server's clock, which is `skew_ms` ahead of this machine's."""
        return cls(round((t0_ms - skew_ms) * 1_000))

    def at(self, after_t0_ms: float) -> int:
        return self.t0_us + round(after_t0_ms * 1_000)
