"""The books of sharing: what must hold in SQL after every transaction, whoever wrote it.

Counted here by queries of its own, from the rows alone. A list of complaints comes back; an empty
one means that arrivals, rewards, pools, coupons, commissions, accounts and sources agree.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from server.database.account_tables import (
    commission_due,
    commissions,
    order_sources,
    postings,
    transactions,
)
from server.database.coupon_tables import coupon_batches, coupon_claim_parts, coupon_claims, coupons
from server.database.ladder_tables import (
    arrivals,
    ladder_grants,
    ladder_members,
    ladder_shares,
    ladder_tiers,
    ladders,
)
from server.database.sale_tables import orders

PACKET = "red_packet"
_CLAIM_OF = {  # an order with coupons, and how its claim stands
    "queued": "held",
    "reserved": "held",
    "paid": "spent",
    "cancelled": "returned",
    "expired": "returned",
    "refunded": "reversed",
}


def complaints(connection: sa.Connection) -> list[str]:
    """Everything in the books that does not agree."""
    return [complaint for check in _CHECKS for complaint in check(connection)]


def rows(connection: sa.Connection, table: sa.Table) -> list[Any]:
    return list(connection.execute(sa.select(table)).all())


def _members(connection: sa.Connection) -> Iterator[str]:
    """Numbers are what was judged valid; tiers are given exactly when they are reached."""
    valid: Counter[tuple[str, str]] = Counter()
    for arrival in rows(connection, arrivals):
        if arrival.verdict == "valid":
            valid[arrival.ladder_id, arrival.inviter] += 1
        if (arrival.judged_at_ms is None) != (arrival.due_at_ms is not None):
            yield f"arrival {arrival.visit_id} is judged and due, or neither"
        if arrival.rewarded and arrival.judged_at_ms is None:
            yield f"arrival {arrival.visit_id} counted before it was judged"
    members = {(row.ladder_id, row.user_id): row.valid for row in rows(connection, ladder_members)}
    if +Counter(members) != valid:
        yield f"numbers of inviters {members}, arrivals judged valid {dict(valid)}"
    given: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for grant in rows(connection, ladder_grants):
        if grant.tier:
            given[grant.ladder_id, grant.user_id][grant.tier] += 1
    tiers = rows(connection, ladder_tiers)
    for ladder, user in {*members, *given}:
        number = members.get((ladder, user), 0)
        reached = Counter(t.number for t in tiers if t.ladder_id == ladder and t.needs <= number)
        if given[ladder, user] != reached:
            has = sorted(given[ladder, user].elements())
            yield f"{user} has {number} in {ladder}, reached {sorted(reached)}, was given {has}"


def _stock(connection: sa.Connection) -> Iterator[str]:
    """No tier gives more than its stock, no ladder more than its budget; nothing is missing."""
    given: Counter[tuple[str, int]] = Counter()
    for grant in rows(connection, ladder_grants):
        given[grant.ladder_id, grant.tier] += grant.state not in ("missed", "expired")
    costs: Counter[str] = Counter()
    for share in rows(connection, ladder_shares):
        costs[share.ladder_id] += 0 if share.returned else share.amount_minor
    ended = {row.id for row in rows(connection, ladders) if row.ended_at_ms is not None}
    for tier in rows(connection, ladder_tiers):
        key = (tier.ladder_id, tier.number)
        is_packet = tier.kind == PACKET
        costs[tier.ladder_id] += 0 if is_packet else given[key] * tier.cost_minor
        over = tier.stock - given[key] - tier.left_units
        if over < 0 or (over and not (is_packet and tier.ladder_id in ended)):
            yield f"{key}: stock {tier.stock}, given {given[key]}, left {tier.left_units}"
    for ladder in rows(connection, ladders):
        newcomers = given[ladder.id, 0]
        if newcomers + ladder.newcomer_left != ladder.newcomer_stock:
            yield f"{ladder.id}: {newcomers} newcomers, {ladder.newcomer_left} left"
        cost = costs[ladder.id] + newcomers * ladder.newcomer_cost_minor
        if ladder.state != "draft" and not ladder.taken_minor == cost <= ladder.budget_minor:
            yield f"{ladder.id}: cost {cost}, taken {ladder.taken_minor}"


def _pools(connection: sa.Connection) -> Iterator[str]:
    """Every pool is whole to the cent; a share is one person's, and worth what they were told."""
    pools: Counter[tuple[str, int]] = Counter()
    free: Counter[tuple[str, int]] = Counter()
    opened: dict[str, int] = {}
    for share in rows(connection, ladder_shares):
        pools[share.ladder_id, share.tier] += share.amount_minor
        free[share.ladder_id, share.tier] += share.grant_id is None and not share.returned
        if share.grant_id is not None:
            opened[share.grant_id] = share.amount_minor
    grants = [row for row in rows(connection, ladder_grants) if row.kind == PACKET]
    rights = Counter((row.ladder_id, row.tier) for row in grants if row.state == "granted")
    for tier in rows(connection, ladder_tiers):
        key = (tier.ladder_id, tier.number)
        if key not in pools:
            continue
        if pools[key] != tier.pool_minor:
            yield f"{key}: the pool of {tier.pool_minor} has shares of {pools[key]}"
        if free[key] != tier.left_units + rights[key]:
            yield f"{key}: {free[key]} shares are free, {rights[key]} rights to them"
    told = {row.id: row.value_minor for row in grants if row.state == "opened"}
    if told != opened:
        yield f"shares taken {opened}, packets opened {told}"


def _postings(connection: sa.Connection) -> Iterator[str]:
    sums: Counter[tuple[str, str]] = Counter()
    for leg in rows(connection, postings):
        sums[leg.transaction_id, leg.unit] += leg.amount
    yield from (f"transaction {key} sums up to {total}" for key, total in sums.items() if total)
    without = {row.id for row in rows(connection, transactions)} - {key[0] for key in sums}
    yield from (f"transaction {id} has no legs" for id in without)


def _balances(connection: sa.Connection) -> Iterator[str]:
    """Accounts hold exactly what rewards and commissions say."""
    due: Counter[tuple[str, str]] = Counter()

    def owe(account: str, unit: str, amount: int, fund: str) -> None:
        due[account, unit] += amount
        due[fund, unit] -= amount

    for grant in rows(connection, ladder_grants):
        if grant.state == "missed":
            continue
        owe(f"user:{grant.user_id}:points", "points", grant.points, "shop:points")
        available = f"user:{grant.user_id}:available"
        owe(available, grant.currency, grant.value_minor, "shop:red_packets")
    for one in rows(connection, commissions):
        if one.state != "reversed":
            fund = "shop:commission" if one.level else "shop:markup"
            owe(f"user:{one.user_id}:{one.state}", one.currency, one.amount_minor, fund)
    held: Counter[tuple[str, str]] = Counter()
    for leg in rows(connection, postings):
        held[leg.account, leg.unit] += leg.amount
    for key in {*due, *held}:
        if due[key] != held[key]:
            yield f"account {key} holds {held[key]}, should hold {due[key]}"


def _coupons(connection: sa.Connection) -> Iterator[str]:
    """A coupon is in one place: free, or with the one order that holds it or has spent it."""
    claims = {row.order_id: row for row in rows(connection, coupon_claims)}
    parts = rows(connection, coupon_claim_parts)
    taken: dict[str, tuple[str, str]] = {}
    off: Counter[str] = Counter()
    for part in parts:
        off[part.order_id] += part.minor
        claim = claims[part.order_id]
        if claim.state in ("held", "spent"):
            if part.coupon_id in taken:
                yield f"coupon {part.coupon_id} is taken by two orders"
            taken[part.coupon_id] = (claim.state, part.order_id)
    for coupon in rows(connection, coupons):
        place = None if coupon.order_id is None else (coupon.state, coupon.order_id)
        if place != taken.get(coupon.id):
            yield f"coupon {coupon.id} is at {place}, claims say {taken.get(coupon.id)}"
    for claim in claims.values():
        if claim.discount_minor != off[claim.order_id]:
            yield f"claim {claim.order_id} takes off {claim.discount_minor}, parts {off}"


def _issued(connection: sa.Connection) -> Iterator[str]:
    """Coupons were issued as often as their batches say, and each for one reward at most."""
    issued = Counter(row.batch_id for row in rows(connection, coupons))
    for batch in rows(connection, coupon_batches):
        if not batch.issued == issued[batch.id] <= batch.issue_max:
            yield f"batch {batch.id}: issued {batch.issued}, there are {issued[batch.id]}"
    given = [row.coupon for row in rows(connection, ladder_grants) if row.coupon]
    if len(set(given)) != len(given):
        yield f"one coupon was given by two rewards: {given}"


def _orders(connection: sa.Connection) -> Iterator[str]:
    """Orders and their claims stand alike; every order has one source."""
    claims = {row.order_id: row for row in rows(connection, coupon_claims)}
    known = rows(connection, orders)
    for order in known:
        claim = claims.get(order.id)
        if not order.coupons:
            if claim is not None and claim.state not in ("returned", "held"):
                yield f"order {order.id} has no coupons, its claim is {claim.state}"
            continue
        if claim is None:
            yield f"order {order.id} has coupons and no claim"
        elif claim.state != _CLAIM_OF[order.state]:
            yield f"order {order.id} is {order.state}, its claim {claim.state}"
        elif claim.discount_minor != order.discount_minor:
            yield f"order {order.id}: discount {order.discount_minor}, {claim.discount_minor}"
    sources = {row.order_id for row in rows(connection, order_sources)}
    if sources != {order.id for order in known}:
        yield f"{len(known)} orders, {len(sources)} sources"


def _commissions(connection: sa.Connection) -> Iterator[str]:
    """Only paid orders bring commissions, and a refund leaves nobody any."""
    states = {order.id: order.state for order in rows(connection, orders)}
    decided = {row.order_id: row.state for row in rows(connection, commission_due)}
    for order, state in decided.items():
        if states.get(order) == "refunded" and state == "due":
            yield f"order {order} is refunded, and its commission still due"
    for one in rows(connection, commissions):
        if decided.get(one.order_id) != "decided":
            yield f"commission of {one.order_id}, which is {decided.get(one.order_id)}"
        elif (states[one.order_id] == "refunded") != (one.state == "reversed"):
            yield f"order {one.order_id} is {states[one.order_id]}, its commission {one.state}"


_CHECKS = (
    *(_members, _stock, _pools, _postings, _balances),
    *(_coupons, _issued, _orders, _commissions),
)
