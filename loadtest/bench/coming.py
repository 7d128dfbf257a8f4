"""A crowd that comes in as fast as it can: how long that takes, and what it costs the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.bench.contenders import Contender
from loadtest.bench.processes import CpuTime, cpu_time
from loadtest.health import Checkup, Health
from loadtest.swarm import Swarm

UNPACED_PER_S = 1_000_000
# Nothing is timed while viewers join but how many do in a second.
JOINING_CPU_SHARE_MAX, JOINING_LAG_MS_MAX = 0.95, 1_000.0


@dataclass(frozen=True, slots=True)
class Coming:
    """One crowd that came in. `void` says why it must not be used."""

    viewers: int
    seconds: float
    cpu: CpuTime
    health: Health
    void: tuple[str, ...]

    @property
    def per_s(self) -> float:
        return self.viewers / self.seconds

    @property
    def cpu_us(self) -> float:
        """Processor time of the server for one of them."""
        return self.cpu.total_s * 1e6 / self.viewers


async def come_in(
    contender: Contender,
    swarm: Swarm,
    viewers: int,
    *,
    witnesses: int = 0,
    beside: Sequence[Swarm] = (),
) -> Coming:
    """Let so many join a swarm. `beside` are crowds that this process holds already."""
    held = sum(other.tally.sockets_open for other in beside)
    before = swarm.tally.sockets_open
    checkup = Checkup()
    checkup.start()
    cpu = cpu_time(contender.web)
    seconds = await swarm.join(viewers, witnesses=witnesses)
    cpu = cpu_time(contender.web) - cpu
    inside = swarm.tally.sockets_open
    errors = swarm.errors + sum(other.errors for other in beside)
    health = checkup.finish(sockets_open=held + inside, errors=errors)
    void = health.faults(cpu_share_max=JOINING_CPU_SHARE_MAX, lag_ms_max=JOINING_LAG_MS_MAX)
    if inside - before != viewers:
        void.append(f"{inside - before} of {viewers} viewers are in")
    void.extend(f"{why} ({times} times)" for why, times in swarm.tally.errors.items())
    return Coming(viewers, seconds, cpu, health, tuple(void))
