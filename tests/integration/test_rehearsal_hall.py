"""The hall of the supervisor: it opens the stores of a run, and leaves nothing of them."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from redis.asyncio import Redis

from server.database.engine import Database
from server.redis_socket import socket_path
from server.rehearsal import disk
from server.rehearsal.hall_client import HallClient, hall_path
from server.rehearsal.ports import HallRefused, HallUnavailable
from server.rehearsal.presence import WINGS
from server.rehearsal.shadow import shadow_settings, stores_of
from server.settings import Limits
from tests.support.processes import below, is_running
from tests.support.rehearsal_hall import HallStage, open_hall, settings_in
from tests.support.wait import wait_until

RUN = "rh-0a1b2c3d"
OTHER = "rh-ffffffff"
DRILLS = {"rehearsal_drills": True}


@pytest.fixture
async def stage(data_dir: Path, redis_url: str) -> AsyncIterator[HallStage]:
    async with open_hall(settings_in(data_dir, **DRILLS), redis_url) as opened:
        yield opened


async def pids_of(stage: HallStage) -> dict[str, int]:
    told = (await stage.ask("processes"))["processes"]
    return {one["name"]: one["pid"] for one in told if one["shadow"]}


def names_in(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def test_an_open_run_has_stores_of_its_own_and_a_ledger_worker(stage: HallStage) -> None:
    assert (await stage.ask("open", run=RUN))["run"] == RUN
    stores = stores_of(shadow_settings(stage.settings, RUN))
    async with Redis.from_url(stores.redis_url) as client:
        await wait_until(lambda: client.keys("*ledger*"), 20, "the ledger worker reports")
    database = Database(stores.database_url, threads_max=1, within_s=5)
    await database.ping()
    await database.close()
    assert set(await pids_of(stage)) == {"rehearsal ledger worker 1", "rehearsal redis"}


async def test_closing_leaves_no_file_and_no_process(stage: HallStage, data_dir: Path) -> None:
    await stage.ask("open", run=RUN)
    pids = await pids_of(stage)
    gone = await stage.ask("close", run=RUN)
    assert gone["tables"] > 10
    assert gone["files"] > 2
    assert gone["bytes"] > 10_000
    assert not any(map(is_running, pids.values()))
    assert names_in(data_dir) == ["hall.sock"]
    assert (await stage.ask("close", run=RUN)) == {"keys": 0, "tables": 0, "files": 0, "bytes": 0}
    assert (await stage.ask("status"))["run"] is None


async def test_closing_waits_until_the_wings_have_left(stage: HallStage) -> None:
    await stage.ask("open", run=RUN)
    stores = stores_of(shadow_settings(stage.settings, RUN))
    async with Redis.from_url(stores.redis_url) as client:
        seconds, _ = await client.time()
        until_ms = (seconds + 1) * 1000
        await client.zadd(WINGS, {"a wing": until_ms})
    await stage.ask("close", run=RUN)
    assert time.time_ns() // 1_000_000 >= until_ms


async def test_there_is_one_run_at_a_time_and_opening_it_again_changes_nothing(
    stage: HallStage,
) -> None:
    await stage.ask("open", run=RUN)
    pids = await pids_of(stage)
    assert (await stage.ask("open", run=RUN))["run"] == RUN
    assert await pids_of(stage) == pids
    with pytest.raises(HallRefused, match=RUN):
        await stage.ask("open", run=OTHER)
    await stage.ask("close", run=OTHER)
    assert await pids_of(stage) == pids


async def test_what_a_dead_life_left_is_cleared_and_its_run_is_over(
    data_dir: Path, redis_url: str
) -> None:
    left = data_dir / "rehearsal" / RUN / "redis"
    left.mkdir(parents=True)
    (left / "appendonly.aof").write_text("data of nobody")
    async with open_hall(settings_in(data_dir), redis_url) as stage:
        assert stage.ended == [RUN, None]
        assert not (data_dir / "rehearsal").exists()


async def test_what_is_not_a_rehearsals_stays_where_somebody_has_put_it(
    data_dir: Path, redis_url: str, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    for name in ("photos", f"drive-{RUN}"):
        (disk / name).mkdir(parents=True)
        (disk / name / "file").write_text("data of somebody")
    (data_dir / "rehearsal").symlink_to(disk)
    async with open_hall(settings_in(data_dir), redis_url):
        assert names_in(disk) == ["photos"]
        assert names_in(disk / "photos") == ["file"]


async def test_a_run_that_is_just_being_opened_ends_with_the_hall(
    data_dir: Path, redis_url: str
) -> None:
    async with open_hall(settings_in(data_dir), redis_url) as stage:
        opening = asyncio.create_task(stage.ask("open", run=RUN))
        later = asyncio.create_task(stage.ask("open", run=OTHER))
        await wait_until(lambda: (data_dir / "rehearsal").exists(), 20, "it is being opened")
        await stage.hall.stop()
        await asyncio.wait({opening})
        with pytest.raises(HallRefused, match="the server ends"):
            await later
        assert RUN in stage.ended
        assert names_in(data_dir) == []
        assert below(os.getpid(), RUN) == []


async def test_a_run_that_is_on_ends_with_the_hall(data_dir: Path, redis_url: str) -> None:
    async with open_hall(settings_in(data_dir), redis_url) as stage:
        await stage.ask("open", run=RUN)
        pids = await pids_of(stage)
    assert stage.ended == [None, RUN]
    assert not any(map(is_running, pids.values()))
    assert names_in(data_dir) == []


async def test_its_socket_is_for_its_user_only(stage: HallStage, data_dir: Path) -> None:
    assert stat.S_IMODE(hall_path(data_dir).stat().st_mode) == 0o600


async def test_a_killed_redis_of_a_run_is_started_again(stage: HallStage) -> None:
    await stage.ask("open", run=RUN)
    before = (await pids_of(stage))["rehearsal redis"]
    await stage.ask("drill", run=RUN, kind="restart_redis", seconds=1)

    async def is_another() -> bool:
        return (await pids_of(stage)).get("rehearsal redis", before) != before

    await wait_until(is_another, 20, "there is another Redis")


async def test_a_stopped_ledger_worker_goes_on_after_its_time(stage: HallStage) -> None:
    await stage.ask("open", run=RUN)
    ledger = psutil.Process((await pids_of(stage))["rehearsal ledger worker 1"])
    await stage.ask("drill", run=RUN, kind="stop_ledger", seconds=3)
    await wait_until(lambda: ledger.status() == psutil.STATUS_STOPPED, 10, "it stands still")
    await wait_until(lambda: ledger.status() != psutil.STATUS_STOPPED, 10, "it goes on")


async def test_drills_need_the_setting(data_dir: Path, redis_url: str) -> None:
    async with open_hall(settings_in(data_dir), redis_url) as stage:
        with pytest.raises(HallRefused, match="ONAIR_REHEARSAL_DRILLS"):
            await stage.ask("drill", run=RUN, kind="restart_redis", seconds=1)


async def test_a_server_with_outside_stores_names_what_it_lacks(
    data_dir: Path, redis_url: str
) -> None:
    settings = settings_in(data_dir, redis_url=redis_url, database_url="postgresql://nowhere/shop")
    async with open_hall(settings, redis_url) as stage:
        with pytest.raises(
            HallRefused, match="ONAIR_REHEARSAL_REDIS_URL and ONAIR_REHEARSAL_DATABASE_URL"
        ):
            await stage.ask("open", run=RUN)


async def test_nonsense_is_answered_and_harms_nothing(stage: HallStage) -> None:
    for verb, values in (("fly", {}), ("open", {}), ("drive", {"run": RUN})):
        with pytest.raises((HallUnavailable, HallRefused)):
            await stage.ask(verb, **values)
    with pytest.raises(HallRefused, match="no id of a rehearsal"):
        await stage.ask("open", run="../../etc")
    assert (await stage.ask("status"))["run"] is None


async def test_in_a_directory_too_deep_for_sockets_it_works_and_leaves_nothing_elsewhere(
    data_dir: Path, redis_url: str
) -> None:
    deep = data_dir / ("d" * 100)
    deep.mkdir(mode=0o700)
    async with open_hall(settings_in(deep), redis_url) as stage:
        await stage.ask("open", run=RUN)
        shadow = shadow_settings(stage.settings, RUN)
        elsewhere = socket_path(shadow.data_dir).parent
        assert elsewhere != shadow.data_dir
        assert elsewhere.exists()
        await stage.ask("close", run=RUN)
        assert not elsewhere.exists()
        assert names_in(deep) == []


async def test_one_who_goes_away_without_a_word_is_no_failure(
    stage: HallStage, data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_unix_connection(hall_path(data_dir))
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_without_room_on_the_disk_none_is_opened(data_dir: Path, redis_url: str) -> None:
    limits = Limits(rehearsal_disk_free_bytes_min=2**62)
    async with open_hall(settings_in(data_dir, limits=limits), redis_url) as stage:
        with pytest.raises(HallRefused, match=f"{2**62} are needed"):
            await stage.ask("open", run=RUN)
        assert names_in(data_dir) == ["hall.sock"]


async def test_a_run_that_leaves_the_shop_too_little_disk_is_ended_and_its_data_goes(
    stage: HallStage, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.ask("open", run=RUN)
    pids = await pids_of(stage)
    monkeypatch.setattr(disk, "SHORT_PERCENT", 2**40)
    await wait_until(lambda: names_in(data_dir) == ["hall.sock"], 30, "its data is gone")
    assert not any(map(is_running, pids.values()))
    assert RUN in stage.ended
    assert (await stage.ask("status"))["run"] is None


async def test_without_a_hall_the_answer_says_so(tmp_path: Path) -> None:
    with pytest.raises(HallUnavailable, match="no hall"):
        await HallClient(tmp_path).ask("status", within_s=5)
