"""Bodies about commissions, accounts and sources, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flash_sale.commission import Plan
from server.api.fields import Strict

DAYS_MAX = 365
LEVEL_BP_MAX = 5_000
StateName = Literal["pending", "available", "reversed"]
PLAN: dict[str, Any] = {"level1_bp": 1000, "level2_bp": 0, "window_days": 7}


class PlanRequest(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [PLAN]})
    level1_bp: int = Field(
        ge=0,
        le=LEVEL_BP_MAX,
        description="For who brought the buyer, in hundredths of a percent of what was paid.",
    )
    level2_bp: int = Field(
        0, ge=0, le=LEVEL_BP_MAX, description="For who brought that one; there is no third level."
    )
    window_days: int | None = Field(
        None, ge=0, le=DAYS_MAX, description="From payment until it is available."
    )

    @model_validator(mode="after")
    def _check(self) -> PlanRequest:
        Plan(self.level1_bp, self.level2_bp)
        return self


class PlanBody(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [PLAN]})
    level1_bp: int
    level2_bp: int
    window_days: int


class CommissionBody(BaseModel):
    order: str
    level: int = Field(description="0: a reseller's markup; 1: the inviter; 2: the inviter's.")
    room: str
    user: str = Field(description="Who earns it.")
    base_minor: int = Field(description="What it is a share of.")
    amount_minor: int
    currency: str
    state: StateName = Field(description="`pending` in its window; `reversed` by a refund.")
    accrued_at_ms: int
    release_at_ms: int = Field(description="Available from then on.")
    changed_at_ms: int


class CommissionPage(BaseModel):
    commissions: list[CommissionBody]
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class BalanceBody(BaseModel):
    account: Literal["pending", "available", "points"]
    unit: str = Field(description="A currency, or `points`.")
    balance: int = Field(description="In minor units.")


class AccountsBody(BaseModel):
    user: str
    balances: list[BalanceBody]


class SourceBody(BaseModel):
    source: str = Field(description="The channel, campaign, employee or inviter; may be empty.")
    visits: int | None = Field(description="Null for one sale: visits are of rooms.")
    orders: int
    paid_orders: int
    paid_minor: int = Field(description="Of all orders that were ever paid.")
    refunded_minor: int = Field(description="What of it went back.")


class SourcesBody(BaseModel):
    by: Literal["channel", "campaign", "staff", "inviter"]
    currency: str = Field(description="Of all amounts; empty: there are no orders.")
    currencies: list[str] = Field(description="Those that orders were placed in.")
    sources: list[SourceBody]
    total: SourceBody = Field(description="Counted by itself: the sources add up to it.")
