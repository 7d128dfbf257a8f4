"""Bodies of requests and answers, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from flash_sale.catalog import PRICE_MINOR_MAX, Product
from server.api.fields import Channel, Id, RoomGrant, Strict, Title, User, WebAddress
from server.database.records import RoomRecord, StoredAct

RoleName = Literal["viewer", "moderator", "host", "merchant"]
StateName = Literal["scheduled", "live", "ended"]
LaneName = Literal["state", "chat", "pulse"]
Price = Annotated[int, Field(ge=0, le=PRICE_MINOR_MAX)]
LANES = (
    "`state`: at once, never dropped; `chat`: gathered for a moment; `pulse`: newest value only."
)
TEA: dict[str, Any] = {
    "id": "tea-01",
    "title": "Spring tea, 50 g",
    "price_minor": 9900,
    "currency": "CNY",
    "image_url": "https://cdn.example/tea.jpg",
    "skus": [{"sku": "tea-01-50", "title": "50 g", "price_minor": 9900}],
}
ROOM: dict[str, Any] = {
    "id": "demo",
    "title": "Spring tea live",
    "stream_url": "https://cdn.example/live/demo.m3u8",
}


class TokenRequest(Strict):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user": "alice",
                    "role": "viewer",
                    "rooms": ["demo"],
                    "name": "Alice",
                    "ttl_seconds": 3600,
                }
            ]
        }
    )
    user: User = Field(description="Your own id of this person.")
    role: RoleName = Field("viewer", description="What the person may do in `rooms`.")
    rooms: list[RoomGrant] = Field(
        [], max_length=1000, description='Rooms the role holds for; `["*"]` is all of them.'
    )
    name: str = Field("", max_length=64, description="Shown beside comments.")
    avatar: WebAddress = Field("", description="Address of a picture.")
    ttl_seconds: int = Field(3600, ge=1, description="How long the token is good for.")


class TokenAnswer(BaseModel):
    token: str = Field(description="A JWT for the WebSocket and for `Authorization: Bearer`.")


class GuestRequest(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Little Cat"}]})
    name: str = Field(description="Shown beside comments.")


class GuestAnswer(TokenAnswer):
    user: str = Field(description="The id this guest was given.", examples=["guest-k3v9x0q2m7ab"])


class RoomRequest(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [ROOM]})
    id: Id | None = Field(None, description="Made by the server if absent.")
    title: Title
    stream_url: WebAddress = Field("", description="HLS address of the video, or empty.")


def _no_default(schema: dict[str, Any]) -> None:
    """What is not sent stays as it is: the model's own default is never stored."""
    schema.pop("default", None)


class RoomChange(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [{"state": "live"}]})
    title: Title = Field("", description="Absent: as it is.", json_schema_extra=_no_default)
    stream_url: WebAddress = Field(
        "", description="Absent: as it is.", json_schema_extra=_no_default
    )
    state: StateName = Field(
        "scheduled", description="Absent: as it is.", json_schema_extra=_no_default
    )


class Room(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [ROOM | {"state": "scheduled"}]})
    id: str
    title: str
    stream_url: str
    state: StateName

    @classmethod
    def of(cls, record: RoomRecord) -> Room:
        return cls.model_validate(
            {
                "id": record.id,
                "title": record.title,
                "stream_url": record.stream_url,
                "state": record.state,
            }
        )


class RoomPage(BaseModel):
    rooms: list[Room]
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class SkuBody(Strict):
    sku: Id
    title: Title
    price_minor: Price


class ProductRequest(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [TEA]})
    id: Id | None = Field(None, description="Made by the server if absent.")
    title: Title
    price_minor: Price = Field(description="Whole minor units, such as cents or fen.")
    currency: str = Field(pattern="^[A-Z]{3}$", description="ISO 4217 code.")
    image_url: WebAddress = Field("", description="Address of a picture.")
    skus: list[SkuBody] = Field(
        [], description="Variants; absent: the product itself, under its own id."
    )


class Sku(BaseModel):
    sku: str
    title: str
    price_minor: int


class ProductBody(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [TEA]})
    id: str
    title: str
    price_minor: int
    currency: str
    image_url: str
    skus: list[Sku]

    @classmethod
    def of(cls, product: Product) -> ProductBody:
        return cls(
            id=product.id,
            title=product.title,
            price_minor=product.price_minor,
            currency=product.currency,
            image_url=product.image_url,
            skus=[
                Sku(sku=sku.sku, title=sku.title, price_minor=sku.price_minor)
                for sku in product.skus
            ],
        )


class ProductPage(BaseModel):
    products: list[ProductBody]
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class ShelfRequest(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [{"products": ["tea-01", "tea-02"]}]})
    products: list[Id] = Field(description="Product ids in the order of the shelf, each once.")


class Shelf(BaseModel):
    products: list[ProductBody]


class ActBody(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "version": 12,
                    "at_ms": 1800000000000,
                    "actor": "mod-1",
                    "actor_role": "moderator",
                    "kind": "room.mute",
                    "target_user": "bob",
                    "target_comment": "",
                    "reason": "advertising",
                    "detail": {"until_ms": 1800000600000},
                }
            ]
        }
    )
    version: int = Field(description="1, 2, 3 and so on within the room, without gaps.")
    at_ms: int = Field(description="When it was done.")
    actor: str = Field(description="User id; `api-key` for the holder of the API key.")
    actor_role: str = Field(description="What the actor was in this room.")
    kind: str = Field(description="What was done, such as `comment.remove` or `room.update`.")
    target_user: str = Field(description="To whom, or empty.")
    target_comment: str = Field(description="To which comment, or empty.")
    reason: str = Field(description="Why, as the actor gave it.")
    detail: dict[str, Any] = Field(description="What else belongs to this kind of act.")

    @classmethod
    def of(cls, stored: StoredAct) -> ActBody:
        act = stored.act
        return cls(
            version=stored.version,
            at_ms=act.at_ms,
            actor=act.actor_id,
            actor_role=act.actor_role,
            kind=act.kind,
            target_user=act.target_user,
            target_comment=act.target_comment,
            reason=act.reason,
            detail=act.detail,
        )


class ActPage(BaseModel):
    acts: list[ActBody] = Field(description="Newest first.")
    next: int | None = Field(description="Send it as `after` for older acts; null at the end.")


class PublishRequest(Strict):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"channel": "room:demo", "data": {"t": "notice", "text": "Hello"}}]
        }
    )
    channel: Channel
    data: Any = Field(description="Any JSON value; viewers get it as it is.")
    lane: LaneName = Field("chat", description=LANES)


class BroadcastRequest(Strict):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"channels": ["room:demo", "room:two"], "data": {"t": "x"}, "lane": "pulse"}
            ]
        }
    )
    channels: list[Channel] = Field(min_length=1, description="Each gets the value.")
    data: Any = Field(description="Any JSON value; viewers get it as it is.")
    lane: LaneName = Field("chat", description=LANES)


class Position(Strict):
    offset: int = Field(ge=0)
    epoch: str = Field(max_length=64)


class HistoryRequest(Strict):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "channel": "room:demo",
                    "limit": 50,
                    "since": {"offset": 120, "epoch": "k3v9"},
                }
            ]
        }
    )
    channel: Channel
    limit: int = Field(
        0, ge=-1, description="0: only the position; -1 and what is too large: as many as allowed."
    )
    since: Position | None = Field(None, description="Events after this position.")
    reverse: bool = Field(False, description="Newest first.")


class ChannelRequest(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [{"channel": "room:demo"}]})
    channel: Channel


class DisconnectRequest(Strict):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"user": "bob", "code": 3503, "reason": "signed out"}],
        }
    )
    user: User
    code: int = Field(
        3503,
        ge=3000,
        le=4999,
        description="3500-3999 and 4500-4999: the client stays away; others: it comes back.",
    )
    reason: str = Field("force disconnect", description="1 to 123 bytes, not JSON.")


class Stored(BaseModel):
    offset: int = Field(description="Place in the channel's stream; 0 on the pulse lane.")
    epoch: str = Field(description="Name of the stream; a new one means history was lost.")


class PublishAnswer(BaseModel):
    result: Stored


class ChannelError(BaseModel):
    code: int = Field(description="102: unknown channel; 100: try again.")
    message: str


class BroadcastEntry(BaseModel):
    result: Stored | None = None
    error: ChannelError | None = None


class BroadcastResult(BaseModel):
    responses: list[BroadcastEntry] = Field(description="One for each channel, in their order.")


class BroadcastAnswer(BaseModel):
    result: BroadcastResult


class Publication(BaseModel):
    offset: int
    data: Any


class HistoryResult(BaseModel):
    publications: list[Publication]
    offset: int = Field(description="The newest offset of the channel.")
    epoch: str


class HistoryAnswer(BaseModel):
    result: HistoryResult


class Presence(BaseModel):
    num_clients: int = Field(description="Connections in the room, over all workers.")
    num_users: int = Field(description="Different signed-in users among them.")


class PresenceAnswer(BaseModel):
    result: Presence


class Nothing(BaseModel):
    """An empty object."""


class DisconnectAnswer(BaseModel):
    result: Nothing
