"""A client that keeps no rules: it writes any bytes to a real socket and reads what comes back.

It shakes hands by itself, builds frames as it is told to (RFC 6455 section 5.2), however wrong
they are, and remembers the replies and the end of the connection. Its server is the fixture of
`tests.support.hostile_fixtures`.
"""

from __future__ import annotations

import asyncio
import json
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.support.live_server import LiveServer

ENDS_WITHIN_S = 20.0
CONNECT_WITHIN_S = 3
REQUEST_WITHIN_S = 3
CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate\r\n"

# docs/PROTOCOL.md, sections 4 to 6. Error 100 and close 3004 are left out: they are bugs.
ERROR_CODES = {102, 103, 105, 106, 107, 108, 109, 111, 112}
ERROR_CODES |= {400, 401, 403, 404, 409, 413, 422, 429, 503}
CLOSE_CODES = {1002, 1007, 1009, 3008, 3500, 3501, 3502, 3508, 3509}
_BUG_WORDS = ("Traceback", "a bug closed", "xception", "Fatal error", "failed", "Error:")


@dataclass(frozen=True)
class End:
    """How a connection ended: the server's close frame, or 1006 and nothing without one."""

    code: int
    reason: str


def frame(
    payload: bytes,
    opcode: int = TEXT,
    *,
    bits: int = FIN,
    masked: bool = True,
    size: int | None = None,
) -> bytes:
    """One client frame. `size` is the length it claims to have."""
    claimed = len(payload) if size is None else size
    mask_bit = 0x80 if masked else 0
    if claimed < 126:
        head = struct.pack("!BB", bits | opcode, mask_bit | claimed)
    elif claimed < 65_536:
        head = struct.pack("!BBH", bits | opcode, mask_bit | 126, claimed)
    else:
        head = struct.pack("!BBQ", bits | opcode, mask_bit | 127, claimed)
    if not masked:
        return head + payload
    return head + b"\x00\x00\x00\x00" + payload  # a mask of zeros changes nothing


def close_frame(code: int = 1000, reason: bytes = b"") -> bytes:
    return frame(struct.pack("!H", code) + reason, CLOSE)


def deflated(payload: bytes) -> bytes:
    """The payload of a compressed message, RFC 7692 section 7.2.1."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def command(command_id: int, method: str, request: Any) -> bytes:
    return json.dumps({"id": command_id, method: request}).encode()


def handshake(port: int, *, extra: str = "", path: str = "/connection/websocket") -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
        f"{extra}\r\n"
    ).encode("latin-1")


async def http_answer(port: int, sent: bytes) -> tuple[int, str]:
    """(status, head) of the server's answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), ENDS_WITHIN_S)
    finally:
        writer.close()
    return int(head.split(b" ", 2)[1]), head.decode("latin-1")


async def hung_up(port: int, sent: bytes) -> int:
    """The status of the answer, 0 for none, once the server has hung up; we keep our side open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        answer = await asyncio.wait_for(reader.read(), ENDS_WITHIN_S)
    finally:
        writer.close()
    return int(answer.split(b" ", 2)[1]) if answer else 0


class Hostile:
    """One raw connection, with the handshake done. `async with await Hostile.open(port) as peer`.

    `messages` are the objects that came, `control` the control frames (opcode, payload).
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.messages: list[dict[str, Any]] = []
        self.control: list[tuple[int, bytes]] = []
        self.end: End | None = None
        self._reader = reader
        self._writer = writer
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read(), name="hostile")

    @classmethod
    async def open(cls, port: int, *, extra: str = "", query: str = "") -> Self:
        """Shake hands; `extra` are more header lines."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(handshake(port, extra=extra, path="/connection/websocket" + query))
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), ENDS_WITHIN_S)
        assert head.startswith(b"HTTP/1.1 101 "), head
        assert (b"permessage-deflate" in head) == ("permessage-deflate" in extra), head
        return cls(reader, writer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.transport.abort()
        with suppress(asyncio.CancelledError):
            await self._reading

    # what we send

    async def write(self, *pieces: bytes) -> None:
        """Write bytes as they are; a server that has hung up by now is no fault."""
        with suppress(ConnectionError):
            for piece in pieces:
                self._writer.write(piece)
                await self._writer.drain()

    async def say(self, *messages: bytes) -> None:
        """Messages in good frames, in one write."""
        await self.write(b"".join(map(frame, messages)))

    def stop_reading(self) -> None:
        """Take nothing more out of the socket."""
        self._reading.cancel()
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    async def write_until_cut(self, piece: bytes, *, most: int) -> int:
        """Write until the server cuts the connection; how many bytes that took, at most `most`."""
        sent = 0
        with suppress(ConnectionError):
            while sent < most:
                self._writer.write(piece)
                async with asyncio.timeout(ENDS_WITHIN_S):
                    await self._writer.drain()
                sent += len(piece)
        return sent

    # what comes back

    async def reply(self, command_id: int) -> dict[str, Any] | End:
        """The reply to a command, or the end of the connection if that comes first."""
        found: list[dict[str, Any]] = []

        def came() -> bool:
            found.extend(one for one in self.messages if one.get("id") == command_id)
            return bool(found) or self.end is not None

        await self._until(came)
        if found:
            return found[0]
        return await self.ended()

    async def pong(self) -> bytes:
        """The payload of the first pong: everything before our ping was read."""

        def pongs() -> list[bytes]:
            return [payload for opcode, payload in self.control if opcode == PONG]

        await self._until(lambda: pongs() or self.end is not None)
        assert pongs(), self.end
        return pongs()[0]

    async def ended(self) -> End:
        """How the server ended it. A close of its own always has a reason, which is no JSON."""
        await self._until(lambda: self.end is not None)
        assert self.end is not None
        if self.end.code in CLOSE_CODES or self.end.code == 3004:
            check_reason(self.end.reason)
        return self.end

    async def finish(self) -> End:
        """Send nothing more, and wait for the end."""
        if not self._writer.is_closing():
            with suppress(OSError):
                self._writer.write_eof()
        return await self.ended()

    async def _until(self, happened: Callable[[], object]) -> None:
        async with asyncio.timeout(ENDS_WITHIN_S):
            while not happened():
                self._news.clear()
                await self._news.wait()

    async def _read(self) -> None:
        ending = End(1006, "")
        try:
            while True:
                first, payload = await self._frame()
                opcode = first & 0x0F
                if opcode == CLOSE:
                    code = struct.unpack("!H", payload[:2])[0] if payload else 1005
                    ending = End(code, payload[2:].decode())
                    break
                if opcode in (PING, PONG):
                    self.control.append((opcode, payload))
                else:
                    message = _inflated(payload) if first & RSV1 else payload
                    self.messages += [json.loads(line) for line in message.split(b"\n")]
                self._news.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the end without a close frame
        finally:
            self.end = ending
            self._news.set()

    async def _frame(self) -> tuple[int, bytes]:
        first, second = await self._reader.readexactly(2)
        assert not second & 0x80, "a server never masks"
        assert first & FIN, "this server never fragments"
        size = second
        if size == 126:
            (size,) = struct.unpack("!H", await self._reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self._reader.readexactly(8))
        return first, await self._reader.readexactly(size)


def _inflated(payload: bytes) -> bytes:
    return zlib.decompressobj(-15).decompress(payload + b"\x00\x00\xff\xff")


def check_reason(reason: str) -> None:
    """A close reason says something, and is not JSON: the JavaScript SDK would parse it."""
    assert reason.strip()
    try:
        json.loads(reason)
    except ValueError:
        return
    raise AssertionError(f"the reason {reason!r} is JSON")


def check_reply(reply: dict[str, Any]) -> None:
    """An error reply has a documented code and says why; it never is the server's own fault."""
    error = reply.get("error")
    if error is not None:
        assert error["code"] in ERROR_CODES, reply
        assert error["message"].strip(), reply


def complaints(server: LiveServer) -> list[str]:
    """The lines of the server's log that tell of a bug."""
    lines = server.errors.splitlines() + server.program.output.splitlines()
    return [line for line in lines if any(word in line for word in _BUG_WORDS)]
