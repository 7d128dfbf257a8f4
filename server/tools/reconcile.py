"""`onair reconcile`: do the store and the ledger hold the same sales, unit by unit, order by order?

Both may be in use meanwhile: what differs is looked at again until it stands still. Nothing is
changed. Knows no output format; `server.tools.texts` writes what is found.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from hashlib import blake2b

from flash_sale.model import Order, OrderId, SaleId, SaleState
from server.database.sale_words import SaleRecord
from server.ledger.audit import Audit, Auditor
from server.tools.progress import Progress
from server.tools.stores import Stores

PIECE = 1_000
SUSPECTS_MAX = 10_000  # orders that are looked at again; more differ for good
LISTED_MAX = 50  # differences that are spelled out
STANDS_STILL_WITHIN_S = 15.0
_AGAIN_S = 0.2
_SEEN = b""
_FIELDS = [spec.name for spec in fields(Order)]


class Verdict(StrEnum):
    AGREE = "agree"
    DIFFER = "differ"
    UNCHECKED = "unchecked"  # they could not be compared


@dataclass(slots=True)
class OrdersCompared:
    """Orders of one sale, store against ledger. `differences` are lines for people."""

    same: int = 0
    differ: int = 0
    only_in_store: int = 0
    only_in_ledger: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> int:
        return self.differ + self.only_in_store + self.only_in_ledger


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What came of one sale."""

    record: SaleRecord
    verdict: Verdict
    why: str
    audit: Audit | None  # None: there is nothing to compare
    orders: OrdersCompared | None
    set_aside: int


def exit_code(found: Sequence[Reconciled]) -> int:
    """0: all agree. 1: something differs. 2: something could not be compared."""
    verdicts = {one.verdict for one in found}
    if Verdict.DIFFER in verdicts:
        return 1
    return 2 if Verdict.UNCHECKED in verdicts else 0


class Reconciler:
    """Compares sales. Raises `SaleStoreUnavailable` and `DatabaseUnavailable`."""

    def __init__(self, stores: Stores, progress: Progress) -> None:
        self._stores = stores
        self._sales = stores.sales
        self._orders = stores.orders
        self._auditor = Auditor(self._sales, stores.stream, stores.records, stores.orders)
        self._progress = progress

    async def reconcile(self, record: SaleRecord) -> Reconciled:
        """Compare one sale: its orders first, then its counters when nothing moves."""
        sale = record.terms.id
        set_aside = await self._stores.ledger.set_aside_count(sale)
        if record.state is SaleState.DRAFT:
            return Reconciled(record, Verdict.AGREE, "a draft: not in the store", None, None, 0)
        audit = await self._audit(sale)
        if audit.view is None and audit.agree is None:
            return _of_the_ledger_alone(record, audit, set_aside)
        orders = None
        if audit.view is not None:
            orders = await self._compare_orders(sale)
            audit = await self._standing_still(sale)
        verdict, why = _judged(audit, orders)
        return Reconciled(audit.record, verdict, why, audit, orders, set_aside)

    async def _standing_still(self, sale: SaleId) -> Audit:
        """The books when they could be compared, or as they are when the time is up."""
        until_s = time.monotonic() + STANDS_STILL_WITHIN_S
        while True:
            audit = await self._audit(sale)
            if audit.agree is not None or time.monotonic() > until_s:
                return audit
            self._progress.tick(f"sale {sale}: {audit.why}")
            await asyncio.sleep(_AGAIN_S)

    async def _audit(self, sale: SaleId) -> Audit:
        audit = await self._auditor.audit(sale)
        assert audit is not None  # it was read a moment ago, and sales are never removed
        return audit

    async def _compare_orders(self, sale: SaleId) -> OrdersCompared:
        ledger = await self._digests_of_ledger(sale)
        found, suspects, seen = OrdersCompared(), list[OrderId](), 0
        cursor = 0
        while True:
            orders, cursor = await self._sales.orders(sale, cursor, PIECE)
            for order in orders:
                digest = ledger.get(order.id)
                if digest == _SEEN:
                    continue  # the store may give an order twice
                ledger[order.id] = _SEEN
                if digest == _digest(order):
                    found.same += 1
                elif len(suspects) < SUSPECTS_MAX:
                    suspects.append(order.id)
                else:
                    found.differ += 1
            seen += len(orders)
            self._progress.tick(f"sale {sale}: {seen} orders of the store compared")
            if not cursor:
                break
        left = [order_id for order_id, digest in ledger.items() if digest != _SEEN]
        found.only_in_ledger += max(0, len(left) - SUSPECTS_MAX)
        for order_id in [*suspects, *left[:SUSPECTS_MAX]]:
            await self._look_again(found, sale, order_id)
            self._progress.tick(f"sale {sale}: looking again at orders that seemed to differ")
        return found

    async def _digests_of_ledger(self, sale: SaleId) -> dict[OrderId, bytes]:
        digests: dict[OrderId, bytes] = {}
        after: str | None = None
        while rows := await self._orders.rows(sale, after, PIECE):
            digests |= {row.order.id: _digest(row.order) for row in rows}
            after = rows[-1].order.id
            self._progress.tick(f"sale {sale}: {len(digests)} orders of the ledger read")
        return digests

    async def _look_again(self, found: OrdersCompared, sale: SaleId, order_id: OrderId) -> None:
        """Both sides of one order, until they are the same or do not change any more."""
        until_s = time.monotonic() + STANDS_STILL_WITHIN_S
        before: tuple[Order | None, Order | None] | None = None
        while True:
            lag = await self._stores.stream.lag(sale)
            row = await self._orders.find(order_id)
            ledgers = None if row is None else row.order
            stored = await self._sales.order(order_id)
            if stored is not None and ledgers is not None and _digest(stored) == _digest(ledgers):
                found.same += 1
                return
            stands_still = not lag and before == (stored, ledgers)
            if stands_still or found.wrong >= LISTED_MAX or time.monotonic() > until_s:
                _count(found, order_id, stored, ledgers)
                return
            before = (stored, ledgers)
            await asyncio.sleep(_AGAIN_S)


def _count(
    found: OrdersCompared, order_id: OrderId, stored: Order | None, ledgers: Order | None
) -> None:
    if stored is None and ledgers is None:
        return
    if ledgers is None:
        assert stored is not None
        found.only_in_store += 1
        text = f"order {order_id}: only the store has it, {stored.state}"
    elif stored is None:
        found.only_in_ledger += 1
        text = f"order {order_id}: only the ledger has it, {ledgers.state}"
    else:
        found.differ += 1
        parts = [
            f"{name} {getattr(stored, name)!r} and {getattr(ledgers, name)!r}"
            for name in _FIELDS
            if _comparable(stored, name) != _comparable(ledgers, name)
        ]
        text = f"order {order_id}: store and ledger have {', '.join(parts)}"
    if len(found.differences) < LISTED_MAX:
        found.differences.append(text)


def _comparable(order: Order, name: str) -> object:
    """A field, with the lines in one order."""
    if name == "lines":
        return sorted(
            (line.sku, line.qty, line.price_minor, line.markup_minor) for line in order.lines
        )
    return getattr(order, name)


def _digest(order: Order) -> bytes:
    """Equal for equal orders; a million of these fit into memory where orders would not."""
    facts = repr([_comparable(order, name) for name in _FIELDS])
    return blake2b(facts.encode(), digest_size=12).digest()


def _judged(audit: Audit, orders: OrdersCompared | None) -> tuple[Verdict, str]:
    if audit.agree is False:
        return Verdict.DIFFER, audit.why
    if orders is not None and orders.wrong:
        return Verdict.DIFFER, f"{orders.wrong} orders differ"
    if audit.agree is None:
        return Verdict.UNCHECKED, audit.why
    return Verdict.AGREE, ""


def _of_the_ledger_alone(record: SaleRecord, audit: Audit, set_aside: int) -> Reconciled:
    """A settled sale that the store no longer holds: its books must add up by themselves."""
    wrong = [sku for sku, books in audit.ledger.items() if books.available < 0]
    if record.settled_at_ms is None:
        return Reconciled(record, Verdict.UNCHECKED, audit.why, audit, None, set_aside)
    if wrong:
        why = f"the ledger's own books do not add up: {', '.join(wrong)}"
        return Reconciled(record, Verdict.DIFFER, why, audit, None, set_aside)
    why = "settled; only the ledger holds it"
    return Reconciled(record, Verdict.AGREE, why, audit, None, set_aside)
