"""The desk of a worker on a real Redis and a real database; two desks are two workers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Collection
from dataclasses import dataclass, field, replace

import orjson
import pytest

from flash_sale.adapters.redis_sales import RedisSales
from flash_sale.adapters.script import sale_of_channel
from flash_sale.catalog import SkuId
from flash_sale.model import (
    Act,
    Line,
    OrderId,
    Payment,
    SaleId,
    order_id_of,
)
from rooms.adapters.redis_feed import RedisFeed
from server.app import wall_clock_ms
from server.database.engine import Database
from server.database.order_records import OrderRecords
from server.database.sale_records import SaleRecords
from server.endings import end_tasks
from server.redis_client import Client, ClientRole, connect
from server.replies import Refused
from server.sale_store import sale_store
from server.sales.desk import SalesDesk
from server.sales.live_sale import Clocks, LiveSale
from server.sales.live_sales import LiveSales
from server.settings import Limits, Settings
from tests.support.shop import PRICE_MINOR
from tests.support.wait import wait_until

SALE = SaleId("spring")
TEA, MUG = SkuId("tea"), SkuId("mug")
WITHIN_S = 30
LIMITS = replace(
    Limits(), decide_within_s=1, redis_within_ms=2_000, append_within_s=20, payment_grace_ms=1
)


async def nobody(_sale_id: str) -> None:
    """No ledger worker to hint to."""


@dataclass
class Desk:
    """One worker's desk with a feed of its own, in which messages can be lost or late."""

    redis_url: str
    database: Database
    limits: Limits = LIMITS
    to_drop: int = 0
    holds: bool = False
    held: list[tuple[str, bytes]] = field(default_factory=list)
    told: list[int] = field(default_factory=list)

    async def open(self) -> None:
        self.clients = [connect(self.redis_url, self.limits)]
        self.clients.append(connect(self.redis_url, self.limits, role=ClientRole.LISTENER))
        self.store: RedisSales = sale_store(self.clients[0], Settings(limits=self.limits))
        self.records = SaleRecords(self.database)
        orders = OrderRecords(self.database)
        self.live = LiveSales(
            self.store,
            self.store,
            self.records,
            self.limits,
            Clocks(wall_clock_ms),
            lambda _sale, told: self.told.append(told.at.told),
            nobody,
        )
        self.desk = SalesDesk(self.live, self.store, self.store, self.records, orders, self.limits)
        self.feed = RedisFeed(
            self.clients[1],
            on_message=self._heard,
            on_resumed=self._resumed,
            subscribe_within_s=self.limits.append_within_s,
        )
        self.live.feed = self.feed
        self._feeding = asyncio.create_task(self.feed.run())

    def _heard(self, channel: str, message: bytes) -> None:
        assert sale_of_channel(channel) is not None
        if self.holds:
            self.held.append((channel, message))
        elif self.to_drop:
            self.to_drop -= 1
        else:
            self.live.announced(channel, message)

    def release(self) -> None:
        """Hear what was held back."""
        self.holds = False
        while self.held:
            self._heard(*self.held.pop(0))

    async def _resumed(self, _channels: Collection[str]) -> None:
        self.live.resumed()

    async def close(self) -> None:
        await self.live.drain(1)
        await end_tasks([self._feeding])
        await self.live.close()
        for client in self.clients:
            await client.aclose()

    # what people do

    async def ask(
        self,
        user: str,
        request_id: str = "r1",
        sku: str = TEA,
        qty: int = 1,
        *,
        waitlist: bool = False,
    ) -> bytes:
        return await self.desk.place(
            SALE,
            user=user,
            name=user,
            lines=[Line(SkuId(sku), qty)],
            request_id=request_id,
            waitlist=waitlist,
        )

    async def outcome(self, user: str, request_id: str = "r1") -> str:
        return str(orjson.loads(await self.ask(user, request_id))["outcome"])

    async def sale(self) -> LiveSale:
        return await self.desk.open(SALE)

    async def knows_sold_out(self) -> None:
        """Wait until this worker says so by itself."""
        sale = await self.sale()
        await wait_until(lambda: sale.flags.says_sold_out(TEA), WITHIN_S, "the flag is up")

    async def settled(self, sale_id: str = SALE) -> LiveSale:
        """Wait until this worker's picture of a sale is made."""
        sale = await self.desk.open(sale_id)
        await wait_until(
            lambda: sale.flags.settled and not sale.looking, WITHIN_S, "the picture is made"
        )
        return sale

    async def hears_of(self, units: int) -> None:
        """Wait until this worker knows that so much tea is there."""
        sale = await self.sale()
        await wait_until(
            lambda: sale.flags.available.get(TEA) == units, WITHIN_S, f"{units} units are heard of"
        )


_numbers = itertools.count(1)


def act(name: str = "") -> Act:
    return Act(name or f"desk-act-{next(_numbers)}", "host-1", "host")


def order_id(user: str, request_id: str = "r1") -> OrderId:
    return order_id_of(SALE, user, request_id)


def payment(user: str, name: str = "p1", amount_minor: int = PRICE_MINOR) -> Payment:
    return Payment(name, order_id(user), amount_minor, "CNY", "demo")


async def scripts_run(client: Client) -> int:
    """How many scripts the server has run since it was started."""
    stats = await client.info("commandstats")
    return int(stats.get("cmdstat_evalsha", {"calls": 0})["calls"])


def refused(code: int, match: str = "") -> pytest.RaisesExc[Refused]:
    def has_code(error: Refused) -> bool:
        return error.code == code

    return pytest.RaisesExc(Refused, match=match or None, check=has_code)
