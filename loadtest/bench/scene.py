"""What scenarios with crowds have in common: their place in the report, events by lane, closes."""

from __future__ import annotations

import re
import statistics
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import orjson

from loadtest.bench.aims import MET, MISSED
from loadtest.bench.contenders import Contender
from loadtest.health import LAG_MS_MAX, Health

TAIL_LAG_MS_MAX = 50.0  # of the generator's loop, p99: more would be told of as the server's
METRIC = re.compile(r'^onair_closed_total\{[^}]*code="(\d+)"[^}]*\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Aim:
    """A figure and what we want it to be: at most `bound`, or at least."""

    what: str  # with its unit
    value: float
    bound: float
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def __str__(self) -> str:
        relation = "at least" if self.at_least else "at most"
        mark = MET if self.is_met else MISSED
        return f"{mark} {self.what}: {self.value:,.4g}, {relation} {self.bound:,.4g}"


@dataclass(frozen=True, slots=True)
class Scene:
    """One scenario's part of the report, finished. `aims` are those for its size; of a figure
    without a valid round there is none."""

    name: str
    is_complete: bool  # every figure asked for has at least one valid round
    void: tuple[str, ...]
    figures: dict[str, Any]  # plain values only
    tables: str
    aims: tuple[Aim, ...] = ()

    @property
    def text(self) -> str:
        return "\n".join((self.tables, *(f"  {aim}" for aim in self.aims)))

    def as_json(self) -> dict[str, Any]:
        """Plain values only."""
        return {**self.figures, "aims": [asdict(aim) | {"met": aim.is_met} for aim in self.aims]}


@dataclass(frozen=True, slots=True)
class Laned(Contender):
    """The same server; one event in `state_every` goes out in lane `state`, the rest in `chat`.

    0: none. Each event is `pad_bytes` bigger than a comment.
    """

    state_every: int = 0
    pad_bytes: int = 0

    @classmethod
    def of(cls, contender: Contender, *, state_every: int = 0, pad_bytes: int = 0) -> Self:
        same = {each.name: getattr(contender, each.name) for each in fields(Contender)}
        return cls(**same, state_every=state_every, pad_bytes=pad_bytes)

    def is_state(self, number: int) -> bool:
        """Which events are those of lane `state`, by their number."""
        return self.state_every > 0 and number % self.state_every == 0

    def body(self, event: Mapping[str, Any]) -> bytes:
        data = {**event, "pad": "x" * self.pad_bytes} if self.pad_bytes else event
        lane = "state" if self.is_state(event["n"]) else "chat"
        return orjson.dumps({**dict(self.envelope), "lane": lane, "data": data})


def closes(contender: Contender) -> Counter[int]:
    """How many connections the server has closed so far, by code. A blocking call."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{contender.port}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
    return Counter({int(code): int(float(number)) for code, number in METRIC.findall(text)})


def late_generator(*healths: Health) -> list[str]:
    """Why a turn does not count of which tails of latencies are compared, beside what makes any
    measurement void (`Health.faults`): the tail would be the generator's own."""
    return [
        f"generator's loop was late by {health.lag_ms.p99:.0f} ms (p99)"
        for health in healths
        if TAIL_LAG_MS_MAX < health.lag_ms.p99 <= LAG_MS_MAX
    ]


def middle(values: Sequence[float]) -> float:
    """The median; 0 of nothing."""
    return statistics.median(values) if values else 0.0
