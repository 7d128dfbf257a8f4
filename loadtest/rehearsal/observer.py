"""What the server says of itself, once a second, for the whole of a rehearsal.

A thread of its own: the server may be slow to answer while everything else goes on. Each look is a
line of `timeline.jsonl`; the desk is told where the rehearsal stands, and may answer that it should
stop.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from loadtest.rehearsal import records
from loadtest.rehearsal.http import ApiError
from loadtest.rehearsal.progress import Standing
from loadtest.rehearsal.records import Process, Second
from loadtest.rehearsal.shadow import Shadow

EVERY_S: Final = 1.0
TIMELINE: Final = "timeline.jsonl"
FAULTS: Final = ("unknown", "busy")  # outcomes that decided nothing


@dataclass(slots=True)
class Meter:
    """Makes shares and rates of two looks that follow each other. Pure but for what it keeps."""

    _cpu_s: dict[int, float] = field(default_factory=dict)
    _at_ms: float = 0.0
    _answered: int = 0

    def read(self, look: Mapping[str, Any]) -> tuple[tuple[Process, ...], float]:
        """(what each process used of one core since the last look, purchases per second)."""
        at_ms = float(look["at_ms"])
        passed_s = (at_ms - self._at_ms) / 1000 if self._at_ms else 0.0
        told = look.get("processes") or ()
        processes = tuple(self._process(one, passed_s) for one in told)
        answered = sum((look.get("outcomes") or {}).values())
        per_s = (answered - self._answered) / passed_s if passed_s > 0 else 0.0
        self._cpu_s = {int(one["pid"]): float(one["cpu_s"]) for one in told}
        self._at_ms, self._answered = at_ms, answered
        return processes, max(0.0, per_s)

    def _process(self, told: Mapping[str, Any], passed_s: float) -> Process:
        before = self._cpu_s.get(int(told["pid"]))
        used = float(told["cpu_s"]) - before if before is not None else 0.0
        share = used / passed_s if passed_s > 0 else 0.0
        return Process(str(told["name"]), round(max(0.0, share), 3), int(told["rss_bytes"]))


class Observer:
    """Looks until it is stopped. `phase` is what the director says is going on."""

    def __init__(
        self,
        shadow: Shadow,
        directory: Path,
        sale: str,
        wanted: int,
        show: Callable[[Standing], None],
    ) -> None:
        self.phase = "prepare"
        self.t0_s = 0.0  # by this clock
        self.stop_wanted = threading.Event()
        self.environment: Mapping[str, Any] = {}
        self.newest: Second | None = None
        self.failed = ""  # why what is seen cannot be kept: nothing can be proved any more
        self._shadow = shadow
        self._path = directory / TIMELINE
        self._sale = sale
        self._wanted = wanted
        self._show = show
        self._meter = Meter()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the look that is going on."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            self._watch()
        except OSError as error:
            self.failed = str(error)

    def _watch(self) -> None:
        due_s = time.monotonic()
        while not self._ended.is_set():
            standing = self._look()
            self._show(standing)
            self._tell(standing)
            due_s = max(due_s + EVERY_S, time.monotonic())
            self._ended.wait(due_s - time.monotonic())

    def _look(self) -> Standing:
        at_us = time.time_ns() // 1000
        try:
            look = self._shadow.look()
        except ApiError:
            second = Second(at_us=at_us, phase=self.phase, viewers=0, unreachable=True)
            records.append_line(self._path, second)
            return Standing(self.phase, self._to_t0_s, 0, self._wanted, unreachable=True)
        processes, per_s = self._meter.read(look)
        self.environment = look.get("environment") or self.environment
        books = (look.get("books") or {}).get(self._sale) or {}
        self.newest = Second(
            at_us=at_us,
            phase=self.phase,
            viewers=int(look["viewers"]),
            outcomes=dict(look.get("outcomes") or {}),
            books=books,
            lag_entries=int(look.get("lag_entries") or 0),
            lag_ms=int(look.get("lag_ms") or 0),
            processes=processes,
        )
        records.append_line(self._path, self.newest)
        return self._standing(self.newest, per_s)

    @property
    def _to_t0_s(self) -> float | None:
        return self.t0_s - time.time() if self.t0_s else None

    def _standing(self, second: Second, per_s: float) -> Standing:
        items = second.books.get("items") or ()
        gone = sum(item["reserved"] + item["sold"] + item["refunded"] for item in items)
        return Standing(
            phase=self.phase,
            to_t0_s=self._to_t0_s,
            viewers=second.viewers,
            wanted=self._wanted,
            orders_per_s=per_s,
            sold=gone,
            stock=sum(item["initial"] for item in items),
            lag_ms=second.lag_ms,
            books=_word(second),
        )

    def _tell(self, standing: Standing) -> None:
        """The desk shows it; a server that does not answer is told the next time."""
        books = self.newest.books if self.newest is not None else {}
        told = asdict(standing) | {"at_ms": time.time_ns() // 1_000_000, "books": books}
        try:
            if self._shadow.told(told):
                self.stop_wanted.set()
        except ApiError:
            return


def _word(second: Second) -> str:
    """How the books stand, in a word or with what is wrong."""
    if not second.books:
        return ""
    agree = second.books.get("agree")
    if agree is True:
        return "ok"
    if agree is None or second.lag_entries:
        return "catching up"
    return str(second.books.get("why") or "differ")
