"""The handshake: uvicorn's side of a WebSocket, until the connection is detached.

uvicorn makes one `HandshakeProtocol` per upgrade request. Starlette routes it and decides.
On acceptance `detach` hands the socket to a `Viewer` and forgets everything else: no ASGI
task, queue or timer remains. Nothing here knows the client protocol.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import unquote

from uvicorn.config import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState
from websockets.datastructures import Headers
from websockets.extensions import Extension
from websockets.http11 import Request, Response
from websockets.protocol import OPEN, Protocol, Side
from websockets.server import ServerProtocol

from server.deflate import DEFLATE_FACTORIES

DETACH = "onair.detach"

_LOG = logging.getLogger("onair.connection")
_QUIET = logging.getLogger("onair.websocket")  # the library's own log, warnings and above
_QUIET.setLevel(logging.WARNING)
# The Python SDK sends this header empty, which the grammar forbids (RFC 6455 section 4.1).
_BLANK_SUBPROTOCOL = re.compile(rb"\r\nsec-websocket-protocol:[ \t]*(?=\r\n)", re.IGNORECASE)
_EARLY_BYTES_MAX = 65_536
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"

Attach = Callable[[asyncio.Transport, Protocol, bytes], asyncio.Protocol]


def open_stream(extensions: list[Extension], message_bytes_max: int) -> Protocol:
    """The sans-I/O state of an open server connection, without what the handshake needed."""
    stream = Protocol(Side.SERVER, state=OPEN, max_size=message_bytes_max, logger=_QUIET)
    stream.extensions = extensions
    return stream


class HandshakeProtocol(asyncio.Protocol):
    """Speaks HTTP/1.1 upgrade (RFC 6455 section 4.2) on one side and ASGI on the other."""

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any]
    ) -> None:
        self._config = config
        self._app_state = app_state
        self._connections = server_state.connections
        self._tasks = server_state.tasks
        self._stream = ServerProtocol(extensions=DEFLATE_FACTORIES, logger=_QUIET)
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._gone = asyncio.get_running_loop().create_future()
        self._connect_told = False
        self._answered = False
        self._denial: tuple[int, list[tuple[str, str]]] | None = None
        self._denial_body = b""
        self._response: Response | None = None
        self._early = b""

    # what uvicorn and the transport call

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        if self._task is not None:  # sent before the answer: kept for the viewer, within a bound
            self._early += data
            if len(self._early) > _EARLY_BYTES_MAX:
                self._transport.abort()
            return
        self._stream.receive_data(_BLANK_SUBPROTOCOL.sub(b"", data))
        for event in self._stream.events_received():
            if isinstance(event, Request):
                self._begin(event)
                return
        if self._stream.handshake_exc is not None:
            self._hang_up()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._stream.parser.close()
        if not self._gone.done():
            self._gone.set_result(None)

    def shutdown(self) -> None:
        """uvicorn is going down: whoever is still shaking hands is told to come back."""
        if not self._answered:
            self._finish_with(self._stream.reject(HTTPStatus.SERVICE_UNAVAILABLE, "shutdown\n"))

    # the ASGI side

    def _begin(self, request: Request) -> None:
        assert self._transport is not None
        self._response = self._stream.accept(request)
        if self._response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self._finish_with(self._response)
            return
        self._task = asyncio.get_running_loop().create_task(self._run(self._scope(request)))
        self._tasks.add(self._task)
        self._task.add_done_callback(self._tasks.discard)

    def _scope(self, request: Request) -> dict[str, Any]:
        assert self._transport is not None
        path, _, query = request.path.partition("?")
        offered = ",".join(request.headers.get_all("Sec-WebSocket-Protocol"))
        return {
            "type": "websocket",
            "asgi": {"version": self._config.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if is_ssl(self._transport) else "ws",
            "server": get_local_addr(self._transport),
            "client": get_remote_addr(self._transport),
            "root_path": self._config.root_path,
            "path": self._config.root_path + unquote(path),
            "raw_path": path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "headers": [
                (name.lower().encode("latin-1"), value.encode("latin-1"))
                for name, value in request.headers.raw_items()
            ],
            "subprotocols": [word.strip() for word in offered.split(",") if word.strip()],
            "state": self._app_state.copy(),
            "extensions": {"websocket.http.response": {}, DETACH: self.detach},
        }

    async def _run(self, scope: dict[str, Any]) -> None:
        try:
            await self._config.loaded_app(scope, self._receive, self._send)
        except Exception:
            _LOG.exception("handshake failed")
        if not self._answered:
            self._finish_with(
                self._stream.reject(HTTPStatus.INTERNAL_SERVER_ERROR, "internal server error\n")
            )

    async def _receive(self) -> dict[str, Any]:
        if not self._connect_told:
            self._connect_told = True
            return {"type": "websocket.connect"}
        await self._gone
        return {"type": "websocket.disconnect", "code": 1006}

    async def _send(self, message: Any) -> None:
        match message["type"]:
            case "websocket.accept":
                self._accept(message)
            case "websocket.close":
                self._finish_with(self._stream.reject(HTTPStatus.FORBIDDEN, "forbidden\n"))
            case "websocket.http.response.start":
                headers = [
                    (k.decode("latin-1"), v.decode("latin-1")) for k, v in message["headers"]
                ]
                self._denial = (message["status"], headers)
            case "websocket.http.response.body":
                self._deny(message)

    def _accept(self, message: Any) -> None:
        assert self._response is not None
        if message.get("subprotocol"):
            self._response.headers["Sec-WebSocket-Protocol"] = message["subprotocol"]
        self._answered = True
        self._stream.send_response(self._response)
        self._write()

    def _deny(self, message: Any) -> None:
        assert self._denial is not None
        self._denial_body += message.get("body", b"")
        if message.get("more_body"):
            return
        status, headers = self._denial
        fields = Headers(headers)
        fields.setdefault("Connection", "close")
        fields.setdefault("Content-Length", str(len(self._denial_body)))
        phrase = HTTPStatus(status).phrase
        self._finish_with(Response(status, phrase, fields, self._denial_body))

    def detach(self, attach: Attach, message_bytes_max: int) -> None:
        """After acceptance: give the socket to the protocol that `attach` makes, and let go."""
        assert self._transport is not None
        assert self._answered
        self._connections.discard(self)
        if self._transport.is_closing():
            return
        stream = open_stream(list(self._stream.extensions), message_bytes_max)
        self._transport.set_protocol(attach(self._transport, stream, self._early))
        self._stream.parser.close()  # its frame refers to the stream: without this, a cycle

    def _finish_with(self, response: Response) -> None:
        self._answered = True
        self._stream.send_response(response)
        self._write()
        assert self._transport is not None
        self._transport.close()

    def _hang_up(self) -> None:
        """What came is no handshake; the library has an answer to some of that, we to the rest."""
        self._answered = True
        assert self._transport is not None
        answer = b"".join(self._stream.data_to_send()) or _BAD_REQUEST
        if not self._transport.is_closing():
            self._transport.write(answer)
            self._transport.close()

    def _write(self) -> None:
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.write(b"".join(self._stream.data_to_send()))
