"""What the demo puts into an empty shop: once, whole, and never over what the host changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from flash_sale.commission import Plan
from flash_sale.model import Act, SaleState, Steering
from rooms.model import Role, RoomId
from rooms.sharing.ladders import LadderState
from server import demo, demo_ladder, demo_money
from server.database.catalog_records import CatalogRecords
from server.database.commission_records import CommissionRecords
from server.database.coupon_records import CouponRecords
from server.database.engine import Database, sqlite_url
from server.database.ladder_records import LadderRecords
from server.database.migrate import migrate
from server.database.room_records import RoomRecords
from server.database.words import Act as RoomAct
from server.redis_client import Client
from server.sale_store import sale_store
from server.settings import Settings
from server.tokens import Tokens

SECRET = "0123456789abcdefghijklmnopqrstuv"
STATIC = Path(demo.__file__).parent / "pages" / "static"


@pytest.fixture
async def url(data_dir: Path) -> str:
    url = sqlite_url(data_dir / "onair.db")
    await asyncio.to_thread(migrate, url)
    return url


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url, threads_max=1, within_s=10)
    yield database
    await database.close()


async def test_an_empty_shop_gets_a_live_room_with_four_products(
    url: str, database: Database, redis_url: str
) -> None:
    await demo.seed(Settings(), url, redis_url)
    room = await RoomRecords(database).find("demo")
    assert room is not None
    assert room.state == "live"
    assert await RoomRecords(database).shelf("demo") == list(demo.PRODUCTS)


async def test_seeding_again_leaves_what_the_host_changed(
    url: str, database: Database, redis_url: str
) -> None:
    await demo.seed(Settings(), url, redis_url)
    rooms = RoomRecords(database)
    act = RoomAct("demo", "demo-host", Role.HOST, "shelf", at_ms=1)
    await rooms.act(act, changes={"title": "新的 New"}, shelf=["tea"])
    await demo.seed(Settings(), url, redis_url)
    room = await rooms.find("demo")
    assert room is not None
    assert (room.title, room.version) == ("新的 New", 2)
    assert [product.id for product in await rooms.shelf("demo")] == ["tea"]


async def test_a_seeding_that_was_cut_short_is_completed(
    url: str, database: Database, redis_url: str
) -> None:
    await CatalogRecords(database).create(demo.PRODUCTS[0])
    await RoomRecords(database).create("demo", "half done", "")
    await demo.seed(Settings(), url, redis_url)
    assert await RoomRecords(database).shelf("demo") == list(demo.PRODUCTS)


async def test_the_demo_has_a_ladder_that_stays_as_it_is_once_it_was_ended(
    url: str, database: Database, redis_url: str
) -> None:
    ladders = LadderRecords(database, per_room_max=1, shares_max=100)
    for _ in range(2):
        await demo.seed(Settings(), url, redis_url)
        record = await ladders.find(demo_ladder.ID)
        assert record is not None
        assert record.state is LadderState.PUBLISHED
        assert [tier.needs for tier in record.terms.tiers] == [3, 10, 30]
    assert record is not None
    ended = await ladders.end(demo_ladder.ID, record.terms.starts_at_ms + 1)
    await demo.seed(Settings(), url, redis_url)
    assert await ladders.find(demo_ladder.ID) == ended


async def test_the_demo_has_coupons_to_grant_and_a_commission_that_stays_as_it_was_set(
    url: str, database: Database, redis_url: str
) -> None:
    coupons, commissions = CouponRecords(database), CommissionRecords(database)
    for _ in range(2):
        await demo.seed(Settings(), url, redis_url)
        for batch in demo_money.BATCHES:
            assert await coupons.grant(batch.terms.id, "ann", batch.terms.id, 1) is not None
        assert await commissions.plan("demo") == demo_money.PLAN
    await commissions.set_plan("demo", Plan(level1_bp=500), 1)
    await demo.seed(Settings(), url, redis_url)
    assert await commissions.plan("demo") == Plan(level1_bp=500)


async def test_the_flash_sale_of_the_demo_is_open_with_all_its_units(
    url: str, redis_url: str, redis_client: Client
) -> None:
    await demo.seed(Settings(), url, redis_url)
    view = await sale_store(redis_client, Settings()).view(demo.SALE.id)
    assert view.state is SaleState.OPEN
    on_sale = {books.sku: books.available for books in view.items}
    assert on_sale == {item.sku: item.stock for item in demo.SALE.items}
    assert {product.id for product in demo.PRODUCTS} >= {
        item.product_id for item in demo.SALE.items
    }


async def test_seeding_again_leaves_a_sale_that_was_closed(
    url: str, redis_url: str, redis_client: Client
) -> None:
    await demo.seed(Settings(), url, redis_url)
    store = sale_store(redis_client, Settings())
    before = await store.steer(
        demo.SALE.id, Steering.CLOSE, Act("close-1", "demo-host", Role.HOST, "enough")
    )
    await demo.seed(Settings(), url, redis_url)
    after = await store.view(demo.SALE.id)
    assert (after.state, after.version) == (SaleState.CLOSED, before.version)


async def test_a_sale_that_was_drafted_only_is_opened(
    url: str, database: Database, redis_url: str, redis_client: Client
) -> None:
    await demo.seed(Settings(), url, redis_url)
    await redis_client.flushall()  # as if the first start had ended before it was armed
    await demo.seed(Settings(), url, redis_url)
    view = await sale_store(redis_client, Settings()).view(demo.SALE.id)
    assert view.state is SaleState.OPEN


def test_every_picture_of_the_demo_is_served() -> None:
    for product in demo.PRODUCTS:
        assert (STATIC / product.image_url.removeprefix("/static/")).is_file()


def test_the_printed_links_make_their_reader_the_host_or_the_merchant() -> None:
    shown = demo.links("http://127.0.0.1:8000", Tokens(SECRET), "http://192.168.1.5:8000")
    for address in ("http://127.0.0.1:8000", "http://192.168.1.5:8000"):
        assert f"{address}/r/demo\n" in shown
        assert f"{address}/docs" in shown
    for page, role in (("/host/demo", Role.HOST), ("/merchant", Role.MERCHANT)):
        token = shown.split(f"{page}#token=")[1].split()[0]
        assert Tokens(SECRET).verify(token).role_in(RoomId("demo")) is role


def test_without_a_network_address_the_way_to_one_is_shown() -> None:
    shown = demo.links("http://127.0.0.1:8000", Tokens(SECRET), None)
    assert "ONAIR_HOST=0.0.0.0" in shown
    assert shown.count("#token=") == 2
