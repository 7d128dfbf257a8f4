"""What a viewer says to join, and how events look in what it hears: pure text, no sockets.

`Centrifuge` is the protocol of the server under test (JSON, version 2). `Plain` is the protocol
of servers that speak first and then send one JSON event per frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

PONG = b"{}"


class Refused(Exception):
    """The server answered the opening with an error; the text holds its code and message."""


@dataclass(frozen=True, slots=True)
class Answered:
    """How many answers to the opening a message held, and the room's offset if it said so."""

    answers: int
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event as a viewer got it. `offset` is 0 where the server numbers nothing."""

    offset: int
    data: Any


class Dialect(Protocol):
    """How to join a room and to read what comes out of it."""

    @property
    def path(self) -> str:
        """Path of the WebSocket."""

    @property
    def opening(self) -> bytes:
        """The first message of a viewer; empty if the server speaks first."""

    @property
    def answers_expected(self) -> int:
        """How many answers make the viewer a viewer."""

    def answered(self, message: bytes) -> Answered:
        """Count opening answers in a message. Raises `Refused`."""

    def wants_pong(self, message: bytes) -> bool:
        """True if the message holds a ping of the application's own."""

    def arrivals(self, message: bytes) -> list[Arrival]:
        """All events of a message, in order."""


@dataclass(frozen=True, slots=True)
class Centrifuge:
    """Join `room:<room>` as a guest, or with a token, with connect and subscribe in one frame."""

    room: str
    token: str = ""
    path: str = "/connection/websocket"
    answers_expected: int = field(default=2, init=False)

    @property
    def opening(self) -> bytes:
        connect = {"token": self.token} if self.token else {}
        return b"\n".join(
            (
                orjson.dumps({"id": 1, "connect": connect}),
                orjson.dumps({"id": 2, "subscribe": {"channel": f"room:{self.room}"}}),
            )
        )

    def answered(self, message: bytes) -> Answered:
        answers, offset = 0, None
        for line in message.split(b"\n"):
            reply = orjson.loads(line) if line else {}
            if "error" in reply:
                raise Refused(f"{reply['error']['code']} {reply['error']['message']}")
            if reply.get("id") in (1, 2):
                answers += 1
            if "subscribe" in reply:
                offset = reply["subscribe"].get("offset", 0)
        return Answered(answers, offset)

    def wants_pong(self, message: bytes) -> bool:
        return message.startswith(b"{}") or b"\n{}" in message

    def arrivals(self, message: bytes) -> list[Arrival]:
        found = []
        for line in message.split(b"\n"):
            publication = orjson.loads(line).get("push", {}).get("pub") if line else None
            if publication is not None:
                found.append(Arrival(publication.get("offset", 0), publication["data"]))
        return found


@dataclass(frozen=True, slots=True)
class Plain:
    """The server greets with one frame; every later frame is one event."""

    path: str = "/"
    opening: bytes = field(default=b"", init=False)
    answers_expected: int = field(default=1, init=False)

    def answered(self, message: bytes) -> Answered:
        return Answered(1)

    def wants_pong(self, message: bytes) -> bool:
        return False

    def arrivals(self, message: bytes) -> list[Arrival]:
        return [Arrival(0, orjson.loads(message))]
