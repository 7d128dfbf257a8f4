"""Purchases as their buyers saw them, beside the ledger's orders: both sides of one story. Pure.

In the manner of Jepsen: what a buyer was told is a fact; what was not answered happened once or
not at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from loadtest.rehearsal.books import RETURNED, Counters, Span, sides
from loadtest.rehearsal.evidence import Evidence, LedgerOrder
from loadtest.rehearsal.outcomes import RESERVED
from loadtest.rehearsal.records import OK, Attempt

Request = tuple[str, str]  # user, request id
# A look at the books may have been answered so long after its counters were true.
LOOK_TAKES_MS: Final = 2_000
NEVER_MS: Final = 10**12  # before everything


@dataclass(frozen=True)
class Case:
    """What was found, by request, by order and by sku. Computed once, when it is asked for."""

    evidence: Evidence

    @cached_property
    def places(self) -> Mapping[Request, list[Attempt]]:
        """Each request with all the times that it was told."""
        found: dict[Request, list[Attempt]] = defaultdict(list)
        for attempt in self.evidence.attempts:
            if attempt.op == "place":
                found[attempt.user, attempt.request_id].append(attempt)
        return dict(found)

    @cached_property
    def pays(self) -> Mapping[str, list[Attempt]]:
        return self._by_order("pay")

    @cached_property
    def cancels(self) -> Mapping[str, list[Attempt]]:
        return self._by_order("cancel")

    def _by_order(self, op: str) -> Mapping[str, list[Attempt]]:
        found: dict[str, list[Attempt]] = defaultdict(list)
        for attempt in self.evidence.attempts:
            if attempt.op == op and attempt.order:
                found[attempt.order].append(attempt)
        return dict(found)

    @cached_property
    def told(self) -> Mapping[str, list[Attempt]]:
        """Orders that buyers were told are theirs: by id, the answers that said so."""
        found: dict[str, list[Attempt]] = defaultdict(list)
        for attempts in self.places.values():
            for attempt in attempts:
                if attempt.outcome == RESERVED:
                    found[attempt.order or attempt.request_id].append(attempt)
        return dict(found)

    # the ledger

    @property
    def rows(self) -> tuple[LedgerOrder, ...]:
        return self.evidence.orders or ()

    @cached_property
    def orders(self) -> Mapping[str, LedgerOrder]:
        """By id; of a basket its first line."""
        found: dict[str, LedgerOrder] = {}
        for row in self.rows:
            found.setdefault(row.id, row)
        return found

    @cached_property
    def orders_of(self) -> Mapping[Request, set[str]]:
        """The ids of the orders that the ledger has for a request."""
        found: dict[Request, set[str]] = defaultdict(set)
        for row in self.rows:
            found[row.user, row.request_id].add(row.id)
        return dict(found)

    @property
    def is_settled(self) -> bool:
        """Whether the ledger had everything when it was read: nothing was on its way to it."""
        books = self.evidence.books
        return self.evidence.orders is not None and books is not None and books.get("lag") == 0

    # units

    @cached_property
    def last_books(self) -> Mapping[str, list[Counters]]:
        """The last books by side; nothing if there are none that can be read."""
        try:
            return sides(self.evidence.books or {})
        except ValueError:
            return {}

    @cached_property
    def looks(self) -> list[tuple[int, list[Counters]]]:
        """Every look at the counters: microseconds after T0, and what they were."""
        found = []
        for second in self.evidence.timeline:
            try:
                seen = sides(second.books).values()
            except ValueError:
                continue
            at_us = second.at_us - self.evidence.t0_us
            found += [(at_us, counters) for counters in seen]
        return found

    @cached_property
    def stock(self) -> Mapping[str, int]:
        """The most units of each sku that were ever on sale, by the books; else by the plan."""
        plan = self.evidence.plan
        found: dict[str, int] = {}
        for counters in [*self.last_books.values(), *(each for _, each in self.looks)]:
            for each in counters:
                if each.initial is not None:
                    found[each.sku] = max(found.get(each.sku, 0), each.initial)
        return {**{item.sku: item.stock for item in (plan.items if plan else ())}, **found}

    @cached_property
    def held_back(self) -> Mapping[str, list[Span]]:
        """Units that were not on sale yet: until the last look that did not see them, by sku.

        Milliseconds after T0.
        """
        found: dict[str, list[Span]] = defaultdict(list)
        for at_us, counters in self.looks:
            for each in counters:
                missing = self.stock.get(each.sku, 0) - (each.initial or 0)
                if each.initial is not None and missing > 0:
                    until = at_us // 1_000 - LOOK_TAKES_MS
                    found[each.sku].append(Span(-NEVER_MS, until, missing))
        return {sku: list(_steps_down(spans)) for sku, spans in found.items()}

    @cached_property
    def ledger_spans(self) -> Mapping[tuple[str, str], list[Span]]:
        """Milliseconds of the server's clock, by sku and user."""
        found: dict[tuple[str, str], list[Span]] = defaultdict(list)
        for row in self.rows:
            if row.reserved_ms is not None:
                ends = row.changed_ms if row.state in RETURNED else None
                found[row.sku, row.user].append(Span(row.reserved_ms, ends, row.qty))
        return dict(found)

    @cached_property
    def buyers_spans(self) -> Mapping[tuple[str, str], list[Span]]:
        """What buyers held for sure, by what they were told: microseconds of the generator's clock.

        From the first answer on; a paid unit is kept, another one until its hold can have ended at
        the earliest, or until its buyer asked to cancel it. A hold may have begun when the request
        was first sent, though only a later answer told of it.
        """
        plan = self.evidence.plan
        hold_us = plan.phases.hold_s * 1_000_000 if plan else 0
        found: dict[tuple[str, str], list[Span]] = defaultdict(list)
        for order, answers in self.told.items():
            first = answers[0]
            asked = self.places[first.user, first.request_id]
            ends: int | None = min(each.sent_us for each in asked) + hold_us
            if any(each.outcome == OK for each in self.pays.get(order, ())):
                ends = None
            for cancel in self.cancels.get(order, ()):
                ends = min(cancel.sent_us, ends or cancel.sent_us)
            begins = min(each.done_us for each in answers)
            found[first.sku, first.user].append(Span(begins, ends))
        return dict(found)


def _steps_down(spans: list[Span]) -> Iterator[Span]:
    """The same units told at many looks, each once: what is missing until when."""
    missing = 0
    for span in sorted(spans, key=lambda each: -(each.ends or 0)):
        if span.units > missing:
            yield Span(span.begins, span.ends, span.units - missing)
            missing = span.units
