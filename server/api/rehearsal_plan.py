"""The plan of a rehearsal, field by field, so that whoever sends one learns what is wrong with it.

The generator reads the same plan with rules of its own; a test compares the two. Here a plan is
checked and kept as it was given; what it leaves out is the generator's to fill in.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from server.api.fields import Strict

TEXT_CHARS_MAX = 200
BUYERS_MAX = 500_000
Text = Annotated[str, Field(min_length=1, max_length=TEXT_CHARS_MAX)]
Weight = Annotated[int, Field(ge=0, le=1_000_000)]
DrillKind = Literal[
    "kill_worker",
    "restart_redis",
    "stop_ledger",
    "cut_network",
    "slow_readers",
    "webhook_storm",
]


class PlanItem(Strict):
    sku: str = Field(pattern="^[A-Za-z0-9_-]{1,48}$")
    title: Text
    stock: int = Field(ge=1, le=1_000_000)
    price_minor: int = Field(ge=1, le=10**12)
    per_user_max: int = Field(default=1, ge=1, le=1_000)


class PlanPromise(Strict):
    viewers: int = Field(default=1_000, ge=1, le=200_000)
    arrive_s: int = Field(default=20, ge=1, le=3_600)
    comments_per_s: float = Field(default=5.0, ge=0, le=5_000)
    likes_per_s: float = Field(default=20.0, ge=0, le=50_000)
    shares_per_s: float = Field(default=1.0, ge=0, le=1_000)
    pins_per_minute: float = Field(default=6.0, ge=0, le=120)
    buyers_per_unit: float = Field(default=3.0, ge=0.01, le=10_000)
    rush_s: float = Field(default=3.0, ge=0.1, le=600)


class PlanBuyers(Strict):
    on_time: Weight = 60
    early: Weight = 10
    impatient: Weight = 15
    abandoning: Weight = 10
    late: Weight = 5
    bots: Weight = 0

    @model_validator(mode="after")
    def _somebody_buys(self) -> Self:
        if not 0 < sum(self.model_dump().values()) <= 1_000_000:
            raise ValueError("weights of 0 and more, and not all of them 0")
        return self


class PlanTargets(Strict):
    order_p99_ms: int = Field(default=1_000, ge=1, le=60_000)
    delivery_p99_ms: int = Field(default=1_000, ge=1, le=60_000)
    connect_p99_ms: int = Field(default=2_000, ge=1, le=60_000)
    ledger_lag_s: int = Field(default=10, ge=1, le=3_600)
    errors_percent: float = Field(default=0.1, ge=0, le=100)
    recover_s: int = Field(default=15, ge=1, le=600)


class PlanPhases(Strict):
    warm_s: int = Field(default=15, ge=1, le=3_600)
    spike_s: int = Field(default=20, ge=1, le=3_600)
    settle_s: int = Field(default=20, ge=1, le=3_600)
    hold_s: int = Field(default=10, ge=5, le=3_600)
    referee_s: int = Field(default=0, ge=0, le=300)


class PlanDrill(Strict):
    kind: DrillKind
    at_s: int = Field(ge=-3_600, le=3_600)
    seconds: int = Field(default=10, ge=1, le=600)
    percent: int = Field(default=10, ge=1, le=100)


class PlanFinder(Strict):
    step: float = Field(default=0.5, ge=0.05, le=10)
    steps_max: int = Field(default=12, ge=1, le=100)
    step_s: int = Field(default=15, ge=5, le=600)


class PlanGenerator(Strict):
    locust_workers: int = Field(default=1, ge=1, le=64)
    audience_processes: int = Field(default=1, ge=1, le=64)
    witnesses: int = Field(default=20, ge=1, le=1_000)
    connect_per_s: int = Field(default=400, ge=1, le=10_000)


class PlanBody(Strict):
    title: Text
    items: list[PlanItem] = Field(min_length=1, max_length=50)
    seed: int = Field(default=1, ge=0, le=2**63 - 1)
    language: Literal["zh-CN", "en"] = "zh-CN"
    promise: PlanPromise = PlanPromise()
    buyers: PlanBuyers = PlanBuyers()
    targets: PlanTargets = PlanTargets()
    phases: PlanPhases = PlanPhases()
    finder: PlanFinder = PlanFinder()
    generator: PlanGenerator = PlanGenerator()
    drills: list[PlanDrill] = Field(default=[], max_length=20)

    @model_validator(mode="after")
    def _each_sku_once(self) -> Self:
        if len({item.sku for item in self.items}) < len(self.items):
            raise ValueError("items: each sku once")
        return self

    @model_validator(mode="after")
    def _not_too_many_buyers(self) -> Self:
        buyers = round(sum(item.stock for item in self.items) * self.promise.buyers_per_unit)
        if buyers > BUYERS_MAX:
            many = f"{buyers:,} buyers in all, at most {BUYERS_MAX:,}"
            raise ValueError(f"promise.buyers_per_unit: {many}")
        return self

    @model_validator(mode="after")
    def _a_rush_ends_within_the_sale(self) -> Self:
        selling_s = self.phases.spike_s + self.phases.settle_s
        if self.promise.rush_s > selling_s:
            phases = "phases.spike_s + phases.settle_s"
            raise ValueError(f"promise.rush_s: at most {selling_s}, {phases}")
        return self
