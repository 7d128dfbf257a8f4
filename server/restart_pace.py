"""How soon a process that died is started again: at once at first, ever later while it keeps
dying. No clock and no process in here.
"""

from __future__ import annotations

import random
from collections.abc import Callable

DELAY_S = 0.1
DELAY_S_MAX = 5.0
STEADY_AFTER_S = 30.0  # lived so long: its next restart is a first one again


class RestartPace:
    """The delays before the restarts of one process: doubling, capped, with jitter.

    `chance` gives numbers from 0 to 1; the jitter takes up to half of the delay away, so that
    processes that died together do not come back together.
    """

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._attempt = 0

    def delay_s(self, lived_s: float) -> float:
        """How long to wait now, after a life of `lived_s` (0 if it never came up)."""
        if lived_s >= STEADY_AFTER_S:
            self._attempt = 0
        delay_s = min(DELAY_S_MAX, DELAY_S * 2.0**self._attempt)
        self._attempt = min(self._attempt + 1, 16)
        return delay_s * (1 - self._chance() / 2)
