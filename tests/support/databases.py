"""A fresh, migrated database for each test, on SQLite and on a real PostgreSQL server.

Take the fixtures with `pytest_plugins = ["tests.support.databases"]` at the top of a test module.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from server.database.engine import Database, sqlite_url
from server.database.migrate import migrate
from tests.support.sql import on_server, url_of

WITHIN_S = 10
THREADS_MAX = 4


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy: quicker than migrating one for each test."""
    path = tmp_path_factory.mktemp("template") / "template.sqlite3"
    migrate(sqlite_url(path))
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> str:
    """The name of a migrated PostgreSQL database to copy."""
    name = f"template_{uuid.uuid4().hex[:12]}"
    on_server(postgres_url, f"CREATE DATABASE {name}")
    migrate(url_of(postgres_url, name))
    return name


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs_postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh, migrated database of each kind."""
    if request.param == "sqlite":
        path = tmp_path / "test.sqlite3"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield sqlite_url(path)
        return
    server = request.getfixturevalue("postgres_url")
    template = request.getfixturevalue("postgres_template")
    name = f"test_{uuid.uuid4().hex[:12]}"
    on_server(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield url_of(server, name)
    on_server(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A fresh, migrated database of each kind, closed after the test."""
    opened = Database(database_url, threads_max=THREADS_MAX, within_s=WITHIN_S)
    yield opened
    await opened.close()


@pytest.fixture
def empty_database_url(
    database_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[str]:
    """The URL of a database of each kind that no migration has seen."""
    if database_url.startswith("sqlite"):
        yield sqlite_url(tmp_path / "empty.sqlite3")
        return
    name = f"empty_{uuid.uuid4().hex[:12]}"
    server = request.getfixturevalue("postgres_url")
    on_server(server, f"CREATE DATABASE {name}")
    yield url_of(server, name)
    on_server(server, f"DROP DATABASE {name} WITH (FORCE)")
