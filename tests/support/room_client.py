"""A client of a `StageWorker`: it reads every frame as an SDK would and forgives nothing.

Breaches that show at once (gaps, repeats, a position that moves without a reason) are collected in
`problems`; what needs the whole picture is kept in `seen` and judged later.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import orjson
from websockets.extensions.permessage_deflate import PerMessageDeflate

from rooms.log import Position
from server.connection import open_stream
from server.viewer import Viewer
from tests.support.room_stage import CHANNEL, ROOM, StageWorker

_TEXT, _CLOSE = 1, 8
_COMPRESSED = 0x40


class Line(asyncio.Transport):
    """The server's end of a socket whose other end is a `StageClient`."""

    def __init__(self, client: StageClient) -> None:
        super().__init__()
        self.viewer: Viewer | None = None
        self.behind_bytes = 0  # what the server believes is not yet read
        self._client = client
        self._is_open = True

    def write(self, data: Any) -> None:
        if self._is_open:
            self._client.received(bytes(data))

    def get_write_buffer_size(self) -> int:
        return self.behind_bytes

    def is_closing(self) -> bool:
        return not self._is_open

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            assert self.viewer is not None
            asyncio.get_running_loop().call_soon(self.viewer.connection_lost, None)

    abort = close


@dataclass(frozen=True, slots=True)
class Seen:
    """One stored event as it was shown: in a flush, or to catch up."""

    epoch: str
    offset: int
    data: Any


@dataclass(frozen=True, slots=True)
class Shown:
    """The text of one message, and how far its reader stood when the server wrote it."""

    epoch: str
    offset: int
    raw: bytes


class StageClient:
    """One person with one socket at a time; `position` outlives the socket."""

    def __init__(self, user: str, token: str, *, deflated: bool) -> None:
        self.user = user
        self.worker: StageWorker | None = None
        self.line: Line | None = None
        self.joined = False
        self.wants_in = False
        self.position: Position | None = None
        self.snapshot: dict[str, Any] = {}
        self.likes_total = 0
        self.may_miss_pulses = False  # it read slowly, and was not told the likes since
        self.comment_likes: dict[str, int] = {}
        self.sampled: set[str] = set()
        self.closes: list[int] = []
        self.recoveries: list[tuple[Position, bool, Position]] = []  # asked, recovered, given
        self.seen: list[Seen] = []
        self.shown: list[Shown] = []
        self.problems: list[str] = []
        self._token = token
        self._deflated = deflated
        self._last_id = 0
        self._waiting: dict[int, Callable[[dict[str, Any]], None]] = {}

    # what it does

    @property
    def is_connected(self) -> bool:
        return self.line is not None

    @property
    def is_waiting(self) -> bool:
        return bool(self._waiting) or (self.wants_in and not self.joined and self.is_connected)

    def connect(self, worker: StageWorker, *, recover: bool = True) -> None:
        """Connect and subscribe in one frame, with recovery if there is a position."""
        assert self.line is None
        self.worker = worker
        self.line = line = Line(self)
        extensions = [PerMessageDeflate(True, True, 15, 15)] if self._deflated else []
        stream = open_stream(cast(Any, extensions), worker.limits.message_bytes_max)
        line.viewer = worker.gateway.attach(line, stream, b"", native_ping=False)
        self.wants_in = True
        connect = self._command("connect", {"token": self._token}, lambda reply: None)
        self._write([connect, self._subscription(recover=recover)])

    def subscribe(self, *, recover: bool = True) -> None:
        self.wants_in = True
        self._write([self._subscription(recover=recover)])

    def unsubscribe(self) -> None:
        self.wants_in = False
        self._write([self._command("unsubscribe", {"channel": CHANNEL}, self._left)])

    def rpc(
        self, method: str, data: dict[str, Any], done: Callable[[dict[str, Any]], None]
    ) -> None:
        """`done` gets the whole reply, if one comes."""
        request = {"method": method, "data": {"room": ROOM, **data}}
        self._write([self._command("rpc", request, done)])

    def ask(
        self, method: str, request: dict[str, Any], done: Callable[[dict[str, Any]], None]
    ) -> None:
        self._write([self._command(method, request, done)])

    def hang_up(self) -> None:
        """The network breaks: neither side says a word."""
        if self.line is not None:
            line, self.line = self.line, None
            line.abort()
        self.joined = self.wants_in = False
        self._waiting.clear()

    def _subscription(self, *, recover: bool) -> dict[str, Any]:
        request: dict[str, Any] = {"channel": CHANNEL}
        asked = self.position if recover else None
        if asked is not None:
            request |= {"recover": True, "offset": asked.offset, "epoch": asked.epoch}
        return self._command("subscribe", request, lambda reply: self._subscribed(reply, asked))

    def _command(
        self, method: str, request: dict[str, Any], done: Callable[[dict[str, Any]], None]
    ) -> dict[str, Any]:
        self._last_id += 1
        self._waiting[self._last_id] = done
        return {"id": self._last_id, method: request}

    def _write(self, commands: list[dict[str, Any]]) -> None:
        assert self.line is not None
        assert self.line.viewer is not None
        payload = b"\n".join(orjson.dumps(command) for command in commands)
        size = len(payload)
        length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        self.line.viewer.data_received(b"\x81" + length + bytes(4) + payload)

    # what it is shown

    def received(self, data: bytes) -> None:
        while data:
            opcode, flags = data[0] & 0x0F, data[0] & 0xF0
            size, start = data[1], 2
            if size == 126:
                size, start = int.from_bytes(data[2:4], "big"), 4
            elif size == 127:
                size, start = int.from_bytes(data[2:10], "big"), 10
            payload, data = data[start : start + size], data[start + size :]
            if flags & _COMPRESSED:
                payload = zlib.decompressobj(-15).decompress(payload + b"\x00\x00\xff\xff")
            if opcode == _TEXT:
                for raw in payload.split(b"\n"):
                    self._message(orjson.loads(raw), raw)
            elif opcode == _CLOSE:
                self.closes.append(int.from_bytes(payload[:2], "big"))
                asyncio.get_running_loop().call_soon(self.hang_up)

    def _message(self, message: dict[str, Any], raw: bytes) -> None:
        before = self.position
        if "id" in message:
            self._waiting.pop(message["id"], lambda reply: None)(message)
            before = self.position if "subscribe" in message else before
        elif "push" in message and message["push"]["channel"] == CHANNEL:
            self._push(message["push"])
        if before is not None:
            self.shown.append(Shown(before.epoch, before.offset, raw))

    def _push(self, push: dict[str, Any]) -> None:
        if not self.joined:
            self._problem(f"told {push} without a subscription")
        elif "pub" in push:
            self._publication(push["pub"])
        elif "unsubscribe" in push:
            self.joined = False
            if push["unsubscribe"]["code"] >= 2500:
                asyncio.get_running_loop().call_soon(self._come_back)
            else:
                self.wants_in = False

    def _come_back(self) -> None:
        if self.is_connected and self.wants_in and not self.joined:
            self.subscribe()

    def _publication(self, publication: dict[str, Any]) -> None:
        data = publication["data"]
        if "offset" in publication:
            self._advance(publication["offset"], data)
        elif data["t"] == "likes":
            if data["total"] < self.likes_total:
                self._problem(f"likes fell from {self.likes_total} to {data['total']}")
            self.likes_total = data["total"]
            self._caught_up_with_likes()
        elif data["t"] == "comment.likes":
            self.comment_likes |= data["counts"]
        elif data.get("sampled"):
            self.sampled.add(data["id"])

    def _advance(self, offset: int, data: Any) -> None:
        assert self.position is not None
        if offset != self.position.offset + 1:
            self._problem(f"offset {offset} follows {self.position.offset}")
        self.position = Position(offset, self.position.epoch)
        self.seen.append(Seen(self.position.epoch, offset, data))

    def _subscribed(self, reply: dict[str, Any], asked: Position | None) -> None:
        if "error" in reply:
            if reply["error"].get("temporary"):
                asyncio.get_running_loop().call_soon(self._come_back)
            else:
                self.wants_in = False
            return
        result = reply["subscribe"]
        self.joined = True
        self.snapshot = result["data"]
        self.likes_total = result["data"]["likes"]["total"]
        self._caught_up_with_likes()
        self.comment_likes = dict(result["data"]["comment_likes"])
        recovered = result.get("recovered", False)
        if result.get("was_recovering", False) != (asked is not None):
            self._problem(f"was_recovering is wrong in {result}")
        given = Position(result["offset"], result["epoch"])
        self.position = given
        missed = result.get("publications", [])
        if asked is not None:
            self.recoveries.append((asked, recovered, given))
        if recovered and (asked is None or given.offset != asked.offset):
            self._problem(f"recovered from {given}, asked for {asked}")
        if missed and not recovered:
            self._problem(f"not recovered, and yet told {missed}")
        for publication in missed:
            self._advance(publication["offset"], publication["data"])

    def _caught_up_with_likes(self) -> None:
        self.may_miss_pulses = self.line is not None and self.line.behind_bytes > 0

    def _left(self, reply: dict[str, Any]) -> None:
        self.joined = False

    def _problem(self, what: str) -> None:
        self.problems.append(f"{self.user}: {what}")
