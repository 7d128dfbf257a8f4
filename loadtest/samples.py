"""What sampled viewers saw, judged: percentiles of raw samples, gaps, repeats and order.

Pure: numbers go in, verdicts come out. No sockets, no clock.
"""

from __future__ import annotations

import math
import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loadtest.dialects import Answered, Arrival


def percentile(ordered: Sequence[float], share: float) -> float:
    """Nearest rank: the smallest sample that at least `share` of all samples do not exceed.

    `ordered` is ascending and not empty; `share` is above 0 and at most 1.
    """
    if not ordered or not 0 < share <= 1:
        raise ValueError(f"no percentile {share} of {len(ordered)} samples")
    return ordered[math.ceil(share * len(ordered)) - 1]


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of raw samples, in the unit the samples had."""

    count: int
    p50: float
    p90: float
    p99: float
    most: float

    @classmethod
    def of(cls, samples: Iterable[float]) -> Spread:
        """All zeros if there is no sample: look at `count` first."""
        ordered = sorted(samples)
        if not ordered:
            return cls(0, 0.0, 0.0, 0.0, 0.0)
        return cls(
            len(ordered),
            percentile(ordered, 0.50),
            percentile(ordered, 0.90),
            percentile(ordered, 0.99),
            ordered[-1],
        )


class Witness:
    """A sampled viewer's memory: which events it saw, in which order, how late, at what offset."""

    __slots__ = ("gaps", "late_us", "numbers", "offset", "repeats")

    def __init__(self) -> None:
        self.offset: int | None = None  # of the last event; None until the server says one
        self.gaps = 0
        self.repeats = 0
        self.numbers = array("q")
        self.late_us = array("q")

    def forget(self) -> None:
        """Start a new round. The position in the stream stays: a gap between rounds counts."""
        self.gaps = self.repeats = 0
        self.numbers = array("q")
        self.late_us = array("q")

    def joined(self, answer: Answered, now_us: int) -> None:
        """The room's answer: from here on every event counts."""
        if answer.offset is not None:
            self.offset = answer.offset
        self.saw((*answer.missed, *answer.after), now_us)

    def saw(self, arrivals: Iterable[Arrival], now_us: int) -> None:
        """Remember events received at `now_us`. Events of others move the offset only."""
        for arrival in arrivals:
            if arrival.offset:
                self._follow(arrival.offset)
            data = arrival.data
            if isinstance(data, dict) and "n" in data and "sent_us" in data:
                self.numbers.append(data["n"])
                self.late_us.append(now_us - data["sent_us"])

    def _follow(self, offset: int) -> None:
        if self.offset is not None and offset != self.offset + 1:
            if offset <= self.offset:
                self.repeats += 1
                return
            self.gaps += offset - self.offset - 1
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Testimony:
    """What all witnesses of a round say together. Every count but the last two should be 0."""

    missing: int  # events a witness never saw, over all witnesses
    repeated: int  # events a witness saw again, or a repeated offset
    foreign: int  # numbers that were not published in this round
    offset_gaps: int
    orders: int  # how many different orders the witnesses saw; 1 is right
    in_publish_order: bool
    late_ms: Spread

    @property
    def is_clean(self) -> bool:
        """Everything came, once, in one order."""
        return self.orders <= 1 and not (
            self.missing or self.repeated or self.foreign or self.offset_gaps
        )


def hear(witnesses: Sequence[Witness], first: int, count: int) -> Testimony:
    """Judge a round in which events `first` .. `first + count - 1` were published."""
    expected = set(range(first, first + count))
    missing = repeated = foreign = 0
    orders = set()
    in_order = True
    for witness in witnesses:
        seen = set(witness.numbers)
        missing += len(expected - seen)
        foreign += len(seen - expected)
        repeated += len(witness.numbers) - len(seen) + witness.repeats
        orders.add(zlib.crc32(witness.numbers.tobytes()))
        in_order = in_order and list(witness.numbers) == sorted(witness.numbers)
    return Testimony(
        missing=missing,
        repeated=repeated,
        foreign=foreign,
        offset_gaps=sum(witness.gaps for witness in witnesses),
        orders=len(orders),
        in_publish_order=in_order,
        late_ms=Spread.of(us / 1000 for witness in witnesses for us in witness.late_us),
    )
