"""Tokens that a shop asks for on behalf of its customers, and tokens for guests."""

from __future__ import annotations

import ipaddress
import secrets
import string
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from rooms.model import EVERY_ROOM, Role
from server.api.errors import Refused, documented
from server.api.fields import tidy_name
from server.api.guard import KEY, OPEN, KeyRoute, OpenRoute, described
from server.api.models import GuestAnswer, GuestRequest, TokenAnswer, TokenRequest
from server.api.reserved import refuse_reserved
from server.api.services import Services, ServicesHere
from server.rates import RateTable

GUEST_TTL_S = 7 * 86_400
GUEST_ID_CHARS = 12
_GUEST_ID_ALPHABET = string.ascii_lowercase + string.digits

key_routes = APIRouter(route_class=KeyRoute, tags=["people"])
open_routes = APIRouter(route_class=OpenRoute, tags=["people"])


def new_id() -> str:
    """An id that nobody can guess and everybody can read out."""
    return "".join(secrets.choice(_GUEST_ID_ALPHABET) for _ in range(GUEST_ID_CHARS))


@key_routes.post(
    "/api/v1/tokens",
    summary="Issue a token for a person",
    operation_id="issueToken",
    responses=documented(400, 401, 409, 413, 415),
    openapi_extra=described("为用户签发令牌", KEY),
)
async def issue_token(body: TokenRequest, services: ServicesHere) -> TokenAnswer:
    """Your back end calls this when a signed-in customer opens a live room, and hands the token
    to the page. The same token serves the WebSocket and `Authorization: Bearer`.
    """
    refuse_reserved(services, user=body.user)
    _check_can_issue(services)
    ttl_max = services.settings.limits.token_ttl_s_max
    if body.ttl_seconds > ttl_max:
        raise Refused(400, f"must be 1 to {ttl_max}", "ttl_seconds")
    try:
        token = services.tokens.issue(
            body.user, body.role, body.rooms, body.name, body.ttl_seconds, body.avatar
        )
    except ValueError as error:
        field, _, why = str(error).partition(": ")
        raise Refused(400, why, field) from error
    return TokenAnswer(token=token)


def _guest_table(request: Request) -> RateTable:
    table: RateTable = request.app.state.guest_rate
    return table


@open_routes.post(
    "/api/v1/guests",
    summary="Let a guest speak under a name",
    operation_id="createGuest",
    responses=documented(400, 403, 409, 413, 415, 422, 429),
    openapi_extra=described("访客以昵称入场发言", OPEN),
)
async def create_guest(
    body: GuestRequest,
    request: Request,
    services: ServicesHere,
    table: Annotated[RateTable, Depends(_guest_table)],
) -> GuestAnswer:
    """For people without an account, if this server lets guests speak. The token is good for
    seven days in every room, with the role viewer. Keep it: a second call makes a second guest.
    """
    settings = services.settings
    if not (settings.guests_may_speak or settings.insecure):
        raise Refused(403, "guests may watch here, but not speak")
    _check_can_issue(services)
    wait_ms = table.take(f"{settings.rehearsal} {_address_group(request)}")
    if wait_ms:
        seconds = str(-(-wait_ms // 1000))
        raise Refused(429, "too many guests from your address", headers={"Retry-After": seconds})
    try:
        name = tidy_name(body.name, settings.limits.name_chars_max)
    except ValueError as error:
        raise Refused(400, str(error), "name") from error
    if (why := services.refuse_name(name)) is not None:
        raise Refused(422, why, "name")
    user = f"guest-{new_id()}"
    token = services.tokens.issue(user, Role.VIEWER, [EVERY_ROOM], name, GUEST_TTL_S)
    return GuestAnswer(token=token, user=user)


def _check_can_issue(services: Services) -> None:
    if not services.tokens.can_issue:
        raise Refused(409, "this server only verifies tokens that another issuer signs")


def _address_group(request: Request) -> str:
    """What counts as one address: an IPv6 subscriber has a whole /64 of them."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
