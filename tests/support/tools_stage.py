"""A running instance without its web workers, and an operator who calls the commands beside it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from flash_sale.model import Order
from server.__main__ import main
from server.database.ledger_records import Ledger
from server.endings import end_tasks
from server.instance_lock import InstanceLock
from server.ledger.writer import Writer
from server.settings import Limits
from tests.support.redis_server import RedisServer
from tests.support.shop import PRICE_MINOR, Shop


@dataclass
class Instance:
    """What a running server has: the lock, Redis, SQL; its ledger worker only when asked."""

    data_dir: Path
    lock: InstanceLock
    redis: RedisServer
    shop: Shop
    writing: asyncio.Task[None] | None = None
    is_up: bool = True

    def write(self) -> None:
        """Let a ledger worker write."""
        writer = Writer(
            self.shop.stream,
            self.shop.records,
            Ledger(self.shop.database),
            Limits(),
            "ledger-1",
            now_ms=lambda: time.time_ns() // 1_000_000,
        )
        self.writing = asyncio.create_task(writer.run())

    async def stop(self) -> None:
        """End it, as SIGTERM does; SQL can still be read here."""
        if self.writing is not None:
            await end_tasks([self.writing])
            self.writing = None
        if self.is_up:
            await self.shop.client.aclose()
            await asyncio.to_thread(self.redis.stop)
            self.lock.release()
        self.is_up = False


async def onair(*arguments: str) -> int:
    """Run one command as the console script does; returns its exit code."""
    return await asyncio.to_thread(main, arguments)


async def a_busy_sale(shop: Shop, sale: str = "s1") -> dict[str, Order]:
    """An open sale with orders in every state, by buyer; the ledger may not know yet."""
    made = await shop.opened(sale, {"tea": 4, "mug": 3}, per_user_max=2)
    buys = {
        "ann": ("tea", 2, False), "bob": ("tea", 1, False), "cat": ("tea", 1, False),
        "dan": ("tea", 1, True), "eve": ("tea", 1, True), "fay": ("mug", 1, False),
        "gus": ("mug", 1, False),
    }  # fmt: skip
    orders: dict[str, Order] = {}
    for user, (sku, qty, waitlist) in buys.items():
        order = (await shop.buy(made, user, sku, qty, waitlist=waitlist)).order
        assert order is not None
        orders[user] = order
    await shop.pay(orders["ann"].id, 2 * PRICE_MINOR)
    await shop.pay(orders["fay"].id)
    await shop.pay(orders["gus"].id)
    await shop.store.refund(orders["gus"].id, shop.act("broken"), restock=False)
    await shop.store.cancel(orders["cat"].id, "cat", "changed my mind")  # dan gets the unit
    return orders
