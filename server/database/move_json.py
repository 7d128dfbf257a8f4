"""Moves as the audit trail keeps them: columns to look for them by, and JSON for all the rest."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from flash_sale.catalog import SkuId
from flash_sale.model import (
    Move,
    MoveKind,
    Order,
    OrderId,
    OrderState,
    Payment,
    PaymentOutcome,
    PricedLine,
    SaleId,
)

DIGEST_BYTES = 16


@dataclass(slots=True)
class WrittenMove:
    """A move, the JSON of what its columns do not say, and a digest of all of it."""

    move: Move
    text: str
    digest: bytes


def written(move: Move) -> WrittenMove:
    """Write a move down. Equal moves have equal texts, whatever the order of their facts."""
    value: dict[str, Any] = {}
    if move.order is not None:
        value["order"] = _order_value(move.order)
    if move.payment is not None:
        value["payment"] = _payment_value(move.payment)
    if move.payment_outcome is not None:
        value["outcome"] = move.payment_outcome.value
    if move.facts:
        value["facts"] = dict(sorted(move.facts.items()))
    text = orjson.dumps(value)
    columns = f"\x1f{move.epoch}\x1f{move.seq}\x1f{move.at_ms}\x1f{move.kind}\x1f{move.actor}"
    digest = blake2b(text + columns.encode(), digest_size=DIGEST_BYTES).digest()
    return WrittenMove(move, text.decode(), digest)


def read_move(row: Any) -> Move:
    """The move of a row of `sale_moves`. `ValueError`, `KeyError`, `TypeError`: it holds none."""
    value = orjson.loads(row.facts)
    order, payment, outcome = value.get("order"), value.get("payment"), value.get("outcome")
    return Move(
        epoch=row.epoch,
        seq=row.seq,
        at_ms=row.at_ms,
        kind=MoveKind(row.kind),
        order=None if order is None else _order(SaleId(row.sale_id), order),
        payment=None if payment is None else _payment(payment),
        payment_outcome=None if outcome is None else PaymentOutcome(outcome),
        actor=row.actor,
        facts=value.get("facts", {}),
    )


# By hand, because orjson takes ten times as long for a dataclass with slots as for its dict.
def _order_value(order: Order) -> dict[str, Any]:
    """What few orders have is written of those only: all others keep their texts and digests."""
    value: dict[str, Any] = {
        "id": order.id,
        "user": order.user,
        "request_id": order.request_id,
        "lines": [_line_value(line) for line in order.lines],
        "amount_minor": order.amount_minor,
        "state": order.state,
        "placed_at_ms": order.placed_at_ms,
        "reserved_at_ms": order.reserved_at_ms,
        "expires_at_ms": order.expires_at_ms,
        "paid_at_ms": order.paid_at_ms,
        "changed_at_ms": order.changed_at_ms,
        "position": order.position,
        "durability": order.durability,
        "payment_id": order.payment_id,
        "name": order.name,
    }
    if order.discount_minor:
        value["discount_minor"] = order.discount_minor
    if order.coupons:
        value["coupons"] = order.coupons
    if order.note:
        value["note"] = order.note
    return value


def _line_value(line: PricedLine) -> tuple[str | int, ...]:
    plain = (line.sku, line.qty, line.price_minor)
    return (*plain, line.markup_minor) if line.markup_minor else plain


def _payment_value(payment: Payment) -> dict[str, Any]:
    return {
        "id": payment.id,
        "order_id": payment.order_id,
        "amount_minor": payment.amount_minor,
        "currency": payment.currency,
        "provider": payment.provider,
    }


def _order(sale: SaleId, value: dict[str, Any]) -> Order:
    lines = tuple(PricedLine(SkuId(sku), *counts) for sku, *counts in value["lines"])
    typed = {
        "id": OrderId(value["id"]),
        "sale": sale,
        "lines": lines,
        "state": OrderState(value["state"]),
        "coupons": tuple(value.get("coupons", ())),
    }
    return Order(**(value | typed))


def _payment(value: dict[str, Any]) -> Payment:
    return Payment(**(value | {"order_id": OrderId(value["order_id"])}))
