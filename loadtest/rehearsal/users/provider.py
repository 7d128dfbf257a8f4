"""The payment provider of a rehearsal: tells the shop of payments by signed messages.

A few connections are kept open for all buyers of a process, as a provider does it.
"""

from __future__ import annotations

import hmac
import http.client
from hashlib import sha256
from typing import Final

from gevent.queue import LifoQueue

from loadtest.rehearsal.http import address

WEBHOOK: Final = "/api/v1/payments/webhook"
CONNECTIONS_MAX: Final = 32  # more messages than these at a time wait for one
WITHIN_S: Final = 10.0


class Unreachable(Exception):
    """No answer came: the message was heard or not. Send it again."""


class Provider:
    """Connections to one shop. Not for threads; greenlets may share it."""

    def __init__(self, base_url: str, secret: str) -> None:
        self._host, self._port, path = address(base_url)
        self._path = path + WEBHOOK
        self._is_secure = base_url.startswith("https:")
        self._secret = secret
        self._idle: LifoQueue = LifoQueue()
        for _ in range(CONNECTIONS_MAX):
            self._idle.put(None)  # may be opened

    def tell(self, body: bytes, at_s: int) -> tuple[int, bytes]:
        """Status and body of the answer to one signed message. Raises `Unreachable`."""
        kept, connection = None, self._idle.get()
        try:
            if connection is not None:
                try:
                    told = self._send(connection, body, at_s)
                    kept = connection
                    return told
                except (OSError, http.client.HTTPException):
                    connection.close()  # it may have been closed since; a new one decides
            connection = self._new()
            try:
                told = self._send(connection, body, at_s)
                kept = connection
                return told
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                raise Unreachable(str(error) or type(error).__name__) from None
        finally:
            self._idle.put(kept)

    def _send(
        self, connection: http.client.HTTPConnection, body: bytes, at_s: int
    ) -> tuple[int, bytes]:
        signed = signature(self._secret, body, at_s)
        headers = {"Content-Type": "application/json", "X-Payment-Signature": signed}
        connection.request("POST", self._path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def _new(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._is_secure else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=WITHIN_S)


def signature(secret: str, body: bytes, at_s: int) -> str:
    """The header of a message that is sent at `at_s`."""
    text = f"{at_s}.".encode() + body
    return f"t={at_s},v1={hmac.digest(secret.encode(), text, sha256).hex()}"
