"""What the records of rehearsals speak of: their states, who did what. Frozen, no SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final


class RunState(StrEnum):
    """Where a rehearsal stands. The last three are its end."""

    OPEN = "open"  # its shadow shop is there, or on its way
    RUNNING = "running"  # the generator has told of its progress
    DONE = "done"  # it has a report
    FAILED = "failed"  # it ended without one; `why` says the reason
    STOPPED = "stopped"  # somebody stopped it, or took its data away

    @property
    def is_over(self) -> bool:
        return self not in (RunState.OPEN, RunState.RUNNING)


class RunEvent(StrEnum):
    PROGRESS = "progress"
    REPORT = "report"
    FAIL = "fail"
    STOP = "stop"
    PURGE = "purge"


def _over(state: RunState) -> Mapping[RunEvent, RunState]:
    """Nothing changes the end: what comes late is kept with it."""
    return dict.fromkeys(RunEvent, state)


_ENDS: Final = {
    RunEvent.REPORT: RunState.DONE,
    RunEvent.FAIL: RunState.FAILED,
    RunEvent.STOP: RunState.STOPPED,
    RunEvent.PURGE: RunState.STOPPED,
}
NEXT: Final[Mapping[RunState, Mapping[RunEvent, RunState]]] = {
    RunState.OPEN: _ENDS | {RunEvent.PROGRESS: RunState.RUNNING},
    RunState.RUNNING: _ENDS | {RunEvent.PROGRESS: RunState.RUNNING},
    RunState.DONE: _over(RunState.DONE),
    RunState.FAILED: _over(RunState.FAILED),
    RunState.STOPPED: _over(RunState.STOPPED),
}

ACT_KINDS: Final = ("open", "stop", "drill", "report", "fail", "purge")
REPORT_KINDS: Final = ("json", "html")


@dataclass(frozen=True, slots=True)
class Run:
    """A rehearsal as it is kept. JSON columns are read; `reports` names those that are kept.

    It occupies the one shadow shop until `purged_at_ms`; `opened_at_ms` says since when that takes
    visitors, `shut_at_ms` since when it takes none any more.
    """

    id: str
    number: int  # 1, 2, 3, ... in the order in which they were opened
    title: str
    state: RunState
    plan: Mapping[str, Any]
    driven: bool  # this server runs the generator itself
    created_at_ms: int
    opened_at_ms: int | None = None
    heard_at_ms: int | None = None
    progress: Mapping[str, Any] | None = None
    ended_at_ms: int | None = None
    shut_at_ms: int | None = None
    purged_at_ms: int | None = None
    verdict: str = ""
    sentence: Mapping[str, Any] | None = None
    why: str = ""
    reports: frozenset[str] = frozenset()

    @property
    def takes_visitors(self) -> bool:
        """Whether its shadow shop is there and not on its way out."""
        return self.opened_at_ms is not None and self.shut_at_ms is None


@dataclass(frozen=True, slots=True)
class RunAct:
    """Somebody did something to a rehearsal. `actor` is a user id, `api-key`, or the run's own."""

    at_ms: int
    actor: str
    kind: str
    detail: Mapping[str, Any] = field(default_factory=dict)


class Occupied(Exception):
    """There is one rehearsal already, whose id is the text: its data is still there."""

    def __init__(self, run: str) -> None:
        super().__init__(run)
        self.run = run
