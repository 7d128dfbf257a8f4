"""Recoveries: how fast and how dear it is to let viewers take up a room some events behind.

By turns on one server: viewers who come for the first time, and as many who come back with a
position so many events old. Both come as fast as they can; nothing is paced.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from loadtest.bench.coming import UNPACED_PER_S, Coming, come_in
from loadtest.bench.contenders import MARKER, ROOM, Contender, onair
from loadtest.bench.plan import Plan
from loadtest.bench.processes import Cores
from loadtest.bench.publisher import Publisher
from loadtest.bench.scene import middle
from loadtest.dialects import Centrifuge
from loadtest.swarm import Crowd, Swarm
from loadtest.waiting import until

Progress = Callable[[str], None]
Meet = Callable[[Contender], None]
PUBLISH_PER_S = 50
GONE_WITHIN_S = 10.0


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
    coming = await come_in(contender, swarm, viewers)
    if wrong := sum(viewer.events != events for viewer in swarm.viewers):
        why = f"{wrong} of {viewers} viewers did not recover {events} events"
        coming = replace(coming, void=(*coming.void, why))
    await swarm.leave(within_s=GONE_WITHIN_S)
    return coming
