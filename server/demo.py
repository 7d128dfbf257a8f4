"""What `onair demo` puts into an empty shop, and the links it prints."""

from __future__ import annotations

import time

from flash_sale.catalog import Product, ProductId, Sku, SkuId
from rooms.model import Role
from server.database.catalog_records import CatalogRecords
from server.database.engine import Database
from server.database.errors import DuplicateId
from server.database.room_records import RoomRecords
from server.database.words import Act
from server.tokens import Tokens

ROOM_ID = "demo"
ROOM_TITLE = "手工好物直播间 Handmade, live"
MERCHANT_ID = "demo-merchant"
HOST_ID = "demo-host"
HOST_NAME = "主播小安 Ann"
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


async def seed(database_url: str, redis_url: str | None = None) -> None:
    """Make the demo's room, products and shelf, if they are not there yet.

    Safe to repeat, also after it was cut short; what the host has changed since is left alone.
    """
    database = Database(database_url, threads_max=1, within_s=DATABASE_WITHIN_S)
    try:
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
    finally:
        await database.close()


def links(base_url: str, tokens: Tokens, network_url: str | None) -> str:
    """The text printed under the ready line; a link of the host's lets its holder be the host."""
    token = tokens.issue(HOST_ID, Role.HOST, [ROOM_ID], HOST_NAME, HOST_TOKEN_TTL_S)
    lines = []
    for label, url in (("on this machine", base_url), ("on your network", network_url)):
        if url is not None:
            lines += [
                f"  {label}",
                f"    viewer   {url}/r/{ROOM_ID}",
                f"    host     {url}/host/{ROOM_ID}#token={token}",
                f"    API docs {url}/docs",
            ]
    if network_url is None:
        lines.append("  For phones on your network: ONAIR_HOST=0.0.0.0 make run")
    lines.append("  Ctrl-C stops everything; what was said and shown is kept.")
    return "\n".join(lines)
