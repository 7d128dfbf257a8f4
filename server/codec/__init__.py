"""The seam between bytes and meaning: one codec per wire encoding of the client protocol.

The Centrifuge client protocol v2 exists in JSON and Protobuf. Everything above this package
works with `Command` in and finished bytes out, so that a second codec is one more module.
Payloads (`data`) stay JSON in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from rooms.log import Entry


class Method(StrEnum):
    """The commands of a client, by their names on the wire."""

    CONNECT = "connect"
    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"
    PUBLISH = "publish"
    PRESENCE = "presence"
    PRESENCE_STATS = "presence_stats"
    HISTORY = "history"
    RPC = "rpc"
    REFRESH = "refresh"
    SUB_REFRESH = "sub_refresh"
    SEND = "send"
    PING = "ping"
    UNKNOWN = ""


class Malformed(Exception):
    """The bytes are no message of this protocol; the connection closes with 3501."""


class Command(NamedTuple):
    """One client command. `request` is a JSON object as it came, not yet validated."""

    id: int
    method: Method
    request: dict[str, Any]


PONG = Command(0, Method.PING, {})


@dataclass(frozen=True, slots=True)
class Pulse:
    """One offset-less publication: only its newest value matters."""

    payload: bytes
    is_incentive: bool = False  # of rewards for sharing: not for quiet encodings


class Codec(Protocol):
    """Turns messages into commands, and answers and events into message bytes."""

    subprotocol: str
    ping: bytes

    def decode(self, message: bytes) -> list[Command]:
        """All commands of one message, in order; an empty object is PONG. Raises `Malformed`."""

    def result(self, command_id: int, method: Method, result: bytes) -> bytes:
        """A successful reply around an encoded result object."""

    def error(self, command_id: int, code: int, message: str, *, temporary: bool) -> bytes:
        """A failed reply."""

    def encode(self, value: Mapping[str, Any]) -> bytes:
        """A result object from plain values."""

    def entries(self, entries: Iterable[Entry]) -> bytes:
        """Stored entries as a part of results, empty for none: built once, put into many."""

    def subscribe_result(self, facts: Mapping[str, Any], data: bytes, entries: bytes) -> bytes:
        """A subscribe result: small facts, a ready snapshot, and what the client missed."""

    def publications(self, channel: str, entries: Iterable[Entry]) -> list[bytes]:
        """One push per stored entry, with its offset."""

    def pulses(self, channel: str, pulses: Iterable[Pulse]) -> list[bytes]:
        """One push per pulse, without offset."""

    def unsubscribed(self, channel: str, code: int, reason: str) -> bytes:
        """The push that ends a subscription."""

    def join(self, messages: Sequence[bytes]) -> bytes:
        """Several messages as the payload of one WebSocket message."""


__all__ = ["PONG", "Codec", "Command", "Malformed", "Method", "Pulse"]
