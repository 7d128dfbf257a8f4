"""Idle viewers: what each one costs in memory, and how fast and dear it is to let one in.

Every round starts a fresh server: memory is measured from a clean state, and the same server then
lets the same crowd in a second time, as fast as it can, for the connect rate.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from loadtest.bench.contenders import MARKER, Contender, running
from loadtest.bench.plan import Plan
from loadtest.bench.processes import Cores, CpuTime, cpu_time, rss_bytes
from loadtest.health import Checkup, Health
from loadtest.swarm import Crowd, Swarm

Progress = Callable[[str], None]
SETTLED_BYTES = 64 * 1024
SETTLE_LOOK_S = 0.5
UNPACED_PER_S = 1_000_000


@dataclass(frozen=True, slots=True)
class CrowdRound:
    """One contender, one fresh server. `void` says why it must not be used."""

    contender: str
    viewers: int
    rss_before: int  # bytes, a few warm viewers already in
    rss_after: int
    join_seconds: float  # the second, unpaced crowd
    join_cpu: CpuTime
    health: Health
    void: tuple[str, ...]

    @property
    def bytes_per_viewer(self) -> float:
        return (self.rss_after - self.rss_before) / self.viewers

    @property
    def joins_per_s(self) -> float:
        return self.viewers / self.join_seconds

    @property
    def cpu_us_per_join(self) -> float:
        return self.join_cpu.total_s * 1e6 / self.viewers


async def measure(plan: Plan, cores: Cores, say: Progress) -> list[CrowdRound]:
    """`crowd_rounds` fresh servers of each contender, in turns."""
    rounds = []
    for turn in range(plan.crowd_rounds):
        for name in plan.crowd_servers:
            say(f"memory and connects: {name}, {plan.crowd_viewers} viewers, round {turn + 1}")
            with running(cores, name) as [contender]:
                rounds.append(await _round(plan, contender))
    return rounds


async def _round(plan: Plan, contender: Contender) -> CrowdRound:
    crowd = Crowd(contender.port, contender.dialect, MARKER.encode())
    warm = Swarm(crowd)
    await warm.join(plan.warm_viewers)
    rss_before = await _settled_rss(plan, contender)

    calm = Swarm(replace(crowd, connect_per_s=plan.crowd_joins_per_s))
    await calm.join(plan.crowd_viewers)
    rss_after = await _settled_rss(plan, contender)
    seen = calm.tally.sockets_open
    await calm.leave()
    await _settled_rss(plan, contender)  # the server has seen them all go

    rush, checkup = Swarm(replace(crowd, connect_per_s=UNPACED_PER_S)), Checkup()
    checkup.start()
    cpu = cpu_time(contender.web)
    seconds = await rush.join(plan.crowd_viewers)
    cpu = cpu_time(contender.web) - cpu
    errors = warm.errors + calm.errors + rush.errors
    health = checkup.finish(sockets_open=rush.tally.sockets_open, errors=errors)
    void = health.faults(cpu_share_max=0.95)
    if (seen, rush.tally.sockets_open) != (plan.crowd_viewers, plan.crowd_viewers):
        void.append(f"{seen} and {rush.tally.sockets_open} of {plan.crowd_viewers} viewers got in")
    void.extend(f"{why} ({times} times)" for why, times in (calm.tally.errors).items())
    void.extend(f"{why} ({times} times)" for why, times in (rush.tally.errors).items())
    await rush.leave()
    await warm.leave()
    return CrowdRound(
        contender=contender.name,
        viewers=plan.crowd_viewers,
        rss_before=rss_before,
        rss_after=rss_after,
        join_seconds=seconds,
        join_cpu=cpu,
        health=health,
        void=tuple(void),
    )


async def _settled_rss(plan: Plan, contender: Contender) -> int:
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
    bytes_per_viewer: float
    joins_per_s: float
    cpu_us_per_join: float
    bytes_per_viewer_by_round: tuple[float, ...]
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
                bytes_per_viewer=_median([r.bytes_per_viewer for r in good]),
                joins_per_s=_median([r.joins_per_s for r in good]),
                cpu_us_per_join=_median([r.cpu_us_per_join for r in good]),
                bytes_per_viewer_by_round=tuple(r.bytes_per_viewer for r in good),
                joins_per_s_by_round=tuple(r.joins_per_s for r in good),
            )
        )
    return cells


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else 0.0
