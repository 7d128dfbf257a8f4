"""Stores that settings name for rehearsals: taken empty, given back empty, never the shop's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from redis.asyncio import Redis

from server.database.dialects import make_engine
from server.database.migrate import migrate
from server.database.rehearsal_tables import rehearsals
from server.redis_client import Client
from server.rehearsal.ports import HallRefused, HallUnavailable
from server.rehearsal.shadow import shadow_settings
from server.rehearsal.stores import MARK, MARK_TABLE, ShadowStores
from tests.support.processes import below, is_running
from tests.support.redis_server import RedisServer, plain_redis
from tests.support.rehearsal_hall import open_hall, settings_in

pytest_plugins = ["tests.support.databases"]

RUN = "rh-0a1b2c3d"
OTHER = "rh-ffffffff"
HISTORY = {  # of a shop: in a rehearsal's own database there is none
    **{"id": OTHER, "number": 1, "title": "A rehearsal", "state": "done", "plan": "{}"},
    **{"driven": False, "created_at_ms": 1, "ended_at_ms": 2, "purged_at_ms": 2},
    **{"progress": "", "verdict": "go", "sentence": "", "why": ""},
}


@pytest.fixture(scope="module")
def shop_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The Redis of the shop; `redis_url` is that of rehearsals."""
    server = RedisServer(tmp_path_factory.mktemp("shop-redis"))
    server.start()
    yield server
    server.stop()


def stores_in(
    data_dir: Path, shop_redis: RedisServer, run: str = RUN, **named: Any
) -> ShadowStores:
    settings = settings_in(data_dir, **named)
    return ShadowStores(shadow_settings(settings, run), shop_redis.url)


def tables_of(url: str) -> list[str]:
    engine = make_engine(url, connections_max=1, within_s=10)
    try:
        with engine.connect() as connection:
            return sa.inspect(connection).get_table_names()
    finally:
        engine.dispose()


async def test_a_redis_is_marked_while_it_is_used_and_empty_afterwards(
    data_dir: Path, shop_redis: RedisServer, redis_url: str, redis_client: Client
) -> None:
    stores = stores_in(data_dir, shop_redis, rehearsal_redis_url=redis_url)
    await stores.open()
    assert await redis_client.get(MARK) == RUN.encode()
    await redis_client.set("something of the run", "1")
    gone = await stores.delete()
    assert gone["keys"] == 2
    assert await redis_client.dbsize() == 0


async def test_a_redis_with_something_else_in_it_is_refused_and_stays_as_it_is(
    data_dir: Path, shop_redis: RedisServer, redis_url: str, redis_client: Client
) -> None:
    await redis_client.set("precious", "1")
    stores = stores_in(data_dir, shop_redis, rehearsal_redis_url=redis_url)
    with pytest.raises(HallRefused, match="ONAIR_REHEARSAL_REDIS_URL: it is not empty"):
        await stores.open()
    await stores.delete()
    assert await redis_client.get("precious") == b"1"
    await redis_client.delete("precious")


async def test_what_an_earlier_rehearsal_left_in_a_redis_is_taken_away_first(
    data_dir: Path, shop_redis: RedisServer, redis_url: str, redis_client: Client
) -> None:
    await redis_client.set(MARK, OTHER)
    await redis_client.set("left over", "1")
    stores = stores_in(data_dir, shop_redis, rehearsal_redis_url=redis_url)
    await stores.open()
    assert await redis_client.keys() == [MARK.encode()]
    await stores.delete()


@pytest.mark.parametrize("database", ["", "?db=3"])
async def test_the_shops_own_redis_server_is_refused_whatever_database_is_named(
    data_dir: Path, shop_redis: RedisServer, database: str
) -> None:
    named = {"rehearsal_redis_url": shop_redis.url + database}
    stores = stores_in(data_dir, shop_redis, **named)
    with pytest.raises(HallRefused, match="the shop's own Redis server"):
        await stores.open()
    await stores.delete()


async def test_a_database_is_made_from_nothing_and_to_nothing_again_and_again(
    data_dir: Path, shop_redis: RedisServer, empty_database_url: str
) -> None:
    for run in (RUN, OTHER):
        named = {"rehearsal_database_url": empty_database_url}
        stores = stores_in(data_dir, shop_redis, run, **named)
        await stores.open()
        assert {MARK_TABLE, "rooms", "sales"} <= set(tables_of(empty_database_url))
        assert (await stores.delete())["tables"] > 10
        assert tables_of(empty_database_url) == []


async def test_a_database_with_tables_is_refused_and_stays_as_it_is(
    data_dir: Path, shop_redis: RedisServer, empty_database_url: str
) -> None:
    migrate(empty_database_url)
    before = tables_of(empty_database_url)
    stores = stores_in(data_dir, shop_redis, rehearsal_database_url=empty_database_url)
    with pytest.raises(HallRefused, match="ONAIR_REHEARSAL_DATABASE_URL: it has tables"):
        await stores.open()
    await stores.delete()
    assert tables_of(empty_database_url) == before


async def test_what_an_earlier_rehearsal_left_in_a_database_is_taken_away_first(
    data_dir: Path, shop_redis: RedisServer, empty_database_url: str
) -> None:
    named = {"rehearsal_database_url": empty_database_url}
    first = stores_in(data_dir, shop_redis, **named)
    await first.open()  # and it dies: nobody deletes anything
    second = stores_in(data_dir, shop_redis, OTHER, **named)
    await second.open()
    engine = make_engine(empty_database_url, connections_max=1, within_s=10)
    with engine.connect() as connection:
        runs = connection.execute(sa.text(f"SELECT run FROM {MARK_TABLE}")).scalars().all()
    engine.dispose()
    assert runs == [OTHER]
    await first.delete()
    await second.delete()


async def test_a_shops_database_is_refused_even_with_the_mark_of_a_rehearsal_in_it(
    data_dir: Path, shop_redis: RedisServer, empty_database_url: str
) -> None:
    migrate(empty_database_url)
    engine = make_engine(empty_database_url, connections_max=1, within_s=10)
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE TABLE {MARK_TABLE} (run VARCHAR(16) NOT NULL)"))
        connection.execute(sa.text(f"INSERT INTO {MARK_TABLE} VALUES (:run)"), {"run": RUN})
        connection.execute(sa.insert(rehearsals), HISTORY)
    engine.dispose()
    before = tables_of(empty_database_url)
    stores = stores_in(data_dir, shop_redis, rehearsal_database_url=empty_database_url)
    with pytest.raises(HallRefused, match="ONAIR_REHEARSAL_DATABASE_URL: it is a shop's own"):
        await stores.open()
    await stores.delete()
    assert tables_of(empty_database_url) == before


async def test_what_a_later_run_has_taken_is_not_deleted_with_an_earlier_one(
    data_dir: Path,
    shop_redis: RedisServer,
    empty_database_url: str,
    redis_url: str,
    redis_client: Client,
) -> None:
    named = {"rehearsal_database_url": empty_database_url, "rehearsal_redis_url": redis_url}
    first = stores_in(data_dir, shop_redis, **named)
    await first.open()  # and its host dies
    second = stores_in(data_dir, shop_redis, OTHER, **named)
    await second.open()
    await first.delete()
    assert await redis_client.get(MARK) == OTHER.encode()
    assert "sales" in tables_of(empty_database_url)
    await second.delete()
    assert await redis_client.dbsize() == 0
    assert tables_of(empty_database_url) == []


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("rehearsal_redis_url", "redis://:secret@127.0.0.1:1"),
        ("rehearsal_database_url", "postgresql://shop:secret@127.0.0.1:1/rehearsals"),
    ],
)
async def test_a_store_out_of_reach_is_named_and_nothing_of_the_run_goes_on(
    data_dir: Path, shop_redis: RedisServer, name: str, url: str
) -> None:
    settings = settings_in(data_dir, **{name: url})
    async with open_hall(settings, shop_redis.url) as stage:
        with pytest.raises(HallUnavailable, match=f"^ONAIR_{name.upper()}: ") as refused:
            await stage.ask("open", run=RUN)
        assert "secret" not in str(refused.value)
        assert below(os.getpid(), RUN) == []


async def test_a_host_lets_go_of_its_run_when_another_one_closes_it(
    data_dir: Path, shop_redis: RedisServer, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with plain_redis() as port:
        outside = f"redis://127.0.0.1:{port}"
        settings = settings_in(data_dir, rehearsal_redis_url=outside)
        other = settings_in(elsewhere, rehearsal_redis_url=outside)
        environ = {"ONAIR_REHEARSAL_REDIS_URL": outside}
        async with (
            open_hall(settings, shop_redis.url, **environ) as opener,
            open_hall(other, shop_redis.url, **environ) as closer,
            Redis.from_url(outside) as client,
        ):
            await opener.ask("open", run=RUN)
            told = (await opener.ask("processes"))["processes"]
            (ledger,) = [one["pid"] for one in told if one["shadow"]]
            await closer.ask("close", run=RUN)
            assert not is_running(ledger)
            assert await client.dbsize() == 0
            assert (await opener.ask("status"))["run"] is None
