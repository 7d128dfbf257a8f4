"""The door: who may open a WebSocket at all. After that the connection is detached.

Checked here: the server is not draining, its limits, the rate of new connections, the origin of
a browser, the encoding asked for, and a bearer token if one came. Who the client is comes later,
with its connect command.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from server.codec.wire_frames import CODECS
from server.connection import DETACH
from server.gateway import Gateway
from server.rates import Rate, RateTable
from server.returns import Returns
from server.settings import Settings, is_loopback
from server.sharing.origins import Origins
from server.tokens import KeyNotLoaded, TokenExpired, TokenInvalid, Tokens

PATH = b"/connection/websocket"
PROTOBUF = "centrifuge-protobuf"
_TOO_MANY = "too many new connections"
_ADDRESSES_MAX = 10_000
_EVERYBODY = ""  # no address


class Door:
    """The endpoint of `/connection/websocket`, an ASGI application of its own.

    `viewers_beside` are connections of this process that other doors have let in.
    """

    def __init__(
        self,
        gateway: Gateway,
        tokens: Tokens,
        settings: Settings,
        shows_rewards: Callable[[str], bool] = lambda _app: True,
        viewers_beside: Callable[[], int] = lambda: 0,
    ) -> None:
        limits = settings.limits
        self._gateway = gateway
        self._tokens = tokens
        self._settings = settings
        self._shows_rewards = shows_rewards
        self._viewers_max = settings.viewers_max
        self._viewers_beside = viewers_beside
        self._all = RateTable(Rate(limits.accepts_per_s, limits.accepts_per_s), keys_max=1)
        per_address = limits.accepts_per_address_per_s
        self._by_address = RateTable(Rate(per_address, 5 * per_address), _ADDRESSES_MAX)
        self._returns = Returns(limits.accepts_per_s, 1)
        self._returns_of_address = Returns(per_address, _ADDRESSES_MAX)
        self._origins = Origins()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse with an HTTP status and a reason, or accept and let go."""
        websocket = WebSocket(scope, receive, send)
        refusal = self._refusal(websocket)
        if refusal is not None:
            await websocket.send_denial_response(refusal)
            return
        offered = websocket.scope["subprotocols"]
        chosen = next((one.subprotocol for one in CODECS if one.subprotocol in offered), None)
        await websocket.accept(subprotocol=chosen)
        origin = self._origins.of(_host_of(websocket), websocket.headers)
        attach = partial(
            self._gateway.attach,
            native_ping=websocket.query_params.get("cf_ws_frame_ping_pong") == "true",
            origin=origin,
            quiet=not self._shows_rewards(origin.app),
        )
        limits = self._settings.limits
        websocket.scope["extensions"][DETACH](attach, limits.message_bytes_max)

    def refusal_of(self, url: bytes) -> bytes | None:
        """The whole answer to a handshake at this address if nobody can be let in just now.

        It costs a fraction of the handshake. None decides nothing: everything is looked at again.
        """
        if url.partition(b"?")[0] != PATH:
            return None
        why = self._closed_because()
        if why is None and self._all.would_wait(_EVERYBODY):
            why = _TOO_MANY
        if why is None:
            return None
        response = self._refuse_for_now(why)
        lines = b"".join(b"%s: %s\r\n" % header for header in response.raw_headers)
        head = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n"
        return head + lines + b"\r\n" + bytes(response.body)

    def _closed_because(self) -> str | None:
        if self._gateway.draining:
            return "shutting down"
        if len(self._gateway.viewers) + self._viewers_beside() >= self._viewers_max:
            return "at the limit viewers_max"
        return None

    def _refusal(self, websocket: WebSocket) -> Response | None:
        why = self._closed_because()
        if why is not None:
            return self._refuse_for_now(why)
        if not self._origin_allowed(websocket):
            return _refuse(403, "this origin may not connect; see ONAIR_ALLOWED_ORIGINS")
        if self._all.take(_EVERYBODY):
            return self._refuse_for_now(_TOO_MANY)
        address = _host_of(websocket)
        if address and not is_loopback(address) and self._by_address.take(address):
            return self._refuse_for_now(_TOO_MANY, address)
        asked = {websocket.query_params.get(name) for name in ("format", "cf_protocol")}
        if PROTOBUF in websocket.scope["subprotocols"] or "protobuf" in asked:
            return _refuse(400, "only JSON is spoken here: offer centrifuge-json")
        return self._token_refusal(websocket)

    def _origin_allowed(self, websocket: WebSocket) -> bool:
        """A browser always says where its page is from; other clients need not."""
        origin = websocket.headers.get("origin")
        if origin is None:
            return True
        allowed = self._settings.allowed_origins
        if "*" in allowed or origin.rstrip("/") in allowed:
            return True
        try:
            return urlsplit(origin).netloc == websocket.headers.get("host")
        except ValueError:  # not even an address
            return False

    def _refuse_for_now(self, why: str, address: str = _EVERYBODY) -> Response:
        """503, and when to come again: all one after the other, or those of an address."""
        if address:
            return _refuse(503, why, retry_after_s=self._returns_of_address.after_s(address))
        return _refuse(503, why, retry_after_s=self._returns.after_s(_EVERYBODY))

    def _token_refusal(self, websocket: WebSocket) -> Response | None:
        scheme, _, token = websocket.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        try:
            self._tokens.verify(token)
        except TokenExpired:
            return _refuse(401, "token expired")
        except KeyNotLoaded:
            return self._refuse_for_now("the token's key is being fetched")
        except TokenInvalid as invalid:
            return _refuse(401, f"token not valid: {invalid}")
        return None


def _host_of(websocket: WebSocket) -> str:
    return "" if websocket.client is None else websocket.client.host


def _refuse(status: int, why: str, *, retry_after_s: int | None = None) -> Response:
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    body: dict[str, Any] = {"error": {"code": status, "message": why, "field": None}}
    return JSONResponse(body, status_code=status, headers=headers)
