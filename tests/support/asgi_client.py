"""Calls an ASGI application as a server would, byte for byte, without a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.types import ASGIApp, Message

NEVER = b"this chunk never arrives"
GONE = b"instead of this chunk the client goes away"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class AsgiClient:
    """Requests from one address; `headers` go with all of them."""

    def __init__(
        self, app: ASGIApp, headers: dict[str, str] | None = None, address: str = "127.0.0.1"
    ) -> None:
        self.app = app
        self.headers = headers or {}
        self.address = address

    async def call(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        chunks: Sequence[bytes] | None = None,
        headers: dict[str, str] | None = None,
        may_raise: bool = False,
    ) -> Answer:
        """One request: `body` as JSON, or `raw` bytes, or `chunks` without a declared length.

        With `may_raise` the application may answer and raise, as it does for a bug of its own.
        """
        sent = {"host": "shop.example"} | self.headers
        if body is not None:
            raw = json.dumps(body).encode()
        if raw is not None:
            sent |= {"content-type": "application/json", "content-length": str(len(raw))}
            chunks = [raw]
        sent |= {name.lower(): value for name, value in (headers or {}).items()}
        parts = urlsplit(target)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(parts.path),
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in sent.items()],
            "client": (self.address, 40000),
            "server": ("shop.example", 80),
            "state": {},
        }
        return await _exchange(self.app, scope, list(chunks or [b""]), may_raise)


async def _exchange(
    app: ASGIApp, scope: dict[str, Any], chunks: list[bytes], may_raise: bool
) -> Answer:
    answers: list[Message] = []
    complete = asyncio.Event()

    async def receive() -> Message:
        if not chunks:
            await complete.wait()  # a client stays for the whole answer
            return {"type": "http.disconnect"}
        chunk = chunks.pop(0)
        if chunk is NEVER:
            await asyncio.Event().wait()
        if chunk is GONE:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

    async def send(message: Message) -> None:
        answers.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            complete.set()

    try:
        await app(scope, receive, send)
    except Exception:
        if not may_raise:
            raise
    start = answers[0]
    assert start["type"] == "http.response.start"
    headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    body = b"".join(message.get("body", b"") for message in answers[1:])
    return Answer(start["status"], headers, body)


def check_error(answer: Answer, status: int, field: str | None, message: str = "") -> None:
    """The one shape of errors; the message begins with the field."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json) == {"error"}
    error = answer.json["error"]
    assert set(error) == {"code", "message", "field"}
    assert (error["code"], error["field"]) == (status, field)
    assert message in error["message"]
    if field is not None:
        assert error["message"].startswith(f"{field}: ")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
