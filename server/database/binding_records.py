"""Who brought whom, in SQL: touches, and the bindings that follow from them.

Follows the writer of visits, in its transactions: what it is told twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from rooms.sharing.sources import Binding
from rooms.sharing.visits import VisitChange
from server.database.share_tables import bindings

DAY_MS = 86_400_000


class Bindings:
    """Binds people to who brought them, for `protected_days` from the touch on."""

    def __init__(self, protected_days: int) -> None:
        self._protected_ms = protected_days * DAY_MS

    def follow(self, connection: sa.Connection, changes: Sequence[VisitChange]) -> None:
        """Take in what newly stored pieces made of visits, in the transaction that stores them."""


def inviter_of(connection: sa.Connection, user: str, at_ms: int) -> Binding | None:
    """The binding of a user that stands at an instant, or None."""
    query = (
        sa.select(bindings)
        .where(
            bindings.c.user_id == user, bindings.c.bound_at_ms <= at_ms, bindings.c.until_ms > at_ms
        )
        .order_by(bindings.c.number.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return Binding(row.user_id, row.inviter, row.link, row.bound_at_ms, row.until_ms)
