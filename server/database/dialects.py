"""How each of the two engines connects, begins and waits. Nothing else knows them apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.pool import QueuePool

READS_ONLY = "onair_reads_only"  # execution option of a transaction
# SQLite: orders have random keys. With 2 MiB of pages, its default, every insert would read some
# again, and a checkpoint every 4 MiB of log would write the same pages over and over.
CACHE_KIB = 32_768  # per connection, at most
CHECKPOINT_PAGES = 8_000


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file, whatever characters its path holds."""
    return sa.URL.create("sqlite", database=str(path.absolute())).render_as_string()


def make_engine(url: str, *, connections_max: int, within_s: int) -> sa.Engine:
    """An engine of the two supported kinds with its time limits set; opens nothing yet."""
    try:
        target = sa.make_url(url)
    except exc.ArgumentError as error:
        raise ValueError(f"not a database URL: {error}") from None
    kind = target.get_backend_name()
    if kind == "sqlite":
        return _sqlite_engine(target, connections_max, within_s)
    if kind == "postgresql":
        return _postgres_engine(target, connections_max, within_s)
    raise ValueError(f"sqlite or postgresql is supported, not {kind}")


def _sqlite_engine(url: sa.URL, connections_max: int, within_s: int) -> sa.Engine:
    if url.database in {None, "", ":memory:"}:
        raise ValueError("a SQLite database must be a file: threads and processes share it")
    engine = sa.create_engine(
        url,
        poolclass=QueuePool,
        pool_size=connections_max,
        max_overflow=0,
        pool_timeout=within_s,
        connect_args={"timeout": within_s, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # BEGIN is ours: see below
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # A writer must be one from the start: two readers that both turn writer cannot both
        # go on, and SQLite fails one of them at once instead of making it wait.
        reads_only = connection.get_execution_options().get(READS_ONLY, False)
        connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")

    return engine


def _postgres_engine(url: sa.URL, connections_max: int, within_s: int) -> sa.Engine:
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=connections_max,
        max_overflow=0,
        pool_timeout=within_s,
        pool_pre_ping=True,  # a server that restarted costs nobody an error
        connect_args={
            "connect_timeout": max(2, within_s),
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": within_s * 1000,
        },
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        limit = f"{within_s}s"
        connection.execute(
            "SELECT set_config('statement_timeout', %s, false), "
            "set_config('lock_timeout', %s, false), "
            "set_config('idle_in_transaction_session_timeout', %s, false)",
            (limit, limit, limit),
        )
        connection.commit()

    return engine
