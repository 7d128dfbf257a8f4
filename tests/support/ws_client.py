"""A client of the wire that hides nothing: every frame it was sent is kept, in order.

It speaks the client protocol in JSON (docs/PROTOCOL.md) and knows no more than a test needs: it
neither reconnects nor recovers. Waiting is always for a condition.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.wait import wait_until

WITHIN_S = 20.0


class WireError(Exception):
    """The server answered a command with an error."""

    def __init__(self, code: int, message: str, *, temporary: bool) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.temporary = temporary


class WireClient:
    """One connection. `async with await WireClient.open(url) as client: ...`

    `frames` are what came in, `messages` the objects in them but for pings; pings are answered
    unless `answers_pings` is false.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.frames: list[str | bytes] = []
        self.messages: list[dict[str, Any]] = []
        self.joined_at: dict[str, int] = {}  # channel -> the offset it was joined at
        self.pings = 0
        self.answers_pings = True
        self._ids = itertools.count(1)
        self._reading = asyncio.create_task(self._read(), name="wire client")

    @classmethod
    async def open(cls, url: str, **options: Any) -> Self:
        """Shake hands; `options` are those of `websockets`. No compression unless asked for."""
        settings: dict[str, Any] = {
            "compression": None,
            "ping_interval": None,
            "proxy": None,
            "max_size": None,
            **options,
        }
        return cls(await connect(url, **settings))

    @classmethod
    async def join(
        cls, url: str, channel: str = "", token: str = "", **options: Any
    ) -> tuple[Self, dict[str, Any]]:
        """Open, connect and, with a channel, subscribe; also returns the last result."""
        client = await cls.open(url, **options)
        try:
            result = await client.connect(token)
            if channel:
                result = await client.subscribe(channel)
        except BaseException:
            await client.close()
            raise
        return client, result

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Hang up, and wait until that is done."""
        await self.connection.close()
        await self._reading

    @property
    def port(self) -> int:
        """Our end of the connection; the server's process with the other end can be found by it."""
        return int(self.connection.local_address[1])

    # commands

    async def send(self, *commands: dict[str, Any]) -> None:
        """Send commands as they are, all in one frame."""
        await self.connection.send("\n".join(json.dumps(command) for command in commands))

    async def send_raw(self, frame: str | bytes) -> None:
        await self.connection.send(frame)

    def command(self, method: str, request: dict[str, Any]) -> dict[str, Any]:
        """A command with an id of its own, to be sent later."""
        return {"id": next(self._ids), method: request}

    async def ask(self, method: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of one command; `WireError` if the server refuses it."""
        command = self.command(method, request or {})
        await self.send(command)
        return await self.answer(command)

    async def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """The result of a command that was sent."""
        reply = await self.reply(command["id"])
        if "error" in reply:
            error = reply["error"]
            temporary = error.get("temporary", False)
            raise WireError(error["code"], error["message"], temporary=temporary)
        (method,) = command.keys() - {"id"}
        result = reply[method]
        assert isinstance(result, dict), reply
        return result

    async def reply(self, command_id: int) -> dict[str, Any]:
        """The whole reply to the command with this id."""
        reply: dict[str, Any] = await self.message(
            lambda message: message.get("id") == command_id, f"a reply to command {command_id}"
        )
        return reply

    async def connect(self, token: str = "", **request: Any) -> dict[str, Any]:
        return await self.ask("connect", {"token": token, **request} if token else request)

    async def subscribe(self, channel: str, **request: Any) -> dict[str, Any]:
        result = await self.ask("subscribe", {"channel": channel, **request})
        self.joined_at[channel] = result.get("offset", 0)
        return result

    async def rpc(self, method: str, data: Any) -> Any:
        """The `data` of the answer."""
        result = await self.ask("rpc", {"method": method, "data": data})
        return result["data"]

    # what was received

    async def message(self, wanted: Callable[[dict[str, Any]], object], description: str) -> Any:
        """The first message that is wanted, once there is one. Fails at once if none can come."""

        def found() -> list[dict[str, Any]]:
            return [message for message in self.messages if wanted(message)]

        await wait_until(lambda: found() or self.is_closed, WITHIN_S, description)
        assert found(), f"closed with {self.close_code} before {description}: {self.messages}"
        return found()[0]

    def publications(self, channel: str) -> list[dict[str, Any]]:
        """All publications pushed on a channel, in order; not those inside a subscribe result."""
        return [
            message["push"]["pub"]
            for message in self.messages
            if message.get("push", {}).get("channel") == channel and "pub" in message["push"]
        ]

    def stored(self, channel: str) -> list[tuple[int, Any]]:
        """(offset, data) of the State and Chat events pushed on a channel."""
        return [(p["offset"], p["data"]) for p in self.publications(channel) if "offset" in p]

    def pulses(self, channel: str, name: str) -> list[Any]:
        """The data of the Pulse events of one kind pushed on a channel."""
        events = [p["data"] for p in self.publications(channel) if "offset" not in p]
        return [data for data in events if data["t"] == name]

    async def event(self, channel: str, wanted: Callable[[Any], object], description: str) -> Any:
        """The data of the first publication on a channel that is wanted, once there is one."""
        message = await self.message(
            lambda message: (
                message.get("push", {}).get("channel") == channel
                and "pub" in message["push"]
                and wanted(message["push"]["pub"]["data"])
            ),
            description,
        )
        return message["push"]["pub"]["data"]

    async def unsubscribed(self, channel: str) -> tuple[int, str]:
        """(code, reason) of the push that ends a subscription, once it came."""
        message = await self.message(
            lambda message: (
                message.get("push", {}).get("channel") == channel
                and "unsubscribe" in message["push"]
            ),
            f"the subscription to {channel} is ended",
        )
        end = message["push"]["unsubscribe"]
        return end["code"], end["reason"]

    # the end

    @property
    def is_closed(self) -> bool:
        return self._reading.done()

    @property
    def close_code(self) -> int | None:
        return self.connection.close_code

    async def closed(self) -> tuple[int | None, str | None]:
        """(code, reason) of the close, once the connection is closed; 1006 if it just broke."""
        await wait_until(lambda: self.is_closed, WITHIN_S, "the connection is closed")
        return self.connection.close_code, self.connection.close_reason

    async def _read(self) -> None:
        try:
            async for frame in self.connection:
                self.frames.append(frame)
                for line in (frame if isinstance(frame, str) else frame.decode()).split("\n"):
                    await self._take(json.loads(line))
        except ConnectionClosed:
            pass

    async def _take(self, message: dict[str, Any]) -> None:
        if message:
            self.messages.append(message)
            return
        self.pings += 1
        if self.answers_pings:
            await self.connection.send("{}")
