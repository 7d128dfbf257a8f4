"""Comparing the books of a sale: the store's counters against those that the ledger's rows give.

The store is read before and after the ledger. Only if it did not move meanwhile, and nothing is
on its way to the ledger, can the two be compared; else the answer is that they could not be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flash_sale.catalog import SkuId
from flash_sale.errors import NotOnSale, SaleFrozen
from flash_sale.model import SaleId, SaleState, SaleView, SkuBooks
from flash_sale.store import LedgerStream, Sales
from server.database.order_records import OrderRecords
from server.database.sale_records import SaleRecords
from server.database.sale_words import LedgerBooks, LedgerPosition, SaleRecord
from server.sale_cards import has_run

COUNTERS = ("initial", "reserved", "sold", "refunded", "written_off", "waiting")
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Audit:
    """One comparison. `agree` None: it was not possible, and `why` says the reason.

    `view` is None when the store does not have the sale. `lag` counts entries on their way.
    """

    sale: SaleId
    agree: bool | None
    why: str
    lag: int
    record: SaleRecord
    view: SaleView | None
    ledger: Mapping[SkuId, LedgerBooks]
    differences: tuple[str, ...] = field(default=())


class Auditor:
    """Compares. Raises `SaleStoreUnavailable` and `DatabaseUnavailable`."""

    def __init__(
        self, sales: Sales, stream: LedgerStream, records: SaleRecords, orders: OrderRecords
    ) -> None:
        self._sales = sales
        self._stream = stream
        self._records = records
        self._orders = orders

    async def audit(self, sale: SaleId) -> Audit | None:
        """The books of one sale; None if the ledger has no such sale."""
        audit = await self._once(sale)
        for _ in range(_ATTEMPTS - 1):
            if audit is None or audit.agree is not None or audit.lag:
                break
            audit = await self._once(sale)
        return audit

    async def _once(self, sale: SaleId) -> Audit | None:
        before = await self._view(sale)
        lag = 0 if before is None else await self._stream.lag(sale)
        record = await self._records.find(sale)
        if record is None:
            return None
        stands, ledger = await self._orders.books_at(sale)
        after = await self._view(sale)
        differences: tuple[str, ...] = ()
        agree, why = _possible(record, before, after, lag)
        if agree is None and not why:
            assert after is not None
            differences = differences_of(stands, after, ledger)
            agree, why = not differences, "; ".join(differences[:3])
        return Audit(sale, agree, why, lag, record, after, ledger, differences)

    async def _view(self, sale: SaleId) -> SaleView | None:
        try:
            return await self._sales.view(sale)
        except (NotOnSale, SaleFrozen):
            return None


def _possible(
    record: SaleRecord, before: SaleView | None, after: SaleView | None, lag: int
) -> tuple[bool | None, str]:
    """What can be said without comparing counters; (None, "") if they must be compared."""
    if after is None or before is None:
        if has_run(record) and record.settled_at_ms is None:
            return False, "the store has lost this sale: rebuild it"
        return None, "the store does not hold this sale"
    if after.state is SaleState.FROZEN:
        return False, f"frozen: {after.reason}; rebuild it"
    if lag:
        return None, f"{lag} entries are on their way to the ledger"
    if (before.at.epoch, before.at.seq) != (after.at.epoch, after.at.seq):
        return None, "orders are coming in: the books did not stand still"
    return None, ""


def differences_of(
    stands: LedgerPosition, view: SaleView, ledger: Mapping[SkuId, LedgerBooks]
) -> tuple[str, ...]:
    """Each counter in which two books of the same instant differ, as one readable line."""
    found = []
    if (view.at.epoch, view.at.seq) != (stands.epoch, stands.seq):
        found.append(
            f"the store is at move {view.at.seq} of epoch {view.at.epoch}, "
            f"the ledger at {stands.seq} of epoch {stands.epoch}"
        )
    if stands.moves != stands.seq:
        found.append(f"the ledger lacks {stands.seq - stands.moves} moves of epoch {stands.epoch}")
    for sku in sorted({item.sku for item in view.items} | set(ledger)):
        store = view.item(sku)
        if store is not None and not store.balanced:
            found.append(f"{sku}: the store's counters do not add up: {_sum(store)}")
        for counter in COUNTERS:
            here = getattr(store, counter, 0)
            there = getattr(ledger.get(sku), counter, 0)
            if here != there:
                found.append(f"{sku} {counter}: store {here}, ledger {there}")
    return tuple(found)


def _sum(books: SkuBooks) -> str:
    return f"{books.available} + {books.reserved} + {books.sold} is not {books.initial}"
