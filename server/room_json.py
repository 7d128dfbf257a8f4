"""How a room's facts look in JSON: the snapshot fields and the State events that replace them.

One place, so that a seed from SQL, an event on the wire and a snapshot never differ.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson

from flash_sale.catalog import Product
from rooms.log import NewEvent, Seed
from rooms.model import Lane, UserId
from server.database.records import RoomRecord, Sanction

NEVER_MS = 2**53 - 1  # a mute without end


def product_json(product: Product) -> dict[str, Any]:
    """A product as pages and SDKs get it."""
    return {
        "id": product.id,
        "title": product.title,
        "price_minor": product.price_minor,
        "currency": product.currency,
        "image_url": product.image_url,
        "skus": [
            {"sku": sku.sku, "title": sku.title, "price_minor": sku.price_minor}
            for sku in product.skus
        ],
    }


def room_json(record: RoomRecord) -> dict[str, Any]:
    """A room as pages, SDKs and the HTTP API get it."""
    return {
        "id": record.id,
        "title": record.title,
        "stream_url": record.stream_url,
        "state": record.state,
    }


def state_event(
    name: str,
    facts: dict[str, Any],
    *,
    version: int,
    field: str = "",
    value: Any = None,
    subject: str = "",
    author: str = "",
) -> NewEvent:
    """A State event; with `field` it also replaces that field of the snapshot."""
    return NewEvent(
        Lane.STATE,
        name,
        orjson.dumps({"t": name, **facts}),
        subject=subject,
        author=UserId(author),
        field=field,
        value=orjson.dumps(value) if field else b"",
        version=version,
    )


def product_pinned(product: Product | None, version: int) -> NewEvent:
    if product is None:
        return state_event("product.unpinned", {}, version=version, field="pinned")
    value = product_json(product)
    return state_event(
        "product.pinned", {"product": value}, version=version, field="pinned", value=value
    )


def comment_pinned(comment: dict[str, Any] | None, version: int) -> NewEvent:
    return state_event(
        "comment.pinned",
        {"comment": comment},
        version=version,
        subject="" if comment is None else comment["id"],
        field="pinned_comment",
        value=comment,
    )


def comment_removed(comment_id: str, author: str, reason: str, version: int) -> NewEvent:
    return state_event(
        "comment.removed",
        {"id": comment_id, "reason": reason},
        version=version,
        subject=comment_id,
        author=author,
    )


def notice_changed(text: str | None, version: int) -> NewEvent:
    value = None if text is None else {"text": text}
    return state_event("notice", {"text": text}, version=version, field="notice", value=value)


def mode_changed(slow_seconds: int, version: int) -> NewEvent:
    value = {"slow_seconds": slow_seconds}
    return state_event("room.mode", value, version=version, field="mode", value=value)


def room_changed(record: RoomRecord, changed: Collection[str], version: int) -> list[NewEvent]:
    """`room.info` if title or stream changed, `room.state` if the state did.

    Each carries the whole room for the snapshot.
    """
    whole = room_json(record)
    events = []
    if {"title", "stream_url"} & set(changed):
        info = {"title": record.title, "stream_url": record.stream_url}
        events.append(state_event("room.info", info, version=version, field="room", value=whole))
    if "state" in changed:
        state = {"state": record.state}
        events.append(state_event("room.state", state, version=version, field="room", value=whole))
    return events


def shelf_changed(products: Sequence[Product], version: int) -> NewEvent:
    value = [product_json(product) for product in products]
    return state_event("shelf", {"products": value}, version=version, field="shelf", value=value)


def sale_changed(
    sale: Mapping[str, Any], sales: Sequence[Mapping[str, Any]], version: int
) -> NewEvent:
    """A sale's state, times or stock turned; `sales` is then the whole list of the room.

    Each is a `server.sale_json.sale_json`. The event says `sale` for its id, as all others do.
    """
    return state_event(
        "sale.state", {"sale": sale["id"], **sale}, version=version, field="sales", value=sales
    )


def sold_out(sale_id: str, sku: str, version: int) -> NewEvent:
    """The last unit of one sku is taken; more may come back."""
    return state_event("sale.sold_out", {"sale": sale_id, "sku": sku}, version=version)


def seed_of(
    record: RoomRecord,
    pinned: Product | None,
    shelf: Sequence[Product],
    sanctions: Sequence[Sanction],
    sales: Sequence[Mapping[str, Any]] = (),
    rehearsal: str = "",
) -> Seed:
    """A room as SQL knows it, for a log that was lost or is behind.

    A room of a rehearsal says so, by the run's id; one of the shop has no such field.
    """
    version = record.version
    fields = {
        "room": orjson.dumps(room_json(record)),
        "pinned": product_pinned(pinned, version).value,
        "pinned_comment": comment_pinned(record.pinned_comment, version).value,
        "notice": notice_changed(record.notice, version).value,
        "mode": mode_changed(record.slow_seconds, version).value,
        "shelf": shelf_changed(shelf, version).value,
        "sales": orjson.dumps(list(sales)),
    }
    if rehearsal:
        fields["rehearsal"] = orjson.dumps(rehearsal)
    return Seed(
        version=version,
        fields=fields,
        mutes={
            UserId(one.user_id): NEVER_MS if one.until_ms is None else one.until_ms
            for one in sanctions
            if one.kind == "mute"
        },
        bans=[UserId(one.user_id) for one in sanctions if one.kind == "ban"],
    )
