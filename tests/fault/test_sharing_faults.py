"""Processes killed while people bring people: nothing told is lost, nothing is given twice.

Each fault falls into a storm of visits, arrivals, rewards, opened red packets and orders with
coupons, on the real server by its real command. The seed decides who does what and who is killed.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.sharing_audit import Findings
from tests.support.sharing_stage import TABLE, SharingStage, sharing_stage
from tests.support.wait import wait_until

pytestmark = pytest.mark.usefixtures("new_sharing_table")


@pytest.fixture(scope="session")
def new_sharing_table() -> None:
    """The table begins anew with each run."""
    TABLE.unlink(missing_ok=True)


def check(found: Findings, seed: int) -> None:
    assert found.is_clean, f"seed {seed}: {found.complaints[:5]} {found}"
    assert found.valid > 40, f"seed {seed}: hardly anybody counted: {found}"
    assert found.grants > 10, f"seed {seed}: hardly anything was given: {found}"
    assert found.packets > 2, f"seed {seed}: hardly a red packet was opened: {found}"
    assert found.orders > 10, f"seed {seed}: hardly anybody bought: {found}"


async def test_web_workers_killed_in_a_storm_of_arrivals_lose_nothing_they_acknowledged(
    tmp_path: Path, seed: int
) -> None:
    async with sharing_stage(tmp_path, "kill web workers", seed) as stage:
        await stage.open()
        chance = random.Random(seed)
        for _ in range(3):
            await kill_web_worker(stage, chance)
            await stage.crowd.progress(80)
        check(await stage.judged(), seed)


async def test_ledger_workers_killed_while_they_judge_and_give_do_it_once(
    tmp_path: Path, seed: int
) -> None:
    async with sharing_stage(tmp_path, "kill ledger workers", seed) as stage:
        await stage.open()
        chance = random.Random(seed)
        for judged in (1, 30, 60, 100):
            await stage.judges(judged)
            await kill_ledger_worker(stage, chance)
        check(await stage.judged(), seed)


async def test_redis_killed_in_a_storm_of_arrivals_loses_no_piece_and_no_reward(
    tmp_path: Path, seed: int
) -> None:
    async with sharing_stage(tmp_path, "kill redis", seed) as stage:
        await stage.open()
        for _ in range(2):
            await kill_redis(stage)
            await stage.crowd.progress(120)
        check(await stage.judged(), seed)


async def test_everything_killed_in_turn_gives_every_reward_once_and_loses_no_cent(
    tmp_path: Path, seed: int
) -> None:
    async with sharing_stage(tmp_path, "kill all in turn", seed) as stage:
        await stage.open()
        chance = random.Random(seed)
        await kill_web_worker(stage, chance)
        await stage.crowd.progress(60)
        await stage.judges(1)
        await kill_ledger_worker(stage, chance)
        await kill_redis(stage)
        await stage.crowd.progress(60)
        await kill_web_worker(stage, chance)
        await stage.judges(60)
        await kill_ledger_worker(stage, chance)
        check(await stage.judged(), seed)


async def kill_web_worker(stage: SharingStage, chance: random.Random) -> None:
    await _kill_one(stage, stage.server.worker_pids, chance)


async def kill_ledger_worker(stage: SharingStage, chance: random.Random) -> None:
    await _kill_one(stage, stage.ledger_pids, chance)


async def kill_redis(stage: SharingStage) -> None:
    stage.begins()
    dead = stage.server.redis_pid()
    os.kill(dead, signal.SIGKILL)
    await wait_until(lambda: _redis_pids(stage) not in ([], [dead]), 30, "Redis is started again")


async def _kill_one(
    stage: SharingStage, pids: Callable[[], list[int]], chance: random.Random
) -> None:
    """Kill -9 one of two; returns when there are two again."""
    await wait_until(lambda: len(pids()) == 2, 30, "both are there")
    stage.begins()
    dead = chance.choice(sorted(pids()))
    os.kill(dead, signal.SIGKILL)
    await wait_until(lambda: len(set(pids()) - {dead}) == 2, 30, "it is started again")


def _redis_pids(stage: SharingStage) -> list[int]:
    try:
        return [stage.server.redis_pid()]
    except ValueError:  # none, or not one only, at this moment
        return []
