"""Bodies of requests and answers about sales, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from flash_sale.model import AMOUNT_MINOR_MAX, UNITS_MAX
from server.api.fields import Id, Line, Strict, TheirId
from server.api.models import Price

SaleStateName = Literal[
    "draft", "armed", "countdown", "open", "sold_out", "paused", "closed", "frozen"
]
SourceName = Literal["draft", "store", "ledger"]
Instant = Annotated[int, Field(ge=1, le=AMOUNT_MINOR_MAX)]
Units = Annotated[int, Field(ge=1, le=UNITS_MAX)]
Seconds = Annotated[int, Field(ge=1)]
REQUEST_ID = (
    "The same id takes effect once: after a lost answer, send the request again. With other "
    "fields it is a 409."
)
SALE_REQUEST: dict[str, Any] = {
    "id": "spring-sale",
    "room": "demo",
    "hold_seconds": 600,
    "items": [
        {"sku": "tea-01-50", "product": "tea-01", "stock": 100, "price_minor": 8900},
    ],
}
SALE: dict[str, Any] = {
    "id": "spring-sale",
    "room": "demo",
    "state": "open",
    "starts_at_ms": 1800000000000,
    "ends_at_ms": None,
    "hold_seconds": 600,
    "offer_seconds": 600,
    "currency": "CNY",
    "reason": "",
    "version": 7,
    "source": "store",
    "items": [
        {
            "sku": "tea-01-50",
            "product": "tea-01",
            "title": "50 g",
            "price_minor": 8900,
            "per_user_max": 1,
            "floor_minor": 1,
            "markup_max_minor": 0,
            "stock": 100,
            "available": 58,
            "waiting": 0,
        }
    ],
}


def _example(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(examples)})


class SaleItemRequest(Strict):
    sku: Id = Field(description="A sku of a product of the catalogue.")
    product: Id | None = Field(None, description="Its product; needed if several have this sku.")
    stock: Units = Field(description="Units that the host may sell.")
    price_minor: Price | None = Field(None, description="Absent: the price of the sku.")
    per_user_max: Units = Field(1, description="Units that one person may hold, buy or wait for.")
    floor_minor: Price = Field(1, description="No coupon brings the price of a unit below this.")
    markup_max_minor: Price = Field(
        0, description="What a reseller may add to the price of a unit; 0: not for resale."
    )


class SaleRequest(Strict):
    model_config = _example(SALE_REQUEST)
    id: Id | None = Field(None, description="Made by the server if absent.")
    room: Id = Field(description="The room it is sold in.")
    currency: str | None = Field(
        None, pattern="^[A-Z]{3}$", description="Absent: the currency of the products."
    )
    starts_at_ms: Instant | None = Field(
        None, description="Once armed it opens then by itself; absent: on the host's word."
    )
    ends_at_ms: Instant | None = Field(None, description="Closes by itself; absent: by hand.")
    hold_seconds: Seconds = Field(600, description="How long a buyer has to pay.")
    offer_seconds: Seconds | None = Field(
        None, description="How long somebody from the waitlist has to pay; absent: as long."
    )
    items: list[SaleItemRequest] = Field(min_length=1, description="What is sold, each sku once.")


def _no_default(schema: dict[str, Any]) -> None:
    """What is not sent stays as it is: the model's own default is never stored."""
    schema.pop("default", None)


class SaleChange(Strict):
    model_config = _example({"hold_seconds": 300})
    starts_at_ms: Instant | None = Field(
        None, description="Null: on the host's word.", json_schema_extra=_no_default
    )
    ends_at_ms: Instant | None = Field(
        None, description="Null: it is closed by hand.", json_schema_extra=_no_default
    )
    hold_seconds: Seconds = Field(1, description="Absent: as it is.", json_schema_extra=_no_default)
    offer_seconds: Seconds = Field(
        1, description="Absent: as it is.", json_schema_extra=_no_default
    )
    items: list[SaleItemRequest] = Field(
        [], min_length=1, description="The whole list anew.", json_schema_extra=_no_default
    )


class SaleItem(BaseModel):
    sku: str
    product: str
    title: str
    price_minor: int
    per_user_max: int
    floor_minor: int = Field(description="No coupon brings the price of a unit below this.")
    markup_max_minor: int = Field(
        description="What a reseller may add to the price of a unit; 0: not for resale."
    )
    stock: int = Field(description="Units on sale now: available, held and sold.")
    available: int = Field(description="Units that can be bought now.")
    waiting: int = Field(description="People in the waitlist.")


class SaleBody(BaseModel):
    model_config = _example(SALE)
    id: str
    room: str
    state: SaleStateName
    starts_at_ms: int | None
    ends_at_ms: int | None
    hold_seconds: int
    offer_seconds: int
    currency: str
    reason: str = Field(description="Why it is paused, closed or frozen.")
    version: int = Field(description="Grows when state, times or sold out change.")
    source: SourceName = Field(
        description="`store`: as it is now; `ledger`: as far as it is written down."
    )
    items: list[SaleItem]


class SalePage(BaseModel):
    sales: list[SaleBody]
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class _Act(Strict):
    request_id: TheirId | None = Field(None, description=REQUEST_ID)


class ArmRequest(_Act):
    model_config = _example({"on_sale": {"tea-01-50": 60}, "request_id": "arm-1"})
    on_sale: dict[Id, Annotated[int, Field(ge=0, le=UNITS_MAX)]] = Field(
        {}, description="Units by sku to begin with; the rest can be restocked. Absent: all."
    )
    starts_at_ms: Instant | None = Field(None, description="Opens then by itself.")
    countdown_seconds: Seconds | None = Field(
        None, description="Opens by itself after so many seconds."
    )


class OpenRequest(_Act):
    model_config = _example({"countdown_seconds": 0, "request_id": "open-1"})
    countdown_seconds: int = Field(0, ge=0, description="0: at once.")


class SteerRequest(_Act):
    model_config = _example({"reason": "the price was wrong", "request_id": "pause-1"})
    reason: Line = Field("", description="Shown to viewers and kept in the audit trail.")


class CloseRequest(SteerRequest):
    model_config = _example({"reason": "thank you all", "request_id": "close-1"})
    cancel_holds: bool = Field(False, description="Holds that are not paid end at once.")


class RestockRequest(_Act):
    model_config = _example({"sku": "tea-01-50", "units": 20, "request_id": "restock-1"})
    sku: Id
    units: Units = Field(description="Units to add; a host only up to the allocation.")
    reason: Line = Field("", description="Kept in the audit trail.")


class Books(BaseModel):
    sku: str
    initial: int = Field(description="On sale: `initial = available + reserved + sold`.")
    available: int
    reserved: int = Field(description="Held by buyers who have not paid.")
    sold: int
    refunded: int = Field(description="Units whose money went back.")
    written_off: int = Field(description="Refunded units that did not return to stock.")
    waiting: int
    balanced: bool = Field(description="Whether the counters add up.")


class StoreBooks(BaseModel):
    at_ms: int = Field(description="The instant of the counters, by the store's clock.")
    state: SaleStateName
    items: list[Books]


class LedgerBooksBody(BaseModel):
    items: list[Books]


class BooksAnswer(BaseModel):
    sale: str
    at_ms: int
    redis: StoreBooks | None = Field(description="Null: the store cannot be read; see `why`.")
    ledger: LedgerBooksBody
    lag: int | None = Field(description="Entries of the stream that the ledger does not hold yet.")
    agree: bool | None = Field(description="Null: not comparable at this instant; see `why`.")
    why: str = Field(description="Why they do not agree or cannot be compared, or empty.")
