"""Orders, payments and moves in SQL, for whoever reads them: pages, files, audits, rebuilds.

What stands here follows the store by the ledger's lag; only the ledger writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

import sqlalchemy as sa

from flash_sale.catalog import SkuId, is_id
from flash_sale.model import (
    Move,
    OrderId,
    OrderState,
    Payment,
    PaymentOutcome,
    SaleId,
)
from server.database.engine import Database
from server.database.move_json import read_move
from server.database.order_pages import Filters, newest, read_orders
from server.database.sale_tables import (
    order_lines,
    orders,
    payments,
    refunds,
    sale_items,
    sale_moves,
    sales,
    stock_moves,
)
from server.database.sale_words import LedgerBooks, LedgerPosition, OrderRow, PaymentRow, Refund
from server.database.words import is_storable

T = TypeVar("T")


class OrderRecords:
    """What the ledger holds of orders. All calls only read, and raise `DatabaseUnavailable`.

    An id that could not exist is simply not found.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, order_id: str) -> OrderRow | None:
        """One order, or None."""
        if not is_storable(order_id):
            return None
        query = sa.select(orders).where(orders.c.id == order_id)
        found = await self._run(lambda one: read_orders(one, query), f"read order {order_id}")
        return found[0] if found else None

    async def page(
        self,
        after_id: str | None,
        limit: int,
        sale: str | None = None,
        room: str | None = None,
        user: str | None = None,
        state: OrderState | None = None,
        *,
        among: Collection[str] | None = None,
    ) -> list[OrderRow]:
        """Up to `limit` orders, newest first: those behind order `after_id`; None: the newest.

        Each filter leaves out all others; `among` are the only rooms whose orders are wanted.
        """
        rooms = None if among is None else frozenset(among)
        if room is not None:
            rooms = frozenset({room}) if rooms is None else rooms & {room}
        filters = Filters(sale, rooms, user, state)
        if not all(is_storable(text) for text in (after_id or "", sale or "", user or "")):
            return []
        return await self._run(
            lambda connection: newest(connection, filters, after_id, limit), "list orders"
        )

    async def of_user(self, user: str, limit: int) -> list[OrderRow]:
        """Up to `limit` orders of one user, newest first."""
        if not is_storable(user):
            return []
        query = (
            sa.select(orders)
            .where(orders.c.user_id == user)
            .order_by(orders.c.placed_at_ms.desc(), orders.c.id)
            .limit(limit)
        )
        return await self._run(
            lambda connection: read_orders(connection, query), "list a user's orders"
        )

    async def rows(self, sale: str, after_id: str | None, limit: int) -> list[OrderRow]:
        """The orders of one sale in pieces, by id, those after `after_id`. For files."""
        if not is_id(sale) or not is_storable(after_id or ""):
            return []
        query = sa.select(orders).where(*_of_sale(orders.c.id, sale))
        if after_id:
            query = query.where(orders.c.id > after_id)
        query = query.order_by(orders.c.id).limit(limit)
        attempt = f"list the orders of sale {sale}"
        return await self._run(lambda connection: read_orders(connection, query), attempt)

    async def books(self, sale: str) -> dict[SkuId, LedgerBooks]:
        """The units of every sku of a sale, counted anew; empty if there is no such sale."""
        _position, books = await self.books_at(sale)
        return books

    async def books_at(self, sale: str) -> tuple[LedgerPosition, dict[SkuId, LedgerBooks]]:
        """The books of a sale, and where the ledger stood when they were counted.

        Position and books are of one instant. Epoch 0: there is no such sale.
        """
        if not is_id(sale):
            return LedgerPosition(0, 0, 0), {}

        def work(
            connection: sa.Connection,
        ) -> tuple[LedgerPosition, dict[SkuId, LedgerBooks]]:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            return _position(connection, sale), _books(connection, sale)

        return await self._run(work, f"count the books of sale {sale}")

    async def payments(self, order: str) -> list[PaymentRow]:
        """The payments that came for an order, in the order of their instants."""
        if not is_storable(order):
            return []
        query = sa.select(payments).where(payments.c.order_id == order)
        query = query.order_by(payments.c.at_ms, payments.c.provider, payments.c.id)
        return await self._run(
            lambda connection: [_payment(row) for row in connection.execute(query)],
            f"read the payments of order {order}",
        )

    async def sale_payments(
        self, sale: str, after: PaymentRow | None, limit: int
    ) -> list[PaymentRow]:
        """The payments of a sale in pieces, by order and id, those after `after`. For files."""
        if not is_id(sale):
            return []
        key = sa.tuple_(payments.c.order_id, payments.c.provider, payments.c.id)
        query = sa.select(payments).where(*_of_sale(payments.c.order_id, sale))
        if after is not None:
            paid = after.payment
            query = query.where(key > sa.tuple_(paid.order_id, paid.provider, paid.id))
        query = query.order_by(*key.clauses).limit(limit)
        return await self._run(
            lambda connection: [_payment(row) for row in connection.execute(query)],
            f"list the payments of sale {sale}",
        )

    async def refunds(self, sale: str, after: Refund | None, limit: int) -> list[Refund]:
        """The refunds of a sale in pieces, by order and payment, those after `after`."""
        if not is_id(sale):
            return []
        key = sa.tuple_(refunds.c.order_id, refunds.c.payment_id)
        query = sa.select(refunds).where(*_of_sale(refunds.c.order_id, sale))
        if after is not None:
            query = query.where(key > sa.tuple_(after.order_id, after.payment_id))
        query = query.order_by(*key.clauses).limit(limit)
        return await self._run(
            lambda connection: [refund_of(row) for row in connection.execute(query)],
            f"list the refunds of sale {sale}",
        )

    async def moves(self, sale: str, after: tuple[int, int] | None, limit: int) -> list[Move]:
        """The moves of a sale in pieces, by (epoch, seq), those after `after`, as they came."""
        if not is_id(sale):
            return []
        key = sa.tuple_(sale_moves.c.epoch, sale_moves.c.seq)
        query = sa.select(sale_moves).where(sale_moves.c.sale_id == sale)
        if after is not None:
            query = query.where(key > sa.tuple_(*after))
        query = query.order_by(*key.clauses).limit(limit)

        def work(connection: sa.Connection) -> list[Move]:
            return [read_move(row) for row in connection.execute(query)]

        return await self._run(work, f"list the moves of sale {sale}")

    async def _run(self, work: Callable[[sa.Connection], T], attempt: str) -> T:
        return await self._database.run(work, attempt=attempt, reads_only=True)


def _of_sale(column: sa.ColumnElement[str], sale_id: str) -> list[sa.ColumnElement[bool]]:
    """The ids of a sale's orders: `<sale>.` and what follows; `/` comes next after the dot."""
    return [column > f"{sale_id}.", column < f"{sale_id}/"]


def _position(connection: sa.Connection, sale: str) -> LedgerPosition:
    query = sa.select(sales.c.epoch, sales.c.seq, sales.c.moves).where(sales.c.id == sale)
    row = connection.execute(query).one_or_none()
    return LedgerPosition(0, 0, 0) if row is None else LedgerPosition(*row)


def _books(connection: sa.Connection, sale: str) -> dict[SkuId, LedgerBooks]:
    ordered = connection.execute(
        sa.select(order_lines.c.sku, orders.c.state, sa.func.sum(order_lines.c.qty))
        .join(orders, orders.c.id == order_lines.c.order_id)
        .where(*_of_sale(orders.c.id, sale), *_of_sale(order_lines.c.order_id, sale))
        .group_by(order_lines.c.sku, orders.c.state)
    )
    units = {(sku, state): int(count) for sku, state, count in ordered}
    stocked = connection.execute(
        sa.select(stock_moves.c.sku, stock_moves.c.kind, sa.func.sum(stock_moves.c.delta))
        .where(stock_moves.c.sale_id == sale)
        .group_by(stock_moves.c.sku, stock_moves.c.kind)
    )
    deltas = {(sku, kind): int(count) for sku, kind, count in stocked}
    items = connection.execute(
        sa.select(sale_items.c.sku, sale_items.c.stock)
        .where(sale_items.c.sale_id == sale)
        .order_by(sale_items.c.position)
    )
    return {SkuId(row.sku): _sku_books(row.sku, row.stock, units, deltas) for row in items}


def _sku_books(
    sku: str, stock: int, units: dict[tuple[str, str], int], deltas: dict[tuple[str, str], int]
) -> LedgerBooks:
    def ordered(state: OrderState) -> int:
        return units.get((sku, state.value), 0)

    def stocked(*kinds: str) -> int:
        return sum(deltas.get((sku, kind), 0) for kind in kinds)

    return LedgerBooks(
        initial=stocked("put_on_sale", "restock", "write_off"),
        reserved=ordered(OrderState.RESERVED),
        sold=ordered(OrderState.PAID),
        refunded=ordered(OrderState.REFUNDED),
        written_off=-stocked("write_off"),
        waiting=ordered(OrderState.QUEUED),
        allocated=stock + stocked("allocate"),
    )


def _payment(row: Any) -> PaymentRow:
    payment = Payment(row.id, OrderId(row.order_id), row.amount_minor, row.currency, row.provider)
    return PaymentRow(payment, SaleId(row.sale_id), PaymentOutcome(row.outcome), row.at_ms)


def refund_of(row: Any) -> Refund:
    """A row of `refunds` as the words have it."""
    return Refund(
        id=row.id,
        payment_id=row.payment_id,
        order_id=OrderId(row.order_id),
        sale=SaleId(row.sale_id),
        amount_minor=row.amount_minor,
        currency=row.currency,
        reason=row.reason,
        state=row.state,
        attempts=row.attempts,
        next_at_ms=row.next_at_ms,
        last_error=row.last_error,
        created_at_ms=row.created_at_ms,
        done_at_ms=row.done_at_ms,
    )
