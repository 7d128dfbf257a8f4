"""A silent audience: thousands of viewers in one process, that come, watch, and come back.

`python -m loadtest.rehearsal.audience --dir RUN --who audience-1 --first N --count M` plays the
tokens N .. N + M - 1 of the run until it is told to stop (SIGTERM). It needs no server to be there:
it tries until there is one, and its files say whom it did not get in. One JSON line a second on
standard output, the same in `WHO.live.json`; samples, pulses and what its witnesses heard in the
files of `loadtest.rehearsal.records`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import resource
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import uvloop

from loadtest.health import Checkup
from loadtest.rehearsal.children import raise_open_files
from loadtest.rehearsal.notes import Notes
from loadtest.rehearsal.plan import BadPlan, Plan
from loadtest.rehearsal.records import Brief, Pulse, append_line, write_json, write_samples
from loadtest.rehearsal.seats import Door, Seat, Seats
from loadtest.rehearsal.witnesses import RoomWitness, Story, late_ms, summed

CANNOT_RUN: Final = 2  # exit code
FILES_WITHIN_S: Final = 120.0  # for the director to say when the sale opens
LEAVE_WITHIN_S: Final = 5.0
OTHER_FILES: Final = 100  # that a process has open beside its viewers
LOOK_S: Final = 0.1
SECOND_S: Final = 1.0
SQUEEZED_FROM_S: Final = 0.2  # if it starts late: from so long after its start
REASONS_MAX: Final = 20
SLOW_NOTE: Final = "slow-readers.json"  # by which a drill asks for slow readers


class CannotRun(Exception):
    """There is nothing to play; the text says why."""


@dataclass(frozen=True, slots=True)
class Slow:
    """Readers that stop reading: `percent` of the silent ones, at an instant, for so long."""

    at_us: int
    percent: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Part:
    """What this process plays of a run."""

    directory: Path
    who: str
    first: int
    count: int
    witnesses: int


def arrivals(plan: Plan, t0_us: int, who: str, count: int, now_us: int) -> list[int]:
    """When each viewer comes: one in each of equal parts of the time that the plan gives.

    If that has begun already, the rest of it; if it is over, all come now.
    """
    own = random.Random(f"{plan.seed} {who}")
    last_us = t0_us - plan.phases.warm_s * 1_000_000
    begin_us = last_us - plan.promise.arrive_s * 1_000_000
    if begin_us < now_us:
        begin_us = now_us + round(SQUEEZED_FROM_S * 1_000_000)
        last_us = max(begin_us, last_us)
    each_us = (last_us - begin_us) / max(1, count)
    return [begin_us + round((number + own.random()) * each_us) for number in range(count)]


def chosen(count: int, witnesses: int) -> set[int]:
    """Which of `count` viewers are witnesses: spread evenly over those who come."""
    wanted = min(count, witnesses)
    return {number * count // wanted for number in range(wanted)}


class Audience:
    """One process's viewers and the files it leaves."""

    def __init__(self, part: Part, over: asyncio.Event, files_max: int) -> None:
        self._part = part
        self._files_max = files_max
        self._over = over
        self._notes = Notes()
        self._checkup = Checkup()
        self._witnesses: list[RoomWitness] = []
        self._seats: Seats | None = None
        self._slow_last_us = 0
        self._slowed: list[Seat] = []
        self._trouble = ""
        self._frozen = False
        self._told_errors = self._told_bytes = self._told_events = 0

    async def play(self, slow: Slow | None) -> None:
        """Until `over`. `slow.at_us` counts from T0. Raises `CannotRun`."""
        self._checkup.start()
        try:
            plan, brief, tokens = await self._told()
        except TimeoutError:
            raise CannotRun(self._trouble) from None
        if brief is None:
            return
        self._seats = seats = self._made(plan, brief, tokens)
        t0_us = t0_of(brief)
        due = [] if slow is None else [Slow(t0_us + slow.at_us, slow.percent, slow.seconds)]
        keeping = asyncio.create_task(seats.keep())
        try:
            await self._seconds(seats, due)
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping
            await seats.leave(LEAVE_WITHIN_S)
            self._write(seats, is_last=True)

    async def _told(self) -> tuple[Plan, Brief | None, list[list[str]]]:
        """Wait for the files that say what is played; no brief if it was over before."""
        async with asyncio.timeout(FILES_WITHIN_S):
            while not self._over.is_set():
                try:
                    return read_files(self._part)
                except CannotRun as error:
                    self._trouble = str(error)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._over.wait(), LOOK_S)
        return Plan("", ()), None, []

    def _made(self, plan: Plan, brief: Brief, tokens: list[list[str]]) -> Seats:
        part, story = self._part, Story()
        watching = chosen(part.count, part.witnesses)
        instants = arrivals(plan, t0_of(brief), part.who, part.count, _now_us())
        seats = []
        for number, (instant_us, (user, token)) in enumerate(zip(instants, tokens, strict=True)):
            seat = Seat(part.first + number, user, token, instant_us)
            if number in watching:
                seat.witness = RoomWitness(user, story, self._notes.push, brief.clock_skew_ms)
                self._witnesses.append(seat.witness)
            seats.append(seat)
        per_s = plan.generator.connect_per_s / plan.generator.audience_processes
        door = Door.of(brief.websocket_url, brief.room)
        return Seats(
            door,
            seats,
            self._notes.sample,
            connect_per_s=per_s,
            sockets_max=self._files_max - OTHER_FILES,
        )

    # each second

    async def _seconds(self, seats: Seats, due: list[Slow]) -> None:
        while not self._over.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), SECOND_S)
            seats.drop_silent()
            for slow in self._slow_due(due):
                self._slow_down(seats, slow)
            self._write(seats)
            if not self._frozen and seats.joined == len(seats.seats):
                self._frozen = True  # who is here stays here: a collection need not look at them
                gc.collect()
                gc.freeze()

    def _slow_due(self, due: list[Slow]) -> Iterable[Slow]:
        now_us = _now_us()
        for slow in [each for each in due if each.at_us <= now_us]:
            due.remove(slow)
            yield slow
        with suppress(OSError, ValueError, KeyError, TypeError):
            value = json.loads((self._part.directory / SLOW_NOTE).read_bytes())
            slow = Slow(int(value["at_us"]), float(value["percent"]), float(value["seconds"]))
            if slow.at_us > self._slow_last_us:
                self._slow_last_us = slow.at_us
                yield slow

    def _slow_down(self, seats: Seats, slow: Slow) -> None:
        chosen = seats.slow_down(min(100.0, max(0.0, slow.percent)))
        self._slowed += chosen

        def speed_up() -> None:
            seats.speed_up(chosen)
            self._slowed = [seat for seat in self._slowed if seat.is_slow]

        asyncio.get_running_loop().call_later(slow.seconds, speed_up)

    def _write(self, seats: Seats, *, is_last: bool = False) -> None:
        """The samples, the pulse, what the witnesses heard, and what is shown."""
        directory, who, notes, tally = (
            self._part.directory,
            self._part.who,
            self._notes,
            seats.tally,
        )
        own = seats.own_errors + notes.lost
        health = self._checkup.finish(sockets_open=tally.sockets_open, errors=own)
        self._checkup.start()
        pulse = Pulse(
            at_us=_now_us(),
            cpu_share=round(health.cpu_share, 3),
            lag_ms=round(health.lag_ms.most, 1),
            sockets=tally.sockets_open,
            errors=own - self._told_errors,
            late_starts=notes.late_starts,
        )
        self._told_errors, notes.late_starts = own, 0
        samples = notes.taken()
        if samples:
            write_samples(directory / f"samples-{who}.csv", samples)
        append_line(directory / f"health-{who}.jsonl", pulse)
        write_json(directory / f"witness-{who}.json", self._testimony(seats, is_last=is_last))
        self._show(seats, pulse)

    def _testimony(self, seats: Seats, *, is_last: bool) -> dict[str, Any]:
        return {
            "viewers": len(seats.seats),
            "in_room": seats.joined,
            "came": sum(seat.came_before for seat in seats.seats),
            "skips": seats.tally.skips,  # of all viewers, not of the witnesses only
            "sent_away": sum(seat.is_away for seat in seats.seats),
            "refused": dict(seats.refused.most_common(REASONS_MAX)),
            "closes": dict(seats.losses.most_common(REASONS_MAX)),
            "trouble": next(iter(seats.refused), "") if not seats.joined else "",
            **summed(self._witnesses),
            **({"late_ms": asdict(late_ms(self._witnesses))} if is_last else {}),
        }

    def _show(self, seats: Seats, pulse: Pulse) -> None:
        tally = seats.tally
        line = {
            "who": self._part.who,
            "at_us": pulse.at_us,
            "viewers": seats.joined,
            "events": tally.events - self._told_events,
            "bytes": tally.bytes - self._told_bytes,
            "errors": sum(seats.refused.values()),
            "lag_ms": pulse.lag_ms,
            "cpu_share": pulse.cpu_share,
            "slow": len(self._slowed),
            "skips": tally.skips,
            "behind": seats.behind(),
            "heard": summed(self._witnesses),
        }
        self._told_events, self._told_bytes = tally.events, tally.bytes
        live = self._part.directory / f"{self._part.who}.live.json"
        write_json(live, {**line, "seconds": list(self._notes.seconds)})
        print(json.dumps(line), flush=True)


def read_files(part: Part) -> tuple[Plan, Brief, list[list[str]]]:
    """The plan, the brief, and the tokens of this part. Raises `CannotRun`."""
    try:
        plan = Plan.from_json(json.loads((part.directory / "plan.json").read_bytes()))
        told = json.loads((part.directory / "brief.json").read_bytes())
        brief = Brief(**told | {name: tuple(told.get(name, ())) for name in ("skus", "products")})
        tokens = json.loads((part.directory / "tokens.json").read_bytes())
        Door.of(brief.websocket_url, brief.room)
    except (OSError, ValueError, TypeError, AttributeError, BadPlan) as error:
        raise CannotRun(f"{part.directory}: {error}") from None
    if not brief.t0_ms:
        raise CannotRun("brief.json does not say when the sale opens")
    mine = tokens[part.first : part.first + part.count]
    if len(mine) < part.count:
        raise CannotRun(f"tokens.json has {len(tokens)} of {part.first + part.count} tokens")
    return plan, brief, mine


def t0_of(brief: Brief) -> int:
    """When the sale opens, in microseconds of this machine's clock."""
    return round((brief.t0_ms - brief.clock_skew_ms) * 1_000)


def _now_us() -> int:
    return time.time_ns() // 1_000


async def _attend(part: Part, slow: Slow | None, files_max: int) -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    await Audience(part, over, files_max).play(slow)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.rehearsal.audience")
    parser.add_argument("--dir", type=Path, required=True, help="the directory of the run")
    parser.add_argument("--who", required=True, help="name of this process in names of files")
    parser.add_argument("--first", type=int, required=True, help="place of its first token")
    parser.add_argument("--count", type=int, required=True, help="how many viewers")
    parser.add_argument("--witnesses", type=int, default=0, help="viewers that check every event")
    parser.add_argument("--slow-percent", type=float, default=0, help="viewers that stop reading")
    parser.add_argument("--slow-at", type=float, default=0, help="seconds after T0")
    parser.add_argument("--slow-for", type=float, default=10, help="seconds")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 whatever the server did; 2 if there was nothing to play."""
    asked = _arguments(arguments)
    part = Part(asked.dir, asked.who, asked.first, asked.count, asked.witnesses)
    slow = None
    if asked.slow_percent > 0:
        slow = Slow(round(asked.slow_at * 1_000_000), asked.slow_percent, asked.slow_for)
    files_max = raise_open_files()
    if files_max == resource.RLIM_INFINITY:
        files_max = part.count + 2 * OTHER_FILES
    try:
        uvloop.run(_attend(part, slow, files_max))
    except CannotRun as error:
        print(error, file=sys.stderr)
        return CANNOT_RUN
    return 0


if __name__ == "__main__":
    sys.exit(main())
