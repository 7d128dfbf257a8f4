"""Bodies of requests and answers about orders and payments, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from flash_sale.model import AMOUNT_MINOR_MAX, UNITS_MAX
from server.api.fields import Id, Line, Strict, TheirId, User
from server.api.sale_models import REQUEST_ID

OrderStateName = Literal["queued", "reserved", "paid", "cancelled", "expired", "refunded"]
OutcomeName = Literal[
    "reserved", "queued", "not_started", "paused", "ended", "sold_out", "limit_reached"
]
PaymentOutcomeName = Literal["accepted", "late", "surplus", "mismatch"]
Quantity = Annotated[int, Field(ge=1, le=UNITS_MAX)]
# The ids of orders follow from sale, user and request id; these are those of the examples.
ORDER_ID = "spring-sale.91ea3b56a83434804b11b3e6"
PLACE: dict[str, Any] = {
    "sale": "spring-sale",
    "user": "alice",
    "name": "Alice",
    "sku": "tea-01-50",
    "qty": 1,
    "request_id": "r-1",
}
ORDER: dict[str, Any] = {
    "id": ORDER_ID,
    "sale": "spring-sale",
    "room": "demo",
    "sku": "tea-01-50",
    "qty": 1,
    "items": [{"sku": "tea-01-50", "qty": 1, "price_minor": 8900}],
    "amount_minor": 8900,
    "currency": "CNY",
    "state": "reserved",
    "request_id": "r-1",
    "placed_at_ms": 1800000000000,
    "reserved_at_ms": 1800000000000,
    "expires_at_ms": 1800000600000,
    "durability": "always",
}
PAYMENT_EVENT: dict[str, Any] = {
    "id": "evt-1",
    "type": "payment.succeeded",
    "order": ORDER_ID,
    "payment": "pay-1",
    "amount_minor": 8900,
    "currency": "CNY",
}


def _no_spaces(value: str) -> str:
    if any(character.isspace() for character in value):
        raise ValueError("must not contain spaces")
    return value


PaymentId = Annotated[TheirId, AfterValidator(_no_spaces)]
Currency = Annotated[Line, AfterValidator(_no_spaces), Field(max_length=8)]


def _example(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(examples)})


class OrderLineRequest(Strict):
    sku: Id
    qty: Quantity


class PlaceRequest(Strict):
    model_config = _example(PLACE)
    sale: Id
    user: User = Field(description="Your own id of the buyer.")
    name: str = Field("", max_length=64, description="Shown to others, masked.")
    sku: Id | None = Field(None, description="With `qty`, for one sku; or send `items`.")
    qty: Quantity = Field(1, description="All units or none.")
    items: list[OrderLineRequest] | None = Field(
        None, min_length=1, description="A basket: all lines or none, each sku once."
    )
    coupons: list[Id] | None = Field(
        None, min_length=1, description="Ids of the buyer's coupons; each must take something off."
    )
    share: Id | None = Field(None, description="The code of a reseller's link, for its prices.")
    request_id: TheirId = Field(
        description="Yours, one per purchase: the same request gets the same answer."
    )
    waitlist: bool = Field(False, description="If sold out, wait for a unit (one unit only).")


class OrderLine(BaseModel):
    sku: str
    qty: int
    price_minor: int = Field(description="Of a unit, as the buyer pays it before discounts.")


class PlacedOrder(BaseModel):
    id: str
    sale: str
    room: str
    sku: str | None = Field(description="Null for a basket of several.")
    qty: int = Field(description="Units in all.")
    items: list[OrderLine]
    amount_minor: int = Field(description="The sum of the items less `discount_minor`.")
    currency: str
    state: OrderStateName
    request_id: str
    placed_at_ms: int
    reserved_at_ms: int | None
    expires_at_ms: int | None = Field(description="Pay until then.")
    durability: str = Field(description="`always`, `everysec` or `replicated`: what held.")
    paid_at_ms: int | None = Field(None, description="Only if it was paid.")
    position: int | None = Field(None, description="Place in the waitlist, if it was queued.")
    discount_minor: int | None = Field(None, description="What coupons take off, if they do.")
    coupons: list[str] | None = Field(None, description="Ids of the coupons used, if any.")
    price: list[dict[str, Any]] | None = Field(
        None, description="What each coupon does to the price, and why, if any was asked for."
    )


class PlaceAnswer(BaseModel):
    model_config = _example({"outcome": "reserved", "order": ORDER})
    outcome: OutcomeName
    order: PlacedOrder | None = Field(None, description="With `reserved` and `queued`.")
    sku: str | None = Field(None, description="With `sold_out`, if one sku was asked for.")


class OrderBody(PlacedOrder):
    model_config = _example(ORDER | {"user": "alice", "payment": None})
    user: str
    payment: str | None = Field(description="The provider's id of the payment that paid it.")
    source: dict[str, Any] | None = Field(None, description="Where the buyer came from, if known.")
    share: dict[str, Any] | None = Field(
        None, description="The reseller's link whose prices were paid, if any."
    )


class PaymentBody(BaseModel):
    id: str
    provider: str
    amount_minor: int
    currency: str
    outcome: PaymentOutcomeName = Field(description="All but `accepted` are given back.")
    at_ms: int


class RefundBody(BaseModel):
    id: str
    payment: str = Field(description="The provider's id of the payment that is given back.")
    amount_minor: int
    currency: str
    reason: Literal["refunded", "late", "surplus", "mismatch"]
    state: Literal["due", "done", "failed"] = Field(
        description="`failed`: the provider refused it, see `last_error`."
    )
    attempts: int
    last_error: str = Field(description="What the provider said last, or empty.")
    created_at_ms: int
    done_at_ms: int | None


class OrderDetail(OrderBody):
    payments: list[PaymentBody] = Field(description="Every payment that came for it.")
    refunds: list[RefundBody] = Field(description="Money that is owed back, or was given back.")


class OrderPage(BaseModel):
    orders: list[OrderBody]
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class RefundRequest(Strict):
    model_config = _example({"restock": True, "reason": "broken on arrival", "request_id": "f-1"})
    restock: bool = Field(description="True: the units can be sold again; false: written off.")
    reason: Line = Field("", description="Kept in the audit trail.")
    request_id: TheirId | None = Field(None, description=REQUEST_ID)


class CancelRequest(Strict):
    model_config = _example({"reason": "the customer called", "request_id": "c-1"})
    reason: Line = Field("", description="Kept in the audit trail.")
    request_id: TheirId | None = Field(None, description=REQUEST_ID)


class PaymentEvent(BaseModel):
    """Providers may send more than we know: unknown fields are passed over."""

    model_config = ConfigDict(
        strict=True, extra="allow", json_schema_extra={"examples": [PAYMENT_EVENT]}
    )
    id: TheirId = Field(description="The provider's id of this event; it takes effect once.")
    type: str = Field(
        min_length=1,
        max_length=64,
        description="`payment.succeeded`; others are recorded, nothing more.",
    )
    order: Line = Field("", max_length=128, description="Which order was paid.")
    payment: PaymentId = Field("", description="The provider's id of the payment.")
    amount_minor: int = Field(0, ge=0, le=AMOUNT_MINOR_MAX, description="What was received.")
    currency: Currency = Field("", description="ISO 4217 code.")


class PaymentAnswer(BaseModel):
    model_config = _example({"outcome": "accepted"})
    outcome: Literal["accepted", "late", "surplus", "mismatch", "ignored"] = Field(
        description="All but `accepted` are given back; `ignored`: another type of event."
    )
