"""Rehearsals as merchants open, watch and end them, and as their generators report.

What is rehearsed happens in a shadow shop with stores of its own, under `/rehearsal`: none of
these routes touches a room, a sale or an order of the shop.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from rooms.model import Role
from server.api.coupons import check_whole_shop
from server.api.errors import Refused, documented
from server.api.fields import SaleIdInPath
from server.api.guard import (
    KEY_OR_MERCHANT,
    CallerHere,
    MerchantRoute,
    RunRoute,
    described,
)
from server.api.paging import ByVersion, rows
from server.api.rehearsal_access import COMMON, RunIdInPath, check_depth, find_open, find_run
from server.api.rehearsal_drafts import plan_of
from server.api.rehearsal_models import (
    USERS_MAX,
    DrillAnswer,
    DrillRequest,
    LookBody,
    PlanDraft,
    ProgressAnswer,
    ProgressRequest,
    Purged,
    RehearsalBody,
    RehearsalDetail,
    RehearsalOpened,
    RehearsalPage,
    RehearsalRequest,
    RunTokens,
    RunTokensRequest,
)
from server.api.sale_answers import find_sale
from server.api.services import ServicesHere
from server.database.audience_records import audience_of

AUDIENCE_DAYS = 30

routes = APIRouter(route_class=MerchantRoute, **COMMON)
run_routes = APIRouter(route_class=RunRoute, **COMMON)


@routes.post(
    "/api/v1/rehearsals",
    status_code=201,
    summary="Open a rehearsal",
    operation_id="openRehearsal",
    responses=documented(400, 401, 403, 409, 413, 415, 503),
    openapi_extra=described("开始彩排", KEY_OR_MERCHANT),
)
async def open_rehearsal(
    body: RehearsalRequest, request: Request, caller: CallerHere, services: ServicesHere
) -> RehearsalOpened:
    """Opens a shadow shop inside this server, empty, with stores and secrets of its own, under
    `/rehearsal`; it takes visitors when this answers. One at a time: a 409 names the one whose
    data is still there. The `key` is told only here. Needs the API key, or a merchant's token for
    every room.
    """
    check_whole_shop(caller)
    plan: dict[str, Any] = (await request.json())["plan"]
    run = await services.rehearsals.open(
        body.title or body.plan.title, plan, body.drive, caller.identity.user_id
    )
    return RehearsalOpened.with_key(run, services.rehearsals.key_of(run.id))


@routes.get(
    "/api/v1/rehearsals",
    summary="List rehearsals",
    operation_id="listRehearsals",
    responses=documented(400, 401, 403, 503),
    openapi_extra=described("彩排列表", KEY_OR_MERCHANT),
)
async def list_rehearsals(
    wanted: ByVersion, caller: CallerHere, services: ServicesHere
) -> RehearsalPage:
    """The history, newest first, a page at a time. It stays when the data of a rehearsal goes."""
    check_whole_shop(caller)
    limit = rows(wanted, services)
    found = await services.rehearsals.page(wanted.after, limit + 1)
    page = found[:limit]
    return RehearsalPage(
        rehearsals=[RehearsalBody.of(run) for run in page],
        next=page[-1].number if len(found) > limit else None,
    )


@routes.get(
    "/api/v1/rehearsals/plan-from-sale/{id}",
    summary="A plan from a sale",
    operation_id="planFromSale",
    responses=documented(401, 403, 404, 503),
    openapi_extra=described("由秒杀生成彩排计划", KEY_OR_MERCHANT),
)
async def plan_from_sale(id: SaleIdInPath, caller: CallerHere, services: ServicesHere) -> PlanDraft:
    """What the sale sells, for as many people as its room has had at once in the last 30 days, as
    lively as they were: a plan to change and to open a rehearsal with. Stores nothing.
    """
    check_whole_shop(caller)
    record = await find_sale(id, caller, services)
    room = await services.rooms.find(record.terms.room)
    since_ms = services.now_ms() - AUDIENCE_DAYS * 86_400_000
    audience = await audience_of(services.database, record.terms.room, since_ms)
    plan = plan_of(record, id if room is None else room.title, audience)
    return PlanDraft(plan=plan, visits=audience.visits, at_once=audience.at_once)


@run_routes.get(
    "/api/v1/rehearsals/{id}",
    summary="Get a rehearsal",
    operation_id="getRehearsal",
    responses=documented(401, 403, 404, 503),
    openapi_extra=described("查询彩排", KEY_OR_MERCHANT),
)
async def get_rehearsal(
    id: RunIdInPath, caller: CallerHere, services: ServicesHere
) -> RehearsalDetail:
    """How it stands, what it found, and who did what to it. One whose generator has been silent
    for `rehearsal_silent_s` has failed. The rehearsal's own key opens this and what follows.
    """
    run = await find_run(id, caller, services, purged_too=True)
    return RehearsalDetail.with_acts(run, await services.rehearsals.acts(id))


@run_routes.post(
    "/api/v1/rehearsals/{id}/tokens",
    summary="Issue tokens for a rehearsal",
    operation_id="issueRehearsalTokens",
    responses=documented(400, 401, 403, 404, 409, 413, 415, 503),
    openapi_extra=described("为彩排签发令牌", KEY_OR_MERCHANT),
)
async def issue_tokens(
    id: RunIdInPath, body: RunTokensRequest, caller: CallerHere, services: ServicesHere
) -> RunTokens:
    """Tokens of many people at once, good in the shadow shop only: the shop's own secret does not
    sign them. The same number is always the same person.
    """
    run = await find_open(id, caller, services)
    most = services.settings.limits.rehearsal_tokens_max
    if body.count > most:
        raise Refused(400, f"must be 1 to {most}", "count")
    if body.first + body.count - 1 > USERS_MAX:
        raise Refused(400, f"people are numbered up to {USERS_MAX}", "first")
    role = Role(body.role)
    return RunTokens(tokens=await services.rehearsals.tokens(run.id, body.first, body.count, role))


@run_routes.put(
    "/api/v1/rehearsals/{id}/progress",
    summary="Tell how a rehearsal goes",
    operation_id="tellRehearsalProgress",
    responses=documented(400, 401, 403, 404, 413, 415, 503),
    openapi_extra=described("上报彩排进度", KEY_OR_MERCHANT),
)
async def tell_progress(
    id: RunIdInPath,
    body: ProgressRequest,
    request: Request,
    caller: CallerHere,
    services: ServicesHere,
) -> ProgressAnswer:
    """The generator tells it about once a second; further fields are kept and shown as they are.
    The phase `failed` ends the rehearsal, with `why`.
    """
    most = services.settings.limits.rehearsal_progress_bytes_max
    if len(await request.body()) > most:
        raise Refused(413, f"the progress has more than {most} bytes", "body")
    told = body.model_dump()
    check_depth(told, "body")
    run = await find_run(id, caller, services)
    if body.phase == "failed":  # what it told before stays to be seen
        await services.rehearsals.failed(run, body.why or "the generator does not say why")
        return ProgressAnswer(stop=True)
    return ProgressAnswer(stop=await services.rehearsals.heard(run, told))


@run_routes.get(
    "/api/v1/rehearsals/{id}/observed",
    summary="Look at the shadow shop",
    operation_id="observeRehearsal",
    responses=documented(401, 403, 404, 409, 503),
    openapi_extra=described("观察彩排", KEY_OR_MERCHANT),
)
async def observe_rehearsal(
    id: RunIdInPath, caller: CallerHere, services: ServicesHere
) -> LookBody:
    """One look at everything: viewers and purchases over all workers, the ledger, the books, and
    what each process of this machine has used. Workers tell of themselves once a second.
    """
    run = await find_open(id, caller, services)
    return LookBody.model_validate(await services.rehearsals.observed(run))


@run_routes.post(
    "/api/v1/rehearsals/{id}/drills",
    status_code=202,
    summary="Begin a drill",
    operation_id="beginDrill",
    responses=documented(400, 401, 403, 404, 409, 413, 415, 503),
    openapi_extra=described("开始故障演练", KEY_OR_MERCHANT),
)
async def begin_drill(
    id: RunIdInPath, body: DrillRequest, caller: CallerHere, services: ServicesHere
) -> DrillAnswer:
    """A fault on purpose: `kill_worker` ends a web worker of this server, the others concern the
    shadow shop's own Redis and ledger worker. 403 unless the server allows it by the
    setting `rehearsal_drills`.
    """
    run = await find_open(id, caller, services)
    if not services.rehearsals.allows_drills:
        raise Refused(403, "this server allows no drills: the setting rehearsal_drills does")
    actor = caller.identity.user_id
    detail = await services.rehearsals.drill(run, body.kind, body.seconds, actor)
    return DrillAnswer(kind=body.kind, seconds=body.seconds, detail=detail)


@run_routes.post(
    "/api/v1/rehearsals/{id}/stop",
    summary="Stop a rehearsal",
    operation_id="stopRehearsal",
    responses=documented(401, 403, 404, 503),
    openapi_extra=described("停止彩排", KEY_OR_MERCHANT),
)
async def stop_rehearsal(
    id: RunIdInPath, caller: CallerHere, services: ServicesHere
) -> RehearsalBody:
    """Its generator learns it from the answer to its next progress, ends, and may still report.
    Repeated, or when it is over, it changes nothing. The data stays until it is purged.
    """
    run = await find_run(id, caller, services, purged_too=True)
    return RehearsalBody.of(await services.rehearsals.stop(run, caller.identity.user_id))


@run_routes.delete(
    "/api/v1/rehearsals/{id}/data",
    summary="Purge a rehearsal",
    operation_id="purgeRehearsal",
    responses=documented(401, 403, 404, 409, 503),
    openapi_extra=described("清除彩排数据", KEY_OR_MERCHANT),
)
async def purge_rehearsal(id: RunIdInPath, caller: CallerHere, services: ServicesHere) -> Purged:
    """Closes the shadow shop and deletes everything of it: rooms, users, orders, messages. What it
    found stays in the history. Repeated, it answers the same.
    """
    run = await find_run(id, caller, services, purged_too=True)
    return Purged(purged=await services.rehearsals.purge(run, caller.identity.user_id))
