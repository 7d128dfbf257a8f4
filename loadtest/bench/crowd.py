"""Idle viewers: what each one costs in memory, and how fast and dear it is to let one in.

Every round starts a fresh server. A first crowd comes in calmly: its memory is measured from a
clean state. Then a crowd twice as big comes as fast as it can: the connect rate. Then a last one
as calm and big as the first: by now the memory that was freed since the start is in use again,
so this crowd shows what one more viewer costs.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from loadtest.bench.coming import UNPACED_PER_S, Coming, come_in
from loadtest.bench.contenders import MARKER, Contender, running
from loadtest.bench.plan import Plan
from loadtest.bench.processes import Cores, rss_bytes
from loadtest.swarm import Crowd, Swarm

Progress = Callable[[str], None]
SETTLED_BYTES = 64 * 1024
SETTLE_LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class CrowdRound:
    """One contender, one fresh server. `void` says why it must not be used."""

    contender: str
    viewers: int  # of the first crowd and of the last
    rss_empty: int  # bytes, a few warm viewers already in
    rss_first: int  # with the first crowd
    rss_before_last: int
    rss_last: int
    rush: Coming  # the crowd in between
    void: tuple[str, ...]

    @property
    def bytes_per_viewer(self) -> float:
        """What each viewer of the first crowd added."""
        return (self.rss_first - self.rss_empty) / self.viewers

    @property
    def bytes_per_viewer_more(self) -> float:
        """What each viewer of the last crowd added."""
        return (self.rss_last - self.rss_before_last) / self.viewers

    @property
    def joins_per_s(self) -> float:
        return self.rush.per_s

    @property
    def cpu_us_per_join(self) -> float:
        return self.rush.cpu_us


async def measure(
    plan: Plan, cores: Cores, say: Progress, meet: Callable[[Contender], None]
) -> list[CrowdRound]:
    """`crowd_rounds` fresh servers of each contender, in turns."""
    rounds = []
    for turn in range(plan.crowd_rounds):
        for name in plan.crowd_servers:
            say(f"memory and connects: {name}, {plan.crowd_viewers} viewers, round {turn + 1}")
            with running(cores, name) as [contender]:
                meet(contender)
                rounds.append(await _round(plan, contender))
    return rounds


async def _round(plan: Plan, contender: Contender) -> CrowdRound:
    crowd = Crowd(contender.port, contender.dialect, MARKER.encode())
    calm = Swarm(replace(crowd, connect_per_s=plan.crowd_joins_per_s))
    rush = Swarm(replace(crowd, connect_per_s=UNPACED_PER_S))
    await calm.join(plan.warm_viewers)
    rss_empty = await settled_rss(plan, contender)
    await calm.join(plan.crowd_viewers)
    rss_first = await settled_rss(plan, contender)

    rushed = await come_in(contender, rush, 2 * plan.crowd_viewers, beside=[calm])

    rss_before_last = await settled_rss(plan, contender)
    await calm.join(plan.crowd_viewers)
    rss_last = await settled_rss(plan, contender)
    void = list(rushed.void)
    expected = plan.warm_viewers + 2 * plan.crowd_viewers + rushed.viewers
    inside = calm.tally.sockets_open + rush.tally.sockets_open
    if inside != expected:
        void.append(f"{inside} of {expected} viewers are in")
    void.extend(f"{why} ({times} times)" for why, times in calm.tally.errors.items())
    await rush.leave()
    await calm.leave()
    return CrowdRound(
        contender=contender.name,
        viewers=plan.crowd_viewers,
        rss_empty=rss_empty,
        rss_first=rss_first,
        rss_before_last=rss_before_last,
        rss_last=rss_last,
        rush=rushed,
        void=tuple(void),
    )


async def settled_rss(plan: Plan, contender: Contender) -> int:
    """Resident bytes of the web worker once three looks in a row agree, or time is up."""
    deadline = time.perf_counter() + plan.settle_within_s
    looks = [rss_bytes(contender.web)]
    while time.perf_counter() < deadline:
        await asyncio.sleep(SETTLE_LOOK_S)
        looks.append(rss_bytes(contender.web))
        if len(looks) >= 3 and max(looks[-3:]) - min(looks[-3:]) <= SETTLED_BYTES:
            break
    return looks[-1]


@dataclass(frozen=True, slots=True)
class CrowdCell:
    """All valid rounds of one contender: medians."""

    contender: str
    viewers: int
    rounds: int
    void_rounds: int
    rss_empty: float
    bytes_per_viewer: float
    bytes_per_viewer_more: float
    joins_per_s: float
    cpu_us_per_join: float
    bytes_per_viewer_by_round: tuple[float, ...]
    bytes_per_viewer_more_by_round: tuple[float, ...]
    joins_per_s_by_round: tuple[float, ...]


def pool(rounds: Sequence[CrowdRound]) -> list[CrowdCell]:
    """One cell for each contender, in the order of their first round."""
    cells = []
    for name in dict.fromkeys(r.contender for r in rounds):
        mine = [r for r in rounds if r.contender == name]
        good = [r for r in mine if not r.void]
        cells.append(
            CrowdCell(
                contender=name,
                viewers=mine[0].viewers,
                rounds=len(good),
                void_rounds=len(mine) - len(good),
                rss_empty=_median([r.rss_empty for r in good]),
                bytes_per_viewer=_median([r.bytes_per_viewer for r in good]),
                bytes_per_viewer_more=_median([r.bytes_per_viewer_more for r in good]),
                joins_per_s=_median([r.joins_per_s for r in good]),
                cpu_us_per_join=_median([r.cpu_us_per_join for r in good]),
                bytes_per_viewer_by_round=tuple(r.bytes_per_viewer for r in good),
                bytes_per_viewer_more_by_round=tuple(r.bytes_per_viewer_more for r in good),
                joins_per_s_by_round=tuple(r.joins_per_s for r in good),
            )
        )
    return cells


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else 0.0
