"""Share links: made by the shop for its campaigns and staff, and all that were made in a room."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Annotated
from urllib.parse import urljoin

from fastapi import APIRouter, Query, Request
from pydantic import Field

from rooms.sharing.sources import ShareLink
from server.api.errors import Refused, documented, unknown_room
from server.api.guard import KEY_OR_MERCHANT, CallerHere, MerchantRoute, described
from server.api.link_models import LinkBody, LinkPage, LinkRequest, PolicyBody, PolicyList
from server.api.paging import PAGE_ROWS, Paging, rows
from server.api.services import Services, ServicesHere
from server.database.share_records import LinkPlace
from server.sharing.link_desk import Place, Wanted

routes = APIRouter(route_class=MerchantRoute, tags=["sharing"])
_PLACE = re.compile(r"(\d{1,16})\.([0-9a-f]{16})")


class _Filter(Paging):
    limit: int = Field(PAGE_ROWS, ge=1, description="Rows of a page.")
    after: str = Field("", max_length=64, description="`next` of the page before.")
    room: str = Field("", max_length=64, description="Only of this room.")
    inviter: str = Field("", max_length=255, description="Only of this inviter.")
    campaign: str = Field("", max_length=64, description="Only of this campaign.")


LinksWanted = Annotated[_Filter, Query()]


@routes.post(
    "/api/v1/links",
    summary="Make a share link",
    operation_id="createLink",
    responses=documented(400, 401, 403, 404, 413, 415, 503),
    openapi_extra=described("创建分享链接", KEY_OR_MERCHANT),
)
async def create_link(
    body: LinkRequest, request: Request, caller: CallerHere, services: ServicesHere
) -> LinkBody:
    """A signed link for a campaign, an employee or a member. The same request gives the same
    link. Every visit and order that comes by it carries its channel, campaign, staff and inviter.
    """
    caller.check_room(body.room)
    wanted = Wanted(
        channel=body.channel,
        campaign=body.campaign,
        staff=body.staff,
        inviter=body.inviter or "",
        inviter_name=body.inviter_name or body.inviter or "",
        product=body.product,
        comment=body.comment,
        by_shop=True,
    )
    link = await services.links.make(await _place(body, services), wanted)
    return _body(link, request, services)


@routes.get(
    "/api/v1/links",
    summary="List share links",
    operation_id="listLinks",
    responses=documented(400, 401, 403, 503),
    openapi_extra=described("分享链接列表", KEY_OR_MERCHANT),
)
async def list_links(
    wanted: LinksWanted, request: Request, caller: CallerHere, services: ServicesHere
) -> LinkPage:
    """The newest links first, a page at a time, also those that people made by themselves. With a
    merchant's token those of the rooms that it holds.
    """
    limit = rows(wanted, services)
    if wanted.room:
        caller.check_room(wanted.room)
    found = await services.links.page(
        _after(wanted.after),
        limit + 1,
        room=wanted.room or None,
        inviter=wanted.inviter or None,
        campaign=wanted.campaign or None,
        among=None if caller.every_room else caller.identity.rooms,
    )
    page = found[:limit]
    more = len(found) > limit
    return LinkPage(
        links=[_body(link, request, services) for link in page],
        next=f"{page[-1].created_at_ms}.{page[-1].id}" if more else None,
    )


@routes.get(
    "/api/v1/policies",
    summary="List the policies of channels",
    operation_id="listPolicies",
    responses=documented(401, 403),
    openapi_extra=described("渠道政策列表", KEY_OR_MERCHANT),
)
async def list_policies(caller: CallerHere, services: ServicesHere) -> PolicyList:
    """What may be shared in which channel, what counts, and who is rewarded, with the reason
    beside each rule. Inside an app's own browser the stricter of two rules holds.
    """
    policies = [PolicyBody.model_validate(asdict(one)) for one in services.links.policies]
    return PolicyList(policies=policies)


async def _place(body: LinkRequest, services: Services) -> Place:
    """The room as SQL has it, or as its viewers see it when a comment is wanted."""
    room = await services.rooms.find(body.room)
    if room is None:
        raise unknown_room(body.room)
    live = None if body.comment is None else await services.links.live_place(body.room)
    if live is not None:
        return live
    shelf = await services.rooms.shelf(body.room) if body.product else []
    products = {str(product.id): product.title for product in shelf}
    return Place(room.id, room.title, products, lambda _comment: None)


def _body(link: ShareLink, request: Request, services: Services) -> LinkBody:
    links = services.links.links
    url = urljoin(str(request.base_url), links.url_of(link))
    return LinkBody.of(link, links.code_of(link), url)


def _after(text: str) -> LinkPlace | None:
    if not text:
        return None
    place = _PLACE.fullmatch(text)
    if place is None:
        raise Refused(400, "is not the `next` of a page", "after")
    return LinkPlace(int(place[1]), place[2])
