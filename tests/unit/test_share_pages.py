"""The page behind a share link when storage is away, and QR codes by themselves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from rooms.model import RoomId
from rooms.sharing.sources import ShareLink, Source, Target
from server.database.engine import Database, sqlite_url
from server.database.records import CatalogRecords, RoomRecords
from server.live_room import LiveRoom
from server.pages.qr import QrCodes
from server.pages.routes import Pages, page_routes
from server.pages.share import SharePages
from server.pages.words import WORDS
from server.settings import Settings
from server.sharing.link_desk import LinkDesk, open_link_desk

SETTINGS = Settings(
    token_secret="0123456789abcdefghijklmnopqrstuv", public_url="https://shop.example"
)


async def nowhere(_room: RoomId) -> LiveRoom | None:
    return None


def away(tmp_path: Path) -> tuple[LinkDesk, Database]:
    """The desk of a worker whose database is not there."""
    database = Database(sqlite_url(tmp_path / "no" / "such.db"), threads_max=1, within_s=1)
    return open_link_desk(SETTINGS, database, nowhere, lambda: 1), database


def client(desk: LinkDesk, database: Database) -> httpx.AsyncClient:
    rooms, catalog = RoomRecords(database), CatalogRecords(database)

    def shared(pages: Pages) -> SharePages:
        return SharePages(pages, desk, rooms, catalog, public_url=SETTINGS.public_url, logo="")

    routes = page_routes(SETTINGS, lambda pages: shared(pages).routes())
    transport = httpx.ASGITransport(Starlette(routes=routes))
    return httpx.AsyncClient(transport=transport, base_url="http://inside:8000")


@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_while_storage_is_away_a_link_asks_to_come_again(
    tmp_path: Path, language: str
) -> None:
    desk, database = away(tmp_path)
    code = _code(desk)
    async with client(desk, database) as browser:
        answer = await browser.get(f"/s/{code}", headers={"accept-language": language})
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert WORDS[language]["busy_head"] in answer.text
        made_up = await browser.get("/s/AAAAAAAAAAAAAAAA")
        assert made_up.status_code == 404
    await database.close()


async def test_a_qr_code_needs_no_storage_and_has_the_public_address(tmp_path: Path) -> None:
    desk, database = away(tmp_path)
    code = _code(desk)
    async with client(desk, database) as browser:
        answer = await browser.get(f"/s/{code}/qr.svg")
        assert answer.status_code == 200
        assert answer.content == await QrCodes().picture(f"https://shop.example/s/{code}", "svg")
    await database.close()


def _code(desk: LinkDesk) -> str:
    return desk.links.code_of(ShareLink("0123456789abcdef", "demo", Source(), Target(), 1))


async def test_the_same_text_gives_the_same_picture_and_another_another() -> None:
    codes = QrCodes()
    one = await codes.picture("https://shop.example/s/one", "svg")
    assert (await codes.picture("https://shop.example/s/one", "svg")) is one
    assert (await codes.picture("https://shop.example/s/two", "svg")) != one
    assert (await codes.picture("https://shop.example/s/one", "png")).startswith(b"\x89PNG")


async def test_drawing_stops_nothing_else_and_is_done_once_for_all_who_ask() -> None:
    codes = QrCodes()
    asked = [asyncio.create_task(codes.picture("https://shop.example/s/one", "png"))]
    asked.append(asyncio.create_task(codes.picture("https://shop.example/s/one", "png")))
    turns = 0
    while not all(one.done() for one in asked):
        await asyncio.sleep(0)
        turns += 1
    assert turns > 5
    assert await asked[0] is await asked[1]


async def test_only_the_newest_pictures_are_kept() -> None:
    codes = QrCodes(remembered_max=2)
    first = await codes.picture("0", "png")
    for number in range(1, 3):
        await codes.picture(str(number), "png")
    again = await codes.picture("0", "png")
    assert again == first
    assert again is not first
