"""What a merchant promises for the big day, read from a TOML file and checked field by field.

A plan is what is rehearsed and what the verdict is measured against. Every amount has a bound;
`BadPlan` names the field.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Self

VIEWERS_MAX: Final = 200_000
ITEMS_MAX: Final = 50
UNITS_MAX: Final = 1_000_000
BUYERS_MAX: Final = 500_000
DRILLS_MAX: Final = 20
TEXT_CHARS_MAX: Final = 200
WEIGHTS_MAX: Final = 1_000_000
SKU_PATTERN: Final = "[A-Za-z0-9_-]{1,48}"
DRILLS: Final = (
    "kill_worker",
    "restart_redis",
    "stop_ledger",
    "cut_network",
    "slow_readers",
    "webhook_storm",
)
LANGUAGES: Final = ("zh-CN", "en")


class BadPlan(Exception):
    """A plan cannot be rehearsed; the text names the field and says why."""


@dataclass(frozen=True, slots=True)
class Item:
    """One sku of the shadow sale."""

    sku: str
    title: str
    stock: int
    price_minor: int
    per_user_max: int = 1


@dataclass(frozen=True, slots=True)
class Promise:
    """How many come and what they do, as the merchant expects it of the big day."""

    viewers: int = 1_000
    arrive_s: int = 20  # all viewers have come within this time
    comments_per_s: float = 5.0
    likes_per_s: float = 20.0
    shares_per_s: float = 1.0
    pins_per_minute: float = 6.0  # the host shows another product
    buyers_per_unit: float = 3.0  # people who want each unit
    rush_s: float = 3.0  # at and after T0, in which they press the button


@dataclass(frozen=True, slots=True)
class Buyers:
    """Shares of the buyers by what they do, as weights."""

    on_time: int = 60  # one order at T0, paid within seconds
    early: int = 10  # presses before T0, and again at T0
    impatient: int = 15  # presses again, with the same request id, when no answer comes at once
    abandoning: int = 10  # never pays: the unit comes back
    late: int = 5  # pays near the end of the hold
    bots: int = 0  # many orders a second, until refused


@dataclass(frozen=True, slots=True)
class Targets:
    """What must hold for a GO. Times run from the intended instant."""

    order_p99_ms: int = 1_000
    delivery_p99_ms: int = 1_000
    connect_p99_ms: int = 2_000
    ledger_lag_s: int = 10  # the longest the ledger may be behind
    errors_percent: float = 0.1  # of all requests; refusals by the rules are no errors
    recover_s: int = 15  # after each drill


@dataclass(frozen=True, slots=True)
class Phases:
    """Seconds of each part, after the viewers have come. Orders begin at T0, in `spike`."""

    warm_s: int = 15
    spike_s: int = 20
    settle_s: int = 20  # what is late is paid, holds run out, the ledger catches up
    hold_s: int = 10  # how long a unit is kept for who has not paid
    referee_s: int = 0  # of each of its rounds; 0: no referee


@dataclass(frozen=True, slots=True)
class Drill:
    """A fault on purpose. `at_s` counts from T0 and may be negative."""

    kind: str
    at_s: int
    seconds: int = 10
    percent: int = 10  # of the viewers, for slow_readers


@dataclass(frozen=True, slots=True)
class Finder:
    """The search for the knee: the plan times 1, 1 + step, ... until something gives."""

    step: float = 0.5
    steps_max: int = 12
    step_s: int = 15


@dataclass(frozen=True, slots=True)
class Generator:
    """How the load is made on the machine that makes it."""

    locust_workers: int = 1
    audience_processes: int = 1
    witnesses: int = 20  # viewers that check every event
    connect_per_s: int = 400


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole rehearsal. `Plan.from_json(plan.to_json())` is the plan again."""

    title: str
    items: tuple[Item, ...]
    seed: int = 1
    language: str = "zh-CN"  # of the report when it opens; both are in it
    promise: Promise = field(default_factory=Promise)
    buyers: Buyers = field(default_factory=Buyers)
    targets: Targets = field(default_factory=Targets)
    phases: Phases = field(default_factory=Phases)
    finder: Finder = field(default_factory=Finder)
    generator: Generator = field(default_factory=Generator)
    drills: tuple[Drill, ...] = ()

    @property
    def units(self) -> int:
        return sum(item.stock for item in self.items)

    @property
    def buyer_count(self) -> int:
        """How many people want to buy; at least one."""
        return max(1, round(self.units * self.promise.buyers_per_unit))

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a TOML file. Raises `BadPlan`, also when it cannot be read."""
        try:
            return cls.from_json(tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise BadPlan(f"{path}: {error}") from None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read a plan's tables. Unknown names are refused. Raises `BadPlan`."""
        rest = dict(value)
        made: dict[str, Any] = {
            name: _record(name, rest.pop(name), kind)
            for name, kind in _TABLES.items()
            if name in rest
        }
        for name, kind in _LISTS.items():
            if name in rest:
                made[name] = _records(name, rest.pop(name), kind)
        plan: Self = _record("", rest, cls, made)
        _check(plan)
        return plan

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


_TABLES: Final[dict[str, type]] = {
    "promise": Promise,
    "buyers": Buyers,
    "targets": Targets,
    "phases": Phases,
    "finder": Finder,
    "generator": Generator,
}

_LISTS: Final[dict[str, type]] = {"items": Item, "drills": Drill}

# name of the field: least and most
_BOUNDS: Final[dict[str, tuple[float, float]]] = {
    "seed": (0, 2**63 - 1),
    "items.stock": (1, UNITS_MAX),
    "items.price_minor": (1, 10**12),
    "items.per_user_max": (1, 1_000),
    "promise.viewers": (1, VIEWERS_MAX),
    "promise.arrive_s": (1, 3_600),
    "promise.comments_per_s": (0, 5_000),
    "promise.likes_per_s": (0, 50_000),
    "promise.shares_per_s": (0, 1_000),
    "promise.pins_per_minute": (0, 120),
    "promise.buyers_per_unit": (0.01, 10_000),
    "promise.rush_s": (0.1, 600),
    "targets.order_p99_ms": (1, 60_000),
    "targets.delivery_p99_ms": (1, 60_000),
    "targets.connect_p99_ms": (1, 60_000),
    "targets.ledger_lag_s": (1, 3_600),
    "targets.errors_percent": (0, 100),
    "targets.recover_s": (1, 600),
    "phases.warm_s": (1, 3_600),
    "phases.spike_s": (1, 3_600),
    "phases.settle_s": (1, 3_600),
    "phases.hold_s": (5, 3_600),
    "phases.referee_s": (0, 300),
    "drills.at_s": (-3_600, 3_600),
    "drills.seconds": (1, 600),
    "drills.percent": (1, 100),
    "finder.step": (0.05, 10),
    "finder.steps_max": (1, 100),
    "finder.step_s": (5, 600),
    "generator.locust_workers": (1, 64),
    "generator.audience_processes": (1, 64),
    "generator.witnesses": (1, 1_000),
    "generator.connect_per_s": (1, 10_000),
}


def _record(name: str, value: object, kind: type, made: Mapping[str, Any] | None = None) -> Any:
    if not isinstance(value, Mapping):
        raise BadPlan(f"{name}: must be a table")
    types = {each.name: each for each in fields(kind)}
    given = dict(made or {})
    for key, each in value.items():
        if key not in types:
            raise BadPlan(f"{_path(name, key)}: unknown; known are {', '.join(types)}")
        given[key] = _plain(_path(name, key), each, str(types[key].type))
    for key, field_ in types.items():
        if key not in given and field_.default is MISSING and field_.default_factory is MISSING:
            raise BadPlan(f"{_path(name, key)}: is missing")
    return kind(**given)


def _records(name: str, value: object, kind: type) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise BadPlan(f"{name}: must be a list of tables")
    return tuple(_record(f"{name}.{number}", each, kind) for number, each in enumerate(value))


def _plain(path: str, value: Any, kind: str) -> Any:
    """The value, if it is of that annotation."""
    if isinstance(value, bool):
        value = None
    if kind == "int" and isinstance(value, int):
        return value
    if kind == "float" and isinstance(value, int | float):
        return float(value)
    if kind == "str" and isinstance(value, str) and 0 < len(value.strip()) <= TEXT_CHARS_MAX:
        return value.strip()
    wanted = {
        "int": "a whole number",
        "float": "a number",
        "str": f"a text of 1 to {TEXT_CHARS_MAX} characters",
    }
    raise BadPlan(f"{path}: must be {wanted.get(kind, 'a table')}")


def _check(plan: Plan) -> None:
    for name, table in (("", plan), *((name, getattr(plan, name)) for name in _TABLES)):
        _bounded(name, name, table)
    for name in _LISTS:
        for number, record in enumerate(getattr(plan, name)):
            _bounded(name, f"{name}.{number}", record)
    if plan.language not in LANGUAGES:
        raise BadPlan(f"language: one of {', '.join(LANGUAGES)}")
    _check_items(plan.items)
    _check_drills(plan.drills)
    if plan.buyer_count > BUYERS_MAX:
        many = f"{plan.buyer_count:,} buyers in all, at most {BUYERS_MAX:,}"
        raise BadPlan(f"promise.buyers_per_unit: {many}")
    selling_s = plan.phases.spike_s + plan.phases.settle_s
    if plan.promise.rush_s > selling_s:
        raise BadPlan(f"promise.rush_s: at most {selling_s}, phases.spike_s + phases.settle_s")
    weights = asdict(plan.buyers).values()
    if min(weights) < 0 or not 0 < sum(weights) <= WEIGHTS_MAX:
        raise BadPlan("buyers: weights of 0 and more, and not all of them 0")


def _check_items(items: tuple[Item, ...]) -> None:
    if not 1 <= len(items) <= ITEMS_MAX:
        raise BadPlan(f"items: 1 to {ITEMS_MAX} of them")
    for number, item in enumerate(items):
        if re.fullmatch(SKU_PATTERN, item.sku) is None:
            raise BadPlan(f"items.{number}.sku: letters, digits, - and _, at most 48 of them")
    if len({item.sku for item in items}) < len(items):
        raise BadPlan("items: each sku once")


def _check_drills(drills: tuple[Drill, ...]) -> None:
    if len(drills) > DRILLS_MAX:
        raise BadPlan(f"drills: at most {DRILLS_MAX}")
    for number, drill in enumerate(drills):
        if drill.kind not in DRILLS:
            raise BadPlan(f"drills.{number}.kind: one of {', '.join(DRILLS)}")


def _bounded(name: str, path: str, record: object) -> None:
    for each in fields(record):  # type: ignore[arg-type]
        bounds = _BOUNDS.get(_path(name, each.name))
        if bounds is not None and not bounds[0] <= getattr(record, each.name) <= bounds[1]:
            raise BadPlan(f"{_path(path, each.name)}: {bounds[0]:g} to {bounds[1]:g}")


def _path(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key
