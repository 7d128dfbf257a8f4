"""The wing of a worker: it opens when it is asked for, and nothing in it harms the shop.

The shop behind it is a small one; the stores in which it says to be there are a real Redis.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from flash_sale.model import Outcome
from server.app import wall_clock_ms
from server.database.engine import Database
from server.database.errors import DatabaseUnavailable
from server.redis_client import Client, connect
from server.rehearsal import presence as presences
from server.rehearsal import wing as wings
from server.rehearsal.ports import HallUnavailable
from server.rehearsal.presence import WINGS, all_gone
from server.rehearsal.shadow import shadow_settings
from server.rehearsal.wing import OpenShop, Wing
from server.settings import Settings
from tests.support.asgi_client import Answer, AsgiClient
from tests.support.rehearsal_hall import settings_in
from tests.support.wait import wait_until

RUN = "rh-0a1b2c3d"
OTHER = "rh-ffffffff"


class SmallShop:
    """A shop with one page, which tells whose it is, and one task that may be made to fail."""

    name = "small shop"
    viewers = 3
    outcomes: Mapping[Outcome, int] = {}

    def __init__(self, shadow: Settings) -> None:
        self.settings = shadow
        self.redis: Client = connect(shadow.redis_url or "", shadow.limits)
        self.steps: list[str] = []
        self.fails = asyncio.Event()
        self.tasks = [asyncio.create_task(self._work(), name="work")]

    @property
    def database(self) -> Database:
        raise AssertionError("it has none")

    async def _work(self) -> None:
        await self.fails.wait()
        raise RuntimeError("it broke on purpose")

    async def show_out(self, seconds: float) -> None:
        self.steps.append("shown out")

    async def drain(self) -> None:
        self.steps.append("drained")

    async def close(self) -> None:
        self.steps.append("closed")
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.redis.aclose()

    async def page(self, request: Request) -> Response:
        scope = request.scope
        return JSONResponse([self.settings.rehearsal, scope["root_path"], str(request.url)])


async def say_missing(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("nothing for people", status_code=404)(scope, receive, send)


class Stage:
    """A wing; `run` is the run that takes visitors. `looks` counts what was asked and made."""

    def __init__(self, settings: Settings) -> None:
        self.run: str | None = None
        self.database_is_down = False
        self.refuses: Exception | None = None
        self.shops: list[SmallShop] = []
        self.counts: Counter[str] = Counter()
        self.opens = asyncio.Event()
        self.opens.set()
        self.settings = settings
        self.wing = Wing(settings, self._find_run, self._open_shop, wall_clock_ms, say_missing)
        self.client = AsgiClient(self.wing)

    async def _find_run(self) -> str | None:
        self.counts["looks"] += 1
        if self.database_is_down:
            raise DatabaseUnavailable("look", "it is down")
        return self.run

    async def _open_shop(self, shadow: Settings) -> OpenShop:
        self.counts["shops"] += 1
        await self.opens.wait()
        if self.refuses is not None:
            raise self.refuses
        shop = SmallShop(shadow)
        self.shops.append(shop)
        return OpenShop(shop, Starlette(routes=[Route("/page", shop.page)]))

    async def get(self, path: str = "/rehearsal/page") -> Answer:
        return await self.client.call("GET", path)

    async def nobody_is_there(self, run: str = RUN) -> bool:
        shadow = shadow_settings(self.settings, run)
        return await all_gone(shadow, wall_clock_ms, within_s=10)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks often, so that no test waits for seconds."""
    monkeypatch.setattr(wings, "LOOK_EVERY_S", 0.02)


@pytest.fixture
async def stage(data_dir: Path, redis_url: str) -> AsyncIterator[Stage]:
    made = Stage(settings_in(data_dir, rehearsal_redis_url=redis_url))
    yield made
    await made.wing.close()


async def test_without_a_rehearsal_there_is_nothing_and_the_records_are_seldom_asked(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wings, "LOOK_EVERY_S", 600)
    answers = [await stage.get() for _ in range(20)]
    assert {answer.status for answer in answers} == {404}
    assert answers[0].json["error"]["message"] == "no rehearsal is on"
    assert stage.counts["looks"] == 1
    assert stage.counts["shops"] == 0


async def test_people_get_a_page_that_there_is_nothing(stage: Stage) -> None:
    accepts = {"Accept": "text/html,application/xhtml+xml"}
    answer = await stage.client.call("GET", "/rehearsal/r/garden", headers=accepts)
    assert (answer.status, answer.body) == (404, b"nothing for people")


async def test_all_who_come_at_once_wait_for_one_opening(stage: Stage) -> None:
    stage.run = RUN
    stage.opens.clear()
    asking = [asyncio.create_task(stage.get()) for _ in range(10)]
    await wait_until(lambda: stage.counts["shops"], 10, "it opens")
    stage.opens.set()
    answers = await asyncio.gather(*asking)
    assert {answer.status for answer in answers} == {200}
    assert stage.counts["shops"] == 1


async def test_answers_say_whose_they_are_and_paths_stay_whole(stage: Stage) -> None:
    stage.run = RUN
    answer = await stage.get()
    assert answer.json == [RUN, "/rehearsal", "http://shop.example/rehearsal/page"]
    assert answer.headers["x-onair-rehearsal"] == RUN
    missing = await stage.get("/rehearsal/nothing")
    assert missing.status == 404
    assert missing.headers["x-onair-rehearsal"] == RUN


async def test_one_who_goes_away_while_it_opens_keeps_nobody_else_out(stage: Stage) -> None:
    stage.run = RUN
    stage.opens.clear()
    impatient = asyncio.create_task(stage.get())
    patient = asyncio.create_task(stage.get())
    await wait_until(lambda: stage.counts["shops"], 10, "it opens")
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    stage.opens.set()
    assert (await patient).status == 200


@pytest.mark.usefixtures("quick")
async def test_it_closes_when_the_run_takes_no_visitors_any_more(stage: Stage) -> None:
    stage.run = RUN
    assert (await stage.get()).status == 200
    stage.run = None
    await wait_until(lambda: stage.shops[0].steps == ["shown out", "closed"], 10, "it closes")
    assert await stage.nobody_is_there()
    assert (await stage.get()).status == 404
    assert stage.wing.viewers == 0


@pytest.mark.usefixtures("quick")
async def test_the_next_run_finds_a_wing_of_its_own(stage: Stage) -> None:
    stage.run = RUN
    assert (await stage.get()).json[0] == RUN
    stage.run = OTHER

    async def is_other() -> bool:
        answer = await stage.get()
        return answer.status == 200 and answer.json[0] == OTHER

    await wait_until(is_other, 10, "the other run is served")
    await wait_until(lambda: stage.shops[0].steps == ["shown out", "closed"], 10, "the first ends")


@pytest.mark.usefixtures("quick")
async def test_an_outage_of_the_records_closes_nothing(stage: Stage) -> None:
    stage.run = RUN
    assert (await stage.get()).status == 200
    stage.database_is_down = True
    looks = stage.counts["looks"]
    await wait_until(lambda: stage.counts["looks"] > looks + 3, 10, "it has looked in vain")
    assert (await stage.get()).status == 200


async def test_an_outage_of_the_records_before_it_opened_is_a_503(stage: Stage) -> None:
    stage.database_is_down = True
    answer = await stage.get()
    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"


@pytest.mark.usefixtures("quick")
async def test_a_shop_that_does_not_open_is_a_503_and_is_tried_again(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.run = RUN
    stage.refuses = OSError("no stores yet")
    answer = await stage.get()
    assert answer.status == 503
    assert "no stores yet" in answer.json["error"]["message"]
    assert await stage.nobody_is_there()
    stage.refuses = None

    async def opens() -> bool:
        return (await stage.get()).status == 200

    await wait_until(opens, 10, "it opens")


@pytest.mark.usefixtures("quick")
async def test_a_task_that_fails_closes_the_wing_with_a_line_in_the_log(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.run = RUN
    assert (await stage.get()).status == 200
    with caplog.at_level(logging.ERROR, "onair.rehearsal"):
        stage.shops[0].fails.set()
        await wait_until(lambda: "closed" in stage.shops[0].steps, 10, "it closes")
    assert f"task work of rehearsal {RUN} ended: its wing closes" in caplog.text
    assert "it broke on purpose" in caplog.text

    async def opens() -> bool:
        return (await stage.get()).status == 200

    await wait_until(opens, 10, "whoever comes next opens it again")
    assert len(stage.shops) == 2


async def test_a_worker_that_drains_drains_its_wing_and_opens_none(stage: Stage) -> None:
    stage.run = RUN
    assert (await stage.get()).status == 200
    await stage.wing.drain()
    assert stage.shops[0].steps == ["drained"]
    await stage.wing.close()
    assert stage.shops[0].steps == ["drained", "closed"]
    assert await stage.nobody_is_there()
    assert (await stage.get()).status == 503


async def test_a_wing_is_there_for_the_hall_until_it_has_closed(
    stage: Stage, redis_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presences, "LEASE_MS", 600_000)
    stage.run = RUN
    assert (await stage.get()).status == 200
    assert await redis_client.zcount(WINGS, wall_clock_ms(), "+inf") == 1
    await stage.wing.close()
    assert await redis_client.zcard(WINGS) == 0


async def test_a_run_that_was_closed_while_the_wing_opened_is_not_entered(stage: Stage) -> None:
    stage.run = RUN
    looks: Counter[str] = Counter()

    async def find_run() -> str | None:
        looks["all"] += 1
        return RUN if looks["all"] == 1 else None

    wing = Wing(stage.settings, find_run, stage._open_shop, wall_clock_ms, say_missing)
    answer = await AsgiClient(wing).call("GET", "/rehearsal/page")
    assert answer.status == 404
    assert stage.counts["shops"] == 0
    assert await stage.nobody_is_there()
    await wing.close()


async def test_parts_are_those_of_the_run_that_is_asked_for(stage: Stage) -> None:
    with pytest.raises(HallUnavailable, match="is not on"):
        await stage.wing.parts(RUN)
    stage.run = RUN  # a second has not passed: whoever asks by name does not wait for it
    assert (await stage.wing.parts(RUN)).settings.rehearsal == RUN
    with pytest.raises(HallUnavailable, match=RUN):
        await stage.wing.parts(OTHER)
