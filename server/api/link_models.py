"""Bodies of requests and answers about share links, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from flash_sale.catalog import is_displayable
from rooms.sharing.sources import ShareLink
from server.api.fields import Id, Line, Strict, User

LABEL_CHARS_MAX = 64
TargetName = Literal["room", "product", "comment"]
RewardName = Literal["inviter", "arrival", "nobody"]
CAMPAIGN: dict[str, Any] = {"room": "demo", "channel": "sms", "campaign": "spring"}
LINK: dict[str, Any] = {
    "id": "c39ef3dd5cd2c17d",
    "code": "w57z3VzSwX2tbT9v",
    "url": "https://shop.example/s/w57z3VzSwX2tbT9v",
    "room": "demo",
    "channel": "sms",
    "campaign": "spring",
    "staff": "",
    "inviter": "",
    "target": {"kind": "room", "id": ""},
    "at_ms": None,
    "markups": {},
    "created_at_ms": 1800000000000,
}


def _check_label(value: str) -> str:
    if len(value) > LABEL_CHARS_MAX:
        raise ValueError(f"must be at most {LABEL_CHARS_MAX} characters")
    if not is_displayable(value):
        raise ValueError("must not contain control or direction characters")
    return value


Label = Annotated[
    str,
    AfterValidator(_check_label),
    WithJsonSchema({"type": "string", "maxLength": LABEL_CHARS_MAX}),
]


class LinkRequest(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [CAMPAIGN]})
    room: Id = Field(description="The room that it opens.")
    channel: Id = Field(description="One of the channels of `GET /api/v1/policies`.")
    campaign: Label = Field("", description="Your own name of the campaign.")
    staff: Annotated[Line, Field(max_length=255)] = Field(
        "", description="Your own id of the employee whose link it is."
    )
    inviter: User | None = Field(None, description="The user whose link it is; absent: the shop's.")
    inviter_name: Label = Field("", description="Shown to others, masked.")
    product: Id | None = Field(None, description="Opens this product of the shelf.")
    comment: Id | None = Field(None, description="Opens the room at this recent comment.")


class TargetBody(BaseModel):
    kind: TargetName
    id: str = Field(description="Of the product or comment; empty for a room.")


class LinkBody(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [LINK]})
    id: str
    code: str = Field(description="What stands in its address.")
    url: str = Field(description="`/qr.svg` and `/qr.png` behind it are its QR code.")
    room: str
    channel: str
    campaign: str
    staff: str
    inviter: str
    target: TargetBody
    at_ms: int | None = Field(description="The moment in the room that it opens, or null.")
    markups: dict[str, int] = Field(description="What a reseller adds to a unit, by sku.")
    created_at_ms: int

    @classmethod
    def of(cls, link: ShareLink, code: str, url: str) -> LinkBody:
        return cls(
            id=link.id,
            code=code,
            url=url,
            room=link.room,
            channel=link.source.channel,
            campaign=link.source.campaign,
            staff=link.source.staff,
            inviter=link.source.inviter,
            target=TargetBody(kind=link.target.kind.value, id=link.target.id),
            at_ms=link.target.at_ms,
            markups=dict(link.markups),
            created_at_ms=link.created_at_ms,
        )


class LinkPage(BaseModel):
    links: list[LinkBody] = Field(description="Newest first.")
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class PolicyBody(BaseModel):
    channel: str
    may_share: bool = Field(description="Links of this channel can be made.")
    show_rewards: bool = Field(description="Progress and rewards are shown to those who share.")
    count_arrivals: bool = Field(description="An arrival by it counts towards a ladder.")
    reward: RewardName = Field(description="Who is rewarded for a valid arrival.")
    why: dict[str, str] = Field(description="The reason, by language.")
    source: str = Field(description="Where the rule comes from.")
    app: bool = Field(description="Holds for whatever is opened in this app's own browser, too.")


class PolicyList(BaseModel):
    policies: list[PolicyBody]
