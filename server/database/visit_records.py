"""Storing pieces of visits, and what they come to, in one transaction.

Synchronous functions on a connection of `Database.run`. The same pieces again change nothing.
Writers take turns by the horizon's row, so that pieces are folded in the order of their numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import orjson
import sqlalchemy as sa

from rooms.sharing.sources import Source
from rooms.sharing.visits import Piece, Visit, VisitChange, fold, is_guest, with_sign_in
from server.database.bulk import Bulk
from server.database.visit_tables import (
    visit_counters,
    visit_devices,
    visit_horizon,
    visit_people,
    visit_pieces,
    visits,
)
from server.sharing.visit_wire import events_json, parse_events, parse_source, source_json

# Called in the writer's transaction with what newly stored pieces made of their visits, in the
# order in which each visit was first touched. What it raises undoes the pieces, too.
Follow = Callable[[sa.Connection, list[VisitChange]], None]

DAY_MS = 86_400_000
IDS_AT_ONCE = 500
COUNTED = (
    *("visits", "members", "visible_ms", "cards_seen", "cards_opened", "skus_picked"),
    *("checkouts", "orders", "comments", "likes", "shares"),
)
_COLUMNS = tuple(column.name for column in visits.columns)
_PIECE_COLUMNS = tuple(column.name for column in visit_pieces.columns if column.name != "id")
_CHANGING = tuple(name for name in _COLUMNS if name != "id")
_STORE_PIECES = Bulk(visit_pieces, _PIECE_COLUMNS)
_STORE_VISITS = Bulk(
    visits,
    _COLUMNS,
    conflict="ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _CHANGING),
)
_STORE_COUNTERS = Bulk(
    visit_counters,
    ("room_id", "day", "channel", "campaign", "staff", *COUNTED),
    conflict="ON CONFLICT (room_id, day, channel, campaign, staff) DO UPDATE SET "
    + ", ".join(f"{name} = visit_counters.{name} + excluded.{name}" for name in COUNTED),
)
_SEEN_COLUMNS = ("guest", "first_at_ms", "first_visit", "last_day")
_STORE_PEOPLE = Bulk(
    visit_people,
    ("user_id", *_SEEN_COLUMNS),
    conflict="ON CONFLICT (user_id) DO UPDATE SET last_day = excluded.last_day"
    " WHERE visit_people.last_day < excluded.last_day",
)
_STORE_DEVICES = Bulk(
    visit_devices,
    ("device", "user_id", *_SEEN_COLUMNS),
    conflict="ON CONFLICT (device, user_id) DO UPDATE SET last_day = excluded.last_day"
    " WHERE visit_devices.last_day < excluded.last_day",
)


def write_pieces(
    connection: sa.Connection,
    pieces: Sequence[Piece],
    beat_gap_ms: int,
    follow: Sequence[Follow] = (),
) -> list[VisitChange]:
    """Store the pieces that are new, in their order, and what follows from them.

    Whatever `follow` raises is raised. Pieces from before the horizon are passed over.
    """
    before_ms = take_turn(connection)
    known = _known_keys(connection, pieces)
    new: dict[tuple[str, str], Piece] = {}
    for piece in pieces:
        key = (piece.visit, piece.key)
        if key not in known and piece.received_at_ms >= before_ms:
            new.setdefault(key, piece)
    if not new:
        return []
    earlier = read_visits(connection, {piece.visit for piece in new.values()})
    folded, told = _folded(earlier, new.values(), beat_gap_ms)
    _STORE_PIECES.store(connection, [_piece_row(piece) for piece in told])
    changes = [VisitChange(earlier.get(visit.id), visit) for visit in folded.values()]
    store_changes(connection, changes, told)
    for one in follow:
        one(connection, changes)
    return changes


def refold(connection: sa.Connection, pieces: Sequence[Piece], beat_gap_ms: int) -> None:
    """Fold pieces that are stored already once more, in their order, for a rebuild.

    What lies behind the horizon was counted, and its people noted, when it was written.
    """
    before_ms = take_turn(connection)
    earlier = read_visits(connection, {piece.visit for piece in pieces})
    folded, _ = _folded(earlier, pieces, beat_gap_ms)
    changes = [VisitChange(earlier.get(visit.id), visit) for visit in folded.values()]
    seen = [piece for piece in pieces if piece.received_at_ms >= before_ms]
    store_changes(connection, changes, seen, counted_from_ms=before_ms)


def take_turn(connection: sa.Connection) -> int:
    """Wait until no other writer of visits is at work; returns the horizon."""
    query = sa.select(visit_horizon.c.before_ms).where(visit_horizon.c.id == 1).with_for_update()
    return int(connection.execute(query).scalar_one())


def read_visits(connection: sa.Connection, ids: Collection[str]) -> dict[str, Visit]:
    """The visits of these ids that there are."""
    found: dict[str, Visit] = {}
    listed = sorted(ids)
    for start in range(0, len(listed), IDS_AT_ONCE):
        query = sa.select(visits).where(visits.c.id.in_(listed[start : start + IDS_AT_ONCE]))
        found |= {row.id: visit_of(row) for row in connection.execute(query)}
    return found


def visit_of(row: Any) -> Visit:
    """A row of `visits` as the words have it."""
    facts = {name: getattr(row, column) for name, column in _FIELDS.items()}
    source = Source(row.channel, row.campaign, row.staff, row.inviter, row.link)
    return Visit(**facts, source=source)


def piece_of(row: Any) -> Piece:
    """A row of `visit_pieces` as the words have it."""
    source = None if row.source is None else parse_source(orjson.loads(row.source))
    return Piece(
        visit=row.visit_id,
        key=row.key,
        room=row.room_id,
        received_at_ms=row.received_at_ms,
        events=parse_events(orjson.loads(row.events)),
        device=row.device,
        user=row.user_id,
        guest=row.guest,
        net=row.net,
        agent=row.agent,
        app=row.app,
        explaining=row.explaining,
        source=source,
    )


# Fields of a visit by their columns, where the two differ; a source has columns of its own.
_RENAMED = {"room": "room_id", "user": "user_id", "left": "gone"}
_FIELDS = {
    field.name: _RENAMED.get(field.name, field.name)
    for field in fields(Visit)
    if field.name != "source"
}


def _folded(
    earlier: Mapping[str, Visit], pieces: Iterable[Piece], beat_gap_ms: int
) -> tuple[dict[str, Visit], list[Piece]]:
    """The visits after these pieces, and the pieces as they are stored."""
    folded: dict[str, Visit] = {}
    told: list[Piece] = []
    for piece in pieces:
        before = folded.get(piece.visit) or earlier.get(piece.visit)
        piece = with_sign_in(before, piece)
        told.append(piece)
        folded[piece.visit] = fold(before, piece, beat_gap_ms)
    return folded, told


def _known_keys(connection: sa.Connection, pieces: Sequence[Piece]) -> set[tuple[str, str]]:
    key = sa.tuple_(visit_pieces.c.visit_id, visit_pieces.c.key)
    wanted = sorted({(piece.visit, piece.key) for piece in pieces})
    found: set[tuple[str, str]] = set()
    for start in range(0, len(wanted), IDS_AT_ONCE):
        query = sa.select(*key.clauses).where(key.in_(wanted[start : start + IDS_AT_ONCE]))
        found |= {(row[0], row[1]) for row in connection.execute(query)}
    return found


def _piece_row(piece: Piece) -> tuple[Any, ...]:
    source = None if piece.source is None else orjson.dumps(source_json(piece.source)).decode()
    return (
        *(piece.visit, piece.key, piece.room, piece.received_at_ms, piece.device, piece.user),
        *(piece.guest, piece.net, piece.agent, piece.app, piece.explaining, source),
        orjson.dumps(events_json(piece.events)).decode(),
    )


def store_changes(
    connection: sa.Connection,
    changes: Sequence[VisitChange],
    pieces: Iterable[Piece],
    *,
    counted_from_ms: int = 0,
) -> None:
    """Write visits as they are after their changes, who was seen, and what is counted.

    What belongs to visits that began before `counted_from_ms` is counted already.
    """
    _STORE_VISITS.store(connection, [_visit_row(change.after) for change in changes])
    _store_seen(connection, pieces)
    counts: dict[tuple[str, int, str, str, str], list[int]] = defaultdict(
        lambda: [0] * len(COUNTED)
    )
    for change in changes:
        if change.after.entered_at_ms < counted_from_ms:
            continue
        before = (0,) * len(COUNTED) if change.before is None else _counts(change.before)
        total = counts[_counter_key(change.after)]
        for index, amount in enumerate(_counts(change.after)):
            total[index] += amount - before[index]
    _STORE_COUNTERS.store(connection, [(*key, *total) for key, total in counts.items()])


def _visit_row(visit: Visit) -> tuple[Any, ...]:
    source = visit.source
    values = {column: getattr(visit, name) for name, column in _FIELDS.items()} | {
        "channel": source.channel,
        "campaign": source.campaign,
        "staff": source.staff,
        "inviter": source.inviter,
        "link": source.link,
    }
    return tuple(values[column] for column in _COLUMNS)


def _counter_key(visit: Visit) -> tuple[str, int, str, str, str]:
    source = visit.source
    day = visit.entered_at_ms // DAY_MS
    return visit.room, day, source.channel, source.campaign, source.staff


def _counts(visit: Visit) -> tuple[int, ...]:
    return (
        *(1, int(bool(visit.person)), visit.visible_ms, visit.cards_seen, visit.cards_opened),
        *(visit.skus_picked, visit.checkouts, visit.orders, visit.comments, visit.likes),
        visit.shares,
    )


def _store_seen(connection: sa.Connection, pieces: Iterable[Piece]) -> None:
    """Who was here and on which device. Pieces come in the order in which they were received."""
    people: dict[str, tuple[Any, ...]] = {}
    devices: dict[tuple[str, str], tuple[Any, ...]] = {}
    for piece in pieces:
        day = piece.received_at_ms // DAY_MS
        guest = piece.guest or is_guest(piece.user)
        facts = (guest, piece.received_at_ms, piece.visit)
        if piece.user:
            first = people.get(piece.user, facts)
            people[piece.user] = (*first[:3], day)
        if piece.device:
            first = devices.get((piece.device, piece.user), facts)
            devices[piece.device, piece.user] = (*first[:3], day)
    _STORE_PEOPLE.store(connection, [(user, *facts) for user, facts in sorted(people.items())])
    _STORE_DEVICES.store(connection, [(*key, *facts) for key, facts in sorted(devices.items())])
