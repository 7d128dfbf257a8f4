"""People who keep a room talking whatever happens to the server, for tests of recovery."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.support.live_server import LiveServer
from tests.support.wait import wait_until
from tests.support.ws_client import WireClient, WireError

TRY_AGAIN = {100, 111, 503}
PAUSE_S = 0.05  # before another try, as any client makes one


class Talk:
    """`async with Talk(server, room):` a host speaks, pins and puts up notices until the end.

    Each comment is sent until it is acknowledged, always with the same `cid`. `acknowledged` has
    the texts of those that the server said it has. `pause_s` lies between two comments.
    """

    def __init__(self, server: LiveServer, room_id: str, *, pause_s: float = 0.0) -> None:
        self.acknowledged: list[str] = []
        self.answers = 0  # of all kinds
        self.interruptions = 0
        self._server = server
        self._room_id = room_id
        self._client: WireClient | None = None
        self._task: asyncio.Task[None] | None = None
        self._ending = False
        self._pause_s = pause_s

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="talk")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the sentence; then every comment has been acknowledged."""
        assert self._task is not None
        self._ending = True
        if kind is not None:
            self._task.cancel()
        await asyncio.wait([self._task])
        if self._client is not None:
            await self._client.close()
        if kind is None:
            self._task.result()

    async def goes_on(self, answers: int) -> None:
        """Wait for so many more answers."""
        wanted = self.answers + answers
        await self._comes_to(lambda: self.answers >= wanted, f"{answers} more things are said")

    async def is_interrupted(self) -> None:
        """Wait until the host was told, for the first time, to try again."""
        await self._comes_to(lambda: self.interruptions > 0, "the host is told to try again")

    async def _comes_to(self, state: Callable[[], bool], description: str) -> None:
        assert self._task is not None
        task = self._task
        await wait_until(lambda: state() or task.done(), 60, description)
        if task.done():
            task.result()

    async def _run(self) -> None:
        for number in itertools.count(1):
            if self._ending:
                return
            text = f"comment {number}"
            await self._insist("comment.send", {"text": text, "cid": f"cid-{number}"})
            self.acknowledged.append(text)
            if number % 5 == 0:
                await self._insist("room.notice", {"text": f"notice {number}"})
            if number % 10 == 0:
                product = "cup" if number % 20 else None
                await self._insist("product.pin", {"product": product})
            await asyncio.sleep(self._pause_s)

    async def _insist(self, method: str, data: dict[str, Any]) -> None:
        """Do it until it is acknowledged."""
        while True:
            try:
                if self._client is None:
                    self._client = await self._connected()
                await self._client.rpc(method, {"room": self._room_id, **data})
            except WireError as error:
                if error.code not in TRY_AGAIN:
                    raise
                self.interruptions += 1
                await asyncio.sleep(PAUSE_S)
            except (ConnectionClosed, AssertionError):
                if self._client is None or not self._client.is_closed:
                    raise
                self.interruptions += 1
                await self._client.close()
                self._client = None
            else:
                self.answers += 1
                return

    async def _connected(self) -> WireClient:
        token = self._server.token("talking-host", role="host", rooms=[self._room_id])
        while True:
            try:
                channel = f"room:{self._room_id}"
                client, _ = await WireClient.join(self._server.ws_url, channel, token)
            except (OSError, WireError, InvalidHandshake, ConnectionClosed, AssertionError):
                await asyncio.sleep(PAUSE_S)
            else:
                return client


async def stocked_room(server: LiveServer) -> str:
    """The id of a room of its own, with one product, `cup`, on its shelf."""
    room_id = await server.new_room()
    known = await server.acall("GET", "/api/v1/products")
    if not any(product["id"] == "cup" for product in known["products"]):
        cup = {"id": "cup", "title": "Cup", "price_minor": 8900, "currency": "CNY"}
        await server.acall("POST", "/api/v1/products", cup)
    await server.acall("PUT", f"/api/v1/rooms/{room_id}/shelf", {"products": ["cup"]})
    return room_id
