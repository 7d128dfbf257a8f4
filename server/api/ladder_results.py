"""What came of a ladder: arrivals with their reasons, the ranking, and what was given."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from rooms.sharing.arrivals import Verdict
from rooms.sharing.ladders import GrantState
from server.api.errors import Refused, documented
from server.api.fields import LadderIdInPath
from server.api.guard import KEY_OR_MERCHANT, CallerHere, MerchantRoute, described
from server.api.ladder_models import (
    ArrivalBody,
    ArrivalPage,
    GrantBody,
    GrantPage,
    GrantStateName,
    RankBody,
    RankingBody,
    RedeemAnswer,
    RedeemRequest,
    VerdictName,
)
from server.api.ladders import find_ladder
from server.api.paging import Paging, rows
from server.api.services import ServicesHere
from server.csv_rows import BYTE_ORDER_MARK, RANKING_COLUMNS, csv_line, instant
from server.database.exported_tables import DEVICE_CHARS_SHOWN
from server.database.ladder_words import AlreadyRedeemed, ArrivalRecord, Grant, Rank
from server.database.reward_records import Place

_PLACE = re.compile(r"(\d{1,16})\.([A-Za-z0-9_-]{1,64})")

routes = APIRouter(route_class=MerchantRoute, tags=["sharing"])


class _PagingByPlace(Paging):
    after: str = Field("", max_length=96, description="`next` of the page before.")


class _Arrivals(_PagingByPlace):
    verdict: VerdictName | None = Field(None, description="Only with this verdict.")
    inviter: str = Field("", max_length=255, description="Only of this inviter.")


class _Grants(_PagingByPlace):
    state: GrantStateName | None = Field(None, description="Only in this state.")


ArrivalsWanted = Annotated[_Arrivals, Query()]
GrantsWanted = Annotated[_Grants, Query()]
RanksWanted = Annotated[Paging, Query()]


class CsvFile(Response):
    media_type = "text/csv"


def _csv_file(*statuses: int) -> dict[int | str, dict[str, Any]]:
    description = "UTF-8 with a byte order mark; a row per inviter."
    content = {"text/csv": {"schema": {"type": "string", "description": description}}}
    return {200: {"content": content, "description": description}} | documented(*statuses)


@routes.get(
    "/api/v1/ladders/{id}/arrivals",
    summary="List arrivals",
    operation_id="listArrivals",
    responses=documented(400, 401, 403, 404, 503),
    openapi_extra=described("到访列表", KEY_OR_MERCHANT),
)
async def list_arrivals(
    id: LadderIdInPath, wanted: ArrivalsWanted, caller: CallerHere, services: ServicesHere
) -> ArrivalPage:
    """Every invited visit, newest first, with its verdict: whether it counts, or the first reason
    why not. `counts` are those of the whole ladder.
    """
    await find_ladder(id, caller, services)
    limit = rows(wanted, services)
    rewards = services.rewards.rewards
    found = await rewards.arrivals(
        id,
        _after(wanted.after),
        limit + 1,
        verdict=Verdict(wanted.verdict) if wanted.verdict else None,
        inviter=wanted.inviter or None,
    )
    page = found[:limit]
    counts = await rewards.verdicts(id)
    return ArrivalPage(
        arrivals=[_arrival(one) for one in page],
        counts={verdict.value: count for verdict, count in sorted(counts.items())},
        next=_place(page[-1].entered_at_ms, page[-1].visit) if len(found) > limit else None,
    )


@routes.get(
    "/api/v1/ladders/{id}/ranking",
    summary="Get the ranking of a ladder",
    operation_id="getRanking",
    responses=documented(400, 401, 403, 404, 503),
    openapi_extra=described("阶梯奖励排行榜", KEY_OR_MERCHANT),
)
async def get_ranking(
    id: LadderIdInPath, wanted: RanksWanted, caller: CallerHere, services: ServicesHere
) -> RankingBody:
    """The first of the ladder: more valid arrivals come first, then who reached that number
    earlier. Once the ladder has ended, as it was then.
    """
    await find_ladder(id, caller, services)
    ranking = await services.rewards.rewards.ranking(id, rows(wanted, services))
    assert ranking is not None  # ladders stay
    return RankingBody(ladder=id, frozen=ranking.frozen, top=[_rank(one) for one in ranking.top])


@routes.get(
    "/api/v1/ladders/{id}/ranking.csv",
    summary="The whole ranking as CSV",
    operation_id="exportRankingCsv",
    response_class=CsvFile,
    responses=_csv_file(401, 403, 404, 503),
    openapi_extra=described("导出排行榜 CSV", KEY_OR_MERCHANT),
)
async def export_ranking_csv(
    id: LadderIdInPath, caller: CallerHere, services: ServicesHere
) -> CsvFile:
    """For spreadsheets: everybody with a valid arrival, by rank, as they stood at one
    instant; at most `export_rows_max`.
    """
    await find_ladder(id, caller, services)
    most = services.settings.limits.export_rows_max
    lines = await services.rewards.rewards.ranked(id, most, _rank_line)
    headers = {"Content-Disposition": f'attachment; filename="ranking-{id}.csv"'}
    head = BYTE_ORDER_MARK + csv_line(RANKING_COLUMNS)
    return CsvFile(b"".join([head, *lines]), headers=headers)


@routes.get(
    "/api/v1/ladders/{id}/grants",
    summary="List rewards",
    operation_id="listGrants",
    responses=documented(400, 401, 403, 404, 503),
    openapi_extra=described("奖励发放列表", KEY_OR_MERCHANT),
)
async def list_grants(
    id: LadderIdInPath, wanted: GrantsWanted, caller: CallerHere, services: ServicesHere
) -> GrantPage:
    """What was given, newest first; also what was missed because nothing was left."""
    await find_ladder(id, caller, services)
    limit = rows(wanted, services)
    found = await services.rewards.rewards.grants(
        id,
        _after(wanted.after),
        limit + 1,
        state=GrantState(wanted.state) if wanted.state else None,
    )
    page = found[:limit]
    return GrantPage(
        grants=[_grant(one) for one in page],
        next=_place(page[-1].at_ms, page[-1].id) if len(found) > limit else None,
    )


@routes.post(
    "/api/v1/vouchers/redeem",
    summary="Redeem a voucher",
    operation_id="redeemVoucher",
    responses=documented(400, 401, 403, 404, 409, 413, 415, 503),
    openapi_extra=described("核销礼品券", KEY_OR_MERCHANT),
)
async def redeem_voucher(
    body: RedeemRequest, caller: CallerHere, services: ServicesHere
) -> RedeemAnswer:
    """Once and for good: hand the gift over when this answers 200. Sent again with the same
    `request_id` it answers the same; a voucher that another request has redeemed is a 409. Case,
    blanks and dashes of the code do not matter.
    """
    code = services.rewards.code(body.code)
    rewards = services.rewards.rewards
    there = await rewards.find_code(code)
    if there is None or not caller.manages(there.room):
        raise Refused(404, "there is no such voucher", "code")
    try:
        grant = await rewards.redeem(code, body.request_id, services.now_ms())
    except AlreadyRedeemed as error:
        raise Refused(409, f"it was redeemed at {instant(error.at_ms)}", "code") from error
    return RedeemAnswer(grant=_grant(grant), ladder=grant.ladder, room=grant.room)


def _arrival(one: ArrivalRecord) -> ArrivalBody:
    return ArrivalBody(
        visit=one.visit,
        inviter=one.inviter,
        link=one.link,
        channel=one.channel,
        user=one.person or one.user,
        device=one.device[:DEVICE_CHARS_SHOWN],
        entered_at_ms=one.entered_at_ms,
        last_at_ms=one.last_at_ms,
        visible_ms=one.visible_ms,
        actions=one.actions,
        faults=one.faults,
        qualified_at_ms=one.qualified_at_ms,
        due_at_ms=one.due_at_ms,
        verdict=one.verdict.value,
        judged_at_ms=one.judged_at_ms,
        rewarded=one.rewarded,  # type: ignore[arg-type]
    )


def _rank(one: Rank) -> RankBody:
    return RankBody(
        rank=one.rank,
        user=one.user,
        name=one.name,
        valid=one.valid,
        reached_at_ms=one.reached_at_ms,
    )


def _rank_line(one: Rank) -> bytes:
    return csv_line((one.rank, one.user, one.name, one.valid, instant(one.reached_at_ms)))


def _grant(one: Grant) -> GrantBody:
    return GrantBody(
        id=one.id,
        user=one.user,
        tier=one.tier,
        kind=one.kind.value,
        title=one.title,
        state=one.state.value,
        why=one.why,
        points=one.points,
        coupon=one.coupon,
        code=one.code,
        value_minor=one.value_minor,
        currency=one.currency,
        at_ms=one.at_ms,
        expires_at_ms=one.expires_at_ms,
        done_at_ms=one.done_at_ms,
    )


def _place(at_ms: int, id: str) -> str:
    return f"{at_ms}.{id}"


def _after(text: str) -> Place | None:
    if not text:
        return None
    place = _PLACE.fullmatch(text)
    if place is None:
        raise Refused(400, "is not the `next` of a page", "after")
    return Place(int(place[1]), place[2])
