"""How many people a room has had at once lately, and how lively they were; from its visits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from flash_sale.catalog import is_id
from server.database.engine import Database
from server.database.visit_tables import visits

VISITS_MAX = 50_000  # that are looked at, the newest


@dataclass(frozen=True, slots=True)
class Audience:
    """Of a room's visits since an instant. Rates are those of a visitor, by the second."""

    visits: int
    at_once: int  # the most people who were there at one instant
    comments_per_s: float
    likes_per_s: float
    shares_per_s: float


async def audience_of(database: Database, room: str, since_ms: int) -> Audience:
    """The newest `VISITS_MAX` visits of a room since then. Raises `DatabaseUnavailable`."""
    columns = (
        visits.c.entered_at_ms,
        visits.c.last_at_ms,
        visits.c.comments,
        visits.c.likes,
        visits.c.shares,
    )
    query = (
        sa.select(*columns)
        .where(visits.c.room_id == room, visits.c.entered_at_ms >= since_ms)
        .order_by(visits.c.entered_at_ms.desc())
        .limit(VISITS_MAX)
    )

    def work(connection: sa.Connection) -> Audience:
        return _audience(connection.execute(query).all() if is_id(room) else [])

    return await database.run(work, attempt=f"read the audience of {room}", reads_only=True)


def _audience(rows: Iterable[Any]) -> Audience:
    found = list(rows)
    seconds = sum(max(row.last_at_ms - row.entered_at_ms, 1_000) for row in found) / 1_000

    def rate(name: str) -> float:
        return sum(getattr(row, name) for row in found) / seconds if found else 0.0

    return Audience(
        visits=len(found),
        at_once=at_once((row.entered_at_ms, row.last_at_ms) for row in found),
        comments_per_s=rate("comments"),
        likes_per_s=rate("likes"),
        shares_per_s=rate("shares"),
    )


def at_once(stays: Iterable[tuple[int, int]]) -> int:
    """The most stays that hold at one instant; both ends belong to a stay."""
    steps = sorted(
        step for entered, left in stays for step in ((entered, -1), (max(entered, left), 1))
    )
    most = here = 0
    for _, leaves in steps:
        here -= leaves
        most = max(most, here)
    return most
