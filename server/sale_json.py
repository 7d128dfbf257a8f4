"""How sales, orders and books look in JSON: on the wire, in events and in the HTTP API alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from flash_sale.model import Item, Order, OrderState, SaleState, SaleView, SkuBooks


def order_json(
    order: Order, room: str, currency: str, *, for_staff: bool = False
) -> dict[str, Any]:
    """An order. `sku` and `qty` are those of its only line; a basket has sku null and all units.

    Keys come in one order and absent facts are left out, so equal orders have equal bytes. Of the
    note buyers see what explains the price; staff see where the order came from, too.
    """
    only = order.lines[0] if len(order.lines) == 1 else None
    value: dict[str, Any] = {
        "id": order.id,
        "sale": order.sale,
        "room": room,
        "sku": None if only is None else only.sku,
        "qty": sum(line.qty for line in order.lines),
        "items": [
            {"sku": line.sku, "qty": line.qty, "price_minor": line.price_minor}
            for line in order.lines
        ],
        "amount_minor": order.amount_minor,
        "currency": currency,
        "state": order.state,
        "request_id": order.request_id,
        "placed_at_ms": order.placed_at_ms,
        "reserved_at_ms": order.reserved_at_ms,
        "expires_at_ms": order.expires_at_ms,
        "durability": order.durability,
    }
    if order.paid_at_ms is not None:
        value["paid_at_ms"] = order.paid_at_ms
    if order.state is OrderState.QUEUED or order.position:
        value["position"] = order.position
    if order.discount_minor:
        value["discount_minor"] = order.discount_minor
    if order.coupons:
        value["coupons"] = order.coupons
    noted = _noted(order.note) if order.note else {}
    if "price" in noted:
        value["price"] = noted["price"]
    if for_staff:
        value |= {"user": order.user, "payment": order.payment_id or None}
        value |= {name: noted[name] for name in ("source", "share") if name in noted}
    return value


def _noted(note: str) -> dict[str, Any]:
    """What a note says; one that cannot be read says nothing."""
    try:
        value = orjson.loads(note)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def sale_json(view: SaleView, goods: Sequence[Item]) -> dict[str, Any]:
    """A running sale as rooms, pages and the API show it; `goods` add titles and products."""
    by_sku = {item.sku: item for item in goods}
    return {
        "id": view.id,
        "room": view.room,
        "state": view.state,
        "starts_at_ms": view.starts_at_ms,
        "ends_at_ms": view.ends_at_ms,
        "hold_seconds": view.hold_ms // 1000,
        "currency": view.currency,
        "reason": view.reason,
        "version": view.version,
        "items": [_item_json(books, by_sku[books.sku]) for books in view.items],
    }


def _item_json(books: SkuBooks, item: Item) -> dict[str, Any]:
    return {
        "sku": books.sku,
        "product": item.product_id,
        "title": item.title,
        "price_minor": books.price_minor,
        "per_user_max": books.per_user_max,
        "stock": books.initial,
        "available": books.available,
        "waiting": books.waiting,
    }


def books_json(books: SkuBooks) -> dict[str, Any]:
    """The counters of one sku; `initial == available + reserved + sold`."""
    return {
        "sku": books.sku,
        "initial": books.initial,
        "available": books.available,
        "reserved": books.reserved,
        "sold": books.sold,
        "refunded": books.refunded,
        "written_off": books.written_off,
        "allocated": books.allocated,
        "waiting": books.waiting,
        "balanced": books.balanced,
    }


def shown_state(state: SaleState, available: int) -> SaleState:
    """OPEN with nothing left is shown as SOLD_OUT."""
    return SaleState.SOLD_OUT if state is SaleState.OPEN and available == 0 else state
