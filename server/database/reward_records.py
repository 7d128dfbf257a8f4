"""Rewards as people and merchants see them: progress, rankings, arrivals, grants; and what they
do with them: open a red packet, redeem a voucher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa

from rooms.sharing.arrivals import Verdict
from rooms.sharing.ladders import GrantState
from server.database.engine import Database
from server.database.grant_records import grant_of, open_packet, redeem
from server.database.ladder_records import ladder_of_room
from server.database.ladder_tables import (
    arrivals,
    ladder_grants,
    ladder_members,
    ladder_rankings,
    ladders,
)
from server.database.ladder_words import ArrivalRecord, Grant, Progress, Rank, Ranking
from server.database.words import is_storable

T = TypeVar("T")
REWARDS_LISTED = 200
RANKS_AT_ONCE = 1_000  # of a whole ranking, from the database
_WAITING = (Verdict.OPEN, Verdict.QUALIFIED, Verdict.VALID)


class Place(NamedTuple):
    """Where a page, newest first, ended."""

    at_ms: int
    id: str


class RewardRecords:
    """Every call is one transaction; all raise `DatabaseUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def progress(self, room: str, user: str, now_ms: int) -> Progress | None:
        """How far somebody has climbed in the ladder that the room shows; None: there is none."""

        def work(connection: sa.Connection) -> Progress | None:
            record = ladder_of_room(connection, room, now_ms)
            if record is None:
                return None
            of_user = (arrivals.c.ladder_id == record.terms.id) & (arrivals.c.inviter == user)
            query = sa.select(arrivals.c.verdict, sa.func.count()).where(of_user)
            counts = {
                Verdict(verdict): count
                for verdict, count in connection.execute(query.group_by(arrivals.c.verdict))
            }
            wanted = (ladder_grants.c.ladder_id == record.terms.id) & (
                ladder_grants.c.user_id == user
            )
            grants = sa.select(ladder_grants).where(wanted).order_by(ladder_grants.c.tier)
            return Progress(
                ladder=record,
                valid=_valid(connection, record.terms.id, user),
                pending=counts.get(Verdict.QUALIFIED, 0),
                refused=sum(n for one, n in counts.items() if one not in _WAITING),
                grants=tuple(grant_of(row) for row in connection.execute(grants)),
            )

        return await self._read(work, f"read the progress of a ladder of room {room}")

    async def ranking(self, ladder: str, limit: int, user: str = "") -> Ranking | None:
        """The first `limit` of a ladder, and the place of `user` if given.

        As it was at the end once the ladder has ended. None: there is no such ladder.
        """

        def work(connection: sa.Connection) -> Ranking | None:
            is_over = _is_over(connection, ladder)
            if is_over is None:
                return None
            return (_frozen if is_over else _live)(connection, ladder, limit, user)

        return await self._read(work, f"read the ranking of ladder {ladder}")

    async def ranked(self, ladder: str, most: int, told: Callable[[Rank], T]) -> list[T]:
        """What is `told` of everybody in a ranking, from the first, at most `most`: as they stood
        at one instant. Nothing for a ladder that there is not. Called in a thread of its own.
        """

        def work(connection: sa.Connection) -> list[T]:
            top = _frozen_top(ladder) if _is_over(connection, ladder) else _live_top(ladder)
            query = top.limit(most).execution_options(yield_per=RANKS_AT_ONCE)
            return [told(_rank(row, n)) for n, row in enumerate(connection.execute(query), 1)]

        return await self._read(work, f"read the whole ranking of ladder {ladder}")

    async def ranking_of_room(self, room: str, limit: int, now_ms: int) -> Ranking | None:
        """The ranking of the ladder that the room shows; None: there is none."""

        def work(connection: sa.Connection) -> Ranking | None:
            record = ladder_of_room(connection, room, now_ms)
            if record is None:
                return None
            if record.ended_at_ms is not None:
                return _frozen(connection, record.terms.id, limit, "")
            return _live(connection, record.terms.id, limit, "")

        return await self._read(work, f"read the ranking of room {room}")

    async def of_user(self, user: str) -> list[Grant]:
        """Somebody's rewards of all ladders, newest first, at most REWARDS_LISTED."""
        query = sa.select(ladder_grants).where(ladder_grants.c.user_id == user)
        query = query.order_by(ladder_grants.c.at_ms.desc(), ladder_grants.c.id)

        def work(connection: sa.Connection) -> list[Grant]:
            return [grant_of(row) for row in connection.execute(query.limit(REWARDS_LISTED))]

        return await self._read(work, "list rewards")

    async def open(self, grant: str, user: str, now_ms: int) -> Grant:
        """`open_packet` in a transaction of its own."""

        def work(connection: sa.Connection) -> Grant:
            return open_packet(connection, grant, user, now_ms)

        return await self._database.run(work, attempt=f"open red packet {grant}")

    async def find_code(self, code: str) -> Grant | None:
        """The reward that a voucher's code stands for, or None."""

        def work(connection: sa.Connection) -> Grant | None:
            query = sa.select(ladder_grants).where(ladder_grants.c.code == code)
            row = connection.execute(query).one_or_none()
            return None if row is None else grant_of(row)

        return await self._read(work, "read a voucher")

    async def redeem(self, code: str, request_id: str, now_ms: int) -> Grant:
        """`redeem` in a transaction of its own."""

        def work(connection: sa.Connection) -> Grant:
            return redeem(connection, code, request_id, now_ms)

        return await self._database.run(work, attempt="redeem a voucher")

    async def arrivals(
        self,
        ladder: str,
        after: Place | None,
        limit: int,
        *,
        verdict: Verdict | None = None,
        inviter: str | None = None,
    ) -> list[ArrivalRecord]:
        """Up to `limit` arrivals, newest first, behind `after`."""
        query = sa.select(arrivals).where(arrivals.c.ladder_id == ladder).limit(limit)
        query = query.order_by(arrivals.c.entered_at_ms.desc(), arrivals.c.visit_id.desc())
        if after is not None:
            key = sa.tuple_(arrivals.c.entered_at_ms, arrivals.c.visit_id)
            query = query.where(key < sa.tuple_(sa.literal(after.at_ms), sa.literal(after.id)))
        if verdict is not None:
            query = query.where(arrivals.c.verdict == verdict.value)
        if inviter is not None:
            query = query.where(arrivals.c.inviter == inviter)
        if not all(map(is_storable, (after.id if after else "", inviter or ""))):
            return []

        def work(connection: sa.Connection) -> list[ArrivalRecord]:
            return [_arrival(row) for row in connection.execute(query)]

        return await self._read(work, f"list arrivals of ladder {ladder}")

    async def verdicts(self, ladder: str) -> dict[Verdict, int]:
        """How many arrivals of a ladder have come to which verdict."""
        query = (
            sa.select(arrivals.c.verdict, sa.func.count())
            .where(arrivals.c.ladder_id == ladder)
            .group_by(arrivals.c.verdict)
        )

        def work(connection: sa.Connection) -> dict[Verdict, int]:
            return {Verdict(verdict): count for verdict, count in connection.execute(query)}

        return await self._read(work, f"count arrivals of ladder {ladder}")

    async def grants(
        self, ladder: str, after: Place | None, limit: int, *, state: GrantState | None = None
    ) -> list[Grant]:
        """Up to `limit` grants of a ladder, newest first, behind `after`."""
        query = sa.select(ladder_grants).where(ladder_grants.c.ladder_id == ladder).limit(limit)
        query = query.order_by(ladder_grants.c.at_ms.desc(), ladder_grants.c.id.desc())
        if after is not None:
            key = sa.tuple_(ladder_grants.c.at_ms, ladder_grants.c.id)
            query = query.where(key < sa.tuple_(sa.literal(after.at_ms), sa.literal(after.id)))
        if state is not None:
            query = query.where(ladder_grants.c.state == state.value)

        def work(connection: sa.Connection) -> list[Grant]:
            return [grant_of(row) for row in connection.execute(query)]

        return await self._read(work, f"list grants of ladder {ladder}")

    async def _read(self, work: Callable[[sa.Connection], T], attempt: str) -> T:
        return await self._database.run(work, attempt=attempt, reads_only=True)


def _valid(connection: sa.Connection, ladder: str, user: str) -> int:
    query = sa.select(ladder_members.c.valid).where(
        ladder_members.c.ladder_id == ladder, ladder_members.c.user_id == user
    )
    return connection.execute(query).scalar_one_or_none() or 0


def _is_over(connection: sa.Connection, ladder: str) -> bool | None:
    """Whether a ladder has ended; None: there is no such ladder."""
    query = sa.select(ladders.c.ended_at_ms).where(ladders.c.id == ladder)
    row = connection.execute(query).one_or_none()
    return None if row is None else row.ended_at_ms is not None


def _frozen_top(ladder: str) -> sa.Select[Any]:
    of_ladder = ladder_rankings.c.ladder_id == ladder
    return sa.select(ladder_rankings).where(of_ladder).order_by(ladder_rankings.c.rank)


def _live_top(ladder: str) -> sa.Select[Any]:
    member = ladder_members.c
    climbers = sa.select(ladder_members).where(member.ladder_id == ladder, member.valid > 0)
    return climbers.order_by(member.valid.desc(), member.reached_at_ms, member.lot)


def _frozen(connection: sa.Connection, ladder: str, limit: int, user: str) -> Ranking:
    top = _frozen_top(ladder)
    ranks = tuple(_rank(row, row.rank) for row in connection.execute(top.limit(limit)))
    row = connection.execute(top.where(ladder_rankings.c.user_id == user)).one_or_none()
    return Ranking(ladder, True, ranks, None if row is None else _rank(row, row.rank))


def _live(connection: sa.Connection, ladder: str, limit: int, user: str) -> Ranking:
    member, top = ladder_members.c, _live_top(ladder)
    rows = connection.execute(top.limit(limit)).all()
    ranks = tuple(_rank(row, number) for number, row in enumerate(rows, 1))
    own = connection.execute(top.where(member.user_id == user)).one_or_none()
    if own is None:
        return Ranking(ladder, False, ranks)
    ahead = sa.select(sa.func.count()).where(
        member.ladder_id == ladder,
        sa.or_(
            member.valid > own.valid,
            sa.and_(member.valid == own.valid, member.reached_at_ms < own.reached_at_ms),
            sa.and_(
                member.valid == own.valid,
                member.reached_at_ms == own.reached_at_ms,
                member.lot < own.lot,
            ),
        ),
    )
    return Ranking(ladder, False, ranks, _rank(own, connection.execute(ahead).scalar_one() + 1))


def _rank(row: Any, rank: int) -> Rank:
    return Rank(rank, row.user_id, row.name or "*", row.valid, row.reached_at_ms)


def _arrival(row: Any) -> ArrivalRecord:
    return ArrivalRecord(
        ladder=row.ladder_id,
        visit=row.visit_id,
        inviter=row.inviter,
        link=row.link,
        channel=row.channel,
        user=row.user_id,
        person=row.person,
        device=row.device,
        entered_at_ms=row.entered_at_ms,
        last_at_ms=row.last_at_ms,
        visible_ms=row.visible_ms,
        actions=row.actions,
        faults=row.faults,
        qualified_at_ms=row.qualified_at_ms,
        due_at_ms=row.due_at_ms,
        verdict=Verdict(row.verdict),
        judged_at_ms=row.judged_at_ms,
        rewarded=row.rewarded,
    )
