"""Signed messages between a payment provider and us, the same in both directions.

`X-Payment-Signature: t=<Unix seconds>,v1=<hex>` where the hex is HMAC-SHA256 of
`<Unix seconds>.<body>` under the shared secret, over the bytes of the body as they were sent.
"""

from __future__ import annotations

import hmac
import re
from hashlib import sha256

HEADER = "X-Payment-Signature"
HEADER_CHARS_MAX = 1_024
_SECONDS = re.compile(r"[0-9]{1,12}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class BadSignature(Exception):
    """The message is not to be believed; the text says why, and repeats nothing secret."""


def sign(secret: str, body: bytes, at_s: int) -> str:
    """The value of the header for a body that is sent at `at_s`."""
    return f"t={at_s},v1={_digest(secret, str(at_s), body)}"


def verify(secret: str, header: str, body: bytes, now_s: float, tolerance_s: int) -> None:
    """Return if the body was signed with the secret, at most `tolerance_s` from now.

    Several `v1` may be given, as while a secret is changed: one good one is enough. Parts of
    other names are passed over. Raises `BadSignature`, also with an empty secret.
    """
    if not secret:
        raise BadSignature("this server takes no messages of a payment provider")
    at_s, digests = _parse(header)
    expected = _digest(secret, at_s, body)
    # Each is compared in whole and all are compared: the time tells nothing of where they differ.
    matches = [hmac.compare_digest(expected, digest) for digest in digests]
    if True not in matches:
        raise BadSignature("v1 does not match the body under this secret")
    away_s = now_s - int(at_s)
    if abs(away_s) > tolerance_s:
        side = "old" if away_s > 0 else "early"
        raise BadSignature(f"t is too {side}: more than {tolerance_s} s from this server's clock")


def _parse(header: str) -> tuple[str, list[str]]:
    """The timestamp, as it was written, and the digests of a header."""
    if not header:
        raise BadSignature(f"the header {HEADER} is missing")
    if len(header) > HEADER_CHARS_MAX:
        raise BadSignature(f"the header {HEADER} has more than {HEADER_CHARS_MAX} characters")
    times: list[str] = []
    digests: list[str] = []
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name == "t":
            times.append(value)
        elif name == "v1":
            digests.append(value)
    if len(times) != 1 or not _SECONDS.fullmatch(times[0]):
        raise BadSignature("t must be given once, as whole Unix seconds")
    if not digests or not all(_DIGEST.fullmatch(digest) for digest in digests):
        raise BadSignature("v1 must be given, as 64 lower-case hex digits")
    return times[0], digests


def _digest(secret: str, at_s: str, body: bytes) -> str:
    return hmac.digest(secret.encode(), at_s.encode() + b"." + body, sha256).hex()
