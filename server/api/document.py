"""The OpenAPI 3.1 document of the API, complete and fit for generators."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from server.api.errors import ErrorAnswer
from server.payments.signature import HEADER

_DESCRIPTION = """\
Rooms, products, flash sales, orders, tokens and server-to-server realtime of a live shop.

Your back end sends the API key as `X-API-Key`; the key never belongs in a page or an app. A
merchant's token (`Authorization: Bearer`) may manage the rooms it holds, a host's may run their
sales. A payment provider signs what it sends. Viewers need none of it:
they use the WebSocket at `/connection/websocket`, which speaks the Centrifuge client protocol.

Money is whole minor units with a currency, instants are Unix milliseconds, ids are strings.
Every error has one shape: `{"error": {"code", "message", "field"}}`. Unknown fields are refused.
"""
_TAGS = [
    {"name": "people", "description": "Tokens for customers and guests.", "x-name-zh": "用户"},
    {"name": "rooms", "description": "Rooms, shelves and logs.", "x-name-zh": "直播间"},
    {"name": "products", "description": "The catalogue.", "x-name-zh": "商品"},
    {"name": "sales", "description": "Flash sales and their books.", "x-name-zh": "秒杀"},
    {"name": "orders", "description": "Orders, refunds and exports.", "x-name-zh": "订单"},
    {
        "name": "coupons",
        "description": "Coupons, commissions, and what accounts come to.",
        "x-name-zh": "优惠券与佣金",
    },
    {"name": "sharing", "description": "Share links, and what comes of them.", "x-name-zh": "分享"},
    {"name": "visits", "description": "Who came, from where, and what for.", "x-name-zh": "访问"},
    {
        "name": "rehearsals",
        "description": "A shadow shop to prove the big day in.",
        "x-name-zh": "彩排",
    },
    {"name": "payments", "description": "What a payment provider tells.", "x-name-zh": "支付"},
    {
        "name": "realtime",
        "description": "Server to server: publish, ask, disconnect.",
        "x-name-zh": "实时",
    },
]
_SUCCESSES = {"201": "Created.", "202": "Begun."}
_SECURITY_SCHEMES = {
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The key of this server. For back ends only.",
    },
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token with the role merchant, for the rooms it holds; where the role "
        "host is named, a host's too.",
    },
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": HEADER,
        "description": "`t=<Unix seconds>,v1=<hex>`: HMAC-SHA256 of `<Unix seconds>.<body>` under "
        "the secret that this server shares with its payment provider.",
    },
}


def document_of(api: FastAPI) -> dict[str, Any]:
    """The document of an API whose routes are all there."""
    document = get_openapi(
        title=api.title,
        version=api.version,
        openapi_version="3.1.0",
        summary="HTTP API of a live shop",
        description=_DESCRIPTION,
        routes=api.routes,
        tags=_TAGS,
    )
    components = document["components"]
    components["schemas"] = dict(sorted({**components["schemas"], **_error_schemas()}.items()))
    components["securitySchemes"] = _SECURITY_SCHEMES
    for operations in document["paths"].values():
        for operation in operations.values():
            _drop_the_framework_error(operation)
            _say_what_the_framework_leaves_out(operation)
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)
    return document


def _error_schemas() -> dict[str, Any]:
    """The shape of errors and its part, to which `errors.documented` refers by name."""
    schema = ErrorAnswer.model_json_schema(
        ref_template="#/components/schemas/{model}", mode="serialization"
    )
    parts: dict[str, Any] = schema.pop("$defs")
    return {ErrorAnswer.__name__: schema, **parts}


def _drop_the_framework_error(operation: dict[str, Any]) -> None:
    """The framework announces its own 422 everywhere; this API answers 400 in its own shape."""
    answer = operation["responses"].get("422", {})
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    if schema.get("$ref", "").endswith("/HTTPValidationError"):
        del operation["responses"]["422"]


def _say_what_the_framework_leaves_out(operation: dict[str, Any]) -> None:
    """A plain description for success, and the nulls that were dropped from the examples."""
    for status, answer in operation["responses"].items():
        if answer["description"] == "Successful Response":
            answer["description"] = _SUCCESSES.get(status, "Done.")
        example = answer.get("content", {}).get("application/json", {}).get("example", {})
        if "error" in example:
            example["error"].setdefault("field", None)
