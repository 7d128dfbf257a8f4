"""Real workers for fault tests, one process each, and a Redis of their own: to be killed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.database.engine import sqlite_url
from server.database.migrate import migrate
from tests.support.processes import Program
from tests.support.redis_failover_fixtures import (
    cluster,
    cluster_of_the_run,
    sentinels,
    sentinels_of_the_run,
)
from tests.support.redis_server import RedisServer
from tests.support.sale_stage import TABLE
from tests.support.supervised import STRONG, Start
from tests.support.worker_app import StartWorker, WorkerApp

__all__ = ["cluster", "cluster_of_the_run", "sentinels", "sentinels_of_the_run"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(1, metafunc.config.getoption("--seeds") + 1))


@pytest.fixture(scope="session")
def new_table() -> None:
    """The table of faults begins anew with each run."""
    TABLE.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database to copy."""
    path = tmp_path_factory.mktemp("migrated") / "db.sqlite3"
    migrate(sqlite_url(path))
    return path


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """An embedded Redis of the test's own, to be killed, paused and emptied."""
    server = RedisServer(tmp_path / "redis-data")
    server.start()
    yield server
    server.resume()
    server.stop()


@pytest.fixture
def start_worker(tmp_path: Path, migrated_file: Path) -> Iterator[StartWorker]:
    """`start_worker(redis_url, **limits)`; all share one database. Ended after the test."""
    path = tmp_path / "worker.sqlite3"
    shutil.copy(migrated_file, path)
    workers: list[WorkerApp] = []

    def start(redis_url: str, **limits: int | str) -> WorkerApp:
        worker = WorkerApp(tmp_path, redis_url, sqlite_url(path), **limits)
        workers.append(worker)
        worker.start()
        if len(workers) == 1:
            worker.make_room()
        return worker

    yield start
    for worker in workers:
        worker.end()


@pytest.fixture
def start(tmp_path: Path, data_dir: Path) -> Iterator[Start]:
    """Start a server with stand-in workers, or another module, on `data_dir`."""
    started: list[Program] = []

    def start_one(
        *arguments: str, module: str = "tests.support.stand_in_server", **settings: str
    ) -> Program:
        directory = tmp_path / f"run-{len(started)}"
        directory.mkdir()
        defaults = {"ONAIR_DATA_DIR": str(data_dir), "ONAIR_PORT": "0", **STRONG}
        program = Program(module, *arguments, directory=directory, **(defaults | settings))
        started.append(program)
        return program

    yield start_one
    for program in started:
        program.end()
