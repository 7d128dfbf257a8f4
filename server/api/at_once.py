"""`POST /api/publish` without what all routes need: the same answers, at a fraction of their cost.

A back end may send hundreds of events a second, and the way through routing, dependencies and
middleware takes longer than what is done with one. So whatever is plainly a good request is
admitted, read and validated here by the very parts that the route uses. Anything else goes on to
the API with what was read of it, so that every refusal has one author.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Final

import orjson
from fastapi import FastAPI
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rooms.model import Lane
from server.api.errors import Refused
from server.api.headers import SECURITY_HEADERS
from server.api.models import PublishAnswer, PublishRequest, Stored
from server.api.realtime import check_size
from server.api.services import Services

PATH: Final = "/api/publish"
_NAMES: Final = (b"x-api-key", b"content-type", b"content-length")


class PublishAtOnce:
    """An ASGI application for requests to `PATH`; the API is `otherwise` behind its middleware.

    `api` answers for what goes wrong after an event was handed over, which is not done twice.
    """

    def __init__(self, services: Services, api: FastAPI, otherwise: ASGIApp) -> None:
        self._services = services
        self._api = api
        self._otherwise = otherwise
        self._key = services.settings.api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._may_be_good(scope):
            await self._otherwise(scope, receive, send)
            return
        first = await receive()
        asked = self._read(first)
        if asked is None:
            await self._otherwise(scope, _again(first, receive), send)
            return
        try:
            stored = await self._services.realtime.publish(
                asked.channel, asked.data, Lane[asked.lane.upper()]
            )
        except Exception as error:
            handlers = self._api.exception_handlers
            kind = next(one for one in type(error).__mro__ if one in handlers)
            await _reply(send, await handlers[kind](Request(scope), error))  # type: ignore[misc]
            if kind is Exception:
                raise  # a bug: the log has the trace
            return
        result = PublishAnswer(result=Stored(offset=stored.offset, epoch=stored.epoch))
        body = result.model_dump_json().encode()
        await _reply(send, Response(body, media_type="application/json"))

    def _may_be_good(self, scope: Scope) -> bool:
        """A POST with the key and a JSON body of a known, permitted length."""
        if scope["type"] != "http" or scope["method"] != "POST":
            return False
        sent = [header for header in scope["headers"] if header[0] in _NAMES]
        told = dict(sent)
        if len(sent) != len(_NAMES) or len(told) != len(_NAMES):
            return False
        length, kind = told[b"content-length"], told[b"content-type"].partition(b";")[0]
        return (
            bool(self._key)
            and hmac.compare_digest(told[b"x-api-key"], self._key)
            and kind.strip().lower() == b"application/json"
            and length.isdigit()
            and int(length[:20]) <= self._services.settings.limits.body_bytes_max
        )

    def _read(self, message: Message) -> PublishRequest | None:
        """What the request asks for; None: the body is not whole yet, or no good."""
        if message["type"] != "http.request" or message.get("more_body"):
            return None
        try:
            asked = PublishRequest.model_validate(orjson.loads(message["body"]))
            check_size(asked.data, self._services)
        except (orjson.JSONDecodeError, ValidationError, Refused):
            return None
        return asked


def _again(first: Message, receive: Receive) -> Receive:
    """As if the first message had not been read."""
    waiting = [first]

    async def receive_again() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_again


async def _reply(send: Send, response: Response) -> None:
    headers = [*response.raw_headers, *_missing(dict(response.raw_headers))]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


def _missing(there: dict[bytes, bytes]) -> Iterable[tuple[bytes, bytes]]:
    return (header for header in _SECURITY if header[0] not in there)


_SECURITY = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
