"""Accounts in double entry: what is posted, and what it comes to.

Accounts need no opening; their names say whose they are: `user:<id>:points`, `user:<id>:pending`,
`user:<id>:available`, `shop:commission`, `shop:markup`, `shop:points`, `shop:red_packets`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import exc

from server.database.account_tables import postings, transactions
from server.database.engine import Database
from server.database.words import is_storable

POINTS = "points"  # a unit, as currencies are


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of a transaction: so much into an account, or out of it when negative."""

    account: str
    unit: str
    amount: int


@dataclass(frozen=True, slots=True)
class Balance:
    account: str
    unit: str
    amount: int


def post(connection: sa.Connection, id: str, kind: str, at_ms: int, legs: Iterable[Leg]) -> bool:
    """Post a transaction in the caller's; False if `id` is posted already, and nothing is done.

    Legs of one account and unit are added up. Raises `ValueError` unless the legs of each unit
    sum up to nothing and something is left of them.
    """
    totals = Counter[tuple[str, str]]()
    for leg in legs:
        totals[leg.account, leg.unit] += leg.amount
    rows = [(account, unit, amount) for (account, unit), amount in sorted(totals.items()) if amount]
    sums = Counter[str]()
    for _account, unit, amount in rows:
        sums[unit] += amount
    if not rows or any(sums.values()):
        raise ValueError(f"transaction {id}: its legs do not balance")
    if _is_posted(connection, id):
        return False
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(transactions), {"id": id, "kind": kind, "at_ms": at_ms})
    except exc.IntegrityError:  # posted by another at the same moment
        if _is_posted(connection, id):
            return False
        raise
    connection.execute(
        sa.insert(postings),
        [
            {"transaction_id": id, "account": account, "unit": unit, "amount": amount}
            for account, unit, amount in rows
        ],
    )
    return True


def balances(connection: sa.Connection, begin: str) -> list[Balance]:
    """The balances of all accounts whose names begin so, by account and unit."""
    query = (
        sa.select(postings.c.account, postings.c.unit, sa.func.sum(postings.c.amount))
        .where(_begins(postings.c.account, begin))
        .group_by(postings.c.account, postings.c.unit)
        .order_by(postings.c.account, postings.c.unit)
    )
    return [
        Balance(account, unit, int(amount)) for account, unit, amount in connection.execute(query)
    ]


def user_account(user: str, what: str) -> str:
    """The account of a user: `what` is `pending`, `available` or `points`."""
    return f"user:{user}:{what}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One posting, with its transaction."""

    at_ms: int
    transaction: str
    kind: str
    account: str
    unit: str
    amount: int


class Accounts:
    """What accounts come to. All calls only read, and raise `DatabaseUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_user(self, user: str) -> list[Balance]:
        """Every balance of a user, by account and unit."""
        if not is_storable(user):
            return []
        names = {user_account(user, what) for what in ("pending", "available", POINTS)}

        def work(connection: sa.Connection) -> list[Balance]:
            found = balances(connection, f"user:{user}:")
            return [one for one in found if one.account in names]

        return await self._database.run(
            work, attempt=f"read the accounts of {user}", reads_only=True
        )

    async def entries(self, user: str, after: Entry | None, limit: int) -> list[Entry]:
        """Postings of a user's accounts in pieces, by instant, those behind `after`."""
        if not is_storable(user):
            return []
        names = [user_account(user, what) for what in ("pending", "available", POINTS)]
        key = sa.tuple_(
            transactions.c.at_ms, transactions.c.id, postings.c.account, postings.c.unit
        )
        query = (
            sa.select(
                transactions.c.at_ms,
                transactions.c.id,
                transactions.c.kind,
                postings.c.account,
                postings.c.unit,
                postings.c.amount,
            )
            .join(transactions, transactions.c.id == postings.c.transaction_id)
            .where(postings.c.account.in_(names))
            .order_by(*key.clauses)
            .limit(limit)
        )
        if after is not None:
            query = query.where(
                key > sa.tuple_(after.at_ms, after.transaction, after.account, after.unit)
            )
        return await self._database.run(
            lambda connection: [Entry(*row) for row in connection.execute(query)],
            attempt=f"read the statement of {user}",
            reads_only=True,
        )


def _is_posted(connection: sa.Connection, id: str) -> bool:
    query = sa.select(sa.literal(1)).where(transactions.c.id == id)
    return connection.execute(query).first() is not None


def _begins(column: sa.ColumnElement[str], begin: str) -> sa.ColumnElement[bool]:
    """Those that begin with a text, by the order of their bytes: one range of an index."""
    return sa.and_(column >= begin, column < begin + "\U0010ffff")
