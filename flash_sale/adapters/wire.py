"""Texts that the scripts of a sale write, as values: orders, moves, messages and views.

Fields are separated by characters that no id, name or reason may contain.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from flash_sale.catalog import PRICE_MINOR_MAX, SkuId, is_id
from flash_sale.model import (
    AMOUNT_MINOR_MAX,
    COUPONS_MAX,
    NOTE_BYTES_MAX,
    UNITS_MAX,
    Line,
    Move,
    MoveKind,
    Order,
    OrderId,
    OrderState,
    Payment,
    PaymentOutcome,
    Position,
    PricedLine,
    Purchase,
    SaleId,
    SaleState,
    SaleView,
    SkuBooks,
)

FIELD, ROW, PART = "\x1f", "\x1e", "\x1d"
MAY_WAIT, MARKED_UP, TAKEN_OFF = "+", "@", "|"  # in what is asked
INDEX_STEP, EPOCH_STEP = 2**40, 2**32  # as in sale.lua
EPOCH_MAX = INDEX_STEP // EPOCH_STEP - 1  # the next one's places are those of the sku behind
TAIL_CHARS = 24  # of an order's id
_MOVE_FIELDS = 6
_ORDER_FIELDS = 10  # a note is one more


class Unreadable(ValueError):
    """The text is not what a script of this version writes; it says where."""


@dataclass(frozen=True, slots=True)
class Told:
    """One announcement of a sale: what happened, and what is left of the skus it touched.

    `available` is what anybody may buy: 0 while somebody waits. `refused` are orders answered
    not_started, paused, ended or limit_reached.
    """

    at: Position
    state: SaleState  # OPEN also when nothing is left
    version: int
    available: Mapping[SkuId, int]
    moves: tuple[Move, ...]
    refused: tuple[OrderId, ...]


_SPECIAL = re.compile(r"[\x00-\x1f]")


def checked(**texts: str) -> None:
    """Raise `ValueError` naming the first text that would break the fields of the scripts."""
    for name, text in texts.items():
        if _SPECIAL.search(text):
            raise ValueError(f"{name}: must not contain control characters")


def tail_of(order_id: OrderId) -> str:
    return order_id[-TAIL_CHARS:]


def check_purchase(purchase: Purchase) -> None:
    """Raise `ValueError` naming the field if the scripts could not decide it, or not keep it.

    One such purchase would spoil the batch of its neighbours.
    """
    asked_by(purchase)
    texts = {"user": purchase.user, "request_id": purchase.request_id, "name": purchase.name}
    checked(**texts, note=purchase.note)
    if len(purchase.note.encode()) > NOTE_BYTES_MAX:
        raise ValueError(f"note: at most {NOTE_BYTES_MAX} bytes")


def asked_by(purchase: Purchase) -> str:
    """`ask_of` a purchase."""
    return ask_of(purchase.lines, purchase.waitlist, purchase.discount_minor, purchase.coupons)


@lru_cache(maxsize=1_024)  # few things are asked for, by many
def ask_of(
    lines: tuple[Line, ...],
    waitlist: bool,
    discount_minor: int = 0,
    coupons: tuple[str, ...] = (),
) -> str:
    """The request in one canonical text, as the scripts compare it:

    `sku*qty@markup,...|discount|coupon|...+`. What is nothing is not said.
    Raises `ValueError` naming the field if the scripts could not decide it.
    """
    if not lines or any(not 0 < line.qty <= UNITS_MAX for line in lines):
        raise ValueError("qty: must be at least 1")
    if len({line.sku for line in lines}) < len(lines):
        raise ValueError("items: a sku is given twice")
    if waitlist and (len(lines) > 1 or lines[0].qty > 1):
        raise ValueError("waitlist: one unit of one sku at a time")
    if any(not 0 <= line.markup_minor <= PRICE_MINOR_MAX for line in lines):
        raise ValueError(f"markup_minor: must be 0 to {PRICE_MINOR_MAX}")
    ask = ",".join(
        f"{line.sku}*{line.qty}{MARKED_UP}{line.markup_minor}"
        if line.markup_minor
        else f"{line.sku}*{line.qty}"
        for line in sorted(lines, key=lambda line: line.sku)
    )
    if discount_minor or coupons:
        _check_discount(discount_minor, coupons)
        ask = TAKEN_OFF.join((ask, str(discount_minor), *coupons))
    return ask + (MAY_WAIT if waitlist else "")


def _check_discount(discount_minor: int, coupons: tuple[str, ...]) -> None:
    if not 0 <= discount_minor <= AMOUNT_MINOR_MAX:
        raise ValueError(f"discount_minor: must be 0 to {AMOUNT_MINOR_MAX}")
    if len(coupons) > COUPONS_MAX:
        raise ValueError(f"coupons: at most {COUPONS_MAX}")
    if list(coupons) != sorted(set(coupons)) or not all(map(is_id, coupons)):
        raise ValueError("coupons: must be ids, sorted, each once")


def parse_order(sale: SaleId, tail: str, text: str, state: str | None = None) -> Order:
    """An order; without `state` as it was first answered. Raises `ValueError`."""
    parts = text.split(FIELD)
    note = parts.pop() if len(parts) > _ORDER_FIELDS else ""
    user, request_id, ask, amount, prices, at, expires, position, durability, name = parts
    placed_at_ms, place = int(at), int(position)
    if state is not None:
        word, changed, reserved, expires, paid, payment = state.split(" ")
        now_is = (OrderState(word), int(reserved) or None, int(expires) or None, int(paid) or None)
        changed_at_ms, payment_id = int(changed), "" if payment == "-" else payment
    else:
        now_is = (
            (OrderState.QUEUED, None, None, None)
            if place
            else (OrderState.RESERVED, placed_at_ms, int(expires), None)
        )
        changed_at_ms, payment_id = placed_at_ms, ""
    lines, discount_minor, coupons = _asked(ask, prices)
    return Order(
        OrderId(f"{sale}.{tail}"),
        sale,
        user,
        request_id,
        lines,
        int(amount),
        now_is[0],
        placed_at_ms,
        *now_is[1:],
        changed_at_ms,
        place,
        durability,
        payment_id,
        name,
        discount_minor,
        coupons,
        note,
    )


@lru_cache(maxsize=1_024)  # few things are asked for, by many
def _asked(ask: str, prices: str) -> tuple[tuple[PricedLine, ...], int, tuple[str, ...]]:
    """Lines, discount and coupons of an order."""
    goods, *taken_off = ask.split(TAKEN_OFF)
    lines = []
    for part, price in zip(goods.split(","), prices.split(","), strict=True):
        sku, _, counts = part.partition("*")
        qty, _, markup = counts.partition(MARKED_UP)
        lines.append(PricedLine(SkuId(sku), int(qty), int(price), int(markup or 0)))
    return tuple(lines), int(taken_off[0]) if taken_off else 0, tuple(taken_off[1:])


def order_texts(order: Order) -> tuple[str, str]:
    """The two texts of an order: as first answered, and as it is now."""
    first_expiry = 0 if order.position else order.expires_at_ms
    lines = sorted(order.lines, key=lambda line: line.sku)
    asked = tuple(Line(line.sku, line.qty, line.markup_minor) for line in lines)
    text = FIELD.join(
        (
            order.user,
            order.request_id,
            ask_of(asked, False, order.discount_minor, order.coupons),
            str(order.amount_minor),
            ",".join(str(line.price_minor) for line in lines),
            str(order.placed_at_ms),
            str(first_expiry or 0),
            str(order.position),
            order.durability,
            order.name,
            *((order.note,) if order.note else ()),
        )
    )
    instants = (order.changed_at_ms, order.reserved_at_ms, order.expires_at_ms, order.paid_at_ms)
    state = " ".join((order.state, *(str(at or 0) for at in instants), order.payment_id or "-"))
    return text, state


def parse_moves(sale: SaleId, epoch: int, rows: str) -> tuple[Move, ...]:
    """The moves of one stream entry or message, in order. Raises `Unreadable`."""
    if not rows:
        return ()
    try:
        split = (row.split(FIELD, _MOVE_FIELDS) for row in rows.split(ROW))
        return tuple(_move(sale, epoch, fields) for fields in split)
    except (LookupError, ValueError) as error:
        raise Unreadable(f"moves of sale {sale}: {error}") from error


def _move(sale: SaleId, epoch: int, fields: list[str]) -> Move:
    kind = MoveKind(fields[0])
    tail, state, extra = fields[3], fields[4], fields[5]
    order = None
    if tail:
        order = parse_order(sale, tail, fields[_MOVE_FIELDS], state or None)
    parts = extra.split(PART) if extra else []
    payment, outcome, actor, facts = None, None, "", {}
    if kind in (MoveKind.PAID, MoveKind.PAYMENT):
        if order is None:
            raise Unreadable(f"{kind} without an order")
        payment = Payment(parts[0], order.id, int(parts[1]), parts[2], parts[3])
        outcome = PaymentOutcome(parts[4])
    elif parts:
        actor = parts[0]
        facts = dict(zip(_FACTS[kind], parts[1:], strict=True))
    return Move(
        epoch=epoch,
        seq=int(fields[1]),
        at_ms=int(fields[2]),
        kind=kind,
        order=order,
        payment=payment,
        payment_outcome=outcome,
        actor=actor,
        facts=facts,
    )


_FACTS: dict[MoveKind, tuple[str, ...]] = {
    MoveKind.CANCELLED: ("reason",),
    MoveKind.REFUNDED: ("reason", "restock", "act", "role"),
    MoveKind.SALE: ("state", "starts_at_ms", "ends_at_ms", "reason"),
    MoveKind.STOCK: ("kind", "reason", "role", "units"),
}


def parse_message(sale: SaleId, message: bytes) -> Told:
    """What a sale announced. Raises `Unreadable`."""
    header, _, rows = message.decode().partition(ROW)
    try:
        epoch, seq, told, now_ms, state, version, shown, refused = header.split(FIELD)
        return Told(
            at=Position(int(epoch), int(seq), int(told), int(now_ms)),
            state=SaleState(state),
            version=int(version),
            available=parse_available(shown),
            moves=parse_moves(sale, int(epoch), rows),
            refused=tuple(OrderId(f"{sale}.{tail}") for tail in refused.split(",") if tail),
        )
    except ValueError as error:
        raise Unreadable(f"message of sale {sale}: {error}") from error


def parse_available(shown: str) -> dict[SkuId, int]:
    pairs = (part.partition("=") for part in shown.split(",") if part)
    return {SkuId(sku): int(count) for sku, _, count in pairs}


def parse_view(sale: SaleId, at: Position, rows: Sequence[str]) -> SaleView:
    """A view as `view()` of sale.lua writes it, after its header."""
    state, version, starts, ends, hold_ms, room, currency, reason = rows[:8]
    items = tuple(
        _books(rows[number], rows[number + 1], int(rows[number + 2]))
        for number in range(8, len(rows), 3)
    )
    shown = SaleState(state)
    if shown is SaleState.OPEN and all(item.available == 0 for item in items):
        shown = SaleState.SOLD_OUT
    return SaleView(
        id=sale,
        room=room,
        currency=currency,
        state=shown,
        starts_at_ms=int(starts) or None,
        ends_at_ms=int(ends) or None,
        hold_ms=int(hold_ms),
        version=int(version),
        at=at,
        items=items,
        reason=reason,
    )


def _books(sku: str, counters: str, waiting: int) -> SkuBooks:
    initial, available, reserved, sold, refunded, written_off, allocated, price, limit, _ = (
        int(value) for value in counters.split(" ")
    )
    return SkuBooks(
        sku=SkuId(sku),
        initial=initial,
        available=available,
        reserved=reserved,
        sold=sold,
        refunded=refunded,
        written_off=written_off,
        allocated=allocated,
        waiting=waiting,
        price_minor=price,
        per_user_max=limit,
    )
