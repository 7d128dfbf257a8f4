"""What buyers asked and were told, in the style of Jepsen: ok, fail or unknown; and the verdict.

Pure: a history and the ledger's rows go in, counts come out. A request that was never answered
may have happened once or not at all, never twice.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

HOLDING = frozenset({"queued", "reserved", "paid"})


@dataclass(slots=True)
class Request:
    """One purchase, from the first attempt to the last. `answers` are the data of all replies."""

    user: str
    request_id: str
    sku: str
    qty: int
    attempts: int = 0
    answers: list[str] = field(default_factory=list)
    refused: str = ""  # an answer that was an error of the client's making: "409 ..."
    paid: bool = False  # the payment was answered with success
    cancelled: bool = False

    @property
    def outcome(self) -> str:
        """ok, fail or unknown."""
        if not self.answers:
            return "fail" if self.refused else "unknown"
        return "ok" if json.loads(self.answers[0])["outcome"] in {"reserved", "queued"} else "fail"

    @property
    def order(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = (
            json.loads(self.answers[0]).get("order") if self.answers else None
        )
        return found


@dataclass(slots=True)
class History:
    """All requests of a run."""

    requests: list[Request] = field(default_factory=list)

    def invoke(self, user: str, request_id: str, sku: str, qty: int) -> Request:
        request = Request(user, request_id, sku, qty)
        self.requests.append(request)
        return request

    def count(self, outcome: str) -> int:
        return sum(request.outcome == outcome for request in self.requests)

    @property
    def answered(self) -> int:
        return sum(bool(request.answers) for request in self.requests)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row of the table of faults. Lost, oversold and duplicated must be 0."""

    operations: int
    acknowledged: int
    unknown: int
    lost: int
    oversold: int
    duplicated: int
    unequal_answers: int
    above_limit: int
    complaints: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        return not (
            self.lost
            or self.oversold
            or self.duplicated
            or self.unequal_answers
            or self.above_limit
            or self.complaints
        )


def judge(
    history: History,
    ledger: Iterable[dict[str, Any]],
    books: dict[str, Any],
    limits: dict[str, int],
) -> Verdict:
    """Compare what was acknowledged with the orders of the ledger and with the books."""
    rows = list(ledger)
    by_id = {row["id"]: row for row in rows}
    asked = {(r.user, r.request_id): r for r in history.requests}
    lost, complaints = 0, []
    for request in history.requests:
        order = request.order
        if order is None:
            continue
        row = by_id.get(order["id"])
        kept = ("user", "request_id", "amount_minor", "items", "placed_at_ms")
        mine = {"user": request.user, **order}
        if row is None or any(row[name] != mine[name] for name in kept):
            lost += 1
            complaints.append(f"acknowledged {order['id']}, ledger has {row}")
        elif request.paid and row["state"] not in {"paid", "refunded"}:
            lost += 1
            complaints.append(f"payment of {order['id']} was acknowledged, it is {row['state']}")
    seen = Counter((row["user"], row["request_id"]) for row in rows)
    duplicated = sum(count - 1 for count in seen.values()) + len(rows) - len(by_id)
    for key in seen.keys() - asked.keys():
        duplicated += 1
        complaints.append(f"the ledger has an order nobody asked for: {key}")
    oversold = 0
    for item in (books["redis"] or books["ledger"])["items"]:
        oversold += max(0, item["reserved"] + item["sold"] - item["initial"])
    return Verdict(
        operations=sum(request.attempts for request in history.requests),
        acknowledged=history.count("ok"),
        unknown=history.count("unknown"),
        lost=lost,
        oversold=oversold,
        duplicated=duplicated,
        unequal_answers=sum(len(set(request.answers)) > 1 for request in history.requests),
        above_limit=_above_limit(rows, limits),
        complaints=tuple(complaints[:5]),
    )


def _above_limit(rows: Iterable[dict[str, Any]], limits: dict[str, int]) -> int:
    """Buyers who hold, bought or wait for more units of a sku than they may."""
    units: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row["state"] in HOLDING:
            for item in row["items"]:
                units[row["user"], item["sku"]] += item["qty"]
    return sum(count > limits[sku] for (_, sku), count in units.items())
