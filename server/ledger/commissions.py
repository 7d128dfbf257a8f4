"""Keeping coupons and commissions: claims that lapse, earnings that are decided and released.

One ledger worker keeps at a time. Whom an order brings something is decided once every visit that
began before it is in SQL; everything here takes effect once, however often it is done.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

import sqlalchemy as sa

from flash_sale.store import Sales, Stock
from rooms.adapters.script import RedisClient
from rooms.errors import VisitLogUnavailable
from rooms.sharing.policy import Policies, RewardTo
from server.database.binding_records import inviter_of
from server.database.claim_records import ClaimRecords
from server.database.commission_records import (
    Bringer,
    Brought,
    anything_due,
    decide_due,
    release_due,
)
from server.database.engine import Database
from server.database.errors import DatabaseUnavailable, Unkeepable
from server.database.order_records import OrderRecords
from server.database.sale_records import SaleRecords
from server.database.share_tables import share_links
from server.ledger.claims import Lapses
from server.ledger.lease import Lease, holder
from server.settings import Settings
from server.sharing.policies import load_policies

_LOG = logging.getLogger("onair.commissions")

LEASE_KEY = "onair:money-keeper"
LOOK_EVERY_S = 1.0  # renews the lease, too; well within its life
AT_ONCE = 200
PASSED_S = 3_600.0
CLOCKS_APART_MS = 5_000  # a visit and the order it leads to are told of by different machines


class MoneyKeeper:
    """Start it with `run`. `written_to_ms`: every piece of a visit of before then is in SQL."""

    def __init__(
        self,
        database: Database,
        lapses: Lapses,
        lease: Lease,
        brought: Brought,
        written_to_ms: Callable[[], Awaitable[int]],
        *,
        now_ms: Callable[[], int],
    ) -> None:
        self._database = database
        self._lapses = lapses
        self._lease = lease
        self._brought = brought
        self._written_to_ms = written_to_ms
        self._now_ms = now_ms
        self._complaint = ""
        self._passed: dict[str, float] = {}  # orders that cannot be kept -> when to try again
        self.keeps = False

    async def run(self) -> None:
        """Keep whenever the lease is ours, until cancelled. Waits out every fault."""
        try:
            while True:
                self.keeps = await self._lease.hold()
                more = self.keeps and await self._turn()
                await asyncio.sleep(0 if more else LOOK_EVERY_S)
        finally:
            if self.keeps:
                await self._lease.release()

    async def _turn(self) -> bool:
        """One look; whether more is due already."""
        try:
            more = await self.look()
        except (DatabaseUnavailable, VisitLogUnavailable) as error:
            if str(error) != self._complaint:  # once, not every second
                _LOG.warning("coupons and commissions wait: %s", error)
            self._complaint = str(error)
            return False
        except Exception:  # a bug with one order must not end the ledger worker
            _LOG.exception("keeping coupons and commissions stumbled")
            return False
        self._complaint = ""
        return more

    async def look(self) -> bool:
        """Give back, decide and release what is due, some of each; whether more may be due."""
        await self._lapses.look()
        written_to_ms = await self._written_to_ms() - CLOCKS_APART_MS

        now_ms = self._now_ms()
        if not await self._database.run(
            lambda connection: anything_due(connection, written_to_ms, now_ms),
            attempt="look for commissions that are due",
            reads_only=True,
        ):
            return False

        now_s = time.monotonic()
        self._passed = {order: at_s for order, at_s in self._passed.items() if now_s < at_s}
        passed = frozenset(self._passed)

        def work(connection: sa.Connection) -> int:
            return max(
                decide_due(connection, self._brought, written_to_ms, now_ms, AT_ONCE, passed),
                release_due(connection, now_ms, AT_ONCE, passed),
            )

        try:
            return await self._database.run(work, attempt="decide commissions") == AT_ONCE
        except Unkeepable as error:  # the others must not wait for it
            _LOG.critical("ALARM: %s, later again", error, exc_info=error)
            self._passed[error.order] = now_s + PASSED_S
            return False


def open_money_keeper(
    settings: Settings,
    *,
    commands: RedisClient,
    database: Database,
    stock: Stock,
    sales: Sales,
    written_to_ms: Callable[[], Awaitable[int]],
    name: str,
    now_ms: Callable[[], int],
) -> MoneyKeeper:
    """A keeper with its parts. `name` is the ledger worker's stable name.

    `BadSetting` if the merchant's policies of channels cannot be used. The client and the database
    are the caller's to close, after `run` has ended.
    """
    lapses = Lapses(
        ClaimRecords(database),
        OrderRecords(database),
        SaleRecords(database),
        stock,
        sales,
        after_ms=settings.limits.coupon_claim_lapses_s * 1000,
        now_ms=now_ms,
    )
    return MoneyKeeper(
        database,
        lapses,
        Lease(commands, holder(name), LEASE_KEY),
        brought_by_bindings(load_policies(settings.channel_policies_file)),
        written_to_ms,
        now_ms=now_ms,
    )


def brought_by_bindings(policies: Policies) -> Brought:
    """Who brought somebody is who they are bound to. Whether it pays says the channel of that link,
    and the app in whose browser it was opened.
    """

    def brought(connection: sa.Connection, user: str, at_ms: int) -> Bringer | None:
        binding = inviter_of(connection, user, at_ms)
        if binding is None:
            return None
        query = sa.select(share_links.c.channel).where(share_links.c.id == binding.link)
        channel = connection.execute(query).scalar_one_or_none()
        policy = policies.of(channel or "", binding.app)
        return Bringer(binding.inviter, policy.reward is RewardTo.INVITER)

    return brought
