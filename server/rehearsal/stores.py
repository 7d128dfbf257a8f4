"""The stores of one run: taken empty, given back empty. Nothing of the shop's is ever touched.

Embedded ones live below the run's directory. Those that settings name are taken only if they are
empty, or if an earlier rehearsal left its mark in them; a Redis must also be another server than
the shop's, because announcements reach all databases of one.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from redis.asyncio import RedisCluster
from redis.exceptions import RedisError

from server.database.dialects import make_engine
from server.database.migrate import migrate
from server.database.rehearsal_tables import rehearsals
from server.embedded_redis import EmbeddedRedis
from server.redis_client import Client, UnusableRedis, check_server, connect
from server.redis_socket import socket_path, stop_leftover
from server.rehearsal.ports import HallRefused, HallUnavailable
from server.rehearsal.presence import all_gone
from server.rehearsal.shadow import DATABASE_NAME, DIRECTORY_NAME, stores_of
from server.settings import Settings

MARK: Final = "onair:rehearsal"  # key in a Redis that rehearsals may empty; holds the run
NOTICE: Final = b""  # in its place: whoever has opened the run is to let go
MARK_TABLE: Final = "onair_rehearsal"  # the same in a database
DELETE_WITHIN_S: Final = 10.0
_LOOK_AGAIN_S: Final = 0.05


class ShadowStores:
    """Redis and SQL of one run. `shadow` are the settings of its shadow shop."""

    def __init__(self, shadow: Settings, shop_redis_url: str) -> None:
        self._shadow = shadow
        self._shop_redis_url = shop_redis_url
        self._redis: EmbeddedRedis | None = None
        self.urls = stores_of(shadow)

    @property
    def redis_pid(self) -> int:
        """Of the embedded Redis while it runs, else 0."""
        return 0 if self._redis is None else self._redis.state.pid

    async def open(self) -> None:
        """Take the stores and make the tables.

        `HallRefused` if a store is not for rehearsals, `HallUnavailable` if it cannot be used; an
        embedded one raises what its start raises.
        """
        shadow = self._shadow
        shadow.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if shadow.redis_url is None:
            self._redis = EmbeddedRedis(
                shadow.data_dir,
                durability=shadow.durability,
                start_within_s=shadow.limits.redis_start_within_s,
            )
            await self._redis.start()
        else:
            try:
                await _take_redis(shadow.redis_url, self._shop_redis_url, shadow)
            except (UnusableRedis, RedisError) as error:
                raise HallUnavailable(f"ONAIR_REHEARSAL_REDIS_URL: {error}") from error
        if shadow.database_url is None:
            await asyncio.to_thread(migrate, self.urls.database_url)
        else:
            try:
                await asyncio.to_thread(_take_database, shadow.database_url, shadow.rehearsal)
            except sa.exc.DBAPIError as error:
                raise HallUnavailable(f"ONAIR_REHEARSAL_DATABASE_URL: {error.orig}") from error

    async def wings_gone(self, within_s: float) -> bool:
        """Wait until nobody uses the stores any more; False when the time is up."""
        if self._redis is None and self._shadow.redis_url is None:
            return True  # there are none
        try:
            return await all_gone(self._shadow, _now_ms, within_s)
        except (RedisError, OSError):  # without Redis they can do nothing either
            return False

    async def is_taken(self) -> bool:
        """Whether the Redis that settings name is this run's still. Raises what Redis raises."""
        client = connect(self.urls.redis_url, self._shadow.limits)
        try:
            return bool(await client.get(MARK) == self._shadow.rehearsal.encode())
        finally:
            await client.aclose()

    async def give_notice(self) -> None:
        """Let whichever host has opened the run know, by `is_taken`, that it is to let go."""
        if self._shadow.redis_url is None:
            return
        client = connect(self._shadow.redis_url, self._shadow.limits)
        try:
            await client.set(MARK, NOTICE, xx=True)
        finally:
            await client.aclose()

    async def delete(self) -> dict[str, int]:
        """Stop what runs and take away all data; how many `keys`, `tables`, `files` and `bytes`.

        Safe to repeat, and after an `open` that failed. Raises `OSError`, `RedisError` or what SQL
        raises if something is left.
        """
        gone = await self._measure()
        if self._redis is not None:
            await self._redis.stop()
        elif self._shadow.redis_url is not None:
            await _empty_redis(self._shadow.redis_url, self._shadow)
        if self._shadow.database_url is not None:
            run = self._shadow.rehearsal
            await asyncio.to_thread(_empty_database, self._shadow.database_url, run)
        await delete_directory(self._shadow.data_dir)
        return gone

    async def _measure(self) -> dict[str, int]:
        """What there is; 0 for what does not answer."""
        shadow = self._shadow
        files = await asyncio.to_thread(_sizes, shadow.data_dir)
        keys = tables = 0
        client = connect(self.urls.redis_url, shadow.limits)
        with contextlib.suppress(RedisError, OSError):
            keys = await client.dbsize()
        await client.aclose()
        if shadow.database_url is not None or (shadow.data_dir / DATABASE_NAME).exists():
            tables = await asyncio.to_thread(_count_tables, self.urls.database_url)
        return {"keys": keys, "tables": tables, "files": len(files), "bytes": sum(files)}

    async def crash_redis(self) -> None:
        """Kill -9 the embedded Redis; it is started again. `HallRefused` if it is not ours."""
        if self._redis is None:
            raise HallRefused("ONAIR_REHEARSAL_REDIS_URL: this server does not run that Redis")
        self._redis.crash()


async def delete_directory(run_dir: Path) -> None:
    """Take away a run's directory, whatever still runs in it, and its sockets elsewhere.

    `OSError` if something stays.
    """
    assert run_dir.parent.name == DIRECTORY_NAME
    socket = socket_path(run_dir)
    await stop_leftover(socket, within_s=DELETE_WITHIN_S)
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + DELETE_WITHIN_S
    while True:  # who has a file open may make another one while they are taken away
        try:
            await asyncio.to_thread(_remove, run_dir)
            break
        except OSError:
            if loop.time() > deadline_s:
                raise
            await asyncio.sleep(_LOOK_AGAIN_S)
    if socket.parent != run_dir:
        await asyncio.to_thread(shutil.rmtree, socket.parent, True)
    with contextlib.suppress(OSError):  # another one is there
        run_dir.parent.rmdir()


def _sizes(directory: Path) -> list[int]:
    """Of all files below it, in bytes."""
    found = []
    for path in directory.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                found.append(path.stat().st_size)
    return found


def _count_tables(url: str) -> int:
    engine = make_engine(url, connections_max=1, within_s=10)
    try:
        with engine.connect() as connection:
            return len(sa.inspect(connection).get_table_names())
    except sa.exc.DBAPIError:
        return 0
    finally:
        engine.dispose()


def _remove(directory: Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


# -- a Redis that settings name


async def _take_redis(url: str, shop_url: str, shadow: Settings) -> None:
    client, shop = connect(url, shadow.limits), connect(shop_url, shadow.limits)
    try:
        await check_server(client, url)
        if await _servers(client) & await _servers(shop):
            raise HallRefused("ONAIR_REHEARSAL_REDIS_URL: it is the shop's own Redis server")
        if await client.dbsize() and not await client.exists(MARK):
            raise HallRefused("ONAIR_REHEARSAL_REDIS_URL: it is not empty; give it an empty one")
        await _flush(client)
        await client.set(MARK, shadow.rehearsal)
    finally:
        await client.aclose()
        await shop.aclose()


async def _empty_redis(url: str, shadow: Settings) -> None:
    """Unless a later run has taken it."""
    client = connect(url, shadow.limits)
    try:
        if await client.get(MARK) in (shadow.rehearsal.encode(), NOTICE):
            await _flush(client)
    finally:
        await client.aclose()


async def _servers(client: Client) -> set[str]:
    """The ids of the servers behind a client: each life of a server has its own."""
    if not isinstance(client, RedisCluster):
        return {str((await client.info("server"))["run_id"])}
    found: dict[str, Any] = await client.info("server", target_nodes=RedisCluster.PRIMARIES)
    nodes = [found] if "run_id" in found else found.values()
    return {str(node["run_id"]) for node in nodes}


async def _flush(client: Client) -> None:
    if isinstance(client, RedisCluster):
        await client.flushdb(target_nodes=RedisCluster.PRIMARIES)
    else:
        await client.flushdb()


# -- a database that settings name


def _take_database(url: str, run: str) -> None:
    """Make the tables in an empty database. `HallRefused` if it holds something else."""
    engine = make_engine(url, connections_max=1, within_s=60)
    try:
        with engine.begin() as connection:
            tables = sa.inspect(connection).get_table_names()
            variable = "ONAIR_REHEARSAL_DATABASE_URL"
            if tables and MARK_TABLE not in tables:
                raise HallRefused(f"{variable}: it has tables; give it an empty one")
            if _is_of_a_shop(connection, tables):
                raise HallRefused(f"{variable}: it is a shop's own")
            _drop_all(connection)
            connection.execute(sa.text(f"CREATE TABLE {MARK_TABLE} (run VARCHAR(16) NOT NULL)"))
            connection.execute(sa.text(f"INSERT INTO {MARK_TABLE} VALUES (:run)"), {"run": run})
    finally:
        engine.dispose()
    migrate(url)


def _empty_database(url: str, run: str) -> None:
    """Unless a later run has taken it."""
    engine = make_engine(url, connections_max=1, within_s=60)
    try:
        with engine.begin() as connection:
            tables = sa.inspect(connection).get_table_names()
            if MARK_TABLE not in tables or _is_of_a_shop(connection, tables):
                return
            if connection.execute(sa.text(f"SELECT run FROM {MARK_TABLE}")).scalar() == run:
                _drop_all(connection)
    finally:
        engine.dispose()


def _is_of_a_shop(connection: sa.Connection, tables: list[str]) -> bool:
    """Whether it knows of rehearsals: in a rehearsal's own database there are none."""
    if rehearsals.name not in tables:
        return False
    return connection.execute(sa.select(rehearsals.c.id).limit(1)).first() is not None


def _drop_all(connection: sa.Connection) -> None:
    """All tables and, on PostgreSQL, the functions of their triggers."""
    found = sa.MetaData()
    found.reflect(connection)
    found.drop_all(connection)
    if connection.dialect.name == "postgresql":
        ours = sa.text(
            "SELECT p.oid::regprocedure::text FROM pg_proc p"
            " WHERE p.pronamespace = current_schema()::regnamespace AND NOT EXISTS"
            " (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"
        )
        for name in connection.execute(ours).scalars().all():
            connection.execute(sa.text(f"DROP FUNCTION {name}"))
