"""A small shop for tests of sharing in SQL: a ladder, a sale, links, and orders by them."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from flash_sale.catalog import Product, ProductId, Sku
from flash_sale.model import Line, Order, Purchase, SaleId
from flash_sale.pricing import CouponKind, CouponTerms, Goods, Shop
from rooms.sharing.ladders import RewardKind, Tier
from rooms.sharing.sources import ShareLink, Source, Target
from server.database.claim_records import Asked
from server.database.engine import Database
from server.database.records import CatalogRecords, SaleRecords
from server.database.share_tables import share_links
from server.sharing.notes import note_of
from server.sharing.open_visit import OpenVisit
from tests.support.ladder_town import LADDER, NOW_MS, ROOM
from tests.support.ledger_parts import PRICES, SKUS, draft

SALE = SaleId("s1")
SKU = SKUS[0]
INVITERS = {"ann": "copy", "ben": "copy", "dora": "douyin", "wen": "wechat"}  # and their channels
BUYERS = ("m0", "m1", "m2", "m3", "ann")
MARKUP_MINOR = 30
BIT = CouponTerms("bit", "A bit off", CouponKind.AMOUNT, "CNY", amount_minor=20, stack="bits")
TIERS = (
    Tier(1, 1, RewardKind.POINTS, "Points", 2, 50, points=5),
    Tier(2, 2, RewardKind.COUPON, "10 off", 2, 1_000, coupon_batch="ten-off"),
    Tier(3, 3, RewardKind.RED_PACKET, "Packet", 2, 0, pool_minor=777),
    Tier(4, 4, RewardKind.VOUCHER, "Mug", 1, 5_900),
)
SMALL = replace(LADDER, tiers=TIERS, newcomer_stock=2)


async def furnish_sale(database: Database) -> None:
    """A sale that is armed, with its goods; the room is there."""
    skus = tuple(Sku(sku, f"Tea {sku}", PRICES[sku]) for sku in SKUS)
    tea = Product(ProductId("tea"), "Tea", 100, "CNY", "", skus)
    await CatalogRecords(database).create(tea)
    await SaleRecords(database).create(draft(SALE, ROOM))
    await SaleRecords(database).arming(SALE)


def make_links(connection: sa.Connection) -> None:
    """The links of INVITERS."""
    rows = [
        {
            "id": f"link-{inviter}",
            "room_id": ROOM,
            "inviter": inviter,
            "inviter_name": "",
            "channel": channel,
            "campaign": "",
            "staff": "",
            "target_kind": "room",
            "target_id": "",
            "at_ms": None,
            "markups": "{}",
            "quote_name": None,
            "quote_text": None,
            "created_at_ms": NOW_MS,
        }
        for inviter, channel in INVITERS.items()
    ]
    connection.execute(sa.insert(share_links), rows)


def asked_for(order: Order, coupon: str) -> Asked:
    """What the till asks for such an order of two units by ben's link, with a coupon."""
    lines = (Line(SKU, 2, MARKUP_MINOR),)
    purchase = Purchase(
        order_id=order.id, user=order.user, request_id=order.request_id, lines=lines
    )
    goods = Goods(SKU, ProductId("tea"), 2, PRICES[SKU], MARKUP_MINOR, 1)
    return Asked(purchase, Shop(ROOM, SALE, "CNY"), (goods,), (coupon,))


def resale_order(order: Order, discount_minor: int = 0, coupons: tuple[str, ...] = ()) -> Order:
    """The order of two units by ben's link, at his price."""
    (line,) = order.lines
    price_minor = line.price_minor + MARKUP_MINOR
    return replace(
        order,
        lines=(replace(line, price_minor=price_minor, markup_minor=MARKUP_MINOR),),
        amount_minor=line.qty * price_minor - discount_minor,
        discount_minor=discount_minor,
        coupons=coupons,
        note=note_of(visit_of(order.user), _resale("ben")),
    )


def visit_of(user: str) -> OpenVisit:
    """A visit by ann's link."""
    source = Source("copy", inviter="ann", link="link-ann")
    return OpenVisit(id=f"visit-of-{user}", room=ROOM, source=source)


def _resale(sharer: str) -> ShareLink:
    source = Source("copy", inviter=sharer, link=f"link-{sharer}")
    return ShareLink(f"link-{sharer}", ROOM, source, Target(), NOW_MS, {SKU: MARKUP_MINOR})
