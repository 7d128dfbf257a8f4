"""Fixtures that every suite may use, and two rules that hold for every test.

Rules: a test whose part is missing is skipped, or fails when CI=true (see `tests.support.parts`);
an asynchronous test leaves no task behind.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis

from server.redis_client import Client, ClientRole, connect
from server.settings import Limits
from tests.support.parts import missing_parts
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import RedisServer

MISSING = missing_parts()

# The developer's own settings must not reach the servers under test.
for variable in [name for name in os.environ if name.startswith("ONAIR_")]:
    del os.environ[variable]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--seeds", type=int, default=1, help="how many seeds each fault of a sale is tried with"
    )
    parser.addoption(
        "--viewers", type=int, default=1_500, help="how many come to the largest audience"
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, why in MISSING.items():
        if item.get_closest_marker(marker) is None:
            continue
        if os.environ.get("CI") == "true":
            pytest.fail(f"in CI nothing may be skipped, and {why}", pytrace=False)
        pytest.skip(why)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.fixturenames.insert(0, "no_task_left")


@pytest.fixture
async def no_task_left() -> AsyncIterator[None]:
    """Set up before and so torn down after all others: by then every task must have ended."""
    before = asyncio.all_tasks()
    yield
    for _ in range(3):  # what was cancelled needs a turn or two to end
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert not left, f"tasks left behind: {left}"


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The product's embedded Redis, one for the whole run. Do not kill this one."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The URL of a real Redis that is empty when the test starts."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
        client.script_flush()
    return redis_server.url


@pytest.fixture
async def redis_client(redis_url: str) -> AsyncIterator[Client]:
    """A client for commands, as the server's own, on an empty Redis."""
    client = connect(redis_url, Limits(redis_within_ms=20_000), role=ClientRole.COMMANDS)
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL. Tests that use it, directly or not, carry the marker `needs_postgres`."""
    server = PostgresServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_url(postgres_server: PostgresServer) -> str:
    """Its URL; the user may create databases. Carry the marker `needs_postgres`."""
    return postgres_server.url


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """An empty data directory, short enough for a socket below it or not, as it comes."""
    directory = tmp_path / "data"
    directory.mkdir(mode=0o700)
    return directory
