"""What the demo puts into an empty shop: once, whole, and never over what the host changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rooms.model import Role, RoomId
from server import demo
from server.database.catalog_records import CatalogRecords
from server.database.engine import Database, sqlite_url
from server.database.migrate import migrate
from server.database.room_records import RoomRecords
from server.database.words import Act
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
    url: str, database: Database
) -> None:
    await demo.seed(url)
    room = await RoomRecords(database).find("demo")
    assert room is not None
    assert room.state == "live"
    assert await RoomRecords(database).shelf("demo") == list(demo.PRODUCTS)


async def test_seeding_again_leaves_what_the_host_changed(url: str, database: Database) -> None:
    await demo.seed(url)
    rooms = RoomRecords(database)
    act = Act("demo", "demo-host", Role.HOST, "shelf", at_ms=1)
    await rooms.act(act, changes={"title": "新的 New"}, shelf=["tea"])
    await demo.seed(url)
    room = await rooms.find("demo")
    assert room is not None
    assert (room.title, room.version) == ("新的 New", 2)
    assert [product.id for product in await rooms.shelf("demo")] == ["tea"]


async def test_a_seeding_that_was_cut_short_is_completed(url: str, database: Database) -> None:
    await CatalogRecords(database).create(demo.PRODUCTS[0])
    await RoomRecords(database).create("demo", "half done", "")
    await demo.seed(url)
    assert await RoomRecords(database).shelf("demo") == list(demo.PRODUCTS)


def test_every_picture_of_the_demo_is_served() -> None:
    for product in demo.PRODUCTS:
        assert (STATIC / product.image_url.removeprefix("/static/")).is_file()


def test_the_printed_links_let_their_reader_host_the_room() -> None:
    shown = demo.links("http://127.0.0.1:8000", Tokens(SECRET), "http://192.168.1.5:8000")
    for address in ("http://127.0.0.1:8000", "http://192.168.1.5:8000"):
        assert f"{address}/r/demo\n" in shown
        assert f"{address}/docs" in shown
    token = shown.split("#token=")[1].split()[0]
    assert Tokens(SECRET).verify(token).role_in(RoomId("demo")) is Role.HOST


def test_without_a_network_address_the_way_to_one_is_shown() -> None:
    shown = demo.links("http://127.0.0.1:8000", Tokens(SECRET), None)
    assert "ONAIR_HOST=0.0.0.0" in shown
    assert shown.count("#token=") == 1
