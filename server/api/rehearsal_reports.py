"""What rehearsals have found: findings for programs, a page for people; kept as they came."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from server.api.errors import Refused, documented
from server.api.guard import KEY_OR_MERCHANT, CallerHere, ReportRoute, described, read_body
from server.api.rehearsal_access import COMMON, RunIdInPath, check_depth, find_run
from server.api.rehearsal_models import FindingsRequest, RehearsalBody
from server.api.services import Services, ServicesHere
from server.database.rehearsal_words import Run

# The file brings its own scripts and styles. They run apart from everything of the shop: without
# its origin, its storage and any address.
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-scripts"
)

routes = APIRouter(route_class=ReportRoute, **COMMON)


@routes.put(
    "/api/v1/rehearsals/{id}/report",
    summary="Report what a rehearsal found",
    operation_id="reportRehearsal",
    responses=documented(400, 401, 403, 404, 413, 415, 503),
    openapi_extra=described("提交彩排结果", KEY_OR_MERCHANT),
)
async def put_report(
    id: RunIdInPath,
    body: FindingsRequest,
    request: Request,
    caller: CallerHere,
    services: ServicesHere,
) -> RehearsalBody:
    """The findings as JSON, kept byte for byte; further fields are the generator's. With them the
    rehearsal is done. Sent again, they take the place of the earlier ones.
    """
    run = await find_run(id, caller, services)
    sentence = body.sentence.model_dump() | {"texts": body.sentences}
    check_depth(sentence, "sentence")
    actor = caller.identity.user_id
    raw = await request.body()
    return RehearsalBody.of(
        await services.rehearsals.found(run, raw, body.verdict, sentence, actor)
    )


@routes.get(
    "/api/v1/rehearsals/{id}/report",
    summary="Get the findings",
    operation_id="getRehearsalReport",
    responses=documented(401, 403, 404, 503),
    openapi_extra=described("查询彩排结果", KEY_OR_MERCHANT),
)
async def get_report(id: RunIdInPath, caller: CallerHere, services: ServicesHere) -> Response:
    """What was reported, byte for byte. Reports of the newest rehearsals are kept; the verdicts of
    all are.
    """
    body = await report_of(await find_run(id, caller, services), "json", services)
    return Response(body, media_type="application/json")


@routes.put(
    "/api/v1/rehearsals/{id}/report.html",
    summary="Store the report for people",
    operation_id="putRehearsalPage",
    responses=documented(400, 401, 403, 404, 413, 415, 503),
    openapi_extra=described("提交彩排报告页面", KEY_OR_MERCHANT)
    | {
        "requestBody": {
            "required": True,
            "content": {"text/html": {"schema": {"type": "string"}}},
        }
    },
)
async def put_page(
    id: RunIdInPath, request: Request, caller: CallerHere, services: ServicesHere
) -> RehearsalBody:
    """The report as one HTML file, as it is, in UTF-8. Sent again, it takes the earlier one's
    place.
    """
    most = services.settings.limits.rehearsal_report_bytes_max
    body = await read_body(request, most, kind="text/html")
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise Refused(400, "is not UTF-8", "body") from error
    run = await find_run(id, caller, services)
    await services.rehearsals.keep_report(run, "html", body)
    return RehearsalBody.of(await find_run(id, caller, services))


@routes.get(
    "/api/v1/rehearsals/{id}/report.html",
    summary="Get the report for people",
    operation_id="getRehearsalPage",
    response_class=Response,
    responses=documented(401, 403, 404, 503)
    | {200: {"content": {"text/html": {}}, "description": "One file that needs nothing else."}},
    openapi_extra=described("查看彩排报告页面", KEY_OR_MERCHANT),
)
async def get_page(id: RunIdInPath, caller: CallerHere, services: ServicesHere) -> Response:
    """The report as it was stored. Its policy lets what stands in the file run, apart from
    everything of the shop, and lets it load nothing.
    """
    body = await report_of(await find_run(id, caller, services), "html", services)
    headers = {"Content-Security-Policy": REPORT_POLICY}
    return Response(body, media_type="text/html; charset=utf-8", headers=headers)


async def report_of(run: Run, kind: str, services: Services) -> bytes:
    """A report of that form, `json` or `html`; 404 if it is not kept."""
    body = await services.rehearsals.report(run, kind) if kind in run.reports else None
    if body is None:
        raise Refused(404, "there is no report, or not any more", "id")
    return body
