"""What `onair demo` puts into an empty shop, and the links it prints."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from flash_sale.catalog import Product, ProductId, Sku, SkuId
from flash_sale.errors import NotOnSale, SaleFrozen, SteeringRefused
from flash_sale.model import Act as SaleAct
from flash_sale.model import Item, SaleId, SaleState, Steering
from flash_sale.store import Sales
from rooms.model import EVERY_ROOM, Role
from server.database.catalog_records import CatalogRecords
from server.database.engine import Database
from server.database.errors import DuplicateId, UnknownProducts
from server.database.room_records import RoomRecords
from server.database.sale_records import SaleRecords
from server.database.sale_words import SaleDraft
from server.database.words import Act
from server.demo_ladder import open_ladder
from server.demo_money import open_money
from server.redis_client import connect
from server.sale_store import sale_store
from server.sales.arming import Arming
from server.settings import Settings
from server.tokens import Tokens

_LOG = logging.getLogger("onair.demo")

ROOM_ID = "demo"
ROOM_TITLE = "手工好物直播间 Handmade, live"
MERCHANT_ID = "demo-merchant"
HOST_ID = "demo-host"
HOST_NAME = "主播小安 Ann"
MERCHANT_NAME = "商家 Shop"
HOST_TOKEN_TTL_S = 30 * 24 * 3600
DATABASE_WITHIN_S = 10

PRODUCTS = (
    Product(
        ProductId("mug"),
        "手工陶瓷杯 Handmade mug",
        8_900,
        "CNY",
        "/static/demo/product-1.svg",
        (
            Sku(SkuId("mug-white"), "白色 White", 8_900),
            Sku(SkuId("mug-blue"), "青色 Celadon", 9_900),
        ),
    ),
    Product(
        ProductId("tea"),
        "明前龙井 Longjing spring tea, 100 g",
        16_800,
        "CNY",
        "/static/demo/product-2.svg",
    ),
    Product(
        ProductId("tote"),
        "亚麻手提袋 Linen tote bag",
        12_900,
        "CNY",
        "/static/demo/product-3.svg",
        (
            Sku(SkuId("tote-natural"), "原色 Natural", 12_900),
            Sku(SkuId("tote-indigo"), "靛蓝 Indigo", 13_900),
        ),
    ),
    Product(
        ProductId("candle"),
        "桂花香薰蜡烛 Osmanthus candle",
        9_900,
        "CNY",
        "/static/demo/product-4.svg",
    ),
)


def _item(
    sku: str, product: str, title: str, stock: int, price_minor: int, per_user_max: int
) -> Item:
    """Coupons take at most 40 % off it, and a reseller may add up to 20 %."""
    return Item(
        SkuId(sku),
        ProductId(product),
        title,
        stock,
        price_minor,
        per_user_max,
        floor_minor=price_minor * 6 // 10,
        markup_max_minor=price_minor // 5,
    )


SALE = SaleDraft(
    id=SaleId("demo-sale"),
    room=ROOM_ID,
    currency="CNY",
    items=(
        _item("mug-blue", "mug", "手工陶瓷杯 · 青色 Mug, celadon", 20, 5_900, 2),
        _item("tea", "tea", "明前龙井 Longjing tea, 100 g", 30, 9_900, 2),
        _item("tote-indigo", "tote", "亚麻手提袋 · 靛蓝 Tote, indigo", 5, 7_900, 1),
    ),
    hold_ms=120_000,
    offer_ms=60_000,
)


async def seed(settings: Settings, database_url: str, redis_url: str) -> None:
    """Make the demo's room, products, shelf, flash sale and ladder, if they are not there yet.

    Safe to repeat, also after it was cut short; what the host has changed since is left alone.
    """
    database = Database(database_url, threads_max=1, within_s=DATABASE_WITHIN_S)
    client = connect(redis_url, settings.limits)
    try:
        await _furnish(database)
        await _open_sale(database, sale_store(client, settings))
        await open_money(database, ROOM_ID)
        await open_ladder(database, settings, ROOM_ID)
    finally:
        await client.aclose()
        await database.close()


async def _furnish(database: Database) -> None:
    rooms, catalog = RoomRecords(database), CatalogRecords(database)
    room = await rooms.find(ROOM_ID)
    if room is not None and room.version > 0:
        return
    for product in PRODUCTS:
        if await catalog.find(product.id) is None:
            await catalog.create(product)
    if room is None:
        try:
            await rooms.create(ROOM_ID, ROOM_TITLE, "")
        except DuplicateId:  # another machine seeds the same database
            return
    opening = Act(
        room_id=ROOM_ID,
        actor_id=MERCHANT_ID,
        actor_role=Role.MERCHANT,
        kind="shelf",
        reason="the demo opens",
        at_ms=time.time_ns() // 1_000_000,
    )
    shelf = [product.id for product in PRODUCTS]
    await rooms.act(opening, changes={"state": "live"}, shelf=shelf)


async def _open_sale(database: Database, store: Sales) -> None:
    """Each step takes effect once: a sale that was opened or closed before stays as it is."""
    records = SaleRecords(database)
    record = await records.find(SALE.id)
    if record is None:
        try:
            await records.create(replace(SALE, created_at_ms=time.time_ns() // 1_000_000))
        except (DuplicateId, UnknownProducts):  # another machine does it; or the goods are gone
            return
    elif record.state not in (SaleState.DRAFT, SaleState.ARMED):
        return

    def act(name: str) -> SaleAct:
        return SaleAct(f"demo-{name}", MERCHANT_ID, Role.MERCHANT, "the demo opens")

    try:
        view = await Arming(store, records).arm(SALE.id, act("arm"), {}, None)
        if view.state is SaleState.ARMED:
            await store.steer(SALE.id, Steering.OPEN, act("open"))
    except (NotOnSale, SaleFrozen, SteeringRefused) as error:
        _LOG.warning("the sale of the demo stays as it is: %s", error)


def links(base_url: str, tokens: Tokens, network_url: str | None) -> str:
    """The text printed under the ready line; whoever holds a staff link is that person."""
    token = tokens.issue(HOST_ID, Role.HOST, [ROOM_ID], HOST_NAME, HOST_TOKEN_TTL_S)
    merchant = tokens.issue(
        MERCHANT_ID, Role.MERCHANT, [EVERY_ROOM], MERCHANT_NAME, HOST_TOKEN_TTL_S
    )
    lines = []
    for label, url in (("on this machine", base_url), ("on your network", network_url)):
        if url is not None:
            lines += [
                f"  {label}",
                f"    viewer   {url}/r/{ROOM_ID}",
                f"    host     {url}/host/{ROOM_ID}#token={token}",
                f"    merchant {url}/merchant#token={merchant}",
                f"    API docs {url}/docs",
            ]
    if network_url is None:
        lines.append("  For phones on your network: ONAIR_HOST=0.0.0.0 make run")
    lines.append("  Ctrl-C stops everything; what was said and shown is kept.")
    return "\n".join(lines)
