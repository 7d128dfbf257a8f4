"""What this process measured, kept in memory for a second and handed on.

Nothing is summed here: each request and each purchase is kept as it was. Memory is bounded; what
does not fit is counted as an error of the generator, which voids a rehearsal.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any, Final, Protocol

import gevent

from loadtest.rehearsal.records import (
    OK,
    Attempt,
    Pulse,
    Sample,
    append_line,
    append_lines,
    write_json,
    write_samples,
)
from loadtest.rehearsal.users.clock import now_us

HELD_MAX: Final = 400_000  # samples and purchases that wait to be handed on
LATE_US: Final = 50_000  # a request begun later than this after its instant is a late start
PROBE_S: Final = 0.02
FLUSH_S: Final = 1.0

Fire = Callable[[str, str, float, str], None]  # kind, name, milliseconds, outcome


class Sink(Protocol):
    """Where records go."""

    def take(self, samples: list[Sample], attempts: list[Attempt], pulse: Pulse | None) -> None:
        """Keep them, or send them on. Does not fail."""


class Files:
    """The files of the run's directory that belong to process `who`."""

    def __init__(self, directory: Path, who: str) -> None:
        self._samples = directory / f"samples-{who}.csv"
        self._orders = directory / f"orders-{who}.jsonl"
        self._health = directory / f"health-{who}.jsonl"
        self._lost = directory / f"lost-{who}.json"

    def take(self, samples: list[Sample], attempts: list[Attempt], pulse: Pulse | None) -> None:
        if samples:
            write_samples(self._samples, samples)
        if attempts:
            append_lines(self._orders, attempts)
        if pulse is not None:
            append_line(self._health, pulse)

    def lost(self) -> None:
        """Say that not everything was handed on: what is there is not all there was."""
        write_json(self._lost, {"at_us": now_us()})


class Recorder:
    """One for a process. `sockets` and `errors` are counted by whoever knows of them."""

    def __init__(self, sink: Sink, fire: Fire) -> None:
        self._sink = sink
        self._fire = fire
        self._samples: list[Sample] = []
        self._attempts: list[Attempt] = []
        self._late_starts = 0
        self._lag_ms = 0.0
        self._flushing: Any = None
        self._used_s = (time.process_time(), time.perf_counter())
        self.sockets = 0
        self.errors = 0
        self.outcomes: Counter[str] = Counter()  # of purchases, as their buyers saw them

    def sample(
        self, kind: str, name: str, intended_us: int, begun_us: int, done_us: int, outcome: str,
        user: str = "",
    ) -> None:  # fmt: skip
        """One request or push; also told to Locust's statistics."""
        late_us = max(0, begun_us - intended_us)
        if late_us > LATE_US:
            self._late_starts += 1
        took_us = max(0, done_us - intended_us)
        if len(self._samples) < HELD_MAX:
            self._samples.append(Sample(kind, name, intended_us, late_us, took_us, outcome, user))
        else:
            self.errors += 1
        self._fire(kind, name, took_us / 1_000, outcome)

    def attempt(self, attempt: Attempt) -> None:
        """One line of the history of purchases."""
        if attempt.op == "place":
            self.outcomes[attempt.outcome] += 1
        if len(self._attempts) < HELD_MAX:
            self._attempts.append(attempt)
        else:
            self.errors += 1

    def start(self) -> None:
        """Feel the own pulse and hand everything on, once a second, until `finish`."""
        self._used_s = (time.process_time(), time.perf_counter())
        self._flushing = [gevent.spawn(self._probe), gevent.spawn(self._flush_always)]

    def finish(self) -> None:
        """Hand on what is left. Safe to repeat."""
        flushing, self._flushing = self._flushing, None
        if flushing is not None:
            gevent.killall(flushing)
            self.flush()

    def failed(self, _greenlet: object) -> None:
        """A greenlet of the generator ended with an error of our own."""
        self.errors += 1

    def flush(self) -> None:
        samples, self._samples = self._samples, []
        attempts, self._attempts = self._attempts, []
        self._sink.take(samples, attempts, self._pulse())

    def _flush_always(self) -> None:
        while True:
            gevent.sleep(FLUSH_S)
            self.flush()

    def _probe(self) -> None:
        while True:
            due_s = time.perf_counter() + PROBE_S
            gevent.sleep(PROBE_S)
            self._lag_ms = max(self._lag_ms, (time.perf_counter() - due_s) * 1_000)

    def _pulse(self) -> Pulse:
        cpu_s, at_s = time.process_time(), time.perf_counter()
        share = (cpu_s - self._used_s[0]) / max(at_s - self._used_s[1], 1e-9)
        pulse = Pulse(
            at_us=now_us(),
            cpu_share=round(share, 3),
            lag_ms=round(self._lag_ms, 1),
            sockets=self.sockets,
            errors=self.errors,
            late_starts=self._late_starts,
        )
        self._used_s = (cpu_s, at_s)
        self._lag_ms, self._late_starts, self.errors = 0.0, 0, 0
        return pulse


def packed(samples: list[Sample], attempts: list[Attempt], pulse: Pulse | None) -> dict[str, Any]:
    """The same as plain values, for a message between machines."""
    return {
        "samples": [astuple(sample) for sample in samples],
        "attempts": [astuple(attempt) for attempt in attempts],
        "pulse": None if pulse is None else asdict(pulse),
    }


def unpacked(value: dict[str, Any]) -> tuple[list[Sample], list[Attempt], Pulse | None]:
    """What `packed` packed. Raises `TypeError` and `KeyError` for anything else."""
    pulse = value["pulse"]
    return (
        [Sample(*row) for row in value["samples"]],
        [Attempt(*row) for row in value["attempts"]],
        None if pulse is None else Pulse(**pulse),
    )


def outcome_of(code: int) -> str:
    """The word for an answer of that error code. 111 is the connection's form of 429."""
    return OK if code == 0 else f"error {429 if code == 111 else code}"
