"""Sales in SQL: what the merchant prepared, and what the ledger has heard of their state.

While a sale runs the store decides; its state here follows by the moves that the ledger takes in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from flash_sale.catalog import ProductId, SkuId, is_id
from flash_sale.model import Item, SaleId, SaleState, Terms
from server.database.engine import Database
from server.database.errors import (
    DuplicateId,
    NotADraft,
    UnknownProducts,
    UnknownRoom,
    UnknownSale,
)
from server.database.sale_tables import sale_items, sales
from server.database.sale_words import SaleDraft, SaleRecord
from server.database.tables import product_skus, rooms

CHANGEABLE = frozenset(
    {"room", "currency", "items", "hold_ms", "offer_ms", "starts_at_ms", "ends_at_ms"}
)
DRAFT = SaleState.DRAFT.value


class SaleRecords:
    """Sales and their items. Every call is one transaction; all raise `DatabaseUnavailable`.

    A sale id that could not exist is simply not found.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, draft: SaleDraft) -> SaleRecord:
        """Store a new draft and give it back.

        Raises `DuplicateId`, `UnknownRoom`, and `UnknownProducts` with the ids of products that
        do not exist, or of skus that are not of their product.
        """
        row = {
            "id": draft.id,
            "room_id": draft.room,
            "currency": draft.currency,
            "state": DRAFT,
            "epoch": 1,
            "seq": 0,
            "moves": 0,
            "state_seq": 0,
            "starts_at_ms": draft.starts_at_ms,
            "ends_at_ms": draft.ends_at_ms,
            "hold_ms": draft.hold_ms,
            "offer_ms": draft.offer_ms,
            "reason": "",
            "created_at_ms": draft.created_at_ms,
            "settled_at_ms": None,
        }

        def work(connection: sa.Connection) -> SaleRecord:
            _check_room(connection, draft.room)
            _check_goods(connection, draft.items)
            if _read(connection, _one(draft.id)):
                raise DuplicateId(draft.id)
            try:
                connection.execute(sa.insert(sales), row)
            except exc.IntegrityError as error:
                if _is_taken(error):
                    raise DuplicateId(draft.id) from error
                raise
            _put_items(connection, draft.id, draft.items)
            return _read(connection, _one(draft.id))[0]

        return await self._database.run(work, attempt=f"create sale {draft.id}")

    async def find(self, sale_id: str) -> SaleRecord | None:
        """One sale, or None."""
        if not is_id(sale_id):
            return None
        found = await self._select(_one(sale_id), f"read sale {sale_id}")
        return found[0] if found else None

    async def page(
        self,
        after_id: str | None,
        limit: int,
        room: str | None = None,
        *,
        among: Collection[str] | None = None,
        state: SaleState | None = None,
    ) -> list[SaleRecord]:
        """Up to `limit` sales by id, those after `after_id`; None starts at the first.

        `room` is the only room, `among` the only rooms whose sales are wanted.
        """
        query = sa.select(sales).order_by(sales.c.id).limit(limit)
        if after_id:
            query = query.where(sales.c.id > after_id)
        if room is not None:
            query = query.where(sales.c.room_id == room if is_id(room) else sa.false())
        if among is not None:
            query = query.where(sales.c.room_id.in_(sorted(filter(is_id, among))))
        if state is not None:
            query = query.where(sales.c.state == state.value)
        return await self._select(query, "list sales")

    async def update(self, sale_id: str, changes: Mapping[str, Any]) -> SaleRecord:
        """Change fields of a draft, by the names of `SaleDraft`; `items` are replaced whole.

        Raises `UnknownSale`, `NotADraft`, what `create` raises of rooms and products, and
        `ValueError` for a field that cannot change.
        """
        unknown = sorted(set(changes) - CHANGEABLE)
        if unknown:
            raise ValueError(f"changes: {', '.join(unknown)} cannot be changed")
        columns = {
            "room_id" if name == "room" else name: value
            for name, value in changes.items()
            if name != "items"
        }

        def work(connection: sa.Connection) -> SaleRecord:
            _lock_draft(connection, sale_id)
            if "room" in changes:
                _check_room(connection, changes["room"])
            if columns:
                connection.execute(sa.update(sales).where(sales.c.id == sale_id).values(**columns))
            if "items" in changes:
                _check_goods(connection, changes["items"])
                connection.execute(sa.delete(sale_items).where(sale_items.c.sale_id == sale_id))
                _put_items(connection, sale_id, changes["items"])
            return _read(connection, _one(sale_id))[0]

        if not is_id(sale_id):
            raise UnknownSale(sale_id)
        return await self._database.run(work, attempt=f"change sale {sale_id}")

    async def arming(self, sale_id: str) -> SaleRecord:
        """Freeze the terms of a draft that is about to be put into the store, and give them.

        From here on the sale is among `running`, so that the ledger finds its first moves. A sale
        that is no draft any more is given as it is. Raises `UnknownSale`.
        """
        return await self._become(sale_id, SaleState.DRAFT, SaleState.ARMED)

    async def not_armed(self, sale_id: str) -> SaleRecord:
        """The store refused to arm the sale: a draft again, unless a move of it is stored."""
        return await self._become(sale_id, SaleState.ARMED, SaleState.DRAFT)

    async def running(self) -> list[SaleRecord]:
        """The sales whose moves the ledger must read: armed, and not settled. By id."""
        query = sa.select(sales).where(sales.c.settled_at_ms.is_(None), sales.c.state != DRAFT)
        return await self._select(query.order_by(sales.c.id), "list running sales")

    async def of_room(self, room_id: str) -> list[SaleRecord]:
        """The sales that a room shows: those of `running` that are its own. By id."""
        if not is_id(room_id):
            return []
        query = sa.select(sales).where(
            sales.c.room_id == room_id, sales.c.settled_at_ms.is_(None), sales.c.state != DRAFT
        )
        return await self._select(query.order_by(sales.c.id), f"list sales of room {room_id}")

    async def settle(self, sale_id: str, now_ms: int) -> bool:
        """Nothing more is to come of a closed sale: the ledger reads it no more.

        False, and nothing is changed, if it is not closed or was settled before.
        """
        return await self._mark(
            sale_id,
            sa.and_(sales.c.state == SaleState.CLOSED.value, sales.c.settled_at_ms.is_(None)),
            {"settled_at_ms": now_ms},
        )

    async def stir(self, sale_id: str) -> bool:
        """A settled sale is about to get moves again, such as a refund: it is running again.

        False, and nothing is changed, if it was not settled.
        """
        settled = sales.c.settled_at_ms.is_not(None)
        return await self._mark(sale_id, settled, {"settled_at_ms": None})

    async def bump_epoch(self, sale_id: str) -> int:
        """Begin a new epoch, before a rebuild, and give it. Moves of older ones are refused.

        Raises `UnknownSale`.
        """

        def work(connection: sa.Connection) -> int:
            epoch = connection.execute(
                sa.update(sales)
                .where(sales.c.id == sale_id)
                .values(epoch=sales.c.epoch + 1, seq=0, moves=0, state_seq=0)
                .returning(sales.c.epoch)
            ).scalar_one_or_none()
            if epoch is None:
                raise UnknownSale(sale_id)
            return int(epoch)

        if not is_id(sale_id):
            raise UnknownSale(sale_id)
        return await self._database.run(work, attempt=f"begin an epoch of sale {sale_id}")

    async def _become(self, sale_id: str, before: SaleState, after: SaleState) -> SaleRecord:
        untouched = sa.and_(sales.c.state == before.value, sales.c.seq == 0, sales.c.epoch == 1)
        await self._mark(sale_id, untouched, {"state": after.value})
        found = await self.find(sale_id)
        if found is None:
            raise UnknownSale(sale_id)
        return found

    async def _mark(
        self, sale_id: str, if_so: sa.ColumnElement[bool], columns: Mapping[str, Any]
    ) -> bool:
        def work(connection: sa.Connection) -> bool:
            done = connection.execute(
                sa.update(sales).where(sales.c.id == sale_id, if_so).values(**columns)
            )
            return done.rowcount == 1

        if not is_id(sale_id):
            return False
        return await self._database.run(work, attempt=f"mark sale {sale_id}")

    async def _select(self, query: sa.Select[Any], attempt: str) -> list[SaleRecord]:
        return await self._database.run(
            lambda connection: _read(connection, query), attempt=attempt, reads_only=True
        )


def _one(sale_id: str) -> sa.Select[Any]:
    return sa.select(sales).where(sales.c.id == sale_id)


def _read(connection: sa.Connection, query: sa.Select[Any]) -> list[SaleRecord]:
    rows = connection.execute(query).all()
    items: dict[str, list[Item]] = {row.id: [] for row in rows}
    if not rows:
        return []
    stored = connection.execute(
        sa.select(sale_items)
        .where(sale_items.c.sale_id.in_(list(items)))
        .order_by(sale_items.c.sale_id, sale_items.c.position)
    )
    for row in stored:
        items[row.sale_id].append(_item(row))
    return [_record(row, tuple(items[row.id])) for row in rows]


def _item(row: Any) -> Item:
    return Item(
        sku=SkuId(row.sku),
        product_id=ProductId(row.product_id),
        title=row.title,
        stock=row.stock,
        price_minor=row.price_minor,
        per_user_max=row.per_user_max,
        floor_minor=row.floor_minor,
        markup_max_minor=row.markup_max_minor,
    )


def _record(row: Any, items: tuple[Item, ...]) -> SaleRecord:
    terms = Terms(
        id=SaleId(row.id),
        room=row.room_id,
        currency=row.currency,
        items=items,
        hold_ms=row.hold_ms,
        offer_ms=row.offer_ms,
        starts_at_ms=row.starts_at_ms,
        ends_at_ms=row.ends_at_ms,
        epoch=row.epoch,
    )
    return SaleRecord(
        terms=terms,
        state=SaleState(row.state),
        seq=row.seq,
        moves=row.moves,
        reason=row.reason,
        created_at_ms=row.created_at_ms,
        settled_at_ms=row.settled_at_ms,
    )


def _put_items(connection: sa.Connection, sale_id: str, items: Sequence[Item]) -> None:
    rows = [
        {
            "sale_id": sale_id,
            "sku": item.sku,
            "position": position,
            "product_id": item.product_id,
            "title": item.title,
            "stock": item.stock,
            "price_minor": item.price_minor,
            "per_user_max": item.per_user_max,
            "floor_minor": item.floor_minor,
            "markup_max_minor": item.markup_max_minor,
        }
        for position, item in enumerate(items)
    ]
    if rows:
        connection.execute(sa.insert(sale_items), rows)


def _lock_draft(connection: sa.Connection, sale_id: str) -> None:
    query = sa.select(sales.c.state).where(sales.c.id == sale_id).with_for_update()
    state = connection.execute(query).scalar_one_or_none()
    if state is None:
        raise UnknownSale(sale_id)
    if state != DRAFT:
        raise NotADraft(sale_id)


def _check_room(connection: sa.Connection, room_id: str) -> None:
    query = sa.select(rooms.c.id).where(rooms.c.id == room_id)
    if not is_id(room_id) or connection.execute(query).first() is None:
        raise UnknownRoom(room_id)


def _check_goods(connection: sa.Connection, items: Sequence[Item]) -> None:
    possible = [item.product_id for item in items if is_id(item.product_id)]
    rows = connection.execute(
        sa.select(product_skus.c.product_id, product_skus.c.sku).where(
            product_skus.c.product_id.in_(possible)
        )
    )
    skus: dict[str, set[str]] = {}
    for row in rows:
        skus.setdefault(row.product_id, set()).add(row.sku)
    unknown: list[str] = []
    for item in items:
        if item.product_id not in skus:
            unknown.append(item.product_id)
        elif item.sku not in skus[item.product_id]:
            unknown.append(item.sku)
    if unknown:
        raise UnknownProducts(list(dict.fromkeys(unknown)))


def _is_taken(error: exc.IntegrityError) -> bool:
    """True if it was another sale with the same id, made at the same moment."""
    state = getattr(error.orig, "sqlstate", None)
    return state == "23505"
