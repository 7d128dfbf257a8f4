"""Every answer that is not a result: one shape, one table from fault to status.

`{"error": {"code": 400, "message": "title: is missing", "field": "title"}}`
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import ExceptionHandler

from server import replies
from server.api.headers import SECURITY_HEADERS
from server.database.errors import DatabaseUnavailable, UnknownProducts, UnknownRoom
from server.database.rehearsal_words import Occupied
from server.ports import RealtimeUnavailable, UnknownChannel
from server.rehearsal.ports import HallRefused, HallUnavailable
from server.sales.live_sales import SaleOver

RETRY_AFTER_S = 2

_log = logging.getLogger(__name__)


class Refused(Exception):
    """A request gets this answer and nothing was changed by it."""

    def __init__(
        self,
        status: int,
        message: str,
        field: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = f"{field}: {message}" if field else message
        self.field = field
        self.headers = headers or {}


class ErrorDetail(BaseModel):
    code: int = Field(description="The HTTP status again.", examples=[400])
    message: str = Field(
        description="What is wrong, for a developer; begins with the field if there is one.",
        examples=["title: is missing"],
    )
    field: str | None = Field(
        description="The field to correct, with dots into lists and objects, or null.",
        examples=["title"],
    )


class ErrorAnswer(BaseModel):
    error: ErrorDetail


ERROR_SCHEMA = {"$ref": f"#/components/schemas/{ErrorAnswer.__name__}"}

_MEANINGS = {
    400: ("Bad request: the message says which field and why.", "title: is missing", "title"),
    401: ("No valid key or token was sent.", "send X-API-Key or Authorization: Bearer", None),
    403: ("The key or token is good, but does not allow this.", "this token is not for it", None),
    404: ("There is no such thing.", "id: there is no room 'demo'", "id"),
    409: ("It collides with what is there.", "id: 'demo' exists and is different", "id"),
    413: ("The body or a value is too large.", "the body has more than 262144 bytes", None),
    415: ("The body must be application/json.", "send Content-Type: application/json", None),
    422: ("The rules of the room or the sale refuse it.", "name: contains a blocked word", "name"),
    429: ("Too many requests; `Retry-After` says when to come back.", "too many guests", None),
    503: ("Storage is away for a moment; `Retry-After` says when to retry.", "try again", None),
}


def documented(
    *statuses: int, same: type[BaseModel] | None = None
) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route, for its documentation.

    `same` is what a route that creates answers with 200 when the very same was there already.
    """
    answers: dict[int | str, dict[str, Any]] = {}
    if same is not None:
        answers[200] = {"model": same, "description": "It was there already, the very same."}
    for status in statuses:
        description, message, field = _MEANINGS[status]
        example = {"error": {"code": status, "message": message, "field": field}}
        # By reference, and not by its model: the framework would build one for every answer of
        # every route, which was a tenth of a worker's start.
        answers[status] = {
            "description": description,
            "content": {"application/json": {"schema": ERROR_SCHEMA, "example": example}},
        }
        if status in {429, 503}:
            answers[status]["headers"] = {
                "Retry-After": {
                    "description": "Seconds to wait before the next try.",
                    "schema": {"type": "integer"},
                }
            }
    return answers


def refused_by_desk(error: replies.Refused) -> Refused:
    """The desk's refusal: its codes are those of HTTP, but for what no field of ours caused."""
    field, colon, why = error.message.partition(": ")
    if not colon or field.partition(".")[0] not in _FIELDS_OF_DESK:
        field, why = "", error.message
    if error.code == 503 or error.temporary:
        return unavailable(error.message)
    return Refused(error.code if error.code >= 400 else 500, why, field or None)


def answer(refused: Refused) -> JSONResponse:
    """A refusal as it goes over the wire."""
    detail = {"code": refused.status, "message": refused.message, "field": refused.field}
    return JSONResponse({"error": detail}, refused.status, refused.headers)


def unavailable(message: str, retry_after_s: int = RETRY_AFTER_S) -> Refused:
    return Refused(503, message, headers={"Retry-After": str(retry_after_s)})


def add_handlers(api: FastAPI) -> None:
    """Make every error of the API take the one shape."""
    for kind, refusal in _REFUSALS.items():
        api.add_exception_handler(kind, _answering(refusal))

    @api.exception_handler(Exception)
    async def bug(_request: Request, _error: Exception) -> JSONResponse:
        # Starlette raises it again after this answer, so the log has the trace; and it answers
        # outside of all middleware, so the headers are added here.
        return answer(Refused(500, "internal error", headers=dict(SECURITY_HEADERS)))


def _answering(refusal: Callable[[Any], Refused]) -> ExceptionHandler:
    async def handler(_request: Request, error: Exception) -> JSONResponse:
        return answer(refusal(error))

    return handler


def _http(error: HTTPException) -> Refused:
    message = _HTTP_MESSAGES.get(error.status_code, str(error.detail))
    return Refused(error.status_code, message, headers=dict(error.headers or {}))


def _no_database(error: DatabaseUnavailable) -> Refused:
    _log.warning("%s", error)
    unknown = "; whether it was stored is unknown" if error.may_be_done else ""
    return unavailable(f"the database is not available, try again{unknown}")


def _no_realtime(error: RealtimeUnavailable) -> Refused:
    _log.warning("%s", error)
    return unavailable("the realtime side is not available, try again")


def unknown_room(room_id: str) -> Refused:
    return Refused(404, f"there is no room {room_id!r}", "id")


_FIELDS_OF_DESK = frozenset(
    {
        "channel",
        "comment",
        "countdown_seconds",
        "coupons",
        "items",
        "lines",
        "on_sale",
        "order",
        "product",
        "qty",
        "reason",
        "request_id",
        "sale",
        "share",
        "sku",
        "starts_at_ms",
        "times",
        "units",
        "waitlist",
    }
)
_HTTP_MESSAGES = {
    404: "there is nothing at this address",
    405: "this address does not take this method",
}
_MESSAGES = {
    "missing": "is missing",
    "extra_forbidden": "is not a field of this request",
    "json_invalid": "is not valid JSON",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "int_parsing": "must be a whole number",
    "bool_parsing": "must be true or false",
}


def _first_problem(problems: Sequence[Any]) -> Refused:
    """The first problem as a refusal; what was sent is not repeated in the answer."""
    problem = problems[0]
    place = [str(part) for part in problem["loc"]]
    source, path = place[0], ".".join(place[1:])
    if problem["type"] == "json_invalid":
        return Refused(400, _MESSAGES["json_invalid"], "body")
    if problem["type"] == "value_error":
        message = str(problem["ctx"]["error"])
    elif problem["type"] == "missing" and not path:
        message = "a JSON object is missing"
    else:
        message = _MESSAGES.get(problem["type"]) or _sentence(problem["msg"])
    return Refused(400, message, path or source)


def _sentence(message: str) -> str:
    """The validator's own words, as the end of a sentence that begins with the field."""
    words = message[:1].lower() + message[1:]
    for subject in ("input should be ", "string should ", "value should ", "list should "):
        if words.startswith(subject):
            rest = words.removeprefix(subject)
            return f"must be {rest}" if subject == "input should be " else f"must {rest}"
    return words


_REFUSALS: dict[type[Exception], Callable[[Any], Refused]] = {
    Refused: lambda error: error,
    replies.Refused: refused_by_desk,
    RequestValidationError: lambda error: _first_problem(error.errors()),
    HTTPException: _http,
    DatabaseUnavailable: _no_database,
    RealtimeUnavailable: _no_realtime,
    UnknownChannel: lambda _error: Refused(404, "there is no such channel", "channel"),
    UnknownRoom: lambda error: unknown_room(str(error)),
    UnknownProducts: lambda error: Refused(404, str(error), "products"),
    Occupied: lambda error: Refused(
        409, f"rehearsal {error.run!r} is there already: purge its data first"
    ),
    HallRefused: lambda error: Refused(409, str(error)),
    HallUnavailable: lambda error: unavailable(f"the rehearsal is not available: {error}"),
    SaleOver: lambda _error: Refused(409, "the sale is over: nothing of it can change any more"),
}
