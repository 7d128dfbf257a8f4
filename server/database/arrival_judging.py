"""Judging arrivals: facts, verdict, the inviter's number and what it brings, in one transaction.

Each arrival is judged once, whoever else tries at the same time, and whatever is killed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from rooms.sharing.arrivals import Verdict, judge
from rooms.sharing.ladders import LadderState, RewardKind
from rooms.sharing.policy import RewardTo
from rooms.sharing.ranking import lot
from server.database.arrival_facts import PolicyOf, Row, facts_of, gather, marks_of
from server.database.bulk import Bulk
from server.database.grant_records import Giving, climb, give_back, welcome
from server.database.ladder_records import lock, read_ladders
from server.database.ladder_tables import (
    arrivals,
    ladder_members,
    ladder_rankings,
    ladder_tiers,
    ladders,
)
from server.database.ladder_words import Grant, LadderRecord
from server.database.share_tables import share_links

_STORE_MEMBERS = Bulk(
    ladder_members,
    ("ladder_id", "user_id", "name", "valid", "reached_at_ms", "lot", "changes", "told"),
    conflict="ON CONFLICT (ladder_id, user_id) DO UPDATE SET"
    " name = CASE WHEN excluded.name <> '' THEN excluded.name ELSE ladder_members.name END,"
    " valid = ladder_members.valid + excluded.valid,"
    " reached_at_ms = CASE WHEN excluded.valid > 0"
    " AND excluded.reached_at_ms > ladder_members.reached_at_ms"
    " THEN excluded.reached_at_ms ELSE ladder_members.reached_at_ms END,"
    " changes = ladder_members.changes + 1, told = excluded.told",
)


@dataclass(slots=True)
class Judged:
    """What one batch came to."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    grants: list[Grant] = field(default_factory=list)
    rooms: set[str] = field(default_factory=set)  # whose ranking has moved

    @property
    def arrivals(self) -> int:
        return self.verdicts.total()


@dataclass(frozen=True, slots=True)
class Court:
    """How arrivals are judged and what for: policies of channels, and how rewards are given."""

    policy_of: PolicyOf
    giving: Giving

    def judge_due(self, connection: sa.Connection, upto_ms: int, now_ms: int, limit: int) -> Judged:
        """Judge up to `limit` arrivals that are due at `upto_ms`.

        Everything that was received before then must have been written, or somebody who goes on
        would be taken for gone.
        """
        return self._judge(connection, arrivals.c.due_at_ms <= upto_ms, now_ms, limit)

    def judge_all_of(
        self, connection: sa.Connection, ladder: str, now_ms: int, limit: int
    ) -> Judged:
        """Judge up to `limit` arrivals of a ladder that is over, due or not."""
        undecided = arrivals.c.verdict.in_((Verdict.OPEN.value, Verdict.QUALIFIED.value))
        return self._judge(connection, (arrivals.c.ladder_id == ladder) & undecided, now_ms, limit)

    def _judge(
        self, connection: sa.Connection, wanted: sa.ColumnElement[bool], now_ms: int, limit: int
    ) -> Judged:
        # What the writer of visits holds at this moment is judged next time: nobody waits here.
        query = sa.select(arrivals).where(wanted, arrivals.c.due_at_ms.is_not(None))
        query = query.order_by(arrivals.c.due_at_ms, arrivals.c.visit_id).limit(limit)
        by_ladder: dict[str, list[Row]] = defaultdict(list)
        for row in connection.execute(query.with_for_update(skip_locked=True)):
            by_ladder[row.ladder_id].append(row)
        judged = Judged()
        for ladder, rows in sorted(by_ladder.items()):
            lock(connection, ladder)  # judgements of one ladder come one after the other
            record = read_ladders(connection, [ladder])[ladder]
            self._judge_batch(connection, record, rows, now_ms, judged)
        return judged

    def _judge_batch(
        self,
        connection: sa.Connection,
        record: LadderRecord,
        rows: Sequence[Row],
        now_ms: int,
        judged: Judged,
    ) -> None:
        terms = record.terms
        known = gather(connection, terms, rows, now_ms)
        decided: dict[tuple[Verdict, str], list[str]] = defaultdict(list)
        counted: dict[str, list[int]] = {row.inviter: [] for row in rows}
        for row in rows:
            policy = self.policy_of(row.channel, row.app)
            verdict = judge(facts_of(row, known, terms, policy), terms.thresholds)
            for_whom = ""
            if verdict is Verdict.VALID:
                known.counted |= marks_of(row)
                for_whom = policy.reward.value
            if for_whom == RewardTo.ARRIVAL:
                verdict = Verdict.CHANNEL_POLICY  # for the inviter
                given = welcome(connection, record, row.person or row.user_id, now_ms)
                judged.grants += [given] if given else []
            if verdict is Verdict.VALID:
                counted[row.inviter].append(row.qualified_at_ms)
            judged.verdicts[verdict] += 1
            decided[verdict, for_whom].append(row.visit_id)
        for (verdict, for_whom), visits in sorted(decided.items()):
            same = (arrivals.c.ladder_id == terms.id) & arrivals.c.visit_id.in_(visits)
            values = {"verdict": verdict.value, "rewarded": for_whom, "judged_at_ms": now_ms}
            undecided = same & arrivals.c.due_at_ms.is_not(None)
            connection.execute(
                sa.update(arrivals).where(undecided).values(values | {"due_at_ms": None})
            )
        reached = _count(connection, terms.id, counted, [row.link for row in rows])
        judged.grants += climb(connection, record, reached, self.giving, now_ms)
        if reached:
            judged.rooms.add(terms.room)


def close_ladder(connection: sa.Connection, ladder: str, now_ms: int) -> bool:
    """Freeze the ranking of a ladder that is over, once everything of it is judged.

    Red packets that nobody has a right to return to the budget. False: something is open yet.
    """
    row = lock(connection, ladder)
    if row.state != LadderState.PUBLISHED.value:
        return True
    undecided = (arrivals.c.ladder_id == ladder) & arrivals.c.due_at_ms.is_not(None)
    if connection.execute(sa.select(arrivals.c.visit_id).where(undecided).limit(1)).first():
        return False
    member = ladder_members.c
    order = (member.valid.desc(), member.reached_at_ms, member.lot)
    ranked = sa.select(
        member.ladder_id,
        sa.func.row_number().over(order_by=order),
        member.user_id,
        member.name,
        member.valid,
        member.reached_at_ms,
    ).where(member.ladder_id == ladder, member.valid > 0)
    names = [column.name for column in ladder_rankings.columns]
    connection.execute(sa.insert(ladder_rankings).from_select(names, ranked))
    packets = sa.select(ladder_tiers.c.number, ladder_tiers.c.left_units).where(
        ladder_tiers.c.ladder_id == ladder, ladder_tiers.c.kind == RewardKind.RED_PACKET.value
    )
    for tier, left in connection.execute(packets).all():
        give_back(connection, ladder, tier, left)
        at = (ladder_tiers.c.ladder_id == ladder) & (ladder_tiers.c.number == tier)
        connection.execute(sa.update(ladder_tiers).where(at).values(left_units=0))
    ended = {"state": LadderState.ENDED.value, "ended_at_ms": now_ms}
    connection.execute(sa.update(ladders).where(ladders.c.id == ladder).values(ended))
    return True


def postpone(connection: sa.Connection, upto_ms: int, by_ms: int) -> str:
    """Put off the arrival that `judge_due` would judge first, so that others come; its visit."""
    query = sa.select(arrivals.c.ladder_id, arrivals.c.visit_id)
    query = query.where(arrivals.c.due_at_ms <= upto_ms)
    query = query.order_by(arrivals.c.due_at_ms, arrivals.c.visit_id).limit(1)
    # As `judge_due` sees them: one that the writer of visits holds is not the one that failed.
    first = connection.execute(query.with_for_update(skip_locked=True)).one_or_none()
    if first is None:
        return ""
    ladder, visit = first
    at = (arrivals.c.ladder_id == ladder) & (arrivals.c.visit_id == visit)
    still = at & arrivals.c.due_at_ms.is_not(None)
    connection.execute(sa.update(arrivals).where(still).values(due_at_ms=upto_ms + by_ms))
    return str(visit)


def forget_marks(connection: sa.Connection, before_ms: int, limit: int) -> int:
    """Remove what tells devices and networks apart from arrivals of ladders that ended before
    then: nothing is judged by it any more. Returns of how many, at most `limit`."""
    over = sa.select(ladders.c.id).where(ladders.c.ended_at_ms < before_ms)
    for mark in (arrivals.c.device, arrivals.c.net, arrivals.c.agent):
        query = sa.select(arrivals.c.ladder_id, arrivals.c.visit_id)
        query = query.where(arrivals.c.ladder_id.in_(over), mark > "").limit(limit)
        rows = connection.execute(query).all()
        if rows:
            key = sa.tuple_(arrivals.c.ladder_id, arrivals.c.visit_id)
            these = key.in_([(row[0], row[1]) for row in rows])
            connection.execute(sa.update(arrivals).where(these).values(device="", net="", agent=""))
            return len(rows)
    return 0


def ladders_over(connection: sa.Connection, upto_ms: int) -> list[str]:
    """The published ladders whose end has passed."""
    query = (
        sa.select(ladders.c.id)
        .where(ladders.c.state == LadderState.PUBLISHED.value, ladders.c.ends_at_ms <= upto_ms)
        .order_by(ladders.c.id)
    )
    return list(connection.execute(query).scalars())


def _count(
    connection: sa.Connection,
    ladder: str,
    counted: Mapping[str, Sequence[int]],
    links: Iterable[str],
) -> list[tuple[str, int]]:
    """Put the new valid arrivals to their inviters' numbers; who has more now, and how many.

    Whoever reached their number earlier stands first.
    """
    names = _names(connection, set(counted), set(links) - {""})
    _STORE_MEMBERS.store(
        connection,
        [
            (
                *(ladder, user, names.get(user, ""), len(at_ms), max(at_ms, default=0)),
                *(lot(ladder, user), 1, False),
            )
            for user, at_ms in sorted(counted.items())
        ],
    )
    more = sorted(user for user, at_ms in counted.items() if at_ms)
    query = (
        sa.select(ladder_members.c.user_id, ladder_members.c.valid)
        .where(ladder_members.c.ladder_id == ladder, ladder_members.c.user_id.in_(more))
        .order_by(ladder_members.c.reached_at_ms, ladder_members.c.lot)
    )
    return [(user, valid) for user, valid in connection.execute(query)]


def _names(connection: sa.Connection, users: set[str], links: set[str]) -> dict[str, str]:
    """How inviters are called in public: as the links say that brought the arrivals."""
    query = sa.select(share_links.c.inviter, share_links.c.inviter_name).where(
        share_links.c.id.in_(sorted(links)), share_links.c.inviter.in_(sorted(users))
    )
    return {row.inviter: row.inviter_name for row in connection.execute(query)}
