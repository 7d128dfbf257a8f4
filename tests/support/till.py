"""Two workers' tills on one shop, a ledger that settles, and a keeper that a test calls."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from flash_sale.adapters.redis_stream import RedisLedgerStream
from flash_sale.catalog import ProductId, SkuId
from flash_sale.model import Item, Line, OrderId, Payment, SaleId, Steering
from flash_sale.pricing import CouponKind, CouponTerms
from rooms.sharing.sources import ShareLink, Source, Target
from server.app import wall_clock_ms
from server.database.claim_records import ClaimRecords
from server.database.coupon_records import Batch, CouponRecords
from server.database.engine import Database
from server.database.ledger_records import Ledger
from server.database.order_records import OrderRecords
from server.database.sale_records import SaleRecords
from server.database.sale_words import SaleDraft
from server.ledger.claims import Lapses
from server.ledger.settling import Settling
from server.sharing.open_visit import OpenVisit
from server.sharing.till import Basket, Till, open_till
from tests.support.sale_desk import SALE, Desk
from tests.support.shop import ROOM, Shop

PRICE_MINOR = 1_000
FLOOR_MINOR = 300
MARKUP_MAX_MINOR = 250
FIVE_OFF = CouponTerms("five", "Five off", CouponKind.AMOUNT, "CNY", amount_minor=500)

_numbers = itertools.count(1)


@dataclass
class TillStage:
    """One shop with a sale of tea and mugs at 1,000 each, never below 300."""

    shop: Shop
    desks: tuple[Desk, Desk]
    links: dict[str, ShareLink] = field(default_factory=dict)
    ahead_ms: int = 0  # of the keeper's clock

    def __post_init__(self) -> None:
        self.tills = tuple(self._till(desk) for desk in self.desks)

    @property
    def database(self) -> Database:
        return self.shop.database

    @property
    def coupons(self) -> CouponRecords:
        return CouponRecords(self.database)

    def now_ms(self) -> int:
        return wall_clock_ms() + self.ahead_ms

    def _till(self, desk: Desk) -> Till:
        return open_till(
            desk.desk, desk.store, self.database, self._find, desk.limits, wall_clock_ms
        )

    async def _find(self, code: str) -> ShareLink | None:
        return self.links.get(code)

    async def close(self) -> None:
        for till in self.tills:
            await till.close()

    # what is prepared

    async def open_sale(self, stock: Mapping[str, int], **terms: Any) -> SaleId:
        items = tuple(
            Item(
                sku=SkuId(sku),
                product_id=ProductId(sku),
                title=sku.title(),
                stock=units,
                price_minor=PRICE_MINOR,
                per_user_max=100,
                floor_minor=FLOOR_MINOR,
                markup_max_minor=MARKUP_MAX_MINOR,
            )
            for sku, units in stock.items()
        )
        hold_ms = terms.get("hold_ms", 60_000)
        draft = SaleDraft(SALE, ROOM, "CNY", items, hold_ms, hold_ms, created_at_ms=1)
        await self.shop.records.create(draft)
        await self.shop.arm(SALE)
        await self.shop.steer(SALE, Steering.OPEN)
        return SALE

    async def batch(self, terms: CouponTerms = FIVE_OFF, **more: Any) -> None:
        await self.coupons.create(Batch(terms, issue_max=1_000, per_user_max=100, **more))

    async def granted(self, user: str, batch: str = "five") -> str:
        cause = f"test-{next(_numbers)}"
        coupon = await self.coupons.grant(batch, user, cause, wall_clock_ms())
        assert coupon is not None
        return coupon

    def shared(self, code: str, sharer: str, room: str = ROOM, **markups: int) -> None:
        """A reseller's link."""
        source = Source("copy", inviter=sharer, link=f"link-{code}")
        self.links[code] = ShareLink(f"link-{code}", room, source, Target(), 1, markups)

    # what people do

    async def place(
        self,
        user: str,
        *coupons: str,
        request_id: str = "r1",
        worker: int = 0,
        qty: int = 1,
        share: str = "",
        visit: OpenVisit | None = None,
    ) -> bytes:
        basket = Basket(SALE, (Line(SkuId("tea"), qty),), coupons, share)
        return await self.tills[worker].place(
            basket, user=user, name=user, request_id=request_id, visit=visit
        )

    async def reserved(self, user: str, *coupons: str, **how: Any) -> dict[str, Any]:
        answer = orjson.loads(await self.place(user, *coupons, **how))
        assert answer["outcome"] == "reserved", answer
        order: dict[str, Any] = answer["order"]
        return order

    async def pay(self, order: dict[str, Any]) -> None:
        payment = Payment(
            f"pay-{order['id']}", OrderId(order["id"]), order["amount_minor"], "CNY", "demo"
        )
        (paid,) = await self.shop.store.pay(SALE, [payment])
        assert paid.outcome == "accepted"

    async def cancel(self, order: dict[str, Any]) -> None:
        await self.shop.store.cancel(OrderId(order["id"]), None, "")

    async def refund(self, order: dict[str, Any]) -> None:
        await self.shop.store.refund(OrderId(order["id"]), self.shop.act(), restock=True)

    # what the ledger does

    async def drain(self, portion: int = 100) -> None:
        """Write what the stream holds into SQL, settling it."""
        ledger = Ledger(self.database, (Settling(self.now_ms).follow,))
        stream = RedisLedgerStream(self.shop.client)
        while entries := await stream.read(SALE, "till", portion):
            await ledger.apply(SALE, [entry.moves for entry in entries])
            await stream.committed(SALE, [entry.id for entry in entries])

    def lapses(self, after_ms: int = 60_000) -> Lapses:
        return Lapses(
            ClaimRecords(self.database),
            OrderRecords(self.database),
            SaleRecords(self.database),
            self.shop.store,
            self.shop.store,
            after_ms=after_ms,
            now_ms=self.now_ms,
        )

    async def states(self, user: str) -> dict[str, str]:
        """A user's coupons and how they stand."""
        mine = await self.coupons.of_user(user, self.now_ms(), 100)
        return {one.coupon.id: one.state.value for one in mine}
