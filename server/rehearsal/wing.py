"""The wing: the shadow shop of this web worker, below `/rehearsal`.

It is the same shop put together a second time, from the shadow's settings and stores, on the same
event loop. It opens when somebody asks for it while a run takes visitors, looks once a second
whether it still does, and closes when not. The hall has made the stores (`server.rehearsal.hall`).
Whatever fails in it ends the wing and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from redis.exceptions import RedisError
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from server.database.errors import DatabaseUnavailable
from server.endings import end_tasks
from server.rehearsal import observe
from server.rehearsal.ports import HallUnavailable, ShadowParts
from server.rehearsal.presence import Presence
from server.rehearsal.shadow import PREFIX, shadow_settings
from server.settings import Settings

BELOW: Final = f"{PREFIX}/"  # every path that is the wing's begins with this
HEADER: Final = b"x-onair-rehearsal"
LOOK_EVERY_S: Final = 1.0
OPEN_WITHIN_S: Final = 20.0
LEAVE_WITHIN_S: Final = 1.0  # in which all visitors are shown out
CLOSE_WITHIN_S: Final = 20.0
RETRY_AFTER_S: Final = 1

_LOG = logging.getLogger("onair.rehearsal")


class Shop(ShadowParts, Protocol):
    """A whole shop on this worker, as `server.app.Worker` is one."""

    @property
    def tasks(self) -> list[asyncio.Task[None]]: ...

    async def show_out(self, seconds: float) -> None:
        """Close all connections over at most that time; new ones are refused."""

    async def drain(self) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class OpenShop:
    """A shop and what answers for it."""

    shop: Shop
    answers: ASGIApp


@dataclass(slots=True)
class Visit:
    """A run as this worker serves it. `tasks` are the wing's own, beside the shop's."""

    run: str
    open_shop: OpenShop
    presence: Presence
    tasks: list[asyncio.Task[None]]


class Wing:
    """`find_run` tells which run takes visitors now; `open_shop` makes a shop of its settings.

    `settings` are those of the merchant's shop; `missing` shows people that there is nothing here.
    """

    def __init__(
        self,
        settings: Settings,
        find_run: Callable[[], Awaitable[str | None]],
        open_shop: Callable[[Settings], Awaitable[OpenShop]],
        now_ms: Callable[[], int],
        missing: ASGIApp,
    ) -> None:
        self._settings = settings
        self._missing = missing
        self._find_run = find_run
        self._open_shop = open_shop
        self._now_ms = now_ms
        self._name = secrets.token_hex(6)
        self._visit: Visit | None = None
        self._entering: asyncio.Task[str] | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._looked_at_s = float("-inf")
        self._refusal = ""
        self._draining = False

    @property
    def viewers(self) -> int:
        """Connections that the wing has on this worker."""
        return 0 if self._visit is None else self._visit.open_shop.shop.viewers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or a handshake whose path begins with `BELOW`."""
        visit = self._visit
        if visit is None:
            why = await self._enter()
            visit = self._visit
            if visit is None:
                await self._refuse(why, scope, receive, send)
                return
        inner = {**scope, "root_path": scope.get("root_path", "") + PREFIX}
        mark = (HEADER, visit.run.encode())

        async def send_marked(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                message = {**message, "headers": [*message.get("headers", ()), mark]}
            await send(message)

        await visit.open_shop.answers(inner, receive, send_marked)

    async def parts(self, run: str) -> ShadowParts:
        """See `ports.Wing`."""
        if self._visit is None or self._visit.run != run:
            self._looked_at_s = float("-inf")
            why = await self._enter()
            if self._visit is None or self._visit.run != run:
                raise HallUnavailable(why or f"the rehearsal {run} is not on")
        return self._visit.open_shop.shop

    async def _refuse(self, why: str, scope: Scope, receive: Receive, send: Send) -> None:
        """404 when there is no rehearsal, 503 with the reason when there should be one."""
        if why:
            answer = _error(503, why, {"Retry-After": str(RETRY_AFTER_S)})
        else:
            answer = _error(404, "no rehearsal is on", {})
        if scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(answer)
        elif not why and "text/html" in Headers(scope=scope).get("accept", ""):
            await self._missing(scope, receive, send)
        else:
            await answer(scope, receive, send)

    # -- opening

    async def _enter(self) -> str:
        """Open the shop if a run takes visitors; why not, else. All who wait share one attempt."""
        if self._draining:
            return "shutting down"
        if self._entering is None:
            if time.monotonic() - self._looked_at_s < LOOK_EVERY_S:
                return self._refusal
            self._entering = asyncio.create_task(self._try_to_enter(), name="wing opens")
        return await asyncio.shield(self._entering)

    async def _try_to_enter(self) -> str:
        try:
            self._refusal = await self._look_and_open()
        except Exception as error:
            _LOG.exception("the wing did not open")
            self._refusal = f"the rehearsal could not be opened on this worker: {error}"
        finally:
            self._looked_at_s = time.monotonic()
            self._entering = None
        return self._refusal

    async def _look_and_open(self) -> str:
        try:
            run = await self._find_run()
        except DatabaseUnavailable as error:
            return str(error)
        if run is None:
            return ""
        if self._visit is not None:  # another run than the one that is asked for
            return f"the rehearsal {self._visit.run} is on"
        shadow = shadow_settings(self._settings, run)
        presence = Presence(shadow, self._name, self._now_ms)
        try:
            async with asyncio.timeout(OPEN_WITHIN_S):
                await presence.hold(int(OPEN_WITHIN_S * 1000))
                # Only now the hall waits for this wing: the run may have been closed before.
                open_shop = await self._open_shop(shadow) if await self._find_run() == run else None
        except BaseException:
            await _end(presence)
            raise
        if open_shop is None:
            await _end(presence)
            return ""
        self._visit = self._admit(Visit(run, open_shop, presence, []))
        return ""

    def _admit(self, visit: Visit) -> Visit:
        shop = visit.open_shop.shop
        for name, work in (
            ("wing watch", self._watch(visit)),
            ("wing report", observe.tell(shop, self._now_ms)),
        ):
            visit.tasks.append(asyncio.create_task(work, name=name))
        for task in (*shop.tasks, *visit.tasks):
            task.add_done_callback(lambda task: self._task_ended(visit, task))
        _LOG.info("rehearsal %s is open on this worker", visit.run)
        return visit

    # -- while it is open

    async def _watch(self, visit: Visit) -> None:
        """Say each second that somebody is here, and see whether the run still takes visitors."""
        while True:
            with contextlib.suppress(RedisError, OSError):  # a drill may have taken it away
                await visit.presence.hold()
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                run = await self._find_run()
            except DatabaseUnavailable as error:
                _LOG.debug("%s", error)
                continue
            if run != visit.run:
                self._leave(visit)

    def _task_ended(self, visit: Visit, task: asyncio.Task[Any]) -> None:
        """None of them ends while the wing is open. The shop of the merchant does not feel it."""
        if self._visit is visit and not task.cancelled():
            _LOG.error("task %s of rehearsal %s ended: its wing closes", task.get_name(), visit.run)
            _LOG.error("this is why", exc_info=task.exception())
            self._leave(visit)

    # -- closing

    def _leave(self, visit: Visit) -> None:
        if self._visit is visit:
            self._visit = None
            self._looked_at_s, self._refusal = time.monotonic(), ""
            leaving = asyncio.create_task(self._show_out(visit), name="wing closes")
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def _show_out(self, visit: Visit) -> None:
        shop = visit.open_shop.shop
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await shop.show_out(LEAVE_WITHIN_S)
                await self._close(visit)
            _LOG.info("rehearsal %s is closed on this worker", visit.run)
        except Exception:
            _LOG.exception("the wing of rehearsal %s did not close in order", visit.run)

    async def _close(self, visit: Visit) -> None:
        """Let go of everything; the hall is told last, because it deletes the stores then."""
        try:
            await end_tasks(visit.tasks)
            await visit.open_shop.shop.close()
        finally:
            await _end(visit.presence)

    async def drain(self) -> None:
        """The worker ends: what the shop's own drain does. Nothing opens any more."""
        self._draining = True
        if self._entering is not None:
            await asyncio.wait({self._entering})
        if self._visit is not None:
            try:
                await self._visit.open_shop.shop.drain()
            except Exception:
                _LOG.exception("rehearsal %s was not drained", self._visit.run)

    async def close(self) -> None:
        """The end of the worker: close what is open, wait for what is closing."""
        self._draining = True
        visit, self._visit = self._visit, None
        if visit is not None:
            try:
                async with asyncio.timeout(CLOSE_WITHIN_S):
                    await self._close(visit)
            except Exception:
                _LOG.exception("the wing of rehearsal %s did not close in order", visit.run)
        waiting = [*self._leaving, *([] if self._entering is None else [self._entering])]
        await end_tasks(waiting)


async def _end(presence: Presence) -> None:
    with contextlib.suppress(RedisError, OSError):  # the stores are gone already
        await presence.end()


def _error(status: int, why: str, headers: dict[str, str]) -> Response:
    body = {"error": {"code": status, "message": why, "field": None}}
    return JSONResponse(body, status_code=status, headers={"Cache-Control": "no-store", **headers})
