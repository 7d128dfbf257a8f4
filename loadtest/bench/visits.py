"""Visits: events recorded per second by one worker, and what they cost the fan-out beside them.

A batch counts as recorded when its page has the answer; a round also waits until SQL has counted
every event of it. For the cost, one audience is published to in turns: alone, and while pages tell
of their visits. What visits cost by themselves is measured in the same turns and taken off: what
remains is the fan-out's own.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from loadtest.bench import fanout
from loadtest.bench.contenders import MARKER, ROOM, Contender, running
from loadtest.bench.plan import Plan
from loadtest.bench.processes import Cores, CpuTime, cpu_time
from loadtest.bench.publisher import Publisher
from loadtest.buyers import Answers
from loadtest.swarm import Crowd, Swarm
from loadtest.visitors import BATCH_EVENTS, CARDS_SEEN, RECORDED, Pages
from loadtest.waiting import until

Progress = Callable[[str], None]
WRITTEN_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class VisitsRound:
    """One rate of events. `written_s`: from the first batch until SQL had counted everything."""

    per_s: int
    answers: Answers
    written_s: float
    worker_cpu: CpuTime
    counted: int  # cards seen, by the counters
    expected: int

    @property
    def events_per_s(self) -> float:
        return self.answers.per_s * BATCH_EVENTS

    @property
    def void(self) -> tuple[str, ...]:
        """Why the round must not be used."""
        recorded = self.answers.outcomes.get(RECORDED, 0)
        reasons = []
        if recorded < self.answers.sent:
            reasons.append(f"{self.answers.sent - recorded} of {self.answers.sent} not recorded")
        if self.counted != self.expected:
            reasons.append(f"SQL counted {self.counted} of {self.expected} cards")
        return tuple(reasons)


@dataclass(frozen=True, slots=True)
class Beside:
    """The fan-out's CPU µs per delivered event in one turn: alone, and with visits beside it."""

    alone_us: float
    beside_us: float  # what the visits cost by themselves is taken off
    visits_us: float  # per event told, by itself
    visits_per_s: float  # while the audience was published to
    void: tuple[str, ...]

    @property
    def ratio(self) -> float:
        return self.beside_us / self.alone_us if self.alone_us else 0.0


@dataclass(slots=True)
class VisitsFigures:
    """What the scenario found."""

    rounds: list[VisitsRound] = field(default_factory=list)
    beside: list[Beside] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """True if every rate and the cost have at least one valid round."""
        rates = {r.per_s for r in self.rounds}
        valid = {r.per_s for r in self.rounds if not r.void}
        return rates == valid and (not self.beside or any(not b.void for b in self.beside))

    @property
    def ratio(self) -> float | None:
        """Median over the turns of how many times the fan-out costs with visits beside it."""
        ratios = [b.ratio for b in self.beside if not b.void]
        return statistics.median(ratios) if ratios else None


async def measure(plan: Plan, cores: Cores, say: Progress) -> VisitsFigures:
    """Both parts. Raises `ContenderFailed` if the server does not start."""
    figures = VisitsFigures()
    with cores.shared() as free, running(free, "onair") as (contender,):
        pages = Pages(contender.port, ROOM)
        await pages.enter(plan.visits_pages)
        try:
            for per_s in plan.visits_per_s:
                for number in range(plan.visits_rounds):
                    say(f"visits, {per_s} events/s, round {number + 1}")
                    figures.rounds.append(await _round(plan, contender, pages, per_s))
        finally:
            await pages.leave()
    with running(cores, "onair") as (contender,):
        figures.beside = await _beside(plan, contender, say)
    return figures


async def _round(plan: Plan, contender: Contender, pages: Pages, per_s: int) -> VisitsRound:
    batches = round(per_s * plan.visits_seconds / BATCH_EVENTS)
    before = await asyncio.to_thread(_cards_counted, contender)
    used, began = cpu_time(contender.web), time.perf_counter()
    answers = await pages.tell(batches, per_s / BATCH_EVENTS)
    used = cpu_time(contender.web) - used
    expected, counted = batches * CARDS_SEEN, 0
    deadline = time.perf_counter() + WRITTEN_WITHIN_S
    while counted < expected and time.perf_counter() < deadline:
        counted = await asyncio.to_thread(_cards_counted, contender) - before
        await until(lambda: False, 0.05)
    return VisitsRound(
        per_s=per_s,
        answers=answers,
        written_s=time.perf_counter() - began,
        worker_cpu=used,
        counted=counted,
        expected=expected,
    )


async def _beside(plan: Plan, contender: Contender, say: Progress) -> list[Beside]:
    viewers, per_s = plan.visits_viewers, plan.visits_fanout_per_s
    swarm = Swarm(Crowd(contender.port, contender.dialect, MARKER.encode()))
    pages = Pages(contender.port, ROOM)
    found = []
    try:
        await swarm.join(viewers, witnesses=min(plan.witnesses, viewers))
        await pages.enter(plan.visits_pages)
        seat = fanout.Seat(contender, swarm, Publisher(contender))
        await until(lambda: False, plan.arrived_seconds, every_s=plan.arrived_seconds)
        for turn in range(plan.visits_turns):
            say(f"visits beside {viewers} viewers at {per_s} events/s, turn {turn + 1}")
            found.append(await _turn(plan, seat, pages))
    finally:
        await pages.leave()
        await swarm.leave()
    return found


async def _turn(plan: Plan, seat: fanout.Seat, pages: Pages) -> Beside:
    """Alone, visits by themselves, and both at once; each for the same time."""
    web, per_s = seat.contender.web, plan.visits_fanout_per_s
    seconds = plan.visits_seconds
    events, batches = (
        round(per_s * seconds),
        round(plan.visits_beside_per_s * seconds / BATCH_EVENTS),
    )
    batches_per_s = plan.visits_beside_per_s / BATCH_EVENTS
    alone = await fanout.one_round(plan, seat, per_s, events)
    used = cpu_time(web)
    told = await pages.tell(batches, batches_per_s)
    visits_s = (cpu_time(web) - used).total_s
    used = cpu_time(web)
    both, told_both = await asyncio.gather(
        fanout.one_round(plan, seat, per_s, events), pages.tell(batches, batches_per_s)
    )
    both_s = (cpu_time(web) - used).total_s
    void = [*alone.void, *both.void]
    for answers in (told, told_both):
        recorded = answers.outcomes.get(RECORDED, 0)
        if recorded < answers.sent:
            void.append(f"{answers.sent - recorded} of {answers.sent} batches not recorded")
    return Beside(
        alone_us=alone.cpu_us,
        beside_us=(both_s - visits_s) * 1e6 / max(1, both.delivered),
        visits_us=visits_s * 1e6 / (batches * BATCH_EVENTS),
        visits_per_s=told_both.per_s * BATCH_EVENTS,
        void=tuple(void),
    )


def _cards_counted(contender: Contender) -> int:
    """All cards seen that SQL has counted today. A blocking call."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{contender.port}/api/v1/visits/counters?room={ROOM}",
        headers=dict(contender.publish_headers),
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as answer:
        value: dict[str, Any] = json.load(answer)
    return sum(int(one["cards_seen"]) for one in value["counters"])
