"""Rooms in SQL: what they are, who may not speak, and the log of every act of staff.

An act and what it changes are one transaction. Announcing it to viewers is the caller's part.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc

from flash_sale.catalog import Product, is_id
from server.database.catalog_records import read_products
from server.database.engine import Database
from server.database.errors import CommentRemoved, DuplicateId, UnknownProducts, UnknownRoom
from server.database.share_tables import quoting, share_links
from server.database.tables import products, room_acts, rooms, sanctions, shelf_items
from server.database.words import Act, RoomRecord, Sanction, StoredAct, check_storable

T = TypeVar("T")

CHANGEABLE = frozenset(
    {
        "title",
        "stream_url",
        "state",
        "slow_seconds",
        "pinned_product_id",
        "pinned_comment",
        "notice",
    }
)


class RoomRecords:
    """Rooms, sanctions, shelves and acts. Every call is one transaction.

    All raise `DatabaseUnavailable`; a room id that could not exist is simply not found.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, room_id: str, title: str, stream_url: str) -> RoomRecord:
        """Store a new, scheduled room with an empty shelf. `DuplicateId` if the id is taken."""
        record = RoomRecord(room_id, title, stream_url, "scheduled", 0, None, None, None, 0)
        row = {
            "id": room_id,
            "title": title,
            "stream_url": stream_url,
            "state": record.state,
            "slow_seconds": 0,
            "version": 0,
        }

        def work(connection: sa.Connection) -> None:
            try:
                connection.execute(sa.insert(rooms), row)
            except exc.IntegrityError as error:
                raise DuplicateId(room_id) from error

        await self._database.run(work, attempt=f"create room {room_id}")
        return record

    async def find(self, room_id: str) -> RoomRecord | None:
        """One room, or None."""
        if not is_id(room_id):
            return None

        def work(connection: sa.Connection) -> RoomRecord | None:
            row = connection.execute(sa.select(rooms).where(rooms.c.id == room_id)).one_or_none()
            return None if row is None else _room(row)

        return await self._database.run(work, attempt=f"read room {room_id}", reads_only=True)

    async def page(
        self, after_id: str | None, limit: int, *, among: Collection[str] | None = None
    ) -> list[RoomRecord]:
        """Up to `limit` rooms by id, those after `after_id`; None starts at the first.

        `among` leaves out every other room.
        """

        def work(connection: sa.Connection) -> list[RoomRecord]:
            query = sa.select(rooms).order_by(rooms.c.id).limit(limit)
            if after_id:
                query = query.where(rooms.c.id > after_id)
            if among is not None:
                query = query.where(rooms.c.id.in_(sorted(filter(is_id, among))))
            return [_room(row) for row in connection.execute(query)]

        return await self._database.run(work, attempt="list rooms", reads_only=True)

    async def act(
        self,
        act: Act,
        *,
        changes: Mapping[str, Any] | None = None,
        sanction: Sanction | None = None,
        lift: str | None = None,
        shelf: Sequence[str] | None = None,
    ) -> int:
        """Log an act with all it changes, or nothing of it; return the room's new version.

        Versions of a room follow the order of commits: 1, 2, 3 without gaps. `changes` are
        columns of the room; `sanction` replaces one of the same user and kind; `lift` ("mute" or
        "ban") removes that of `act.target_user`; `shelf` is the new shelf in order. Raises
        `UnknownRoom`, `UnknownProducts`, and `ValueError` for what could never be stored.
        """
        act.check()
        columns = _columns(changes or {})
        if lift not in {None, "mute", "ban"}:
            raise ValueError(f"lift: must be mute or ban, not {lift!r}")
        if shelf is not None and len(set(shelf)) != len(shelf):
            raise ValueError("shelf: a product is given twice")

        def work(connection: sa.Connection) -> int:
            version = _next_version(connection, act.room_id)
            pinned = columns.get("pinned_product_id")
            _check_products(connection, [*(shelf or ()), *([pinned] if pinned else ())])
            _change(connection, act.room_id, columns)
            if sanction is not None:
                _put_sanction(connection, act, sanction)
            if lift is not None:
                _remove_sanction(connection, act.room_id, act.target_user, lift)
            if shelf is not None:
                _replace_shelf(connection, act.room_id, shelf)
            connection.execute(sa.insert(room_acts), _act_row(act, version))
            return version

        return await self._act(act, work)

    async def remove_comment(self, act: Act) -> tuple[int, bool]:
        """Log the removal of `act.target_comment`; if it was pinned, unpin it. What links quote of
        it is erased.

        Returns the new version and whether it was pinned. Raises as `act` does.
        """
        act.check()

        def work(connection: sa.Connection) -> tuple[int, bool]:
            version = _next_version(connection, act.room_id)
            query = sa.select(rooms.c.pinned_comment).where(rooms.c.id == act.room_id)
            pinned = connection.execute(query).scalar_one()
            unpin = pinned is not None and json.loads(pinned).get("id") == act.target_comment
            _change(connection, act.room_id, {"pinned_comment": None} if unpin else {})
            quotes = sa.update(share_links).where(quoting(act.room_id, act.target_comment))
            connection.execute(quotes.values(quote_name=None, quote_text=None))
            connection.execute(sa.insert(room_acts), _act_row(act, version))
            return version, unpin

        return await self._act(act, work)

    async def is_quoted(self, room_id: str, comment_id: str) -> bool:
        """Whether a link still quotes a comment of the room."""

        def work(connection: sa.Connection) -> bool:
            query = sa.select(share_links.c.id).where(quoting(room_id, comment_id)).limit(1)
            return connection.execute(query).first() is not None

        attempt = f"look for quotes of a comment in room {room_id}"
        return await self._database.run(work, attempt=attempt, reads_only=True)

    async def pin_comment(self, act: Act, comment: Mapping[str, Any]) -> int:
        """Log and pin a comment. `CommentRemoved` if its removal was logged before."""
        act.check()
        columns = _columns({"pinned_comment": dict(comment)})

        def work(connection: sa.Connection) -> int:
            version = _next_version(connection, act.room_id)
            removal = sa.select(room_acts.c.version).where(
                room_acts.c.room_id == act.room_id,
                room_acts.c.kind == "comment.remove",
                room_acts.c.target_comment == act.target_comment,
            )
            if connection.execute(removal.limit(1)).first() is not None:
                raise CommentRemoved(act.target_comment)
            _change(connection, act.room_id, columns)
            connection.execute(sa.insert(room_acts), _act_row(act, version))
            return version

        return await self._act(act, work)

    async def _act(self, act: Act, work: Callable[[sa.Connection], T]) -> T:
        if not is_id(act.room_id):
            raise UnknownRoom(act.room_id)
        return await self._database.run(work, attempt=f"log {act.kind} in room {act.room_id}")

    async def sanctions(self, room_id: str, now_ms: int) -> list[Sanction]:
        """Who may not speak or enter at `now_ms`, by user id; what has run out is left out."""
        if not is_id(room_id):
            return []

        def work(connection: sa.Connection) -> list[Sanction]:
            in_force = sa.or_(sanctions.c.until_ms.is_(None), sanctions.c.until_ms > now_ms)
            rows = connection.execute(
                sa.select(sanctions)
                .where(sanctions.c.room_id == room_id, in_force)
                .order_by(sanctions.c.user_id, sanctions.c.kind)
            )
            return [Sanction(row.user_id, row.kind, row.until_ms, row.reason) for row in rows]

        attempt = f"read the sanctions of room {room_id}"
        return await self._database.run(work, attempt=attempt, reads_only=True)

    async def acts(self, room_id: str, after: int | None, limit: int) -> list[StoredAct]:
        """Up to `limit` acts, newest first, those older than version `after`; None: the newest."""
        if not is_id(room_id):
            return []

        def work(connection: sa.Connection) -> list[StoredAct]:
            query = sa.select(room_acts).where(room_acts.c.room_id == room_id)
            if after is not None:
                query = query.where(room_acts.c.version < after)
            query = query.order_by(room_acts.c.version.desc()).limit(limit)
            return [_stored_act(row) for row in connection.execute(query)]

        attempt = f"read the acts of room {room_id}"
        return await self._database.run(work, attempt=attempt, reads_only=True)

    async def shelf(self, room_id: str) -> list[Product]:
        """The products on the shelf, in their order."""
        if not is_id(room_id):
            return []

        def work(connection: sa.Connection) -> list[Product]:
            query = (
                sa.select(shelf_items.c.product_id)
                .where(shelf_items.c.room_id == room_id)
                .order_by(shelf_items.c.position)
            )
            ids = connection.execute(query).scalars().all()
            found = read_products(connection, ids)
            return [found[product_id] for product_id in ids]

        attempt = f"read the shelf of room {room_id}"
        return await self._database.run(work, attempt=attempt, reads_only=True)


def _next_version(connection: sa.Connection, room_id: str) -> int:
    """First in every act, so that the row's lock puts the acts of a room into one order."""
    version = connection.execute(
        sa.update(rooms)
        .where(rooms.c.id == room_id)
        .values(version=rooms.c.version + 1)
        .returning(rooms.c.version)
    ).scalar_one_or_none()
    if version is None:
        raise UnknownRoom(room_id)
    return int(version)


def _change(connection: sa.Connection, room_id: str, columns: Mapping[str, Any]) -> None:
    if columns:
        connection.execute(sa.update(rooms).where(rooms.c.id == room_id).values(**columns))


def _columns(changes: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(changes) - CHANGEABLE)
    if unknown:
        raise ValueError(f"changes: {', '.join(unknown)} cannot be changed")
    columns = dict(changes)
    if columns.get("pinned_comment") is not None:
        columns["pinned_comment"] = json.dumps(columns["pinned_comment"])
    for name, value in columns.items():
        if isinstance(value, str):
            check_storable(name, value)
    return columns


def _check_products(connection: sa.Connection, ids: Sequence[str]) -> None:
    if not ids:
        return
    possible = [product_id for product_id in ids if is_id(product_id)]
    query = sa.select(products.c.id).where(products.c.id.in_(possible))
    known = set(connection.execute(query).scalars())
    unknown = [product_id for product_id in ids if product_id not in known]
    if unknown:
        raise UnknownProducts(unknown)


def _put_sanction(connection: sa.Connection, act: Act, sanction: Sanction) -> None:
    check_storable("reason", sanction.reason)
    over = sa.and_(sanctions.c.until_ms.is_not(None), sanctions.c.until_ms <= act.at_ms)
    connection.execute(sa.delete(sanctions).where(sanctions.c.room_id == act.room_id, over))
    _remove_sanction(connection, act.room_id, sanction.user_id, sanction.kind)
    row = {
        "room_id": act.room_id,
        "user_id": sanction.user_id,
        "kind": sanction.kind,
        "until_ms": sanction.until_ms,
        "reason": sanction.reason,
    }
    connection.execute(sa.insert(sanctions), row)


def _remove_sanction(connection: sa.Connection, room_id: str, user_id: str, kind: str) -> None:
    connection.execute(
        sa.delete(sanctions).where(
            sanctions.c.room_id == room_id,
            sanctions.c.user_id == user_id,
            sanctions.c.kind == kind,
        )
    )


def _replace_shelf(connection: sa.Connection, room_id: str, product_ids: Sequence[str]) -> None:
    connection.execute(sa.delete(shelf_items).where(shelf_items.c.room_id == room_id))
    rows = [
        {"room_id": room_id, "position": position, "product_id": product_id}
        for position, product_id in enumerate(product_ids)
    ]
    if rows:
        connection.execute(sa.insert(shelf_items), rows)


def _act_row(act: Act, version: int) -> dict[str, Any]:
    return {
        "room_id": act.room_id,
        "version": version,
        "at_ms": act.at_ms,
        "actor_id": act.actor_id,
        "actor_role": str(act.actor_role),
        "kind": act.kind,
        "target_user": act.target_user,
        "target_comment": act.target_comment,
        "reason": act.reason,
        "detail": json.dumps(act.detail),
    }


def _room(row: Any) -> RoomRecord:
    return RoomRecord(
        id=row.id,
        title=row.title,
        stream_url=row.stream_url,
        state=row.state,
        slow_seconds=row.slow_seconds,
        pinned_product_id=row.pinned_product_id,
        pinned_comment=None if row.pinned_comment is None else json.loads(row.pinned_comment),
        notice=row.notice,
        version=row.version,
    )


def _stored_act(row: Any) -> StoredAct:
    act = Act(
        room_id=row.room_id,
        actor_id=row.actor_id,
        actor_role=row.actor_role,
        kind=row.kind,
        target_user=row.target_user,
        target_comment=row.target_comment,
        reason=row.reason,
        detail=json.loads(row.detail),
        at_ms=row.at_ms,
    )
    return StoredAct(row.version, act)
