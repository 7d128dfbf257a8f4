"""Every answer that is not a result: error codes, close codes and what they tell the client.

3000-3499 and 4000-4499: come back. 3500-3999 and 4500-4999: stay away. A reason is never
empty and never JSON, because the JavaScript SDK tries to parse it.
"""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN_CHANNEL = 102


@dataclass(frozen=True, slots=True)
class Close:
    """A WebSocket close: `code` says what to do next, `reason` (at most 123 bytes) says why."""

    code: int
    reason: str


class Closing:
    """The closes of the client protocol that this server uses."""

    SHUTDOWN = Close(3001, "shutdown")
    INTERNAL_ERROR = Close(3004, "internal server error")
    CONNECTION_EXPIRED = Close(3005, "connection expired")
    SLOW = Close(3008, "slow")
    FORCED_RECONNECT = Close(3011, "force reconnect")
    NO_PONG = Close(3012, "no pong")
    INVALID_TOKEN = Close(3500, "invalid token")
    BAD_REQUEST = Close(3501, "bad request")
    STALE = Close(3502, "stale")
    FORCED_DISCONNECT = Close(3503, "force disconnect")
    NOT_AVAILABLE = Close(3508, "not available")
    TOO_MANY_ERRORS = Close(3509, "too many errors")


class Unsubscribed:
    """Ends of a subscription: 2500 and above come back, below they stay away."""

    INSUFFICIENT_STATE = Close(2500, "insufficient state")
    EXPIRED = Close(2501, "subscription expired")
    BANNED = Close(2101, "banned")


class Refused(Exception):
    """A command gets an error reply. `temporary` or 109: the client tries again by itself."""

    def __init__(self, code: int, message: str, *, temporary: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.temporary = temporary


class Fatal(Exception):
    """A command ends the connection."""

    def __init__(self, close: Close) -> None:
        super().__init__(close.reason)
        self.close = close


def internal() -> Refused:
    return Refused(100, "internal server error", temporary=True)


def unknown_channel(channel: str) -> Refused:
    return Refused(UNKNOWN_CHANNEL, f"unknown channel {channel}")


def permission_denied(why: str) -> Refused:
    return Refused(103, why)


def already_subscribed() -> Refused:
    return Refused(105, "already subscribed")


def limit_exceeded(bound: str) -> Refused:
    return Refused(106, f"limit exceeded: {bound}")


def bad_command(field: str, why: str) -> Refused:
    return Refused(107, f"{field}: {why}")


def not_available(what: str) -> Refused:
    return Refused(108, f"not available: {what}")


def token_expired() -> Refused:
    return Refused(109, "token expired")


def too_many_requests(wait_ms: int = 0, of: str = "") -> Refused:
    if not wait_ms:
        return Refused(111, "too many requests", temporary=True)
    message = f"too many requests of this {of}: wait {_seconds(wait_ms)} s"
    return Refused(111, message, temporary=True)


def unrecoverable_position() -> Refused:
    return Refused(112, "unrecoverable position")


def bad_field(field: str, why: str) -> Refused:
    return Refused(400, f"{field}: {why}")


def sign_in_first(to: str) -> Refused:
    return Refused(401, f"sign in first to {to}")


def not_allowed(why: str) -> Refused:
    return Refused(403, why)


def unknown(field: str, value: str) -> Refused:
    return Refused(404, f"{field}: unknown {value}")


def conflict(why: str) -> Refused:
    return Refused(409, why)


def too_long(field: str, most: int) -> Refused:
    return Refused(413, f"{field}: longer than {most} characters")


def rejected(why: str) -> Refused:
    return Refused(422, why)


def too_fast(wait_ms: int) -> Refused:
    return Refused(429, f"too fast: wait {_seconds(wait_ms)} s")


def overloaded(why: str) -> Refused:
    return Refused(503, f"{why}; try again")


def _seconds(wait_ms: int) -> int:
    return max(1, -(-wait_ms // 1000))
