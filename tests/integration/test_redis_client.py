"""The Redis client against every kind of server it supports, all of them real."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import uvloop
from redis.asyncio import Redis, RedisCluster
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from flash_sale.adapters.confirmed import on_one_connection
from rooms.adapters.confirmed import Confirmed
from server.redis_client import (
    CONNECTIONS_MAX,
    LISTEN_BLOCK_S,
    Client,
    ClientRole,
    UnusableRedis,
    address,
    check_server,
    connect,
)
from server.settings import BadSetting, Limits
from tests.support.redis_server import RedisServer, free_port, plain_redis
from tests.support.wait import wait_until

TAKE_AND_COUNT = "redis.call('INCRBY', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])"


@asynccontextmanager
async def connected(
    url: str, limits: Limits | None = None, role: ClientRole = ClientRole.COMMANDS
) -> AsyncIterator[Client]:
    client = connect(url, limits, role=role)
    try:
        yield client
    finally:
        await client.aclose()


@pytest.fixture
def sentinel_url() -> Iterator[str]:
    with (
        plain_redis() as primary,
        plain_redis(
            "--sentinel", config=f"sentinel monitor shop 127.0.0.1 {primary} 1\n"
        ) as sentinel,
    ):
        yield f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{sentinel}/shop/3"


@pytest.fixture
async def cluster_url() -> AsyncIterator[str]:
    # The default port of the cluster bus is 10,000 above the other, which may be out of range.
    bus = ("--cluster-port", str(free_port()))
    with plain_redis("--cluster-enabled", "yes", *bus) as port:
        async with Redis(port=port, protocol=3, legacy_responses=False) as node:
            await node.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")

            async def covered() -> bool:
                return b"cluster_state:ok" in await node.execute_command("CLUSTER", "INFO")

            await wait_until(covered, 10, "the one node serves all slots")
        yield f"redis+cluster://127.0.0.1:{port}"


async def works(client: Client) -> None:
    """One command of each kind that the rooms use: a script with keys, a stream, pub/sub."""
    assert await client.eval(TAKE_AND_COUNT, 1, "{room:demo}:likes", "5") == b"5"
    await client.xadd("{room:demo}:stream", {"data": "hello"})
    assert await client.xlen("{room:demo}:stream") == 1


async def test_a_tcp_server_is_used_with_the_database_of_its_url() -> None:
    with plain_redis() as port:
        async with connected(f"redis://127.0.0.1:{port}/2") as client:
            assert isinstance(client, Redis)
            await works(client)
        async with connected(f"redis://127.0.0.1:{port}/0") as other:
            assert await other.exists("{room:demo}:stream") == 0


async def test_a_password_in_the_url_is_used_and_never_shown() -> None:
    with plain_redis("--requirepass", "open sesame") as port:
        url = f"redis://:open%20sesame@127.0.0.1:{port}"
        async with connected(url) as client:
            await works(client)
        async with connected(url.replace("open", "shut")) as refused:
            with pytest.raises(UnusableRedis) as caught:
                await check_server(refused, url)
    assert "sesame" not in str(caught.value)
    assert f"127.0.0.1:{port}" in str(caught.value)


async def test_sentinel_leads_to_the_primary_past_a_dead_sentinel(sentinel_url: str) -> None:
    async with connected(sentinel_url) as client:
        assert isinstance(client, Redis)
        await works(client)
        assert (await client.client_info())["db"] == 3


async def test_a_sentinel_that_hangs_hides_from_nobody_that_the_primary_was_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.redis_client.SENTINEL_LOOK_S", 0.2)
    with plain_redis() as old, plain_redis() as new:
        watches = f"sentinel monitor shop 127.0.0.1 {old} 1\n"
        with (
            plain_redis("--sentinel", config=watches) as first,
            plain_redis("--sentinel", config=watches) as second,
        ):
            url = f"redis+sentinel://127.0.0.1:{first},127.0.0.1:{second}/shop"
            async with (
                connected(url) as client,
                Redis(port=first, protocol=3, legacy_responses=False) as one,
                Redis(port=second, protocol=3, legacy_responses=False) as other,
            ):
                await client.set("at", "old")
                os.kill(int((await one.info("server"))["process_id"]), signal.SIGSTOP)
                await other.execute_command("SENTINEL", "REMOVE", "shop")
                await other.execute_command("SENTINEL", "MONITOR", "shop", "127.0.0.1", new, 1)

                async def is_at_the_new_one() -> bool:
                    return await client.get("at") is None

                await wait_until(is_at_the_new_one, 15, "the client goes to the new primary")


async def test_many_who_look_for_the_primary_at_once_forget_no_sentinel(sentinel_url: str) -> None:
    async with connected(sentinel_url) as client:
        assert isinstance(client, Redis)
        manager = client.connection_pool.sentinel_manager  # type: ignore[attr-defined]
        known = set(manager.sentinels)
        await asyncio.gather(*(manager.discover_master("shop") for _ in range(4)))
        assert set(manager.sentinels) == known


async def test_sentinel_serves_listeners_too(sentinel_url: str) -> None:
    async with connected(sentinel_url, role=ClientRole.LISTENER) as client:
        await hears_its_own_message(client)


async def test_a_cluster_runs_scripts_by_the_slot_of_their_keys(cluster_url: str) -> None:
    async with connected(cluster_url) as client:
        assert isinstance(client, RedisCluster)
        await works(client)
        facts = await check_server(client, cluster_url)
    assert facts.version >= (7, 2)


async def test_a_cluster_out_of_reach_fails_as_one_server_does() -> None:
    async with connected(f"redis+cluster://127.0.0.1:{free_port()}") as client:
        with pytest.raises(RedisConnectionError, match="cannot be connected"):
            await client.get("anything")
        with pytest.raises(RedisConnectionError, match="cannot be connected"):
            await client.initialize()


async def test_connections_that_are_closed_under_commands_are_told_as_lost(
    cluster_url: str,
) -> None:
    """The cluster's client closes all connections to a node when one of them fails."""
    key, confirmed = "{room:demo}:mark", Confirmed(0, 200)

    async def commands(client: Client, seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(40):
            with contextlib.suppress(RedisError):
                if seed % 2:
                    await confirmed.command(client, key, ("GET", key))
                else:
                    await on_one_connection(client, key, ("GET", key))
            await asyncio.sleep(dice.random() * 0.002)

    async def cuts(client: RedisCluster) -> None:
        node = client.get_node_from_key(key)
        assert node is not None
        while True:
            await node.disconnect_free_connections()
            await asyncio.sleep(0.001)

    async with connected(cluster_url) as client:
        assert isinstance(client, RedisCluster)
        await client.initialize()
        cutting = asyncio.create_task(cuts(client))
        try:
            await asyncio.gather(*(commands(client, seed) for seed in range(12)))
        finally:
            cutting.cancel()


async def write_to_a_closed_connection(client: Client) -> None:
    assert isinstance(client, Redis)
    await client.ping()
    pool = client.connection_pool
    connection = await pool.get_connection()
    transport = connection._writer.transport
    transport.abort()
    await wait_until(lambda: "closed=True" in repr(transport), 20, "it is closed")
    with pytest.raises(RedisConnectionError, match="closed while it was used"):
        await connection.send_command("PING")
    await pool.release(connection)
    await client.ping()


@pytest.mark.parametrize("kind", ["unix", "tcp", "sentinel"])
def test_a_write_to_a_connection_that_has_just_been_closed_is_told_as_lost(
    kind: str, redis_url: str, sentinel_url: str
) -> None:
    """The loop of the product calls that a RuntimeError."""

    async def write(url: str) -> None:
        async with connected(url) as client:
            await write_to_a_closed_connection(client)
            if kind == "sentinel":
                manager = client.connection_pool.sentinel_manager  # type: ignore[union-attr]
                await write_to_a_closed_connection(manager.sentinels[0])

    with plain_redis() as port:
        urls = {"unix": redis_url, "tcp": f"redis://127.0.0.1:{port}", "sentinel": sentinel_url}
        uvloop.run(write(urls[kind]))


async def test_a_cluster_delivers_sharded_messages(cluster_url: str) -> None:
    async with connected(cluster_url, role=ClientRole.LISTENER) as client:
        assert isinstance(client, RedisCluster)
        await client.initialize()
        async with client.pubsub() as listener:
            await listener.ssubscribe("{room:demo}:live")
            await client.spublish("{room:demo}:live", "hello")
            heard: list[bytes] = []

            async def hears() -> bool:
                message = await listener.get_sharded_message(timeout=1)
                if message is not None and message["type"] in {"smessage", b"smessage"}:
                    heard.append(message["data"])
                return bool(heard)

            await wait_until(hears, 10, "the message arrives")
    assert heard == [b"hello"]


async def hears_its_own_message(client: Client) -> None:
    assert isinstance(client, Redis)
    async with client.pubsub() as listener:
        await listener.subscribe("live")
        await client.publish("live", "hello")
        heard = []
        async with asyncio.timeout(10):
            async for message in listener.listen():
                if message["type"] == "message":
                    heard.append(message["data"])
                    break
    assert heard == [b"hello"]


async def test_a_listener_may_block_longer_than_a_command_may_take(redis_url: str) -> None:
    limits = Limits(redis_within_ms=200)
    async with connected(redis_url, limits, ClientRole.LISTENER) as client:
        before = time.monotonic()
        answer = await client.xread({"quiet": "$"}, block=int(LISTEN_BLOCK_S * 500))
        assert not answer
        assert time.monotonic() - before >= LISTEN_BLOCK_S / 2


async def test_a_frozen_server_costs_a_command_a_bounded_time(data_dir) -> None:
    server = RedisServer(data_dir)
    server.start()
    try:
        async with connected(server.url, Limits(redis_within_ms=200)) as client:
            await client.ping()
            server.pause()
            before = time.monotonic()
            with pytest.raises((RedisTimeoutError, RedisConnectionError)):
                await client.get("anything")
            assert time.monotonic() - before < 15  # by redis-py's own defaults: a minute
            server.resume()

            async def answers() -> bool:
                try:
                    return bool(await client.ping())
                except RedisError:
                    return False

            await wait_until(answers, 10, "the same client works again")
    finally:
        server.resume()
        server.stop()


async def test_more_commands_than_connections_wait_their_turn(redis_url: str) -> None:
    async with connected(redis_url, Limits(redis_within_ms=30_000)) as client:
        answers = await asyncio.gather(*(client.incr("count") for _ in range(CONNECTIONS_MAX * 10)))
        clients = await client.client_list()
    assert sorted(answers) == list(range(1, CONNECTIONS_MAX * 10 + 1))
    assert len([one for one in clients if one["name"] == "onair-commands"]) <= CONNECTIONS_MAX


async def test_answers_come_as_the_third_protocol_gives_them(redis_client: Client) -> None:
    await redis_client.hset("hash", mapping={"field": "value"})
    assert await redis_client.hgetall("hash") == {b"field": b"value"}
    assert (await redis_client.client_info())["resp"] == "3"


async def test_the_embedded_server_passes_the_check_without_a_warning(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with connected(redis_url) as client:
            facts = await check_server(client, redis_url)
    assert facts.appends_to_file
    assert not facts.evicts_keys
    assert caplog.messages == []


async def test_a_server_that_may_lose_data_is_named_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    careless = ("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    with plain_redis("--appendonly", "no", *careless) as port, caplog.at_level(logging.WARNING):
        url = f"redis://127.0.0.1:{port}"
        async with connected(url) as client:
            facts = await check_server(client, url)
    assert facts.evicts_keys
    assert [message.split(" has ")[0].split(" evicts ")[0] for message in caplog.messages] == [
        url,
        url,
    ]


async def test_an_unreachable_server_is_named_with_the_reason() -> None:
    url = f"redis://user:hidden@127.0.0.1:{free_port()}"
    async with connected(url) as client:
        with pytest.raises(UnusableRedis, match="cannot be reached") as caught:
            await check_server(client, url)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1",
        "redis+sentinel://127.0.0.1:26379",
        "redis+sentinel://127.0.0.1/shop/db",
        "redis+sentinel:///shop",
        "redis+cluster://127.0.0.1/1",
        "redis+cluster://127.0.0.1:notaport",
    ],
)
def test_a_url_that_makes_no_sense_names_the_setting(url: str) -> None:
    with pytest.raises(BadSetting, match="ONAIR_REDIS_URL"):
        connect(url)


def test_the_shown_address_has_no_secrets() -> None:
    assert address("redis://me:secret@h:1/0?password=secret") == "redis://h:1/0"
    assert address("unix:///run/redis.sock?password=secret") == "unix:///run/redis.sock"
