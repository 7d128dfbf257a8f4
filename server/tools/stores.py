"""The stores of an instance for a command: those of the running one, or opened for the duration.

With the embedded Redis, an instance that runs is joined by its socket; otherwise its Redis is
started here, under the lock of the data directory, so that no server starts in between. What the
streams then hold is written into SQL here, because no ledger worker does it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from flash_sale.adapters.redis_rebuild import RedisRebuild
from flash_sale.adapters.redis_sales import RedisSales
from flash_sale.adapters.redis_stream import RedisLedgerStream
from server.database.engine import Database, sqlite_url
from server.database.ledger_records import Ledger
from server.database.migrate import migrate
from server.database.order_records import OrderRecords
from server.database.sale_records import SaleRecords
from server.embedded_redis import EmbeddedRedis
from server.endings import end_tasks
from server.instance_lock import InstanceLock, InstanceRunning
from server.ledger.report import consumer_name
from server.ledger.writer import Writer
from server.redis_client import Client, check_server, connect
from server.redis_socket import socket_path, socket_url
from server.sale_store import ledger_stream, sale_store
from server.settings import BadSetting, Settings
from server.supervisor import DATABASE_NAME
from server.tools.progress import Progress


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything that commands read and write. `runs`: a server may be using it as well."""

    settings: Settings
    client: Client
    database: Database
    runs: bool

    @property
    def sales(self) -> RedisSales:
        return sale_store(self.client, self.settings)

    @property
    def stream(self) -> RedisLedgerStream:
        return ledger_stream(self.client, self.settings)

    @property
    def rebuild(self) -> RedisRebuild:
        return RedisRebuild(self.client, self.settings.limits.payment_grace_ms)

    @property
    def records(self) -> SaleRecords:
        return SaleRecords(self.database)

    @property
    def orders(self) -> OrderRecords:
        return OrderRecords(self.database)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.database)


@asynccontextmanager
async def open_stores(settings: Settings, progress: Progress) -> AsyncIterator[Stores]:
    """Redis and SQL. Raises `BadSetting` and what the two raise when they are out of reach."""
    with data_dir_of(settings) as locked:
        if locked:
            await bring_up_to_date(settings)
        async with _redis_url(settings, locked, progress) as url, open_database(settings) as sql:
            client = connect(url, settings.limits)
            try:
                await check_server(client, url)
                stores = Stores(settings, client, sql, runs=not locked)
                async with _ledger_written(stores):
                    yield stores
            finally:
                await client.aclose()


async def bring_up_to_date(settings: Settings) -> None:
    """Migrate the database, as a server does at its start. The caller holds the lock."""
    try:
        await asyncio.to_thread(migrate, _database_url(settings))
    except ValueError as error:
        raise BadSetting("ONAIR_DATABASE_URL", str(error)) from None


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """SQL alone. Raises `DatabaseUnavailable`, also when a server has never made its tables."""
    try:
        database = Database(
            _database_url(settings),
            threads_max=settings.limits.database_threads_max,
            within_s=settings.limits.database_within_s,
        )
    except ValueError as error:
        raise BadSetting("ONAIR_DATABASE_URL", str(error)) from None
    try:
        await database.ping()
        yield database
    finally:
        await database.close()


def _database_url(settings: Settings) -> str:
    return settings.database_url or sqlite_url(settings.data_dir.absolute() / DATABASE_NAME)


@contextmanager
def data_dir_of(settings: Settings) -> Iterator[bool]:
    """Hold the lock of the data directory if nobody does; yields whether it is held here.

    `BadSetting` if there is nothing to work on: a command makes no instance. When both stores
    are external there is no directory to hold, and servers may run anywhere.
    """
    if settings.redis_url is not None and settings.database_url is not None:
        yield False
        return
    data_dir = settings.data_dir.absolute()
    if not data_dir.is_dir():
        raise BadSetting("ONAIR_DATA_DIR", f"there is no {data_dir}: no server has run here")
    if settings.database_url is None and not (data_dir / DATABASE_NAME).exists():
        raise BadSetting("ONAIR_DATA_DIR", f"{data_dir} holds no {DATABASE_NAME}")
    lock = InstanceLock(data_dir)
    try:
        lock.acquire()
    except InstanceRunning:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


@asynccontextmanager
async def _redis_url(settings: Settings, locked: bool, progress: Progress) -> AsyncIterator[str]:
    if settings.redis_url is not None:
        yield settings.redis_url
        return
    if not locked:
        yield socket_url(socket_path(settings.data_dir.absolute()))
        return
    progress.say(f"no server runs on {settings.data_dir}: its Redis is started for the duration")
    redis = EmbeddedRedis(
        settings.data_dir,
        durability=settings.durability,
        start_within_s=settings.limits.redis_start_within_s,
    )
    await redis.start()
    try:
        yield redis.url
    finally:
        await redis.stop()


@asynccontextmanager
async def _ledger_written(stores: Stores) -> AsyncIterator[None]:
    """While no server runs, be its ledger worker: write what the streams hold."""
    if stores.runs:
        yield
        return
    writer = Writer(
        stores.stream,
        stores.records,
        stores.ledger,
        stores.settings.limits,
        consumer_name(1),  # its own entries that were not committed come first
        now_ms=lambda: time.time_ns() // 1_000_000,
    )
    writing = asyncio.create_task(writer.run(), name="writer")
    try:
        yield
    finally:
        await end_tasks([writing])
