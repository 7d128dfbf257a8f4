"""Readers who stop reading: what the others notice, what they cost, and how they come back.

Measured by turns on one server: an audience of which everybody reads, and the same one while a
part of it has stopped reading. The worker closes those as slow; then they read again, learn why,
and come back as the SDKs do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from loadtest.bench import fanout
from loadtest.bench.contenders import MARKER, ROOM, UNPACED, Contender, onair
from loadtest.bench.plan import Plan
from loadtest.bench.processes import Cores, rss_bytes
from loadtest.bench.publisher import Publisher
from loadtest.bench.scene import Laned, closes, late_generator, middle
from loadtest.dialects import Centrifuge
from loadtest.returning import Returning
from loadtest.swarm import Crowd, Swarm
from loadtest.waiting import until

Progress = Callable[[str], None]
Meet = Callable[[Contender], None]
SLOW = 3008
JOINS_PER_S = 1_000
RECEIVE_BYTES = 65_536
WAKE_WITHIN_S = 2.5  # well before the server gives up telling why it closed them
LOOK_S = 0.5
BACK_WITHIN_S = 30.0
DEFAULT_BUFFER_BYTES = 524_288
BUFFER_SETTING = "ONAIR_VIEWER_BUFFER_BYTES_MAX"


@dataclass(frozen=True, slots=True)
class Stopped:
    """What became of those who stopped reading in a turn."""

    count: int
    closed: int  # by the server, as slow
    told: int  # closes of which the code was read in the end; who comes back may be slow again
    closed_after_s: float  # from the stop until the server had closed all of them
    back_after_s: float  # from reading again until all were in the room
    behind: int  # how many did not get every event, when all was over


@dataclass(frozen=True, slots=True)
class Turn:
    """The others, while everybody reads and while a part does not."""

    before: fanout.Round
    during: fanout.Round
    stopped: Stopped
    rss_before: int  # bytes of the worker, highest while everybody read
    rss_during: int  # the same while a part did not
    void: tuple[str, ...]

    @property
    def ratio(self) -> float:
        """The others' p99, against when everybody reads."""
        before = self.before.testimony.late_ms.p99
        return self.during.testimony.late_ms.p99 / before if before else 0.0


@dataclass(slots=True)
class SlowFigures:
    """What the scenario found."""

    viewers: int
    slow: int
    events_per_s: int
    buffer_bytes_max: int
    turns: list[Turn] = field(default_factory=list)

    @property
    def good(self) -> list[Turn]:
        return [turn for turn in self.turns if not turn.void]

    @property
    def ratio(self) -> float:
        """Median over the turns of how the others' p99 changed."""
        return middle([turn.ratio for turn in self.good])

    @property
    def grown_bytes(self) -> int:
        """The most that a turn's slow readers added to the worker's memory."""
        return max((turn.rss_during - turn.rss_before for turn in self.good), default=0)

    @property
    def bound_bytes(self) -> int:
        """What they may add: a full buffer each."""
        return self.slow * self.buffer_bytes_max

    @property
    def is_complete(self) -> bool:
        return bool(self.good)


@dataclass(slots=True)
class _Stage:
    contender: Contender
    seat: fanout.Seat
    slow: Returning


async def measure(plan: Plan, cores: Cores, say: Progress, meet: Meet) -> SlowFigures:
    """One fresh server. Raises `ContenderFailed` if it does not start."""
    sizes = plan.crowds
    count = max(1, sizes.slow_viewers * sizes.slow_percent // 100)
    figures = SlowFigures(
        viewers=sizes.slow_viewers,
        slow=count,
        events_per_s=sizes.slow_events_per_s,
        buffer_bytes_max=int(sizes.slow_settings.get(BUFFER_SETTING, DEFAULT_BUFFER_BYTES)),
    )
    with onair(cores, {**UNPACED, **sizes.slow_settings}) as contender:
        meet(contender)
        dialect = Centrifuge(ROOM)
        crowd = Crowd(contender.port, dialect, MARKER.encode(), connect_per_s=JOINS_PER_S)
        swarm, slow = Swarm(crowd), Returning(crowd, dialect, receive_bytes=RECEIVE_BYTES)
        try:
            others = sizes.slow_viewers - count
            say(f"slow readers: {others} viewers who read, {count} who will stop")
            await swarm.join(others, witnesses=min(plan.witnesses, others))
            if not await slow.join(count) or swarm.errors:
                raise RuntimeError(f"viewers cannot join: {swarm.tally.errors or slow.refused}")
            laned = Laned.of(contender, pad_bytes=sizes.slow_event_bytes)
            stage = _Stage(contender, fanout.Seat(laned, swarm, Publisher(laned)), slow)
            for number in range(sizes.slow_turns):
                say(f"slow readers: {sizes.slow_events_per_s} events/s, turn {number + 1}")
                figures.turns.append(await _turn(plan, stage))
        finally:
            await slow.leave()
            await swarm.leave()
    return figures


async def _turn(plan: Plan, stage: _Stage) -> Turn:
    sizes, slow = plan.crowds, stage.slow
    events = round(sizes.slow_events_per_s * sizes.slow_seconds)
    due = 2 * events  # of the turn, for everybody
    seen = [each.events for each in slow.seats]
    told = _told(slow)
    before, watched_before = await _half(plan, stage, events)
    slow.read_nothing(slow.seats)
    during, watched = await _half(plan, stage, events, until_closed=True)
    await until(
        lambda: all(e.events - s >= due for e, s in zip(slow.seats, seen, strict=True)),
        BACK_WITHIN_S,
        every_s=0.05,
    )
    gaps = sum(e.events - s != due for e, s in zip(slow.seats, seen, strict=True))
    back_at_s = max(each.back_at_s for each in slow.seats)
    stopped = Stopped(
        count=len(slow.seats),
        closed=watched.closed,
        told=_told(slow) - told,
        closed_after_s=watched.closed_after_s,
        back_after_s=max(0.0, back_at_s - watched.read_again_at_s),
        behind=gaps,
    )
    void = [*before.void, *during.void, *_why_void(stopped)]
    void += late_generator(before.health, during.health)
    return Turn(before, during, stopped, watched_before.rss_most, watched.rss_most, tuple(void))


def _told(slow: Returning) -> int:
    """How many have read that they were closed as slow, so far."""
    return sum(times for why, times in slow.losses.items() if why.startswith(str(SLOW)))


def _why_void(stopped: Stopped) -> list[str]:
    found = []
    if stopped.closed < stopped.count:
        found.append(f"{stopped.closed} of {stopped.count} slow readers were closed in the turn")
    if stopped.told < stopped.count:
        found.append(f"{stopped.told} of {stopped.count} slow readers were told the code {SLOW}")
    if stopped.behind:
        found.append(f"{stopped.behind} slow readers did not get every event once")
    return found


@dataclass(frozen=True, slots=True)
class _Watched:
    rss_most: int
    closed: int
    closed_after_s: float
    read_again_at_s: float


async def _half(
    plan: Plan, stage: _Stage, events: int, *, until_closed: bool = False
) -> tuple[fanout.Round, _Watched]:
    """Publish to those who read, and look at the worker meanwhile."""
    over = asyncio.Event()
    watching = asyncio.create_task(_watch(stage, over, until_closed=until_closed))
    try:
        seen = await fanout.one_round(plan, stage.seat, plan.crowds.slow_events_per_s, events)
    finally:
        over.set()
        watched = await watching
    return seen, watched


async def _watch(stage: _Stage, over: asyncio.Event, *, until_closed: bool) -> _Watched:
    """Look at the worker until it is over; once it has closed all slow readers, they read again.

    They read again at the end whatever happened, and the looks cost the same in both halves.
    """
    slow, contender = stage.slow, stage.contender
    began = time.perf_counter()
    first = (await asyncio.to_thread(closes, contender))[SLOW]
    rss_most, closed, closed_after_s, read_again_at_s = 0, 0, 0.0, 0.0
    is_last = False
    while not is_last:
        is_last = over.is_set()
        rss_most = max(rss_most, rss_bytes(contender.web))
        closed = (await asyncio.to_thread(closes, contender))[SLOW] - first
        is_due = is_last or closed >= len(slow.seats)
        if until_closed and is_due and not read_again_at_s:
            slow.read_again(slow.seats, WAKE_WITHIN_S)
            read_again_at_s = time.perf_counter()
            closed_after_s = read_again_at_s - began
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), LOOK_S)
    return _Watched(rss_most, closed, closed_after_s, read_again_at_s)
