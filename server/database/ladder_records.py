"""Ladders in SQL: what merchants prepare, publish and end.

A published ladder's terms stand. What climbs it is `server.database.arrival_records`, what it
gives `server.database.grant_records`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from flash_sale.catalog import is_id
from flash_sale.pricing import CouponKind
from rooms.sharing.arrivals import Thresholds
from rooms.sharing.ladders import (
    BatchFacts,
    Ladder,
    LadderState,
    Problem,
    RewardKind,
    Tier,
    problems,
)
from rooms.sharing.packets import split
from server.database.bulk import Bulk
from server.database.coupon_tables import coupon_batches
from server.database.engine import Database
from server.database.errors import DuplicateId, NotADraft, UnknownRoom
from server.database.ladder_tables import ladder_shares, ladder_tiers, ladders
from server.database.ladder_words import (
    LadderRecord,
    NotPublishable,
    TooManyLadders,
    UnknownLadder,
)
from server.database.tables import rooms

DRAFT, PUBLISHED, ENDED = (state.value for state in LadderState)
_STORE_SHARES = Bulk(
    ladder_shares, ("ladder_id", "tier", "number", "amount_minor", "grant_id", "returned")
)


class LadderRecords:
    """Ladders with their tiers. Every call is one transaction; all raise `DatabaseUnavailable`.

    `per_room_max` ladders of a room may be drafts or published, `shares_max` is the most that a
    pool is split into. An id that could not exist is simply not found.
    """

    def __init__(self, database: Database, *, per_room_max: int, shares_max: int) -> None:
        self._database = database
        self._per_room_max = per_room_max
        self._shares_max = shares_max

    async def create(self, terms: Ladder, now_ms: int) -> LadderRecord:
        """Store a new draft. Raises `DuplicateId`, `UnknownRoom`, `TooManyLadders`."""

        def work(connection: sa.Connection) -> LadderRecord:
            _lock_room(connection, terms.room)
            if _read(connection, ladders.c.id == terms.id):
                raise DuplicateId(terms.id)
            query = sa.select(sa.func.count()).where(
                ladders.c.room_id == terms.room, ladders.c.state != ENDED
            )
            if connection.execute(query).scalar_one() >= self._per_room_max:
                raise TooManyLadders(terms.room)
            try:
                row = _row(terms) | {"state": DRAFT, "taken_minor": 0, "created_at_ms": now_ms}
                connection.execute(sa.insert(ladders), row)
            except exc.IntegrityError as error:
                raise DuplicateId(terms.id) from error
            _put_tiers(connection, terms)
            return _one(connection, terms.id)

        return await self._database.run(work, attempt=f"create ladder {terms.id}")

    async def find(self, ladder_id: str) -> LadderRecord | None:
        """One ladder, or None."""
        if not is_id(ladder_id):
            return None
        found = await self._read(ladders.c.id == ladder_id, f"read ladder {ladder_id}")
        return found[0] if found else None

    async def page(
        self,
        after_id: str | None,
        limit: int,
        *,
        room: str | None = None,
        state: LadderState | None = None,
        among: Collection[str] | None = None,
    ) -> list[LadderRecord]:
        """Up to `limit` ladders by id, those after `after_id`; `among` are rooms."""
        wanted = ladders.c.id > (after_id or "")
        if room is not None:
            wanted &= ladders.c.room_id == room if is_id(room) else sa.false()
        if state is not None:
            wanted &= ladders.c.state == state.value
        if among is not None:
            wanted &= ladders.c.room_id.in_(sorted(filter(is_id, among)))
        return await self._read(wanted, "list ladders", limit)

    async def change(self, terms: Ladder) -> LadderRecord:
        """Put a draft's terms anew, all but its id and room. `UnknownLadder`, `NotADraft`."""

        def work(connection: sa.Connection) -> LadderRecord:
            if lock(connection, terms.id).state != DRAFT:
                raise NotADraft(terms.id)
            row = _row(terms)
            del row["id"], row["room_id"]
            connection.execute(sa.update(ladders).where(ladders.c.id == terms.id).values(row))
            connection.execute(sa.delete(ladder_tiers).where(ladder_tiers.c.ladder_id == terms.id))
            _put_tiers(connection, terms)
            return _one(connection, terms.id)

        return await self._database.run(work, attempt=f"change ladder {terms.id}")

    async def problems(self, terms: Ladder, now_ms: int) -> list[Problem]:
        """What speaks against publishing a ladder with these terms now."""

        def work(connection: sa.Connection) -> list[Problem]:
            return self._problems(connection, terms, now_ms)

        return await self._database.run(work, attempt="simulate a ladder", reads_only=True)

    async def publish(self, ladder_id: str, now_ms: int, seed: int) -> LadderRecord:
        """Let a draft take effect: pools are split by `seed` and taken from the budget.

        A ladder that is published stays as it is. Raises `UnknownLadder`, `NotADraft` when it
        has ended, and `NotPublishable`.
        """

        def work(connection: sa.Connection) -> LadderRecord:
            row = lock(connection, ladder_id)
            _lock_room(connection, row.room_id)
            record = _one(connection, ladder_id)
            if record.state is LadderState.PUBLISHED:
                return record
            if record.state is LadderState.ENDED:
                raise NotADraft(ladder_id)
            terms = replace(record.terms, starts_at_ms=max(record.terms.starts_at_ms, now_ms))
            found = self._problems(connection, terms, now_ms)
            if found:
                raise NotPublishable(found)
            _publish(connection, terms, now_ms, seed)
            return _one(connection, ladder_id)

        return await self._database.run(work, attempt=f"publish ladder {ladder_id}")

    async def end(self, ladder_id: str, now_ms: int) -> LadderRecord:
        """Let a published ladder end now: whoever qualifies from now on does not count.

        What has qualified is judged, and then its ranking is frozen, by the ledger. Repeated, it
        changes nothing. Raises `UnknownLadder`, and `NotPublishable` for a draft.
        """

        def work(connection: sa.Connection) -> LadderRecord:
            row = lock(connection, ladder_id)
            if row.state == DRAFT:
                raise NotPublishable([Problem("id", "it was never published")])
            ends = {"starts_at_ms": min(row.starts_at_ms, now_ms), "ends_at_ms": now_ms}
            if row.state == PUBLISHED and now_ms < row.ends_at_ms:
                connection.execute(sa.update(ladders).where(ladders.c.id == ladder_id).values(ends))
            return _one(connection, ladder_id)

        return await self._database.run(work, attempt=f"end ladder {ladder_id}")

    def _problems(self, connection: sa.Connection, terms: Ladder, now_ms: int) -> list[Problem]:
        batches = _batches(connection, terms)
        found = problems(terms, batches, shares_max=self._shares_max, now_ms=now_ms)
        beside = sa.select(ladders.c.id).where(
            ladders.c.room_id == terms.room,
            ladders.c.id != terms.id,
            ladders.c.state == PUBLISHED,
            ladders.c.starts_at_ms < terms.ends_at_ms,
            ladders.c.ends_at_ms > max(terms.starts_at_ms, now_ms),
        )
        other = connection.execute(beside.limit(1)).scalar_one_or_none()
        if other is not None:
            found.append(Problem("starts_at_ms", f"ladder {other!r} of this room runs then"))
        return found

    async def _read(
        self, wanted: sa.ColumnElement[bool], attempt: str, limit: int = 1
    ) -> list[LadderRecord]:
        def work(connection: sa.Connection) -> list[LadderRecord]:
            return _read(connection, wanted, limit)

        return await self._database.run(work, attempt=attempt, reads_only=True)


def lock(connection: sa.Connection, ladder_id: str) -> Any:
    """The row of a ladder, for this transaction alone. Raises `UnknownLadder`.

    Rows that refer to it can be stored meanwhile.
    """
    query = sa.select(ladders).where(ladders.c.id == ladder_id).with_for_update(key_share=True)
    row = connection.execute(query).one_or_none() if is_id(ladder_id) else None
    if row is None:
        raise UnknownLadder(ladder_id)
    return row


def read_ladders(connection: sa.Connection, ids: Iterable[str]) -> dict[str, LadderRecord]:
    """The ladders of these ids."""
    wanted = sorted(set(ids))
    found = _read(connection, ladders.c.id.in_(wanted), len(wanted))
    return {record.terms.id: record for record in found}


def ladder_of_room(connection: sa.Connection, room: str, now_ms: int) -> LadderRecord | None:
    """What a room shows: the ladder that runs, else the next one, else the last one."""
    running = sa.case((ladders.c.ends_at_ms > now_ms, 0), else_=1)
    query = (
        sa.select(ladders.c.id)
        .where(ladders.c.room_id == room, ladders.c.state != DRAFT)
        .order_by(
            running,
            sa.case((ladders.c.ends_at_ms > now_ms, ladders.c.starts_at_ms)),
            ladders.c.ends_at_ms.desc(),
        )
    )
    found = connection.execute(query.limit(1)).scalar_one_or_none()
    return None if found is None else _one(connection, found)


def _one(connection: sa.Connection, ladder_id: str) -> LadderRecord:
    return _read(connection, ladders.c.id == ladder_id)[0]


def _read(
    connection: sa.Connection, wanted: sa.ColumnElement[bool], limit: int = 1
) -> list[LadderRecord]:
    query = sa.select(ladders).where(wanted).order_by(ladders.c.id).limit(limit)
    rows = connection.execute(query).all()
    of_ladder = ladder_tiers.c.ladder_id.in_([row.id for row in rows])
    tiers = sa.select(ladder_tiers).where(of_ladder).order_by(ladder_tiers.c.number)
    by_ladder: dict[str, list[Any]] = {row.id: [] for row in rows}
    for tier in connection.execute(tiers):
        by_ladder[tier.ladder_id].append(tier)
    return [_record(row, by_ladder[row.id]) for row in rows]


def _record(row: Any, tiers: Sequence[Any]) -> LadderRecord:
    terms = Ladder(
        id=row.id,
        room=row.room_id,
        title=row.title,
        currency=row.currency,
        budget_minor=row.budget_minor,
        tiers=tuple(
            Tier(
                number=tier.number,
                needs=tier.needs,
                kind=RewardKind(tier.kind),
                title=tier.title,
                stock=tier.stock,
                cost_minor=tier.cost_minor,
                points=tier.points,
                coupon_batch=tier.coupon_batch,
                pool_minor=tier.pool_minor,
            )
            for tier in tiers
        ),
        thresholds=Thresholds(**json.loads(row.thresholds)),
        starts_at_ms=row.starts_at_ms,
        ends_at_ms=row.ends_at_ms,
        newcomer_batch=row.newcomer_batch,
        newcomer_stock=row.newcomer_stock,
        newcomer_cost_minor=row.newcomer_cost_minor,
    )
    return LadderRecord(
        terms=terms,
        state=LadderState(row.state),
        taken_minor=row.taken_minor,
        left=tuple(tier.left_units for tier in tiers),
        newcomer_left=row.newcomer_left,
        created_at_ms=row.created_at_ms,
        published_at_ms=row.published_at_ms,
        ended_at_ms=row.ended_at_ms,
    )


def _row(terms: Ladder) -> dict[str, Any]:
    return {
        "id": terms.id,
        "room_id": terms.room,
        "title": terms.title,
        "currency": terms.currency,
        "budget_minor": terms.budget_minor,
        "starts_at_ms": terms.starts_at_ms,
        "ends_at_ms": terms.ends_at_ms,
        "thresholds": json.dumps(asdict(terms.thresholds), sort_keys=True),
        "newcomer_batch": terms.newcomer_batch,
        "newcomer_stock": terms.newcomer_stock,
        "newcomer_left": terms.newcomer_stock,
        "newcomer_cost_minor": terms.newcomer_cost_minor,
    }


def _put_tiers(connection: sa.Connection, terms: Ladder) -> None:
    rows = [
        {
            "ladder_id": terms.id,
            "number": tier.number,
            "needs": tier.needs,
            "kind": tier.kind.value,
            "title": tier.title,
            "stock": tier.stock,
            "left_units": tier.stock,
            "opened": 0,
            "cost_minor": tier.cost_minor,
            "points": tier.points,
            "coupon_batch": tier.coupon_batch,
            "pool_minor": tier.pool_minor,
        }
        for tier in terms.tiers
    ]
    connection.execute(sa.insert(ladder_tiers), rows)


def _publish(connection: sa.Connection, terms: Ladder, now_ms: int, seed: int) -> None:
    pools = [tier for tier in terms.tiers if tier.kind is RewardKind.RED_PACKET]
    values = {
        "state": PUBLISHED,
        "starts_at_ms": terms.starts_at_ms,
        "published_at_ms": now_ms,
        "taken_minor": sum(tier.pool_minor for tier in pools),
    }
    connection.execute(sa.update(ladders).where(ladders.c.id == terms.id).values(values))
    for tier in pools:
        amounts = split(tier.pool_minor, tier.stock, seed + tier.number)
        rows = [
            (terms.id, tier.number, number, amount, None, False)
            for number, amount in enumerate(amounts, 1)
        ]
        _STORE_SHARES.store(connection, rows)


def _lock_room(connection: sa.Connection, room: str) -> None:
    """Ladders of one room are published one after the other. Raises `UnknownRoom`."""
    query = sa.select(rooms.c.id).where(rooms.c.id == room).with_for_update(key_share=True)
    if not is_id(room) or connection.execute(query).one_or_none() is None:
        raise UnknownRoom(room)


def _batches(connection: sa.Connection, terms: Ladder) -> dict[str, BatchFacts]:
    """What is known of the batches of coupons that a ladder names."""
    names = {tier.coupon_batch for tier in terms.tiers} | {terms.newcomer_batch}
    query = sa.select(coupon_batches).where(coupon_batches.c.id.in_(sorted(filter(is_id, names))))
    return {
        row.id: BatchFacts(
            currency=row.currency,
            left=row.issue_max - row.issued,
            worth_minor=(row.cap_minor or None)
            if row.kind == CouponKind.PERCENT
            else row.amount_minor,
            ends_at_ms=row.ends_at_ms,
            per_user_max=row.per_user_max,
        )
        for row in connection.execute(query)
    }
