"""What somebody earns by sharing: balances, and each commission and markup with its state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from server import rpc_requests as ask
from server.database.account_records import Accounts
from server.database.commission_records import Commission, CommissionRecords
from server.replies import sign_in_first
from server.rpc import Result, Rpc
from server.sales.answers import faults
from server.settings import Limits
from server.viewer import Viewer


class Earnings:
    """`earnings.list`: one's own accounts, and the newest `orders_listed_max` earnings.

    Inside an app whose policy hides rewards it tells of none.
    """

    def __init__(
        self,
        accounts: Accounts,
        records: CommissionRecords,
        limits: Limits,
        shows_rewards: Callable[[str], bool],
    ) -> None:
        self._accounts = accounts
        self._records = records
        self._limits = limits
        self._shows_rewards = shows_rewards

    def procedures(self) -> dict[str, Rpc]:
        return {"earnings.list": Rpc(ask.Nothing, self._list)}

    async def _list(self, viewer: Viewer, request: ask.Nothing) -> Result:
        if viewer.identity.is_anonymous:
            raise sign_in_first("see earnings")
        if not self._shows_rewards(viewer.origin.app):
            return {"accounts": [], "commissions": []}
        user, most = viewer.user_id, self._limits.orders_listed_max
        with faults():
            balances = await self._accounts.of_user(user)
            earned = await self._records.page(None, most, user=user)
        return {
            "accounts": [
                {"account": one.account.rpartition(":")[2], "unit": one.unit, "minor": one.amount}
                for one in balances
            ],
            "commissions": [_json(one) for one in earned],
        }


def _json(one: Commission) -> dict[str, Any]:
    """Without the order: it is its buyer's."""
    return {
        "room": one.room,
        "level": one.level,
        "amount_minor": one.amount_minor,
        "currency": one.currency,
        "state": one.state.value,
        "at_ms": one.accrued_at_ms,
        "release_at_ms": one.release_at_ms,
    }
