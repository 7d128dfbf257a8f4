"""Drills of a rehearsal, with the real server: each has a line, and the books balance after it.

The load is light and nothing is timed: how long a recovery takes is for the report to say. Beside
it is the merchant's own room, which no drill on the shadow's stores may touch.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from loadtest.rehearsal.records import DrillReport
from tests.support.drill_scene import VIEWERS, Scene, opened, opened_aside
from tests.support.live_server import LiveServer
from tests.support.processes import below, is_running
from tests.support.rehearsal_town import PAYMENT_SECRET, Shopfront, real_shop
from tests.support.wait import wait_until

LEDGER = "rehearsal ledger worker 1"
REDIS = "rehearsal redis"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that allows drills, with a live room and a sale of the merchant's own."""
    made = LiveServer(
        tmp_path_factory.mktemp("drills"),
        command="serve",
        ONAIR_REHEARSAL_DRILLS="1",
        ONAIR_VISIT_IDLE_S="1",
        ONAIR_FIRST_ACTION_AFTER_MS="0",
        ONAIR_PAYMENT_PROVIDER="webhook",
        ONAIR_PAYMENT_SECRET=PAYMENT_SECRET,
    )
    try:
        made.start()
        asyncio.run(real_shop(made).furnish())
        yield made
    finally:
        made.end()


@pytest.fixture
def scene(server: LiveServer, tmp_path: Path) -> Iterator[Scene]:
    with opened(server, tmp_path) as open_scene:
        yield open_scene


def check(report: DrillReport) -> None:
    """It was done, the shop sold again after it, and nothing was missing then."""
    assert not report.refused, report
    assert report.recovered_after_s >= 0, report
    assert report.ended_s >= report.began_s, report
    assert report.books_ok, report
    assert report.counts["probes"] > 0


def test_a_killed_web_worker_is_replaced_and_its_viewers_come_back(
    server: LiveServer, scene: Scene
) -> None:
    (before,) = server.worker_pids()
    report = scene.perform("kill_worker")
    check(report)
    assert not is_running(before)
    assert report.viewers_back_s >= 0
    assert report.counts["viewers_before"] >= VIEWERS


def test_a_killed_redis_of_the_shadow_shop_loses_no_purchase(scene: Scene) -> None:
    before = scene.pid(REDIS)
    check(scene.perform("restart_redis"))
    assert scene.pid(REDIS) != before


def test_while_the_ledger_stands_still_people_buy_and_afterwards_it_has_everything(
    scene: Scene,
) -> None:
    before = scene.pid(LEDGER)
    sold = scene.load.acknowledged
    report = scene.perform("stop_ledger", seconds=3)
    check(report)
    assert scene.load.acknowledged > sold
    assert scene.pid(LEDGER) == before
    assert psutil.Process(before).status() != psutil.STATUS_STOPPED


def test_a_cut_network_fails_requests_and_everybody_comes_back(scene: Scene) -> None:
    report = scene.perform("cut_network")
    check(report)
    assert report.failed_requests > 0
    assert report.counts["failed_probes"] > 0
    assert report.viewers_back_s >= 0


def test_slow_readers_are_a_part_of_the_audience(scene: Scene) -> None:
    report = scene.perform("slow_readers", percent=50)
    check(report)
    assert 0 < report.counts["slow_readers"] <= VIEWERS / 2


def test_in_a_storm_of_webhooks_each_order_is_paid_once_and_nothing_false_is_believed(
    scene: Scene,
) -> None:
    report = scene.perform("webhook_storm")
    check(report)
    counts = report.counts
    assert counts["paid_once"] == counts["orders"] > 0
    assert counts["turned_away"] > 0
    assert counts["believed"] == 0
    assert counts["accepted"] >= counts["orders"]


def test_a_drill_that_the_server_does_not_allow_is_refused_and_strikes_nothing(
    tmp_path: Path,
) -> None:
    server = LiveServer(tmp_path / "server", command="serve")
    server.start()
    try:
        with opened(server, tmp_path) as scene:
            before = sorted(below(server.program.pid))
            for kind in ("kill_worker", "restart_redis", "stop_ledger"):
                report = scene.perform(kind)
                assert "allows no drills" in report.refused, report
            assert sorted(below(server.program.pid)) == before
            assert psutil.Process(scene.pid(LEDGER)).status() != psutil.STATUS_STOPPED
    finally:
        server.end()


async def test_the_merchants_own_room_notices_nothing_of_drills_on_the_shadows_stores(
    server: LiveServer, tmp_path: Path
) -> None:
    shop = real_shop(server)
    try:
        await shop.liven("ann", "bob")
        await wait_until(shop.invited, 60, "the arrival is judged: what they did is counted")
        before = await shop.settled()
        real = _pids(server)
        async with opened_aside(server, tmp_path) as scene:
            for kind in ("restart_redis", "stop_ledger"):
                check(await asyncio.to_thread(scene.perform, kind))
            assert await shop.settled() == before
            await _sells_while_the_shadows_ledger_stands_still(shop, scene)
        assert _pids(server) == real
        assert not any(client.is_closed for client in shop.clients)
    finally:
        await shop.leave()


async def _sells_while_the_shadows_ledger_stands_still(shop: Shopfront, scene: Scene) -> None:
    """The real ledger writes a real order meanwhile."""
    ledger = psutil.Process(await asyncio.to_thread(scene.pid, LEDGER))
    body = {"kind": "stop_ledger", "seconds": 60}
    await shop.call("POST", f"/api/v1/rehearsals/{scene.shadow.run}/drills", body)
    await wait_until(lambda: ledger.status() == psutil.STATUS_STOPPED, 20, "it stands still")
    order = (await shop.buy(shop.clients[0]))["order"]

    async def is_written() -> bool:
        return (await shop.ask("GET", f"/api/v1/orders/{order['id']}")).status == 200

    await wait_until(is_written, 30, "the merchant's own ledger has it")
    assert ledger.status() == psutil.STATUS_STOPPED


def _pids(server: LiveServer) -> dict[str, list[int]]:
    """Of the merchant's own processes."""
    return {
        name: below(server.program.pid, name)
        for name in ("server.worker", "redis-server", "server.ledger")
    } | {"supervisor": [os.getpgid(server.program.pid)]}
