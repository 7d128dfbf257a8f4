"""What a test may ask of a published SDK, whichever language it is written in.

Every event that the SDK gives its application is kept in a journal, in order and under the same
names: connecting, connected, disconnected, error; subscribing, subscribed, unsubscribed,
publication. The SDKs themselves are used as they are published.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.support.wait import wait_until

WITHIN_S = 20.0
CLIENT = ""  # events of the connection itself; all others are of a channel

# The SDKs' own defaults are made for people; tests need not wait that long.
RECONNECT_DELAY_MS = (50, 500)

GetToken = Callable[[], str]


class SdkRefused(Exception):
    """The SDK reports that a call failed; `code` is the server's when it answered."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class SdkEvent:
    of: str  # a channel, or CLIENT
    name: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class History:
    publications: list[tuple[int, Any]]  # (offset, data)
    offset: int
    epoch: str


@dataclass(slots=True)
class Journal:
    """The events of one SDK client. `of` is a channel, or CLIENT for the connection itself."""

    events: list[SdkEvent] = field(default_factory=list)

    def add(self, of: str, name: str, facts: dict[str, Any]) -> None:
        self.events.append(SdkEvent(of, name, facts))

    def all(self, name: str, of: str = CLIENT) -> list[dict[str, Any]]:
        """The facts of all events of one kind so far."""
        return [event.facts for event in self.events if event.of == of and event.name == name]

    async def nth(self, number: int, name: str, of: str = CLIENT) -> dict[str, Any]:
        """The facts of the n-th event of one kind (from 1), once it has happened."""
        what = f"{name} no. {number} of {of or 'the client'}"
        try:
            await wait_until(lambda: len(self.all(name, of)) >= number, WITHIN_S, what)
        except AssertionError as error:
            raise AssertionError(f"{error}; instead {self.events[-12:]}") from None
        return self.all(name, of)[number - 1]

    async def first(self, name: str, of: str = CLIENT) -> dict[str, Any]:
        return await self.nth(1, name, of)

    def stored(self, channel: str) -> list[tuple[int, Any]]:
        """(offset, data) of the State and Chat events, as they were given to the application."""
        facts = self.all("publication", channel)
        return [(one["offset"], one["data"]) for one in facts if one["offset"]]

    def pulses(self, channel: str, name: str) -> list[Any]:
        """The data of the Pulse events of one kind."""
        data = [one["data"] for one in self.all("publication", channel) if not one["offset"]]
        return [one for one in data if one["t"] == name]

    async def stored_up_to(self, channel: str, offset: int) -> list[tuple[int, Any]]:
        """`stored`, once the application was given the event with this offset."""
        await wait_until(
            lambda: any(one[0] >= offset for one in self.stored(channel)),
            2 * WITHIN_S,
            f"the event with offset {offset} on {channel}",
        )
        return self.stored(channel)

    async def comment(self, channel: str, text: str) -> Any:
        """The data of the comment with this text, once it was given to the application."""

        def found() -> list[Any]:
            data = [one["data"] for one in self.all("publication", channel)]
            return [one for one in data if one.get("text") == text]

        await wait_until(found, WITHIN_S, f"the comment {text!r} on {channel}")
        return found()[0]


class SdkClient(Protocol):
    """One client of an SDK. Calls raise `SdkRefused`; what comes unasked is in the journal."""

    journal: Journal

    async def connect(self) -> None:
        """Begin to connect; the journal says when it is done."""

    async def disconnect(self) -> None: ...

    async def subscribe(
        self, channel: str, *, token: str = "", get_token: GetToken | None = None
    ) -> None:
        """Begin to subscribe; the journal says when it is done."""

    async def unsubscribe(self, channel: str) -> None: ...

    async def rpc(self, method: str, data: Any) -> Any: ...

    async def publish(self, channel: str, data: Any) -> None: ...

    async def history(
        self,
        channel: str,
        *,
        limit: int,
        since: tuple[int, str] | None = None,
        reverse: bool = False,
    ) -> History: ...

    async def presence(self, channel: str) -> dict[str, dict[str, Any]]:
        """Client id -> {user, info}."""

    async def presence_stats(self, channel: str) -> tuple[int, int]:
        """(clients, users)."""

    async def close(self) -> None:
        """Disconnect for good; nothing of the client is left."""
