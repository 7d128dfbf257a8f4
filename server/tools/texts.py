"""What the commands of the operator print: tables for people, JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from flash_sale.model import SaleView, SkuBooks
from server.ledger.audit import COUNTERS
from server.sale_json import books_json
from server.tools.rebuild import Missing, Rebuilt
from server.tools.reconcile import Reconciled

_COLUMNS = ("initial", "available", "reserved", "sold", "refunded", "written_off", "waiting")


def reconciled_text(one: Reconciled) -> str:
    """One sale: the verdict, the counters of both sides, and what differs."""
    record = one.record
    head = f"sale {record.terms.id} · epoch {record.terms.epoch} · {record.state}: {one.verdict}"
    lines = [f"{head} ({one.why})" if one.why else head]
    if one.audit is not None:
        lines += _table(_counters_of(one))
        lines += [f"  ! {text}" for text in one.audit.differences]
        on_their_way = f"  entries on their way to the ledger: {one.audit.lag}"
        lines.append(f"{on_their_way}; set aside: {one.set_aside}")
    if one.orders is not None:
        found = one.orders
        lines.append(
            f"  orders: {found.same} the same, {found.differ} differ, "
            f"{found.only_in_store} only in the store, {found.only_in_ledger} only in the ledger"
        )
        lines += [f"  ! {text}" for text in found.differences]
    return "\n".join(lines)


def reconciled_json(one: Reconciled) -> dict[str, Any]:
    """The same for a script."""
    audit, orders = one.audit, one.orders
    value: dict[str, Any] = {
        "sale": one.record.terms.id,
        "epoch": one.record.terms.epoch,
        "state": one.record.state,
        "verdict": one.verdict,
        "why": one.why,
        "set_aside": one.set_aside,
        "lag": None if audit is None else audit.lag,
        "differences": [] if audit is None else list(audit.differences),
        "store": None,
        "ledger": None,
        "orders": None,
    }
    if audit is not None:
        value["ledger"] = [
            {"sku": sku, "available": books.available}
            | {counter: getattr(books, counter) for counter in COUNTERS}
            for sku, books in audit.ledger.items()
        ]
        if audit.view is not None:
            value["store"] = [books_json(item) for item in audit.view.items]
    if orders is not None:
        value["orders"] = {
            "same": orders.same,
            "differ": orders.differ,
            "only_in_store": orders.only_in_store,
            "only_in_ledger": orders.only_in_ledger,
            "differences": orders.differences,
        }
    return value


def rebuilt_text(one: Rebuilt) -> str:
    """What came back, and what is missing."""
    terms = one.record.terms
    states = [f"{count} {state}" for state, count in sorted(one.orders.items()) if count]
    lines = [
        f"sale {terms.id}: rebuilt under epoch {terms.epoch} ({one.why}); it is {one.view.state}",
        f"  orders in the ledger: {', '.join(states) or 'none'}",
        *_table(_counters_of_view(one.view)),
        *(f"  {text}" for text in _missing_lines(one)),
    ]
    return "\n".join(lines)


def _missing_lines(one: Rebuilt) -> Iterable[str]:
    missing: Missing = one.missing
    if missing.moves:
        gaps = ", ".join(_gap(first, last) for first, last in missing.gaps)
        yield f"MISSING: {missing.moves} moves of the last epoch: {gaps}"
    if missing.beyond:
        yield f"MISSING: the last {missing.beyond} moves that the store had made"
    if missing.set_aside:
        yield f"SET ASIDE: {missing.set_aside} entries; look at the table ledger_set_aside"
    if one.was_lost:
        yield "The store had nothing left. Orders answered in the last moments before the loss may"
        yield "not have reached the ledger: a payment for one is an unknown order, to be paid back."
    elif missing.nothing:
        yield "Nothing is missing that the store or the ledger knew of."


def _gap(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _counters_of(one: Reconciled) -> list[list[str]]:
    assert one.audit is not None
    rows = [["sku", "", *(name.replace("_", " ") for name in _COLUMNS)]]
    for sku, ledger in one.audit.ledger.items():
        store = None if one.audit.view is None else one.audit.view.item(sku)
        if store is not None:
            rows.append([sku, "store", *_numbers(store)])
        rows.append([sku if store is None else "", "ledger", *_numbers(ledger)])
    return rows


def _counters_of_view(view: SaleView) -> list[list[str]]:
    head = ["sku", *(name.replace("_", " ") for name in _COLUMNS)]
    return [head, *([item.sku, *_numbers(item)] for item in view.items)]


def _numbers(books: SkuBooks | Any) -> list[str]:
    return [str(getattr(books, name)) for name in _COLUMNS]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Aligned: words to the left, numbers to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    words = len(rows[0]) - len(_COLUMNS)
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if number < words else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
