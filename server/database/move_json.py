"""Moves as the audit trail keeps them: JSON that says everything a move says."""

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
    """A move, its text, and the digest of the text."""

    move: Move
    text: str
    digest: bytes


def written(move: Move) -> WrittenMove:
    """Write a move down. Equal moves have equal texts, whatever the order of their facts."""
    encoded = orjson.dumps(move, default=dict, option=orjson.OPT_SORT_KEYS)
    return WrittenMove(move, encoded.decode(), blake2b(encoded, digest_size=DIGEST_BYTES).digest())


def read_move(text: str) -> Move:
    """The move that was written. Raises `ValueError`, `KeyError` or `TypeError` if it is none."""
    value = orjson.loads(text)
    outcome = value["payment_outcome"]
    return Move(
        epoch=value["epoch"],
        seq=value["seq"],
        at_ms=value["at_ms"],
        kind=MoveKind(value["kind"]),
        order=None if value["order"] is None else _order(value["order"]),
        payment=None if value["payment"] is None else _payment(value["payment"]),
        payment_outcome=None if outcome is None else PaymentOutcome(outcome),
        actor=value["actor"],
        facts=value["facts"],
    )


def _order(value: dict[str, Any]) -> Order:
    lines = tuple(
        PricedLine(SkuId(line["sku"]), line["qty"], line["price_minor"]) for line in value["lines"]
    )
    typed = {
        "id": OrderId(value["id"]),
        "sale": SaleId(value["sale"]),
        "lines": lines,
        "state": OrderState(value["state"]),
    }
    return Order(**(value | typed))


def _payment(value: dict[str, Any]) -> Payment:
    return Payment(**(value | {"order_id": OrderId(value["order_id"])}))
