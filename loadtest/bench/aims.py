"""Our figure over that of the best peer, cell by cell, and what we want it to be. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadtest.bench.fanout import Cell
from loadtest.bench.tables import table

OURS = "onair"
AIMED_VIEWERS = 2_000  # the room the aims are for; other rooms have ratios only
CPU_AIMS = {1: 1.2, 10: 1.2, 100: 1 / 4, 500: 1 / 10}  # ours over the best peer's, at most
P50_AIMS = {1: 1.5, 10: 1.5}
MET, MISSED, NO_AIM = "✓", "✗", ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where we stand in one cell. A smaller ratio is better; `aim` is None where there is none."""

    what: str  # cpu_us, or p50_ms
    viewers: int
    per_s: int
    ours: float  # CPU with that of Redis, which works for us alone
    best: float
    best_peer: str
    aim: float | None

    @property
    def ratio(self) -> float:
        return self.ours / self.best

    @property
    def is_met(self) -> bool | None:
        return None if self.aim is None else self.ratio <= self.aim


def standings(cells: Sequence[Cell]) -> list[Standing]:
    """Every cell that we and at least one peer were measured in. A latency counts only for who
    kept the rate up."""
    found = []
    for mine in cells:
        if mine.contender != OURS or not mine.rounds:
            continue
        at = (mine.viewers, mine.per_s)
        peers = [c for c in cells if (c.viewers, c.per_s) == at and c.rounds]
        peers = [c for c in peers if c.contender != OURS]
        found += _standing("cpu_us", mine, peers, lambda c: c.cpu_us + c.redis_cpu_us, CPU_AIMS)
        if mine.kept_up:
            prompt = [c for c in peers if c.kept_up]
            found += _standing("p50_ms", mine, prompt, lambda c: c.late_ms.p50, P50_AIMS)
    return found


def standings_text(found: Sequence[Standing]) -> str:
    """One line for each cell: who is best, both figures, the ratio and whether that is the aim."""
    header = ["viewers", "events/s", "of", "best-peer", "its", "onair", "of-best", "aim", "met"]
    rows = [
        (
            str(each.viewers),
            str(each.per_s),
            each.what,
            each.best_peer,
            f"{each.best:.2f}",
            f"{each.ours:.2f}",
            f"{each.ratio:.2f}x",
            f"{each.aim:.2f}x" if each.aim else "-",
            {True: MET, False: MISSED, None: NO_AIM}[each.is_met],
        )
        for each in found
    ]
    return (
        "Beside the best peer of each cell: our figure over its figure, less is better\n"
        + table(header, rows)
        + "\n  cpu_us: per delivered event, ours with Redis; p50_ms: of those that kept the rate up"
    )


def _standing(
    what: str,
    mine: Cell,
    peers: Sequence[Cell],
    figure: Callable[[Cell], float],
    aims: dict[int, float],
) -> list[Standing]:
    if not peers:
        return []
    best = min(peers, key=figure)
    aim = aims.get(mine.per_s) if mine.viewers == AIMED_VIEWERS else None
    return [
        Standing(what, mine.viewers, mine.per_s, figure(mine), figure(best), best.contender, aim)
    ]
