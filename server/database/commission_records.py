"""Commissions in SQL: plans of rooms, orders that wait for a decision, and what was earned.

Everything takes effect once, by order and level: whoever comes second finds the state changed
and does nothing. A refund that comes before the decision voids it; one that comes after reverses
what was earned, released or not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from flash_sale.catalog import is_id
from flash_sale.commission import MARKUP, Earning, Plan, earnings
from server.database.account_records import Leg, post, user_account
from server.database.account_tables import commission_due, commission_plans, commissions
from server.database.bulk import Bulk
from server.database.engine import Database
from server.database.errors import UnknownRoom, naming
from server.database.tables import rooms
from server.database.words import is_storable

DAY_MS = 86_400_000
COMMISSION, MARKUPS = "shop:commission", "shop:markup"  # what the shop owes comes out of these
IDS_AT_ONCE = 500

# Who brought a user at an instant, and by which channel; None: nobody did.
Brought = Callable[[sa.Connection, str, int], "Bringer | None"]


class EarningState(StrEnum):
    """pending → available; either → reversed when the order's money goes back."""

    PENDING = "pending"
    AVAILABLE = "available"  # the window is over
    REVERSED = "reversed"


@dataclass(frozen=True, slots=True)
class Bringer:
    """Who brought somebody. `pays`: the policy of the channel lets inviters earn."""

    user: str
    pays: bool


@dataclass(frozen=True, slots=True)
class PaidOrder:
    """An order that was paid just now, as its commissions need it."""

    order: str
    room: str
    buyer: str
    currency: str
    base_minor: int
    markup_minor: int
    sharer: str
    placed_at_ms: int
    paid_at_ms: int


@dataclass(frozen=True, slots=True)
class Commission:
    """What somebody has earned, or would have."""

    order: str
    level: int
    room: str
    user: str
    base_minor: int
    amount_minor: int
    currency: str
    state: EarningState
    accrued_at_ms: int
    release_at_ms: int
    changed_at_ms: int


_DUE = Bulk(
    commission_due,
    [column.name for column in commission_due.columns],
    conflict="ON CONFLICT (order_id) DO NOTHING",
)


def note_paid(connection: sa.Connection, paid: Sequence[PaidOrder]) -> None:
    """Orders are paid: those that may bring somebody something wait for a decision."""
    plans = _plans(connection, {one.room for one in paid})
    rows = []
    for one in sorted(paid, key=lambda one: one.order):
        plan = plans.get(one.room, Plan())
        if plan.level1_bp or plan.level2_bp or (one.markup_minor and one.sharer):
            rows.append(_due_row(one, plan))
    _DUE.store(connection, rows)


def note_refunded(connection: sa.Connection, orders: Iterable[str], now_ms: int) -> None:
    """The money of orders went back: what they brought is void or reversed."""
    ids = sorted(orders)
    for start in range(0, len(ids), IDS_AT_ONCE):
        some = ids[start : start + IDS_AT_ONCE]
        connection.execute(
            sa.update(commission_due)
            .where(commission_due.c.order_id.in_(some), commission_due.c.state == "due")
            .values(state="void")
        )
        query = sa.select(commissions).where(
            commissions.c.order_id.in_(some), commissions.c.state != EarningState.REVERSED
        )
        locked = query.with_for_update()  # as they stand when they are reversed
        for one in [_commission(row) for row in connection.execute(locked)]:
            _reverse(connection, one, now_ms)


def anything_due(connection: sa.Connection, written_to_ms: int, now_ms: int) -> bool:
    """Whether `decide_due` or `release_due` would find something. Only reads."""
    due = sa.exists().where(
        commission_due.c.state == "due", commission_due.c.placed_at_ms < written_to_ms
    )
    over = sa.exists().where(
        commissions.c.state == EarningState.PENDING, commissions.c.release_at_ms <= now_ms
    )
    return bool(connection.execute(sa.select(sa.or_(due, over))).scalar_one())


def decide_due(
    connection: sa.Connection,
    brought: Brought,
    written_to_ms: int,
    now_ms: int,
    limit: int,
    passed: Collection[str] = (),
) -> int:
    """Decide up to `limit` paid orders that were placed before `written_to_ms`: what a visit
    says of who brought the buyer is in SQL by then. Returns how many there were.

    Who brought the buyer is whoever the buyer was bound to when the order was placed: a touch
    that did not bind brings no commission. Orders in `passed` are passed over. Raises
    `Unkeepable` for an order that cannot be decided.
    """
    query = (
        sa.select(commission_due)
        .where(
            commission_due.c.state == "due",
            commission_due.c.placed_at_ms < written_to_ms,
            commission_due.c.order_id.not_in(passed),
        )
        .order_by(commission_due.c.placed_at_ms, commission_due.c.order_id)
        .limit(limit)
    )
    due = connection.execute(query).all()
    for row in due:
        with naming(row.order_id):
            _decide(connection, row, brought, now_ms)
    return len(due)


def release_due(
    connection: sa.Connection, now_ms: int, limit: int, passed: Collection[str] = ()
) -> int:
    """Release up to `limit` earnings whose window is over; returns how many there were.

    `passed` and `Unkeepable` as with `decide_due`.
    """
    query = (
        sa.select(commissions)
        .where(
            commissions.c.state == EarningState.PENDING,
            commissions.c.release_at_ms <= now_ms,
            commissions.c.order_id.not_in(passed),
        )
        .order_by(commissions.c.release_at_ms, commissions.c.order_id)
        .limit(limit)
    )
    found = [_commission(row) for row in connection.execute(query)]
    for one in found:
        with naming(one.order):
            _release(connection, one, now_ms)
    return len(found)


def _release(connection: sa.Connection, one: Commission, now_ms: int) -> None:
    if not _become(connection, one, EarningState.AVAILABLE, now_ms):
        return
    legs = [
        Leg(user_account(one.user, "pending"), one.currency, -one.amount_minor),
        Leg(user_account(one.user, "available"), one.currency, one.amount_minor),
    ]
    post(connection, _posting(one, "release"), "commission.release", now_ms, legs)


class CommissionRecords:
    """Plans and earnings. Every call is one transaction; all raise `DatabaseUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def plan(self, room: str) -> Plan | None:
        """The plan of a room, or None."""
        if not is_id(room):
            return None
        return await self._database.run(
            lambda connection: _plans(connection, {room}).get(room),
            attempt=f"read the commission plan of room {room}",
            reads_only=True,
        )

    async def set_plan(self, room: str, plan: Plan, now_ms: int) -> None:
        """Store the plan for orders that are paid from now on. Raises `UnknownRoom`."""
        row = {
            "room_id": room,
            "level1_bp": plan.level1_bp,
            "level2_bp": plan.level2_bp,
            "window_days": plan.window_ms // DAY_MS,
            "changed_at_ms": now_ms,
        }

        def work(connection: sa.Connection) -> None:
            locked = sa.select(rooms.c.id).where(rooms.c.id == room).with_for_update()
            if connection.execute(locked).first() is None:
                raise UnknownRoom(room)
            mine = commission_plans.c.room_id == room
            connection.execute(sa.delete(commission_plans).where(mine))
            connection.execute(sa.insert(commission_plans), row)

        await self._database.run(work, attempt=f"set the commission plan of room {room}")

    async def page(
        self,
        after: tuple[int, str, int] | None,
        limit: int,
        *,
        rooms: Iterable[str] | None = None,
        user: str = "",
        state: EarningState | None = None,
    ) -> list[Commission]:
        """Up to `limit` earnings, newest first: those behind (accrued_at_ms, order, level).

        `rooms` None: those of every room.
        """
        key = sa.tuple_(commissions.c.accrued_at_ms, commissions.c.order_id, commissions.c.level)
        query = sa.select(commissions).order_by(*(part.desc() for part in key.clauses)).limit(limit)
        if after is not None:
            query = query.where(key < sa.tuple_(*after))
        if rooms is not None:
            query = query.where(commissions.c.room_id.in_(sorted(filter(is_id, rooms))))
        if user:
            query = query.where(commissions.c.user_id == user if is_storable(user) else sa.false())
        if state is not None:
            query = query.where(commissions.c.state == state)
        return await self._database.run(
            lambda connection: [_commission(row) for row in connection.execute(query)],
            attempt="list commissions",
            reads_only=True,
        )

    async def waiting_count(self) -> int:
        """How many paid orders wait for a decision."""
        query = sa.select(sa.func.count()).where(commission_due.c.state == "due")
        return await self._database.run(
            lambda connection: int(connection.execute(query).scalar_one()),
            attempt="count the commissions that are due",
            reads_only=True,
        )


def _plans(connection: sa.Connection, rooms: Iterable[str]) -> dict[str, Plan]:
    query = sa.select(commission_plans).where(commission_plans.c.room_id.in_(sorted(rooms)))
    return {
        row.room_id: Plan(row.level1_bp, row.level2_bp, row.window_days * DAY_MS)
        for row in connection.execute(query)
    }


def _due_row(paid: PaidOrder, plan: Plan) -> tuple[Any, ...]:
    values = {
        "order_id": paid.order,
        "room_id": paid.room,
        "buyer": paid.buyer,
        "currency": paid.currency,
        "base_minor": paid.base_minor,
        "markup_minor": paid.markup_minor,
        "sharer": paid.sharer,
        "level1_bp": plan.level1_bp,
        "level2_bp": plan.level2_bp,
        "window_ms": plan.window_ms,
        "placed_at_ms": paid.placed_at_ms,
        "paid_at_ms": paid.paid_at_ms,
        "state": "due",
    }
    return tuple(values[column.name] for column in commission_due.columns)


def _decide(connection: sa.Connection, row: Any, brought: Brought, now_ms: int) -> None:
    mine = sa.and_(commission_due.c.order_id == row.order_id, commission_due.c.state == "due")
    turned = sa.update(commission_due).where(mine).values(state="decided")
    if connection.execute(turned).rowcount != 1:
        return  # another has decided it, or it was refunded
    first = brought(connection, row.buyer, row.placed_at_ms)
    above = None if first is None else brought(connection, first.user, row.placed_at_ms)
    plan = Plan(row.level1_bp, row.level2_bp, row.window_ms)
    found = earnings(
        plan,
        buyer=row.buyer,
        base_minor=row.base_minor,
        inviter=first.user if first is not None and first.pays else "",
        above=above.user if above is not None and above.pays else "",
        markup_minor=row.markup_minor,
        sharer=row.sharer,
    )
    for earning in found:
        _accrue(connection, row, earning, now_ms)


def _accrue(connection: sa.Connection, row: Any, earning: Earning, now_ms: int) -> None:
    one = Commission(
        order=row.order_id,
        level=earning.level,
        room=row.room_id,
        user=earning.user,
        base_minor=row.markup_minor if earning.level == MARKUP else row.base_minor,
        amount_minor=earning.amount_minor,
        currency=row.currency,
        state=EarningState.PENDING,
        accrued_at_ms=now_ms,
        release_at_ms=row.paid_at_ms + row.window_ms,
        changed_at_ms=now_ms,
    )
    values = asdict(one)
    values |= {"order_id": one.order, "room_id": one.room, "user_id": one.user}
    columns = {column.name: values[column.name] for column in commissions.columns}
    connection.execute(sa.insert(commissions), columns)
    legs = [
        Leg(_fund(one), one.currency, -one.amount_minor),
        Leg(user_account(one.user, "pending"), one.currency, one.amount_minor),
    ]
    post(connection, _posting(one, "accrue"), "commission.accrue", now_ms, legs)


def _reverse(connection: sa.Connection, one: Commission, now_ms: int) -> None:
    if not _become(connection, one, EarningState.REVERSED, now_ms):
        return
    where = "pending" if one.state is EarningState.PENDING else "available"
    legs = [
        Leg(user_account(one.user, where), one.currency, -one.amount_minor),
        Leg(_fund(one), one.currency, one.amount_minor),
    ]
    post(connection, _posting(one, "reverse"), "commission.reverse", now_ms, legs)


def _become(connection: sa.Connection, one: Commission, state: EarningState, now_ms: int) -> bool:
    """Turn it if it still stands as it was read."""
    turned = (
        sa.update(commissions)
        .where(
            commissions.c.order_id == one.order,
            commissions.c.level == one.level,
            commissions.c.state == one.state,
        )
        .values(state=state, changed_at_ms=now_ms)
    )
    return connection.execute(turned).rowcount == 1


def _fund(one: Commission) -> str:
    return MARKUPS if one.level == MARKUP else COMMISSION


def _posting(one: Commission, what: str) -> str:
    return f"commission:{one.order}:{one.level}:{what}"


def _commission(row: Any) -> Commission:
    return Commission(
        order=row.order_id,
        level=row.level,
        room=row.room_id,
        user=row.user_id,
        base_minor=row.base_minor,
        amount_minor=row.amount_minor,
        currency=row.currency,
        state=EarningState(row.state),
        accrued_at_ms=row.accrued_at_ms,
        release_at_ms=row.release_at_ms,
        changed_at_ms=row.changed_at_ms,
    )
