"""What the moves of a sale come to in SQL: which are new, and the rows that follow from them.

Works inside the caller's transaction. The result does not depend on the order or the portions in
which moves come, nor on how often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import sqlalchemy as sa

from flash_sale.catalog import is_id
from flash_sale.model import Move, MoveKind, Order, OrderId, Payment, PaymentOutcome, SaleId
from server.database.bulk import Bulk, Row
from server.database.errors import Diverged, OldEpoch, UnknownSale
from server.database.move_json import WrittenMove, read_move, written
from server.database.sale_tables import (
    order_lines,
    orders,
    payments,
    refunds,
    sale_moves,
    sales,
    stock_moves,
)
from server.database.sale_words import Applied

# What else is settled in the transaction that stores moves: called with those of orders that are
# new, by number. What it raises undoes them, and an error that `Ledger.apply` names for moves that
# can never be stored sets them aside: it must raise none of those for a move that is well.
Follow = Callable[[sa.Connection, SaleId, Sequence[Move]], None]

IDS_AT_ONCE = 500  # orders whose payments one query asks for
SEQ_GAP_MAX = 256  # moves further apart are looked for by a query of their own

_CHANGING = (
    "state",
    "reserved_at_ms",
    "expires_at_ms",
    "paid_at_ms",
    "changed_at_ms",
    "payment_id",
    "epoch",
    "seq",
)
_MOVES = Bulk(sale_moves, [column.name for column in sale_moves.columns])
_STOCK_MOVES = Bulk(stock_moves, [column.name for column in stock_moves.columns])
_ORDERS = Bulk(
    orders,
    [column.name for column in orders.columns],
    conflict="ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _CHANGING)
    + " WHERE (orders.epoch, orders.seq) < (excluded.epoch, excluded.seq)",
)
_LINES = Bulk(
    order_lines,
    [column.name for column in order_lines.columns],
    conflict="ON CONFLICT (order_id, position) DO NOTHING",
)
_PAYMENTS = Bulk(payments, [column.name for column in payments.columns])
_REFUNDS = Bulk(
    refunds, [column.name for column in refunds.columns], conflict="ON CONFLICT DO NOTHING"
)


def apply_moves(
    connection: sa.Connection,
    sale_id: str,
    batches: Iterable[Iterable[Move]],
    follow: Sequence[Follow] = (),
) -> Applied:
    """Store the moves that are new. Raises what `Ledger.apply` promises, having stored nothing."""
    sale = _lock(connection, sale_id)
    given, repeats = _by_number(sale_id, batches)
    fresh = _new_ones(connection, sale, given)
    if fresh:
        _store(connection, sale, fresh)
        moves = sorted((one.move for one in fresh if one.move.order), key=lambda move: move.seq)
        for settle in follow if moves else ():
            settle(connection, SaleId(sale.id), moves)
    return Applied(len(fresh), repeats + len(given) - len(fresh))


@dataclass(frozen=True, slots=True)
class _Sale:
    """What is read of the sale's row, under its lock."""

    id: str
    room: str
    currency: str
    epoch: int
    seq: int
    state_seq: int


@dataclass(slots=True)
class _Rows:
    """The rows that new moves come to."""

    moves: list[Row] = field(default_factory=list)
    stock: list[Row] = field(default_factory=list)
    payments: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    refunds: dict[str, Row] = field(default_factory=dict)
    newest: dict[OrderId, Move] = field(default_factory=dict)
    state: Move | None = None


def _lock(connection: sa.Connection, sale_id: str) -> _Sale:
    query = sa.select(
        sales.c.id,
        sales.c.room_id,
        sales.c.currency,
        sales.c.epoch,
        sales.c.seq,
        sales.c.state_seq,
    ).where(sales.c.id == sale_id)
    row = connection.execute(query.with_for_update()).one_or_none() if is_id(sale_id) else None
    if row is None:
        raise UnknownSale(sale_id)
    return _Sale(*row)


def _by_number(
    sale_id: str, batches: Iterable[Iterable[Move]]
) -> tuple[dict[tuple[int, int], WrittenMove], int]:
    """Every move once, by epoch and seq, and how many were repeats of one of them."""
    given: dict[tuple[int, int], WrittenMove] = {}
    repeats = 0
    for batch in batches:
        for move in batch:
            number = (move.epoch, move.seq)
            one = written(move)
            other = given.setdefault(number, one)
            if other is not one:
                if other.digest != one.digest:
                    raise Diverged(f"sale {sale_id}: two moves are number {_named(number)}")
                repeats += 1
    return given, repeats


def _new_ones(
    connection: sa.Connection, sale: _Sale, given: dict[tuple[int, int], WrittenMove]
) -> list[WrittenMove]:
    stored = _stored_digests(connection, sale.id, sorted(given))
    fresh: list[WrittenMove] = []
    for number, one in given.items():
        digest = stored.get(number)
        if digest is None:
            fresh.append(one)
        elif digest != one.digest and not _is_same(connection, sale.id, one.move):
            raise Diverged(
                f"sale {sale.id}: the ledger holds another move as number {_named(number)}"
            )
    for one in fresh:
        epoch = one.move.epoch
        if epoch < sale.epoch:
            raise OldEpoch(f"sale {sale.id}: a move of epoch {epoch}, which ended: {sale.epoch}")
        if epoch > sale.epoch:
            raise Diverged(
                f"sale {sale.id}: a move of epoch {epoch}, but the ledger is at {sale.epoch}"
            )
    return fresh


def _named(number: tuple[int, int]) -> str:
    return f"{number[1]} of epoch {number[0]}"


def _stored_digests(
    connection: sa.Connection, sale_id: str, numbers: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], bytes]:
    stored: dict[tuple[int, int], bytes] = {}
    for epoch, first, last in _runs(numbers):
        rows = connection.execute(
            sa.select(sale_moves.c.seq, sale_moves.c.digest).where(
                sale_moves.c.sale_id == sale_id,
                sale_moves.c.epoch == epoch,
                sale_moves.c.seq.between(first, last),
            )
        )
        stored.update(((epoch, row.seq), bytes(row.digest)) for row in rows)
    return stored


def _runs(numbers: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Sorted numbers as (epoch, first, last): few ranges that leave out what lies far between."""
    runs: list[tuple[int, int, int]] = []
    for epoch, seq in numbers:
        if runs and runs[-1][0] == epoch and seq - runs[-1][2] <= SEQ_GAP_MAX:
            runs[-1] = (epoch, runs[-1][1], seq)
        else:
            runs.append((epoch, seq, seq))
    return runs


def _is_same(connection: sa.Connection, sale_id: str, move: Move) -> bool:
    """True if the stored move only was written by another version of this program."""
    row = connection.execute(
        sa.select(sale_moves).where(
            sale_moves.c.sale_id == sale_id,
            sale_moves.c.epoch == move.epoch,
            sale_moves.c.seq == move.seq,
        )
    ).one()
    try:
        return read_move(row) == move
    except (ValueError, KeyError, TypeError):
        return False


def _store(connection: sa.Connection, sale: _Sale, fresh: Sequence[WrittenMove]) -> None:
    rows = _Rows()
    for one in fresh:
        _add(rows, sale, one)
    _MOVES.store(connection, rows.moves)
    # In the order of the keys: each page of the trees below them is then touched once.
    newest = [rows.newest[order_id] for order_id in sorted(rows.newest)]
    _ORDERS.store(connection, [_order_row(sale, move, move.order) for move in newest if move.order])
    _LINES.store(
        connection,
        [
            (move.order.id, position, line.sku, line.qty, line.price_minor, line.markup_minor)
            for move in newest
            if move.order
            for position, line in enumerate(move.order.lines)
        ],
    )
    _STOCK_MOVES.store(connection, rows.stock)
    _PAYMENTS.store(connection, _unknown_payments(connection, rows.payments))
    _REFUNDS.store(connection, list(rows.refunds.values()))
    columns: dict[str, Any] = {
        "seq": max(sale.seq, *(one.move.seq for one in fresh)),
        "moves": sales.c.moves + len(fresh),
    }
    if rows.state is not None and rows.state.seq > sale.state_seq:
        columns |= _state_columns(rows.state)
    connection.execute(sa.update(sales).where(sales.c.id == sale.id).values(**columns))


def _unknown_payments(
    connection: sa.Connection, given: dict[tuple[str, str, str], Row]
) -> list[Row]:
    """Those that no move has brought before. A store that lost its memory of them may repeat one.

    Asked beforehand: an append-only table refuses a repeated key before any ON CONFLICT is seen.
    """
    known: set[tuple[str, str, str]] = set()
    order_ids = sorted({order_id for order_id, _, _ in given})
    for start in range(0, len(order_ids), IDS_AT_ONCE):
        query = sa.select(payments.c.order_id, payments.c.provider, payments.c.id)
        asked = payments.c.order_id.in_(order_ids[start : start + IDS_AT_ONCE])
        known.update((row[0], row[1], row[2]) for row in connection.execute(query.where(asked)))
    return [given[key] for key in sorted(given) if key not in known]


def _add(rows: _Rows, sale: _Sale, one: WrittenMove) -> None:
    move = one.move
    order = move.order
    rows.moves.append(
        (
            sale.id,
            move.epoch,
            move.seq,
            move.at_ms,
            move.kind.value,
            None if order is None else order.id,
            move.actor,
            one.digest,
            one.text,
        )
    )
    if order is not None:
        if order.sale != sale.id:
            raise ValueError(f"order: {order.id} is not of sale {sale.id}")
        other = rows.newest.get(order.id)
        if move.kind is not MoveKind.PAYMENT and (other is None or other.seq < move.seq):
            rows.newest[order.id] = move
    if move.kind is MoveKind.SALE and (rows.state is None or rows.state.seq < move.seq):
        rows.state = move
    elif move.kind is MoveKind.STOCK:
        rows.stock += _stock_rows(sale.id, move)
    elif move.kind is MoveKind.REFUNDED and order is not None:
        _add_refund(rows, order, order.payment_id, order.amount_minor, sale.currency, move)
        if move.facts.get("restock") == "0":
            rows.stock += [
                _stock_row(sale.id, move, line.sku, -line.qty, "write_off") for line in order.lines
            ]
    if move.payment is not None:
        if order is None:
            raise ValueError(f"move {move.seq}: a payment without its order")
        _add_payment(rows, move, order, move.payment)


def _add_payment(rows: _Rows, move: Move, order: Order, payment: Payment) -> None:
    outcome = move.payment_outcome or PaymentOutcome.ACCEPTED
    row = (
        order.id,
        payment.provider,
        payment.id,
        order.sale,
        payment.amount_minor,
        payment.currency,
        outcome.value,
        move.at_ms,
    )
    rows.payments.setdefault((order.id, payment.provider, payment.id), row)
    if outcome is not PaymentOutcome.ACCEPTED:
        _add_refund(rows, order, payment.id, payment.amount_minor, payment.currency, move)


def refund_id_of(order_id: OrderId, payment_id: str) -> str:
    """The id of the refund of a payment of an order: the same on every writer."""
    text = f"{order_id}\x1f{payment_id}".encode()
    return "refund-" + blake2b(text, digest_size=12, person=b"onair refund").hexdigest()


def _add_refund(
    rows: _Rows, order: Order, payment_id: str, amount_minor: int, currency: str, move: Move
) -> None:
    refund_id = refund_id_of(order.id, payment_id)
    reason = MoveKind.REFUNDED.value if move.payment_outcome is None else move.payment_outcome.value
    nothing = amount_minor == 0  # then there is nothing to send back
    row = (
        refund_id,
        payment_id,
        order.id,
        order.sale,
        amount_minor,
        currency,
        reason,
        "done" if nothing else "due",
        0,
        move.at_ms,
        "",
        move.at_ms,
        move.at_ms if nothing else None,
    )
    rows.refunds.setdefault(refund_id, row)


def _stock_rows(sale_id: str, move: Move) -> list[Row]:
    rows = []
    for part in filter(None, move.facts["units"].split(",")):
        sku, _, delta = part.partition("=")
        rows.append(_stock_row(sale_id, move, sku, int(delta), move.facts["kind"]))
    return rows


def _stock_row(sale_id: str, move: Move, sku: str, delta: int, kind: str) -> Row:
    reason = move.facts.get("reason", "")
    return (sale_id, move.epoch, move.seq, sku, delta, kind, move.actor, reason, move.at_ms)


def _order_row(sale: _Sale, move: Move, order: Order) -> Row:
    return (
        order.id,
        sale.id,
        sale.room,
        order.user,
        order.request_id,
        order.state.value,
        order.amount_minor,
        sale.currency,
        order.placed_at_ms,
        order.reserved_at_ms,
        order.expires_at_ms,
        order.paid_at_ms,
        order.changed_at_ms,
        order.position,
        order.durability,
        order.payment_id,
        order.name,
        move.epoch,
        move.seq,
        order.discount_minor,
        ",".join(order.coupons),
        order.note,
    )


def _state_columns(move: Move) -> dict[str, Any]:
    columns: dict[str, Any] = {"state_seq": move.seq}
    for name in ("state", "reason"):
        if name in move.facts:
            columns[name] = move.facts[name]
    for name in ("starts_at_ms", "ends_at_ms"):
        if name in move.facts:
            columns[name] = int(move.facts[name] or 0) or None
    return columns
