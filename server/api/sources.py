"""What every source has brought: channels, campaigns, employees and inviters beside their total."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from server.api.commission_models import SourceBody, SourcesBody
from server.api.errors import documented
from server.api.guard import KEY_OR_MERCHANT, CallerHere, MerchantRoute, described
from server.api.sale_answers import find_sale
from server.api.services import ServicesHere
from server.database.source_records import Brought, By, SourceRecords

routes = APIRouter(route_class=MerchantRoute, tags=["sharing"])


class _Filter(BaseModel):
    model_config = ConfigDict(extra="forbid")
    by: Literal["channel", "campaign", "staff", "inviter"] = Field(
        "channel", description="What sources are told apart by."
    )
    room: str = Field("", max_length=64, description="Only of this room.")
    sale: str = Field("", max_length=64, description="Only of this sale.")
    currency: str = Field(
        "", max_length=3, description="Only orders in it; absent: that of most orders."
    )


SourcesWanted = Annotated[_Filter, Query()]


@routes.get(
    "/api/v1/sources",
    summary="What sources have brought",
    operation_id="listSources",
    responses=documented(400, 401, 403, 404, 503),
    openapi_extra=described("来源统计", KEY_OR_MERCHANT),
)
async def list_sources(
    wanted: SourcesWanted, caller: CallerHere, services: ServicesHere
) -> SourcesBody:
    """Visits and orders by where they came from, with what was paid and refunded. Every order has
    one source, so the sources add up to the total; beyond 1,000 of them those that brought least
    are one, `*`. With a merchant's token those of its rooms.
    """
    among = None if caller.every_room else caller.identity.rooms
    if wanted.sale:
        await find_sale(wanted.sale, caller, services)
    if wanted.room:
        caller.check_room(wanted.room)
        among = frozenset({wanted.room})
    report = await SourceRecords(services.database).report(
        By(wanted.by), rooms=among, sale=wanted.sale, currency=wanted.currency
    )
    return SourcesBody(
        by=wanted.by,
        currency=report.currency,
        currencies=report.currencies,
        sources=[_body(one) for one in report.sources],
        total=_body(report.total),
    )


def _body(one: Brought) -> SourceBody:
    return SourceBody(
        source=one.name,
        visits=one.visits,
        orders=one.orders,
        paid_orders=one.paid_orders,
        paid_minor=one.paid_minor,
        refunded_minor=one.refunded_minor,
    )
