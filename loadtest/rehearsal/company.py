"""How the crowd is shared out among Locust's processes, and how what they measured comes together.

One process plays everybody, or a master deals the people out to its workers, by number, and writes
what they send it: workers may run on machines that do not have the run's directory. The schedule is
the same either way.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import gevent
import websocket
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from loadtest.rehearsal import clock as server_clock
from loadtest.rehearsal import outcomes
from loadtest.rehearsal.plan import BadPlan, Plan
from loadtest.rehearsal.records import Attempt, Brief, Pulse, Sample, write_json
from loadtest.rehearsal.schedule import Person, ends_ms, part, people
from loadtest.rehearsal.users.clock import Clock, now_us
from loadtest.rehearsal.users.part import Part
from loadtest.rehearsal.users.recorder import Files, Recorder, Sink, packed, unpacked

DIRECTORY_VARIABLE: Final = "ONAIR_REHEARSAL_DIR"
T0_WITHIN_S: Final = 120.0  # for the director to say when the sale opens
LOOK_S: Final = 0.2
SETTLE_S: Final = 15.0  # at the end, for the last answers
DONE_WITHIN_S: Final = 30.0  # for the workers' last records
CHUNK_ROWS: Final = 2_000
DEALT, RECORDS, FINISH, DONE = (f"rehearsal.{what}" for what in ("part", "records", "end", "done"))
MILLISECONDS_PER_SECOND: Final = 1_000

_LOG: Final = logging.getLogger("onair.rehearsal")


class CannotRun(Exception):
    """The rehearsal cannot be played; the text says why."""


class RequestFailed(Exception):
    """What Locust's statistics show as a failure."""


class Company:
    """The crowd as one Locust process knows it. `part` is None in a master and before the start."""

    def __init__(self, environment: Environment, directory: Path | None) -> None:
        self._environment = environment
        self._directory = directory
        self._seats: list[str] = []
        self._files: dict[str, Files] = {}
        self._done: set[str] = set()
        self._tokens: list[tuple[str, str]] = []
        self.part: Part | None = None
        self.plan: Plan | None = None
        self.brief: Brief | None = None
        self.people: Sequence[Person] = ()
        self.playing = 0
        runner = environment.runner
        if isinstance(runner, MasterRunner):
            runner.register_message(RECORDS, self._on_records)
            runner.register_message(DONE, self._on_done)
        elif isinstance(runner, WorkerRunner):
            runner.register_message(DEALT, self._on_dealt)
            runner.register_message(FINISH, self._on_finish)

    # where the shape runs: alone, or the master

    @property
    def directory(self) -> Path:
        if self._directory is None:
            raise CannotRun(f"{DIRECTORY_VARIABLE} is not set")
        return self._directory

    def begin(self) -> int:
        """Wait until it is known when the sale opens; how many people come.

        Tells the director with `started.json` that it is waited for. Raises `CannotRun`.
        """
        try:
            self.plan = Plan.from_json(json.loads((self.directory / "plan.json").read_bytes()))
            tokens = json.loads((self.directory / "tokens.json").read_bytes())
            self._tokens = [(str(user), str(token)) for user, token in tokens]
        except (BadPlan, OSError, ValueError, TypeError) as error:
            raise CannotRun(f"plan.json or tokens.json: {error}") from None
        self.people = people(self.plan)
        needed = max(person.number for person in self.people) + 1
        if len(self._tokens) < needed:
            raise CannotRun(f"tokens.json has {len(self._tokens)} of {needed} tokens")
        write_json(self.directory / "started.json", {"at_us": now_us()})
        self.brief = self._awaited_brief()
        return len(self.people)

    def _awaited_brief(self) -> Brief:
        deadline_s = time.monotonic() + T0_WITHIN_S
        while time.monotonic() < deadline_s:
            brief = read_brief(self.directory / "brief.json")
            if Clock.of(brief.t0_ms, brief.clock_skew_ms).t0_us > now_us():
                return brief
            gevent.sleep(LOOK_S)
        raise CannotRun("brief.json does not say when the sale opens")

    @property
    def ends_us(self) -> int:
        assert self.plan is not None
        assert self.brief is not None
        return Clock.of(self.brief.t0_ms, self.brief.clock_skew_ms).at(ends_ms(self.plan))

    def seat(self, worker_ids: Sequence[str]) -> None:
        """Deal the people out: process k of n plays k, k + n, ... in the order of arrival."""
        assert self.plan is not None
        assert self.brief is not None
        self._seats, self._done = list(worker_ids), set()
        for number, worker_id in enumerate(worker_ids):
            mine = part(self.people, number, len(worker_ids))
            tokens = {each.number: self._tokens[each.number] for each in mine if each.number >= 0}
            if not isinstance(self._environment.runner, MasterRunner):
                self._play(self.plan, self.brief, mine, tokens, Files(self.directory, who(number)))
                return
            self._files[worker_id] = Files(self.directory, who(number))
            dealt = {
                "plan": self.plan.to_json(),
                "brief": asdict(self.brief),
                "number": number,
                "of": len(worker_ids),
                "tokens": list(tokens.items()),
                "machine": socket.gethostname(),
            }
            self._environment.runner.send_message(DEALT, dealt, worker_id)

    def finish(self) -> None:
        """All go home: wait, within bounds, for the last answers and the workers' records."""
        runner = self._environment.runner
        if not isinstance(runner, MasterRunner):
            self._settle()
            return
        runner.send_message(FINISH)
        deadline_s = time.monotonic() + DONE_WITHIN_S
        while self._is_waiting(runner) and time.monotonic() < deadline_s:
            gevent.sleep(LOOK_S)
        for worker_id in self._seats:
            if worker_id not in self._done:
                _LOG.error("worker %s did not finish", worker_id)
                self._files[worker_id].take([], [], Pulse(now_us(), 0.0, 0.0, 0, errors=1))
                self._files[worker_id].lost()

    def stopped(self) -> None:
        """The end, also an early one: what was measured is kept."""
        if self.part is not None:
            self.part.recorder.finish()

    def _is_waiting(self, runner: MasterRunner) -> bool:
        """Whether a worker that can still be heard of has not handed everything on."""
        heard_of = {node.id for node in runner.clients.all} - {
            node.id for node in runner.clients.missing
        }
        return bool(heard_of.intersection(self._seats) - self._done)

    def _on_records(self, environment: Environment, msg: Any, **_: Any) -> None:
        files = self._files.get(msg.node_id)
        if files is not None:
            files.take(*unpacked(msg.data))

    def _on_done(self, environment: Environment, msg: Any, **_: Any) -> None:
        self._done.add(msg.node_id)

    # where people are played: alone, or a worker

    def _on_dealt(self, environment: Environment, msg: Any, **_: Any) -> None:
        data = msg.data
        plan = Plan.from_json(data["plan"])
        brief = brief_of(data["brief"])
        mine = part(people(plan), data["number"], data["of"])
        tokens = {number: (user, token) for number, (user, token) in data["tokens"]}
        shift_us = 0
        if data["machine"] != socket.gethostname():
            token = next(iter(tokens.values()), ("", ""))[1]
            skew_ms = _own_skew_ms(brief, token)
            shift_us = round((skew_ms - brief.clock_skew_ms) * MILLISECONDS_PER_SECOND)
            brief = replace(brief, clock_skew_ms=skew_ms)
        self._play(plan, brief, mine, tokens, Messages(environment, shift_us))

    def _on_finish(self, environment: Environment, msg: Any, **_: Any) -> None:
        gevent.spawn(self._settle_and_tell)

    def _settle_and_tell(self) -> None:
        self._settle()
        runner = self._environment.runner
        assert runner is not None
        runner.send_message(DONE)

    def _play(
        self,
        plan: Plan,
        brief: Brief,
        mine: Sequence[Person],
        tokens: dict[int, tuple[str, str]],
        sink: Sink,
    ) -> None:
        recorder = Recorder(sink, self._fire)
        clock = Clock.of(brief.t0_ms, brief.clock_skew_ms)
        self.part = Part(plan, brief, tokens, recorder, clock)
        self.part.bring(mine)
        recorder.start()
        gc.collect()
        gc.freeze()  # what is here stays; looking through it again would be felt at T0

    def _settle(self) -> None:
        """Wait for who still waits for an answer, then hand on what is left."""
        if self.part is None:
            return
        deadline_s = time.monotonic() + SETTLE_S
        while self.playing and time.monotonic() < deadline_s:
            gevent.sleep(LOOK_S)
        self.part.recorder.finish()
        self.part.over.set()

    def _fire(self, kind: str, name: str, took_ms: float, outcome: str) -> None:
        """Locust's own statistics; they show, and prove nothing."""
        failed = RequestFailed(outcome) if outcomes.is_error(outcome) else None
        decided = outcome in outcomes.DECISIONS
        self._environment.events.request.fire(  # type: ignore[no-untyped-call]
            request_type=_TYPES[kind],
            name=f"{name} {outcome}" if decided else name,
            response_time=took_ms,
            response_length=0,
            exception=failed,
            context={},
        )


_TYPES: Final = {"connect": "WS", "rpc": "WS", "push": "WSR", "http": "HTTP"}


class Messages:
    """Sends records to the master, in pieces. `shift_us` makes instants the master's."""

    def __init__(self, environment: Environment, shift_us: int) -> None:
        self._environment = environment
        self._shift_us = shift_us

    def take(self, samples: list[Sample], attempts: list[Attempt], pulse: Pulse | None) -> None:
        shift_us = self._shift_us
        if shift_us:
            samples = [replace(s, intended_us=s.intended_us + shift_us) for s in samples]
            attempts = [_shifted(each, shift_us) for each in attempts]
            pulse = None if pulse is None else replace(pulse, at_us=pulse.at_us + shift_us)
        runner = self._environment.runner
        assert runner is not None
        for first in range(0, max(len(samples), len(attempts), 1), CHUNK_ROWS):
            last = first + CHUNK_ROWS
            piece = packed(samples[first:last], attempts[first:last], pulse)
            runner.send_message(RECORDS, piece)
            pulse = None


def _own_skew_ms(brief: Brief, token: str) -> float:
    """The server's clock less this machine's; the master's figure if it cannot be measured."""
    try:
        return server_clock.measure(brief.websocket_url, token).skew_ms
    except (OSError, websocket.WebSocketException) as error:
        _LOG.error("the server's clock cannot be asked: %s", error)
        return brief.clock_skew_ms


def _shifted(attempt: Attempt, shift_us: int) -> Attempt:
    return replace(
        attempt,
        intended_us=attempt.intended_us + shift_us,
        sent_us=attempt.sent_us + shift_us,
        done_us=attempt.done_us + shift_us if attempt.done_us else 0,
    )


def who(number: int) -> str:
    """The name of a process in the names of its files."""
    return f"locust-{number + 1}"


def run_directory() -> Path | None:
    """The run's directory, of which a worker on another machine knows nothing."""
    named = os.environ.get(DIRECTORY_VARIABLE, "")
    return Path(named) if named else None


def read_brief(path: Path) -> Brief:
    """Raises `CannotRun`."""
    try:
        return brief_of(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise CannotRun(f"{path}: {error}") from None


def brief_of(value: dict[str, Any]) -> Brief:
    return Brief(**value | {name: tuple(value.get(name, ())) for name in ("skus", "products")})
