"""What an audience measures in a second, until it is written. Pure, and bounded."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any, Final

from loadtest.rehearsal.records import OK, Sample

HELD_MAX: Final = 200_000  # samples that wait to be written
SHOWN_MAX: Final = 400  # latencies of a second for Locust's statistics
SECONDS_SHOWN: Final = 5  # in the live file, so that no reader misses one
LATE_US: Final = 50_000  # begun later than this after its instant: a late start


class Notes:
    """What is measured in a second, until it is written. Memory is bounded."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.pushes: dict[str, list[float]] = defaultdict(list)  # ms, by event
        self.seconds: deque[dict[str, Any]] = deque(maxlen=SECONDS_SHOWN)
        self.lost = 0
        self.late_starts = 0
        self._number = 0

    def sample(self, sample: Sample) -> None:
        if len(self.samples) >= HELD_MAX:
            self.lost += 1
            return
        self.samples.append(sample)
        self.late_starts += sample.late_us > LATE_US and sample.outcome == OK

    def push(self, name: str, stored_us: int, heard_us: int, user: str) -> None:
        took_us = max(0, heard_us - stored_us)
        self.sample(Sample("push", name, stored_us, 0, took_us, OK, user))
        self.pushes[name].append(took_us / 1_000)

    def taken(self) -> list[Sample]:
        """The samples of this second; what is shown of it goes to `seconds`."""
        samples, self.samples = self.samples, []
        connects = [sample for sample in samples if sample.kind == "connect"]
        self._number += 1
        self.seconds.append(
            {
                "number": self._number,
                "pushes": {name: thinned(took) for name, took in self.pushes.items()},
                "connects": thinned([s.took_us / 1_000 for s in connects if s.outcome == OK]),
                "refused": thinned([s.outcome for s in connects if s.outcome != OK]),
            }
        )
        self.pushes.clear()
        return samples


def thinned(values: Sequence[Any]) -> list[Any]:
    """At most `SHOWN_MAX` of them, evenly taken."""
    every = -(-len(values) // SHOWN_MAX) or 1
    return list(values[::every])
