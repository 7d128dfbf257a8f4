"""The client's side of RFC 6455 framing, as little of it as an audience needs.

Knows bytes and opcodes; refuses to know sockets, JSON and time. No extensions: a compressed
frame is a protocol error, because nothing here ever offers compression.
"""

from __future__ import annotations

import base64
import hashlib
import os

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
NO_MASK = b"\0\0\0\0"  # a masking key like any other; it changes nothing, which costs nothing
PAYLOAD_BYTES_MAX = 16 * 1024 * 1024
HANDSHAKE_BYTES_MAX = 16 * 1024
NO_STATUS = 1005

_ACCEPT_SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class FramingError(Exception):
    """The server sent bytes that RFC 6455 does not allow; the text says which."""


def client_frame(payload: bytes, opcode: int = TEXT, mask: bytes | None = None) -> bytes:
    """One finished, masked frame. The same bytes may be sent on any number of connections."""
    mask = os.urandom(4) if mask is None else mask
    size = len(payload)
    if size < 126:
        header = bytes((0x80 | opcode, 0x80 | size))
    elif size < 65_536:
        header = bytes((0x80 | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        header = bytes((0x80 | opcode, 0x80 | 127)) + size.to_bytes(8, "big")
    if mask == NO_MASK:
        return header + mask + payload
    key = (mask * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return header + mask + masked.to_bytes(size, "big")


def close_frame(code: int = 1000, reason: str = "") -> bytes:
    """A masked close frame with a code and reason."""
    return client_frame(code.to_bytes(2, "big") + reason.encode(), CLOSE)


def close_code(payload: bytes) -> tuple[int, str]:
    """Code and reason of a close frame's payload; 1005 if it carries none."""
    if len(payload) < 2:
        return NO_STATUS, ""
    return int.from_bytes(payload[:2], "big"), payload[2:].decode(errors="replace")


def upgrade_request(host: str, path: str, headers: tuple[tuple[str, str], ...] = ()) -> bytes:
    """A WebSocket opening handshake without extensions and subprotocols."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {UPGRADE_KEY.decode()}",
        "Sec-WebSocket-Version: 13",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def accept_value(key: bytes) -> bytes:
    """What `Sec-WebSocket-Accept` must be for this key."""
    return base64.b64encode(hashlib.sha1(key + _ACCEPT_SALT, usedforsecurity=False).digest())


# One key for the whole process: the audience proves delivery, not freshness of handshakes.
UPGRADE_KEY = base64.b64encode(os.urandom(16))
_UPGRADE_ACCEPT = accept_value(UPGRADE_KEY)


def upgrade_answer(received: bytes) -> int | None:
    """Bytes the server's handshake answer takes, or None while it is incomplete.

    Raises `FramingError` with the status line if the upgrade was refused, and with what
    `Retry-After` says, if it came.
    """
    end = received.find(b"\r\n\r\n")
    if end < 0:
        if len(received) > HANDSHAKE_BYTES_MAX:
            raise FramingError("endless handshake answer")
        return None
    lines = received[:end].split(b"\r\n")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in lines[1:])
    }
    if b" 101" not in lines[0][:13]:
        status = lines[0][9:60].decode(errors="replace")
        later = headers.get(b"retry-after", b"").decode(errors="replace")
        raise FramingError(f"{status}, retry after {later} s" if later else status)
    if headers.get(b"sec-websocket-accept") != _UPGRADE_ACCEPT:
        raise FramingError("wrong Sec-WebSocket-Accept")
    if b"sec-websocket-extensions" in headers:
        raise FramingError("an extension nobody asked for")
    return end + 4


class FrameReader:
    """Cuts a byte stream into whole messages, however the network split it."""

    __slots__ = ("_fragments", "_opcode", "_pending")

    def __init__(self) -> None:
        self._pending = b""
        self._fragments = b""
        self._opcode = CONTINUATION

    @property
    def between_messages(self) -> bool:
        """True if nothing half-read is held: the next byte starts a new message."""
        return not self._pending and self._opcode == CONTINUATION

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Messages completed by `data`, in order, as (opcode, payload).

        Raises `FramingError` on bytes the server must not send; the reader is then useless.
        """
        data = self._pending + data if self._pending else data
        messages: list[tuple[int, bytes]] = []
        start, size = 0, len(data)
        while (frame := _frame_at(data, start, size)) is not None:
            first, body, start = frame
            message = self._join(first, data[body:start])
            if message is not None:
                messages.append(message)
        self._pending = data[start:]
        return messages

    def _join(self, first: int, payload: bytes) -> tuple[int, bytes] | None:
        opcode, final = first & 0x0F, first & 0x80
        if opcode >= CLOSE:
            if not final:
                raise FramingError("fragmented control frame")
            return opcode, payload
        if (opcode == CONTINUATION) != (self._opcode != CONTINUATION):
            raise FramingError("fragments out of order")
        whole = self._fragments + payload
        if len(whole) > PAYLOAD_BYTES_MAX:
            raise FramingError("message too long")
        opcode = self._opcode or opcode
        if not final:
            self._opcode, self._fragments = opcode, whole
            return None
        self._opcode, self._fragments = CONTINUATION, b""
        return opcode, whole


def _frame_at(data: bytes, start: int, size: int) -> tuple[int, int, int] | None:
    """(first byte, where the payload starts, where it ends) of the frame at `start`, if whole."""
    if size - start < 2:
        return None
    first, length = data[start], data[start + 1]
    if first & 0x70:
        raise FramingError("reserved bits set")
    if length & 0x80:
        raise FramingError("masked frame from the server")
    body = start + 2
    if length >= 126:
        width = 2 if length == 126 else 8
        body += width
        if size < body:
            return None
        length = int.from_bytes(data[start + 2 : body], "big")
        if length > PAYLOAD_BYTES_MAX:
            raise FramingError("message too long")
    end = body + length
    return (first, body, end) if size >= end else None
