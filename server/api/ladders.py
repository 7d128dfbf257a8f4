"""Ladders as merchants prepare, simulate, publish and end them, and what came of them."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from flash_sale.catalog import is_id
from rooms.sharing.ladders import LadderState
from server.api.errors import Refused, documented
from server.api.fields import LadderIdInPath
from server.api.guard import KEY_OR_MERCHANT, Caller, CallerHere, MerchantRoute, described
from server.api.ladder_drafts import (
    body_of,
    changed_terms,
    refuse,
    same_terms,
    simulation_of,
    terms_of,
)
from server.api.ladder_models import (
    LadderBody,
    LadderChange,
    LadderPage,
    LadderRequest,
    LadderStateName,
    SimulationBody,
)
from server.api.paging import PagingById, rows
from server.api.services import Services, ServicesHere
from server.database.errors import DuplicateId, NotADraft, UnknownRoom
from server.database.ladder_words import LadderRecord, NotPublishable, TooManyLadders

routes = APIRouter(route_class=MerchantRoute, tags=["sharing"])


class _Filter(PagingById):
    room: str = Field("", max_length=64, description="Only of this room.")
    state: LadderStateName | None = Field(None, description="Only in this state.")


LaddersWanted = Annotated[_Filter, Query()]


@routes.post(
    "/api/v1/ladders",
    status_code=201,
    summary="Prepare a ladder",
    operation_id="createLadder",
    responses=documented(400, 401, 403, 404, 409, 413, 415, 422, 503, same=LadderBody),
    openapi_extra=described("创建阶梯奖励", KEY_OR_MERCHANT),
)
async def create_ladder(
    body: LadderRequest, response: Response, caller: CallerHere, services: ServicesHere
) -> LadderBody:
    """A new ladder is a draft: nobody climbs it until it is published. Sending the same ladder
    again answers 200 and changes nothing; the same id with another content is a 409.
    """
    caller.check_room(body.room)
    terms = terms_of(body, services)
    try:
        return body_of(await services.rewards.ladders.create(terms, services.now_ms()))
    except UnknownRoom as error:
        raise Refused(404, f"there is no room {body.room!r}", "room") from error
    except TooManyLadders as error:
        most = services.settings.limits.ladders_per_room_max
        raise Refused(422, f"it has {most} ladders that are not over", "room") from error
    except DuplicateId as error:
        there = await services.rewards.ladders.find(terms.id)
        if there is not None and caller.manages(there.terms.room) and same_terms(terms, there):
            response.status_code = 200
            return body_of(there)
        raise Refused(409, f"{terms.id!r} exists and is different", "id") from error


@routes.get(
    "/api/v1/ladders",
    summary="List ladders",
    operation_id="listLadders",
    responses=documented(400, 401, 403, 503),
    openapi_extra=described("阶梯奖励列表", KEY_OR_MERCHANT),
)
async def list_ladders(
    wanted: LaddersWanted, caller: CallerHere, services: ServicesHere
) -> LadderPage:
    """The ladders by id, a page at a time, drafts too; with a merchant's token those of the rooms
    that it holds.
    """
    limit = rows(wanted, services)
    if wanted.after and not is_id(wanted.after):
        raise Refused(400, "is not the `next` of a page", "after")
    if wanted.room:
        caller.check_room(wanted.room)
    found = await services.rewards.ladders.page(
        wanted.after or None,
        limit + 1,
        room=wanted.room or None,
        state=LadderState(wanted.state) if wanted.state else None,
        among=None if caller.every_room else caller.identity.rooms,
    )
    page = found[:limit]
    return LadderPage(
        ladders=[body_of(record) for record in page],
        next=page[-1].terms.id if len(found) > limit else None,
    )


@routes.post(
    "/api/v1/ladders/simulate",
    summary="Simulate a ladder that is not stored",
    operation_id="simulateLadder",
    responses=documented(400, 401, 403, 413, 415, 503),
    openapi_extra=described("试算新的阶梯奖励", KEY_OR_MERCHANT),
)
async def simulate_ladder(
    body: LadderRequest, caller: CallerHere, services: ServicesHere
) -> SimulationBody:
    """What it costs if everything is given, what a valid arrival costs, and everything that
    speaks against publishing it now. Stores nothing.
    """
    caller.check_room(body.room)
    return await simulation_of(terms_of(body, services), services)


@routes.get(
    "/api/v1/ladders/{id}",
    summary="Get a ladder",
    operation_id="getLadder",
    responses=documented(401, 403, 404, 503),
    openapi_extra=described("查询阶梯奖励", KEY_OR_MERCHANT),
)
async def get_ladder(id: LadderIdInPath, caller: CallerHere, services: ServicesHere) -> LadderBody:
    """One ladder, what is left of its tiers, and what was taken from its budget."""
    return body_of(await find_ladder(id, caller, services))


@routes.patch(
    "/api/v1/ladders/{id}",
    summary="Change a draft",
    operation_id="changeLadder",
    responses=documented(400, 401, 403, 404, 409, 413, 415, 503),
    openapi_extra=described("修改阶梯奖励草稿", KEY_OR_MERCHANT),
)
async def change_ladder(
    id: LadderIdInPath, body: LadderChange, caller: CallerHere, services: ServicesHere
) -> LadderBody:
    """Only a draft can be changed; fields that are not sent stay as they are. `tiers` take the
    place of the whole list.
    """
    record = await find_ladder(id, caller, services)
    if not body.model_fields_set:
        raise Refused(400, f"send {', '.join(LadderChange.model_fields)}", "body")
    try:
        terms = changed_terms(body, record.terms, services)
        return body_of(await services.rewards.ladders.change(terms))
    except NotADraft as error:
        raise Refused(409, f"{id!r} is not a draft any more: its terms stand", "id") from error


@routes.post(
    "/api/v1/ladders/{id}/simulate",
    summary="Simulate a ladder",
    operation_id="simulateStoredLadder",
    responses=documented(401, 403, 404, 503),
    openapi_extra=described("试算阶梯奖励", KEY_OR_MERCHANT),
)
async def simulate_stored_ladder(
    id: LadderIdInPath, caller: CallerHere, services: ServicesHere
) -> SimulationBody:
    """The same of a ladder that is stored, as it stands."""
    record = await find_ladder(id, caller, services)
    return await simulation_of(record.terms, services)


@routes.post(
    "/api/v1/ladders/{id}/publish",
    summary="Publish a ladder",
    operation_id="publishLadder",
    responses=documented(401, 403, 404, 409, 422, 503),
    openapi_extra=described("发布阶梯奖励", KEY_OR_MERCHANT),
)
async def publish_ladder(
    id: LadderIdInPath, caller: CallerHere, services: ServicesHere
) -> LadderBody:
    """Its terms stand from now on. Refused (422) with the first problem that a simulation shows:
    the worst case must be within the budget. Repeated, it changes nothing.
    """
    await find_ladder(id, caller, services)
    try:
        ladders, now_ms = services.rewards.ladders, services.now_ms()
        return body_of(await ladders.publish(id, now_ms, secrets.randbits(64)))
    except NotPublishable as error:
        raise refuse(error) from error
    except NotADraft as error:
        raise Refused(409, f"{id!r} has ended", "id") from error


@routes.post(
    "/api/v1/ladders/{id}/end",
    summary="End a ladder",
    operation_id="endLadder",
    responses=documented(401, 403, 404, 409, 503),
    openapi_extra=described("结束阶梯奖励", KEY_OR_MERCHANT),
)
async def end_ladder(id: LadderIdInPath, caller: CallerHere, services: ServicesHere) -> LadderBody:
    """Whoever qualifies from now on does not count. What has qualified is judged within seconds;
    then its state is `ended` and its ranking frozen. Repeated, it changes nothing.
    """
    await find_ladder(id, caller, services)
    try:
        return body_of(await services.rewards.ladders.end(id, services.now_ms()))
    except NotPublishable as error:
        raise Refused(409, "it was never published", "id") from error


async def find_ladder(id: str, caller: Caller, services: Services) -> LadderRecord:
    """The ladder; 404 also for one of a room that this caller does not manage."""
    record = await services.rewards.ladders.find(id)
    if record is None or not caller.manages(record.terms.room):
        raise Refused(404, f"there is no ladder {id!r}", "id")
    return record
