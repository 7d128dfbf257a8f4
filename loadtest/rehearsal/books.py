"""Units of a sale: counters as the books give them, and how many were held at one instant. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

RETURNED: Final = frozenset(("expired", "cancelled", "refunded"))
PAID: Final = frozenset(("paid", "refunded"))


@dataclass(frozen=True, slots=True)
class Counters:
    """One sku at one instant. `initial` is None where the books do not say it."""

    sku: str
    initial: int | None
    available: int
    reserved: int
    sold: int
    refunded: int = 0

    @property
    def adds_up(self) -> bool:
        """No counter is below 0, and they make what was put on sale."""
        counts = (self.available, self.reserved, self.sold)
        return min(counts) >= 0 and self.initial in (None, sum(counts))

    def __str__(self) -> str:
        whole = "?" if self.initial is None else self.initial
        return f"{self.sku}: {self.available} + {self.reserved} + {self.sold} / {whole}"


@dataclass(frozen=True, slots=True)
class Span:
    """Units that were taken from `begins` until `ends`; None: they were kept. One clock."""

    begins: int
    ends: int | None
    units: int = 1


@dataclass(frozen=True, slots=True)
class Height:
    """The most units that were taken at once, and since when."""

    units: int
    at: int


def most_at_once(spans: Iterable[Span]) -> Height:
    """Units that are given back at the instant at which others are taken are given back first."""
    steps: list[tuple[int, int]] = []
    for span in spans:
        if span.ends is not None and span.ends <= span.begins:
            continue
        steps.append((span.begins, span.units))
        if span.ends is not None:
            steps.append((span.ends, -span.units))
    highest, taken = Height(0, 0), 0
    for at, units in sorted(steps):
        taken += units
        if taken > highest.units:
            highest = Height(taken, at)
    return highest


def sides(books: Mapping[str, Any]) -> dict[str, list[Counters]]:
    """The counters of each side of the books, by its name, such as `redis` and `ledger`.

    Books with one side only have it under the name `books`. Raises `ValueError` if a counter is
    missing or no number.
    """
    named = {name: books[name] for name in ("redis", "ledger") if name in books}
    if not named:
        return {"books": list(_counters(books.get("items", books)))} if books else {}
    found = {}
    for name, side in named.items():
        if isinstance(side, Mapping):
            found[name] = list(_counters(side.get("items", side)))
    return found


def _counters(items: object) -> Iterator[Counters]:
    """From a list of counters with their sku, or from counters by sku."""
    if isinstance(items, Mapping):
        items = [{"sku": sku, **each} for sku, each in items.items() if isinstance(each, Mapping)]
    if not isinstance(items, Sequence) or isinstance(items, str):
        raise ValueError("the books have no items")
    for each in items:
        if not isinstance(each, Mapping):
            raise ValueError("an item of the books is no object")
        try:
            yield Counters(
                sku=str(each["sku"]),
                initial=int(each["initial"]) if "initial" in each else None,
                available=int(each["available"]),
                reserved=int(each["reserved"]),
                sold=int(each["sold"]),
                refunded=int(each.get("refunded", 0)),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"an item of the books has no {error}") from None
