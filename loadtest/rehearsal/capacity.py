"""How much the machine holds: the finder's knee, and which processes were at their limit. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from loadtest.rehearsal.records import Second, Step
from loadtest.samples import percentile

SATURATED: Final = 0.9  # of one core: a process that can do no more
SATURATED_LOOKS: Final = 3  # in a row: one busy second is none
BEFORE_S: Final = 5.0  # looks so long before something broke, and so long after, are its evidence
AFTER_S: Final = 2.0
OF_REHEARSAL: Final = "rehearsal"  # in the name of a process that only the shadow shop has


@dataclass(frozen=True, slots=True)
class Busy:
    """A process of the server and what it used of one core."""

    name: str
    cpu_share: float

    @property
    def limit(self) -> str:
        """What a process that can do no more is called as a limit."""
        for part, name in (("ledger", "ledger_cpu"), ("redis", "redis_cpu")):
            if part in self.name:
                return name
        return "server_cpu"


def knee(steps: Sequence[Step]) -> int:
    """The last step before the first that broke or proves nothing; -1: none held."""
    for number, step in enumerate(steps):
        if step.broken or step.void:
            return number - 1
    return len(steps) - 1


def busiest(looks: Iterable[Second], at_us: int) -> Busy | None:
    """The process that was at its limit when something broke; None if none was."""
    begins, ends = at_us - round(BEFORE_S * 1e6), at_us + round(AFTER_S * 1e6)
    shares: dict[str, list[float]] = defaultdict(list)
    for look in looks:
        if begins <= look.at_us <= ends:
            for process in look.processes:
                shares[process.name].append(process.cpu_share)
    most = [Busy(name, max(found)) for name, found in shares.items() if max(found) >= SATURATED]
    return max(most, key=lambda busy: busy.cpu_share, default=None)


def saturated(looks: Iterable[Second], begins_us: int, ends_us: int) -> Busy | None:
    """The first process that was at its limit for some seconds together."""
    runs: dict[str, list[float]] = defaultdict(list)
    for look in looks:
        if not begins_us <= look.at_us < ends_us:
            continue
        for process in look.processes:
            run = runs[process.name]
            run.append(process.cpu_share)
            if process.cpu_share < SATURATED:
                run.clear()
            elif len(run) >= SATURATED_LOOKS:
                return Busy(process.name, sum(run) / len(run))
    return None


def usual_share(looks: Sequence[Second], part: str, begins_us: int, ends_us: int) -> float:
    """What all processes with `part` in their names use together (p95 of the seconds)."""
    names = names_of(looks, part)
    sums = sorted(
        sum(process.cpu_share for process in look.processes if process.name in names)
        for look in looks
        if begins_us <= look.at_us < ends_us and look.processes
    )
    return percentile(sums, 0.95) if sums else 0.0


def names_of(looks: Iterable[Second], part: str) -> set[str]:
    """Of the processes with `part` in their names. Where the rehearsal has its own, only those."""
    names = {one.name for look in looks for one in look.processes if part in one.name}
    own = {name for name in names if OF_REHEARSAL in name}
    return own or names


def cores_of(environment: Mapping[str, Any]) -> int:
    """Of the machine that serves; 0 where nobody said it."""
    for side, name in (("server", "cpus"), ("generator", "cores")):
        told = environment.get(side)
        cores = told.get(name) if isinstance(told, Mapping) else None
        if isinstance(cores, int) and (side == "server" or environment.get("same_machine")):
            return cores
    return 0
