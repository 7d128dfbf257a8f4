"""The load generator as a child of the supervisor: what it gets, how it ends, what stays."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from server.rehearsal import driver as drivers
from server.rehearsal.driver import Driver
from server.rehearsal.ports import HallRefused
from server.rehearsal.shadow import shadow_settings
from tests.support.processes import below, is_running
from tests.support.rehearsal_hall import settings_in
from tests.support.wait import wait_until

RUN = "rh-0a1b2c3d"
OTHER = "rh-ffffffff"
STAND_IN = "tests.support.stand_in_generator"


class Stage:
    def __init__(self, data_dir: Path, base_url: str) -> None:
        self.ended: list[tuple[str, str]] = []
        self.settings = settings_in(data_dir)
        self.driver = Driver(self.settings, base_url, self._on_end, module=STAND_IN)

    async def _on_end(self, run: str, why: str) -> None:
        self.ended.append((run, why))

    @property
    def tail(self) -> str:
        status = self.driver.status()
        return "" if status is None else str(status["tail"])


@asynccontextmanager
async def staged(data_dir: Path, base_url: str = "http://shop.example") -> AsyncIterator[Stage]:
    stage = Stage(data_dir, base_url)
    try:
        yield stage
    finally:
        await stage.driver.stop()


def is_empty(directory: Path) -> bool:
    return not any(directory.iterdir())


async def test_it_gets_the_key_of_its_run_and_nothing_else_of_the_server(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONAIR_API_KEY", "of the shop")
    async with staged(data_dir) as stage:
        await stage.driver.start(RUN)
        await wait_until(lambda: "waits" in stage.tail, 20, "it runs")
        assert f"'--attach', '{RUN}', '--against', 'http://shop.example'" in stage.tail
        assert f"key {shadow_settings(stage.settings, RUN).api_key}\n" in stage.tail
        assert "settings []\n" in stage.tail
        status = stage.driver.status()
        assert status is not None
        assert (status["run"], status["running"], status["exit_code"]) == (RUN, True, None)


async def test_started_again_it_is_the_same_and_stopped_it_leaves_nothing(data_dir: Path) -> None:
    async with staged(data_dir) as stage:
        await stage.driver.start(RUN)
        await wait_until(lambda: "waits" in stage.tail, 20, "it runs")
        processes = below(os.getpid(), STAND_IN)
        await stage.driver.start(RUN)
        assert below(os.getpid(), STAND_IN) == processes
        await stage.driver.stop()
        assert below(os.getpid(), STAND_IN) == []
        assert stage.driver.status() is None
        assert stage.ended == []  # it did not end by itself
        assert is_empty(data_dir)


async def test_one_that_ends_by_itself_is_told_of_with_its_last_words(data_dir: Path) -> None:
    async with staged(data_dir, "http://ends.example") as stage:
        await stage.driver.start(RUN)
        await wait_until(lambda: stage.ended, 20, "its end is heard of")
        assert stage.ended == [(RUN, "the generator ended with 1: onair: nothing to drive")]
        status = stage.driver.status()
        assert status is not None
        assert (status["running"], status["exit_code"]) == (False, 1)


async def test_what_it_leaves_behind_when_it_ends_by_itself_is_ended_at_once(
    data_dir: Path,
) -> None:
    async with staged(data_dir, "http://leaves.example") as stage:
        await stage.driver.start(RUN)
        await wait_until(lambda: stage.ended, 20, "its end is heard of")
        child = int(stage.tail.split()[-1])
        await wait_until(lambda: not is_running(child), 10, "its child has ended")


async def test_a_new_one_begins_while_the_last_is_still_being_ended(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drivers, "ENDS_WITHIN_S", 0.1)
    async with staged(data_dir) as stage:
        await stage.driver.start(RUN)
        await wait_until(lambda: "waits" in stage.tail, 20, "it runs")
        stage.driver.let_end(RUN)
        endings = [asyncio.create_task(stage.driver.stop()) for _ in range(3)]
        await stage.driver.start(OTHER)
        await asyncio.gather(*endings)
        status = stage.driver.status()
        assert status is not None
        assert (status["run"], status["running"]) == (OTHER, True)


async def test_when_its_run_is_over_it_has_a_moment_and_is_then_ended(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drivers, "ENDS_WITHIN_S", 0.1)
    async with staged(data_dir) as stage:
        await stage.driver.start(RUN)
        await wait_until(lambda: "waits" in stage.tail, 20, "it runs")
        stage.driver.let_end("rh-ffffffff")  # another one's
        assert stage.driver.status() is not None
        stage.driver.let_end(RUN)
        await wait_until(lambda: stage.driver.status() is None, 20, "it was ended")
        await wait_until(lambda: is_empty(data_dir), 10, "nothing of it is left")


async def test_where_the_generator_is_not_installed_it_says_so(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drivers, "NEEDED", ("no_such_package",))
    async with staged(data_dir) as stage:
        with pytest.raises(HallRefused, match="not installed here: no_such_package"):
            await stage.driver.start(RUN)
