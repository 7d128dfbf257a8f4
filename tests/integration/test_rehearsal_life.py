"""A rehearsal from its opening to its purge, by the API and a real hall with stores of its own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from flash_sale.model import Outcome
from server.api import Services
from server.database.rehearsal_records import RehearsalRecords
from server.rehearsal.ports import HallUnavailable, ShadowParts
from server.rehearsal.shadow import rehearsals_dir
from server.settings import Settings
from tests.support.api_stage import NOW_MS
from tests.support.asgi_client import AsgiClient, check_error
from tests.support.rehearsal_hall import HallStage
from tests.support.rehearsal_rows import PLAN, opened_run
from tests.support.rehearsal_stage import Clock, StageWing, rehearsing_services
from tests.support.shop import Shop
from tests.support.wait import wait_until

pytest_plugins = [
    "tests.support.databases",
    "tests.support.api_fixtures",
    "tests.support.rehearsal_fixtures",
]

Bearer = Callable[..., AsgiClient]
ALL = "/api/v1/rehearsals"


@pytest.fixture
def services(services: Services, wing: StageWing) -> Services:
    return rehearsing_services(services, wing)


async def opened(client: AsgiClient, **body: Any) -> dict[str, Any]:
    answer = await client.call("POST", ALL, {"plan": PLAN} | body)
    assert answer.status == 201, answer.body
    run: dict[str, Any] = answer.json
    return run


async def purge(client: AsgiClient, run: str, wing: StageWing) -> Any:
    await wing.leave()  # as the wing does when it sees in SQL that the run takes no visitors
    return await client.call("DELETE", f"{ALL}/{run}/data")


async def test_a_rehearsal_is_opened_with_a_key_of_its_own_and_purged_once(
    key: AsgiClient, bearer: Bearer, hall: HallStage, wing: StageWing, rehearsing: Settings
) -> None:
    run = await opened(bearer("*", user="boss"), title="Evening")
    assert (run["title"], run["state"], run["plan"]) == ("Evening", "open", PLAN)
    assert (run["base"], run["number"]) == ("/rehearsal", 1)
    assert (rehearsals_dir(rehearsing) / run["id"]).is_dir()
    assert (await hall.ask("status"))["run"] == run["id"]
    generator = AsgiClient(key.app, {"x-api-key": run["key"]})
    shown = (await generator.call("GET", f"{ALL}/{run['id']}")).json
    assert "key" not in shown
    assert shown["title"] == "Evening"
    gone = await purge(generator, run["id"], wing)
    assert gone.status == 200, gone.body
    assert gone.json["purged"]["tables"] > 10
    assert not rehearsals_dir(rehearsing).exists()
    again = await purge(generator, run["id"], wing)
    assert (again.status, again.json) == (200, gone.json)
    after = (await generator.call("GET", f"{ALL}/{run['id']}")).json
    assert (after["state"], after["purged_at_ms"]) == ("stopped", NOW_MS)
    acts = [(act["kind"], act["actor"]) for act in after["acts"]]
    assert acts == [("open", "boss"), ("purge", run["id"])]
    tokens = await generator.call("POST", f"{ALL}/{run['id']}/tokens", {"count": 1})
    check_error(tokens, 403, None, "purged")


async def test_of_two_that_open_at_once_one_is_told_of_the_other(
    key: AsgiClient, hall: HallStage, wing: StageWing
) -> None:
    answers = await asyncio.gather(*(key.call("POST", ALL, {"plan": PLAN}) for _ in range(2)))
    one, other = sorted(answers, key=lambda answer: answer.status)
    assert one.status == 201, one.body
    check_error(other, 409, None, one.json["id"])
    check_error(await key.call("POST", ALL, {"plan": PLAN}), 409, None, one.json["id"])
    await purge(key, one.json["id"], wing)
    assert (await opened(key))["number"] == 2


async def test_one_look_sums_over_workers_and_knows_the_books(
    key: AsgiClient, hall: HallStage, wing: StageWing, rehearsing: Settings
) -> None:
    run = await opened(key)
    one, two = wing.workers
    one.viewers, two.viewers = 700, 300
    one.counted.update({Outcome.RESERVED: 2})
    two.counted.update({Outcome.RESERVED: 1, Outcome.SOLD_OUT: 5})
    wing.tell()
    shop = Shop(one.redis, one.database)
    await shop.furnish()
    await shop.opened("sale", {"tea": 3})

    async def look() -> dict[str, Any]:
        answer = await key.call("GET", f"{ALL}/{run['id']}/observed")
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.json
        return found

    async def complete() -> bool:
        found = await look()
        return found["workers"] == 2 and "sale" in found["books"]

    await wait_until(complete, 30, "both workers and the ledger worker have told")
    found = await look()
    assert found["viewers"] == 1_000
    assert found["outcomes"] == {"reserved": 3, "sold_out": 5}
    (books,) = found["books"]["sale"]["items"]
    assert (books["sku"], books["initial"], books["available"]) == ("tea", 3, 3)
    shadow = {one["name"]: one for one in found["processes"] if one["shadow"]}
    assert {"rehearsal redis", "rehearsal ledger worker 1"} <= set(shadow)
    assert all(one["rss_bytes"] > 1_000_000 for one in shadow.values())
    assert found["environment"]["limits"]["viewers_max"] == 0
    said = json.dumps(found)
    assert not [secret for secret in _secrets(rehearsing, wing) if secret in said]


async def test_a_ledger_that_stands_still_shows_although_it_says_nothing(
    key: AsgiClient, hall: HallStage, wing: StageWing, rehearsal_clock: Clock
) -> None:
    run = await opened(key)
    target = f"{ALL}/{run['id']}"
    shop = Shop(wing.workers[0].redis, wing.workers[0].database)
    await shop.furnish()
    sale = await shop.opened("sale", {"tea": 3})

    async def look() -> dict[str, Any]:
        found: dict[str, Any] = (await key.call("GET", f"{target}/observed")).json
        return found

    async def caught_up() -> bool:
        found = await look()
        return bool(found["ledger"] == "" and found["lag_entries"] == 0)

    await wait_until(caught_up, 30, "the ledger has written the opening")
    drill = {"kind": "stop_ledger", "seconds": 600}
    assert (await key.call("POST", f"{target}/drills", drill)).status == 202
    began_ms = time.time_ns() // 1_000_000
    await shop.buy(sale, "alice")
    rehearsal_clock.now_ms = began_ms + 60_000
    found = await look()
    assert found["lag_entries"] == 1
    assert 30_000 < found["lag_ms"] <= 60_000
    assert found["books"]["sale"]["items"][0]["reserved"] == 1


async def test_what_a_worker_has_counted_stays_when_it_is_gone(
    key: AsgiClient, hall: HallStage, wing: StageWing, rehearsal_clock: Clock
) -> None:
    run = await opened(key)
    one, two = wing.workers
    one.viewers, two.viewers = 7, 3
    two.counted.update({Outcome.SOLD_OUT: 5})
    wing.tell()

    async def workers() -> dict[str, Any]:
        found: dict[str, Any] = (await key.call("GET", f"{ALL}/{run['id']}/observed")).json
        return found

    async def both() -> bool:
        return bool((await workers())["workers"] == 2)

    await wait_until(both, 20, "both workers have told")
    wing.tasks.pop().cancel()
    rehearsal_clock.now_ms += 60_000

    async def alone() -> bool:
        return bool((await workers())["workers"] == 1)

    await wait_until(alone, 20, "the first worker tells again, the second is silent")
    found = await workers()
    assert (found["viewers"], found["outcomes"]) == (7, {"sold_out": 5})


async def test_a_drill_begins_at_once_and_is_remembered(
    key: AsgiClient, hall: HallStage, wing: StageWing
) -> None:
    run = await opened(key)
    target = f"{ALL}/{run['id']}"
    answer = await key.call("POST", f"{target}/drills", {"kind": "stop_ledger", "seconds": 1})
    assert answer.status == 202, answer.body
    assert answer.json["detail"] == {"struck": "rehearsal ledger worker 1"}
    wrong = await key.call("POST", f"{target}/drills", {"kind": "burn"})
    check_error(wrong, 400, "kind")
    acts = (await key.call("GET", target)).json["acts"]
    assert acts[-1]["kind"] == "drill"
    assert acts[-1]["detail"] == {"what": "stop_ledger", "seconds": 1}


async def test_drills_need_the_word_of_whoever_runs_the_server(
    key: AsgiClient, hall: HallStage, services: Services, wing: StageWing
) -> None:
    run = await opened(key)
    careful = replace(wing.settings, rehearsal_drills=False)
    services.rehearsals._settings = careful
    drill = {"kind": "kill_worker", "seconds": 1}
    answer = await key.call("POST", f"{ALL}/{run['id']}/drills", drill)
    check_error(answer, 403, None, "rehearsal_drills")
    assert len((await key.call("GET", f"{ALL}/{run['id']}")).json["acts"]) == 1


async def test_stores_that_are_not_embedded_must_be_named(
    key: AsgiClient, services: Services, wing: StageWing
) -> None:
    services.rehearsals._settings = replace(
        wing.settings, redis_url="redis://r", database_url="postgresql://d"
    )
    answer = await key.call("POST", ALL, {"plan": PLAN})
    check_error(answer, 409, None, "ONAIR_REHEARSAL_REDIS_URL and ONAIR_REHEARSAL_DATABASE_URL")
    assert (await key.call("GET", ALL)).json["rehearsals"] == []


async def test_without_a_supervisor_it_fails_and_stands_in_nobodys_way(
    key: AsgiClient, services: Services
) -> None:
    answer = await key.call("POST", ALL, {"plan": PLAN})
    check_error(answer, 503, None, "this server has no hall")
    (run,) = (await key.call("GET", ALL)).json["rehearsals"]
    assert (run["state"], run["purged_at_ms"]) == ("failed", NOW_MS)
    assert "no hall" in run["why"]
    assert await RehearsalRecords(services.database).current() is None


async def test_a_generator_of_the_server_that_ends_without_a_report_has_failed(
    key: AsgiClient, hall: HallStage, wing: StageWing
) -> None:
    run = await opened(key, drive=True)  # nobody listens where it looks for the server
    target = f"{ALL}/{run['id']}"

    async def failed() -> bool:
        return bool((await key.call("GET", target)).json["state"] == "failed")

    await wait_until(failed, 60, "its end is noticed")
    found = (await key.call("GET", target)).json
    assert found["why"].startswith("its generator ended with ")
    assert "cannot be reached" in found["why"]
    assert [act["kind"] for act in found["acts"]] == ["open", "fail"]
    assert (await purge(key, run["id"], wing)).status == 200
    assert (await hall.ask("status"))["run"] is None


async def test_who_purges_one_in_the_middle_is_remembered_whoever_is_quicker(
    bearer: Bearer, services: Services, hall: HallStage, wing: StageWing
) -> None:
    run = await opened_run(services.database, "rh-0a1b2c3d", NOW_MS, driven=True)
    assert (await purge(bearer("*", user="boss"), run.id, wing)).status == 200
    acts = [(act.kind, act.actor) for act in await services.rehearsals.acts(run.id)]
    assert ("stop", "boss") in acts


class BrokenWing:
    async def parts(self, run: str) -> ShadowParts:
        raise HallUnavailable("the wing is broken")


async def test_what_was_begun_is_undone_when_it_cannot_be_opened(
    key: AsgiClient, services: Services, hall: HallStage, rehearsing: Settings
) -> None:
    services.rehearsals.wing = BrokenWing()
    check_error(await key.call("POST", ALL, {"plan": PLAN}), 503, None, "the wing is broken")
    assert (await hall.ask("status"))["run"] is None
    assert not rehearsals_dir(rehearsing).exists()


async def test_the_data_stays_until_the_hall_has_deleted_it(
    key: AsgiClient, hall: HallStage, wing: StageWing
) -> None:
    run = await opened(key)
    await hall.hall.stop()
    check_error(await purge(key, run["id"], wing), 503, None, "hall")
    found = (await key.call("GET", f"{ALL}/{run['id']}")).json
    assert (found["state"], found["purged_at_ms"]) == ("stopped", None)
    looked = await key.call("GET", f"{ALL}/{run['id']}/observed")
    check_error(looked, 409, "id", "not open")
    check_error(await key.call("POST", ALL, {"plan": PLAN}), 409, None, run["id"])


def _secrets(settings: Settings, wing: StageWing) -> list[str]:
    return [
        secret
        for of in (settings, wing.settings, wing.workers[0].settings)
        for secret in (of.api_key, of.token_secret, of.payment_secret, of.share_secret)
        if secret
    ]
