"""Share links in SQL: made once, never changed, but that a quote goes with its comment.

Who is bound to whom is `server.database.binding_records`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgres_insert

from flash_sale.catalog import is_id
from rooms.sharing.sources import Quote, ShareLink, Source, Target, TargetKind
from server.database.engine import Database
from server.database.errors import UnknownRoom
from server.database.sale_tables import sale_items, sales
from server.database.share_tables import share_links
from server.database.tables import room_acts, rooms
from server.database.words import check_storable

DAY_MS = 86_400_000
_OVER = ("draft", "closed")  # states of sales in which nothing is sold


class TooManyLinks(Exception):
    """Somebody has made as many links today as one person may. `free_at_ms`: the next one."""

    def __init__(self, free_at_ms: int) -> None:
        super().__init__("too many links in one day")
        self.free_at_ms = free_at_ms


class LinkPlace(NamedTuple):
    """Where a page of links ended."""

    created_at_ms: int
    id: str


class ShareRecords:
    """Every call is one transaction; all raise `DatabaseUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, link: ShareLink, *, per_day_max: int | None) -> ShareLink:
        """Store a link, or find it: made before, it stays as it was made.

        Raises `UnknownRoom`, `TooManyLinks` when there are `per_day_max` of this inviter from
        the day before already, and `ValueError` for what could never be stored.
        """
        row = _row(link)
        for name, value in row.items():
            if isinstance(value, str):
                check_storable(name, value)

        def work(connection: sa.Connection) -> ShareLink:
            there = _find(connection, link.id)
            if there is not None:
                return there
            if not _may_quote(connection, link):
                row.update(quote_name=None, quote_text=None)
            if link.source.inviter and per_day_max is not None:
                _take_turn(connection, link.source.inviter)
                there = _find(connection, link.id)
                if there is not None:
                    return there
                _check_bound(connection, link, per_day_max)
            if connection.dialect.name == "sqlite":  # one writer: nobody came between
                connection.execute(sa.insert(share_links), row)
            else:
                connection.execute(postgres_insert(share_links).on_conflict_do_nothing(), row)
            return _find(connection, link.id) or link

        return await self._database.run(work, attempt=f"store a link to room {link.room}")

    async def find(self, link_id: str) -> ShareLink | None:
        """One link, or None."""

        def work(connection: sa.Connection) -> ShareLink | None:
            return _find(connection, link_id)

        return await self._database.run(work, attempt=f"read link {link_id}", reads_only=True)

    async def page(
        self,
        after: LinkPlace | None,
        limit: int,
        *,
        room: str | None = None,
        inviter: str | None = None,
        campaign: str | None = None,
        among: Collection[str] | None = None,
    ) -> list[ShareLink]:
        """Up to `limit` links, newest first, those behind `after`.

        The filters and `among` (rooms) leave out every other link.
        """
        query = sa.select(share_links).limit(limit)
        query = query.order_by(share_links.c.created_at_ms.desc(), share_links.c.id.desc())
        if after is not None:
            key = sa.tuple_(share_links.c.created_at_ms, share_links.c.id)
            query = query.where(key < sa.tuple_(sa.literal(after.created_at_ms), after.id))
        wanted = {"room_id": room, "inviter": inviter, "campaign": campaign}
        for name, value in wanted.items():
            if value is not None:
                query = query.where(share_links.c[name] == value)
        if among is not None:
            query = query.where(share_links.c.room_id.in_(sorted(filter(is_id, among))))

        def work(connection: sa.Connection) -> list[ShareLink]:
            return [_link(row) for row in connection.execute(query)]

        return await self._database.run(work, attempt="list links", reads_only=True)

    async def is_removed(self, room_id: str, comment_id: str) -> bool:
        """Whether staff have removed a comment: its text is then shown nowhere any more."""

        def work(connection: sa.Connection) -> bool:
            return _is_removed(connection, room_id, comment_id)

        attempt = f"look for a removed comment in room {room_id}"
        return await self._database.run(work, attempt=attempt, reads_only=True)

    async def markup_caps(
        self, room_id: str, *, skus: Sequence[str] = (), product: str = ""
    ) -> dict[str, int]:
        """The highest markup of each sku, among these or of a product, in sales of the room that
        are not over. A sku that is in no such sale is left out.
        """
        of_product = sale_items.c.product_id == product
        wanted = of_product if product else sale_items.c.sku.in_(list(skus))

        def work(connection: sa.Connection) -> dict[str, int]:
            query = (
                sa.select(sale_items.c.sku, sa.func.max(sale_items.c.markup_max_minor))
                .join(sales, sales.c.id == sale_items.c.sale_id)
                .where(
                    sales.c.room_id == room_id,
                    sales.c.state.not_in(_OVER),
                    wanted,
                )
                .group_by(sale_items.c.sku)
            )
            return {row[0]: int(row[1]) for row in connection.execute(query)}

        attempt = f"read the markups of room {room_id}"
        return await self._database.run(work, attempt=attempt, reads_only=True)


def _may_quote(connection: sa.Connection, link: ShareLink) -> bool:
    """Whether what a link quotes was not removed, nor is until it is stored. `UnknownRoom`."""
    query = sa.select(rooms.c.id).where(rooms.c.id == link.room)
    if link.quote is not None:
        query = query.with_for_update(read=True)  # a removal has to wait
    if connection.execute(query).first() is None:
        raise UnknownRoom(link.room)
    return link.quote is None or not _is_removed(connection, link.room, link.target.id)


def _is_removed(connection: sa.Connection, room_id: str, comment_id: str) -> bool:
    query = sa.select(room_acts.c.version).where(
        room_acts.c.room_id == room_id,
        room_acts.c.kind == "comment.remove",
        room_acts.c.target_comment == comment_id,
    )
    return connection.execute(query.limit(1)).first() is not None


def _take_turn(connection: sa.Connection, inviter: str) -> None:
    """The links of one person are made one after the other, so that they can be counted."""
    if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        lock = sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(inviter, 4))
        connection.execute(sa.select(lock))


def _check_bound(connection: sa.Connection, link: ShareLink, per_day_max: int) -> None:
    query = (
        sa.select(share_links.c.created_at_ms)
        .where(
            share_links.c.inviter == link.source.inviter,
            share_links.c.created_at_ms > link.created_at_ms - DAY_MS,
        )
        .order_by(share_links.c.created_at_ms.desc())
        .offset(per_day_max - 1)
        .limit(1)
    )
    earliest = connection.execute(query).scalar_one_or_none()
    if earliest is not None:
        raise TooManyLinks(earliest + DAY_MS)


def _find(connection: sa.Connection, link_id: str) -> ShareLink | None:
    query = sa.select(share_links).where(share_links.c.id == link_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _link(row)


def _row(link: ShareLink) -> dict[str, Any]:
    quote = link.quote
    return {
        "id": link.id,
        "room_id": link.room,
        "inviter": link.source.inviter,
        "inviter_name": link.inviter_name,
        "channel": link.source.channel,
        "campaign": link.source.campaign,
        "staff": link.source.staff,
        "target_kind": str(link.target.kind),
        "target_id": link.target.id,
        "at_ms": link.target.at_ms,
        "markups": json.dumps(dict(link.markups), sort_keys=True),
        "quote_name": None if quote is None else quote.name,
        "quote_text": None if quote is None else quote.text,
        "created_at_ms": link.created_at_ms,
    }


def _link(row: Any) -> ShareLink:
    return ShareLink(
        id=row.id,
        room=row.room_id,
        source=Source(row.channel, row.campaign, row.staff, row.inviter, row.id),
        target=Target(TargetKind(row.target_kind), row.target_id, row.at_ms),
        created_at_ms=row.created_at_ms,
        markups=json.loads(row.markups),
        inviter_name=row.inviter_name,
        quote=None if row.quote_text is None else Quote(row.quote_name, row.quote_text),
    )
