"""Bodies of requests and answers about ladders and rewards, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from flash_sale.model import AMOUNT_MINOR_MAX
from rooms.sharing.ladders import TIERS_MAX
from server.api.fields import Id, Strict, TheirId, Title

KindName = Literal["coupon", "points", "red_packet", "voucher"]
LadderStateName = Literal["draft", "published", "ended"]
GrantStateName = Literal["granted", "opened", "redeemed", "expired", "missed"]
VerdictName = Literal[
    "open",
    "qualified",
    "valid",
    "channel_policy",
    "self_invite",
    "banned",
    "not_new_person",
    "not_new_device",
    "repeat",
    "impossible_speed",
    "device_cluster",
    "address_cluster",
    "agent_cluster",
    "too_short",
    "no_action",
    "not_member",
    "ladder_over",
]
COUNT_MAX = 1_000_000
DAY_MS = 86_400_000
Minor = Annotated[int, Field(ge=0, le=AMOUNT_MINOR_MAX)]
Instant = Annotated[int, Field(ge=1, le=AMOUNT_MINOR_MAX)]
Count = Annotated[int, Field(ge=0, le=COUNT_MAX)]
Some = Annotated[int, Field(ge=1, le=COUNT_MAX)]
LADDER_REQUEST: dict[str, Any] = {
    "id": "spring-friends",
    "room": "demo",
    "title": "Bring friends",
    "currency": "CNY",
    "budget_minor": 500000,
    "starts_at_ms": 1800000000000,
    "ends_at_ms": 1800600000000,
    "tiers": [
        {
            "needs": 3,
            "kind": "points",
            "title": "100 points",
            "stock": 100,
            "cost_minor": 100,
            "points": 100,
        },
        {
            "needs": 10,
            "kind": "red_packet",
            "title": "Red packet",
            "stock": 50,
            "pool_minor": 200000,
        },
    ],
}


def _example(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": list(examples)})


def _no_default(schema: dict[str, Any]) -> None:
    """What is not sent stays as it is: the model's own default is never stored."""
    schema.pop("default", None)


class TierRequest(Strict):
    needs: Some = Field(description="Valid arrivals that bring it; each tier more than the last.")
    kind: KindName = Field(description="What is given.")
    title: Title
    stock: Count = Field(description="How many people can get it. A ladder with 0 stays a draft.")
    cost_minor: Minor = Field(
        0, description="The most that one costs you. Of a red packet the pool says it."
    )
    points: Count = Field(0, description="With `points`: how many one person gets.")
    coupon_batch: Id | Literal[""] = Field("", description="With `coupon`: its batch.")
    pool_minor: Minor = Field(
        0, description="With `red_packet`: is split into `stock` shares, exact to the cent."
    )


class ThresholdsBody(Strict):
    stay_ms: int = Field(60_000, ge=1_000, le=DAY_MS, description="Stay with the page visible.")
    actions: int = Field(1, ge=0, le=1_000, description="Likes, comments or orders in that visit.")
    settle_ms: int = Field(
        60_000, ge=0, le=DAY_MS, description="From qualifying to judgement: farms show themselves."
    )
    first_action_after_ms: int = Field(
        1_000, ge=0, le=DAY_MS, description="Nobody acts sooner after entering."
    )
    persons_per_device_max: int = Field(1, ge=1, le=COUNT_MAX, description="Members on one device.")
    arrivals_per_net_max: int = Field(
        3, ge=1, le=COUNT_MAX, description="Of one network, within the window."
    )
    arrivals_per_agent_max: int = Field(
        2, ge=1, le=COUNT_MAX, description="Of one network and alike browsers, within the window."
    )
    own_browser_max: int = Field(
        0, ge=0, le=COUNT_MAX, description="Of those, when the inviter uses such a browser there."
    )
    cluster_window_ms: int = Field(
        DAY_MS, ge=1_000, le=30 * DAY_MS, description="Arrivals this close are seen together."
    )
    member_only: bool = Field(
        False, description="Guests count for nothing, however long they stay."
    )


class LadderRequest(Strict):
    model_config = _example(LADDER_REQUEST)
    id: Id | None = Field(None, description="Made by the server if absent.")
    room: Id = Field(description="The room it is for.")
    title: Title
    currency: str = Field(pattern="^[A-Z]{3}$", description="ISO 4217 code.")
    budget_minor: Minor = Field(description="Its rewards never cost more in all.")
    starts_at_ms: Instant | None = Field(None, description="Absent: when it is published.")
    ends_at_ms: Instant = Field(description="Whoever qualifies later does not count.")
    tiers: list[TierRequest] = Field(
        min_length=1, max_length=TIERS_MAX, description="From the first step to the last."
    )
    thresholds: ThresholdsBody | None = Field(
        None, description="When an arrival counts; absent: as the server is set."
    )
    newcomer_batch: Id | Literal[""] = Field(
        "", description="Coupon for whoever arrives, where only that may be rewarded."
    )
    newcomer_stock: Count = Field(0, description="How many newcomers can get it.")
    newcomer_cost_minor: Minor = Field(0, description="The most that one of them costs you.")


class LadderChange(Strict):
    model_config = _example({"budget_minor": 600000})
    title: Title = Field("", description="Absent: as it is.", json_schema_extra=_no_default)
    currency: str = Field(
        "CNY",
        pattern="^[A-Z]{3}$",
        description="Absent: as it is.",
        json_schema_extra=_no_default,
    )
    budget_minor: Minor = Field(0, description="Absent: as it is.", json_schema_extra=_no_default)
    starts_at_ms: Instant | None = Field(
        None, description="Null: when it is published.", json_schema_extra=_no_default
    )
    ends_at_ms: Instant = Field(1, description="Absent: as it is.", json_schema_extra=_no_default)
    tiers: list[TierRequest] = Field(
        [],
        min_length=1,
        max_length=TIERS_MAX,
        description="The whole list anew.",
        json_schema_extra=_no_default,
    )
    thresholds: ThresholdsBody | None = Field(
        None,
        description="All of them anew; null: as the server is set.",
        json_schema_extra=_no_default,
    )
    newcomer_batch: Id | Literal[""] = Field(
        "", description="Absent: as it is.", json_schema_extra=_no_default
    )
    newcomer_stock: Count = Field(0, description="Absent: as it is.", json_schema_extra=_no_default)
    newcomer_cost_minor: Minor = Field(
        0, description="Absent: as it is.", json_schema_extra=_no_default
    )


class TierBody(BaseModel):
    number: int = Field(description="From 1.")
    needs: int
    kind: KindName
    title: str
    stock: int
    left: int = Field(description="Units of its stock that nobody has a right to yet.")
    cost_minor: int
    points: int
    coupon_batch: str
    pool_minor: int


class LadderBody(BaseModel):
    id: str
    room: str
    title: str
    state: LadderStateName
    currency: str
    budget_minor: int
    taken_minor: int = Field(description="Taken from the budget: pools at once, others as granted.")
    starts_at_ms: int | None = Field(description="Null: when it is published.")
    ends_at_ms: int
    tiers: list[TierBody]
    thresholds: ThresholdsBody
    newcomer_batch: str
    newcomer_stock: int
    newcomer_left: int
    newcomer_cost_minor: int
    created_at_ms: int
    published_at_ms: int | None
    ended_at_ms: int | None = Field(description="When its ranking was frozen.")


class LadderPage(BaseModel):
    ladders: list[LadderBody]
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class TierCostBody(BaseModel):
    number: int
    worst_minor: int = Field(description="If all of its stock is given.")
    reached_minor: int = Field(
        description="What one person has cost at most who got so far; packets at their mean."
    )
    per_arrival_minor: int = Field(description="The same for each of their arrivals, rounded up.")


class Problem(BaseModel):
    field: str = Field(description="What to change, such as `tiers.0.stock`.")
    message: str


class SimulationBody(BaseModel):
    currency: str
    budget_minor: int
    worst_minor: int = Field(description="What it costs if everything is given.")
    left_minor: int = Field(description="Of the budget after the worst case; negative: too little.")
    newcomer_worst_minor: int
    per_arrival_min_minor: int = Field(description="Cost of a valid arrival at the cheapest tier.")
    per_arrival_max_minor: int = Field(description="And at the dearest.")
    tiers: list[TierCostBody]
    problems: list[Problem] = Field(description="Empty: it can be published.")


class ArrivalBody(BaseModel):
    visit: str
    inviter: str
    link: str
    channel: str
    user: str = Field(description="Who came, or empty.")
    device: str = Field(description="The beginning of its id.")
    entered_at_ms: int
    last_at_ms: int
    visible_ms: int = Field(description="By the server's account.")
    actions: int
    faults: int = Field(description="How often it claimed more time than had passed.")
    qualified_at_ms: int | None
    due_at_ms: int | None = Field(description="When it is judged, if nothing more happens.")
    verdict: VerdictName
    judged_at_ms: int | None
    rewarded: Literal["", "inviter", "arrival"] = Field(description="For whom it counted.")


class ArrivalPage(BaseModel):
    arrivals: list[ArrivalBody] = Field(description="Newest first.")
    counts: dict[str, int] = Field(description="By verdict, over all of the ladder.")
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class RankBody(BaseModel):
    rank: int
    user: str
    name: str = Field(description="As others see it: masked.")
    valid: int
    reached_at_ms: int = Field(description="When the last of them had qualified.")


class RankingBody(BaseModel):
    ladder: str
    frozen: bool = Field(description="True once the ladder has ended.")
    top: list[RankBody] = Field(description="More first; then who was there earlier.")


class GrantBody(BaseModel):
    id: str
    user: str
    tier: int = Field(description="0: the coupon of somebody who arrived.")
    kind: KindName
    title: str
    state: GrantStateName
    why: str = Field(description="Why it was missed, or empty.")
    points: int
    coupon: str
    code: str | None = Field(description="Of a voucher.")
    value_minor: int = Field(description="Of a red packet that was opened.")
    currency: str
    at_ms: int
    expires_at_ms: int | None
    done_at_ms: int | None


class GrantPage(BaseModel):
    grants: list[GrantBody] = Field(description="Newest first.")
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class RedeemRequest(Strict):
    model_config = _example({"code": "7KQ2-M9XD-4TRA", "request_id": "till-3-118"})
    code: str = Field(min_length=1, max_length=64, description="As it stands on the voucher.")
    request_id: TheirId = Field(
        description="Yours, one per hand-over: sent again it is answered as before."
    )


class RedeemAnswer(BaseModel):
    grant: GrantBody
    ladder: str
    room: str
