"""Between the bodies of the API and the terms of ladders. Stores nothing."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from rooms.sharing.arrivals import Thresholds
from rooms.sharing.ladders import Ladder, RewardKind, Tier, costs
from server.api.errors import Refused
from server.api.ladder_models import (
    LadderBody,
    LadderChange,
    LadderRequest,
    Problem,
    SimulationBody,
    ThresholdsBody,
    TierBody,
    TierCostBody,
    TierRequest,
)
from server.api.people import new_id
from server.api.services import Services
from server.database.ladder_words import LadderRecord, NotPublishable
from server.sharing.reward_desk import usual_thresholds


def terms_of(body: LadderRequest, services: Services) -> Ladder:
    """The ladder that a request describes. `Refused` 400 names the field."""
    _check_times(body.starts_at_ms, body.ends_at_ms)
    return Ladder(
        id=body.id or new_id(),
        room=body.room,
        title=body.title,
        currency=body.currency,
        budget_minor=body.budget_minor,
        tiers=_tiers(body.tiers),
        thresholds=_thresholds(body.thresholds, services),
        starts_at_ms=body.starts_at_ms or 0,
        ends_at_ms=body.ends_at_ms,
        newcomer_batch=body.newcomer_batch,
        newcomer_stock=body.newcomer_stock,
        newcomer_cost_minor=body.newcomer_cost_minor,
    )


def changed_terms(body: LadderChange, terms: Ladder, services: Services) -> Ladder:
    """A draft with what a request changes of it."""
    changes: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    if "starts_at_ms" in changes:
        changes["starts_at_ms"] = changes["starts_at_ms"] or 0
    if "tiers" in changes:
        changes["tiers"] = _tiers(body.tiers)
    if "thresholds" in changes:
        changes["thresholds"] = _thresholds(body.thresholds, services)
    changed = replace(terms, **changes)
    _check_times(changed.starts_at_ms, changed.ends_at_ms)
    return changed


def same_terms(terms: Ladder, record: LadderRecord) -> bool:
    """Whether a stored ladder is the one that is asked for; publishing may have moved its start."""
    start_ms = terms.starts_at_ms or record.terms.starts_at_ms
    return replace(terms, starts_at_ms=start_ms) == record.terms


def body_of(record: LadderRecord) -> LadderBody:
    """A ladder as the API shows it."""
    terms = record.terms
    return LadderBody(
        id=terms.id,
        room=terms.room,
        title=terms.title,
        state=record.state.value,
        currency=terms.currency,
        budget_minor=terms.budget_minor,
        taken_minor=record.taken_minor,
        starts_at_ms=terms.starts_at_ms or None,
        ends_at_ms=terms.ends_at_ms,
        tiers=[
            TierBody(**asdict(tier) | {"kind": tier.kind.value, "left": left})
            for tier, left in zip(terms.tiers, record.left, strict=True)
        ],
        thresholds=ThresholdsBody.model_construct(**asdict(terms.thresholds)),  # as it stands
        newcomer_batch=terms.newcomer_batch,
        newcomer_stock=terms.newcomer_stock,
        newcomer_left=record.newcomer_left,
        newcomer_cost_minor=terms.newcomer_cost_minor,
        created_at_ms=record.created_at_ms,
        published_at_ms=record.published_at_ms,
        ended_at_ms=record.ended_at_ms,
    )


async def simulation_of(terms: Ladder, services: Services) -> SimulationBody:
    """What a ladder may cost, and what speaks against publishing it now."""
    problems = await services.rewards.ladders.problems(terms, services.now_ms())
    cost = costs(terms)
    cheapest, dearest = cost.per_arrival_minor
    return SimulationBody(
        currency=terms.currency,
        budget_minor=terms.budget_minor,
        worst_minor=cost.worst_minor,
        left_minor=cost.left_minor,
        newcomer_worst_minor=cost.newcomer_worst_minor,
        per_arrival_min_minor=cheapest,
        per_arrival_max_minor=dearest,
        tiers=[TierCostBody(**asdict(tier)) for tier in cost.tiers],
        problems=[Problem(field=one.field, message=one.message) for one in problems],
    )


def refuse(error: NotPublishable) -> Refused:
    """422 with the first problem; a simulation shows all of them."""
    first = error.problems[0]
    return Refused(422, first.message, first.field)


def _tiers(bodies: list[TierRequest]) -> tuple[Tier, ...]:
    return tuple(
        Tier(number=number, **body.model_dump() | {"kind": RewardKind(body.kind)})
        for number, body in enumerate(bodies, 1)
    )


def _thresholds(body: ThresholdsBody | None, services: Services) -> Thresholds:
    usual = usual_thresholds(services.settings.limits)
    return usual if body is None else replace(usual, **body.model_dump(exclude_unset=True))


def _check_times(starts_at_ms: int | None, ends_at_ms: int) -> None:
    if starts_at_ms and ends_at_ms <= starts_at_ms:
        raise Refused(400, "must be later than starts_at_ms", "ends_at_ms")
