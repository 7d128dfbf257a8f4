"""When those who are refused may come again, so that they are no herd a second time."""

from __future__ import annotations

import math
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

RETURN_WITHIN_S = 30


class Returns:
    """A place in a line for everybody who is refused, for a bounded number of lines.

    The n-th of them is told to come when n could have been let in, one second from now at the
    earliest. `Retry-After` knows whole seconds only (RFC 9110 section 10.2.3): parts of one are
    rounded up or down by chance, so that a line does not gather at its seconds' beginnings.
    """

    def __init__(
        self,
        per_s: int,
        lines_max: int,
        *,
        now_s: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._step_s = 1 / per_s
        self._lines_max = lines_max
        self._now_s = now_s
        self._chance = chance
        self._ends_s: OrderedDict[Hashable, float] = OrderedDict()  # of lines: when the last comes

    def after_s(self, line: Hashable) -> int:
        """Whole seconds until the next one of this line may come, from 1 to `RETURN_WITHIN_S`."""
        now_s = self._now_s()
        end_s = max(self._ends_s.pop(line, 0.0), now_s + 1) + self._step_s
        end_s = min(end_s, now_s + RETURN_WITHIN_S)
        self._ends_s[line] = end_s
        if len(self._ends_s) > self._lines_max:
            self._ends_s.popitem(last=False)
        return min(math.floor(end_s - now_s + self._chance()), RETURN_WITHIN_S)
