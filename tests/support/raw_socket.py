"""A WebSocket client that may do everything wrong: it sends bytes, and reads what comes back."""

from __future__ import annotations

import asyncio
import json
import socket
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

WITHIN_S = 15.0
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HEADERS = {
    "Host": "127.0.0.1",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}
BROKEN = (1006, "")  # the socket ended without a close frame


@dataclass(slots=True)
class Response:
    """The server's answer to a handshake."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def frame(
    payload: bytes,
    *,
    opcode: int = TEXT,
    fin: bool = True,
    rsv: int = 0,
    masked: bool = True,
    claimed_size: int | None = None,
) -> bytes:
    """One client frame, right or wrong; `claimed_size` is what its header says."""
    size = len(payload) if claimed_size is None else claimed_size
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    mask = 0x80 if masked else 0
    if size < 126:
        head = bytes((first, mask | size))
    elif size < 65_536:
        head = bytes((first, mask | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, mask | 127)) + size.to_bytes(8, "big")
    return head + (bytes(4) if masked else b"") + payload


def deflated(payload: bytes) -> bytes:
    """The payload as permessage-deflate sends it."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


class RawSocket:
    """`async with await RawSocket.open(port) as raw: ...`

    `messages` are the JSON objects that came; `end` is (code, reason) once it is over.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.messages: list[Any] = []
        self.pongs = 0
        self._reader = reader
        self._writer = writer

    @classmethod
    async def dial(cls, port: int, *, lazy: bool = False) -> Self:
        """A TCP connection, and not a word said. `lazy`: nothing is read ahead of need."""
        sock = socket.socket()
        sock.setblocking(False)
        if lazy:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        return cls(*await asyncio.open_connection(sock=sock, limit=4_096 if lazy else 2**22))

    @classmethod
    async def open(
        cls,
        port: int,
        headers: Mapping[str, str] | None = None,
        query: str = "",
        *,
        lazy: bool = False,
    ) -> Self:
        """A connection with its handshake done."""
        raw = await cls.dial(port, lazy=lazy)
        response = await raw.shake_hands({**HEADERS, **(headers or {})}, query)
        assert response.status == 101, response
        return raw

    @classmethod
    async def connected(
        cls, port: int, token: str = "", channel: str = "", *, lazy: bool = False
    ) -> Self:
        """A connection that has introduced itself, and with a channel subscribed."""
        raw = await cls.open(port, lazy=lazy)
        request = {"token": token} if token else {}
        await raw.ask({"id": 1, "connect": request})
        if channel:
            await raw.ask({"id": 2, "subscribe": {"channel": channel}})
        return raw

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.transport.abort()

    async def shake_hands(self, headers: Mapping[str, str], query: str = "") -> Response:
        lines = [f"GET /connection/websocket{query} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return await self.request("\r\n".join([*lines, "", ""]).encode())

    async def request(self, head: bytes) -> Response:
        """The response to these bytes of HTTP; status 0 if there is none."""
        self._writer.write(head)
        try:
            async with asyncio.timeout(WITHIN_S):
                raw = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return Response(0)
        status, *lines = raw.decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines if line)
        size = int(fields.get("content-length", 0))
        return Response(int(status.split()[1]), fields, await self._reader.readexactly(size))

    # to the server

    async def send(self, data: bytes) -> None:
        """Bytes as they are. What the server no longer wants to hear is lost silently."""
        if self._writer.is_closing():
            return
        self._writer.write(data)
        try:
            async with asyncio.timeout(WITHIN_S):
                await self._writer.drain()
        except ConnectionError:
            pass

    async def command(self, *commands: Any) -> None:
        await self.send(frame(b"\n".join(json.dumps(one).encode() for one in commands)))

    async def ask(self, command: Any) -> Any:
        """The reply to one command, by its id. Fails if the connection ends before it."""
        await self.command(command)
        return await self.reply(command["id"])

    async def reply(self, command_id: int) -> Any:
        while True:
            for message in self.messages:
                if message.get("id") == command_id:
                    return message
            end = await self._next()
            assert end is None, f"closed with {end} before the reply to {command_id}"

    # from the server

    async def end(self) -> tuple[int, str]:
        """(code, reason) of the close frame, after reading everything before it."""
        while True:
            end = await self._next()
            if end is not None:
                return end

    async def hung_up(self) -> None:
        """Return when the server has ended the connection."""
        async with asyncio.timeout(WITHIN_S):
            try:
                while await self._reader.read(65_536):
                    pass
            except ConnectionError:
                pass

    async def _next(self) -> tuple[int, str] | None:
        """Take in one frame; (code, reason) if it was the last."""
        try:
            async with asyncio.timeout(WITHIN_S):
                opcode, payload = await self._read_frame()
        except (asyncio.IncompleteReadError, ConnectionError):
            return BROKEN
        if opcode == CLOSE:
            return int.from_bytes(payload[:2], "big"), payload[2:].decode()
        if opcode == PONG:
            self.pongs += 1
        elif opcode in {TEXT, BINARY}:
            self.messages += [json.loads(line) for line in payload.split(b"\n")]
        return None

    async def _read_frame(self) -> tuple[int, bytes]:
        first, second = await self._reader.readexactly(2)
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8), "big")
        payload = await self._reader.readexactly(size)
        if first & 0x40:
            payload = zlib.decompressobj(-15).decompress(payload + b"\x00\x00\xff\xff")
        return first & 0x0F, payload
