"""Rewards in SQL: each tier once per person, while stock and budget last.

Giving happens in the transaction that judges arrivals, under the lock of the ladder's row. Money
and points are booked in double entry in the same transaction; nothing here is done twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import sqlalchemy as sa

from rooms.sharing.ladders import GrantState, RewardKind, Tier
from rooms.sharing.vouchers import voucher_code
from server.database.account_records import POINTS, Leg, post, user_account
from server.database.coupon_records import grant as grant_coupon
from server.database.errors import UnknownBatch
from server.database.ladder_tables import ladder_grants, ladder_shares, ladder_tiers, ladders
from server.database.ladder_words import (
    AlreadyRedeemed,
    Grant,
    LadderRecord,
    NotOpenable,
    UnknownGrant,
)

DAY_MS = 86_400_000
NEWCOMER = 0  # the tier of a reward for arriving
CODES_MAX = 20  # a code that is taken is drawn again; with 35 bits hardly ever once


@dataclass(frozen=True, slots=True)
class Giving:
    """How rewards are given: what signs vouchers, and how long a red packet may be opened."""

    voucher_key: bytes
    open_days: int


def grant_id(ladder: str, user: str, tier: int) -> str:
    """The one id that a reward can have."""
    facts = f"{ladder}\0{tier}\0{user}".encode()
    return blake2b(facts, digest_size=12, person=b"onair grant").hexdigest()


def climb(
    connection: sa.Connection,
    record: LadderRecord,
    reached: Sequence[tuple[str, int]],
    giving: Giving,
    now_ms: int,
) -> list[Grant]:
    """Give everybody what their valid arrivals have brought them and they do not have yet.

    `reached` are users and their numbers; who stands first is served first. Needs `lock`.
    """
    had = _tiers_of(connection, record.terms.id, [user for user, _ in reached])
    return [
        _give(connection, record, tier, user, giving, now_ms)
        for user, valid in reached
        for tier in record.terms.tiers
        if tier.needs <= valid and (user, tier.number) not in had
    ]


def welcome(
    connection: sa.Connection, record: LadderRecord, user: str, now_ms: int
) -> Grant | None:
    """Give somebody who arrived the coupon for it, once. None: there is none, or they have it."""
    terms = record.terms
    if not user or not terms.newcomer_batch:
        return None
    if _tiers_of(connection, terms.id, [user]) & {(user, NEWCOMER)}:
        return None
    tier = Tier(
        number=NEWCOMER,
        needs=0,
        kind=RewardKind.COUPON,
        title=terms.title,
        stock=terms.newcomer_stock,
        cost_minor=terms.newcomer_cost_minor,
        coupon_batch=terms.newcomer_batch,
    )
    return _give(connection, record, tier, user, None, now_ms)


def open_packet(connection: sa.Connection, grant: str, user: str, now_ms: int) -> Grant:
    """Open a red packet: the next share of its pool is this person's, once and for good.

    Raises `UnknownGrant` and `NotOpenable`.
    """
    opened = connection.execute(
        sa.update(ladder_grants)
        .where(
            ladder_grants.c.id == grant,
            ladder_grants.c.user_id == user,
            ladder_grants.c.kind == RewardKind.RED_PACKET.value,
            ladder_grants.c.state == GrantState.GRANTED.value,
            ladder_grants.c.expires_at_ms > now_ms,
        )
        .values(state=GrantState.OPENED.value, done_at_ms=now_ms)
    )
    found = _of(connection, ladder_grants.c.id == grant)
    if found is None or found.user != user:
        raise UnknownGrant(grant)
    if not opened.rowcount:
        if found.state is GrantState.OPENED:
            return found
        raise NotOpenable(None if found.kind is not RewardKind.RED_PACKET else found.state)
    amount_minor = _take_share(connection, found)
    connection.execute(
        sa.update(ladder_grants).where(ladder_grants.c.id == grant).values(value_minor=amount_minor)
    )
    legs = [
        Leg("shop:red_packets", found.currency, -amount_minor),
        Leg(user_account(user, "available"), found.currency, amount_minor),
    ]
    post(connection, f"reward:{grant}", "red_packet", now_ms, legs)
    there = _of(connection, ladder_grants.c.id == grant)
    assert there is not None
    return there


def redeem(connection: sa.Connection, code: str, request_id: str, now_ms: int) -> Grant:
    """Hand over what a voucher stands for, exactly once; the same request is answered again.

    Raises `UnknownGrant` and `AlreadyRedeemed`.
    """
    done = connection.execute(
        sa.update(ladder_grants)
        .where(ladder_grants.c.code == code, ladder_grants.c.state == GrantState.GRANTED.value)
        .values(state=GrantState.REDEEMED.value, done_at_ms=now_ms, request_id=request_id)
    )
    query = sa.select(ladder_grants).where(ladder_grants.c.code == code)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise UnknownGrant(code)
    if not done.rowcount and row.request_id != request_id:
        raise AlreadyRedeemed(row.done_at_ms)
    return grant_of(row)


def expire(connection: sa.Connection, now_ms: int, limit: int) -> int:
    """Take back the right to red packets that nobody opened in time; returns how many.

    While its ladder runs, the right returns to the tier; after that its share to the budget.
    """
    query = (
        sa.select(ladder_grants)
        .where(
            ladder_grants.c.state == GrantState.GRANTED.value,
            ladder_grants.c.expires_at_ms <= now_ms,
        )
        .order_by(ladder_grants.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(query).all()
    for row in rows:
        connection.execute(
            sa.update(ladder_grants)
            .where(ladder_grants.c.id == row.id)
            .values(state=GrantState.EXPIRED.value, done_at_ms=now_ms, told=False)
        )
        ladder = ladders.c.id == row.ladder_id
        ended = sa.select(ladders.c.ended_at_ms).where(ladder).with_for_update(key_share=True)
        if connection.execute(ended).scalar_one() is None:
            connection.execute(_change_stock(row.ladder_id, row.tier, 1))
        else:
            give_back(connection, row.ladder_id, row.tier, 1)
    return len(rows)


def give_back(connection: sa.Connection, ladder: str, tier: int, shares: int) -> None:
    """Return so many of a pool's shares to the budget, from the last one on: nobody has a right
    to them any more."""
    at = (ladder_shares.c.ladder_id == ladder) & (ladder_shares.c.tier == tier)
    free = at & ladder_shares.c.grant_id.is_(None) & ladder_shares.c.returned.is_(False)
    last = sa.select(ladder_shares.c.number, ladder_shares.c.amount_minor).where(free)
    rows = connection.execute(last.order_by(ladder_shares.c.number.desc()).limit(shares)).all()
    assert len(rows) == shares, f"pool of ladder {ladder}, tier {tier}: no share is free"
    if not rows:
        return
    gone = at & (ladder_shares.c.number >= rows[-1].number) & ladder_shares.c.returned.is_(False)
    connection.execute(sa.update(ladder_shares).where(gone).values(returned=True))
    amount_minor = sum(row.amount_minor for row in rows)
    connection.execute(
        sa.update(ladders)
        .where(ladders.c.id == ladder)
        .values(taken_minor=ladders.c.taken_minor - amount_minor)
    )


def grant_of(row: Any) -> Grant:
    """A row of `ladder_grants` as the words have it."""
    return Grant(
        id=row.id,
        ladder=row.ladder_id,
        room=row.room_id,
        user=row.user_id,
        tier=row.tier,
        kind=RewardKind(row.kind),
        title=row.title,
        state=GrantState(row.state),
        why=row.why,
        points=row.points,
        coupon=row.coupon,
        code=row.code,
        value_minor=row.value_minor,
        currency=row.currency,
        at_ms=row.at_ms,
        expires_at_ms=row.expires_at_ms,
        done_at_ms=row.done_at_ms,
    )


def _give(
    connection: sa.Connection,
    record: LadderRecord,
    tier: Tier,
    user: str,
    giving: Giving | None,
    now_ms: int,
) -> Grant:
    """One reward, or the note that nothing was left of it."""
    id, terms = grant_id(record.terms.id, user, tier.number), record.terms
    values: dict[str, Any] = {"points": 0, "coupon": "", "code": None, "expires_at_ms": None}
    why = _take(connection, terms.id, tier)
    if not why:
        match tier.kind:
            case RewardKind.COUPON:
                values["coupon"] = _coupon(connection, tier, user, id, now_ms)
            case RewardKind.POINTS:
                values["points"] = tier.points
                account = user_account(user, POINTS)
                legs = [Leg("shop:points", POINTS, -tier.points), Leg(account, POINTS, tier.points)]
                post(connection, f"reward:{id}", "points", now_ms, legs)
            case RewardKind.RED_PACKET:
                assert giving is not None
                values["expires_at_ms"] = now_ms + giving.open_days * DAY_MS
            case RewardKind.VOUCHER:
                assert giving is not None
                values["code"] = _free_code(connection, giving.voucher_key, id)
        if tier.kind is RewardKind.COUPON and not values["coupon"]:
            why = "coupons"
            _take(connection, terms.id, tier, back=True)
    row = values | {
        "id": id,
        "ladder_id": terms.id,
        "room_id": terms.room,
        "user_id": user,
        "tier": tier.number,
        "kind": tier.kind.value,
        "title": tier.title,
        "state": (GrantState.MISSED if why else GrantState.GRANTED).value,
        "why": why,
        "value_minor": 0,
        "currency": terms.currency,
        "at_ms": now_ms,
        "done_at_ms": None,
        "request_id": "",
        "told": False,
    }
    connection.execute(sa.insert(ladder_grants), row)
    found = _of(connection, ladder_grants.c.id == id)
    assert found is not None
    return found


def _take(connection: sa.Connection, ladder: str, tier: Tier, *, back: bool = False) -> str:
    """One unit of the stock and what it costs, like a purchase; or why it cannot be had.

    A pool was taken from the budget as a whole when the ladder was published.
    """
    units = 1 if back else -1
    cost_minor = 0 if tier.kind is RewardKind.RED_PACKET else -units * tier.cost_minor
    if not connection.execute(_change_stock(ladder, tier.number, units)).rowcount:
        return "stock"
    taken = ladders.c.taken_minor + cost_minor
    paid = sa.update(ladders).where(ladders.c.id == ladder, taken <= ladders.c.budget_minor)
    if not connection.execute(paid.values(taken_minor=taken)).rowcount:
        connection.execute(_change_stock(ladder, tier.number, -units))
        return "budget"
    return ""


def _change_stock(ladder: str, tier: int, by: int) -> sa.Update:
    if tier == NEWCOMER:
        left = ladders.c.newcomer_left + by
        return (
            sa.update(ladders).where(ladders.c.id == ladder, left >= 0).values(newcomer_left=left)
        )
    left = ladder_tiers.c.left_units + by
    at = (ladder_tiers.c.ladder_id == ladder) & (ladder_tiers.c.number == tier)
    return sa.update(ladder_tiers).where(at, left >= 0).values(left_units=left)


def _coupon(connection: sa.Connection, tier: Tier, user: str, id: str, now_ms: int) -> str:
    """A coupon of the tier's batch, or empty if there is none for this person."""
    try:
        cause = f"reward:{id}"
        return grant_coupon(connection, tier.coupon_batch, user, cause, now_ms) or ""
    except UnknownBatch:
        return ""


def _free_code(connection: sa.Connection, key: bytes, id: str) -> str:
    for attempt in range(CODES_MAX):
        code = voucher_code(key, id, attempt)
        if _of(connection, ladder_grants.c.code == code) is None:
            return code
    raise AssertionError("no code for a voucher is free")


def _take_share(connection: sa.Connection, grant: Grant) -> int:
    """The next share of the pool; its tier's row is locked by the first statement."""
    at = (ladder_tiers.c.ladder_id == grant.ladder) & (ladder_tiers.c.number == grant.tier)
    one_more = sa.update(ladder_tiers).where(at).values(opened=ladder_tiers.c.opened + 1)
    connection.execute(one_more)
    number = connection.execute(sa.select(ladder_tiers.c.opened).where(at)).scalar_one()
    share = (
        (ladder_shares.c.ladder_id == grant.ladder)
        & (ladder_shares.c.tier == grant.tier)
        & (ladder_shares.c.number == number)
    )
    free = share & ladder_shares.c.grant_id.is_(None) & ladder_shares.c.returned.is_(False)
    taken = connection.execute(sa.update(ladder_shares).where(free).values(grant_id=grant.id))
    assert taken.rowcount == 1, f"share {number} of ladder {grant.ladder} is not free"
    query = sa.select(ladder_shares.c.amount_minor).where(share)
    return int(connection.execute(query).scalar_one())


def _of(connection: sa.Connection, wanted: sa.ColumnElement[bool]) -> Grant | None:
    row = connection.execute(sa.select(ladder_grants).where(wanted)).one_or_none()
    return None if row is None else grant_of(row)


def _tiers_of(connection: sa.Connection, ladder: str, users: Iterable[str]) -> set[tuple[str, int]]:
    """Which tiers these users have reached and been given, or have missed."""
    query = sa.select(ladder_grants.c.user_id, ladder_grants.c.tier).where(
        ladder_grants.c.ladder_id == ladder, ladder_grants.c.user_id.in_(sorted(set(users)))
    )
    return {(row[0], row[1]) for row in connection.execute(query)}
