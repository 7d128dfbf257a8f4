"""The API of a server as a rehearsal calls it: one JSON request, one JSON answer, blocking.

No proxy of the environment is used: what is measured must not pass through one. Thread-safe.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

WITHIN_S: Final = 10.0
REASON_CHARS_MAX: Final = 300

_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ApiError(Exception):
    """The server refused, or could not be reached. `status` is 0 where there was no answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. The names in `headers` are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Api:
    """The API under `base_url`, such as `http://127.0.0.1:8000` or that of a shadow shop."""

    base_url: str
    key: str = ""

    def call(
        self, method: str, path: str, body: object = None, *, within_s: float = WITHIN_S
    ) -> Any:
        """The JSON of the answer; None where the answer is empty. Raises `ApiError`."""
        sent = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        answer = self.send(method, path, sent, "application/json", within_s=within_s)
        try:
            return json.loads(answer.body) if answer.body.strip() else None
        except ValueError:
            raise ApiError(answer.status, f"{method} {path}: the answer is not JSON") from None

    def text(self, path: str, *, within_s: float = WITHIN_S) -> str:
        """What GET answers, as text: a CSV file, the metrics. Raises `ApiError`."""
        return self.send("GET", path, within_s=within_s).body.decode()

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        content_type: str = "",
        *,
        within_s: float = WITHIN_S,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request with these bytes. Raises `ApiError` for every status but 2xx and 3xx."""
        named = {**({"X-API-Key": self.key} if self.key else {}), **(headers or {})}
        if content_type:
            named["Content-Type"] = content_type
        url = self.base_url.rstrip("/") + path
        try:
            request = urllib.request.Request(url, body, named, method=method)
            with _OPENER.open(request, timeout=within_s) as answer:
                told = {name.lower(): value for name, value in answer.headers.items()}
                return Answer(answer.status, told, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                raise ApiError(error.code, f"{method} {path}: {_reason(error)}") from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            why = getattr(error, "reason", None) or error
            raise ApiError(0, f"{url} cannot be reached: {why}") from None


def address(base_url: str) -> tuple[str, int, str]:
    """(host, port, path without a last slash) of an http or https URL. Raises `ValueError`."""
    parts = urllib.parse.urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{base_url}: an address such as https://shop.example.com is needed")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.hostname, port, parts.path.rstrip("/")


def _reason(error: urllib.error.HTTPError) -> str:
    """What the server says is wrong, short; the status in any case."""
    try:
        text = error.read(100_000).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        text = ""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if isinstance(value, dict):
        inner = value.get("error")
        value = inner if isinstance(inner, dict) else value
        text = next((str(value[k]) for k in ("message", "detail", "code") if k in value), text)
    return f"{error.code} {' '.join(text.split())[:REASON_CHARS_MAX]}".strip()
