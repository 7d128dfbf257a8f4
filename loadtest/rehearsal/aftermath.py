"""After a drill: requests that failed in it, and the books.

The books are those of the rehearsal's sale and of the drill's own. In both no unit may be missing;
of the drill's own every purchase is known, so none may be lost or taken twice.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from loadtest.rehearsal import books as counted
from loadtest.rehearsal.http import Api, ApiError
from loadtest.rehearsal.outcomes import is_error
from loadtest.rehearsal.probing import Probe, Stall
from loadtest.rehearsal.records import Sample, sample_of

RIGHT_WITHIN_S: Final = 45.0  # for the ledger to hold all of the drill's own sale
COMPARED_WITHIN_S: Final = 5.0  # for it to be compared with the stock while people buy
LOOK_EVERY_S: Final = 0.25
_NAMES: Final = [each.name for each in fields(Sample)]
_SUSPECT: Final = (",error ", ",unknown")  # what a row of a failed request contains


@dataclass(frozen=True, slots=True)
class Books:
    """Whether nothing is missing. `note`: what is, or why it could not be compared."""

    ok: bool
    note: str = ""


def after(shop: Api, sale: str, stall: Stall, probe: Probe) -> Books:
    """Wait, within bounds, until the ledger holds everything, then compare."""
    began = time.monotonic()
    while True:
        own = of_drill(_asked(shop, stall.sale), probe.acknowledged, probe.unanswered)
        main = of_rehearsal(_asked(shop, sale))
        notes = [each.note for each in (own, main) if each.note]
        found = Books(own.ok and main.ok, "; ".join(notes))
        within_s = 0.0 if not notes else COMPARED_WITHIN_S if found.ok else RIGHT_WITHIN_S
        if time.monotonic() - began >= within_s:
            return found
        time.sleep(LOOK_EVERY_S)


def failures(directory: Path, began_s: float, until_s: float) -> int:
    """How many requests of the crowd failed that were going on in that time."""
    failed = 0
    for path in sorted(directory.glob("samples-*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            next(file, None)  # the names
            for line in file:
                if any(word in line for word in _SUSPECT):
                    failed += _failed_in(line, began_s, until_s)
    return failed


def _failed_in(line: str, began_s: float, until_s: float) -> bool:
    try:
        (row,) = csv.reader([line])
        sample = sample_of(dict(zip(_NAMES, row, strict=True)))
    except ValueError:  # it is being written
        return False
    ends_us = sample.intended_us + sample.took_us
    within = sample.intended_us <= until_s * 1_000_000 and ends_us >= began_s * 1_000_000
    return within and is_error(sample.outcome)


def _asked(shop: Api, sale: str) -> Mapping[str, Any] | str:
    """The books of a sale, or why there are none."""
    try:
        found: Mapping[str, Any] = shop.call("GET", f"/api/v1/sales/{sale}/books")
        return found if found["redis"] is not None else str(found["why"])
    except ApiError as error:
        return str(error)


def of_drill(books: Mapping[str, Any] | str, acknowledged: int, unanswered: int) -> Books:
    """Those of the drill's own sale, which nobody else buys in."""
    known = _known(books)
    if known is not None:
        return known
    assert not isinstance(books, str)
    if books["agree"] is not True:
        return Books(False, f"the drill's sale: {books['why'] or 'not compared yet'}")
    for name, side in counted.sides(books).items():
        taken = sum(one.reserved + one.sold for one in side)
        if not acknowledged <= taken <= acknowledged + unanswered:
            told = f"{taken} units taken, {acknowledged} purchases acknowledged"
            return Books(False, f"the drill's sale: {told} ({name})")
    return Books(True)


def of_rehearsal(books: Mapping[str, Any] | str) -> Books:
    """Those of the rehearsal's sale. While people buy the two sides are not always compared."""
    known = _known(books)
    if known is not None:
        return known
    assert not isinstance(books, str)
    if books["agree"] is False:
        return Books(False, str(books["why"]))
    return Books(True, "" if books["agree"] else "the ledger was not compared while people bought")


def _known(books: Mapping[str, Any] | str) -> Books | None:
    """What is wrong at first sight; None if nothing is."""
    if isinstance(books, str):
        return Books(False, books)
    try:
        wrong = [one for side in counted.sides(books).values() for one in side if not one.adds_up]
    except ValueError as error:
        return Books(False, str(error))
    return Books(False, f"units do not add up: {wrong[0]}") if wrong else None
