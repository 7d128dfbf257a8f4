"""How the text of a setting is read. Each raises ValueError that says what the value must be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit


def text(said: str) -> str:
    if not said.strip():
        raise ValueError("is empty")
    return said.strip()


def whole_number(said: str, *, least: int, most: int | None = None) -> int:
    """A number from `least` to `most`; None: without an end."""
    try:
        value = int(said)
    except ValueError:
        raise ValueError(f"must be a whole number, not {said!r}") from None
    if value < least or (most is not None and value > most):
        bounds = f"at least {least}" if most is None else f"{least} to {most}"
        raise ValueError(f"must be {bounds}, not {value}")
    return value


def port(said: str) -> int:
    return whole_number(said, least=0, most=65_535)


def workers(said: str) -> int:
    return whole_number(said, least=1, most=256)


def yes_or_no(said: str) -> bool:
    word = said.strip().lower()
    if word in {"1", "true", "yes", "on"}:
        return True
    if word in {"", "0", "false", "no", "off"}:
        return False
    raise ValueError(f"must be 1 or 0, not {said!r}")


def one_of(*choices: str) -> Callable[[str], str]:
    def parse(said: str) -> str:
        word = said.strip().lower()
        if word not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}, not {said!r}")
        return word

    return parse


def url(*schemes: str) -> Callable[[str], str]:
    def parse(said: str) -> str:
        try:
            scheme = urlsplit(said.strip()).scheme
        except ValueError as error:
            raise ValueError(f"is not a URL: {error}") from None
        if scheme.split("+psycopg")[0] not in schemes:
            raise ValueError(f"must start with one of {', '.join(schemes)}")
        return said.strip()

    return parse


def origins(said: str) -> tuple[str, ...]:
    origins = tuple(part.strip().rstrip("/") for part in said.split(",") if part.strip())
    for origin in origins:
        parts = urlsplit(origin)
        if origin != "*" and (parts.scheme not in {"http", "https"} or parts.path):
            raise ValueError(f"{origin!r} is not an origin such as https://shop.example")
    return origins


def addresses(said: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in said.split(",") if part.strip())


def path(said: str) -> Path:
    return Path(text(said))


def color(said: str) -> str:
    value = said.strip()
    if (
        len(value) != 7
        or value[0] != "#"
        or any(c not in "0123456789abcdefABCDEF" for c in value[1:])
    ):
        raise ValueError(f"must look like #e5383b, not {said!r}")
    return value


def web_address(said: str) -> str:
    parts = urlsplit(said.strip())
    if said.strip() and parts.scheme != "https" and not said.startswith("/"):
        raise ValueError("must be an https:// address or a path on this server")
    return said.strip()


def site(said: str) -> str:
    try:
        parts = urlsplit(said.strip())
    except ValueError as error:
        raise ValueError(f"is not a URL: {error}") from None
    bare = parts.path in {"", "/"} and not (parts.query or parts.fragment or parts.username)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not bare:
        raise ValueError(f"{said!r} is not an origin such as https://shop.example")
    return said.strip().rstrip("/")
