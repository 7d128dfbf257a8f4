"""The instance that operators' commands are tried on.

Take it with `pytest_plugins = ["tests.support.tools_fixtures"]`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.database.engine import Database, sqlite_url
from server.database.migrate import migrate
from server.instance_lock import InstanceLock
from server.redis_client import ClientRole, connect
from server.supervisor import DATABASE_NAME
from tests.support.redis_server import RedisServer
from tests.support.shop import Shop
from tests.support.tools_stage import Instance


@pytest.fixture
async def instance(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Instance]:
    monkeypatch.setenv("ONAIR_DATA_DIR", str(data_dir))
    monkeypatch.setenv("ONAIR_PAYMENT_GRACE_MS", "1")
    url = sqlite_url(data_dir / DATABASE_NAME)
    await asyncio.to_thread(migrate, url)
    lock = InstanceLock(data_dir)
    lock.acquire()
    redis = RedisServer(data_dir)
    await asyncio.to_thread(redis.start)
    database = Database(url, threads_max=2, within_s=5)
    shop = Shop(connect(redis.url, role=ClientRole.COMMANDS), database)
    await shop.furnish()
    made = Instance(data_dir, lock, redis, shop)
    yield made
    await made.stop()
    await database.close()
