"""Bodies of the routes of rehearsals, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from server.api.fields import Line, Strict, Title
from server.api.rehearsal_plan import PlanBody
from server.database.rehearsal_words import Run, RunAct

RunStateName = Literal["open", "running", "done", "failed", "stopped"]
VerdictName = Literal["go", "go_with_limits", "no_go", "void"]
USERS_MAX = 999_999
RUN = "rh-5e1f0a2b"
PLAN: dict[str, Any] = {
    "title": "Spring tea, evening",
    "items": [{"sku": "tea-50", "title": "Spring tea, 50 g", "stock": 100, "price_minor": 8900}],
    "promise": {"viewers": 1000, "buyers_per_unit": 3.0},
}


class RehearsalRequest(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [{"plan": PLAN}]})
    title: Title | None = Field(None, description="Absent: the plan's.")
    plan: PlanBody = Field(description="What is promised; see REHEARSAL.md. Kept as it is.")
    drive: bool = Field(False, description="True: this server runs the generator itself.")


class RunActBody(BaseModel):
    at_ms: int
    actor: str = Field(
        description="User id; `api-key` for the holder of the API key, the run's id for its own."
    )
    kind: str = Field(description="`open`, `stop`, `drill`, `report`, `fail` or `purge`.")
    detail: dict[str, Any] = Field(description="What else belongs to this kind of act.")

    @classmethod
    def of(cls, act: RunAct) -> RunActBody:
        return cls(at_ms=act.at_ms, actor=act.actor, kind=act.kind, detail=dict(act.detail))


class RehearsalBody(BaseModel):
    id: str
    number: int = Field(description="1, 2, 3 and so on, in the order in which they were opened.")
    title: str
    state: RunStateName
    plan: dict[str, Any] = Field(description="As it was given.")
    driven: bool = Field(description="This server ran the generator itself.")
    created_at_ms: int
    heard_at_ms: int | None = Field(description="When the generator told its progress last.")
    progress: dict[str, Any] | None = Field(description="What it told last.")
    ended_at_ms: int | None
    purged_at_ms: int | None = Field(description="Until then another one cannot be opened.")
    verdict: VerdictName | None = Field(description="Null until there is a report.")
    sentence: dict[str, Any] | None = Field(
        description="The verdict in one sentence: `key` and `values`, and `texts` by language."
    )
    why: str = Field(description="Why it failed, or empty.")
    reports: list[Literal["html", "json"]] = Field(description="Which forms of it are kept.")
    base: str = Field(description="The path below which its shadow shop is.")

    @classmethod
    def of(cls, run: Run) -> RehearsalBody:
        return cls.model_validate(_values(run))


class RehearsalDetail(RehearsalBody):
    acts: list[RunActBody] = Field(description="Who did what to it, oldest first.")

    @classmethod
    def with_acts(cls, run: Run, acts: list[RunAct]) -> RehearsalDetail:
        return cls.model_validate(_values(run) | {"acts": [RunActBody.of(act) for act in acts]})


class RehearsalOpened(RehearsalBody):
    key: str = Field(
        description="Of this rehearsal alone: for its routes here, and for its shadow shop's API. "
        "Good until its data is purged."
    )

    @classmethod
    def with_key(cls, run: Run, key: str) -> RehearsalOpened:
        return cls.model_validate(_values(run) | {"key": key})


class RehearsalPage(BaseModel):
    rehearsals: list[RehearsalBody] = Field(description="Newest first.")
    next: int | None = Field(description="Send it as `after` for the next page; null at the end.")


class PlanDraft(BaseModel):
    plan: PlanBody
    visits: int = Field(description="Of its room in the last 30 days, on which the plan stands.")
    at_once: int = Field(description="The most people who were there at one instant.")


class RunTokensRequest(Strict):
    model_config = ConfigDict(json_schema_extra={"examples": [{"first": 1, "count": 100}]})
    first: int = Field(1, ge=1, le=USERS_MAX, description="1 is the user `rh-u000001`.")
    count: int = Field(ge=1, description="How many, from the first.")
    role: Literal["viewer", "moderator", "host", "merchant"] = Field(
        "viewer", description="In every room of the shadow shop."
    )


class RunTokens(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"tokens": [["rh-u000001", "eyJhbGciOiJIUzI1NiJ9..."]]}]}
    )
    tokens: list[list[str]] = Field(description="User id and token of each.")


class ProgressRequest(Strict):
    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {"phase": "spike", "at_ms": 1800000000000, "viewers": 1000, "orders_per_s": 320.5}
            ]
        },
    )
    phase: Line = Field(
        min_length=1,
        max_length=24,
        description="Such as `arrive`, `spike`, `settle`; `failed` ends the rehearsal.",
    )
    at_ms: int = Field(ge=0)
    why: Line = Field("", max_length=500, description="With `failed`: the reason.")
    viewers: int = Field(0, ge=0)
    orders_per_s: float = Field(0, ge=0)
    lag_ms: float = Field(0, ge=0)
    books: dict[str, Any] = Field({}, description="Whatever the desk is to show of them.")


class ProgressAnswer(BaseModel):
    stop: bool = Field(description="True: somebody stopped it; the generator should end.")


class ProcessBody(BaseModel):
    name: str
    pid: int
    cpu_s: float = Field(description="Processor seconds since the process began.")
    rss_bytes: int
    shadow: bool = Field(description="It serves the rehearsal alone.")


class LookBody(BaseModel):
    at_ms: int
    viewers: int = Field(description="Connections to the shadow shop, over all workers.")
    workers: int = Field(description="Web workers that have told of themselves lately.")
    outcomes: dict[str, int] = Field(description="Purchases answered so far, by outcome.")
    lag_entries: int = Field(description="Entries that the ledger does not hold yet.")
    lag_ms: int = Field(description="For how long the oldest of them has waited.")
    ledger: str = Field(description="Why the ledger cannot write, or empty.")
    books: dict[str, Any] = Field(description="Counters of each sale that runs, by its id.")
    processes: list[ProcessBody] = Field(
        description="Of this machine: the shop's and the shadow's."
    )
    environment: dict[str, Any] = Field(description="Machine, versions, settings; no secrets.")


class DrillRequest(Strict):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"kind": "stop_ledger", "seconds": 10}]}
    )
    kind: Literal["kill_worker", "restart_redis", "stop_ledger"]
    seconds: int = Field(10, ge=1, le=600, description="How long, where it lasts.")


class DrillAnswer(BaseModel):
    kind: str
    seconds: int
    detail: dict[str, Any] = Field(description="What was done.")


class _Sentence(BaseModel):
    model_config = ConfigDict(extra="allow")
    key: str = Field(max_length=64)
    values: dict[str, Any] = {}


class FindingsRequest(BaseModel):
    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "verdict": "go",
                    "sentence": {"key": "go", "values": {"viewers": 1000}},
                    "sentences": {"en": "GO: 1,000 viewers.", "zh-CN": "GO：1,000 位观众。"},
                }
            ]
        },
    )
    verdict: VerdictName
    sentence: _Sentence
    sentences: dict[Literal["en", "zh-CN"], Line] = Field(
        {}, description="The sentence in words, by language."
    )


class Purged(BaseModel):
    purged: dict[str, Any] = Field(description="What was deleted, by kind.")


def _values(run: Run) -> dict[str, Any]:
    names = (
        *("id", "number", "title", "plan", "driven", "created_at_ms", "heard_at_ms"),
        *("progress", "ended_at_ms", "purged_at_ms", "sentence", "why"),
    )
    return {name: getattr(run, name) for name in names} | {
        "state": run.state.value,
        "verdict": run.verdict or None,
        "reports": sorted(run.reports),
        "base": "/rehearsal",
    }
