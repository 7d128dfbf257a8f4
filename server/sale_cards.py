"""The sales that a room shows, as the store has them, or as SQL has them where the store has not.

Rooms' seeds, announcements and pages take them from here, so that they never differ in shape.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from flash_sale.catalog import SkuId
from flash_sale.errors import NotOnSale, SaleFrozen, SaleStoreUnavailable
from flash_sale.model import Item, Position, SaleState, SaleView, SkuBooks
from flash_sale.store import Sales
from server.database.order_records import OrderRecords
from server.database.sale_records import SaleRecords
from server.database.sale_words import LedgerBooks, SaleRecord
from server.sale_json import sale_json, shown_state

LOST = "the store has lost it"
NOTHING = LedgerBooks(
    initial=0, reserved=0, sold=0, refunded=0, written_off=0, waiting=0, allocated=0
)


def card(view: SaleView, record: SaleRecord) -> dict[str, Any]:
    """One sale as rooms show it."""
    return sale_json(view, record.terms.items)


def has_run(record: SaleRecord) -> bool:
    """Whether the store must have a sale that is not settled: a move of it was stored once.

    Without one it may just be on its way there.
    """
    return record.seq > 0 or record.terms.epoch > 1


def view_of_ledger(
    record: SaleRecord,
    books: Mapping[SkuId, LedgerBooks],
    *,
    state: SaleState | None = None,
    reason: str | None = None,
) -> SaleView:
    """A sale as the ledger has it, which is as old as the ledger's lag; `now_ms` is then 0."""
    items = tuple(_units(item, books.get(item.sku, NOTHING)) for item in record.terms.items)
    shown = shown_state(state or record.state, sum(item.available for item in items))
    terms = record.terms
    return SaleView(
        id=terms.id,
        room=terms.room,
        currency=terms.currency,
        state=shown,
        starts_at_ms=terms.starts_at_ms,
        ends_at_ms=terms.ends_at_ms,
        hold_ms=terms.hold_ms,
        version=0,
        at=Position(terms.epoch, record.seq, 0, 0),
        items=items,
        reason=record.reason if reason is None else reason,
    )


def _units(item: Item, books: LedgerBooks) -> SkuBooks:
    return SkuBooks(
        sku=item.sku,
        initial=books.initial,
        available=books.available,
        reserved=books.reserved,
        sold=books.sold,
        refunded=books.refunded,
        written_off=books.written_off,
        allocated=books.allocated,
        waiting=books.waiting,
        price_minor=item.price_minor,
        per_user_max=item.per_user_max,
    )


class SaleCards:
    """Reads what a room shows."""

    def __init__(self, records: SaleRecords, orders: OrderRecords, sales: Sales) -> None:
        self._records = records
        self._orders = orders
        self._sales = sales

    async def of_room(self, room: str) -> list[dict[str, Any]]:
        """The sales of a room that are armed and not settled, sorted by id.

        While the store is away they are as the ledger has them. Raises `DatabaseUnavailable`.
        """
        ordered = sorted(await self._records.of_room(room), key=lambda record: record.terms.id)
        return list(await asyncio.gather(*(self._card(record) for record in ordered)))

    async def view(self, record: SaleRecord) -> SaleView:
        """One sale as the store has it; frozen, with the ledger's counters, if that has lost it.

        Raises `SaleStoreUnavailable` and `DatabaseUnavailable`.
        """
        try:
            return await self._sales.view(record.terms.id)
        except (NotOnSale, SaleFrozen) as error:
            books = await self._orders.books(record.terms.id)
            if isinstance(error, NotOnSale) and not has_run(record):
                return view_of_ledger(record, books)  # it is being armed: nothing can be lost yet
            reason = LOST if isinstance(error, NotOnSale) else str(error)
            return view_of_ledger(record, books, state=SaleState.FROZEN, reason=reason)

    async def _card(self, record: SaleRecord) -> dict[str, Any]:
        try:
            return card(await self.view(record), record)
        except SaleStoreUnavailable:
            books = await self._orders.books(record.terms.id)
            return card(view_of_ledger(record, books), record)
