"""A shop with running sales: real Redis, real SQL, and a ledger that writes when a test says so."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

from flash_sale.adapters.confirmed import Durable
from flash_sale.adapters.redis_sales import RedisSales, StoreLimits
from flash_sale.adapters.redis_stream import RedisLedgerStream
from flash_sale.catalog import Product, ProductId, Sku, SkuId
from flash_sale.model import (
    Act,
    Decision,
    Item,
    Line,
    OrderId,
    Paid,
    Payment,
    Purchase,
    SaleId,
    SaleView,
    Steering,
    order_id_of,
)
from server.database.catalog_records import CatalogRecords
from server.database.engine import Database
from server.database.ledger_records import Ledger
from server.database.order_records import OrderRecords
from server.database.room_records import RoomRecords
from server.database.sale_records import SaleRecords
from server.database.sale_words import SaleDraft
from server.redis_client import Client

ROOM = "garden"
SKUS = ("tea", "mug")
PRICE_MINOR = 500
WRITER = "test-writer"


@dataclass(slots=True)
class Shop:
    """One shop. `drain` is its ledger worker."""

    client: Client
    database: Database
    grace_ms: int = 1
    _acts: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def store(self) -> RedisSales:
        return RedisSales(
            self.client,
            StoreLimits(grace_ms=self.grace_ms),
            Durable("always", server_syncs=True, within_ms=1_000),
        )

    @property
    def stream(self) -> RedisLedgerStream:
        return RedisLedgerStream(self.client)

    @property
    def records(self) -> SaleRecords:
        return SaleRecords(self.database)

    @property
    def orders(self) -> OrderRecords:
        return OrderRecords(self.database)

    async def furnish_room(self, room: str) -> None:
        await RoomRecords(self.database).create(room, room.title(), "")

    async def furnish(self) -> None:
        """Make a room, and products with one sku each."""
        await self.furnish_room(ROOM)
        for sku in SKUS:
            goods = (Sku(SkuId(sku), sku.title(), PRICE_MINOR),)
            await CatalogRecords(self.database).create(
                Product(ProductId(sku), sku.title(), PRICE_MINOR, "CNY", "", goods)
            )

    async def draft(
        self,
        sale: str,
        stock: Mapping[str, int],
        *,
        room: str = ROOM,
        hold_ms: int = 60_000,
        per_user_max: int = 100,
    ) -> SaleId:
        items = tuple(
            Item(SkuId(sku), ProductId(sku), sku.title(), units, PRICE_MINOR, per_user_max)
            for sku, units in stock.items()
        )
        await self.records.create(
            SaleDraft(SaleId(sale), room, "CNY", items, hold_ms, hold_ms, created_at_ms=1)
        )
        return SaleId(sale)

    async def arm(self, sale: SaleId) -> SaleView:
        """Put a draft into the store, as the desk does."""
        record = await self.records.arming(sale)
        return await self.store.arm(record.terms, self.act(), {})

    async def opened(self, sale: str, stock: Mapping[str, int], **terms: object) -> SaleId:
        """A sale that is open."""
        made = await self.draft(sale, stock, **terms)  # type: ignore[arg-type]
        await self.arm(made)
        await self.steer(made, Steering.OPEN)
        return made

    def act(self, reason: str = "") -> Act:
        return Act(f"act-{next(self._acts)}", "merchant-1", "merchant", reason)

    async def steer(self, sale: SaleId, steering: Steering, **how: object) -> SaleView:
        return await self.store.steer(sale, steering, self.act(), **how)  # type: ignore[arg-type]

    async def buy(
        self,
        sale: SaleId,
        user: str,
        sku: str = "tea",
        qty: int = 1,
        *,
        waitlist: bool = False,
        request_id: str = "r1",
    ) -> Decision:
        purchase = Purchase(
            order_id_of(sale, user, request_id),
            user,
            request_id,
            (Line(SkuId(sku), qty),),
            waitlist,
        )
        decided = await self.store.reserve(sale, [purchase])
        return decided.decisions[0]

    async def pay(self, order: OrderId, amount_minor: int = PRICE_MINOR, name: str = "") -> Paid:
        payment = Payment(name or f"pay-{order}", order, amount_minor, "CNY", "demo")
        return (await self.store.pay(SaleId(order.partition(".")[0]), [payment]))[0]

    async def drain(self, sale: SaleId) -> int:
        """Write what the stream holds into SQL; returns how many entries that were."""
        ledger, stream, written = Ledger(self.database), self.stream, 0
        while entries := await stream.read(sale, WRITER, 100):
            assert not any(entry.unreadable for entry in entries)
            await ledger.apply(sale, [entry.moves for entry in entries])
            await stream.committed(sale, [entry.id for entry in entries])
            written += len(entries)
        return written
