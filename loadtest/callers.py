"""Where sockets call from: more loopback addresses than one, as each has only so many ports."""

from __future__ import annotations

import socket

SOCKETS_PER_SOURCE = 20_000
SOURCES_MAX = 200
BIND_WITHOUT_PORT = getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24)  # absent from Python 3.11


def source_of(number: int, sources: int) -> str:
    """The loopback address viewer `number` calls from: round robin, more when those are full."""
    index = number % sources + sources * (number // (sources * SOCKETS_PER_SOURCE))
    if index >= SOURCES_MAX:
        raise ValueError(f"viewer {number} is one too many for {SOURCES_MAX} addresses")
    return f"127.0.0.{1 + index}"


def caller_from(source: str) -> socket.socket:
    """A socket calling from a loopback address; its port is chosen at connect."""
    caller = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    caller.setsockopt(socket.IPPROTO_IP, BIND_WITHOUT_PORT, 1)
    caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    caller.bind((source, 0))
    return caller
