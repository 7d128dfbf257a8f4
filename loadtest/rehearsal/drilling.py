"""The drills of a plan, each begun at its time; what they do themselves `drills` knows.

Every drill has a thread, so that a slow one holds up neither the next nor the rehearsal.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from loadtest.rehearsal import records
from loadtest.rehearsal.drills import PREPARE_S, DrillContext, perform
from loadtest.rehearsal.plan import Drill
from loadtest.rehearsal.proxy import Gateway
from loadtest.rehearsal.records import Brief, DrillReport
from loadtest.rehearsal.shadow import Shadow

REPORTS: Final = "drills.jsonl"


class Drilling:
    """Begins drills when they are due, from `begin` on.

    `alone`: nobody on another machine makes load, so that all of it can come through a proxy here.
    """

    def __init__(self, shadow: Shadow, directory: Path, *, alone: bool = True) -> None:
        self._shadow = shadow
        self._directory = directory
        self._alone = alone
        self._gateway: Gateway | None = None
        self._open = ExitStack()
        self._brief: Brief | None = None
        self._t0_s = float("inf")
        self._waiting = sorted(shadow.plan.drills, key=lambda drill: drill.at_s)
        self._threads: list[threading.Thread] = []
        self._begun: list[Drill] = []
        self._told: list[Drill] = []
        self._lock = threading.Lock()

    def through(self, url: str) -> str:
        """The address to use for this one: through the proxy, if a drill needs it."""
        return url if self._gateway is None else self._gateway.through(url)

    def begin(self, brief: Brief) -> None:
        """T0 is known from here on."""
        self._brief = brief
        self._t0_s = (brief.t0_ms - brief.clock_skew_ms) / 1000

    def __enter__(self) -> Self:
        """Start the proxy, if a drill needs one. Raises `Trouble`."""
        base_url = self._shadow.shop.base_url
        is_cut = any(drill.kind == "cut_network" for drill in self._waiting)
        if is_cut and self._alone and base_url.startswith("http://"):
            self._gateway = self._open.enter_context(Gateway(base_url, self._directory))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()
        for drill in self._waiting:
            self._tell(drill, _undone(drill, "the rehearsal was over before"))
        for drill in [*self._begun]:
            ended_s = drill.at_s + drill.seconds
            note = "it was not over when the rehearsal was"
            self._tell(drill, DrillReport(drill.kind, drill.at_s, ended_s, -1.0, 0, note))

    def begin_due(self) -> bool:
        """Begin those whose time has come. False: there is more to wait for than drills."""
        while self._waiting and time.time() >= self._t0_s + self._waiting[0].at_s - PREPARE_S:
            drill = self._waiting.pop(0)
            self._begun.append(drill)
            thread = threading.Thread(target=self._perform, args=[drill], daemon=True)
            self._threads.append(thread)
            thread.start()
        return False

    def is_over(self) -> bool:
        """Whether nothing of them goes on."""
        return not any(thread.is_alive() for thread in self._threads)

    def _perform(self, drill: Drill) -> None:
        assert self._brief is not None
        context = DrillContext(self._shadow, self._brief, self._directory, self._gateway)
        try:
            self._tell(drill, perform(drill, context))
        except Exception as error:
            self._tell(drill, _undone(drill, f"{type(error).__name__}: {error}"))
            raise

    def _tell(self, drill: Drill, report: DrillReport) -> None:
        """One line for each drill, the first."""
        with self._lock:
            if any(drill is told for told in self._told):
                return
            self._told.append(drill)
            records.append_line(self._directory / REPORTS, report)


def _undone(drill: Drill, why: str) -> DrillReport:
    return DrillReport(drill.kind, drill.at_s, drill.at_s, 0.0, 0, refused=why)
