"""Where orders came from: stored with each new order, and what each source has brought."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from flash_sale.catalog import is_id
from rooms.sharing.sources import DIRECT, Source
from server.database.account_tables import order_sources
from server.database.bulk import Bulk
from server.database.engine import Database
from server.database.sale_tables import orders, sales
from server.database.visit_tables import visit_counters, visits

SOURCES_MAX = 1_000  # told apart in one report: anybody may name a campaign in an address
OTHERS = "*"  # the others together; no source is called so


class By(StrEnum):
    """What sources are told apart by."""

    CHANNEL = "channel"
    CAMPAIGN = "campaign"
    STAFF = "staff"
    INVITER = "inviter"


@dataclass(frozen=True, slots=True)
class OrderSource:
    """Where one order came from. `visit` is empty if it is not known."""

    order: str
    room: str
    sale: str
    visit: str
    source: Source
    at_ms: int


@dataclass(frozen=True, slots=True)
class Brought:
    """What a source has brought. `paid_minor` is of all orders that were ever paid, refunded ones
    among them; `visits` None: not counted.
    """

    name: str
    visits: int | None = 0
    orders: int = 0
    paid_orders: int = 0
    paid_minor: int = 0
    refunded_minor: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """All sources of orders in one currency, and their total, which is counted by itself."""

    currency: str
    currencies: list[str]
    sources: list[Brought]
    total: Brought


_SOURCES = Bulk(
    order_sources,
    [column.name for column in order_sources.columns],
    conflict="ON CONFLICT (order_id) DO NOTHING",
)


def store_sources(connection: sa.Connection, found: Iterable[OrderSource]) -> None:
    """Keep where orders came from; what is known of an order stays."""
    by_order = {one.order: one for one in found}
    _SOURCES.store(
        connection,
        [
            (
                one.order,
                one.room,
                one.sale,
                one.visit,
                one.source.channel,
                one.source.campaign,
                one.source.staff,
                one.source.inviter,
                one.source.link,
                one.at_ms,
            )
            for _, one in sorted(by_order.items())
        ],
    )


class SourceRecords:
    """What sources have brought. All calls only read, and raise `DatabaseUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def report(
        self, by: By, *, rooms: Iterable[str] | None, sale: str = "", currency: str = ""
    ) -> Report:
        """Every source with orders or visits, by name. `rooms` None: every room.

        Beyond SOURCES_MAX those that brought least are one, OTHERS, at the end.
        Without a currency that of most orders. Visits are counted for rooms, not for one sale.
        """
        among = None if rooms is None else sorted(filter(is_id, rooms))
        wanted: list[sa.ColumnElement[bool]] = []
        if among is not None:  # by their sales: orders have an index of these, and none of rooms
            theirs = sa.select(sales.c.id).where(sales.c.room_id.in_(among))
            wanted += [orders.c.room_id.in_(among), orders.c.sale_id.in_(theirs)]
        if sale:
            wanted.append(orders.c.sale_id == sale if is_id(sale) else sa.false())

        def work(connection: sa.Connection) -> Report:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            known = _currencies(connection, wanted)
            chosen = currency or (known[0] if known else "")
            these = [*wanted, orders.c.currency == chosen]
            came = None if sale else _visits(connection, by, among)
            sources = _together(_orders(connection, by, these), came)
            total = None if came is None else sum(came.values())
            told = _bounded(sources, SOURCES_MAX)
            return Report(chosen, sorted(known), told, _total(connection, these, total))

        return await self._database.run(work, attempt="count what sources brought", reads_only=True)


def _currencies(connection: sa.Connection, wanted: Sequence[sa.ColumnElement[bool]]) -> list[str]:
    """Those of orders, that of most orders first."""
    count = sa.func.count()
    query = sa.select(orders.c.currency, count).where(*wanted).group_by(orders.c.currency)
    found = connection.execute(query.order_by(count.desc(), orders.c.currency))
    return [row.currency for row in found]


def _sums() -> list[sa.ColumnElement[int]]:
    paid, refunded = orders.c.paid_at_ms.is_not(None), orders.c.state == "refunded"
    cases = (
        sa.case((paid, 1), else_=0),
        sa.case((paid, orders.c.amount_minor), else_=0),
        sa.case((refunded, orders.c.amount_minor), else_=0),
    )
    return [sa.func.count(), *(sa.func.coalesce(sa.func.sum(case), 0) for case in cases)]


def _orders(
    connection: sa.Connection, by: By, wanted: Sequence[sa.ColumnElement[bool]]
) -> dict[str, tuple[int, ...]]:
    # Orders of before sources were kept have none: they count as direct ones.
    # A literal: PostgreSQL does not see that two parameters are alike.
    unsaid = DIRECT if by is By.CHANNEL else ""
    none: sa.ColumnElement[str] = sa.literal_column(f"'{unsaid}'")
    name = sa.func.coalesce(order_sources.c[by.value], none)
    query = (
        sa.select(name, *_sums())
        .select_from(orders)
        .outerjoin(order_sources, order_sources.c.order_id == orders.c.id)
        .where(*wanted)
        .group_by(name)
    )
    return {source: tuple(map(int, sums)) for source, *sums in connection.execute(query)}


def _total(
    connection: sa.Connection, wanted: Sequence[sa.ColumnElement[bool]], visits: int | None
) -> Brought:
    query = sa.select(*_sums()).select_from(orders).where(*wanted)
    return Brought("", visits, *map(int, connection.execute(query).one()))


def _visits(connection: sa.Connection, by: By, rooms: Sequence[str] | None) -> dict[str, int]:
    """Visits by source. Counters are kept for ever, but not by inviter: those are of the visits
    that are still kept.
    """
    name: sa.ColumnElement[str] = visits.c.inviter
    count: sa.ColumnElement[int] = sa.func.count()
    table = visits
    if by is not By.INVITER:
        name, table = visit_counters.c[by.value], visit_counters
        count = sa.func.sum(visit_counters.c.visits)
    query = sa.select(name, count).select_from(table).group_by(name)
    if rooms is not None:
        query = query.where(table.c.room_id.in_(rooms))
    return {source: int(number) for source, number in connection.execute(query)}


def _together(found: dict[str, tuple[int, ...]], came: dict[str, int] | None) -> list[Brought]:
    if came is None:
        return [Brought(name, None, *found[name]) for name in sorted(found)]
    names = sorted(found.keys() | came.keys())
    return [Brought(name, came.get(name, 0), *found.get(name, ())) for name in names]


def _bounded(sources: list[Brought], most: int) -> list[Brought]:
    """At most `most` sources by name, and behind them what the others come to together."""
    if len(sources) <= most:
        return sources
    ranked = sorted(sources, key=lambda one: (-one.orders, -(one.visits or 0), one.name))
    rest = ranked[most:]
    others = Brought(
        OTHERS,
        None if rest[0].visits is None else sum(one.visits or 0 for one in rest),
        sum(one.orders for one in rest),
        sum(one.paid_orders for one in rest),
        sum(one.paid_minor for one in rest),
        sum(one.refunded_minor for one in rest),
    )
    return [*sorted(ranked[:most], key=lambda one: one.name), others]
