"""Bodies of requests and answers about coupons, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flash_sale.model import AMOUNT_MINOR_MAX
from server.api.fields import Id, Line, Strict, TheirId, Title, User

IDS_MAX = 100  # of one kind in a scope
ISSUE_MAX = 10_000_000
DAYS_MAX = 3_650
INSTANT_MAX = 2**53
Minor = Annotated[int, Field(ge=0, le=AMOUNT_MINOR_MAX)]
Instant = Annotated[int, Field(ge=0, le=INSTANT_MAX)]
Ids = Annotated[list[Id], Field(max_length=IDS_MAX)]
KindName = Literal["amount", "percent", "threshold"]
BATCH: dict[str, Any] = {
    "id": "spring-10",
    "title": "Spring: 10 off 100",
    "kind": "threshold",
    "currency": "CNY",
    "amount_minor": 1000,
    "threshold_minor": 10000,
    "per_user_max": 1,
    "issue_max": 500,
    "valid_days": 7,
}
ANSWERED: dict[str, Any] = {
    **BATCH,
    "percent_bp": 0,
    "cap_minor": 0,
    "scope": {"skus": [], "products": [], "sales": [], "rooms": []},
    "starts_at_ms": None,
    "ends_at_ms": None,
    "stack": "alone",
    "issued": 12,
    "held": 1,
    "spent": 4,
    "cost_minor": 4000,
    "created_at_ms": 1800000000000,
}


class ScopeBody(Strict):
    """Lists that are empty bound nothing; skus and products add up."""

    skus: Ids = Field(default=[])
    products: Ids = Field(default=[])
    sales: Ids = Field(default=[])
    rooms: Ids = Field(default=[])


class BatchRequest(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [BATCH]})
    id: Id | None = Field(None, description="Made by the server if absent.")
    title: Title = Field(description="Shown to whoever holds one.")
    kind: KindName = Field(description="So much off, a percentage, or so much off from a sum on.")
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code.")
    amount_minor: Minor = Field(0, description="What `amount` and `threshold` take off.")
    percent_bp: int = Field(0, ge=0, le=10_000, description="Hundredths of a percent: 1500 is 15%.")
    cap_minor: Minor = Field(0, description="The most that `percent` takes off; 0: no cap.")
    threshold_minor: Minor = Field(
        0, description="What the lines must come to before any discount, for `threshold`."
    )
    scope: ScopeBody = Field(ScopeBody(), description="What it is for; empty: everything.")
    starts_at_ms: Instant | None = Field(None, description="Not before; absent: at once.")
    ends_at_ms: Instant | None = Field(None, description="Over from then on; absent: never.")
    valid_days: int | None = Field(
        None, ge=1, le=DAYS_MAX, description="A coupon ends so many days after it was granted."
    )
    per_user_max: int = Field(1, ge=1, le=ISSUE_MAX, description="Coupons for one person.")
    stack: Id = Field(
        "alone",
        description="`alone`: goes with no other coupon; else a group, of which one applies.",
    )
    issue_max: int = Field(ge=1, le=ISSUE_MAX, description="Coupons of this batch in all.")

    @model_validator(mode="after")
    def _check(self) -> BatchRequest:
        needed = {"percent": "percent_bp"}.get(self.kind, "amount_minor")
        if not getattr(self, needed):
            raise ValueError(f"{needed}: must be at least 1 for {self.kind}")
        if self.kind == "threshold" and self.threshold_minor <= self.amount_minor:
            raise ValueError("threshold_minor: must be above amount_minor")
        starts, ends = self.starts_at_ms, self.ends_at_ms
        if ends is not None and ends <= (starts or 0):
            raise ValueError("ends_at_ms: must be after starts_at_ms")
        return self


class BatchBody(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [ANSWERED]})
    id: str
    title: str
    kind: KindName
    currency: str
    amount_minor: int
    percent_bp: int
    cap_minor: int
    threshold_minor: int
    scope: ScopeBody
    starts_at_ms: int | None
    ends_at_ms: int | None
    valid_days: int | None
    per_user_max: int
    stack: str
    issue_max: int
    issued: int = Field(description="Coupons granted so far.")
    held: int = Field(description="Held by orders that are not paid yet.")
    spent: int = Field(description="Spent by orders that are paid.")
    cost_minor: int = Field(description="What the spent ones have taken off.")
    created_at_ms: int


class BatchPage(BaseModel):
    batches: list[BatchBody]
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class GrantRequest(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [{"user": "a", "request_id": "g-1"}]})
    user: User = Field(description="Your own id of this person.")
    request_id: TheirId = Field(description="Yours: the same one grants one coupon.")


class GrantBody(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"coupon": "8a09563323329513d508"}]})
    coupon: Line = Field(description="The id of the coupon.")
