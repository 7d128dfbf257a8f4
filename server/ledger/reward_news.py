"""Telling people of their rewards and progress, and rooms of their ranking.

What is not told yet stands in SQL and is told at least once, after its transaction; a page asks
anew when it connects.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa

from rooms.adapters.script import RedisClient
from server.control import incentive_message, pulse_message, tell_workers
from server.database.engine import Database
from server.database.grant_records import grant_of
from server.database.ladder_tables import ladder_grants, ladder_members, ladders
from server.database.ladder_words import Grant
from server.database.reward_records import RewardRecords
from server.live_room import RANKING
from server.sharing.reward_desk import progress_json, ranking_json, reward_json

AT_ONCE = 100
RANKS_TOLD = 10
RANKING_EVERY_S = 2.0

Member = tuple[str, str, str, int]  # ladder, room, user, and how often it has changed


class RewardNews:
    """Raises `RoomLogUnavailable` and `DatabaseUnavailable`; the caller asks again."""

    def __init__(
        self,
        client: RedisClient,
        database: Database,
        now_ms: Callable[[], int],
    ) -> None:
        self._client = client
        self._database = database
        self._rewards = RewardRecords(database)
        self._now_ms = now_ms
        self._moved: set[str] = set()
        self._told_at_s: dict[str, float] = {}

    def moved(self, rooms: Iterable[str]) -> None:
        """Rooms whose ranking is another one now."""
        self._moved |= set(rooms)

    async def tell(self) -> bool:
        """Tell what nobody was told; whether there is more."""
        grants = await self._database.run(_untold_grants, attempt="read rewards", reads_only=True)
        for grant in grants:
            await self._to_person(grant.user, {"t": "reward"} | reward_json(grant))
        members = await self._database.run(_untold_members, attempt="read ladders", reads_only=True)
        for _ladder, room, user, _changes in members:
            found = await self._rewards.progress(room, user, self._now_ms())
            progress = {"t": "share.progress"} | progress_json(room, found)
            await self._to_person(user, progress)
        if grants or members:
            await self._database.run(
                lambda connection: _note_told(connection, grants, members),
                attempt="note who was told",
            )
        await self._tell_rooms()
        return AT_ONCE in (len(grants), len(members))

    async def _to_person(self, user: str, data: dict[str, Any]) -> None:
        await tell_workers(self._client, incentive_message(user, data))

    async def _tell_rooms(self) -> None:
        """The ranking of each room that has moved, at most every RANKING_EVERY_S."""
        now_s = time.monotonic()
        for room in sorted(self._moved):
            if now_s < self._told_at_s.get(room, float("-inf")) + RANKING_EVERY_S:
                continue
            ranking = await self._rewards.ranking_of_room(room, RANKS_TOLD, self._now_ms())
            shown = ranking_json(ranking, RANKS_TOLD)
            data = {"t": RANKING, "ladder": shown["ladder"], "top": shown["top"]}
            await tell_workers(self._client, pulse_message(room, data))
            self._moved.discard(room)
            self._told_at_s[room] = now_s
        self._told_at_s = {
            room: at_s for room, at_s in self._told_at_s.items() if now_s < at_s + RANKING_EVERY_S
        }


def _untold_grants(connection: sa.Connection) -> list[Grant]:
    query = sa.select(ladder_grants).where(ladder_grants.c.told.is_(False))
    query = query.order_by(ladder_grants.c.at_ms).limit(AT_ONCE)
    return [grant_of(row) for row in connection.execute(query)]


def _untold_members(connection: sa.Connection) -> list[Member]:
    query = (
        sa.select(
            ladder_members.c.ladder_id,
            ladders.c.room_id,
            ladder_members.c.user_id,
            ladder_members.c.changes,
        )
        .join(ladders, ladders.c.id == ladder_members.c.ladder_id)
        .where(ladder_members.c.told.is_(False))
        .limit(AT_ONCE)
    )
    return [(row[0], row[1], row[2], row[3]) for row in connection.execute(query)]


def _note_told(connection: sa.Connection, grants: list[Grant], members: list[Member]) -> None:
    """Whatever has changed since it was read is told once more."""
    for grant in grants:
        same = (ladder_grants.c.id == grant.id) & (ladder_grants.c.state == grant.state.value)
        connection.execute(sa.update(ladder_grants).where(same).values(told=True))
    for ladder, _room, user, changes in members:
        same = (
            (ladder_members.c.ladder_id == ladder)
            & (ladder_members.c.user_id == user)
            & (ladder_members.c.changes == changes)
        )
        connection.execute(sa.update(ladder_members).where(same).values(told=True))
