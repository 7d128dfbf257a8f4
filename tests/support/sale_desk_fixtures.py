"""Fixtures of tests at the desk: a furnished shop, two desks, a Redis that may be stopped.

Take them with `pytest_plugins = ["tests.support.sale_desk_fixtures"]`.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from server.database.engine import Database, sqlite_url
from server.database.migrate import migrate
from server.redis_client import Client
from tests.support.redis_server import RedisServer
from tests.support.sale_desk import Desk
from tests.support.shop import Shop


@pytest.fixture
def redis_of_its_own(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.resume()
    server.stop()


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "db.sqlite3"
    migrate(sqlite_url(path))
    return path


@pytest.fixture
async def database(migrated: Path, tmp_path: Path) -> AsyncIterator[Database]:
    path = tmp_path / "desk.sqlite3"
    shutil.copy(migrated, path)
    database = Database(sqlite_url(path), threads_max=2, within_s=5)
    yield database
    await database.close()


@pytest.fixture
async def shop(redis_client: Client, database: Database) -> Shop:
    shop = Shop(redis_client, database)
    await shop.furnish()
    return shop


@pytest.fixture
async def desks(redis_url: str, database: Database) -> AsyncIterator[list[Desk]]:
    desks = [Desk(redis_url, database), Desk(redis_url, database)]
    for desk in desks:
        await desk.open()
    yield desks
    for desk in desks:
        await desk.close()


@pytest.fixture
def one(desks: list[Desk]) -> Desk:
    return desks[0]


@pytest.fixture
def other(desks: list[Desk]) -> Desk:
    return desks[1]
