"""The sockets the server listens on, and the addresses under which people reach it."""

from __future__ import annotations

import errno
import socket
import sys
from dataclasses import dataclass
from typing import Self

from server.settings import BadSetting, is_loopback

# Who waits to be accepted, for each worker. The kernel cuts it down to net.core.somaxconn; whoever
# finds no place tries again after 1 s, 3 s and 7 s, by TCP's own clock.
BACKLOG = 16_384
# Where several sockets on one address have newcomers spread over them by the kernel.
SPREADS = sys.platform == "linux"
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to the address, not yet listening. Port 0 takes any free one.

    `BadSetting` names ONAIR_HOST or ONAIR_PORT and says why not.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise BadSetting("ONAIR_HOST", f"{host!r} is not an address here: {error}") from None
    family, kind, protocol, _, place = found[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
        bound.bind(place)
    except OSError as error:
        bound.close()
        raise _refusal(error, host, port) from None
    return bound


def listen(bound: socket.socket) -> None:
    """Start to take connections. `BadSetting` if another program was quicker.

    Only from then on others may listen beside it: two servers are never taken for one.
    """
    try:
        bound.listen(BACKLOG)
    except OSError as error:
        host, port = bound.getsockname()[:2]
        raise _refusal(error, host, port) from None
    if SPREADS:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def bound_unsent(entrance: socket.socket, bytes_max: int) -> None:
    """Connections accepted from here hold at most so much in the kernel that was not yet sent.

    They inherit it. By itself the kernel lets a send buffer grow to megabytes, which nobody sees: a
    reader who has stopped would not be behind until those are full, for minutes.
    """
    bounded = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if bounded is not None:
        entrance.setsockopt(socket.IPPROTO_TCP, bounded, bytes_max)


@dataclass(frozen=True, slots=True)
class Place:
    """An address that one socket has taken and others may share."""

    family: socket.AddressFamily
    address: tuple[object, ...]
    v6_only: int

    @classmethod
    def of(cls, bound: socket.socket) -> Self:
        is_v6 = bound.family == socket.AF_INET6
        v6_only = bound.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) if is_v6 else 0
        return cls(bound.family, bound.getsockname(), v6_only)

    def beside(self) -> socket.socket:
        """One more socket here, which does not listen yet; the first one does, or did."""
        another = socket.socket(self.family, socket.SOCK_STREAM)
        try:
            another.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            another.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if self.family == socket.AF_INET6:
                another.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, self.v6_only)
            another.bind(self.address)
        except BaseException:
            another.close()
            raise
        return another


def _refusal(error: OSError, host: str, port: int) -> BadSetting:
    if error.errno == errno.EADDRINUSE:
        return BadSetting("ONAIR_PORT", f"{port} on {host} is in use by another program")
    if error.errno == errno.EACCES:
        return BadSetting("ONAIR_PORT", f"this user may not listen on port {port}")
    return BadSetting("ONAIR_HOST", f"cannot listen on {host}: {error.strerror}")


def base_url(host: str, port: int) -> str:
    """The address to open on this machine, for a server that listens on `host` and `port`."""
    name = _WILDCARDS.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def network_url(host: str, port: int) -> str | None:
    """The address for other devices of the same network; None if they cannot reach the server."""
    if is_loopback(host):
        return None
    if host not in _WILDCARDS:
        return base_url(host, port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing: it only asks which of our addresses the way out starts from. The
            # target is reserved for documentation (RFC 5737).
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        own = str(probe.getsockname()[0])
    return None if is_loopback(own) else base_url(own, port)
