"""A person's connection that is made anew whenever it breaks, and asks until it is answered."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import WebSocketException

from tests.support.live_server import LiveServer
from tests.support.ws_client import WireClient, WireError

ANSWER_WITHIN_S = 15.0
GIVE_UP_AFTER_S = 90.0
PAUSE_S = (0.02, 0.2)  # before somebody asks again
COME_AGAIN = (100, 111, 429, 503)  # the codes that say so
Entering = Callable[["QuickClient"], Awaitable[None]]


class QuickClient(WireClient):
    """Its answers are waited for without looking again and again: there are hundreds of them."""

    def __init__(self, connection: ClientConnection) -> None:
        super().__init__(connection)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reading.add_done_callback(lambda _: self._over())

    def command(self, method: str, request: dict[str, Any]) -> dict[str, Any]:
        command = super().command(method, request)
        self._waiting[command["id"]] = asyncio.get_running_loop().create_future()
        return command

    async def reply(self, command_id: int) -> dict[str, Any]:
        if self.is_closed:
            self._over()
        message = await self._waiting[command_id]
        if not message:
            raise ConnectionError("closed before the answer")
        return message

    async def _take(self, message: dict[str, Any]) -> None:
        await super()._take(message)
        self.messages.clear()
        waiting = self._waiting.get(message.get("id", 0))
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    def _over(self) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result({})


class Line:
    """`entering` is called on every new connection before anything else is asked on it.

    `address` is where the connection seems to come from, as a proxy on this machine tells it.
    """

    def __init__(
        self,
        server: LiveServer,
        *,
        user: str = "",
        room: str = "",
        address: str = "203.0.113.9",
        seed: str = "",
        entering: Entering | None = None,
    ) -> None:
        self._server, self._user, self._room = server, user, room
        self._headers = {"X-Forwarded-For": address, "User-Agent": f"Browser of {address}"}
        self._entering = entering
        self._chance = random.Random(seed)
        self._client: QuickClient | None = None

    async def ask(self, method: str, data: dict[str, Any]) -> Any:
        """The answer's data. Refusals for good: `WireError`; fails if nobody answers at all."""
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + GIVE_UP_AFTER_S
        last: Exception | None = None
        while loop.time() < give_up_s:
            try:
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    client = await self._connected()
                    return await client.rpc(method, data)
            except WireError as error:
                if error.code not in COME_AGAIN:
                    raise
                last = error
            except (OSError, TimeoutError, AssertionError, WebSocketException) as error:
                last = error
                await self.close()
            await asyncio.sleep(self._chance.uniform(*PAUSE_S))
        raise AssertionError(f"nobody answered {method} {data}: {last!r}")

    async def _connected(self) -> QuickClient:
        if self._client is None or self._client.is_closed:
            await self.close()
            headers = dict(self._headers)
            client, _ = await QuickClient.join(
                self._server.ws_url,
                f"room:{self._room}" if self._room else "",
                self._server.token(self._user) if self._user else "",
                additional_headers={"X-Forwarded-For": headers["X-Forwarded-For"]},
                user_agent_header=headers["User-Agent"],
            )
            self._client = client
            if self._entering is not None:
                try:
                    await self._entering(client)
                except BaseException:
                    await self.close()
                    raise
        return self._client

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(OSError, WebSocketException, TimeoutError):
                async with asyncio.timeout(5):
                    await client.close()
