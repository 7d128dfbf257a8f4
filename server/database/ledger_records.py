"""The ledger: every move of a sale, stored once, and what is owed, dropped or seen beside it.

One transaction per call. Several ledger workers may call at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from flash_sale.model import Move
from server.database.engine import Database
from server.database.ledger_apply import Follow, apply_moves
from server.database.order_records import refund_of
from server.database.sale_tables import ledger_set_aside, refunds, webhook_events
from server.database.sale_words import Applied, Refund, SetAside, WebhookEvent
from server.database.words import as_storable, is_storable

ERROR_CHARS_MAX = 2_000


class Ledger:
    """What the stream of a sale becomes. All calls raise `DatabaseUnavailable`.

    `follow` are called in the transactions that store moves, each once with every move of an
    order: in the order of their numbers as far as they come together. See `Follow`.
    """

    def __init__(self, database: Database, follow: Sequence[Follow] = ()) -> None:
        self._database = database
        self._follow = tuple(follow)

    async def apply(self, sale_id: str, batches: Sequence[Sequence[Move]]) -> Applied:
        """Store the moves of one sale that are new, all or none, in one transaction.

        In any order and any portions, however often and from several writers: what is stored in
        the end is the same. Raises `Diverged` if another move is stored under a move's number, or
        its epoch is yet to come; `OldEpoch` if it is new and the sale was rebuilt since;
        `UnknownSale`; and `IntegrityError`, `DataError`, `ValueError`, `KeyError` or `TypeError`
        for a move that can never be stored. After a lost answer apply the same moves again.
        """
        return await self._database.run(
            lambda connection: apply_moves(connection, sale_id, batches, self._follow),
            attempt=f"store moves of sale {sale_id}",
        )

    async def set_aside(
        self,
        sale_id: str,
        entry_id: str,
        raw: bytes,
        error: str,
        now_ms: int,
        *,
        epoch: int = 0,
    ) -> None:
        """Keep an entry that the ledger could not take in. The same entry is kept once.

        `epoch` is that of its moves; 0: they cannot be read.
        """
        row = {
            "sale_id": sale_id,
            "entry_id": entry_id,
            "epoch": epoch,
            "raw": raw,
            "error": as_storable(error)[:ERROR_CHARS_MAX],
            "at_ms": now_ms,
        }
        same = sa.and_(
            ledger_set_aside.c.sale_id == sale_id, ledger_set_aside.c.entry_id == entry_id
        )

        def work(connection: sa.Connection) -> None:
            _insert_once(connection, ledger_set_aside, same, row)

        await self._database.run(work, attempt=f"set an entry of sale {sale_id} aside")

    async def set_aside_count(self, sale_id: str | None = None) -> int:
        """How many entries were set aside, of one sale or of all."""
        query = sa.select(sa.func.count()).select_from(ledger_set_aside)
        if sale_id is not None:
            query = query.where(ledger_set_aside.c.sale_id == sale_id)
        return await self._database.run(
            lambda connection: int(connection.execute(query).scalar_one()),
            attempt="count what was set aside",
            reads_only=True,
        )

    async def what_was_set_aside(self, after: int, limit: int) -> list[SetAside]:
        """Entries that were set aside, oldest first, those behind number `after`; 0: the first."""
        query = (
            sa.select(ledger_set_aside)
            .where(ledger_set_aside.c.id > after)
            .order_by(ledger_set_aside.c.id)
            .limit(limit)
        )
        return await self._database.run(
            lambda connection: [SetAside(*row) for row in connection.execute(query)],
            attempt="list what was set aside",
            reads_only=True,
        )

    async def due(self, now_ms: int, limit: int) -> list[Refund]:
        """Up to `limit` refunds that are to be sent now, the longest due first."""
        query = (
            sa.select(refunds)
            .where(refunds.c.state == "due", refunds.c.next_at_ms <= now_ms)
            .order_by(refunds.c.next_at_ms, refunds.c.id)
            .limit(limit)
        )
        return await self._database.run(
            lambda connection: [refund_of(row) for row in connection.execute(query)],
            attempt="read the refunds that are due",
            reads_only=True,
        )

    async def refunds_due_count(self) -> int:
        """How many refunds are due, now or later. Those that were given up are not among them."""
        query = sa.select(sa.func.count()).where(refunds.c.state == "due")
        return await self._database.run(
            lambda connection: int(connection.execute(query).scalar_one()),
            attempt="count the refunds that are due",
            reads_only=True,
        )

    async def refund_done(self, refund_id: str, now_ms: int) -> None:
        """The provider has taken the refund. Saying so again changes nothing."""
        await self._of_refund(
            refund_id,
            refunds.c.state != "done",
            {
                "state": "done",
                "done_at_ms": now_ms,
                "attempts": refunds.c.attempts + 1,
                "last_error": "",
            },
        )

    async def refund_failed(
        self, refund_id: str, error: str, next_at_ms: int, given_up: bool
    ) -> None:
        """The provider has not taken it: try again at `next_at_ms`, or give it up (`failed`).

        A refund that is done meanwhile, by another worker, stays done.
        """
        await self._of_refund(
            refund_id,
            refunds.c.state == "due",
            {
                "state": "failed" if given_up else "due",
                "next_at_ms": next_at_ms,
                "attempts": refunds.c.attempts + 1,
                "last_error": as_storable(error)[:ERROR_CHARS_MAX],
            },
        )

    async def events_seen(
        self, keys: Sequence[tuple[str, str]]
    ) -> dict[tuple[str, str], WebhookEvent]:
        """What is stored of events, by provider and event id; new ones are not in it."""
        storable = [key for key in keys if is_storable(key[1])]
        if not storable:
            return {}
        return await self._database.run(
            lambda connection: _events(connection, storable),
            attempt="look for payment events",
            reads_only=True,
        )

    async def store_events(self, events: Sequence[WebhookEvent]) -> list[WebhookEvent]:
        """Keep events and what came of each, all or none; returns what stands of each: the first
        that was kept."""
        first = {(event.provider, event.event_id): event for event in reversed(events)}

        def work(connection: sa.Connection) -> list[WebhookEvent]:
            known = _events(connection, list(first))
            new = [asdict(event) for key, event in first.items() if key not in known]
            try:
                with connection.begin_nested():
                    if new:
                        connection.execute(sa.insert(webhook_events), new)
            except exc.IntegrityError:  # another worker stored one of them at this moment
                for row in new:
                    same = _same_event(row["provider"], row["event_id"])
                    _insert_once(connection, webhook_events, same, row)
            stands = _events(connection, list(first))
            return [stands[event.provider, event.event_id] for event in events]

        return await self._database.run(work, attempt="store payment events")

    async def _of_refund(
        self, refund_id: str, if_so: sa.ColumnElement[bool], columns: dict[str, Any]
    ) -> None:
        query = sa.update(refunds).where(refunds.c.id == refund_id, if_so).values(**columns)
        await self._database.run(
            lambda connection: connection.execute(query), attempt=f"mark refund {refund_id}"
        )


def _same_event(provider: str, event_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(webhook_events.c.provider == provider, webhook_events.c.event_id == event_id)


def _events(
    connection: sa.Connection, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], WebhookEvent]:
    key = sa.tuple_(webhook_events.c.provider, webhook_events.c.event_id)
    rows = connection.execute(sa.select(webhook_events).where(key.in_(keys)))
    events = [WebhookEvent(*row) for row in rows]
    return {(event.provider, event.event_id): event for event in events}


def _insert_once(
    connection: sa.Connection,
    table: sa.Table,
    same: sa.ColumnElement[bool],
    row: dict[str, Any],
) -> None:
    """Insert unless there is one already; two that come at the same moment leave one."""
    query = sa.select(sa.literal(1)).select_from(table).where(same)
    if connection.execute(query).first() is not None:
        return
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(table), row)
    except exc.IntegrityError:
        if connection.execute(query).first() is None:
            raise
