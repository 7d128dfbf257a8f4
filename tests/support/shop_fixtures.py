"""A furnished shop, and a database of SQLite only to put it in.

Not a plugin: fixtures of plugins are everybody's, and of two with one name the last loaded wins.
A test module names what it takes, so that nobody else gets it:

    pytest_plugins = ["tests.support.databases"]
    shop = furnished_shop
    database = sqlite_database  # without this line: one of each kind
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.database.engine import Database, sqlite_url
from server.redis_client import Client
from tests.support.shop import Shop


@pytest.fixture
async def sqlite_database(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Database]:
    """A fresh, migrated SQLite database, closed after the test."""
    path = tmp_path / "shop.sqlite3"
    shutil.copy(sqlite_template, path)
    opened = Database(sqlite_url(path), threads_max=2, within_s=5)
    yield opened
    await opened.close()


@pytest.fixture
async def furnished_shop(redis_client: Client, database: Database) -> Shop:
    """A shop with a room and products, on an empty Redis and in the module's `database`."""
    shop = Shop(redis_client, database)
    await shop.furnish()
    return shop
