"""This run beside the one before: better, worse or the same, by tolerances that have names. Pure.

Two runs of the same thing on the same machine are never equal. A figure has changed if it moved by
more than its tolerance, both as a share and in its own unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Change(StrEnum):
    BETTER = "better"
    WORSE = "worse"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """A smaller change is none. `share` of the earlier figure, `least` in the figure's unit."""

    share: float
    least: float


VIEWERS_TOLERANCE: Final = Tolerance(0.02, 1)
ORDERS_TOLERANCE: Final = Tolerance(0.05, 1)
LATENCY_TOLERANCE: Final = Tolerance(0.20, 10)  # ms; shared machines are no quieter than that
LAG_TOLERANCE: Final = Tolerance(0.20, 0.5)  # s
ERRORS_TOLERANCE: Final = Tolerance(0.0, 0.05)  # points of a percent
COUNT_TOLERANCE: Final = Tolerance(0.0, 0.0)  # what must be 0: each one counts
RECOVERY_TOLERANCE: Final = Tolerance(0.20, 1.0)  # s
CAPACITY_TOLERANCE: Final = Tolerance(0.10, 0.0)

# name: tolerance, whether less is better
_ROWS: Final[Mapping[str, tuple[Tolerance, bool]]] = {
    "viewers": (VIEWERS_TOLERANCE, False),
    "orders_per_s": (ORDERS_TOLERANCE, False),
    "order_p99_ms": (LATENCY_TOLERANCE, True),
    "delivery_p99_ms": (LATENCY_TOLERANCE, True),
    "connect_p99_ms": (LATENCY_TOLERANCE, True),
    "ledger_lag_s": (LAG_TOLERANCE, True),
    "errors_percent": (ERRORS_TOLERANCE, True),
    "delivery_gaps": (COUNT_TOLERANCE, True),
    "payments_refused": (COUNT_TOLERANCE, True),
    "recover_s": (RECOVERY_TOLERANCE, True),
}
BROKEN: Final = "invariants_broken"
CAPACITY: Final = "capacity_per_s"


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure of both runs."""

    what: str
    before: float
    now: float
    unit: str
    tolerance: Tolerance
    change: Change


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both runs. `differs` names what else changed: parts of the plan, of the machine."""

    run: str
    ended_at_ms: int
    verdict: str
    seed: int
    rows: tuple[Compared, ...] = ()
    plan_differs: tuple[str, ...] = ()
    machine_differs: tuple[tuple[str, str, str], ...] = ()  # what, before, now


def judge(before: float, now: float, tolerance: Tolerance, *, less_is_better: bool) -> Change:
    """Whether a figure moved, and in which direction."""
    moved = now - before
    if abs(moved) <= max(abs(before) * tolerance.share, tolerance.least):
        return Change.SAME
    return Change.BETTER if (moved < 0) == less_is_better else Change.WORSE


def compare(now: Mapping[str, Any], previous: Mapping[str, Any] | None) -> Comparison | None:
    """Compare the JSON of two findings; None without an earlier one, or if it cannot be read."""
    if not previous or "verdict" not in previous:
        return None
    return Comparison(
        run=str(previous.get("run", "")),
        ended_at_ms=int(_number(previous.get("ended_at_ms")) or 0),
        verdict=str(previous["verdict"]),
        seed=int(_number(previous.get("seed")) or 0),
        rows=tuple(_rows(now, previous)),
        plan_differs=tuple(_plan(now, previous)),
        machine_differs=tuple(_machine(now, previous)),
    )


def _rows(now: Mapping[str, Any], previous: Mapping[str, Any]) -> Iterable[Compared]:
    """Only what both have measured."""
    before, after = _proved(previous), _proved(now)
    for what, (tolerance, less) in _ROWS.items():
        if what in before and what in after:
            unit = after[what][1]
            pair = before[what][0], after[what][0]
            change = judge(*pair, tolerance, less_is_better=less)
            if what == "recover_s":
                change = _recovered(*pair, change)
            yield Compared(what, *pair, unit, tolerance, change)
    broken = _broken(previous), _broken(now)
    if None not in broken:
        earlier, later = float(broken[0] or 0), float(broken[1] or 0)
        change = judge(earlier, later, COUNT_TOLERANCE, less_is_better=True)
        yield Compared(BROKEN, earlier, later, "", COUNT_TOLERANCE, change)
    knees = _capacity(previous), _capacity(now)
    if knees[0] is not None and knees[1] is not None:
        change = judge(knees[0], knees[1], CAPACITY_TOLERANCE, less_is_better=False)
        yield Compared(CAPACITY, knees[0], knees[1], "1/s", CAPACITY_TOLERANCE, change)


def _recovered(before: float, now: float, change: Change) -> Change:
    """-1 stands for never."""
    if (before < 0) == (now < 0):
        return change
    return Change.BETTER if before < 0 else Change.WORSE


def _proved(findings: Mapping[str, Any]) -> dict[str, tuple[float, str]]:
    """By name: the figure and its unit, of what was measured."""
    found = {}
    for row in _list(findings.get("promised")):
        value = _number(row.get("proved"))
        if value is not None and row.get("holds") is not None:
            found[str(row.get("what"))] = (value, str(row.get("unit", "")))
    return found


def _broken(findings: Mapping[str, Any]) -> int | None:
    """How many invariants were broken; None if none was checked."""
    checked = _list(findings.get("invariants"))
    return sum(each.get("holds") is False for each in checked) if checked else None


def _capacity(findings: Mapping[str, Any]) -> float | None:
    """Orders a second at the knee."""
    steps, knee = _list(findings.get("capacity")), findings.get("knee")
    if not isinstance(knee, int) or not 0 <= knee < len(steps):
        return None
    return _number(steps[knee].get("answered_per_s"))


def _plan(now: Mapping[str, Any], previous: Mapping[str, Any]) -> list[str]:
    """The plan's fields that are not the same, the seed apart."""
    before, after = _flat(previous.get("plan")), _flat(now.get("plan"))
    names = sorted(before.keys() | after.keys())
    return [name for name in names if name != "seed" and before.get(name) != after.get(name)]


def _flat(plan: object) -> dict[str, object]:
    """One level of tables opened; lists are whole. JSON has no tuples."""
    found: dict[str, object] = {}
    for name, value in plan.items() if isinstance(plan, Mapping) else ():
        if isinstance(value, Mapping):
            found |= {f"{name}.{key}": each for key, each in value.items()}
        else:
            found[str(name)] = list(value) if isinstance(value, tuple) else value
    return found


def _machine(now: Mapping[str, Any], previous: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    """What else is another one, and so may be the reason."""
    before, after = _environment(previous), _environment(now)
    for name in before:
        if before[name] and after[name] and before[name] != after[name]:
            yield name, before[name], after[name]


def _environment(findings: Mapping[str, Any]) -> dict[str, str]:
    whole = findings.get("environment")
    whole = whole if isinstance(whole, Mapping) else {}
    server, generator = (
        value if isinstance(value := whole.get(name), Mapping) else {}
        for name in ("server", "generator")
    )
    return {
        "cpu": str(generator.get("cpu") or ""),
        "cpus": str(server.get("cpus") or server.get("cores") or ""),
        "workers": str(server.get("workers") or ""),
        "ledger_workers": str(server.get("ledger_workers") or ""),
        "durability": str(server.get("durability") or ""),
        "database": str(server.get("database") or ""),
        "redis": str(server.get("redis") or ""),
        "python": str(server.get("python") or ""),
        "commit": str(generator.get("commit") or ""),
        "same_machine": str(whole.get("same_machine", "")),
    }


def _list(value: object) -> list[Mapping[str, Any]]:
    if not isinstance(value, list | tuple):
        return []
    return [each for each in value if isinstance(each, Mapping)]


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None  # type: ignore[arg-type]
