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
from server.database.sale_tables import orders
from server.database.visit_tables import visit_counters, visits


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
    currency: str
    visits: int | None
    orders: int
    paid_orders: int
    paid_minor: int
    refunded_minor: int


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

    async def report(self, by: By, *, rooms: Iterable[str] | None, sale: str = "") -> list[Brought]:
        """Every source with orders or visits, by name and currency. `rooms` None: every room.

        Visits are counted for rooms, not for one sale. Together the sources have all orders.
        """
        among = None if rooms is None else sorted(filter(is_id, rooms))

        def work(connection: sa.Connection) -> list[Brought]:
            came = {} if sale else _visits(connection, by, among)
            found = _orders(connection, by, among, sale)
            return _together(found, came, counted=not sale)

        return await self._database.run(work, attempt="count what sources brought", reads_only=True)


def _orders(
    connection: sa.Connection, by: By, rooms: Sequence[str] | None, sale: str
) -> list[Brought]:
    # Orders of before sources were kept have none: they count as direct ones.
    name = sa.func.coalesce(order_sources.c[by.value], DIRECT if by is By.CHANNEL else "")
    paid = orders.c.paid_at_ms.is_not(None)
    refunded = orders.c.state == "refunded"
    query = (
        sa.select(
            name,
            orders.c.currency,
            sa.func.count(),
            sa.func.sum(sa.case((paid, 1), else_=0)),
            sa.func.sum(sa.case((paid, orders.c.amount_minor), else_=0)),
            sa.func.sum(sa.case((refunded, orders.c.amount_minor), else_=0)),
        )
        .select_from(orders)
        .outerjoin(order_sources, order_sources.c.order_id == orders.c.id)
        .group_by(name, orders.c.currency)
        .order_by(name, orders.c.currency)
    )
    if rooms is not None:
        query = query.where(orders.c.room_id.in_(rooms))
    if sale:
        query = query.where(orders.c.sale_id == sale if is_id(sale) else sa.false())
    return [
        Brought(source, currency, None, int(count), int(bought), int(minor), int(back))
        for source, currency, count, bought, minor, back in connection.execute(query)
    ]


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


def _together(found: Sequence[Brought], came: dict[str, int], *, counted: bool) -> list[Brought]:
    """Orders and visits in one list: visits stand with the first currency of their source."""
    if not counted:
        return list(found)
    left = dict(came)
    both = [
        Brought(
            one.name,
            one.currency,
            left.pop(one.name, 0),
            one.orders,
            one.paid_orders,
            one.paid_minor,
            one.refunded_minor,
        )
        for one in found
    ]
    only = [Brought(name, "", count, 0, 0, 0, 0) for name, count in sorted(left.items())]
    return [*both, *only]
