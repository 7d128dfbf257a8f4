"""A link to the report of a rehearsal: a tab of its own sends no token, so the link is signed.

It is good for whoever has it, for a while; the report holds made-up people and no secret.
"""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from server.api.errors import Refused, documented
from server.api.guard import KEY_OR_MERCHANT, OPEN, CallerHere, MerchantRoute, OpenRoute, described
from server.api.rehearsal_access import COMMON, RunIdInPath, find_run
from server.api.rehearsal_reports import REPORT_POLICY, report_of
from server.api.services import Services, ServicesHere
from server.sharing.keys import derived_key

link_routes = APIRouter(route_class=MerchantRoute, **COMMON)
page_routes = APIRouter(route_class=OpenRoute, **COMMON)


class ReportLink(BaseModel):
    url: str = Field(description="A path of this server; it opens without a token.")
    until_ms: int = Field(description="When it ends to be good.")


@link_routes.post(
    "/api/v1/rehearsals/{id}/report-link",
    status_code=201,
    summary="Make a link to the report",
    operation_id="linkRehearsalReport",
    responses=documented(401, 403, 404, 503),
    openapi_extra=described("生成报告链接", KEY_OR_MERCHANT),
)
async def link_report(id: RunIdInPath, caller: CallerHere, services: ServicesHere) -> ReportLink:
    """For `rehearsal_link_s` whoever has the link can read the report. Needs the API key, or a
    merchant's token for every room.
    """
    run = await find_run(id, caller, services, purged_too=True)
    if "html" not in run.reports:
        raise Refused(404, "there is no report, or not any more", "id")
    until_ms = services.now_ms() + services.settings.limits.rehearsal_link_s * 1000
    sign = _sign(services, id, until_ms)
    url = f"/api/v1/rehearsals/{id}/page?until_ms={until_ms}&sign={sign}"
    return ReportLink(url=url, until_ms=until_ms)


@page_routes.get(
    "/api/v1/rehearsals/{id}/page",
    summary="Read the report by a link",
    operation_id="readRehearsalPage",
    response_class=Response,
    responses=documented(400, 403, 404, 503)
    | {200: {"content": {"text/html": {}}, "description": "One file that needs nothing else."}},
    openapi_extra=described("通过链接查看报告", OPEN),
)
async def read_page(
    id: RunIdInPath,
    services: ServicesHere,
    until_ms: Annotated[int, Query(description="From the link.", ge=0, le=2**53)],
    sign: Annotated[str, Query(description="From the link.", max_length=64)],
) -> Response:
    """The report, for whoever has a link that is still good."""
    if not hmac.compare_digest(sign.encode(), _sign(services, id, until_ms).encode()):
        raise Refused(403, "this link was not made here", "sign")
    if until_ms < services.now_ms():
        raise Refused(403, "this link is over: open the report from the desk again", "until_ms")
    run = await services.rehearsals.find(id)
    if run is None:
        raise Refused(404, f"there is no rehearsal {id!r}", "id")
    body = await report_of(run, "html", services)
    headers = {"Content-Security-Policy": REPORT_POLICY, "Referrer-Policy": "no-referrer"}
    return Response(body, media_type="text/html; charset=utf-8", headers=headers)


def _sign(services: Services, run: str, until_ms: int) -> str:
    key = derived_key(services.settings, "rehearsal report")
    return hmac.new(key, f"{run}\0{until_ms}".encode(), "sha256").hexdigest()
