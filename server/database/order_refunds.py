"""The refunds of one order: what a merchant asks for after looking at its payments."""

from __future__ import annotations

import sqlalchemy as sa

from server.database.engine import Database
from server.database.order_records import refund_of
from server.database.sale_tables import refunds
from server.database.sale_words import Refund
from server.database.words import is_storable


async def refunds_of_order(database: Database, order_id: str) -> list[Refund]:
    """Money that is owed back for an order, or was given back, oldest first.

    An id that could not exist has none. Raises `DatabaseUnavailable`.
    """
    if not is_storable(order_id):
        return []
    query = sa.select(refunds).where(refunds.c.order_id == order_id)
    query = query.order_by(refunds.c.created_at_ms, refunds.c.payment_id)

    def work(connection: sa.Connection) -> list[Refund]:
        return [refund_of(row) for row in connection.execute(query)]

    return await database.run(work, attempt=f"read the refunds of {order_id}", reads_only=True)
