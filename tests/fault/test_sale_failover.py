"""Sales on a real cluster and under real sentinels: masters die, slots move, nothing is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from flash_sale.adapters.script import key_of
from flash_sale.model import SaleId
from tests.support.redis_cluster import Cluster
from tests.support.sale_stage import staged

pytestmark = pytest.mark.usefixtures("new_table")

REPLICATED = {"ONAIR_DURABILITY": "replicated"}


async def test_the_master_of_a_hot_sale_is_killed_and_nothing_acknowledged_is_lost(
    cluster: Cluster, tmp_path: Path, seed: int
) -> None:
    async with staged(
        tmp_path, "cluster master killed", seed, ONAIR_REDIS_URL=cluster.url, **REPLICATED
    ) as stage:
        await stage.open()
        key = key_of(SaleId(stage.sale), "sale")
        dead = await asyncio.to_thread(cluster.kill_master_of, key)
        stage.over()
        await asyncio.to_thread(cluster.wait_until_promoted, key, dead)
        dead.revive()
        verdict = await stage.judged()
        assert verdict.is_clean, f"seed {seed}: {verdict}"
