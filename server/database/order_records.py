"""Orders, payments and moves in SQL, for whoever reads them: pages, files, audits, rebuilds.

What stands here follows the store by the ledger's lag; only the ledger writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from flash_sale.catalog import SkuId, is_id
from flash_sale.model import (
    Move,
    Order,
    OrderId,
    OrderState,
    Payment,
    PaymentOutcome,
    PricedLine,
    SaleId,
)
from server.database.engine import Database
from server.database.move_json import read_move
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
LINES_AT_ONCE = 500  # orders whose lines one query asks for


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
        found = await self._run(lambda one: _rows(one, query), f"read order {order_id}")
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
        """Up to `limit` orders by id, those after `after_id`; None starts at the first.

        Each filter leaves out all others; `among` are the only rooms whose orders are wanted.
        """
        rooms = None if among is None else set(among)
        if room is not None:
            rooms = {room} if rooms is None else rooms & {room}
        if not all(is_storable(text) for text in (after_id or "", user or "")):
            return []

        def work(connection: sa.Connection) -> list[OrderRow]:
            query = sa.select(orders).order_by(orders.c.id)
            if user is not None:
                query = query.where(orders.c.user_id == user)
            if state is not None:
                query = query.where(orders.c.state == state.value)
            if sale is None and rooms is None:
                return _rows(connection, _after(query, after_id).limit(limit))
            found: list[OrderRow] = []
            for sale_id in _sales_of(connection, sale, rooms, after_id):
                of_sale = query.where(*_of_sale(orders.c.id, sale_id))
                left = limit - len(found)
                found += _rows(connection, _after(of_sale, after_id).limit(left))
                if len(found) == limit:
                    break
            return found

        return await self._run(work, "list orders")

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
        return await self._run(lambda connection: _rows(connection, query), "list a user's orders")

    async def rows(self, sale: str, after_id: str | None, limit: int) -> list[OrderRow]:
        """The orders of one sale in pieces, by id, those after `after_id`. For files."""
        return await self.page(after_id, limit, sale=sale)

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


def _after(query: sa.Select[Any], after_id: str | None) -> sa.Select[Any]:
    return query.where(orders.c.id > after_id) if after_id else query


def _sales_of(
    connection: sa.Connection, sale: str | None, rooms: set[str] | None, after_id: str | None
) -> Sequence[str]:
    """The sales whose orders are wanted, in the order of their orders' ids."""
    if sale is not None and rooms is None:
        return [sale] if is_id(sale) else []
    query = sa.select(sales.c.id).where(sales.c.room_id.in_(sorted(filter(is_id, rooms or ()))))
    if sale is not None:
        query = query.where(sales.c.id == (sale if is_id(sale) else ""))
    found = sorted(f"{sale_id}." for sale_id in connection.execute(query).scalars())
    first = (after_id or "").rpartition(".")[0] + "." if after_id else ""
    return [prefix[:-1] for prefix in found if prefix >= first]


def _rows(connection: sa.Connection, query: sa.Select[Any]) -> list[OrderRow]:
    rows = connection.execute(query).all()
    lines: dict[str, list[PricedLine]] = {row.id: [] for row in rows}
    ids = list(lines)
    for start in range(0, len(ids), LINES_AT_ONCE):
        stored = connection.execute(
            sa.select(order_lines)
            .where(order_lines.c.order_id.in_(ids[start : start + LINES_AT_ONCE]))
            .order_by(order_lines.c.order_id, order_lines.c.position)
        )
        for line in stored:
            lines[line.order_id].append(PricedLine(SkuId(line.sku), line.qty, line.price_minor))
    return [_order_row(row, lines[row.id]) for row in rows]


def _order_row(row: Any, lines: Iterable[PricedLine]) -> OrderRow:
    order = Order(
        id=OrderId(row.id),
        sale=SaleId(row.sale_id),
        user=row.user_id,
        request_id=row.request_id,
        lines=tuple(lines),
        amount_minor=row.amount_minor,
        state=OrderState(row.state),
        placed_at_ms=row.placed_at_ms,
        reserved_at_ms=row.reserved_at_ms,
        expires_at_ms=row.expires_at_ms,
        paid_at_ms=row.paid_at_ms,
        changed_at_ms=row.changed_at_ms,
        position=row.position,
        durability=row.durability,
        payment_id=row.payment_id,
        name=row.name,
    )
    return OrderRow(order, row.room_id, row.currency, row.epoch, row.seq)


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
