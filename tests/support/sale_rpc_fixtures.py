"""Two workers for a module of tests, a room and a sale for each test.

Take them with `pytest_plugins = ["tests.support.sale_rpc_fixtures"]`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from flash_sale.model import SaleId
from server.database.engine import Database, sqlite_url
from server.database.migrate import migrate
from server.redis_client import connect
from tests.support.redis_server import RedisServer
from tests.support.sale_rpc import Estate, Stage, numbers
from tests.support.shop import Shop
from tests.support.worker_app import WorkerApp


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    directory = tmp_path_factory.mktemp("sales")
    database_url = sqlite_url(directory / "db.sqlite3")
    migrate(database_url)
    redis = RedisServer(directory / "redis")
    redis.start()
    limits = {"orders_ticker_ms": 100, "vitals_interval_s": 1, "pulse_interval_ms": 50}

    def worker() -> WorkerApp:
        return WorkerApp(directory, redis.url, database_url, payment_provider="demo", **limits)

    workers = (worker(), worker())
    for one in workers:
        one.start()
    asyncio.run(_furnish(redis.url, database_url))
    yield Estate(redis.url, database_url, directory, workers)
    for one in workers:
        one.end()
    redis.stop()


@pytest.fixture
async def stage(estate: Estate) -> AsyncIterator[Stage]:
    database, client = (
        Database(estate.database_url, threads_max=1, within_s=5),
        connect(estate.redis_url),
    )
    number = next(numbers)
    stage = Stage(estate, Shop(client, database), f"room-{number}", SaleId(f"sale-{number}"))
    await stage.shop.furnish_room(stage.room)
    yield stage
    await database.close()
    await client.aclose()


async def _furnish(redis_url: str, database_url: str) -> None:
    database, client = Database(database_url, threads_max=1, within_s=5), connect(redis_url)
    await Shop(client, database).furnish()
    await database.close()
    await client.aclose()
