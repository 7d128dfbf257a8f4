"""What everybody of the crowd can do: come, ask at an instant, be timed from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import gevent.pool
import orjson

from loadtest.rehearsal.records import UNKNOWN
from loadtest.rehearsal.schedule import Act, Person
from loadtest.rehearsal.users.client import Answer, Door, Hears, Line, NoAnswer
from loadtest.rehearsal.users.clock import now_us, wait_until
from loadtest.rehearsal.users.part import Part
from loadtest.rehearsal.users.recorder import outcome_of

AT_ONCE_MAX: Final = 20  # acts of one person that wait for their answers at the same time


class Player:
    """One person, played by this process."""

    __slots__ = ("_acting", "line", "part", "person", "user")

    def __init__(self, part: Part, person: Person, *, room: bool, hears: Hears | None = None):
        self.part = part
        self.person = person
        self.user, token = part.token(person)
        door = Door(part.brief.websocket_url, token, part.brief.room if room else "")
        self.line = Line(door, sockets=part.recorder, told=self._connected, hears=hears)
        self._acting: Any = None

    def _connected(
        self, name: str, intended_us: int, begun_us: int, done_us: int, outcome: str
    ) -> None:
        record = self.part.recorder.sample
        record("connect", name, intended_us, begun_us, done_us, outcome, self.user)

    def arrive(self) -> None:
        """Connect at the instant of the schedule, and go on without waiting for it."""
        intended_us = self.part.arrives_us(self.person)
        wait_until(intended_us)
        self.line.start(intended_us)

    def leave(self) -> None:
        if self._acting is not None:
            self._acting.kill(block=False)
        self.line.close()

    def ask(
        self, method: str, data: Mapping[str, Any], intended_us: int, *, again: bool = False
    ) -> tuple[str, dict[str, Any], Answer | None]:
        """A procedure whose outcome is ok or an error: outcome, result, answer. Is sampled.

        What is asked again is timed from when it was first meant to be, and is no late start.
        """
        begun_us = intended_us if again else now_us()
        outcome, result, answer = self._asked(method, data)
        done_us = now_us() if answer is None else answer.heard_us
        record = self.part.recorder.sample
        record("rpc", method, intended_us, begun_us, done_us, outcome, self.user)
        return outcome, result, answer

    def _asked(
        self, method: str, data: Mapping[str, Any]
    ) -> tuple[str, dict[str, Any], Answer | None]:
        try:
            answer = self.line.ask(method, orjson.dumps(data))
        except NoAnswer:
            return UNKNOWN, {}, None
        code, result = answer.read()
        return outcome_of(code), result, answer

    def act(self, play: Callable[[Act, int], None]) -> None:
        """Begin every act of the schedule at its instant, whether or not others are answered."""
        self._acting = gevent.pool.Pool(AT_ONCE_MAX)
        for act in self.person.acts:
            intended_us = self.part.clock.at(act.at_ms)
            wait_until(intended_us)
            self._acting.spawn(play, act, intended_us).link_exception(self.part.recorder.failed)
        self._acting.join()
