"""What scenarios with crowds have in common: their place in the report, events by lane, closes."""

from __future__ import annotations

import re
import statistics
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import orjson

from loadtest.bench.contenders import Contender

METRIC = re.compile(r'^onair_closed_total\{[^}]*code="(\d+)"[^}]*\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Scene:
    """One scenario's part of the report, finished."""

    name: str
    is_complete: bool  # every figure asked for has at least one valid round
    void: tuple[str, ...]
    figures: dict[str, Any]  # plain values only
    text: str


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


def middle(values: Sequence[float]) -> float:
    """The median; 0 of nothing."""
    return statistics.median(values) if values else 0.0
