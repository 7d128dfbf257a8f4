"""Reading orders inside a transaction: whole rows with their lines, and pages of the newest."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from flash_sale.catalog import SkuId, is_id
from flash_sale.model import Order, OrderId, OrderState, PricedLine, SaleId
from server.database.sale_tables import order_lines, orders, sales
from server.database.sale_words import OrderRow

LINES_AT_ONCE = 500  # orders whose lines one query asks for


@dataclass(frozen=True, slots=True)
class Filters:
    """Which orders are wanted; None: all of them."""

    sale: str | None = None
    rooms: frozenset[str] | None = None
    user: str | None = None
    state: OrderState | None = None


def newest(
    connection: sa.Connection, filters: Filters, after_id: str | None, limit: int
) -> list[OrderRow]:
    """Up to `limit` orders, newest first, those behind order `after_id`; none if there is none."""
    query = _keys(filters).limit(limit)
    if after_id:
        known = sa.select(orders.c.placed_at_ms).where(orders.c.id == after_id)
        placed_at_ms = connection.execute(known).scalar_one_or_none()
        if placed_at_ms is None:
            return []
        key = sa.tuple_(orders.c.placed_at_ms, orders.c.id)
        query = query.where(key < sa.tuple_(placed_at_ms, after_id))
    if filters.rooms is not None and filters.sale is None and filters.user is None:
        # Sale by sale: of a sale the newest orders stand together in an index, of a room not.
        keys = [
            tuple(row)
            for sale_id in _sales_of(connection, filters.rooms)
            for row in connection.execute(query.where(orders.c.sale_id == sale_id))
        ]
    else:
        keys = [tuple(row) for row in connection.execute(query)]
    ids = [order_id for _, order_id in heapq.nlargest(limit, keys)]
    rows = read_orders(connection, sa.select(orders).where(orders.c.id.in_(ids)))
    by_id = {row.order.id: row for row in rows}
    return [by_id[order_id] for order_id in ids]


def _keys(filters: Filters) -> sa.Select[Any]:
    query = sa.select(orders.c.placed_at_ms, orders.c.id)
    query = query.order_by(orders.c.placed_at_ms.desc(), orders.c.id.desc())
    if filters.sale is not None:
        query = query.where(orders.c.sale_id == filters.sale)
    if filters.rooms is not None:
        query = query.where(orders.c.room_id.in_(sorted(filter(is_id, filters.rooms))))
    if filters.user is not None:
        query = query.where(orders.c.user_id == filters.user)
    if filters.state is not None:
        query = query.where(orders.c.state == filters.state.value)
    return query


def _sales_of(connection: sa.Connection, rooms: Iterable[str]) -> list[str]:
    query = sa.select(sales.c.id).where(sales.c.room_id.in_(sorted(filter(is_id, rooms))))
    return list(connection.execute(query).scalars())


def read_orders(connection: sa.Connection, query: sa.Select[Any]) -> list[OrderRow]:
    """The orders of a query for whole rows of `orders`, in its order, with their lines."""
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
            lines[line.order_id].append(
                PricedLine(SkuId(line.sku), line.qty, line.price_minor, line.markup_minor)
            )
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
        discount_minor=row.discount_minor,
        coupons=tuple(filter(None, row.coupons.split(","))),
        note=row.note,
    )
    return OrderRow(order, row.room_id, row.currency, row.epoch, row.seq)
