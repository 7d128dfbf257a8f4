"""The record of visits as merchants read it: lists, one visit step by step, and what is counted."""

from __future__ import annotations

import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from rooms.sharing.visits import Piece, Seen
from server.api.errors import Refused, documented
from server.api.guard import KEY_OR_MERCHANT, Caller, CallerHere, MerchantRoute, described
from server.api.paging import PAGE_ROWS, Paging, rows
from server.api.services import Services, ServicesHere
from server.api.visit_models import (
    FIRST_DAY,
    CounterBody,
    CounterList,
    VisitBody,
    VisitDetail,
    VisitOrder,
    VisitPage,
    steps_of,
)
from server.database.visit_store import VisitFilters, VisitStore

COUNTERS_MAX = 10_000
DAYS_AT_ONCE = 31
AFTER_MAX = 2**53
MS_MAX = 2**53

routes = APIRouter(route_class=MerchantRoute, tags=["visits"])

VisitIdInPath = Annotated[
    str, Path(description="The visit's id.", examples=["4fBvqG6uPwVgkC1ZxJ2dTQ"])
]
PersonInPath = Annotated[str, Path(description="The user's id.", examples=["bob"])]


class _Place(Paging):
    limit: int = Field(PAGE_ROWS, ge=1, description="Rows of a page.")
    after: str = Field("", max_length=64, description="`next` of the page before.")


class _Filter(_Place):
    room: str = Field("", max_length=64, description="Only of this room.")
    person: str = Field("", max_length=255, description="Only of this user, also as a guest.")
    device: str = Field("", max_length=64, description="Only of devices that begin like this.")
    channel: str = Field("", max_length=64, description="Only from this channel.")
    campaign: str = Field("", max_length=64, description="Only of this campaign.")
    staff: str = Field("", max_length=255, description="Only by links of this employee.")
    inviter: str = Field("", max_length=255, description="Only of this inviter.")
    link: str = Field("", max_length=64, description="Only by this link.")
    from_ms: int | None = Field(None, ge=0, le=MS_MAX, description="Begun then or later.")
    to_ms: int | None = Field(None, ge=0, le=MS_MAX, description="Begun before.")


class _Steps(BaseModel):
    model_config = ConfigDict(extra="forbid")
    after: int = Field(0, ge=0, le=AFTER_MAX, description="`next` of the page before.")


class _Days(BaseModel):
    model_config = ConfigDict(extra="forbid")
    room: str = Field("", max_length=64, description="Only of this room.")
    from_day: datetime.date | None = Field(
        None, description="The first day, of UTC; absent: six days before the last."
    )
    to_day: datetime.date | None = Field(None, description="The last day; absent: today.")


@routes.get(
    "/api/v1/visits",
    summary="List visits",
    operation_id="listVisits",
    responses=documented(400, 401, 403, 503),
    openapi_extra=described("访问记录列表", KEY_OR_MERCHANT),
)
async def list_visits(
    wanted: Annotated[_Filter, Query()], caller: CallerHere, services: ServicesHere
) -> VisitPage:
    """The newest visits first, a page at a time, also of guests who never sign in. They follow
    what happens by moments. With a merchant's token those of the rooms that it holds.
    """
    filters = VisitFilters(
        rooms=_rooms(wanted.room, caller),
        **wanted.model_dump(include=_FILTERED),
    )
    return await _page(wanted, filters, services)


_FILTERED = {"person", "device", "channel", "campaign", "staff", "inviter", "link", "from_ms"}
_FILTERED |= {"to_ms"}


@routes.get(
    "/api/v1/visits/counters",
    summary="Count visits by day and source",
    operation_id="countVisits",
    responses=documented(400, 401, 403, 413, 503),
    openapi_extra=described("按日期与来源统计访问", KEY_OR_MERCHANT),
)
async def count_visits(
    wanted: Annotated[_Days, Query()], caller: CallerHere, services: ServicesHere
) -> CounterList:
    """What visits came to, by the day on which they began, room and source; at most 31 days at
    once. Counters stay when the visits themselves are over their time.
    """
    last = _day(wanted.to_day) if wanted.to_day else services.now_ms() // 86_400_000
    first = _day(wanted.from_day) if wanted.from_day else last - 6
    if not 0 <= last - first < DAYS_AT_ONCE:
        raise Refused(400, f"must be at most {DAYS_AT_ONCE} days up to to_day", "from_day")
    found = await _store(services).counters(
        _rooms(wanted.room, caller), first, last, COUNTERS_MAX + 1
    )
    if len(found) > COUNTERS_MAX:
        raise Refused(413, f"more than {COUNTERS_MAX} counters: ask for fewer days", "from_day")
    return CounterList(counters=[CounterBody.of(one) for one in found])


@routes.get(
    "/api/v1/visits/{id}",
    summary="Get a visit step by step",
    operation_id="getVisit",
    responses=documented(400, 401, 403, 404, 503),
    openapi_extra=described("查询一次访问的每一步", KEY_OR_MERCHANT),
)
async def get_visit(
    id: VisitIdInPath,
    wanted: Annotated[_Steps, Query()],
    caller: CallerHere,
    services: ServicesHere,
) -> VisitDetail:
    """One visit and everything that happened in it, in the order in which it was stored, with the
    product that was being explained at each step, and the orders placed in it. A long one comes in
    pages: up to 2,000 batches of steps, or 20 orders, at once.
    """
    found = await _store(services).whole(id, wanted.after)
    if found is None or not (caller.every_room or caller.manages(found.visit.room)):
        raise Refused(404, f"there is no visit {id!r}", "id")
    return VisitDetail(
        **VisitBody.of(found.visit).model_dump(),
        steps=steps_of(found.pieces),
        placed=await _orders(found.pieces, services),
        next=found.next,
    )


@routes.get(
    "/api/v1/people/{id}/visits",
    summary="List a person's visits",
    operation_id="listVisitsOfPerson",
    responses=documented(400, 401, 403, 503),
    openapi_extra=described("某用户的访问记录", KEY_OR_MERCHANT),
)
async def list_visits_of_person(
    id: PersonInPath,
    wanted: Annotated[_Place, Query()],
    caller: CallerHere,
    services: ServicesHere,
) -> VisitPage:
    """The newest visits of one user first, with those that they made as a guest: in the same
    visit before they signed in, and on devices that no other member has used.
    """
    filters = VisitFilters(rooms=_rooms("", caller), person=id)
    return await _page(wanted, filters, services)


async def _page(wanted: _Place, filters: VisitFilters, services: Services) -> VisitPage:
    limit = rows(wanted, services)
    found = await _store(services).page(wanted.after or None, limit + 1, filters)
    page = found[:limit]
    return VisitPage(
        visits=[VisitBody.of(visit) for visit in page],
        next=page[-1].id if len(found) > limit else None,
    )


def _rooms(room: str, caller: Caller) -> frozenset[str] | None:
    """The rooms that may be shown; None: all. 403 if one is asked for that is another's."""
    if room:
        caller.check_room(room)
        return frozenset({room})
    return None if caller.every_room else caller.identity.rooms


def _day(date: datetime.date) -> int:
    return date.toordinal() - FIRST_DAY


def _store(services: Services) -> VisitStore:
    gap_ms = services.settings.limits.visit_beat_gap_ms
    return VisitStore(services.database, beat_gap_ms=gap_ms)


async def _orders(pieces: list[Piece], services: Services) -> list[VisitOrder]:
    told = [event for piece in pieces for event in piece.events if event.t == Seen.ORDER]
    placed: list[VisitOrder] = []
    for event in told:
        row = await services.orders.find(str(event.facts.get("order", "")))
        if row is not None:
            order = row.order
            placed.append(
                VisitOrder(
                    id=order.id,
                    state=order.state,
                    amount_minor=order.amount_minor,
                    currency=row.currency,
                )
            )
    return placed
