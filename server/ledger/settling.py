"""What else follows when the ledger takes moves in: sources, coupons, commissions.

Called in the transaction that stores the moves. It goes by the orders as they stand in SQL
afterwards, so that it does not matter in which portions and order moves come.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from flash_sale.model import Move, MoveKind, Order, OrderId, OrderState, SaleId
from server.database.claim_records import settle as settle_claims
from server.database.commission_records import PaidOrder, note_paid, note_refunded
from server.database.sale_tables import orders, sales
from server.database.source_records import OrderSource, store_sources
from server.sharing.notes import read_note

IDS_AT_ONCE = 500
_NEW = frozenset({MoveKind.RESERVED, MoveKind.QUEUED})
_MONEY = frozenset({MoveKind.PAID, MoveKind.REFUNDED})


class Settling:
    """One of the `follow` of `Ledger`: `settling.follow`."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms

    def follow(self, connection: sa.Connection, sale: SaleId, moves: Sequence[Move]) -> None:
        """Settle what new moves of a sale's orders mean. Doing it again changes nothing."""
        touched = {move.order.id: move.order for move in moves if move.order is not None}
        if not touched:
            return
        query = sa.select(sales.c.room_id, sales.c.currency).where(sales.c.id == sale)
        room, currency = connection.execute(query).one()
        new = {move.order.id: move.order for move in moves if move.order and move.kind in _NEW}
        store_sources(connection, [_source(order, room) for order in new.values()])
        money = {move.order.id for move in moves if move.order and move.kind in _MONEY}
        with_coupons = {order.id for order in touched.values() if order.coupons}
        states = _states(connection, sorted(money | with_coupons))
        now_ms = self._now_ms()
        settle_claims(
            connection, {one: state for one, state in states.items() if one in with_coupons}, now_ms
        )
        paid = [one for one in money if states[one] is OrderState.PAID]
        note_paid(connection, [_paid(touched[one], room, currency) for one in paid])
        note_refunded(
            connection, [one for one in money if states[one] is OrderState.REFUNDED], now_ms
        )


def _states(connection: sa.Connection, ids: Sequence[OrderId]) -> dict[OrderId, OrderState]:
    """How orders stand after all moves that the ledger has."""
    states: dict[OrderId, OrderState] = {}
    for start in range(0, len(ids), IDS_AT_ONCE):
        query = sa.select(orders.c.id, orders.c.state).where(
            orders.c.id.in_(ids[start : start + IDS_AT_ONCE])
        )
        states |= {OrderId(row.id): OrderState(row.state) for row in connection.execute(query)}
    return states


def _source(order: Order, room: str) -> OrderSource:
    note = read_note(order.note)
    return OrderSource(order.id, room, order.sale, note.visit, note.source, order.placed_at_ms)


def _paid(order: Order, room: str, currency: str) -> PaidOrder:
    markup_minor = sum(line.qty * line.markup_minor for line in order.lines)
    return PaidOrder(
        order=order.id,
        room=room,
        buyer=order.user,
        currency=currency,
        base_minor=max(0, order.amount_minor - markup_minor),
        markup_minor=markup_minor,
        sharer=read_note(order.note).sharer,
        placed_at_ms=order.placed_at_ms,
        paid_at_ms=order.paid_at_ms or order.changed_at_ms,
    )
