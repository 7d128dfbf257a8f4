"""`onair serve` on a real cluster and under sentinels: masters die and slots move under a sale.

With `replicated` nothing acknowledged is lost, and service returns by itself. The server goes on
through all tests of a kind.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator

import pytest

from flash_sale.adapters.confirmed import Durable
from flash_sale.adapters.redis_sales import RedisSales, StoreLimits
from flash_sale.catalog import SkuId
from flash_sale.errors import SaleUnconfirmed
from flash_sale.model import Line, Purchase, SaleId, order_id_of
from server.redis_client import connect
from tests.support.failover_shop import failover_shop, key_in
from tests.support.live_server import LiveServer
from tests.support.redis_cluster import Cluster, SlotMigration
from tests.support.redis_sentinels import SentinelGroup
from tests.support.sale_stage import Stage, stage_on
from tests.support.wait import wait_until
from tests.support.ws_client import WireClient, WireError

pytestmark = pytest.mark.usefixtures("new_table")

KEYS_PER_STEP = 2  # of the twelve or so of a sale: most of the time some are here and some there


@pytest.fixture(scope="module")
def on_cluster(
    cluster_of_the_run: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A server with two workers, for all tests of this module."""
    yield from failover_shop(cluster_of_the_run, tmp_path_factory)


@pytest.fixture(scope="module")
def on_sentinels(
    sentinels_of_the_run: SentinelGroup, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """The same under sentinels."""
    yield from failover_shop(sentinels_of_the_run, tmp_path_factory)


def sent_on(move: SlotMigration) -> Callable[[], bool]:
    """Whether somebody was, since now."""
    before = move.redirected()
    return lambda: move.redirected() > before


async def check(stage: Stage) -> None:
    verdict = await stage.judged()
    assert verdict.is_clean, f"seed {stage.seed}: {verdict}"
    assert verdict.acknowledged > 0, f"seed {stage.seed}: nobody got anything: {verdict}"


async def test_buyers_go_on_when_the_master_of_their_sale_is_killed_and_its_replica_promoted(
    cluster_of_the_run: Cluster, on_cluster: LiveServer, seed: int
) -> None:
    """Until the dead one is back, and follows, nobody confirms what the promoted one writes."""
    cluster = cluster_of_the_run
    async with stage_on(on_cluster, "cluster master killed", seed) as stage:
        await stage.open()
        dead = await asyncio.to_thread(cluster.kill_master_of, key_in(stage))
        await asyncio.to_thread(cluster.wait_until_promoted, key_in(stage), dead)
        stage.over()
        await asyncio.to_thread(cluster.heal)
        await check(stage)


async def test_buyers_go_on_while_the_slot_of_their_sale_moves_to_another_master(
    cluster_of_the_run: Cluster, on_cluster: LiveServer, seed: int
) -> None:
    await asyncio.to_thread(cluster_of_the_run.heal)
    async with stage_on(on_cluster, "slot migrated", seed) as stage:
        await stage.open()
        move = await asyncio.to_thread(cluster_of_the_run.migration, key_in(stage))
        await asyncio.to_thread(move.begin)
        while await asyncio.to_thread(move.move, KEYS_PER_STEP):
            await wait_until(sent_on(move), 20, "buyers are sent on, or told to come again")
        stage.over()
        await asyncio.to_thread(move.finish)
        await check(stage)


async def test_buyers_go_on_when_a_master_hands_over_to_its_replica(
    cluster_of_the_run: Cluster, on_cluster: LiveServer, seed: int
) -> None:
    await asyncio.to_thread(cluster_of_the_run.heal)
    async with stage_on(on_cluster, "cluster failover", seed) as stage:
        await stage.open()
        stage.over()
        await asyncio.to_thread(cluster_of_the_run.fail_over, key_in(stage))
        await check(stage)


async def test_units_whose_sale_was_never_confirmed_are_for_sale_again_after_a_failover(
    cluster_of_the_run: Cluster, on_cluster: LiveServer, seed: int
) -> None:
    """All workers heard that nothing is left; the promoted master never heard of it."""
    cluster = cluster_of_the_run
    await asyncio.to_thread(cluster.heal)
    client = connect(cluster.url)
    async with stage_on(on_cluster, "sold out and forgotten", seed) as stage:
        await stage.put_on_air(stock=1)
        line = Line(SkuId("mug"), 1)
        sale = SaleId(stage.sale)
        buyer, _ = await WireClient.join(on_cluster.ws_url, token=on_cluster.token("dan"))

        requests = itertools.count(1)  # the same one would be answered the same

        async def answer(sku: str = "mug") -> str:
            request = {"sale": sale, "sku": sku, "qty": 1, "request_id": f"r{next(requests)}"}
            try:
                return str((await buyer.rpc("order.place", request))["outcome"])
            except WireError as error:
                return str(error)

        assert await answer("tea") == "reserved"
        replica = await asyncio.to_thread(cluster.freeze_replica_of, key_in(stage))
        durable = Durable("replicated", server_syncs=False, within_ms=100)
        ben = Purchase(order_id_of(sale, "ben", "r1"), "ben", "r1", (line,))
        with pytest.raises(SaleUnconfirmed):
            await RedisSales(client, StoreLimits(), durable).reserve(sale, [ben])
        assert await answer() == "sold_out"  # by the flag: nothing is confirmed now
        dead = await asyncio.to_thread(cluster.kill_master_of, key_in(stage))
        replica.thaw()
        await asyncio.to_thread(cluster.wait_until_promoted, key_in(stage), dead)
        await asyncio.to_thread(cluster.heal)

        async def bought() -> bool:
            return await answer() == "reserved"

        await wait_until(bought, 20, "the unit is sold to somebody else")
        await buyer.close()
    await client.aclose()


async def test_buyers_go_on_when_sentinels_replace_a_primary_that_was_killed(
    sentinels_of_the_run: SentinelGroup, on_sentinels: LiveServer, seed: int
) -> None:
    """There are two replicas: the one that is left confirms what the promoted one writes."""
    group = sentinels_of_the_run
    await asyncio.to_thread(group.heal)
    async with stage_on(on_sentinels, "sentinel primary killed", seed) as stage:
        await stage.open()
        dead = await asyncio.to_thread(group.kill_primary)
        stage.over()
        await asyncio.to_thread(group.wait_until_promoted, dead)
        await check(stage)


async def test_buyers_go_on_when_sentinels_replace_a_primary_that_lives(
    sentinels_of_the_run: SentinelGroup, on_sentinels: LiveServer, seed: int
) -> None:
    """It goes on believing in itself for some seconds, but nobody confirms what it writes."""
    group = sentinels_of_the_run
    await asyncio.to_thread(group.heal)
    other = (await asyncio.to_thread(group.replicas))[0]
    other.kill()  # two replicas could confirm to each what the other will not keep
    async with stage_on(on_sentinels, "sentinel failover", seed) as stage:
        await stage.open()
        stage.over()
        await asyncio.to_thread(group.fail_over)
        await check(stage)
