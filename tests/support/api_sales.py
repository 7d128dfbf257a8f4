"""A shop with a sale, made through the HTTP API, and the calls that tests of sales repeat."""

from __future__ import annotations

from typing import Any

import orjson

from server.payments.signature import HEADER, sign
from tests.support.api_parts import PAYMENT_SECRET
from tests.support.api_stage import NOW_MS
from tests.support.asgi_client import Answer, AsgiClient

SALE = "spring"
SALES = "/api/v1/sales"
ORDERS = "/api/v1/orders"
WEBHOOK = "/api/v1/payments/webhook"
PRICE_MINOR = 9900
ITEM: dict[str, Any] = {"sku": "tea-s", "stock": 3}
DRAFT: dict[str, Any] = {"id": SALE, "room": "demo", "items": [ITEM]}


async def furnish(key: AsgiClient) -> None:
    """Rooms `demo` and `other`; tea in two sizes and a mug."""
    for room in ("demo", "other"):
        answer = await key.call("POST", "/api/v1/rooms", {"id": room, "title": room})
        assert answer.status == 201
    sizes = [
        {"sku": "tea-s", "title": "Small", "price_minor": PRICE_MINOR},
        {"sku": "tea-l", "title": "Large", "price_minor": 18900},
    ]
    await product(key, "tea", skus=sizes)
    await product(key, "mug")


async def product(key: AsgiClient, product_id: str, **more: Any) -> None:
    body = {
        "id": product_id,
        "title": product_id.title(),
        "price_minor": PRICE_MINOR,
        "currency": "CNY",
    }
    assert (await key.call("POST", "/api/v1/products", body | more)).status == 201


async def prepare(key: AsgiClient, **changes: Any) -> dict[str, Any]:
    """A draft; it must be possible."""
    answer = await key.call("POST", SALES, DRAFT | changes)
    assert answer.status == 201, answer.body
    sale: dict[str, Any] = answer.json
    return sale


async def steer(
    client: AsgiClient, word: str, body: dict[str, Any] | None = None, sale: str = SALE
) -> Answer:
    return await client.call("POST", f"{SALES}/{sale}/{word}", body or {})


async def open_sale(key: AsgiClient, **changes: Any) -> str:
    """A sale that is open; its id."""
    sale = str((await prepare(key, **changes))["id"])
    for word in ("arm", "open"):
        answer = await steer(key, word, sale=sale)
        assert answer.status == 200, answer.body
    assert answer.json["state"] == "open"
    return sale


async def place(
    client: AsgiClient, user: str = "alice", request_id: str = "r-1", **more: Any
) -> Answer:
    body: dict[str, Any] = {"sale": SALE, "user": user, "request_id": request_id}
    if "items" not in more:
        body["sku"] = "tea-s"
    return await client.call("POST", ORDERS, body | more)


async def reserved(key: AsgiClient, user: str = "alice", **more: Any) -> dict[str, Any]:
    """An order that holds units."""
    answer = await place(key, user, **more)
    assert (answer.status, answer.json["outcome"]) == (200, "reserved"), answer.body
    order: dict[str, Any] = answer.json["order"]
    return order


def event_of(order: str, number: int = 1, **changes: Any) -> dict[str, Any]:
    """What the provider tells of payment `pay-<number>`."""
    return {
        "id": f"evt-{number}",
        "type": "payment.succeeded",
        "order": order,
        "payment": f"pay-{number}",
        "amount_minor": PRICE_MINOR,
        "currency": "CNY",
    } | changes


async def told(client: AsgiClient, event: dict[str, Any]) -> Answer:
    """An event, signed as the provider signs it."""
    raw = orjson.dumps(event)
    return await client.call(
        "POST", WEBHOOK, raw=raw, headers={HEADER: sign(PAYMENT_SECRET, raw, NOW_MS // 1000)}
    )


async def paid(key: AsgiClient, user: str = "alice", number: int = 1, **more: Any) -> str:
    """The id of an order that is paid."""
    order = await reserved(key, user, **more)
    event = event_of(order["id"], number, amount_minor=order["amount_minor"])
    answer = await told(key, event)
    assert (answer.status, answer.json) == (200, {"outcome": "accepted"}), answer.body
    return str(order["id"])


async def counters(key: AsgiClient, sku: str = "tea-s", sale: str = SALE) -> tuple[int, ...]:
    """(initial, available, reserved, sold) of a sku in the store; they must add up."""
    books = (await key.call("GET", f"{SALES}/{sale}/books")).json["redis"]
    (item,) = [item for item in books["items"] if item["sku"] == sku]
    assert item["balanced"], item
    return (item["initial"], item["available"], item["reserved"], item["sold"])
