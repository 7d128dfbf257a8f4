"""How a piece of a visit travels to SQL: one line of JSON, short names, absent when empty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from rooms.sharing.sources import Source
from rooms.sharing.visits import Event, Fact, Piece

# Text fields of a piece by their names on the way; `received_at_ms` is the store's to say.
_TEXTS = {
    "v": "visit",
    "k": "key",
    "r": "room",
    "d": "device",
    "u": "user",
    "n": "net",
    "a": "agent",
    "p": "app",
    "x": "explaining",
}
_SOURCE = ("channel", "campaign", "staff", "inviter", "link")

ToldEvent = tuple[str, int, dict[str, Fact]]


class UnreadablePiece(ValueError):
    """These bytes are no piece; the text says what is wrong."""


def piece_bytes(piece: Piece) -> bytes:
    """A piece as JSON."""
    told: dict[str, Any] = {
        short: text for short, name in _TEXTS.items() if (text := getattr(piece, name))
    }
    if not piece.guest:
        told["m"] = 1
    if piece.source is not None:
        told["s"] = source_json(piece.source)
    told["e"] = events_json(piece.events)
    return orjson.dumps(told)


def parse_piece(text: bytes, received_at_ms: int) -> Piece:
    """The piece again, as it was received at that moment. Raises `UnreadablePiece`."""
    try:
        told = orjson.loads(text)
        texts = {name: _text(told.get(short, "")) for short, name in _TEXTS.items()}
        if not (texts["visit"] and texts["key"] and texts["room"]):
            raise ValueError("a piece without visit, key or room")
        source = told.get("s")
        return Piece(
            **texts,
            received_at_ms=received_at_ms,
            events=parse_events(told["e"]),
            guest="m" not in told,
            source=None if source is None else parse_source(source),
        )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UnreadablePiece(f"{type(error).__name__}: {error}") from error


def events_json(events: Sequence[Event]) -> list[list[Any]]:
    """Events as [t, at_ms, {facts}]; without facts the third is left out."""
    return [
        [event.t, event.at_ms, dict(event.facts)] if event.facts else [event.t, event.at_ms]
        for event in events
    ]


def parse_events(told: list[list[Any]]) -> tuple[Event, ...]:
    """The events again. Raises ValueError, TypeError or IndexError for anything else."""
    return tuple(Event(_text(one[0]), int(one[1]), one[2] if len(one) > 2 else {}) for one in told)


def source_json(source: Source) -> dict[str, str]:
    """The parts of a source that are said."""
    return {name: text for name in _SOURCE if (text := getattr(source, name))}


def parse_source(told: dict[str, str]) -> Source:
    """The source again. Raises TypeError for anything else."""
    return Source(**{name: _text(text) for name, text in told.items()})


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
