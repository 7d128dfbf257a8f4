"""Who may call a route, and how large a body it reads: decided before the body is parsed.

A route picks one of these route classes: `KeyRoute`, `MerchantRoute`, `StaffRoute`, `RunRoute`,
`ReportRoute`, `ProviderRoute`, `OpenRoute`.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from rooms.model import EVERY_ROOM, Identity, Role, RoomId, UserId
from server.api.errors import Refused, unavailable
from server.api.services import Services, services_of
from server.payments import signature
from server.settings import Limits
from server.tokens import KeyNotLoaded, TokenError

BODY_WITHIN_S = 15
# As the OpenAPI document says who may call a route; a test compares it with what the classes do.
KEY: list[dict[str, list[str]]] = [{"apiKey": []}]
KEY_OR_MERCHANT: list[dict[str, list[str]]] = [{"apiKey": []}, {"bearer": []}]
KEY_OR_STAFF: list[dict[str, list[str]]] = [{"apiKey": []}, {"bearer": ["host"]}]
PROVIDER: list[dict[str, list[str]]] = [{"signature": []}]
OPEN: list[dict[str, list[str]]] = []
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def described(summary_zh: str, security: list[dict[str, list[str]]]) -> dict[str, Any]:
    """What the OpenAPI document says of a route beside what its signature says."""
    return {"x-summary-zh": summary_zh, "security": security}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request: the holder of the API key, or a merchant or host with a token.

    `run` names the rehearsal whose own key was sent: good for that one, and for nothing else.
    """

    identity: Identity
    run: str = ""

    @property
    def every_room(self) -> bool:
        return EVERY_ROOM in self.identity.rooms

    def manages(self, room_id: str) -> bool:
        return self.identity.role_in(RoomId(room_id)) is Role.MERCHANT

    def hosts(self, room_id: str) -> bool:
        """Whether this caller may run the show in a room: its host, or who manages it."""
        return self.identity.role_in(RoomId(room_id)) in {Role.HOST, Role.MERCHANT}

    def check_room(self, room_id: str) -> None:
        """Raise 403 unless this caller manages the room, whether or not it exists."""
        if not self.manages(room_id):
            raise Refused(403, f"this token is not for room {room_id!r}")


KEY_HOLDER = Caller(Identity(UserId("api-key"), "API", "", Role.MERCHANT, frozenset({EVERY_ROOM})))


class KeyRoute(APIRoute):
    """Server to server: `X-API-Key` only."""

    def get_route_handler(self) -> Handler:
        return _guarded(super().get_route_handler(), self, _key_only)


class MerchantRoute(APIRoute):
    """`X-API-Key`, or a bearer token with the role merchant; the route checks the room."""

    def get_route_handler(self) -> Handler:
        return _guarded(super().get_route_handler(), self, _key_or_merchant)


class StaffRoute(APIRoute):
    """As `MerchantRoute`, and a bearer token with the role host; the route checks the room."""

    def get_route_handler(self) -> Handler:
        return _guarded(super().get_route_handler(), self, _key_or_staff)


class RunRoute(APIRoute):
    """As `MerchantRoute`, and the key of the rehearsal in the path; the route checks which."""

    def get_route_handler(self) -> Handler:
        return _guarded(super().get_route_handler(), self, _key_merchant_or_run)


class ReportRoute(APIRoute):
    """As `RunRoute`, with bodies as large as the report of a rehearsal may be."""

    def get_route_handler(self) -> Handler:
        return _guarded(
            super().get_route_handler(),
            self,
            _key_merchant_or_run,
            bytes_max=lambda limits: limits.rehearsal_report_bytes_max,
        )


class ProviderRoute(APIRoute):
    """The payment provider: the body's bytes carry its signature in a header."""

    def get_route_handler(self) -> Handler:
        return _guarded(super().get_route_handler(), self, _anybody, check_body=_check_signature)


class OpenRoute(APIRoute):
    """Anybody."""

    def get_route_handler(self) -> Handler:
        return _guarded(super().get_route_handler(), self, _anybody)


async def _caller_of(request: Request) -> Caller:  # a plain function would go to a thread
    caller: Caller = request.state.caller
    return caller


CallerHere = Annotated[Caller, Depends(_caller_of)]


def _any_body(_request: Request, _services: Services, _body: bytes) -> None:
    """Whoever was admitted may send what they like; the route looks at it."""


def _guarded(
    handler: Handler,
    route: APIRoute,
    admit: Callable[[Request, Services], Caller | None],
    check_body: Callable[[Request, Services, bytes], None] = _any_body,
    bytes_max: Callable[[Limits], int] = lambda limits: limits.body_bytes_max,
) -> Handler:
    async def guarded(request: Request) -> Response:
        services = services_of(request)
        request.state.caller = admit(request, services)
        if route.body_field is not None:
            body = await read_body(request, bytes_max(services.settings.limits))
            check_body(request, services, body)
            request = _ReadRequest(request, body)
        return await handler(request)

    return guarded


def _anybody(_request: Request, _services: Services) -> None:
    return None


def _check_signature(request: Request, services: Services, body: bytes) -> None:
    settings = services.settings
    now_s = services.now_ms() / 1000
    tolerance_s = settings.limits.webhook_tolerance_s
    header = request.headers.get(signature.HEADER, "")
    try:
        signature.verify(settings.webhook_secret, header, body, now_s, tolerance_s)
    except signature.BadSignature as error:
        raise Refused(401, str(error)) from error


def _key_only(request: Request, services: Services) -> Caller:
    if _has_key(request, services):
        return KEY_HOLDER
    raise _unauthorised("send the API key as X-API-Key")


def _key_or_merchant(request: Request, services: Services) -> Caller:
    return _key_or_token(request, services, frozenset({Role.MERCHANT}))


def _key_or_staff(request: Request, services: Services) -> Caller:
    return _key_or_token(request, services, frozenset({Role.MERCHANT, Role.HOST}))


def _key_merchant_or_run(request: Request, services: Services) -> Caller:
    """The rehearsal's own key may come in either header, as may what opens the whole shop."""
    run = str(request.path_params.get("id", ""))
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    given = request.headers.get("x-api-key", bearer.strip() if scheme.lower() == "bearer" else "")
    if services.rehearsals.is_key(run, given):
        return Caller(Identity(UserId(run), run, "", Role.MERCHANT, frozenset()), run=run)
    return _key_or_merchant(request, services)


def _key_or_token(request: Request, services: Services, roles: frozenset[Role]) -> Caller:
    if _has_key(request, services):
        return KEY_HOLDER
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _unauthorised("send X-API-Key, or a merchant's token as Authorization: Bearer")
    try:
        identity = services.tokens.verify(token.strip())
    except KeyNotLoaded as error:
        raise unavailable(str(error), retry_after_s=1) from error
    except TokenError as error:
        raise _unauthorised(str(error), ' error="invalid_token"') from error
    if identity.role not in roles or identity.is_anonymous or not identity.rooms:
        named = " or ".join(role for role in (Role.MERCHANT, Role.HOST) if role in roles)
        raise Refused(403, f"a token with the role {named} in some room is needed")
    return Caller(identity)


def _has_key(request: Request, services: Services) -> bool:
    """True with the right key, False without one; a wrong key is refused at once."""
    given = request.headers.get("x-api-key")
    if given is None:
        return False
    expected = services.settings.api_key
    # A header is Latin-1 on the wire; comparing bytes takes the same time wherever they differ.
    if expected and hmac.compare_digest(given.encode("latin-1"), expected.encode()):
        return True
    raise _unauthorised("the API key is wrong")


def _unauthorised(message: str, extra: str = "") -> Refused:
    return Refused(401, message, headers={"WWW-Authenticate": f"Bearer{extra}"})


async def read_body(request: Request, bytes_max: int, kind: str = "application/json") -> bytes:
    """The whole body of a request: 415, 413 or 408 if it is not one that we take."""
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    declared = request.headers.get("content-length", "")
    if sent != kind and declared != "0":
        raise Refused(415, f"send Content-Type: {kind}")
    if declared.isdecimal() and int(declared[:20]) > bytes_max:
        raise _too_large(bytes_max)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > bytes_max:
                    raise _too_large(bytes_max)
    except TimeoutError:
        why = f"the body did not arrive within {BODY_WITHIN_S} s"
        raise Refused(408, why, headers={"Connection": "close"}) from None
    except ClientDisconnect:  # nobody hears this; in the log it would look like a fault of ours
        raise Refused(400, "the connection ended within the body") from None
    return bytes(body)


def _too_large(bytes_max: int) -> Refused:
    return Refused(
        413, f"the body has more than {bytes_max} bytes", headers={"Connection": "close"}
    )


class _ReadRequest(Request):
    """A request whose body was read already, and whose JSON is parsed strictly.

    Python's own parser takes NaN and halves of surrogate pairs, which no event may carry on.
    """

    def __init__(self, request: Request, body: bytes) -> None:
        super().__init__(request.scope)
        self._read = body

    async def body(self) -> bytes:
        return self._read

    async def json(self) -> Any:
        try:
            return orjson.loads(self._read)
        except orjson.JSONDecodeError as error:
            raise json.JSONDecodeError(error.msg, "", 0) from error
