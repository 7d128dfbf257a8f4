"""What comes in: likes and comments one worker takes, and what one flooding viewer costs others.

Rates are open loop. A command counts as taken when its answer comes, whether it was accepted or
refused by a budget. For the flood, one audience is published to by turns: alone, and while one of
its members sends likes as fast as they are taken off its hands, never minding that it is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from loadtest.bench import fanout
from loadtest.bench.contenders import MARKER, ROOM, Contender, onair
from loadtest.bench.orders import Shop
from loadtest.bench.plan import Plan
from loadtest.bench.processes import Cores, CpuTime, cpu_time
from loadtest.bench.publisher import Publisher
from loadtest.bench.scene import late_generator, middle
from loadtest.buyers import Answers
from loadtest.health import Checkup, Health
from loadtest.speakers import OK, Flood, Speakers, comment, like
from loadtest.swarm import Crowd, Swarm
from loadtest.waiting import until

Progress = Callable[[str], None]
Meet = Callable[[Contender], None]
LIKES, COMMENTS = "likes", "comments"
BUDGETS = {OK, "error 429"}
JOINS_PER_S = 1_000


@dataclass(frozen=True, slots=True)
class InboundRound:
    """One kind of command at one rate. `void` says why it must not be used."""

    kind: str
    per_s: int
    answers: Answers
    web: CpuTime
    redis: CpuTime
    health: Health
    void: tuple[str, ...]

    @property
    def cpu_us(self) -> float:
        """The web worker's CPU µs per command."""
        return self.web.total_s * 1e6 / max(1, self.answers.sent)

    @property
    def accepted_per_s(self) -> float:
        return self.answers.outcomes.get(OK, 0) / max(1e-9, self.answers.seconds)


@dataclass(frozen=True, slots=True)
class FloodTurn:
    """The audience alone, and beside a flood."""

    alone: fanout.Round
    flooded: fanout.Round
    sent: int  # commands of the flood
    connections: int
    void: tuple[str, ...]

    @property
    def ratio(self) -> float:
        """The others' p99, against alone."""
        alone = self.alone.testimony.late_ms.p99
        return self.flooded.testimony.late_ms.p99 / alone if alone else 0.0

    @property
    def cpu_share(self) -> float:
        """How much more of its core the web worker used."""
        return (
            self.flooded.web.total_s / self.flooded.seconds
            - self.alone.web.total_s / self.alone.seconds
        )


@dataclass(slots=True)
class InboundFigures:
    """What the scenario found."""

    viewers: int
    rounds: list[InboundRound] = field(default_factory=list)
    floods: list[FloodTurn] = field(default_factory=list)

    @property
    def good_floods(self) -> list[FloodTurn]:
        return [turn for turn in self.floods if not turn.void]

    @property
    def flood_ratio(self) -> float:
        """Median over the turns of how the others' p99 changed."""
        return middle([turn.ratio for turn in self.good_floods])

    @property
    def is_complete(self) -> bool:
        return all(not each.void for each in self.rounds) and bool(self.good_floods)


async def measure(plan: Plan, cores: Cores, say: Progress, meet: Meet) -> InboundFigures:
    """Both parts, on one fresh server. Raises `ContenderFailed` if it does not start."""
    sizes = plan.crowds
    figures = InboundFigures(sizes.flood_viewers)
    with onair(cores) as contender:
        meet(contender)
        speakers = Speakers(contender.port, ROOM)
        try:
            shop = Shop(contender)
            tokens = await asyncio.to_thread(shop.tokens, sizes.inbound_speakers)
            await speakers.enter(tokens)
            for kind, rates, make in (
                (LIKES, sizes.inbound_likes_per_s, like(ROOM)),
                (COMMENTS, sizes.inbound_comments_per_s, comment(ROOM)),
            ):
                for per_s in rates:
                    say(f"inbound: {per_s} {kind}/s")
                    figures.rounds.append(
                        await _round(plan, contender, speakers, (kind, per_s, make))
                    )
        finally:
            await speakers.leave()
        figures.floods = await _floods(plan, contender, say)
    return figures


async def _round(
    plan: Plan,
    contender: Contender,
    speakers: Speakers,
    what: tuple[str, int, Callable[[int], bytes]],
) -> InboundRound:
    kind, per_s, make = what
    checkup = Checkup()
    checkup.start()
    web, redis = cpu_time(contender.web), cpu_time(contender.redis)
    answers = await speakers.say(make, round(per_s * plan.crowds.inbound_seconds), per_s)
    web, redis = cpu_time(contender.web) - web, cpu_time(contender.redis) - redis
    health = checkup.finish(sockets_open=len(speakers.speakers), errors=0)
    void = health.faults()
    if answers.unanswered:
        void.append(f"{answers.unanswered} of {answers.sent} commands got no answer")
    if strange := answers.outcomes.keys() - BUDGETS:
        void.append(f"answers that are no budget's: {', '.join(sorted(strange))}")
    return InboundRound(kind, per_s, answers, web, redis, health, tuple(void))


async def _floods(plan: Plan, contender: Contender, say: Progress) -> list[FloodTurn]:
    sizes = plan.crowds
    crowd = Crowd(contender.port, contender.dialect, MARKER.encode(), connect_per_s=JOINS_PER_S)
    swarm = Swarm(crowd)
    found = []
    try:
        await swarm.join(sizes.flood_viewers, witnesses=min(plan.witnesses, sizes.flood_viewers))
        if swarm.errors:
            raise RuntimeError(f"viewers cannot join: {dict(swarm.tally.errors)}")
        seat = fanout.Seat(contender, swarm, Publisher(contender))
        await until(lambda: False, plan.arrived_seconds, every_s=plan.arrived_seconds)
        for number in range(sizes.flood_turns):
            say(f"a flood beside {sizes.flood_viewers} viewers, turn {number + 1}")
            found.append(await _flood(plan, seat))
    finally:
        await swarm.leave()
    return found


async def _flood(plan: Plan, seat: fanout.Seat) -> FloodTurn:
    sizes = plan.crowds
    events = round(sizes.flood_events_per_s * sizes.flood_seconds)
    alone = await fanout.one_round(plan, seat, sizes.flood_events_per_s, events)
    flood = Flood(seat.contender.port, ROOM)
    flooded, _ = await asyncio.gather(
        fanout.one_round(plan, seat, sizes.flood_events_per_s, events),
        flood.pour(sizes.flood_seconds),
    )
    void = [*alone.void, *flooded.void, *late_generator(alone.health, flooded.health)]
    if not flood.sent:
        void.append("nothing was flooded")
    return FloodTurn(alone, flooded, flood.sent, flood.connections, tuple(void))
