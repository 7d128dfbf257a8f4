"""The store of sales on a real cluster of two primaries: each sale is confirmed where it lives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest
from redis.asyncio import Redis, RedisCluster

from flash_sale.adapters.confirmed import Durable
from flash_sale.adapters.redis_sales import RedisSales
from flash_sale.adapters.redis_stream import RedisLedgerStream
from flash_sale.adapters.script import keys_of
from flash_sale.model import Outcome, PaymentOutcome, SaleId, Steering, order_id_of
from server.redis_client import connect
from server.settings import Limits
from tests.support.redis_server import free_port, plain_redis
from tests.support.sale_machine import terms_of
from tests.support.sale_on_redis import STORE_LIMITS
from tests.support.sale_talk import act, buying, paying
from tests.support.wait import wait_until

HALF = 8192


@dataclass
class Cluster:
    """Two primaries, each with half of the slots, and a client of the product's own making."""

    nodes: list[Redis]
    client: RedisCluster

    @property
    def sales(self) -> RedisSales:
        durable = Durable("always", server_syncs=False, within_ms=18_000)
        return RedisSales(self.client, STORE_LIMITS, durable)

    def home(self, sale: SaleId) -> int:
        return int(self.client.keyslot(keys_of(sale)[0]) >= HALF)

    def sale_at(self, home: int) -> SaleId:
        ids = (SaleId(f"s{number}") for number in range(1_000))
        return next(sale for sale in ids if self.home(sale) == home)

    async def confirmations(self, home: int) -> int:
        stats = await self.nodes[home].info("commandstats")
        return int(stats.get("cmdstat_waitaof", {"calls": 0})["calls"])

    async def move(self, sale: SaleId) -> None:
        """Give the slot of a sale, with its keys, to the other node."""
        slot, old = self.client.keyslot(keys_of(sale)[0]), self.nodes[self.home(sale)]
        new = self.nodes[1 - self.home(sale)]
        old_id, new_id = [await node.execute_command("CLUSTER", "MYID") for node in (old, new)]
        await new.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", old_id)
        await old.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", new_id)
        keys = await old.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100)
        place = new.connection_pool.connection_kwargs
        await old.execute_command(
            "MIGRATE", place["host"], place["port"], "", 0, 5_000, "KEYS", *keys
        )
        for node in (new, old):
            await node.execute_command("CLUSTER", "SETSLOT", slot, "NODE", new_id)


def _server(stack: ExitStack, number: int) -> Redis:
    options: tuple[str, ...] = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    options += ("--appendonly", "yes", "--appendfsync", "always")
    port = stack.enter_context(
        plain_redis(*options, "--cluster-config-file", f"nodes-{number}.conf")
    )
    return Redis(host="127.0.0.1", port=port)


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    with ExitStack() as stack:
        nodes = [_server(stack, number) for number in range(2)]
        for number, node in enumerate(nodes):
            await node.execute_command(
                "CLUSTER", "ADDSLOTSRANGE", number * HALF, number * HALF + HALF - 1
            )
            await node.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        bus = (await nodes[1].config_get("cluster-port"))["cluster-port"]
        place = nodes[1].connection_pool.connection_kwargs
        await nodes[0].execute_command("CLUSTER", "MEET", "127.0.0.1", place["port"], bus)

        async def all_know_all() -> bool:
            told: list[Any] = [await node.execute_command("CLUSTER", "INFO") for node in nodes]
            return all(b"cluster_state:ok" in one and b"slots_ok:16384" in one for one in told)

        await wait_until(all_know_all, 20, "the nodes know each other")
        port = nodes[0].connection_pool.connection_kwargs["port"]
        client = connect(f"redis+cluster://127.0.0.1:{port}", Limits(redis_within_ms=20_000))
        assert isinstance(client, RedisCluster)
        await client.initialize()
        yield Cluster(nodes, client)
        await client.aclose()
        for node in nodes:
            await node.aclose()


async def open_sale(cluster: Cluster, sale: SaleId) -> None:
    terms = replace(terms_of([30, 2, 1], [3, 2, 1], starts_at_ms=None, ends_at_ms=None), id=sale)
    await cluster.sales.arm(terms, act("arm"), {})
    await cluster.sales.steer(sale, Steering.OPEN, act("open"))


@pytest.mark.parametrize("home", [0, 1])
async def test_an_order_is_confirmed_by_the_node_that_holds_its_sale(
    cluster: Cluster, home: int
) -> None:
    sale = cluster.sale_at(home)
    await open_sale(cluster, sale)
    before = [await cluster.confirmations(node) for node in (0, 1)]
    ann = replace(buying("ann", 1), order_id=order_id_of(sale, "ann", "r1"))
    decided = await cluster.sales.reserve(sale, [ann])
    paid = await cluster.sales.pay(sale, [paying(ann, "p1")])
    assert decided.decisions[0].outcome is Outcome.RESERVED
    assert paid[0].outcome is PaymentOutcome.ACCEPTED
    after = [await cluster.confirmations(node) for node in (0, 1)]
    assert after[home] >= before[home] + 2
    assert after[1 - home] == before[1 - home]


@pytest.mark.parametrize("home", [0, 1])
async def test_the_stream_of_a_sale_is_read_and_trimmed_wherever_it_lives(
    cluster: Cluster, home: int
) -> None:
    sale = cluster.sale_at(home)
    stream = RedisLedgerStream(cluster.client)
    assert await stream.lag(sale) == 0
    await open_sale(cluster, sale)
    assert await stream.lag(sale) == 2
    first = await stream.read(sale, "ledger-1", 1)
    both = await stream.read(sale, "ledger-1", 10)
    assert both[:1] == first
    assert await stream.claim(sale, "ledger-2", 10, 60_000) == []
    assert await stream.claim(sale, "ledger-2", 10, 0) == both
    await stream.committed(sale, [entry.id for entry in both])
    assert [entry.unreadable for entry in both] == ["", ""]
    assert await stream.lag(sale) == 0


async def test_a_sale_whose_slot_moved_is_confirmed_where_it_went(cluster: Cluster) -> None:
    sale = cluster.sale_at(0)
    await open_sale(cluster, sale)
    await cluster.move(sale)
    before = await cluster.confirmations(1)
    ann = replace(buying("ann", 1), order_id=order_id_of(sale, "ann", "r1"))
    decided = await cluster.sales.reserve(sale, [ann])
    assert decided.decisions[0].outcome is Outcome.RESERVED
    assert await cluster.confirmations(1) > before
    assert (await cluster.sales.view(sale)).items[0].reserved == 1
