"""Transactions, waits and faults on both real engines."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from server.database.engine import Database, DatabaseUnavailable, sqlite_url
from server.database.migrate import migrate
from server.database.tables import products
from tests.support.product_rows import insert, stored_ids
from tests.support.sql import open_engine, url_of

pytest_plugins = ["tests.support.databases"]


def hold(begun: threading.Event, go_on: threading.Event) -> None:
    begun.set()
    go_on.wait(10)


async def test_work_that_returns_is_committed(database: Database, database_url: str) -> None:
    def work(connection: sa.Connection) -> str:
        insert("tea", connection)
        return "done"

    assert await database.run(work) == "done"
    assert stored_ids(database_url) == ["tea"]


async def test_work_that_raises_is_rolled_back_and_its_error_reaches_the_caller(
    database: Database, database_url: str
) -> None:
    def work(connection: sa.Connection) -> None:
        insert("tea", connection)
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        await database.run(work)
    assert stored_ids(database_url) == []


async def test_work_of_a_cancelled_caller_is_still_committed_whole(
    database: Database, database_url: str
) -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work(connection: sa.Connection) -> None:
        insert("first", connection)
        begun.set()
        go_on.wait(5)
        insert("second", connection)
        ended.set()

    caller = asyncio.create_task(database.run(work))
    await asyncio.to_thread(begun.wait, 5)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go_on.set()
    await asyncio.to_thread(ended.wait, 5)
    await database.close()
    assert stored_ids(database_url) == ["first", "second"]


async def test_work_of_a_cancelled_caller_that_fails_leaves_nothing(
    database: Database, database_url: str
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work(connection: sa.Connection) -> None:
        insert("first", connection)
        begun.set()
        go_on.wait(5)
        raise RuntimeError("too late")

    caller = asyncio.create_task(database.run(work))
    await asyncio.to_thread(begun.wait, 5)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go_on.set()
    await database.close()
    assert stored_ids(database_url) == []


async def test_no_more_transactions_run_at_once_than_there_are_threads(database_url: str) -> None:
    database = Database(database_url, threads_max=2, within_s=5)
    running, most = 0, 0
    lock = threading.Lock()
    both = threading.Barrier(2)

    def work(connection: sa.Connection) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait(5)  # proves that two do run at once
        with lock:
            running -= 1
        connection.execute(sa.select(1))

    await asyncio.gather(*(database.run(work, reads_only=True) for _ in range(8)))
    await database.close()
    assert most == 2


async def test_a_call_that_finds_every_thread_busy_is_refused_in_time(database_url: str) -> None:
    database = Database(database_url, threads_max=1, within_s=1)
    begun, go_on = threading.Event(), threading.Event()
    busy = asyncio.create_task(database.run(lambda _: hold(begun, go_on), reads_only=True))
    await asyncio.to_thread(begun.wait, 5)
    with pytest.raises(DatabaseUnavailable, match="could not count: every thread was busy for 1 s"):
        await database.run(lambda _: None, attempt="count")
    go_on.set()
    await busy
    await database.close()


async def test_more_waiting_calls_than_the_bound_are_refused_at_once(database_url: str) -> None:
    database = Database(database_url, threads_max=1, within_s=60)
    begun, go_on = threading.Event(), threading.Event()
    busy = asyncio.create_task(database.run(lambda _: hold(begun, go_on), reads_only=True))
    await asyncio.to_thread(begun.wait, 5)
    waiting = [asyncio.create_task(database.ping()) for _ in range(256)]
    await asyncio.sleep(0)  # one turn of the loop: each of them has asked for a thread
    with pytest.raises(DatabaseUnavailable, match="256 calls wait for a thread already"):
        await database.ping()
    go_on.set()
    await asyncio.gather(busy, *waiting)
    await database.close()


async def test_a_closed_database_says_so(database: Database) -> None:
    await database.close()
    with pytest.raises(DatabaseUnavailable, match="the database is closed"):
        await database.ping()


@pytest.mark.parametrize("url", ["mysql://localhost/x", "not a url", "sqlite://", "sqlite:///"])
def test_a_url_of_no_supported_database_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"database|supported"):
        Database(url, threads_max=1, within_s=1)


@pytest.fixture
def sqlite_path(tmp_path: Path, sqlite_template: Path) -> Path:
    path = tmp_path / "own.sqlite3"
    shutil.copy(sqlite_template, path)
    return path


async def test_sqlite_keeps_every_commit_on_disk_and_checks_references(sqlite_path: Path) -> None:
    database = Database(sqlite_url(sqlite_path), threads_max=1, within_s=1)

    def settings(connection: sa.Connection) -> dict[str, object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names}

    assert await database.run(settings, reads_only=True) == {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "foreign_keys": 1,
        "busy_timeout": 1000,
    }
    await database.close()


async def test_a_full_disk_is_reported_and_nothing_of_the_transaction_stays(
    sqlite_path: Path,
) -> None:
    database = Database(sqlite_url(sqlite_path), threads_max=1, within_s=2)

    def fill(connection: sa.Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 2}")
        for number in range(100_000):
            insert(f"product-{number}", connection)

    with pytest.raises(DatabaseUnavailable, match="could not fill it: the disk is full"):
        await database.run(fill, attempt="fill it")
    assert stored_ids(sqlite_url(sqlite_path)) == []
    await database.run(lambda connection: insert("after", connection))
    assert stored_ids(sqlite_url(sqlite_path)) == ["after"]
    await database.close()


async def test_a_file_locked_by_another_process_is_reported_after_the_bounded_wait(
    sqlite_path: Path,
) -> None:
    database = Database(sqlite_url(sqlite_path), threads_max=1, within_s=1)
    other = sqlite3.connect(sqlite_path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match="could not add tea: another process holds it"):
        await database.run(lambda connection: insert("tea", connection), attempt="add tea")
    assert 0.9 < time.monotonic() - began < 4.9  # the driver alone would wait for 5 s
    assert (
        await database.run(
            lambda connection: connection.execute(sa.select(products)).all(), reads_only=True
        )
        == []
    )  # readers go on
    other.execute("ROLLBACK")
    await database.run(lambda connection: insert("tea", connection), attempt="add tea")
    assert stored_ids(sqlite_url(sqlite_path)) == ["tea"]
    other.close()
    await database.close()


async def test_a_writer_of_sqlite_waits_for_another_writer_of_the_same_process(
    sqlite_path: Path,
) -> None:
    database = Database(sqlite_url(sqlite_path), threads_max=4, within_s=60)
    await asyncio.gather(*(database.run(partial(insert, f"p{number:03}")) for number in range(100)))
    assert len(stored_ids(sqlite_url(sqlite_path))) == 100
    await database.close()


async def test_a_file_that_cannot_be_opened_is_reported(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "missing" / "x.sqlite3")
    with pytest.raises(DatabaseUnavailable, match="the file cannot be opened"):
        migrate(url)
    database = Database(url, threads_max=1, within_s=1)
    with pytest.raises(DatabaseUnavailable, match="the file cannot be opened"):
        await database.ping()
    await database.close()


async def test_a_file_that_is_no_database_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are notes, not a database\n" * 200)
    with pytest.raises(DatabaseUnavailable, match="the file is not a SQLite database"):
        migrate(sqlite_url(path))


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port that takes connections and never answers, as a server cut off by a firewall does."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


async def test_a_postgresql_server_that_is_not_there_is_reported_without_its_password() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"postgresql://me:hush@127.0.0.1:{reserved.getsockname()[1]}/x"
        database = Database(url, threads_max=1, within_s=2)
        with pytest.raises(DatabaseUnavailable, match="could not reach the database") as caught:
            await database.ping()
        with pytest.raises(DatabaseUnavailable):
            migrate(url)
        await database.close()
    assert "hush" not in str(caught.value)


async def test_a_postgresql_server_that_never_answers_is_given_up_in_time(deaf_port: int) -> None:
    database = Database(f"postgresql://me@127.0.0.1:{deaf_port}/x", threads_max=1, within_s=2)
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match="could not reach the database"):
        await database.ping()
    assert time.monotonic() - began < 6
    await database.close()


@pytest.mark.needs_postgres
async def test_a_statement_that_takes_too_long_is_stopped(
    postgres_url: str,
) -> None:
    database = Database(postgres_url, threads_max=1, within_s=1)
    with pytest.raises(DatabaseUnavailable, match="could not rest: the server stopped it"):
        await database.run(
            lambda connection: connection.execute(sa.text("SELECT pg_sleep(30)")), attempt="rest"
        )
    await database.close()


@pytest.mark.needs_postgres
async def test_connections_that_the_server_cut_are_replaced_without_an_error(
    postgres_url: str, postgres_template: str
) -> None:
    url = url_of(postgres_url, postgres_template)
    database = Database(url, threads_max=1, within_s=5)
    await database.ping()
    engine = open_engine(url)
    with engine.begin() as connection:
        cut = connection.execute(
            sa.text(
                "SELECT count(pg_terminate_backend(pid, 1000)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        ).scalar_one()
    engine.dispose()
    assert cut == 1
    await database.ping()
    await database.close()
