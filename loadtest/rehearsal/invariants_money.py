"""What must never be otherwise with money and with the two books. Pure; see `invariants`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from loadtest.rehearsal.books import PAID, Counters
from loadtest.rehearsal.findings import Invariant
from loadtest.rehearsal.history import Case
from loadtest.rehearsal.outcomes import is_unsure
from loadtest.rehearsal.records import OK

EXAMPLES_MAX: Final = 5


def made_of(name: str, checked: int, wrong: Iterable[str], broken: int | None = None) -> Invariant:
    """It holds if nothing is wrong. `broken` where that is not the number of what is wrong."""
    examples = tuple(wrong)
    count = len(examples) if broken is None else broken
    return Invariant(name, not count, checked, count, examples[:EXAMPLES_MAX])


def paid_equals_ledger(case: Case) -> Invariant | None:
    """The ledger says paid where buyers have paid, with the same amount, and nowhere else."""
    if not case.is_settled or not case.evidence.history_whole:
        return None
    wrong = []
    paid = {order for order, row in case.orders.items() if row.state in PAID}
    for order, attempts in case.pays.items():
        amounts = {each.amount_minor for each in attempts if each.outcome == OK}
        if not amounts:
            continue
        row = case.orders.get(order)
        if row is None or row.state not in PAID:
            wrong.append(f"{attempts[0].user} {order}: {row.state if row else '-'}")
        elif not amounts <= {0, row.amount_minor}:  # 0: the answer did not say it
            wrong.append(f"{row.user} {order}: {sorted(amounts)}, {row.amount_minor}")
    for order in sorted(paid):
        outcomes = {each.outcome for each in case.pays.get(order, ())}
        if not any(each == OK or is_unsure(each) for each in outcomes):
            wrong.append(f"{case.orders[order].user} {order}: {', '.join(sorted(outcomes)) or '-'}")
    return made_of("paid_equals_ledger", len(paid | case.pays.keys()), wrong)


def money_is_balanced(case: Case) -> Invariant | None:
    """Who paid has a payment and an order, once; who was too late has neither.

    The orders, counted, make the ledger's books.
    """
    if not case.is_settled:
        return None
    wrong = []
    payments = Counter(row.payment for row in case.orders.values() if row.payment)
    for order, row in case.orders.items():
        has_paid = row.paid_ms is not None or bool(row.payment)
        if has_paid != (row.state in PAID):
            wrong.append(f"{row.user} {order}: {row.state}, {row.payment or '-'}")
        elif row.payment and payments[row.payment] > 1:
            wrong.append(f"{row.user} {order}: {row.payment}")
    units: Counter[tuple[str, str]] = Counter()
    for row in case.rows:
        units[row.sku, row.state] += row.qty
    for counters in case.last_books.get("ledger", []):
        wrong += _miscounted(counters, units)
    return made_of("money_is_balanced", len(case.orders), wrong)


def _miscounted(counters: Counters, units: Counter[tuple[str, str]]) -> list[str]:
    """Where the books are not what the orders make."""
    said = {
        "paid": counters.sold,
        "reserved": counters.reserved,
        "refunded": counters.refunded,
    }
    return [
        f"{counters.sku} {state}: {count}, {units[counters.sku, state]}"
        for state, count in said.items()
        if units[counters.sku, state] != count
    ]


def redis_equals_ledger(case: Case) -> Invariant | None:
    """Redis and the ledger say the same, now that nothing is on its way between them."""
    books = case.evidence.books
    if books is None or books.get("agree") is None:
        return None
    agree = bool(books["agree"])
    checked = sum(len(counters) for counters in case.last_books.values())
    why = str(books.get("why", ""))
    return made_of("redis_equals_ledger", checked, [] if agree else [why])
