"""The JSON encoding of the Centrifuge client protocol v2: objects joined by newlines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from rooms.log import Entry
from server.codec import PONG, Command, Malformed, Method, Pulse

_ID_MAX = 2**32 - 1
_METHODS = {method.value: method for method in Method if method is not Method.UNKNOWN}


class JsonCodec:
    """Stateless; one object serves all connections. Implements `server.codec.Codec`."""

    subprotocol = "centrifuge-json"
    ping = b"{}"

    def decode(self, message: bytes) -> list[Command]:
        if not message.strip():
            raise Malformed("an empty frame")
        return [_command(line) for line in message.split(b"\n") if line]

    def result(self, command_id: int, method: Method, result: bytes) -> bytes:
        return b'{"id":%d,"%s":%s}' % (command_id, method.value.encode(), result)

    def error(self, command_id: int, code: int, message: str, *, temporary: bool) -> bytes:
        error: dict[str, Any] = {"code": code, "message": message}
        if temporary:
            error["temporary"] = True
        return orjson.dumps({"id": command_id, "error": error})

    def encode(self, value: Mapping[str, Any]) -> bytes:
        return orjson.dumps(value)

    def entries(self, entries: Iterable[Entry]) -> bytes:
        return b",".join(
            b'{"data":%s,"offset":%d}' % (entry.payload, entry.offset) for entry in entries
        )

    def subscribe_result(self, facts: Mapping[str, Any], data: bytes, entries: bytes) -> bytes:
        parts = [orjson.dumps(facts)[1:-1]] if facts else []
        if entries:
            parts.append(b'"publications":[%s]' % entries)
        if data:
            parts.append(b'"data":%s' % data)
        return b"{%s}" % b",".join(parts)

    def publications(self, channel: str, entries: Iterable[Entry]) -> list[bytes]:
        head = b'{"push":{"channel":%s,"pub":{"data":' % orjson.dumps(channel)
        return [b'%s%s,"offset":%d}}}' % (head, entry.payload, entry.offset) for entry in entries]

    def pulses(self, channel: str, pulses: Iterable[Pulse]) -> list[bytes]:
        head = b'{"push":{"channel":%s,"pub":{"data":' % orjson.dumps(channel)
        return [b"%s%s}}}" % (head, pulse.payload) for pulse in pulses]

    def unsubscribed(self, channel: str, code: int, reason: str) -> bytes:
        return orjson.dumps(
            {"push": {"channel": channel, "unsubscribe": {"code": code, "reason": reason}}}
        )

    def join(self, messages: Sequence[bytes]) -> bytes:
        return b"\n".join(messages)


def _command(line: bytes) -> Command:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Malformed("not JSON") from error
    if not isinstance(value, dict):
        raise Malformed("not a JSON object")
    if not value:
        return PONG
    command_id = value.get("id", 0)
    if type(command_id) is not int or not 0 <= command_id <= _ID_MAX:
        raise Malformed("id is not a whole number of 32 bits")
    for name, request in value.items():
        if name == "id" or request is None:
            continue
        method = _METHODS.get(name, Method.UNKNOWN)
        if not isinstance(request, dict):
            raise Malformed(f"{name if method else 'the command'} is not a JSON object")
        if command_id == 0 and method is not Method.SEND:
            raise Malformed("a command without an id")
        return Command(command_id, method, request)
    if command_id == 0:
        raise Malformed("a command without an id")
    return Command(command_id, Method.UNKNOWN, {})
