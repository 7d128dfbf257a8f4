"""What a rehearsal found: the JSON of the report, and all that its HTML shows.

`version` counts changes that a reader would notice. Texts for people are a `Say`: a key into the
report's words with values, so that the report speaks both languages.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

from loadtest.rehearsal.records import DrillReport, Referee, Second, Step

VERSION: Final = 1


class Verdict(StrEnum):
    """The end of a rehearsal. The exit codes are 0, 0, 1 and 2."""

    GO = "go"
    GO_WITH_LIMITS = "go_with_limits"  # everything right, less headroom than wished for
    NO_GO = "no_go"
    VOID = "void"  # the generator was the bottleneck, or the run was cut short: it proves nothing

    @property
    def exit_code(self) -> int:
        return {Verdict.NO_GO: 1, Verdict.VOID: 2}.get(self, 0)


@dataclass(frozen=True, slots=True)
class Say:
    """A sentence: `key` names it in the report's words, `values` fill it.

    A value may be a sentence itself.
    """

    key: str
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Promised:
    """One line of promised against proved. `holds` is None where nothing was measured."""

    what: str  # viewers, orders, order_p99_ms, delivery_p99_ms, connect_p99_ms, ...
    promised: float
    proved: float
    unit: str
    holds: bool | None
    at_most: bool = True  # the proved value may not be above the promised one; else not below


@dataclass(frozen=True, slots=True)
class Invariant:
    """Something that must never be otherwise. `name` is stable, such as `never_oversold`."""

    name: str
    holds: bool
    checked: int  # how many things were looked at
    broken: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of raw samples, nearest rank, milliseconds."""

    count: int = 0
    p50: float = 0.0
    p90: float = 0.0
    p99: float = 0.0
    p999: float = 0.0
    most: float = 0.0


@dataclass(frozen=True, slots=True)
class SpikeSecond:
    """One second around T0, by the intended instant of what buyers did."""

    second: int  # -2, -1, 0, 1, ...
    attempts: int
    outcomes: dict[str, int]
    winners: Quantiles
    losers: Quantiles


@dataclass(frozen=True, slots=True)
class Spike:
    seconds: tuple[SpikeSecond, ...] = ()
    first_sold_ms: float | None = None  # after T0
    sold_out_ms: float | None = None
    longest_silence_ms: float = 0.0  # in the rush without any answer
    outcomes: dict[str, int] = field(default_factory=dict)
    winners: Quantiles = field(default_factory=Quantiles)
    losers: Quantiles = field(default_factory=Quantiles)


@dataclass(frozen=True, slots=True)
class Fairness:
    """Buyers in ten groups by when they pressed; the share of each that got something."""

    buckets: tuple[tuple[int, int], ...] = ()  # people, winners
    by_kind: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the watched viewers saw of the State and Chat lanes."""

    witnesses: int = 0
    events: int = 0
    gaps: int = 0
    repeats: int = 0
    disorder: int = 0
    latency: Quantiles = field(default_factory=Quantiles)


@dataclass(frozen=True, slots=True)
class GeneratorHealth:
    """One generator process over the whole run."""

    who: str
    cpu_p95: float
    lag_p99_ms: float
    late_starts: int
    errors: int
    sockets_most: int
    faults: tuple[Say, ...] = ()


@dataclass(frozen=True, slots=True)
class Advice:
    """A recommended setting and why."""

    setting: str
    value: str
    why: Say


@dataclass(frozen=True, slots=True)
class Findings:
    run: str
    title: str
    seed: int
    language: str
    began_at_ms: int
    ended_at_ms: int
    verdict: Verdict
    sentence: Say
    reasons: tuple[Say, ...]  # of a verdict that is not GO, the first limit first
    first_limit: str = ""  # order_latency, delivery_latency, ledger_lag, server_cpu, ...
    plan: dict[str, Any] = field(default_factory=dict)
    promised: tuple[Promised, ...] = ()
    environment: dict[str, Any] = field(default_factory=dict)
    generators: tuple[GeneratorHealth, ...] = ()
    timeline: tuple[Second, ...] = ()
    capacity: tuple[Step, ...] = ()
    knee: int = -1  # the last step that held; -1: none was searched for
    spike: Spike = field(default_factory=Spike)
    invariants: tuple[Invariant, ...] = ()
    books: dict[str, Any] = field(default_factory=dict)
    delivery: Delivery = field(default_factory=Delivery)
    fairness: Fairness = field(default_factory=Fairness)
    latency: dict[str, Quantiles] = field(default_factory=dict)  # by `kind name`
    errors: dict[str, int] = field(default_factory=dict)  # by `name outcome`
    drills: tuple[DrillReport, ...] = ()
    referee: Referee | None = None
    advice: tuple[Advice, ...] = ()
    sentences: dict[str, str] = field(default_factory=dict)  # the sentence in words, by language
    version: int = VERSION

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
