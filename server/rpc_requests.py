"""What each RPC takes: validated here, at the edge, and nowhere else.

Unknown fields are refused by name, so that a misspelt one is never silently ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flash_sale.model import UNITS_MAX
from server.replies import Refused, bad_field, too_long

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
UserText = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=255)]
RequestId = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=255)]
Units = Annotated[int, Field(ge=1, le=UNITS_MAX)]
LINES_EVER = 1_000  # as with texts: the setting is checked after
COUPONS_EVER = 100
TEXT_CHARS_EVER = 4_000  # more than any setting allows; the room's own limit is checked after


class Request(BaseModel):
    """Strict: no coercion of types, no unknown fields."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


RequestT = TypeVar("RequestT", bound=Request)


class Nothing(Request):
    """No fields."""


class InRoom(Request):
    room: Id


class CommentSend(InRoom):
    text: Annotated[str, Field(max_length=TEXT_CHARS_EVER)]
    reply_to: Id | None = None
    cid: Id | None = None


class CommentNamed(InRoom):
    id: Id


class CommentRemove(CommentNamed):
    reason: Annotated[str, Field(max_length=TEXT_CHARS_EVER)]


class CommentPin(InRoom):
    id: Id | None


class LikeAdd(InRoom):
    n: Annotated[int, Field(ge=1, le=50)]


class ProductPin(InRoom):
    product: Id | None


class RoomMode(InRoom):
    slow_seconds: Annotated[int, Field(ge=0)]


class RoomMute(InRoom):
    user: UserText
    seconds: Annotated[int, Field(ge=0)]
    reason: Annotated[str, Field(max_length=TEXT_CHARS_EVER)] = ""


class RoomBan(InRoom):
    user: UserText
    reason: Annotated[str, Field(max_length=TEXT_CHARS_EVER)] = ""


class RoomUnban(InRoom):
    user: UserText


class RoomNotice(InRoom):
    text: Annotated[str, Field(max_length=TEXT_CHARS_EVER)] | None


class OrderLine(Request):
    sku: Id
    qty: Units


class Basket(Request):
    """Either `sku` and `qty`, or a basket of `items`; coupons by their ids, a link by its code."""

    sale: Id
    sku: Id | None = None
    qty: Units | None = None
    items: Annotated[list[OrderLine], Field(min_length=1, max_length=LINES_EVER)] | None = None
    coupons: Annotated[list[Id], Field(min_length=1, max_length=COUPONS_EVER)] | None = None
    share: Id | None = None


class OrderPlace(Basket):
    request_id: RequestId
    waitlist: bool = False


class OrderQuote(Basket):
    """What it would cost."""


class OrderNamed(Request):
    order: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}\.[0-9a-f]{24}$")]


class SaleAct(Request):
    """What staff do to a sale; the same `request_id` takes effect once."""

    sale: Id
    request_id: RequestId | None = None


class SaleArm(SaleAct):
    on_sale: dict[Id, Annotated[int, Field(ge=0, le=UNITS_MAX)]] | None = None
    countdown_seconds: Annotated[int, Field(ge=0)] | None = None


class SaleOpen(SaleAct):
    countdown_seconds: Annotated[int, Field(ge=0)] = 0


class SaleWithReason(SaleAct):
    reason: Annotated[str, Field(max_length=TEXT_CHARS_EVER)] = ""


class SaleClose(SaleWithReason):
    cancel_holds: bool = False


class SaleRestock(SaleWithReason):
    sku: Id
    units: Units


class ShareCreate(InRoom):
    """A link to the room, or to one comment or one product in it."""

    channel: Id | None = None
    comment: Id | None = None
    product: Id | None = None
    markups: (
        Annotated[dict[Id, Annotated[int, Field(ge=0)]], Field(max_length=LINES_EVER)] | None
    ) = None


class ShareOpen(Request):
    code: Annotated[str, Field(max_length=64)]


class ShareRanking(InRoom):
    limit: Annotated[int, Field(ge=1, le=100)] | None = None


class RewardNamed(Request):
    grant: Id


def parse(model: type[RequestT], data: Any) -> RequestT:
    """The request as its model; error 400 names the first bad field, 413 what is too long."""
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise bad_field("data", "must be an object")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise _refusal(error) from None


_ID_SHAPE = "must be 1 to 64 letters, digits, - or _"
_TEXT_SHAPE = "must not be empty or hold control characters"
_SHAPES = {
    "user": _TEXT_SHAPE,
    "request_id": _TEXT_SHAPE,
    "order": "is not the id of an order",
    "visit": "must be 16 to 64 letters, digits, - or _",
    "device": "must be 16 to 64 letters, digits, - or _",
}


def _refusal(error: ValidationError) -> Refused:
    first = error.errors(include_url=False, include_context=True)[0]
    field = ".".join(str(part) for part in first["loc"]) or "data"
    match first["type"]:
        case "missing":
            return bad_field(field, "is missing")
        case "extra_forbidden":
            return bad_field(field, "is not a field of this method")
        case "string_too_long":
            return too_long(field, first["ctx"]["max_length"])
        case "string_pattern_mismatch":
            return bad_field(field, _SHAPES.get(field, _ID_SHAPE))
        case _:
            return bad_field(field, first["msg"].lower())
