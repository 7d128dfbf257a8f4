"""What orders claim of coupons: before the store decides, and after the ledger knows.

A claim is made before its order, so that a coupon is never held by two orders; it is given back
when there is no order, and only after the store was told to make none any more. Everything here
may be done twice and by two processes: what was done already is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import exc

from flash_sale.catalog import SkuId
from flash_sale.model import Line, OrderId, OrderState, Purchase, SaleId
from flash_sale.pricing import Coupon, Goods, Priced, Rule, Shop, WhyNot, price
from server.database.coupon_records import chosen
from server.database.coupon_tables import coupon_claim_parts, coupon_claims, coupons
from server.database.engine import Database
from server.database.sale_tables import orders

IDS_AT_ONCE = 500


class ClaimState(StrEnum):
    """held → spent → reversed; held → returned."""

    HELD = "held"
    SPENT = "spent"  # the order is paid
    RETURNED = "returned"  # there is no such order, or it ended unpaid
    REVERSED = "reversed"  # the order was paid and its money went back


@dataclass(frozen=True, slots=True)
class Asked:
    """A purchase that wants coupons; its own `discount_minor` and `coupons` are not set yet."""

    purchase: Purchase
    shop: Shop
    goods: tuple[Goods, ...]
    coupons: tuple[str, ...]  # ids, sorted, each once


@dataclass(frozen=True, slots=True)
class Claim:
    """What an order holds. `state` is as it stood before: HELD for one that was made just now."""

    discount_minor: int
    rules: tuple[Rule, ...]
    state: ClaimState


@dataclass(frozen=True, slots=True)
class Declined:
    """Nothing was claimed: the order id is another request's, or some coupon takes nothing off."""

    rules: tuple[Rule, ...] = ()
    reused: bool = False


@dataclass(frozen=True, slots=True)
class HeldClaim:
    """A claim that is held, with the purchase as it was or will be asked of the store."""

    sale: SaleId
    purchase: Purchase


class ClaimRecords:
    """Claims of coupons. Every call is one transaction; all raise `DatabaseUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, asked: Sequence[Asked], now_ms: int) -> list[Claim | Declined]:
        """Hold the coupons of each purchase, all of them or none; answer i is that of `asked[i]`.

        Whoever has a claim already gets it again, also when it was returned meanwhile.
        """

        def work(connection: sa.Connection) -> list[Claim | Declined]:
            return _claim(connection, asked, now_ms)

        try:
            return await self._database.run(work, attempt="claim coupons")
        except exc.IntegrityError:  # another worker has just made a claim for one of these orders
            return await self._database.run(work, attempt="claim coupons")

    async def give_back(self, gone: Iterable[OrderId], now_ms: int) -> None:
        """Return claims that are still held: the store has no such orders and will have none."""
        ids = sorted(gone)

        def work(connection: sa.Connection) -> None:
            _become(connection, ids, (ClaimState.HELD,), ClaimState.RETURNED, now_ms)

        await self._database.run(work, attempt="give coupons back")

    async def settle(self, order: OrderId, state: OrderState, now_ms: int) -> None:
        """`settle` one order in a transaction of its own."""
        await self._database.run(
            lambda connection: settle(connection, {order: state}, now_ms),
            attempt=f"settle the coupons of {order}",
        )

    async def held_since(self, before_ms: int, after: str, limit: int) -> list[HeldClaim]:
        """Claims that are held since before an instant, by order id, those behind `after`.

        Those whose orders are open in SQL are well and are left out.
        """
        is_open = sa.exists().where(
            orders.c.id == coupon_claims.c.order_id,
            orders.c.state.in_([OrderState.QUEUED, OrderState.RESERVED]),
        )
        query = (
            sa.select(coupon_claims)
            .where(
                coupon_claims.c.state == ClaimState.HELD,
                coupon_claims.c.claimed_at_ms < before_ms,
                coupon_claims.c.order_id > after,
                ~is_open,
            )
            .order_by(coupon_claims.c.order_id)
            .limit(limit)
        )
        return await self._database.run(
            lambda connection: [_held(row) for row in connection.execute(query)],
            attempt="read old claims",
            reads_only=True,
        )


def settle(connection: sa.Connection, states: Mapping[OrderId, OrderState], now_ms: int) -> None:
    """Orders with coupons stand so: spend, return or reverse what they hold."""
    held, spent = ClaimState.HELD, ClaimState.SPENT
    turns: dict[OrderState, tuple[tuple[ClaimState, ...], ClaimState]] = {
        OrderState.PAID: ((held,), spent),
        OrderState.CANCELLED: ((held,), ClaimState.RETURNED),
        OrderState.EXPIRED: ((held,), ClaimState.RETURNED),
        OrderState.REFUNDED: ((held, spent), ClaimState.REVERSED),
    }
    for state, (before, after) in turns.items():
        ids = sorted(order for order, one in states.items() if one is state)
        _become(connection, ids, before, after, now_ms)


def _become(
    connection: sa.Connection,
    ids: Sequence[str],
    before: Sequence[ClaimState],
    after: ClaimState,
    now_ms: int,
) -> None:
    for start in range(0, len(ids), IDS_AT_ONCE):
        some = ids[start : start + IDS_AT_ONCE]
        turned = (
            sa.update(coupon_claims)
            .where(coupon_claims.c.order_id.in_(some), coupon_claims.c.state.in_(before))
            .values(state=after, changed_at_ms=now_ms)
            .returning(coupon_claims.c.order_id)
        )
        turned_ids = list(connection.execute(turned).scalars())
        values: dict[str, Any] = {"state": "granted", "order_id": None}
        if after is ClaimState.SPENT:
            values = {"state": "spent"}
        if turned_ids:
            # By their keys: nothing finds a coupon by its order.
            parts = sa.select(coupon_claim_parts.c.coupon_id).where(
                coupon_claim_parts.c.order_id.in_(turned_ids)
            )
            mine = sa.update(coupons).where(
                coupons.c.id.in_(parts), coupons.c.order_id.in_(turned_ids)
            )
            connection.execute(mine.values(**values))


def _claim(
    connection: sa.Connection, asked: Sequence[Asked], now_ms: int
) -> list[Claim | Declined]:
    # The locks come first: whoever waits for them then sees the claims that were made meanwhile.
    ids = sorted({coupon for one in asked for coupon in one.coupons})
    locks = sa.select(coupons.c.id).where(coupons.c.id.in_(ids)).order_by(coupons.c.id)
    connection.execute(locks.with_for_update()).all()
    batch = _Batch(connection, asked, now_ms)
    answers = [batch.claim(one) for one in asked]
    batch.store(connection)
    return answers


class _Batch:
    """One transaction: what is claimed already, and what is claimed by it."""

    def __init__(self, connection: sa.Connection, asked: Sequence[Asked], now_ms: int) -> None:
        self._now_ms = now_ms
        ids = [one.purchase.order_id for one in asked]
        rows = connection.execute(sa.select(coupon_claims).where(coupon_claims.c.order_id.in_(ids)))
        self._known: dict[str, tuple[str, Claim]] = {row.order_id: _known(row) for row in rows}
        self._coupons: dict[tuple[str, str], Coupon] = {}
        wanted: dict[str, set[str]] = {}
        for one in asked:
            wanted.setdefault(one.purchase.user, set()).update(one.coupons)
        for user, mine in wanted.items():
            for coupon in chosen(connection, user, sorted(mine)):
                self._coupons[user, coupon.id] = coupon
        self._claims: list[dict[str, Any]] = []
        self._parts: list[dict[str, Any]] = []

    def claim(self, asked: Asked) -> Claim | Declined:
        purchase = asked.purchase
        ask = _ask(asked)
        earlier = self._known.get(purchase.order_id)
        if earlier is not None:
            return earlier[1] if earlier[0] == ask else Declined(reused=True)
        mine = [self._coupons[purchase.user, coupon] for coupon in asked.coupons]
        priced = price(asked.shop, asked.goods, mine, self._now_ms)
        if any(rule.why_not is not None for rule in priced.rules):
            return Declined(priced.rules)
        self._add(purchase, asked.shop.sale, ask, priced)
        for coupon in mine:
            held = Coupon(coupon.id, coupon.terms, coupon.expires_at_ms, WhyNot.HELD)
            self._coupons[purchase.user, coupon.id] = held
        claim = Claim(priced.discount_minor, priced.rules, ClaimState.HELD)
        self._known[purchase.order_id] = (ask, claim)
        return claim

    def _add(self, purchase: Purchase, sale: str, ask: str, priced: Priced) -> None:
        self._claims.append(
            {
                "order_id": purchase.order_id,
                "sale_id": sale,
                "user_id": purchase.user,
                "request_id": purchase.request_id,
                "ask": ask,
                "discount_minor": priced.discount_minor,
                "rules": orjson.dumps([asdict(rule) for rule in priced.rules]).decode(),
                "state": ClaimState.HELD,
                "claimed_at_ms": self._now_ms,
                "changed_at_ms": self._now_ms,
            }
        )
        self._parts += [
            {
                "order_id": purchase.order_id,
                "coupon_id": rule.coupon,
                "batch_id": rule.batch,
                "minor": rule.minor,
            }
            for rule in priced.rules
        ]

    def store(self, connection: sa.Connection) -> None:
        if not self._claims:
            return
        connection.execute(sa.insert(coupon_claims), self._claims)
        connection.execute(sa.insert(coupon_claim_parts), self._parts)
        held = (
            sa.update(coupons)
            .where(coupons.c.id == sa.bindparam("coupon"))
            .values(state="held", order_id=sa.bindparam("order"))
        )
        connection.execute(
            held, [{"coupon": one["coupon_id"], "order": one["order_id"]} for one in self._parts]
        )


def _ask(asked: Asked) -> str:
    """What makes it the same request, as the store sees it; enough to ask the store again."""
    purchase = asked.purchase
    lines = sorted(purchase.lines, key=lambda line: line.sku)
    return orjson.dumps(
        {
            "lines": [[line.sku, line.qty, line.markup_minor] for line in lines],
            "waitlist": purchase.waitlist,
            "coupons": asked.coupons,
        }
    ).decode()


def _known(row: Any) -> tuple[str, Claim]:
    rules = tuple(
        Rule(**rule | {"why_not": rule["why_not"] and WhyNot(rule["why_not"])})
        for rule in orjson.loads(row.rules)
    )
    return row.ask, Claim(row.discount_minor, rules, ClaimState(row.state))


def _held(row: Any) -> HeldClaim:
    ask = orjson.loads(row.ask)
    purchase = Purchase(
        order_id=OrderId(row.order_id),
        user=row.user_id,
        request_id=row.request_id,
        lines=tuple(Line(SkuId(sku), qty, markup) for sku, qty, markup in ask["lines"]),
        waitlist=ask["waitlist"],
        discount_minor=row.discount_minor,
        coupons=tuple(ask["coupons"]),
    )
    return HeldClaim(SaleId(row.sale_id), purchase)
