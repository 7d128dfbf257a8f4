"""Arrivals in SQL: opened and kept up to date by the writer of visits, until they are judged.

Everything here runs in a transaction of the caller's. Told twice, it changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from rooms.sharing.arrivals import Verdict, qualifies
from rooms.sharing.ladders import LadderState
from rooms.sharing.visits import Visit, VisitChange
from server.database.bulk import Bulk
from server.database.ladder_records import read_ladders
from server.database.ladder_tables import arrivals, ladders
from server.database.ladder_words import LadderRecord

ROOMS_AT_ONCE = 500
_COLUMNS = tuple(column.name for column in arrivals.columns)
_FOLLOWING = (
    *("user_id", "person", "device", "last_at_ms", "visible_ms", "actions"),
    *("first_action_at_ms", "faults"),
)
_ONCE = ("due_at_ms", "verdict")  # as they were when the visit qualified
_STORE = Bulk(
    arrivals,
    _COLUMNS,
    conflict="ON CONFLICT (ladder_id, visit_id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _FOLLOWING)
    + ", qualified_at_ms = COALESCE(arrivals.qualified_at_ms, excluded.qualified_at_ms), "
    + ", ".join(
        f"{name} = CASE WHEN arrivals.qualified_at_ms IS NULL THEN excluded.{name}"
        f" ELSE arrivals.{name} END"
        for name in _ONCE
    )
    + " WHERE arrivals.verdict IN ('open', 'qualified')",
)


class Arrivals:
    """Follows the writer of visits: an invited visit is an arrival of the ladder that runs then."""

    def __init__(self, visit_idle_s: int) -> None:
        self._idle_ms = visit_idle_s * 1000

    def follow(self, connection: sa.Connection, changes: Sequence[VisitChange]) -> None:
        """Take in what newly stored pieces made of visits, in the transaction that stores them.

        What was judged stays as it is.
        """
        invited = {change.after.id: change.after for change in changes if _inviter(change.after)}
        if not invited:
            return
        running = _published(connection, sorted({visit.room for visit in invited.values()}))
        rows = []
        for _id, visit in sorted(invited.items()):  # one order for all: nobody waits in a circle
            for record in running.get(visit.room, ()):
                terms = record.terms
                if terms.starts_at_ms <= visit.entered_at_ms < terms.ends_at_ms:
                    rows.append(self._row(record, visit))
        _STORE.store(connection, rows)

    def _row(self, record: LadderRecord, visit: Visit) -> tuple[Any, ...]:
        thresholds = record.terms.thresholds
        qualified = qualifies(visit.visible_ms, visit.actions, thresholds)
        wait_ms = thresholds.settle_ms if qualified else self._idle_ms
        values = {
            "ladder_id": record.terms.id,
            "visit_id": visit.id,
            "room_id": visit.room,
            "inviter": visit.source.inviter,
            "link": visit.source.link,
            "channel": visit.source.channel,
            "app": visit.app,
            "user_id": visit.user,
            "person": visit.person,
            "device": visit.device,
            "net": visit.net,
            "agent": visit.agent,
            "entered_at_ms": visit.entered_at_ms,
            "last_at_ms": visit.last_at_ms,
            "visible_ms": visit.visible_ms,
            "actions": visit.actions,
            "first_action_at_ms": visit.first_action_at_ms,
            "faults": visit.faults,
            "qualified_at_ms": visit.last_at_ms if qualified else None,
            "due_at_ms": visit.last_at_ms + wait_ms,
            "verdict": str(Verdict.QUALIFIED if qualified else Verdict.OPEN),
            "judged_at_ms": None,
            "rewarded": "",
        }
        return tuple(values[name] for name in _COLUMNS)


def _inviter(visit: Visit) -> str:
    return visit.source.inviter


def _published(connection: sa.Connection, rooms: Sequence[str]) -> dict[str, list[LadderRecord]]:
    """The published ladders by room."""
    found: list[str] = []
    for start in range(0, len(rooms), ROOMS_AT_ONCE):
        query = sa.select(ladders.c.id).where(
            ladders.c.room_id.in_(rooms[start : start + ROOMS_AT_ONCE]),
            ladders.c.state == LadderState.PUBLISHED.value,
        )
        found += connection.execute(query).scalars()
    by_room: dict[str, list[LadderRecord]] = {}
    for record in read_ladders(connection, found).values() if found else ():
        by_room.setdefault(record.terms.room, []).append(record)
    return by_room
