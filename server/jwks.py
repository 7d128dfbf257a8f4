"""Public keys of another issuer (a JSON Web Key Set), from a file or by HTTPS.

Knows how keys arrive and change. Fetching happens in a thread of its own: finding a key never
waits. Refuses to know what a token says.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib import request
from urllib.error import HTTPError
from urllib.parse import urlsplit

import orjson
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

KEY_SET_BYTES_MAX = 1_048_576
KEYS_MAX = 100
FETCH_WITHIN_S = 5
REFRESH_GAP_S = 30.0  # a flood of tokens with made-up key ids costs one fetch in this time
REFRESH_AGE_S = 3_600.0  # a key that its issuer withdrew is forgotten after about this time
RSA_BITS_MIN = 2048

_log = logging.getLogger(__name__)


class JwksUnusable(Exception):
    """The key set cannot be had or holds no usable key; the text says why."""


class KeySet:
    """The RS256 and ES256 keys at one place, refreshed when an unknown key id is asked for.

    A file is read at once and must be good: `ValueError` otherwise. An address is fetched in the
    background, now and later; while that fails the keys known so far stay in use.
    `on_change` is called, in the fetching thread, after the keys changed.
    """

    def __init__(
        self,
        source: str,
        *,
        on_change: Callable[[], None] = lambda: None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._on_change = on_change
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._keys: list[PyJWK] = []
        self._fetched_s = float("-inf")
        self._running: threading.Thread | None = None
        self.problem: str | None = None  # why the last refresh failed, for an operator
        if "://" in source:
            _check_address(source)
            self._refresh_soon()
        else:
            try:
                self._keys = _read_keys(Path(source).read_bytes())
            except (OSError, JwksUnusable) as error:
                raise ValueError(f"key set {source}: {error}") from error
            self._fetched_s = monotonic_s()

    def find(self, algorithm: str, key_id: str | None) -> PyJWK | None:
        """The key a token names, or the only one of its algorithm if it names none.

        None: there is no such key, as far as is known. An unknown id starts a refresh, at most
        one in `REFRESH_GAP_S`; see `is_refreshing`.
        """
        found = [
            key
            for key in self._keys
            if key.algorithm_name == algorithm and key_id in {None, key.key_id}
        ]
        age_s = self._monotonic_s() - self._fetched_s
        if age_s > (REFRESH_GAP_S if not found else REFRESH_AGE_S):
            self._refresh_soon()
        return found[0] if len(found) == 1 or (found and key_id is not None) else None

    @property
    def is_refreshing(self) -> bool:
        """True while a refresh runs: a key that is unknown now may be known in a moment."""
        running = self._running
        return running is not None and running.is_alive()

    def wait_for_refresh(self, within_s: float) -> None:
        """Return when no refresh runs any more, at the latest after `within_s`."""
        running = self._running
        if running is not None:
            running.join(within_s)

    def _refresh_soon(self) -> None:
        with self._lock:
            if self.is_refreshing:
                return
            self._fetched_s = self._monotonic_s()
            self._running = threading.Thread(target=self._refresh, name="jwks", daemon=True)
            self._running.start()

    def _refresh(self) -> None:
        try:
            if "://" in self._source:
                keys = _read_keys(_fetch(self._source))
            else:
                keys = _read_keys(Path(self._source).read_bytes())
        except (OSError, ValueError, JwksUnusable) as error:
            self.problem = str(error) or type(error).__name__
            _log.warning("key set %s could not be refreshed: %s", self._source, self.problem)
            return
        self.problem = None
        changed = _fingerprints(keys) != _fingerprints(self._keys)
        self._keys = keys
        if changed:
            self._on_change()


class _NoRedirect(request.HTTPRedirectHandler):
    """A redirect could lead from https to http, or to a host nobody configured."""

    def redirect_request(
        self, req: request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        raise HTTPError(req.full_url, code, f"redirects to {newurl}, which is refused", headers, fp)


def _check_address(address: str) -> None:
    parts = urlsplit(address)
    loopback = parts.hostname in {"127.0.0.1", "::1", "localhost"}
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
        raise ValueError(f"key set {address}: must be a file or an https:// address")


def _fetch(address: str) -> bytes:
    handlers: list[request.BaseHandler] = [_NoRedirect()]
    if urlsplit(address).scheme == "http":
        handlers.append(request.ProxyHandler({}))  # this machine is not asked through a proxy
    with request.build_opener(*handlers).open(address, timeout=FETCH_WITHIN_S) as answer:
        body: bytes = answer.read(KEY_SET_BYTES_MAX + 1)
    if len(body) > KEY_SET_BYTES_MAX:
        raise JwksUnusable(f"is larger than {KEY_SET_BYTES_MAX} bytes")
    return body


def _read_keys(body: bytes) -> list[PyJWK]:
    """The usable keys of a set; what is not for RS256 or ES256 signatures is passed over."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise JwksUnusable(f"is not JSON: {error}") from error
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or len(entries) > KEYS_MAX:
        raise JwksUnusable(f"must be an object with a list `keys` of at most {KEYS_MAX}")
    keys = [key for entry in entries if (key := _usable(entry)) is not None]
    if not keys:
        raise JwksUnusable("holds no public key for RS256 or ES256")
    return keys


def _usable(entry: object) -> PyJWK | None:
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    if not isinstance(entry.get("kid", ""), str) or entry.get("kty") not in {"RSA", "EC"}:
        return None
    try:
        key = PyJWK(entry)
    except (PyJWTError, ValueError, TypeError, NotImplementedError):
        return None
    # Judged by the key itself: a private key, a weak one or another curve is never used.
    if key.algorithm_name == "RS256" and isinstance(key.key, RSAPublicKey):
        return key if key.key.key_size >= RSA_BITS_MIN else None
    if key.algorithm_name == "ES256" and isinstance(key.key, EllipticCurvePublicKey):
        return key if isinstance(key.key.curve, SECP256R1) else None
    return None


def _fingerprints(keys: list[PyJWK]) -> list[tuple[str | None, str, Any]]:
    return [(key.key_id, key.algorithm_name, key.key.public_numbers()) for key in keys]
