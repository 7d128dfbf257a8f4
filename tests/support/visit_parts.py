"""Pieces of visits for tests, without a page."""

from __future__ import annotations

from typing import Any

from rooms.sharing.sources import Source
from rooms.sharing.visits import Event, Piece, Seen, Told

BEGAN_MS = 1_750_000_000_000
GAP_MS = 20_000
BY_ALICE = Source("wechat", "", "", "alice", "link-of-alice")


def event(t: str, at_ms: int = 0, **facts: Any) -> Event:
    """`at_ms` is counted from the beginning of the story."""
    return Event(t, BEGAN_MS + at_ms, facts)


def piece(
    key: str = "p1",
    *events: Event,
    at_ms: int = 0,
    visit: str = "visit-0000000000",
    room: str = "demo",
    **facts: Any,
) -> Piece:
    """A piece received `at_ms` after the beginning; of a guest unless a user is named."""
    if facts.get("user") and "guest" not in facts:
        facts["guest"] = facts["user"].startswith("guest-")
    return Piece(visit, key, room, BEGAN_MS + at_ms, events, **facts)


def arrival(
    visit: str = "visit-0000000000",
    *,
    at_ms: int = 0,
    source: Source = BY_ALICE,
    comment: str = "c1",
    **facts: Any,
) -> list[Piece]:
    """Somebody comes, looks for a good minute, says something and goes."""

    def at(key: str, after_ms: int, *events: Event, **more: Any) -> Piece:
        moment_ms = at_ms + after_ms
        told = tuple(Event(one.t, one.at_ms + at_ms, one.facts) for one in events)
        return piece(key, *told, at_ms=moment_ms, visit=visit, **facts, **more)

    beats = [at(f"p{n + 1}", n * 15_000, event(Told.BEAT, n * 15_000)) for n in range(1, 5)]
    return [
        at("p1", 0, event(Told.ENTER), event(Told.VISIBLE), source=source),
        *beats[:2],
        at(f"comment.{comment}", 40_000, event(Seen.COMMENT, 40_000, id=comment)),
        *beats[2:],
        at("gone", 66_000, event(Seen.GONE, 66_000)),
    ]
