"""Buyers who do not give up: they ask again with the same request until somebody answers.

Each has a connection of its own through the real WebSocket and comes back when it breaks, to
whatever worker takes it. Everything is written into a history.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from websockets.exceptions import WebSocketException

from tests.support.live_server import LiveServer
from tests.support.sale_history import History, Request
from tests.support.wait import wait_until
from tests.support.ws_client import WireClient, WireError

ANSWER_WITHIN_S = 12.0
GIVE_UP_AFTER_S = 60.0
PAUSE_S = (0.02, 0.2)  # of a client, before it asks again


class Crowd:
    """Buyers of one sale. `seed` decides who buys what, pays and cancels."""

    def __init__(
        self,
        server: LiveServer,
        sale: str,
        skus: list[str],
        *,
        seed: int,
        buyers: int = 24,
        pays: float = 0.4,
        cancels: float = 0.1,
        waits: float = 0.0,
        at_deadline: bool = False,
        pause_s: float = 0.0,
    ) -> None:
        self.history = History()
        self.answered_at_s: list[float] = []
        self._server, self._sale, self._skus = server, sale, skus
        self._seed, self._buyers = seed, buyers
        self._pays, self._cancels, self._waits = pays, cancels, waits
        self._at_deadline = at_deadline  # they pay within milliseconds of the end of their hold
        self._pause_s = pause_s  # of a buyer, between two purchases
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._live(number), name=f"buyer {number}")
            for number in range(self._buyers)
        ]

    async def progress(self, more: int = 150, within_s: float = 60) -> None:
        """Wait until so many more requests were answered."""
        wanted = len(self.answered_at_s) + more
        await wait_until(
            lambda: len(self.answered_at_s) >= wanted or self._failed(), within_s, "progress"
        )
        self._raise()

    async def stop(self) -> None:
        """Let everybody finish what they asked for."""
        self._stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=GIVE_UP_AFTER_S + 30)
        await self.leave()
        self._raise()

    async def leave(self) -> None:
        """Go at once, wherever everybody stands."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _failed(self) -> bool:
        return any(t.done() and not t.cancelled() and t.exception() for t in self._tasks)

    def _raise(self) -> None:
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()

    async def _live(self, number: int) -> None:
        chance = random.Random(f"{self._seed}-{number}")
        user = f"buyer-{self._seed}-{number}"
        line = _Line(self._server, user, chance)
        asked = 0
        try:
            while not self._stopping:
                asked += 1
                request = self.history.invoke(
                    user, f"r{asked}", chance.choice(self._skus), chance.choice((1, 1, 1, 2))
                )
                waits = request.qty == 1 and chance.random() < self._waits
                await self._place(line, request, waits)
                # Some ask again though they were answered: the answer must be the same.
                if request.answers and chance.random() < 0.2:
                    await self._place(line, request, waits)
                await self._decide(line, request, chance)
                await asyncio.sleep(self._pause_s)
        finally:
            await line.close()

    async def _place(self, line: _Line, request: Request, waits: bool) -> None:
        data = {
            "sale": self._sale,
            "sku": request.sku,
            "qty": request.qty,
            "request_id": request.request_id,
        }
        if waits:
            data["waitlist"] = True

        def attempted() -> None:
            request.attempts += 1

        try:
            answer = await line.ask("order.place", data, attempted)
        except WireError as error:
            request.refused = str(error)
            raise AssertionError(f"{request}: {error}") from error
        if answer is not None:
            request.answers.append(answer)
            self.answered_at_s.append(asyncio.get_running_loop().time())

    async def _decide(self, line: _Line, request: Request, chance: random.Random) -> None:
        order, word = request.order, chance.random()
        if order is None:
            return
        if order["state"] == "reserved" and word < self._pays:
            if self._at_deadline:
                spread_s = chance.choice((0.02, 0.5))  # a slow machine must meet both sides, too
                at_s = order["expires_at_ms"] / 1000 + chance.uniform(-spread_s, spread_s)
                await asyncio.sleep(max(0.0, at_s - time.time()))
            with suppress(WireError):  # it may be over by now
                paid = await line.ask("order.pay", {"order": order["id"]}, lambda: None)
                request.paid = paid is not None
        elif word > 1 - self._cancels:
            with suppress(WireError):
                done = await line.ask("order.cancel", {"order": order["id"]}, lambda: None)
                request.cancelled = done is not None


class _Line:
    """A buyer's connection, made anew whenever it breaks."""

    def __init__(self, server: LiveServer, user: str, chance: random.Random) -> None:
        self._server, self._user, self._chance = server, user, chance
        self._client: WireClient | None = None

    async def ask(
        self, method: str, data: dict[str, Any], attempted: Callable[[], None]
    ) -> str | None:
        """The reply's data as text; None if nobody answered in a minute. Refusals: `WireError`."""
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + GIVE_UP_AFTER_S
        while loop.time() < give_up_s:
            try:
                client = await self._connected()
                attempted()
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    return await _exact(client, method, data)
            except WireError as error:
                if error.code not in (100, 111, 429, 503):  # told to come again
                    raise
            except (OSError, TimeoutError, AssertionError, WebSocketException):
                await self.close()
            await asyncio.sleep(self._chance.uniform(*PAUSE_S))
        return None

    async def _connected(self) -> WireClient:
        if self._client is None or self._client.is_closed:
            await self.close()
            async with asyncio.timeout(ANSWER_WITHIN_S):
                self._client, _ = await WireClient.join(
                    self._server.ws_url, token=self._server.token(self._user)
                )
        return self._client

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(OSError, WebSocketException, TimeoutError):
                async with asyncio.timeout(5):
                    await client.close()


async def _exact(client: WireClient, method: str, data: dict[str, Any]) -> str:
    """Ask and return the very text of the reply's data, so that answers compare by bytes."""
    command = client.command("rpc", {"method": method, "data": data})
    await client.send(command)
    await client.answer(command)
    start = f'{{"id":{command["id"]},"rpc":{{"data":'
    for frame in reversed(client.frames):
        text = frame if isinstance(frame, str) else frame.decode()
        for line in text.split("\n"):
            if line.startswith(start):
                return line[len(start) : -2]
    raise AssertionError(f"no reply begins with {start}")
