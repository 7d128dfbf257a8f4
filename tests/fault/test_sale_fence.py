"""`always` on a real cluster: a promoted replica may lack what was answered. Then the sale pauses,
what is missing is named, and nothing is sold twice; if nothing is missing it goes on by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypeVar

import pytest

from flash_sale.adapters.confirmed import Durable
from flash_sale.adapters.redis_sales import RedisSales
from flash_sale.adapters.redis_stream import RedisLedgerStream
from flash_sale.adapters.script import key_of
from flash_sale.errors import SaleFrozen, SaleStoreUnavailable
from flash_sale.model import Decision, Outcome, SaleState, Steering
from server.redis_client import Client, connect
from tests.support.redis_cluster import Cluster
from tests.support.redis_nodes import RedisNode
from tests.support.sale_machine import SALE, terms_of
from tests.support.sale_on_redis import STORE_LIMITS
from tests.support.sale_talk import act, buying, reached

T = TypeVar("T")
KEY = key_of(SALE, "sale")
UNITS = 30


@dataclass
class Side:
    """The store as one worker has it: what it has seen of the sale is its own."""

    client: Client
    mode: str = "always"

    def __post_init__(self) -> None:
        durable = Durable(self.mode, server_syncs=False, within_ms=900)
        self.sales = RedisSales(self.client, STORE_LIMITS, durable)
        self.stream = RedisLedgerStream(self.client, durable)

    async def buy(self, user: str) -> Decision:
        decided = await reached(lambda: self.sales.reserve(SALE, [buying(user, 1)]))
        return decided.decisions[0]


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[Client]:
    client = connect(cluster.url)
    await client.initialize()
    terms = terms_of([UNITS, 1, 1], [UNITS, 1, 1], starts_at_ms=None, ends_at_ms=None)
    sales = Side(client).sales
    await reached(lambda: sales.arm(terms, act("arm"), {}))
    await reached(lambda: sales.steer(SALE, Steering.OPEN, act("open")))
    yield client
    await client.aclose()


def promote_without(cluster: Cluster, replica: RedisNode) -> None:
    """Kill the master; the replica, which was frozen, is promoted as it stood then."""
    master = cluster.kill_master_of(KEY)
    replica.thaw()
    cluster.wait_until_promoted(KEY, master)


async def lose_the_order_of(user: str, cluster: Cluster, side: Side) -> None:
    """The master answers it, and dies before its replica has it."""
    replica = await asyncio.to_thread(cluster.freeze_replica_of, KEY)
    assert (await side.buy(user)).outcome is Outcome.RESERVED
    await asyncio.to_thread(promote_without, cluster, replica)


async def pass_the_fence(client: Client) -> None:
    await client.execute_command("HSET", KEY, "skew_ms", 3_600_000)


async def test_what_a_failover_lost_is_named_and_nothing_is_sold_until_the_rebuild(
    cluster: Cluster, client: Client
) -> None:
    witness, another = Side(client), Side(client)
    assert (await witness.buy("ann")).outcome is Outcome.RESERVED
    await lose_the_order_of("ben", cluster, witness)
    with pytest.raises(SaleFrozen, match=r"\(1 of epoch 1 were seen here: (\d+) to \1\)"):
        await witness.buy("cat")
    with pytest.raises(SaleFrozen, match="lost moves"):
        await another.buy("cat")
    view = await another.sales.view(SALE)
    assert view.state is SaleState.FROZEN
    assert view.items[0].reserved == 1


async def test_who_has_seen_nothing_is_kept_waiting_until_others_could_speak(
    cluster: Cluster, client: Client
) -> None:
    witness, newcomer = Side(client), Side(client)
    await witness.buy("ann")
    await lose_the_order_of("ben", cluster, witness)
    with pytest.raises(SaleFrozen, match="failover"):
        await newcomer.buy("cat")
    with pytest.raises(SaleFrozen, match="lost moves"):
        await witness.sales.remember_sold_out(SALE, ())
    await pass_the_fence(client)
    with pytest.raises(SaleFrozen, match="lost moves"):
        await newcomer.buy("cat")


async def test_a_failover_that_lost_nothing_only_pauses_the_sale(
    cluster: Cluster, client: Client
) -> None:
    side = Side(client)
    await side.buy("ann")
    await asyncio.to_thread(cluster.fail_over, KEY)
    with pytest.raises(SaleFrozen, match="failover"):
        await side.buy("ben")
    await pass_the_fence(client)
    assert (await side.buy("ben")).outcome is Outcome.RESERVED
    assert (await side.sales.view(SALE)).items[0].reserved == 2


async def test_a_sale_that_moves_to_another_master_is_paused_only_if_that_was_once_promoted(
    cluster: Cluster, client: Client
) -> None:
    side = Side(client)
    await side.buy("ann")
    move = await asyncio.to_thread(cluster.migration, KEY)
    was_promoted = int(move.target.facts("replication")["master_replid2"], 16) > 0
    move.begin()
    while move.move():
        pass
    move.finish()
    if was_promoted:
        with pytest.raises(SaleFrozen, match="failover"):
            await side.buy("ben")
        await pass_the_fence(client)
    assert (await side.buy("ben")).outcome is Outcome.RESERVED
    await asyncio.to_thread(cluster.wait_until_followed, KEY)
    dead = await asyncio.to_thread(cluster.kill_master_of, KEY)
    await asyncio.to_thread(cluster.wait_until_promoted, KEY, dead)
    with pytest.raises(SaleFrozen, match="failover"):
        await side.buy("cat")


async def test_the_ledger_is_given_nothing_that_no_replica_has(
    cluster: Cluster, client: Client
) -> None:
    side = Side(client, "replicated")
    first = await reached(lambda: side.stream.read(SALE, "ledger-1", 100))
    assert len(first) == 2
    replica = await asyncio.to_thread(cluster.freeze_replica_of, KEY)
    with pytest.raises(SaleStoreUnavailable, match="0 replicas"):
        await side.sales.reserve(SALE, [buying("ann", 1)])
    with pytest.raises(SaleStoreUnavailable, match="0 replicas"):
        await side.stream.read(SALE, "ledger-1", 100)
    with pytest.raises(SaleStoreUnavailable, match="0 replicas"):
        await side.stream.claim(SALE, "ledger-2", 100, 0)
    await asyncio.to_thread(promote_without, cluster, replica)
    await asyncio.to_thread(cluster.heal)
    assert (await side.buy("ben")).outcome is Outcome.RESERVED
    assert (await side.sales.view(SALE)).items[0].reserved == 1
    given = await reached(lambda: side.stream.read(SALE, "ledger-1", 100))
    orders = [move.order for entry in given for move in entry.moves if move.order]
    assert [order.user for order in orders] == ["ben"]
