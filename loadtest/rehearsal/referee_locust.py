"""The referee's rounds for Locust: the users' own client, each order at its instant.

`REFEREE_ROUND=ROUND.json python -m locust -f loadtest/rehearsal/referee_locust.py --headless -u N`,
with as many users as the round has tokens.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, Final

import gevent.pool
import orjson
from gevent.event import Event
from locust import User, events, task
from locust.env import Environment

from loadtest.rehearsal.outcomes import is_error
from loadtest.rehearsal.records import UNKNOWN, write_json
from loadtest.rehearsal.referee import (
    ANSWER_WITHIN_S,
    BEGIN_AFTER_S,
    ROUND_VARIABLE,
    START_WITHIN_S,
    Played,
    Round,
)
from loadtest.rehearsal.users.client import Door, Line, NoAnswer
from loadtest.rehearsal.users.clock import now_us, wait_until
from loadtest.rehearsal.users.recorder import outcome_of
from loadtest.samples import Spread

CANNOT_RUN: Final = 3
AT_ONCE_MAX: Final = 50  # orders of one buyer that wait for their answers

os.environ["no_proxy"] = "*"


class OrderFailed(Exception):
    """What Locust's statistics show as a failure."""


class Table:
    """The round as all users of this process share it."""

    def __init__(self, one: Round, environment: Environment) -> None:
        self.round = one
        self.sockets = 0
        self.began = Event()
        self.over = Event()
        self.begin_us = 0
        self._environment = environment
        self._ready = 0
        self._all_ready = Event()
        self._took_us: list[int] = []
        self._late_us: list[int] = []
        self._outcomes: Counter[str] = Counter()
        self._ended = 0
        self._all_ended = Event()

    def failed(self, greenlet: Any) -> None:
        """A mistake in a greenlet of a line: its orders stay unanswered."""

    def told(self, name: str, intended_us: int, begun_us: int, done_us: int, outcome: str) -> None:
        """Connects are not what is refereed."""

    def ready(self) -> None:
        self._ready += 1
        if self._ready == len(self.round.tokens):
            self._all_ready.set()

    def answered(self, intended_us: int, begun_us: int, done_us: int, outcome: str) -> None:
        self._late_us.append(max(0, begun_us - intended_us))
        self._outcomes[outcome] += 1
        took_us = done_us - intended_us
        if outcome != UNKNOWN:
            self._took_us.append(took_us)
        self._environment.events.request.fire(  # type: ignore[no-untyped-call]
            request_type="WS",
            name=f"order.place {outcome}",
            response_time=took_us / 1_000,
            response_length=0,
            exception=OrderFailed(outcome) if is_error(outcome) else None,
            context={},
        )

    def ended(self) -> None:
        self._ended += 1
        if self._ended == len(self.round.tokens):
            self._all_ended.set()

    def play(self) -> None:
        """From everybody's arrival to the result, then Locust ends."""
        runner = self._environment.runner
        assert runner is not None
        if not self._all_ready.wait(START_WITHIN_S):
            print(f"{self._ready} of {len(self.round.tokens)} buyers signed in")
            self._environment.process_exit_code = CANNOT_RUN
            runner.quit()
            return
        self.begin_us = now_us() + round(BEGIN_AFTER_S * 1_000_000)
        wait_until(self.begin_us - 10_000)
        used_s, began_s = time.process_time(), time.perf_counter()
        self.began.set()
        self._all_ended.wait(self.round.count / self.round.per_s + ANSWER_WITHIN_S)
        unanswered = self._outcomes.pop(UNKNOWN, 0)
        told = sum(self._outcomes.values())
        played = Played(
            took_ms=[us / 1_000 for us in self._took_us],
            late_p99_ms=Spread.of(us / 1_000 for us in self._late_us).p99,
            outcomes=dict(self._outcomes),
            unanswered=max(unanswered, self.round.count - told),
            cpu_s=time.process_time() - used_s,
            seconds=time.perf_counter() - began_s,
        )
        write_json(Path(self.round.result), asdict(played))
        self._environment.process_exit_code = 0
        self.over.set()
        runner.quit()


class Buyer(User):
    """Buyer k of n places the orders k, k + n, ... without waiting for answers."""

    table: ClassVar[Table]
    numbers: ClassVar[count[int]] = count()

    @task
    def live(self) -> None:
        table, number = self.table, next(self.numbers)
        one = table.round
        if number >= len(one.tokens):
            table.over.wait()
            return
        line = Line(Door(one.websocket_url, one.tokens[number][1]), sockets=table, told=table.told)
        line.start(now_us())
        if line.is_ready(START_WITHIN_S):
            table.ready()
        table.began.wait()
        pool = gevent.pool.Pool(AT_ONCE_MAX)
        for order in range(number, one.count, len(one.tokens)):
            intended_us = table.begin_us + round(order / one.per_s * 1_000_000)
            wait_until(intended_us)
            pool.spawn(self._place, line, order, intended_us)
        pool.join()
        table.ended()
        table.over.wait()
        line.close()

    def _place(self, line: Line, order: int, intended_us: int) -> None:
        one = self.table.round
        data = {"sale": one.sale, "sku": one.sku, "qty": 1, "request_id": f"{one.sale}-{order}"}
        begun_us = now_us()
        try:
            answer = line.ask("order.place", orjson.dumps(data))
        except NoAnswer:
            self.table.answered(intended_us, begun_us, now_us(), UNKNOWN)
            return
        code, result = answer.read()
        outcome = str(result.get("outcome", "")) if code == 0 else outcome_of(code)
        self.table.answered(intended_us, begun_us, answer.heard_us, outcome)


@events.init.add_listener  # type: ignore[untyped-decorator]
def on_init(environment: Environment, **_: Any) -> None:
    Buyer.table = Table(Round.read(Path(os.environ[ROUND_VARIABLE])), environment)


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def on_test_start(environment: Environment, **_: Any) -> None:
    gevent.spawn(Buyer.table.play)
