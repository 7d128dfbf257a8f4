"""What a merchant asks for, made into the terms of a sale: goods looked up, rules checked.

Every rule names its field. Reads the catalogue; stores nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flash_sale.catalog import TITLE_CHARS_MAX, Product, SkuId
from flash_sale.model import AMOUNT_MINOR_MAX, Item, SaleId
from server.api.errors import Refused
from server.api.people import new_id
from server.api.sale_models import SaleChange, SaleItemRequest, SaleRequest
from server.api.services import Services
from server.database.sale_words import SaleDraft, SaleRecord
from server.database.sku_finder import products_of_skus
from server.settings import Limits


async def draft_of(body: SaleRequest, services: Services) -> SaleDraft:
    """The sale that a request describes. `Refused` 400 or 404 names the field."""
    limits = services.settings.limits
    _check_seconds("hold_seconds", body.hold_seconds, limits)
    offer_seconds = body.offer_seconds or body.hold_seconds
    _check_seconds("offer_seconds", offer_seconds, limits)
    _check_times(body.starts_at_ms, body.ends_at_ms)
    items, currency = await _goods(body.items, body.currency, services)
    return SaleDraft(
        id=SaleId(body.id or new_id()),
        room=body.room,
        currency=currency,
        items=items,
        hold_ms=body.hold_seconds * 1000,
        offer_ms=offer_seconds * 1000,
        starts_at_ms=body.starts_at_ms,
        ends_at_ms=body.ends_at_ms,
        created_at_ms=services.now_ms(),
    )


async def changes_of(body: SaleChange, record: SaleRecord, services: Services) -> Mapping[str, Any]:
    """What a request changes, by the names of `SaleDraft`; checked together with what stays."""
    limits = services.settings.limits
    sent = body.model_fields_set
    changes: dict[str, Any] = {}
    for name in ("hold", "offer"):
        if f"{name}_seconds" in sent:
            seconds = getattr(body, f"{name}_seconds")
            _check_seconds(f"{name}_seconds", seconds, limits)
            changes[f"{name}_ms"] = seconds * 1000
    for name in ("starts_at_ms", "ends_at_ms"):
        if name in sent:
            changes[name] = getattr(body, name)
    terms = record.terms
    _check_times(
        changes.get("starts_at_ms", terms.starts_at_ms), changes.get("ends_at_ms", terms.ends_at_ms)
    )
    if "items" in sent:
        changes["items"], changes["currency"] = await _goods(body.items, None, services)
    return changes


def same_terms(draft: SaleDraft, record: SaleRecord) -> bool:
    """True if the sale that is there is the one that was asked for."""
    terms = record.terms
    return (
        draft.room,
        draft.currency,
        draft.items,
        draft.hold_ms,
        draft.offer_ms,
        draft.starts_at_ms,
        draft.ends_at_ms,
    ) == (
        terms.room,
        terms.currency,
        terms.items,
        terms.hold_ms,
        terms.offer_ms,
        terms.starts_at_ms,
        terms.ends_at_ms,
    )


async def _goods(
    asked: Sequence[SaleItemRequest], currency: str | None, services: Services
) -> tuple[tuple[Item, ...], str]:
    """The items of a sale, and their currency."""
    most = services.settings.limits.skus_per_sale_max
    if len(asked) > most:
        raise Refused(400, f"must be at most {most}", "items")
    for number, item in enumerate(asked):
        if any(item.sku == other.sku for other in asked[:number]):
            raise Refused(400, f"{item.sku!r} is given twice", f"items.{number}.sku")
    found = await products_of_skus(services.database, [item.sku for item in asked])
    items: list[Item] = []
    for number, item in enumerate(asked):
        product = _product(item, found.get(item.sku, []), f"items.{number}")
        currency = currency or product.currency
        if product.currency != currency:
            why = f"{product.id!r} is sold for {product.currency}, not {currency}"
            raise Refused(400, why, f"items.{number}.sku")
        items.append(_item(item, product))
        if item.floor_minor > max(items[-1].price_minor, 1):
            raise Refused(400, "must be at most the price", f"items.{number}.floor_minor")
    assert currency is not None, "a sale has items"
    # Nobody can order for more than this, so every amount can be counted exactly.
    dearest = sum((one.price_minor + one.markup_max_minor) * one.per_user_max for one in items)
    if dearest > AMOUNT_MINOR_MAX:
        raise Refused(400, "all that one person may buy would cost too much", "items")
    return tuple(items), currency


def _product(item: SaleItemRequest, having: Sequence[Product], path: str) -> Product:
    """The product meant by an item, among those that have its sku."""
    if item.product is not None:
        for product in having:
            if product.id == item.product:
                return product
        raise Refused(404, f"there is no product {item.product!r} with this sku", f"{path}.product")
    if not having:
        raise Refused(404, f"there is no sku {item.sku!r}", f"{path}.sku")
    if len(having) > 1:
        why = f"several products have the sku {item.sku!r}: say which"
        raise Refused(400, why, f"{path}.product")
    return having[0]


def _item(asked: SaleItemRequest, product: Product) -> Item:
    sku = next(sku for sku in product.skus if sku.sku == asked.sku)
    title = product.title if sku.title == product.title else f"{product.title} · {sku.title}"
    return Item(
        sku=SkuId(asked.sku),
        product_id=product.id,
        title=title[:TITLE_CHARS_MAX],
        stock=asked.stock,
        price_minor=sku.price_minor if asked.price_minor is None else asked.price_minor,
        per_user_max=asked.per_user_max,
        floor_minor=asked.floor_minor,
        markup_max_minor=asked.markup_max_minor,
    )


def _check_seconds(field: str, seconds: int, limits: Limits) -> None:
    if seconds > limits.hold_seconds_max:
        raise Refused(400, f"must be 1 to {limits.hold_seconds_max}", field)


def _check_times(starts_at_ms: int | None, ends_at_ms: int | None) -> None:
    if starts_at_ms is not None and ends_at_ms is not None and ends_at_ms <= starts_at_ms:
        raise Refused(400, "must be after starts_at_ms", "ends_at_ms")
