"""uvicorn's HTTP protocol with two bounds it lacks: how long a request may take to arrive, and
how large its head may be. A peer that dawdles or never stops is answered and hung up on.

A WebSocket handshake that cannot be let in now is refused here, before it costs what one that is
let in costs: of a herd, most come too early.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.settings import Limits

# In the lifespan state: tells the whole answer to an upgrade at an address, if it is refused.
REFUSAL_OF = "onair.refusal_of"


class HttpDoor(HttpToolsProtocol):
    """Made by uvicorn per connection. `limits` is set on a subclass, see `http_door`."""

    limits: Limits

    _deadline: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._head_bytes = 0
        self._expect_request()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_message_complete(self) -> None:
        self._arrived()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._arrived()
        refusal_of = self.app_state.get(REFUSAL_OF)
        refusal = None if refusal_of is None else refusal_of(self.url)
        if refusal is not None:
            self.transport.write(refusal)
            self.transport.close()
            return
        super().handle_websocket_upgrade()
        # it refers to this protocol: without this, a cycle per viewer
        self.parser = None  # type: ignore[assignment]

    def _expect_request(self) -> None:
        self._arrived()
        self._deadline = self.loop.call_later(self.limits.request_within_s, self._too_late)

    def _arrived(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        self._deadline = None
        self._hang_up(HTTPStatus.REQUEST_TIMEOUT)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self.limits.head_bytes_max:
            self._hang_up(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            raise ValueError("head_bytes_max")  # stops the parser; uvicorn answers nothing more

    def _hang_up(self, status: HTTPStatus) -> None:
        if self.transport.is_closing():
            return
        answering = self.cycle is not None and not self.cycle.response_complete
        if not answering:
            line = f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            self.transport.write(f"{line}connection: close\r\ncontent-length: 0\r\n\r\n".encode())
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            super().send_400_response(msg)


def http_door(limits: Limits) -> type[HttpDoor]:
    """The protocol class for one server's limits."""
    return type("HttpDoor", (HttpDoor,), {"limits": limits})
