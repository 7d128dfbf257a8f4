"""Visits in SQL as others ask for them: written, made anew, forgotten in time, read.

All calls raise `DatabaseUnavailable`. Days are of UTC, counted from 1970.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc

from rooms.sharing.visits import Piece, Seen, Visit, VisitChange, is_guest
from server.database.engine import Database
from server.database.share_tables import touches
from server.database.visit_records import (
    COUNTED,
    DAY_MS,
    Follow,
    piece_of,
    refold,
    take_turn,
    visit_of,
    write_pieces,
)
from server.database.visit_tables import (
    USUAL,
    visit_counters,
    visit_devices,
    visit_horizon,
    visit_people,
    visit_pieces,
    visit_set_aside,
    visits,
)
from server.database.words import as_storable, is_storable

T = TypeVar("T")
ERROR_CHARS_MAX = 2_000
REFOLDED_AT_ONCE = 2_000
STEPS_PIECES_MAX = 2_000  # of one page
STEPS_ORDERS_MAX = 20  # the same


@dataclass(frozen=True, slots=True)
class VisitFilters:
    """Which visits are wanted; empty or None: all. `rooms` are the only ones that may be shown.

    `person` is somebody's user id, `device` the beginning of the device's.
    """

    rooms: frozenset[str] | None = None
    person: str = ""
    device: str = ""
    channel: str = ""
    campaign: str = ""
    staff: str = ""
    inviter: str = ""
    link: str = ""
    from_ms: int | None = None
    to_ms: int | None = None


@dataclass(frozen=True, slots=True)
class DayCount:
    """What is counted of the visits that began on a day in a room and came from one source."""

    room: str
    day: int
    channel: str
    campaign: str
    staff: str
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class VisitSteps:
    """A visit and some of its pieces; `next` is where those behind them begin, None at the end."""

    visit: Visit
    pieces: list[Piece]
    next: int | None


class VisitStore:
    """`beat_gap_ms` is the setting of that name: the fold depends on it."""

    def __init__(self, database: Database, *, beat_gap_ms: int) -> None:
        self._database = database
        self._beat_gap_ms = beat_gap_ms

    # writing

    async def write(self, pieces: Sequence[Piece], follow: Sequence[Follow]) -> list[VisitChange]:
        """`visit_records.write_pieces` in a transaction of its own."""
        return await self._database.run(
            lambda connection: write_pieces(connection, pieces, self._beat_gap_ms, follow),
            attempt="store what was told of visits",
        )

    async def set_aside(self, entry_id: str, raw: bytes, error: str, now_ms: int) -> None:
        """Keep an entry of the log that cannot be a part of any visit; the same one once."""
        row = {
            "entry_id": entry_id,
            "raw": raw,
            "error": as_storable(error)[:ERROR_CHARS_MAX],
            "at_ms": now_ms,
        }

        def work(connection: sa.Connection) -> None:
            same = sa.select(visit_set_aside.c.id).where(visit_set_aside.c.entry_id == entry_id)
            if connection.execute(same).first() is None:
                connection.execute(sa.insert(visit_set_aside), row)

        try:
            await self._database.run(work, attempt="set a piece of a visit aside")
        except exc.IntegrityError:
            return  # another writer was quicker

    async def forget(self, before_ms: int, most: int) -> int:
        """Move the horizon to a day's beginning at or before this moment, and remove up to `most`
        visits that had ended by then, with their pieces. When the horizon has moved, people and
        devices not seen since go as well, with touches, and what was set aside before.

        Returns how many visits went: less than `most` when nothing is left to remove.
        """
        day = before_ms // DAY_MS
        return await self._database.run(
            lambda connection: _forget(connection, day * DAY_MS, most),
            attempt="remove visits that are over their time",
        )

    async def rebuild(self, progress: Callable[[int], None] = lambda _count: None) -> int:
        """Make visits, counters, people and devices anew from the pieces; returns how many pieces.

        In one transaction: whoever reads sees all of the old or all of the new, and whoever writes
        waits. What lies behind the horizon is counted already and stays as it is.
        """
        return await self._database.run(
            lambda connection: _rebuild(connection, self._beat_gap_ms, progress),
            attempt="make the visits anew from their pieces",
        )

    # reading

    async def find(self, visit_id: str) -> Visit | None:
        """One visit, or None."""
        if not is_storable(visit_id):
            return None
        query = sa.select(visits).where(visits.c.id == visit_id)
        row = await self._read(lambda one: one.execute(query).one_or_none(), "read a visit")
        return None if row is None else visit_of(row)

    async def whole(self, visit_id: str, after: int = 0) -> VisitSteps | None:
        """One visit and its pieces behind `after` as they stood at one instant, or None: at most
        STEPS_PIECES_MAX, and STEPS_ORDERS_MAX of them with orders.
        """
        if not is_storable(visit_id):
            return None

        def work(connection: sa.Connection) -> VisitSteps | None:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            row = connection.execute(sa.select(visits).where(visits.c.id == visit_id)).one_or_none()
            return None if row is None else _steps(connection, visit_of(row), after)

        return await self._read(work, "read a visit step by step")

    async def page(self, after_id: str | None, limit: int, wanted: VisitFilters) -> list[Visit]:
        """Up to `limit` visits, newest first: those behind visit `after_id`; None: the newest."""
        texts = [getattr(wanted, name) for name in _TEXTS]
        if not all(is_storable(text) for text in (*texts, after_id or "")):
            return []
        return await self._read(lambda one: _page(one, after_id, limit, wanted), "list visits")

    async def counters(
        self, rooms: Collection[str] | None, from_day: int, to_day: int, limit: int
    ) -> list[DayCount]:
        """What was counted from one day to another, both included; rooms None: of all."""
        columns = [visit_counters.c[name] for name in COUNTED]
        query = (
            sa.select(visit_counters)
            .where(visit_counters.c.day >= from_day, visit_counters.c.day <= to_day)
            .order_by(*(visit_counters.c[name] for name in _COUNTER_KEY))
            .limit(limit)
        )
        if rooms is not None:
            query = query.where(visit_counters.c.room_id.in_(sorted(rooms)))

        def work(connection: sa.Connection) -> list[DayCount]:
            return [
                DayCount(
                    row.room_id, row.day, row.channel, row.campaign, row.staff,
                    {column.name: getattr(row, column.name) for column in columns},
                )
                for row in connection.execute(query)
            ]  # fmt: skip

        return await self._read(work, "read the counters of visits")

    async def set_aside_count(self) -> int:
        """How many entries were set aside."""
        query = sa.select(sa.func.count()).select_from(visit_set_aside)
        return await self._read(
            lambda one: int(one.execute(query).scalar_one()), "count what was set aside"
        )

    async def _read(self, work: Callable[[sa.Connection], T], attempt: str) -> T:
        return await self._database.run(work, attempt=attempt, reads_only=True)


_TEXTS = ("person", "device", "channel", "campaign", "staff", "inviter", "link")
_COUNTER_KEY = ("day", "room_id", "channel", "campaign", "staff")


def _steps(connection: sa.Connection, visit: Visit, after: int) -> VisitSteps:
    query = (
        sa.select(visit_pieces)
        .where(visit_pieces.c.visit_id == visit.id, visit_pieces.c.id > after)
        .order_by(visit_pieces.c.id)
        .limit(STEPS_PIECES_MAX + 1)
    )
    pieces: list[Piece] = []
    orders, last = 0, after
    for row in connection.execute(query):
        piece = piece_of(row)
        orders += any(event.t == Seen.ORDER for event in piece.events)
        if len(pieces) == STEPS_PIECES_MAX or orders > STEPS_ORDERS_MAX:
            return VisitSteps(visit, pieces, last)
        pieces.append(piece)
        last = row.id
    return VisitSteps(visit, pieces, None)


def devices_of(connection: sa.Connection, user: str) -> list[str]:
    """The devices of a person that no other member has used: their guests' visits are the
    person's, too. A device of several members belongs to nobody.
    """
    if not user or is_guest(user):
        return []
    mine = sa.select(visit_devices.c.device).where(visit_devices.c.user_id == user)
    members = (
        sa.select(visit_devices.c.device)
        .where(visit_devices.c.device.in_(mine), visit_devices.c.guest.is_(False))
        .group_by(visit_devices.c.device)
        .having(sa.func.count() == 1)
    )
    return list(connection.execute(members).scalars())


def _of_person(connection: sa.Connection, user: str) -> sa.ColumnElement[bool]:
    """Visits of somebody: under the user's own id, and those that their devices made as guests."""
    own = sa.or_(visits.c.person == user, visits.c.user_id == user)
    devices = devices_of(connection, user)
    if not devices:
        return own
    return sa.or_(own, sa.and_(visits.c.device.in_(devices), visits.c.person == ""))


def _page(
    connection: sa.Connection, after_id: str | None, limit: int, wanted: VisitFilters
) -> list[Visit]:
    key = sa.tuple_(visits.c.entered_at_ms, visits.c.id)
    query = sa.select(visits).where(*_asked_for(connection, wanted))
    query = query.order_by(visits.c.entered_at_ms.desc(), visits.c.id.desc()).limit(limit)
    if after_id:
        known = sa.select(visits.c.entered_at_ms).where(visits.c.id == after_id)
        entered_at_ms = connection.execute(known).scalar_one_or_none()
        if entered_at_ms is None:
            return []
        query = query.where(key < sa.tuple_(entered_at_ms, after_id))
    if wanted.rooms is None:
        return [visit_of(row) for row in connection.execute(query)]
    found = [  # each room by its index: of all together, every visit would have to be sorted
        visit_of(row)
        for room in wanted.rooms
        for row in connection.execute(query.where(visits.c.room_id == room))
    ]
    return sorted(found, key=lambda one: (one.entered_at_ms, one.id), reverse=True)[:limit]


def _asked_for(connection: sa.Connection, wanted: VisitFilters) -> list[sa.ColumnElement[bool]]:
    """What holds for the visits that are wanted, but for their rooms."""
    found: list[sa.ColumnElement[bool]] = []
    for name in ("channel", "campaign", "staff", "inviter", "link"):
        value = getattr(wanted, name)
        if value:
            found.append(visits.c[name] == value)
        if value and value != (usual := USUAL.get(name, value)):  # the index has the others
            found.append(visits.c[name] != sa.literal_column(f"'{usual}'"))
    if wanted.device:  # `~` comes behind every character of an id
        found.append(visits.c.device.between(wanted.device, f"{wanted.device}~"))
    if wanted.person:
        found.append(_of_person(connection, wanted.person))
    if wanted.from_ms is not None:
        found.append(visits.c.entered_at_ms >= wanted.from_ms)
    if wanted.to_ms is not None:
        found.append(visits.c.entered_at_ms < wanted.to_ms)
    return found


def _forget(connection: sa.Connection, before_ms: int, most: int) -> int:
    horizon_ms = take_turn(connection)
    if before_ms > horizon_ms:
        horizon_ms = before_ms
        _move_horizon(connection, horizon_ms)
    query = sa.select(visits.c.id).where(
        visits.c.entered_at_ms < horizon_ms, visits.c.last_at_ms < horizon_ms
    )
    gone = list(connection.execute(query.limit(most)).scalars())
    if gone:
        connection.execute(sa.delete(visit_pieces).where(visit_pieces.c.visit_id.in_(gone)))
        connection.execute(sa.delete(visits).where(visits.c.id.in_(gone)))
    return len(gone)


def _move_horizon(connection: sa.Connection, horizon_ms: int) -> None:
    """Once a day, so that a look at everybody is no matter: they have no index by day."""
    connection.execute(sa.update(visit_horizon).values(before_ms=horizon_ms))
    for table in (visit_people, visit_devices):
        connection.execute(sa.delete(table).where(table.c.last_day < horizon_ms // DAY_MS))
    connection.execute(sa.delete(touches).where(touches.c.at_ms < horizon_ms))
    connection.execute(sa.delete(visit_set_aside).where(visit_set_aside.c.at_ms < horizon_ms))


def _rebuild(connection: sa.Connection, beat_gap_ms: int, progress: Callable[[int], None]) -> int:
    horizon_ms = take_turn(connection)
    connection.execute(sa.delete(visits))
    connection.execute(
        sa.delete(visit_counters).where(visit_counters.c.day >= horizon_ms // DAY_MS)
    )
    for table in (visit_people, visit_devices):
        connection.execute(sa.delete(table).where(table.c.first_at_ms >= horizon_ms))
    after, count = 0, 0
    while True:
        query = sa.select(visit_pieces).where(visit_pieces.c.id > after)
        query = query.order_by(visit_pieces.c.id).limit(REFOLDED_AT_ONCE)
        rows: Sequence[Any] = connection.execute(query).all()
        if not rows:
            return count
        refold(connection, [piece_of(row) for row in rows], beat_gap_ms)
        after, count = rows[-1].id, count + len(rows)
        progress(count)
