"""Coupons in SQL: batches as merchants made them, who was granted one, and what became of it.

What orders claim of coupons is in `server.database.claim_records`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import exc

from flash_sale.catalog import is_id
from flash_sale.pricing import Coupon, CouponKind, CouponState, CouponTerms, Scope, WhyNot
from server.database.coupon_tables import coupon_batches, coupon_claim_parts, coupon_claims, coupons
from server.database.engine import Database
from server.database.errors import DuplicateId, UnknownBatch
from server.database.words import is_storable

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Batch:
    """Coupons that are alike. `issue_max` are granted at most, `per_user_max` to one person.

    With `valid_days` a coupon ends so many days after it was granted, and never after the batch.
    """

    terms: CouponTerms
    issue_max: int
    per_user_max: int = 1
    valid_days: int | None = None
    issued: int = 0
    created_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class BatchUse:
    """What became of a batch: coupons by state, and what the spent ones have taken off."""

    batch: Batch
    held: int
    spent: int
    cost_minor: int


@dataclass(frozen=True, slots=True)
class OwnCoupon:
    """A coupon as its owner sees it."""

    coupon: Coupon
    state: CouponState
    granted_at_ms: int
    order: str | None


def grant(connection: sa.Connection, batch: str, user: str, cause: str, now_ms: int) -> str | None:
    """Grant a coupon in the caller's transaction; its id. The same `cause` grants once.

    None: none is left, this user has had `per_user_max`, or the batch is over. Raises
    `UnknownBatch`. `cause` says why, such as `ladder:<id>:<user>:<tier>`; at most 255 characters.
    """
    # The lock comes first: whoever waits for it then sees what was granted meanwhile.
    locked = sa.select(coupon_batches).where(coupon_batches.c.id == batch).with_for_update()
    row = connection.execute(locked).one_or_none() if is_id(batch) else None
    if row is None:
        raise UnknownBatch(batch)
    query = sa.select(coupons.c.id).where(coupons.c.cause == cause)
    earlier = connection.execute(query).scalar_one_or_none()
    if earlier is not None:
        return str(earlier)
    expires_at_ms = _expiry(row, now_ms)
    own = sa.select(sa.func.count()).where(coupons.c.batch_id == batch, coupons.c.user_id == user)
    if (
        row.issued >= row.issue_max
        or (expires_at_ms is not None and expires_at_ms <= now_ms)
        or connection.execute(own).scalar_one() >= row.per_user_max
    ):
        return None
    coupon_id = blake2b(cause.encode(), digest_size=10, person=b"onair coupon").hexdigest()
    one_more = sa.update(coupon_batches).where(coupon_batches.c.id == batch)
    connection.execute(one_more.values(issued=coupon_batches.c.issued + 1))
    connection.execute(
        sa.insert(coupons),
        {
            "id": coupon_id,
            "batch_id": batch,
            "user_id": user,
            "state": CouponState.GRANTED.value,
            "cause": cause,
            "granted_at_ms": now_ms,
            "expires_at_ms": expires_at_ms,
            "order_id": None,
        },
    )
    return coupon_id


class CouponRecords:
    """Batches and coupons. Every call is one transaction; all raise `DatabaseUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, batch: Batch) -> Batch:
        """Store a new batch. Raises `DuplicateId`."""

        def work(connection: sa.Connection) -> Batch:
            if _find(connection, batch.terms.id) is not None:
                raise DuplicateId(batch.terms.id)
            try:
                connection.execute(sa.insert(coupon_batches), _row(batch))
            except exc.IntegrityError as error:
                raise DuplicateId(batch.terms.id) from error
            return batch

        return await self._database.run(work, attempt=f"create coupon batch {batch.terms.id}")

    async def find(self, batch_id: str) -> BatchUse | None:
        """One batch and what became of it, or None."""
        if not is_id(batch_id):
            return None

        def work(connection: sa.Connection) -> BatchUse | None:
            batch = _find(connection, batch_id)
            return None if batch is None else _use(connection, batch)

        return await self._database.run(
            work, attempt=f"read coupon batch {batch_id}", reads_only=True
        )

    async def page(self, after_id: str, limit: int) -> list[BatchUse]:
        """Up to `limit` batches by id, those behind `after_id`; empty: from the first."""
        query = sa.select(coupon_batches).order_by(coupon_batches.c.id).limit(limit)
        query = query.where(coupon_batches.c.id > after_id) if after_id else query

        def work(connection: sa.Connection) -> list[BatchUse]:
            found = [_batch(row) for row in connection.execute(query)]
            return [_use(connection, batch) for batch in found]

        return await self._database.run(work, attempt="list coupon batches", reads_only=True)

    async def grant(self, batch: str, user: str, cause: str, now_ms: int) -> str | None:
        """`grant` in a transaction of its own."""
        return await self._database.run(
            lambda connection: grant(connection, batch, user, cause, now_ms),
            attempt=f"grant a coupon of batch {batch}",
        )

    async def of_user(self, user: str, now_ms: int, limit: int) -> list[OwnCoupon]:
        """A user's coupons, those that can be used first, then the newest; at most `limit`."""
        if not is_storable(user):
            return []
        over = sa.and_(coupons.c.expires_at_ms.is_not(None), coupons.c.expires_at_ms <= now_ms)
        usable = sa.case((sa.or_(coupons.c.state != "granted", over), 1), else_=0)
        query = (
            _with_terms()
            .where(coupons.c.user_id == user)
            .order_by(usable, coupons.c.granted_at_ms.desc(), coupons.c.id)
            .limit(limit)
        )

        def work(connection: sa.Connection) -> list[OwnCoupon]:
            return [_own(row, now_ms) for row in connection.execute(query)]

        return await self._database.run(work, attempt="list a user's coupons", reads_only=True)

    async def chosen(self, user: str, ids: Iterable[str]) -> list[Coupon]:
        """The coupons of these ids to be priced, whatever is known of them, in order."""
        asked = tuple(ids)
        return await self._database.run(
            lambda connection: chosen(connection, user, asked),
            attempt="read coupons",
            reads_only=True,
        )


def chosen(connection: sa.Connection, user: str, ids: Iterable[str]) -> list[Coupon]:
    """The coupons of these ids to be priced; one that cannot be used says why not."""
    asked = list(ids)
    query = _with_terms().where(coupons.c.id.in_(asked), coupons.c.user_id == user)
    rows = {row.id: row for row in connection.execute(query)}
    return [_coupon(rows[one]) if one in rows else _unknown(one) for one in asked]


def _unknown(coupon_id: str) -> Coupon:
    terms = CouponTerms("", "", CouponKind.AMOUNT, "")
    return Coupon(coupon_id, terms, why_not=WhyNot.UNKNOWN)


def _with_terms() -> sa.Select[Any]:
    terms = [column for column in coupon_batches.columns if column.name != "id"]
    return sa.select(coupons, *terms).join(
        coupon_batches, coupon_batches.c.id == coupons.c.batch_id
    )


def _coupon(row: Any) -> Coupon:
    why_not = {"held": WhyNot.HELD, "spent": WhyNot.SPENT}.get(row.state)
    return Coupon(row.id, _terms(row.batch_id, row), row.expires_at_ms, why_not)


def _own(row: Any, now_ms: int) -> OwnCoupon:
    state = CouponState(row.state)
    if state is CouponState.GRANTED and row.expires_at_ms is not None:
        state = CouponState.EXPIRED if row.expires_at_ms <= now_ms else state
    return OwnCoupon(_coupon(row), state, row.granted_at_ms, row.order_id)


def _find(connection: sa.Connection, batch_id: str) -> Batch | None:
    query = sa.select(coupon_batches).where(coupon_batches.c.id == batch_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _batch(row)


def _use(connection: sa.Connection, batch: Batch) -> BatchUse:
    of_batch = sa.select(coupons.c.state, sa.func.count()).where(
        coupons.c.batch_id == batch.terms.id
    )
    rows = connection.execute(of_batch.group_by(coupons.c.state))
    counts = {row[0]: int(row[1]) for row in rows}
    cost = (
        sa.select(sa.func.coalesce(sa.func.sum(coupon_claim_parts.c.minor), 0))
        .join(coupon_claims, coupon_claims.c.order_id == coupon_claim_parts.c.order_id)
        .where(coupon_claim_parts.c.batch_id == batch.terms.id, coupon_claims.c.state == "spent")
    )
    cost_minor = int(connection.execute(cost).scalar_one())
    return BatchUse(batch, counts.get("held", 0), counts.get("spent", 0), cost_minor)


def _expiry(row: Any, now_ms: int) -> int | None:
    ends = [] if row.ends_at_ms is None else [row.ends_at_ms]
    if row.valid_days is not None:
        ends.append(now_ms + row.valid_days * DAY_MS)
    return min(ends, default=None)


def _row(batch: Batch) -> dict[str, Any]:
    terms = batch.terms
    scope = {
        name: sorted(getattr(terms.scope, name)) for name in ("skus", "products", "sales", "rooms")
    }
    return {
        "id": terms.id,
        "title": terms.title,
        "kind": terms.kind.value,
        "currency": terms.currency,
        "amount_minor": terms.amount_minor,
        "percent_bp": terms.percent_bp,
        "cap_minor": terms.cap_minor,
        "threshold_minor": terms.threshold_minor,
        "scope": orjson.dumps({name: ids for name, ids in scope.items() if ids}).decode(),
        "starts_at_ms": terms.starts_at_ms,
        "ends_at_ms": terms.ends_at_ms,
        "valid_days": batch.valid_days,
        "per_user_max": batch.per_user_max,
        "stack": terms.stack,
        "issue_max": batch.issue_max,
        "issued": batch.issued,
        "created_at_ms": batch.created_at_ms,
    }


def _batch(row: Any) -> Batch:
    return Batch(
        terms=_terms(row.id, row),
        issue_max=row.issue_max,
        per_user_max=row.per_user_max,
        valid_days=row.valid_days,
        issued=row.issued,
        created_at_ms=row.created_at_ms,
    )


def _terms(batch_id: str, row: Any) -> CouponTerms:
    scope = {name: frozenset(ids) for name, ids in orjson.loads(row.scope).items()}
    return CouponTerms(
        id=batch_id,
        title=row.title,
        kind=CouponKind(row.kind),
        currency=row.currency,
        amount_minor=row.amount_minor,
        percent_bp=row.percent_bp,
        cap_minor=row.cap_minor,
        threshold_minor=row.threshold_minor,
        scope=Scope(**scope),
        starts_at_ms=row.starts_at_ms,
        ends_at_ms=row.ends_at_ms,
        stack=row.stack,
    )
