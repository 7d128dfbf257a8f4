"""Fan-out: server CPU per delivered event, and how late viewers get it, for each contender.

All contenders stand with their audiences connected; only one at a time is published to, in turns,
so that a noisy minute of the machine hits all of them. Audiences that do not fit into the files
one process may open stand one at a time: they come, hear all rates, and leave, again in turns.
"""

from __future__ import annotations

import math
import resource
import time
from array import array
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from loadtest.bench.launch import MARKER, Contender
from loadtest.bench.plan import Plan
from loadtest.bench.processes import CpuTime, cpu_time, starved_s
from loadtest.bench.publisher import Published, Publisher
from loadtest.health import LAG_MS_MAX, Checkup, Health
from loadtest.samples import Spread, Testimony, hear
from loadtest.swarm import Crowd, Swarm
from loadtest.waiting import until

Progress = Callable[[str], None]
BACKLOG_RATIO, BACKLOG_S = 1.1, 0.3  # a round this much longer than planned had a backlog
STRAGGLERS_WITHIN_S = 0.1  # how long a round listens for events that should not come
# A server that writes each event by itself costs a reader as much as itself: both cores are nearly
# full, and who of them holds the other up shows in how late the reader's loop is, not before this.
GENERATOR_CPU_SHARE_MAX = 0.97
OTHER_FILES = 1_000  # what the generator, or a server, opens besides the sockets of an audience


@dataclass(frozen=True, slots=True)
class Round:
    """One contender, one room, one rate, once. `void` says why it must not be used."""

    contender: str
    viewers: int
    per_s: int
    events: int
    delivered: int
    seconds: float
    web: CpuTime
    redis: CpuTime
    starved_s: float  # how long other programs kept the web worker from its core
    idle_cpu_share: float  # of the web worker, measured with the same audience and no events
    frames: int
    published: Published
    testimony: Testimony
    health: Health
    void: tuple[str, ...]
    late_us: array[int] = field(repr=False)

    @property
    def expected(self) -> int:
        return self.events * self.viewers

    @property
    def kept_up(self) -> bool:
        """No backlog grew while events came in."""
        return self.seconds <= most_seconds(self.events, self.per_s)

    @property
    def cpu_us(self) -> float:
        """Web worker's CPU µs per delivered event, everything it did meanwhile included."""
        return self.web.total_s * 1e6 / max(1, self.delivered)


@dataclass(slots=True)
class Seat:
    """A contender with its audience in place."""

    contender: Contender
    swarm: Swarm
    publisher: Publisher
    idle_cpu_share: float = 0.0

    @property
    def is_peer(self) -> bool:
        return self.contender.name != "onair"


def most_viewers() -> int:
    """How many viewers one process may hold, be it a server or the generator."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] - OTHER_FILES


def most_seconds(events: int, per_s: int) -> float:
    """A round that took longer had a backlog: its latency grows with its length."""
    return BACKLOG_RATIO * events / per_s + BACKLOG_S


async def measure(plan: Plan, contenders: Sequence[Contender], say: Progress) -> list[Round]:
    """Every room size and rate, `plan.rounds` times in turns. Raises if viewers cannot join."""
    rounds = []
    for viewers in plan.room_viewers:
        if viewers * len(contenders) <= most_viewers():
            rounds += await _measure(plan, contenders, viewers, plan.rounds(viewers), say)
            continue
        for _turn in range(plan.rounds(viewers)):
            for contender in contenders:
                rounds += await _measure(plan, [contender], viewers, 1, say)
    return rounds


async def _measure(
    plan: Plan, contenders: Sequence[Contender], viewers: int, turns: int, say: Progress
) -> list[Round]:
    """An audience of each contender comes, hears all rates in turns, and leaves."""
    rounds = []
    who = contenders[0].name if len(contenders) == 1 else f"{len(contenders)} servers"
    async with AsyncExitStack() as stack:
        seats = []
        for contender in contenders:
            swarm = Swarm(Crowd(contender.port, contender.dialect, MARKER.encode(), sources=2))
            stack.push_async_callback(swarm.leave)
            await swarm.join(viewers, witnesses=min(plan.witnesses, viewers))
            if swarm.errors or swarm.tally.sockets_open != viewers:
                raise RuntimeError(f"{contender.name}: {dict(swarm.tally.errors)}")
            seats.append(Seat(contender, swarm, Publisher(contender)))
        await _watch_idle(plan, seats)
        for per_s in plan.rates(viewers):
            say(f"fanout: {viewers} viewers, {per_s} events/s, {who}")
            for _turn in range(turns):
                for seat in seats:
                    events = plan.events(viewers, per_s, gathers=seat.contender.gathers)
                    rounds.append(await one_round(plan, seat, per_s, events))
                    if rounds[-1].void:  # once more: a disturbance may have passed
                        rounds.append(await one_round(plan, seat, per_s, events))
    return rounds


async def _watch_idle(plan: Plan, seats: Sequence[Seat]) -> None:
    """What each web worker spends on its audience when nothing happens any more."""
    await until(lambda: False, plan.arrived_seconds, every_s=plan.arrived_seconds)
    before = [cpu_time(seat.contender.web) for seat in seats]
    began = time.perf_counter()
    await until(lambda: False, plan.idle_seconds, every_s=plan.idle_seconds)
    wall = time.perf_counter() - began
    for seat, start in zip(seats, before, strict=True):
        seat.idle_cpu_share = (cpu_time(seat.contender.web) - start).total_s / wall


async def one_round(plan: Plan, seat: Seat, per_s: int, events: int) -> Round:
    """Publish so many events to one audience and wait until all of it has them."""
    swarm, contender = seat.swarm, seat.contender
    viewers = len(swarm.viewers)
    expected = events * viewers
    swarm.forget()
    first, errors_before = seat.publisher.next_number, swarm.errors
    checkup = Checkup()
    checkup.start()
    starved, began = starved_s(contender.web), time.perf_counter()
    web, redis = cpu_time(contender.web), cpu_time(contender.redis)
    published = await seat.publisher.publish(events, per_s)
    await until(lambda: swarm.tally.events >= expected, plan.drain_within_s)
    # An event covers the time until the next one is due, also the last.
    await until(lambda: time.perf_counter() >= began + events / per_s, events / per_s + 1)
    web, redis = cpu_time(contender.web) - web, cpu_time(contender.redis) - redis
    seconds = time.perf_counter() - began
    starved = max(0.0, starved_s(contender.web) - starved)
    health = checkup.finish(
        sockets_open=swarm.tally.sockets_open, errors=swarm.errors - errors_before
    )
    await until(lambda: swarm.tally.events > expected, STRAGGLERS_WITHIN_S)
    testimony = hear(swarm.witnesses, first, events)
    return Round(
        contender=contender.name,
        viewers=viewers,
        per_s=per_s,
        events=events,
        delivered=swarm.tally.events,
        seconds=seconds,
        web=web,
        redis=redis,
        starved_s=starved,
        idle_cpu_share=seat.idle_cpu_share,
        frames=swarm.tally.messages,
        published=published,
        testimony=testimony,
        health=health,
        void=(
            *_faults(health, kept_up=seconds <= most_seconds(events, per_s)),
            *_why_void(seat, expected, published, testimony),
        ),
        late_us=array("q", (us for witness in swarm.witnesses for us in witness.late_us)),
    )


def _faults(health: Health, *, kept_up: bool) -> list[str]:
    """Why the generator spoils the round.

    A server behind its rate keeps so many sockets readable that one turn of the generator's loop
    is long. That spoils the latency, which is then not used anyway, and not the server's CPU.
    """
    return health.faults(
        cpu_share_max=GENERATOR_CPU_SHARE_MAX, lag_ms_max=LAG_MS_MAX if kept_up else math.inf
    )


def _why_void(seat: Seat, expected: int, published: Published, testimony: Testimony) -> list[str]:
    tally, viewers = seat.swarm.tally, seat.swarm.viewers
    found = []
    if published.refused:
        found.append(f"publishing was refused: {published.refused}")
    if tally.events != expected:
        found.append(f"delivered {tally.events} of {expected} events")
    elif len({viewer.events for viewer in viewers}) > 1:
        found.append("some viewers got more events than others")
    if testimony.missing or testimony.repeated or testimony.foreign or testimony.offset_gaps:
        found.append(f"witnesses disagree with what was published: {testimony}")
    if not seat.is_peer and testimony.orders > 1:
        found.append(f"viewers saw {testimony.orders} different orders")
    return found


@dataclass(frozen=True, slots=True)
class Cell:
    """All valid rounds of one contender in one room at one rate, pooled."""

    contender: str
    viewers: int
    per_s: int
    rounds: int
    void_rounds: int
    events: int
    delivered: int
    cpu_us: float  # web worker, per delivered event
    cpu_us_above_idle: float
    redis_cpu_us: float
    cpu_us_by_round: tuple[float, ...]
    system_share: float  # of the web worker's CPU time
    events_per_frame: float
    late_ms: Spread
    starved_share: float  # of the time; high: others used the core, latencies are too long
    kept_up: bool  # no backlog grew while events came in


def pool(rounds: Sequence[Round]) -> list[Cell]:
    """One cell for each contender, room and rate, in the order of their first round."""
    keys = dict.fromkeys((r.viewers, r.per_s, r.contender) for r in rounds)
    return [
        _pooled([r for r in rounds if (r.viewers, r.per_s, r.contender) == key]) for key in keys
    ]


def _pooled(rounds: Sequence[Round]) -> Cell:
    good = [r for r in rounds if not r.void]
    delivered = max(1, sum(r.delivered for r in good))
    web = sum(r.web.total_s for r in good)
    ticks = sum(r.web.user_s + r.web.system_s for r in good)
    idle = sum(r.idle_cpu_share * r.seconds for r in good)
    first = rounds[0]
    return Cell(
        contender=first.contender,
        viewers=first.viewers,
        per_s=first.per_s,
        rounds=len(good),
        void_rounds=len(rounds) - len(good),
        events=sum(r.events for r in good),
        delivered=sum(r.delivered for r in good),
        cpu_us=web * 1e6 / delivered,
        cpu_us_above_idle=max(0.0, web - idle) * 1e6 / delivered,
        redis_cpu_us=sum(r.redis.total_s for r in good) * 1e6 / delivered,
        cpu_us_by_round=tuple(r.cpu_us for r in good),
        system_share=sum(r.web.system_s for r in good) / ticks if ticks else 0.0,
        events_per_frame=delivered / max(1, sum(r.frames for r in good)),
        late_ms=Spread.of(us / 1000 for r in good for us in r.late_us),
        starved_share=sum(r.starved_s for r in good) / max(1e-9, sum(r.seconds for r in good)),
        kept_up=all(r.kept_up for r in good),
    )
