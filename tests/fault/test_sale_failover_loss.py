"""`onair serve` on a real cluster, `always`: a promoted replica lacks what was answered.

What is missing is named, and nothing is sold until the sale is rebuilt from the ledger.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import pytest

from tests.support.failover_shop import failover_shop, key_in
from tests.support.live_server import LiveServer
from tests.support.redis_cluster import Cluster
from tests.support.sale_stage import Stage, stage_on
from tests.support.wait import wait_until

pytestmark = pytest.mark.usefixtures("new_table")


@pytest.fixture(scope="module")
def on_one_disk(
    cluster_of_the_run: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """It answers as soon as the master has it on disk."""
    yield from failover_shop(cluster_of_the_run, tmp_path_factory, "always")


async def test_what_a_promoted_replica_lacks_is_named_and_made_up_for_from_the_ledger(
    cluster_of_the_run: Cluster, on_one_disk: LiveServer, seed: int
) -> None:
    cluster, server = cluster_of_the_run, on_one_disk
    await asyncio.to_thread(cluster.heal)
    async with stage_on(server, "replica was behind", seed) as stage:
        await stage.open()
        replica = await asyncio.to_thread(cluster.freeze_replica_of, key_in(stage))
        await stage.crowd.progress(60)
        dead = await asyncio.to_thread(cluster.kill_master_of, key_in(stage))
        replica.thaw()
        await asyncio.to_thread(cluster.wait_until_promoted, key_in(stage), dead)
        await asyncio.to_thread(cluster.heal)
        await wait_until(lambda: missing_moves(server, stage), 30, "the gap is named")
        rebuilt = await asyncio.to_thread(server.cli, "rebuild", "--sale", stage.sale, "--yes")
        assert rebuilt.returncode == 0, rebuilt.stderr
        stage.over()
        verdict = await stage.judged()
        assert verdict.oversold == verdict.duplicated == verdict.above_limit == 0, verdict
        assert verdict.lost <= missing_moves(server, stage), verdict


def missing_moves(server: LiveServer, stage: Stage) -> int:
    """How many moves of the sale the workers say they have seen and the store has no more."""
    said = re.findall(rf"{stage.sale} is frozen: .* \((\d+) of epoch", server.errors)
    return max((int(count) for count in said), default=0)
