"""What a viewer says to join, and how events look in what it hears: pure text, no sockets.

`Centrifuge` is the protocol of the server under test (JSON, version 2). `Plain` is the protocol
of servers that speak first and then send one JSON event per frame, `Silent` that of servers that
do not greet, `Nats` that of nats-server.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

PONG = b"{}"
# No answer to every line; without `headers` nats-server sends plain MSG lines only.
NATS_CONNECT = b'CONNECT {"verbose":false,"pedantic":false,"protocol":1,"lang":"bench"}\r\n'
OFFSET = b'"offset":'  # behind the data of a numbered event; never inside a JSON text


class Refused(Exception):
    """The server answered the opening with an error; the text holds its code and message."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event as a viewer got it. `offset` is 0 where the server numbers nothing."""

    offset: int
    data: Any


@dataclass(frozen=True, slots=True)
class Answered:
    """How many answers to the opening a message held, and where the room stands if it said so.

    `is_resumed`: the room goes on at the position that was asked for, and `missed` is what it had
    in between. `ping_s` is how often the server pings, 0 if it does not say. `after` are events
    that came behind the answers in the same message.
    """

    answers: int
    offset: int | None = None
    epoch: str = ""
    is_resumed: bool = False
    missed: tuple[Arrival, ...] = ()
    after: tuple[Arrival, ...] = ()
    ping_s: int = 0


class Dialect(Protocol):
    """How to join a room and to read what comes out of it."""

    @property
    def path(self) -> str:
        """Path of the WebSocket."""

    @property
    def opening(self) -> bytes:
        """The first message of a viewer; empty if the server speaks first."""

    @property
    def is_binary(self) -> bool:
        """True if the viewer's messages are binary ones."""

    @property
    def pong(self) -> bytes:
        """The answer to an application's ping."""

    @property
    def answers_expected(self) -> int:
        """How many answers make the viewer a viewer; 0: the upgrade does."""

    def answered(self, message: bytes) -> Answered:
        """Count opening answers in a message. Raises `Refused`."""

    def wants_pong(self, message: bytes) -> bool:
        """True if the message holds a ping of the application's own."""

    def offsets(self, message: bytes) -> tuple[int, int, int]:
        """First and last offset and the number of numbered events, without reading the rest."""

    def is_put_out(self, message: bytes) -> bool:
        """True if the server ended the subscription and the viewer may ask for it again."""

    def again(self, offset: int, epoch: str) -> bytes:
        """The message that takes up the room at this position, on the same connection."""

    def arrivals(self, message: bytes) -> list[Arrival]:
        """All events of a message, in order."""


@dataclass(frozen=True, slots=True)
class Centrifuge:
    """Join `room:<room>` as a guest, or with a token, with connect and subscribe in one frame.

    `since` is the position (offset, epoch) of somebody who comes back. Without a room one only
    signs in.
    """

    room: str
    token: str = ""
    path: str = "/connection/websocket"
    since: tuple[int, str] | None = None
    is_binary: bool = field(default=False, init=False)
    pong: bytes = field(default=PONG, init=False)

    @property
    def answers_expected(self) -> int:
        return 2 if self.room else 1

    @property
    def opening(self) -> bytes:
        connect = {"token": self.token} if self.token else {}
        signing_in = orjson.dumps({"id": 1, "connect": connect})
        return b"\n".join((signing_in, self._subscribing(self.since))) if self.room else signing_in

    def again(self, offset: int, epoch: str) -> bytes:
        return self._subscribing((offset, epoch))

    def _subscribing(self, since: tuple[int, str] | None) -> bytes:
        asked: dict[str, Any] = {"channel": f"room:{self.room}"}
        if since is not None:
            asked |= {"recover": True, "offset": since[0], "epoch": since[1]}
        return orjson.dumps({"id": 2, "subscribe": asked})

    def answered(self, message: bytes) -> Answered:
        answers, ping_s, joined = 0, 0, None
        after: list[Arrival] = []
        for line in message.split(b"\n"):
            reply = orjson.loads(line) if line else {}
            if "error" in reply:
                raise Refused(f"{reply['error']['code']} {reply['error']['message']}")
            if reply.get("id") in (1, 2):
                answers += 1
            ping_s = reply.get("connect", {}).get("ping", ping_s)
            joined = reply.get("subscribe", joined)
            publication = reply.get("push", {}).get("pub")
            if publication is not None:
                after.append(_arrival(publication))
        if joined is None:
            return Answered(answers, after=tuple(after), ping_s=ping_s)
        return Answered(
            answers,
            offset=joined.get("offset", 0),
            epoch=joined.get("epoch", ""),
            is_resumed=joined.get("recovered", False),
            missed=tuple(_arrival(each) for each in joined.get("publications", ())),
            after=tuple(after),
            ping_s=ping_s,
        )

    def wants_pong(self, message: bytes) -> bool:
        return message.startswith(b"{}") or b"\n{}" in message

    def offsets(self, message: bytes) -> tuple[int, int, int]:
        count = message.count(OFFSET)
        if not count:
            return 0, 0, 0
        last = _number_at(message, message.rfind(OFFSET))
        return last if count == 1 else _number_at(message, message.find(OFFSET)), last, count

    def is_put_out(self, message: bytes) -> bool:
        return b'"unsubscribe":{"code":25' in message

    def arrivals(self, message: bytes) -> list[Arrival]:
        found = []
        for line in message.split(b"\n"):
            publication = orjson.loads(line).get("push", {}).get("pub") if line else None
            if publication is not None:
                found.append(_arrival(publication))
        return found


def _number_at(message: bytes, at: int) -> int:
    at += len(OFFSET)
    end = at
    while message[end : end + 1].isdigit():
        end += 1
    return int(message[at:end] or b"0")


def _arrival(publication: dict[str, Any]) -> Arrival:
    return Arrival(publication.get("offset", 0), publication["data"])


@dataclass(frozen=True, slots=True)
class Plain:
    """The server greets with one frame; every later frame is one event."""

    path: str = "/"
    opening: bytes = field(default=b"", init=False)
    is_binary: bool = field(default=False, init=False)
    pong: bytes = field(default=PONG, init=False)
    answers_expected: int = field(default=1, init=False)

    def answered(self, message: bytes) -> Answered:
        return Answered(1)

    def wants_pong(self, message: bytes) -> bool:
        return False

    def offsets(self, message: bytes) -> tuple[int, int, int]:
        return 0, 0, 0

    def is_put_out(self, message: bytes) -> bool:
        return False

    def again(self, offset: int, epoch: str) -> bytes:
        return b""

    def arrivals(self, message: bytes) -> list[Arrival]:
        return [Arrival(0, orjson.loads(message))]


@dataclass(frozen=True, slots=True)
class Silent(Plain):
    """The server does not greet: who is upgraded is in, and every frame is one event."""

    answers_expected: int = field(default=0, init=False)


@dataclass(frozen=True, slots=True)
class Nats:
    """NATS in WebSocket frames: the viewer subscribes to one subject and asks for a pong.

    A message holds whole protocol lines, as nats-server writes them for anybody but a browser;
    half a line is an error here.
    """

    subject: str
    path: str = "/"
    is_binary: bool = field(default=True, init=False)
    pong: bytes = field(default=b"PONG\r\n", init=False)
    answers_expected: int = field(default=1, init=False)

    @property
    def opening(self) -> bytes:
        return b"%sSUB %s 1\r\nPING\r\n" % (NATS_CONNECT, self.subject.encode())

    def answered(self, message: bytes) -> Answered:
        lines = list(_nats_lines(message))
        after = (Arrival(0, orjson.loads(body)) for verb, body in lines if verb == b"MSG")
        return Answered(sum(verb == b"PONG" for verb, _body in lines), after=tuple(after))

    def wants_pong(self, message: bytes) -> bool:
        return message.startswith(b"PING\r\n") or b"\r\nPING\r\n" in message

    def offsets(self, message: bytes) -> tuple[int, int, int]:
        return 0, 0, 0

    def is_put_out(self, message: bytes) -> bool:
        return False

    def again(self, offset: int, epoch: str) -> bytes:
        return b""

    def arrivals(self, message: bytes) -> list[Arrival]:
        found = _nats_lines(message)
        return [Arrival(0, orjson.loads(body)) for verb, body in found if verb == b"MSG"]


def _nats_lines(message: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each protocol line's verb and what a MSG brought. Raises `Refused` on -ERR."""
    at = 0
    while at < len(message):
        end = message.find(b"\r\n", at)
        if end < 0:
            raise ValueError("half a NATS line")
        verb, _, rest = message[at:end].partition(b" ")
        at = end + 2
        if verb == b"-ERR":
            raise Refused(rest.decode(errors="replace"))
        if verb != b"MSG":
            yield verb, b""
            continue
        size = int(rest.rpartition(b" ")[2])
        if message[at + size : at + size + 2] != b"\r\n":
            raise ValueError("half a NATS message")
        yield verb, message[at : at + size]
        at += size + 2
