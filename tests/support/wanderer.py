"""A viewer who comes back by itself whenever it is cut off, and goes on where it was."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Protocol, Self

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from tests.support.wait import wait_until
from tests.support.ws_client import WireClient, WireError

PAUSE_S = (0.02, 0.3)  # before another try
_AGAIN = (OSError, TimeoutError, ConnectionClosed, InvalidHandshake, InvalidMessage, AssertionError)


class Address(Protocol):
    """Where to connect: a server, or what stands before several."""

    @property
    def ws_url(self) -> str: ...


class Wanderer:
    """`async with Wanderer(server, channel) as viewer:` it is in the room from here to the end.

    `closes` are the codes its connections ended with, `refusals` the HTTP status of handshakes.
    A subscription that could not be recovered fails the test at the end.
    """

    def __init__(self, address: Address, channel: str, token: str = "") -> None:
        self.channel = channel
        self.closes: list[int | None] = []
        self.refusals: list[int] = []
        self.client: WireClient | None = None  # while it is in the room
        self._address = address
        self._token = token
        self._past: list[tuple[int, Any]] = []  # on earlier connections
        self._position: dict[str, Any] | None = None
        self._inside = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def events(self) -> list[tuple[int, Any]]:
        """(offset, data) of all State and Chat events since it first came in, as it got them."""
        return self._past + ([] if self.client is None else self.client.stored(self.channel))

    @property
    def first(self) -> int:
        """The offset of the first event it had to get."""
        assert self._position is not None
        return int(self._position["first"])

    async def sees(self, top: int, within_s: float = 30) -> None:
        """Wait until it has the event of this offset; then it must have all, each once."""
        await wait_until(
            lambda: self._failed() or (self.events and self.events[-1][0] >= top),
            within_s,
            f"event {top} arrives; the last one is {self.events[-1:]}, closes {self.closes}",
        )
        self._raise()
        assert [offset for offset, _ in self.events] == list(range(self.first, top + 1))

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="wanderer")
        await wait_until(lambda: self._failed() or self._inside.is_set(), 30, "it is in the room")
        self._raise()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])
        if self.client is not None:
            await self.client.close()
        if kind is None and not self._task.cancelled():
            self._task.result()

    def _failed(self) -> bool:
        return self._task is not None and self._task.done()

    def _raise(self) -> None:
        if self._task is not None and self._task.done():
            self._task.result()

    async def _run(self) -> None:
        while True:
            client = None
            try:
                client = await WireClient.open(self._address.ws_url)
                await client.connect(self._token)
                result = await client.subscribe(self.channel, **self._recovery())
            except _AGAIN as error:
                if client is not None:
                    await client.close()
                    self.closes.append(client.close_code)
                if isinstance(error, InvalidHandshake) and hasattr(error, "response"):
                    self.refusals.append(error.response.status_code)
                await asyncio.sleep(random.uniform(*PAUSE_S))
                continue
            except WireError as error:
                if client is not None:
                    await client.close()
                if not error.temporary:
                    raise
                await asyncio.sleep(random.uniform(*PAUSE_S))
                continue
            self._came_in(client, result)
            await client.connection.wait_closed()
            await client.close()
            self._went_out(client)

    def _recovery(self) -> dict[str, Any]:
        if self._position is None:
            return {}
        last = self._past[-1][0] if self._past else self.first - 1
        return {"recover": True, "offset": last, "epoch": self._position["epoch"]}

    def _came_in(self, client: WireClient, result: dict[str, Any]) -> None:
        if self._position is None:
            self._position = {"epoch": result["epoch"], "first": result.get("offset", 0) + 1}
        else:
            assert result.get("recovered"), f"not recovered: {result}"
            missed = result.get("publications", [])
            self._past += [(one["offset"], one["data"]) for one in missed]
        self.client = client
        self._inside.set()

    def _went_out(self, client: WireClient) -> None:
        self._past += client.stored(self.channel)
        self.client = None
        self.closes.append(client.close_code)


async def wander(
    stack: AsyncExitStack, address: Address, channel: str, tokens: list[str]
) -> list[Wanderer]:
    """So many viewers of a room, all inside; they leave with the stack."""
    viewers = [Wanderer(address, channel, token) for token in tokens]
    for viewer in viewers:
        await stack.enter_async_context(viewer)
    return viewers
