"""The part of the crowd that this process plays, and all it needs for that."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from gevent.event import Event

from loadtest.rehearsal.http import Api
from loadtest.rehearsal.plan import Plan
from loadtest.rehearsal.records import Brief
from loadtest.rehearsal.schedule import Person, ends_ms
from loadtest.rehearsal.users.clock import Clock, now_us
from loadtest.rehearsal.users.provider import Provider
from loadtest.rehearsal.users.recorder import Recorder

SQUEEZED_FROM_US: Final = 200_000  # arrivals whose instant is past begin so long after the start


@dataclass(slots=True)
class Part:
    """People by role, in the order in which they come. `over` is set when all go home."""

    plan: Plan
    brief: Brief
    tokens: dict[int, tuple[str, str]]  # by place in the list: user, token
    recorder: Recorder
    clock: Clock
    began_us: int = field(default_factory=now_us)
    provider: Provider = field(init=False)
    guests: int = 0  # who came by a link and are here just now
    over: Event = field(default_factory=Event)
    waiting: dict[str, deque[Person]] = field(default_factory=lambda: defaultdict(deque))

    def __post_init__(self) -> None:
        self.provider = Provider(self.brief.base_url, self.brief.webhook_secret)

    def bring(self, people: Iterable[Person]) -> None:
        for person in people:
            self.waiting[person.role].append(person)

    def next(self, role: str) -> Person | None:
        """Who is played next; None when everybody is."""
        people = self.waiting[role]
        return people.popleft() if people else None

    def token(self, person: Person) -> tuple[str, str]:
        """(user, token); both are empty for who has none."""
        return self.tokens.get(person.number, ("", ""))

    def arrives_us(self, person: Person) -> int:
        """When a person connects. If this process began late, arrivals are squeezed, in order."""
        first_ms = -(self.plan.phases.warm_s + self.plan.promise.arrive_s) * 1_000
        last_ms = -self.plan.phases.warm_s * 1_000
        first_us = max(self.clock.at(first_ms), self.began_us + SQUEEZED_FROM_US)
        last_us = max(self.clock.at(last_ms), first_us)
        share = (person.arrives_ms - first_ms) / max(1, last_ms - first_ms)
        return first_us + round(share * (last_us - first_us))

    @property
    def ends_us(self) -> int:
        return self.clock.at(ends_ms(self.plan))

    @property
    def api(self) -> Api:
        return Api(self.brief.base_url, self.brief.key)
