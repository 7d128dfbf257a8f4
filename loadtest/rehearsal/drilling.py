"""The drills of a plan, each begun at its time; what they do themselves `drills` knows.

Every drill has a thread, so that a slow one holds up neither the next nor the rehearsal.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from loadtest.rehearsal.plan import Drill
from loadtest.rehearsal.records import Brief
from loadtest.rehearsal.shadow import Shadow

END_WITHIN_S: Final = 60.0
REPORTS: Final = "drills.jsonl"


class Drilling:
    """Begins drills when they are due, from `begin` on."""

    def __init__(self, shadow: Shadow, directory: Path) -> None:
        self._shadow = shadow
        self._directory = directory
        self._t0_s = float("inf")
        self._waiting = sorted(shadow.plan.drills, key=lambda drill: drill.at_s)
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def through(self, url: str) -> str:
        """The address to use for this one: through the proxy, if a drill needs it."""
        return url

    def begin(self, brief: Brief) -> None:
        """T0 is known from here on."""
        self._t0_s = (brief.t0_ms - brief.clock_skew_ms) / 1000

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        deadline = time.monotonic() + (END_WITHIN_S if kind is None else 0.0)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def begin_due(self) -> bool:
        """Begin those whose time has come. False: there is more to wait for than drills."""
        while self._waiting and time.time() >= self._t0_s + self._waiting[0].at_s:
            drill = self._waiting.pop(0)
            thread = threading.Thread(target=self._perform, args=[drill], daemon=True)
            self._threads.append(thread)
            thread.start()
        return False

    def _perform(self, drill: Drill) -> None:
        print(drill)
