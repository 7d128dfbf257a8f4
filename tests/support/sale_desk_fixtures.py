"""Fixtures of tests at the desk: two desks, a Redis that may be stopped.

Take them with `pytest_plugins = ["tests.support.databases", "tests.support.sale_desk_fixtures"]`,
and `database = sqlite_database` and `shop = furnished_shop` of `tests.support.shop_fixtures`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from server.database.engine import Database
from tests.support.redis_server import RedisServer
from tests.support.sale_desk import Desk


@pytest.fixture
def redis_of_its_own(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.resume()
    server.stop()


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
