"""All that the directory of a rehearsal holds, read once: for whoever must decide what it proves.

A file that is missing or torn is told, with its name, and the rest is read all the same.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from loadtest.rehearsal.findings import Say
from loadtest.rehearsal.plan import BadPlan, Plan
from loadtest.rehearsal.records import (
    Attempt,
    Brief,
    DrillReport,
    Pulse,
    Referee,
    Sample,
    Second,
    Step,
    parsed,
    record_of,
    sample_of,
)

Record = TypeVar("Record")
Value = TypeVar("Value")

_BUILTINS: Final[dict[str, tuple[type, ...]]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "dict": (dict,),
    "tuple": (tuple,),
    "bool": (bool,),
}
_INNER: Final[dict[str, type]] = {"dict[str, int]": int, "tuple[str, ...]": str}


@dataclass(frozen=True, slots=True)
class LedgerOrder:
    """One line of an order as the ledger has it. Instants by the server's clock."""

    id: str
    line: int
    sale: str
    user: str
    state: str
    sku: str
    qty: int
    amount_minor: int  # of the whole order
    payment: str
    request_id: str
    placed_ms: int
    reserved_ms: int | None
    expires_ms: int | None
    paid_ms: int | None
    changed_ms: int | None

    @classmethod
    def of(cls, row: Mapping[str, str]) -> LedgerOrder:
        """Read a row of `orders.csv`. Raises `ValueError` if it is not whole."""
        try:
            placed = _instant(row["placed_at"])
            if placed is None:
                raise ValueError("placed_at is empty")
            return cls(
                id=row["order"],
                line=int(row["line"]),
                sale=row["sale"],
                user=row["user"],
                state=row["state"],
                sku=row["sku"],
                qty=int(row["qty"]),
                amount_minor=int(row["order_amount_minor"]),
                payment=row["payment"],
                request_id=row["request_id"],
                placed_ms=placed,
                reserved_ms=_instant(row["reserved_at"]),
                expires_ms=_instant(row["expires_at"]),
                paid_ms=_instant(row["paid_at"]),
                changed_ms=_instant(row["changed_at"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(str(error)) from None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found. `gaps` says which files were missing or torn.

    None stands for a file that could not be read; a list may lack the lines that were torn.
    """

    plan: Plan | None = None
    brief: Brief | None = None
    attempts: tuple[Attempt, ...] = ()
    history_whole: bool = False  # every purchase that was tried is among the attempts
    samples: Mapping[str, list[Sample]] = field(default_factory=dict)  # by generator
    pulses: Mapping[str, list[Pulse]] = field(default_factory=dict)
    testimonies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    timeline: tuple[Second, ...] = ()
    orders: tuple[LedgerOrder, ...] | None = None
    books: Mapping[str, Any] | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)
    drills: tuple[DrillReport, ...] = ()
    steps: tuple[Step, ...] = ()
    referee: Referee | None = None
    gaps: tuple[Say, ...] = ()

    @property
    def t0_us(self) -> int:
        """When the sale opened, by the generator's clock; 0 if it never did."""
        if self.brief is None or self.brief.t0_ms == 0:
            return 0
        return round((self.brief.t0_ms - self.brief.clock_skew_ms) * 1_000)


def read(directory: Path) -> Evidence:
    """Read a run. Never raises for what is in the files, only tells it in `gaps`."""
    reader = _Reader(directory)
    plan = reader.whole("plan.json", _plan)
    attempts, history_whole = reader.lines("orders-*.jsonl", Attempt)
    environment = reader.whole("environment.json", _mapping) or {}
    lost = reader.lost(environment)
    drilled = plan is not None and bool(plan.drills)
    return Evidence(
        plan=plan,
        brief=reader.whole("brief.json", lambda value: _single(Brief, value)),
        attempts=tuple(attempts),
        history_whole=history_whole and not any(who.startswith("locust") for who in lost),
        samples=reader.samples(),
        pulses=reader.by_who("health-*.jsonl", Pulse),
        testimonies=reader.testimonies(),
        timeline=tuple(reader.lines("timeline.jsonl", Second)[0]),
        orders=reader.orders("ledger-orders.csv"),
        books=reader.whole("books.json", _mapping),
        environment=environment,
        drills=tuple(reader.lines("drills.jsonl", DrillReport, needed=drilled)[0]),
        steps=tuple(reader.lines("steps.jsonl", Step, needed=False)[0]),
        referee=reader.whole("referee.json", lambda value: _single(Referee, value), needed=False),
        gaps=tuple(reader.gaps),
    )


class _Reader:
    """Reads files of one directory and remembers what was wrong with them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.gaps: list[Say] = []

    def whole(
        self, name: str, parse: Callable[[Any], Value], *, needed: bool = True
    ) -> Value | None:
        path = self._directory / name
        try:
            return parse(parsed(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            if needed:
                self._missing(name)
        except (OSError, ValueError, BadPlan) as error:
            self._torn(name, error)
        return None

    def lines(
        self, pattern: str, kind: type[Record], *, needed: bool = True
    ) -> tuple[list[Record], bool]:
        """All records of the files that match, and whether nothing was missing or torn."""
        before = len(self.gaps)
        found = [each for _, each in self._records(pattern, kind, needed=needed)]
        return found, len(self.gaps) == before

    def by_who(self, pattern: str, kind: type[Record]) -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = {}
        for who, each in self._records(pattern, kind, needed=True):
            found.setdefault(who, []).append(each)
        return found

    def samples(self) -> dict[str, list[Sample]]:
        found: dict[str, list[Sample]] = {}
        for path in self._files("samples-*.csv"):
            rows = found.setdefault(_who(path), [])
            self._rows(path, lambda row, rows=rows: rows.append(sample_of(row)))  # type: ignore[misc]
        return found

    def orders(self, name: str) -> tuple[LedgerOrder, ...] | None:
        path, rows = self._directory / name, list[LedgerOrder]()
        if not path.exists():
            self._missing(name)
            return None
        is_whole = self._rows(path, lambda row: rows.append(LedgerOrder.of(row)))
        return tuple(rows) if is_whole else None

    def lost(self, environment: Mapping[str, Any]) -> set[str]:
        """Generators that did not hand over all that they recorded; each is a gap.

        Those that ended otherwise than they should, and those that Locust's master heard no more
        of.
        """
        exits = environment.get("exits")
        ended = exits.items() if isinstance(exits, Mapping) else ()
        found = {str(who) for who, code in ended if code != 0}
        found |= {_who(path) for path in self._files("lost-*.json", needed=False)}
        self.gaps += [Say("void.generator_lost", {"who": who}) for who in sorted(found)]
        return found

    def testimonies(self) -> dict[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = {}
        for path in self._files("witness-*.json"):
            value = self.whole(path.name, _mapping)
            if value is not None:
                found[_who(path)] = value
        return found

    def _records(
        self, pattern: str, kind: type[Record], *, needed: bool
    ) -> Iterator[tuple[str, Record]]:
        for path in self._files(pattern, needed=needed):
            try:
                text = path.read_text(encoding="utf-8")
            except (OSError, ValueError) as error:
                self._torn(path.name, error)
                continue
            for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
                try:
                    yield _who(path), _typed(record_of(kind, line))
                except ValueError as error:
                    self._torn(path.name, f"line {number}: {error}")

    def _rows(self, path: Path, take: Callable[[Mapping[str, str]], object]) -> bool:
        """Give each row of a CSV file to `take`. False if one was torn."""
        number = 0
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                for row in csv.DictReader(file):
                    number += 1
                    take(row)
        except (OSError, ValueError, csv.Error) as error:
            self._torn(path.name, f"row {number}: {error}")
            return False
        return True

    def _files(self, pattern: str, *, needed: bool = True) -> list[Path]:
        found = sorted(self._directory.glob(pattern))
        if needed and not found:
            self._missing(pattern)
        return found

    def _missing(self, name: str) -> None:
        self.gaps.append(Say("void.file_missing", {"file": name}))

    def _torn(self, name: str, why: object) -> None:
        """Once for each file: the first thing that is wrong with it."""
        if not any(gap.values.get("file") == name for gap in self.gaps):
            self.gaps.append(Say("void.file_torn", {"file": name, "why": str(why)[:200]}))


def _who(path: Path) -> str:
    return path.stem.partition("-")[2]


def _plan(value: Any) -> Plan:
    return Plan.from_json(_mapping(value))


def _single(kind: type[Record], value: Any) -> Record:
    return _typed(record_of(kind, json.dumps(value)))


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("is not an object")
    return value


def _typed(record: Record) -> Record:
    """The record, if its values are of the kinds that its fields name. Raises `ValueError`."""
    for each in fields(record):  # type: ignore[arg-type]
        value, kind = getattr(record, each.name), str(each.type)
        kinds = _BUILTINS.get(kind.partition("[")[0])
        inner = _INNER.get(kind)
        if kinds is not None and not isinstance(value, kinds):
            raise ValueError(f"{each.name} is not of the kind {kind}")
        if inner is not None:
            parts = value.values() if isinstance(value, dict) else value
            if not all(isinstance(part, inner) for part in parts):
                raise ValueError(f"{each.name} is not of the kind {kind}")
        if kind == "tuple[Process, ...]":
            for process in value:
                _typed(process)
    return record


def _instant(text: str) -> int | None:
    """Unix milliseconds of `2027-01-15T08:00:00.000Z`; None of nothing."""
    if not text:
        return None
    return round(datetime.fromisoformat(text).timestamp() * 1_000)
