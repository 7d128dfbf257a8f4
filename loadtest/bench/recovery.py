"""Recoveries: how fast and how dear it is to let viewers take up a room some events behind.

By turns on one server: viewers who come for the first time, and as many who come back with a
position so many events old. Both come as fast as they can; nothing is paced.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from loadtest.bench.contenders import MARKER, ROOM, Contender, onair
from loadtest.bench.crowd import JOINING_CPU_SHARE_MAX, JOINING_LAG_MS_MAX, UNPACED_PER_S
from loadtest.bench.plan import Plan
from loadtest.bench.processes import Cores, CpuTime, cpu_time
from loadtest.bench.publisher import Publisher
from loadtest.bench.scene import middle
from loadtest.dialects import Centrifuge
from loadtest.health import Checkup, Health
from loadtest.swarm import Crowd, Swarm
from loadtest.waiting import until

Progress = Callable[[str], None]
Meet = Callable[[Contender], None]
PUBLISH_PER_S = 50
GONE_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Coming:
    """One crowd that came in as fast as it could."""

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
        return self.cpu.total_s * 1e6 / self.viewers


@dataclass(frozen=True, slots=True)
class Turn:
    """Those who come for the first time, and those who come back."""

    first: Coming
    back: Coming

    @property
    def void(self) -> tuple[str, ...]:
        return (*self.first.void, *self.back.void)


@dataclass(slots=True)
class RecoveryFigures:
    """What the scenario found."""

    viewers: int
    events: int  # that each one had missed
    turns: list[Turn] = field(default_factory=list)

    @property
    def good(self) -> list[Turn]:
        return [turn for turn in self.turns if not turn.void]

    @property
    def per_s(self) -> float:
        return middle([turn.back.per_s for turn in self.good])

    @property
    def ratio(self) -> float:
        """CPU of one who comes back, against one who comes for the first time."""
        return middle([turn.back.cpu_us / turn.first.cpu_us for turn in self.good])

    @property
    def is_complete(self) -> bool:
        return bool(self.good)


async def measure(plan: Plan, cores: Cores, say: Progress, meet: Meet) -> RecoveryFigures:
    """One fresh server. Raises `ContenderFailed` if it does not start."""
    sizes = plan.crowds
    figures = RecoveryFigures(sizes.recovery_viewers, sizes.recovery_events)
    with onair(cores) as contender:
        meet(contender)
        scout = Swarm(Crowd(contender.port, contender.dialect, MARKER.encode()))
        try:
            await scout.join(1)
            [viewer] = scout.viewers
            publisher = Publisher(contender)
            await publisher.publish(sizes.recovery_events, PUBLISH_PER_S)
            await until(lambda: viewer.events == sizes.recovery_events, GONE_WITHIN_S)
            since = (viewer.offset - sizes.recovery_events, viewer.epoch)
            await _coming(contender, Centrifuge(ROOM), plan.warm_viewers, 0)
            for number in range(sizes.recovery_turns):
                say(f"recoveries: {sizes.recovery_viewers} viewers, turn {number + 1}")
                first = await _coming(contender, Centrifuge(ROOM), sizes.recovery_viewers, 0)
                returning = Centrifuge(ROOM, since=since)
                back = await _coming(
                    contender, returning, sizes.recovery_viewers, sizes.recovery_events
                )
                figures.turns.append(Turn(first, back))
        finally:
            await scout.leave()
    return figures


async def _coming(contender: Contender, dialect: Centrifuge, viewers: int, events: int) -> Coming:
    """So many come, each of whom must get so many events, and leave."""
    crowd = Crowd(contender.port, dialect, MARKER.encode(), connect_per_s=UNPACED_PER_S)
    swarm = Swarm(crowd)
    checkup = Checkup()
    checkup.start()
    cpu = cpu_time(contender.web)
    seconds = await swarm.join(viewers)
    cpu = cpu_time(contender.web) - cpu
    inside = swarm.tally.sockets_open
    health = checkup.finish(sockets_open=inside, errors=swarm.errors)
    void = health.faults(cpu_share_max=JOINING_CPU_SHARE_MAX, lag_ms_max=JOINING_LAG_MS_MAX)
    if inside != viewers:
        void.append(f"{inside} of {viewers} viewers are in")
    if wrong := sum(viewer.events != events for viewer in swarm.viewers):
        void.append(f"{wrong} of {viewers} viewers did not recover {events} events")
    void.extend(f"{why} ({times} times)" for why, times in swarm.tally.errors.items())
    await swarm.leave(within_s=GONE_WITHIN_S)
    return Coming(viewers, seconds, cpu, health, tuple(void))
