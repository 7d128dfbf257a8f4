"""What the looks at the server say in seconds after T0. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loadtest.rehearsal.books import Counters, sides
from loadtest.rehearsal.findings import Findings
from loadtest.rehearsal.records import DrillReport, Process, Second

RUSH = "spike"


@dataclass(frozen=True, slots=True)
class Look:
    """One second. Figures are None where the server did not answer."""

    at_s: float  # after T0
    phase: str
    viewers: int | None
    orders_per_s: float | None
    lag_ms: int | None
    processes: tuple[Process, ...] = ()


def t0_us(findings: Findings) -> int:
    """When the sale opened, by the generator's clock; else the first look of the rush."""
    told = findings.environment.get("t0_ms")
    if isinstance(told, int) and told:
        clock = findings.environment.get("clock")
        skew_ms = clock.get("skew_ms") if isinstance(clock, Mapping) else 0
        return round((told - (skew_ms if isinstance(skew_ms, int | float) else 0)) * 1_000)
    rush = [look.at_us for look in findings.timeline if look.phase == RUSH]
    first = [look.at_us for look in findings.timeline]
    return (rush or first or [0])[0]


def looks(findings: Findings) -> list[Look]:
    """The timeline, with rates made of what follows each other."""
    start_us = t0_us(findings)
    found: list[Look] = []
    before: Second | None = None
    for second in findings.timeline:
        at_s = (second.at_us - start_us) / 1_000_000
        if second.unreachable:
            found.append(Look(at_s, second.phase, None, None, None))
            continue
        rate = _per_s(before, second)
        found.append(
            Look(at_s, second.phase, second.viewers, rate, second.lag_ms, second.processes)
        )
        before = second
    return found


def _per_s(before: Second | None, now: Second) -> float | None:
    if before is None or now.at_us <= before.at_us:
        return None
    more = sum(now.outcomes.values()) - sum(before.outcomes.values())
    return max(0.0, more * 1_000_000 / (now.at_us - before.at_us))


def rush(found: Sequence[Look]) -> tuple[float, float] | None:
    """From when until when it was the rush."""
    at = [look.at_s for look in found if look.phase == RUSH]
    return (at[0], at[-1]) if at else None


@dataclass(frozen=True, slots=True)
class BooksAfter:
    """How the books stood once a drill was over."""

    counters: tuple[Counters, ...]
    caught_up: bool

    @property
    def add_up(self) -> bool:
        return all(each.adds_up for each in self.counters)


def books_after(findings: Findings, drill: DrillReport) -> BooksAfter | None:
    """The first look after it at which the ledger had caught up, else the last one; None: no look.

    A look whose books cannot be read is passed over.
    """
    start_us = t0_us(findings)
    ends_us = start_us + (drill.ended_s + max(0.0, drill.recovered_after_s)) * 1_000_000
    last: BooksAfter | None = None
    for second in findings.timeline:
        if second.at_us < ends_us or second.unreachable or not second.books:
            continue
        try:
            counters = tuple(each for side in sides(second.books).values() for each in side)
        except ValueError:
            continue
        if counters:
            last = BooksAfter(counters, second.lag_entries == 0)
            if last.caught_up:
                break
    return last
