"""Faults during a sale, with the real server: afterwards nothing is lost, oversold or doubled.

Each fault comes while buyers buy, pay, cancel and ask again. The seed decides who does what; more
seeds: `make test-fault`.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import sqlite3
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from server.redis_socket import socket_path, socket_url
from server.supervisor import DATABASE_NAME
from tests.support.sale_crowd import Crowd
from tests.support.sale_history import Verdict
from tests.support.sale_stage import Stage, staged
from tests.support.wait import wait_until

pytestmark = pytest.mark.usefixtures("new_table")


def check(verdict: Verdict, seed: int) -> None:
    assert verdict.is_clean, f"seed {seed}: {verdict}"
    assert verdict.acknowledged > 0, f"seed {seed}: nobody got anything: {verdict}"


async def test_redis_killed_in_the_middle_of_a_spike_loses_nothing(
    tmp_path: Path, seed: int
) -> None:
    async with staged(tmp_path, "kill redis", seed) as stage:
        await stage.open()
        stage.server.kill_redis()
        stage.over()
        check(await stage.judged(), seed)


async def test_a_web_worker_killed_with_batches_in_flight_is_made_up_for_by_another(
    tmp_path: Path, seed: int
) -> None:
    async with staged(tmp_path, "kill web worker", seed, ONAIR_WORKERS="2") as stage:
        await stage.open()
        server = stage.server
        server.kill_worker(random.Random(seed).choice(server.worker_pids()))
        stage.over()
        check(await stage.judged(), seed)


async def test_a_ledger_worker_killed_while_it_writes_writes_everything_once(
    tmp_path: Path, seed: int
) -> None:
    async with staged(tmp_path, "kill ledger worker", seed) as stage:
        await stage.open()
        for _ in range(3):
            (pid,) = stage.ledger_pids()
            os.kill(pid, signal.SIGKILL)
            await wait_until(_another_than(stage, pid), 20, "it is started again")
            await stage.crowd.progress(30)
        stage.over()
        check(await stage.judged(), seed)


async def test_redis_that_hangs_for_five_seconds_decides_nothing_twice(
    tmp_path: Path, seed: int
) -> None:
    async with staged(tmp_path, "redis paused 5 s", seed) as stage:
        await stage.open()
        pid = stage.server.redis_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(5)  # the fault itself lasts this long
        finally:
            os.kill(pid, signal.SIGCONT)
        stage.over()
        check(await stage.judged(), seed)


async def test_sql_locked_for_half_a_minute_stops_no_sale_and_loses_no_order(
    tmp_path: Path, seed: int
) -> None:
    async with staged(tmp_path, "sql locked 30 s", seed) as stage:
        await stage.open()
        path = stage.server.data_dir / DATABASE_NAME
        writer = sqlite3.connect(path, isolation_level=None, timeout=20)
        writer.execute("BEGIN IMMEDIATE")
        try:
            await stage.crowd.progress(300)  # buyers are answered all the same
            await asyncio.sleep(30)  # the fault itself lasts this long
            await stage.crowd.progress(30)
        finally:
            writer.execute("ROLLBACK")
            writer.close()
        stage.over()
        check(await stage.judged(), seed)


async def test_scripts_flushed_again_and_again_are_noticed_by_nobody(
    tmp_path: Path, seed: int
) -> None:
    async with staged(tmp_path, "script flush loop", seed) as stage:
        await stage.open()
        flushes = 0
        async with _redis_of(stage) as client:
            wanted = len(stage.crowd.answered_at_s) + 300
            while len(stage.crowd.answered_at_s) < wanted:
                await client.script_flush()
                flushes += 1
                await asyncio.sleep(0.05)
        assert flushes > 1
        metrics = await asyncio.to_thread(_metrics, stage)
        counted = re.search(r'onair_orders_total\{outcome="reserved",.*\} (\d+)', metrics)
        assert counted is not None, metrics
        assert int(counted[1]) > 100
        stage.over()
        verdict = await stage.judged()
        check(verdict, seed)
        assert verdict.unknown == 0


async def test_a_key_of_another_type_is_an_error_and_no_half_batch(
    tmp_path: Path, seed: int
) -> None:
    async with staged(tmp_path, "wrongtype", seed) as stage:
        await stage.open()
        async with _redis_of(stage) as client:
            for name in ("deadlines", "buyers", "orders", "ledger"):
                key = f"{{sale:{stage.sale}}}:{name}"
                both: Any = client.pipeline(transaction=True)  # never absent in between
                both.rename(key, f"{key}:kept")
                both.set(key, "another's")
                await both.execute()
                await wait_until(lambda: _refused(stage), 20, "buyers are refused")
                await client.rename(f"{key}:kept", key)
                await stage.crowd.progress(20)
        stage.over()
        check(await stage.judged(), seed)


async def test_a_redis_without_memory_refuses_whole_batches(tmp_path: Path, seed: int) -> None:
    async with staged(tmp_path, "maxmemory", seed) as stage:
        await stage.open()
        async with _redis_of(stage) as client:
            await client.config_set("maxmemory", "1mb")
            await wait_until(lambda: _refused(stage), 20, "buyers are refused")
            await client.config_set("maxmemory", "0")
        stage.over()
        check(await stage.judged(), seed)


async def test_a_redis_lost_with_its_disk_is_rebuilt_from_the_ledger(
    tmp_path: Path, seed: int
) -> None:
    async with staged(tmp_path, "redis lost and rebuilt", seed) as stage:
        await stage.open()
        await stage.crowd.stop()
        before = await stage.balanced()
        async with _redis_of(stage) as client:
            await client.flushall()  # as a server whose disk is gone
        rebuilt = await asyncio.to_thread(
            stage.server.cli, "rebuild", "--sale", stage.sale, "--yes"
        )
        assert rebuilt.returncode == 0, rebuilt
        stage.over()
        after = await stage.balanced()
        counters = ("sku", "initial", "available", "reserved", "sold", "refunded")
        assert [[item[name] for name in counters] for item in after["redis"]["items"]] == [
            [item[name] for name in counters] for item in before["redis"]["items"]
        ]
        earlier = stage.crowd
        await stage_again(stage)
        stage.crowd.history.requests += earlier.history.requests
        check(await stage.judged(), seed)


def _another_than(stage: Stage, dead: int) -> Callable[[], bool]:
    return lambda: stage.ledger_pids() not in ([], [dead])


async def stage_again(stage: Stage) -> None:
    """Another crowd in the same sale: it goes on selling."""
    stage.crowd = Crowd(stage.server, stage.sale, ["mug", "tea"], seed=stage.seed + 1_000)
    stage.crowd.start()


def _metrics(stage: Stage) -> str:
    with urllib.request.urlopen(f"{stage.server.base_url}/metrics", timeout=20) as answer:
        text: str = answer.read().decode()
    return text


def _redis_of(stage: Stage) -> redis.asyncio.Redis:
    url = socket_url(socket_path(stage.server.data_dir.absolute()))
    return redis.asyncio.Redis.from_url(url)


_attempts: dict[str, int] = {}


def _refused(stage: Stage) -> bool:
    """Buyers ask again: they were told to, because the store was in trouble."""
    requests = stage.crowd.history.requests
    repeated = sum(request.attempts for request in requests) - len(requests)
    seen = _attempts.setdefault(stage.sale, repeated)
    if repeated >= seen + 5 and any(not r.answers for r in requests):
        _attempts[stage.sale] = repeated
        return True
    return False
