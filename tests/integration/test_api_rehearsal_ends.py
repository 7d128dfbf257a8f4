"""How a rehearsal goes and ends by its routes: progress, who stops it, what it found."""

from __future__ import annotations

from typing import Any

import pytest

from server.api import Services
from tests.support.api_stage import NOW_MS
from tests.support.asgi_client import AsgiClient, check_error
from tests.support.rehearsal_api import ALL, FINDINGS, HERE, PROGRESS, RUN, Bearer
from tests.support.rehearsal_rows import PLAN, opened_run
from tests.support.rehearsal_stage import Clock, StageWing, rehearsing_services

pytest_plugins = [
    "tests.support.databases",
    "tests.support.api_fixtures",
    "tests.support.rehearsal_fixtures",
]


@pytest.fixture
def services(services: Services, wing: StageWing) -> Services:
    return rehearsing_services(services, wing)


async def acts_of(client: AsgiClient) -> list[tuple[str, str]]:
    acts = (await client.call("GET", HERE)).json["acts"]
    return [(act["kind"], act["actor"]) for act in acts]


async def put_page(client: AsgiClient, page: bytes, kind: str = "text/html; charset=utf-8") -> Any:
    headers = {"content-type": kind}
    return await client.call("PUT", f"{HERE}/report.html", raw=page, headers=headers)


# progress and ends


async def test_progress_is_kept_whole_and_makes_it_run(generator: AsgiClient) -> None:
    answer = await generator.call("PUT", f"{HERE}/progress", PROGRESS)
    assert (answer.status, answer.json) == (200, {"stop": False})
    found = (await generator.call("GET", HERE)).json
    assert (found["state"], found["heard_at_ms"], found["plan"]) == ("running", NOW_MS, PLAN)
    assert PROGRESS.items() <= found["progress"].items()


async def test_progress_has_a_bound(generator: AsgiClient) -> None:
    long = PROGRESS | {"books": {"note": "x" * 16_384}}
    check_error(await generator.call("PUT", f"{HERE}/progress", long), 413, "body")
    check_error(await generator.call("PUT", f"{HERE}/progress", {"at_ms": 1}), 400, "phase")
    assert (await generator.call("GET", HERE)).json["state"] == "open"


async def test_what_is_nested_too_deeply_is_refused_by_field(generator: AsgiClient) -> None:
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"a": deep}
    progress = PROGRESS | {"books": deep}
    check_error(await generator.call("PUT", f"{HERE}/progress", progress), 400, "body")
    findings = FINDINGS | {"sentence": {"key": "go", "values": deep}}
    check_error(await generator.call("PUT", f"{HERE}/report", findings), 400, "sentence")
    assert (await generator.call("GET", HERE)).json["reports"] == []


async def test_who_stops_it_stops_the_generator_and_is_remembered(
    generator: AsgiClient, bearer: Bearer
) -> None:
    merchant = bearer("*", user="boss")
    for _ in range(2):
        answer = await merchant.call("POST", f"{HERE}/stop")
        assert (answer.status, answer.json["state"]) == (200, "stopped")
        assert answer.json["ended_at_ms"] == NOW_MS
    told = await generator.call("PUT", f"{HERE}/progress", PROGRESS)
    assert told.json == {"stop": True}
    assert await acts_of(merchant) == [("open", "api-key"), ("stop", "boss")]
    reported = await generator.call("PUT", f"{HERE}/report", FINDINGS | {"verdict": "void"})
    assert (reported.json["state"], reported.json["verdict"]) == ("stopped", "void")


async def test_a_generator_that_gives_up_says_why(generator: AsgiClient) -> None:
    await generator.call("PUT", f"{HERE}/progress", PROGRESS)
    told = {"phase": "failed", "at_ms": NOW_MS, "why": "no ports left"}
    assert (await generator.call("PUT", f"{HERE}/progress", told)).json == {"stop": True}
    found = (await generator.call("GET", HERE)).json
    assert (found["state"], found["why"]) == ("failed", "no ports left")
    assert found["progress"]["viewers"] == PROGRESS["viewers"]
    assert await acts_of(generator) == [("open", "api-key"), ("fail", RUN)]


async def test_a_rehearsal_of_which_nothing_is_heard_has_failed(
    generator: AsgiClient, key: AsgiClient, rehearsal_clock: Clock
) -> None:
    await generator.call("PUT", f"{HERE}/progress", PROGRESS)
    rehearsal_clock.now_ms += 300_000
    assert (await key.call("GET", ALL)).json["rehearsals"][0]["state"] == "running"
    rehearsal_clock.now_ms += 1
    (listed,) = (await key.call("GET", ALL)).json["rehearsals"]
    assert (listed["state"], listed["ended_at_ms"]) == ("failed", rehearsal_clock.now_ms)
    assert "300 s" in listed["why"]


# what it found


async def test_findings_are_kept_byte_for_byte_and_end_it(
    generator: AsgiClient, key: AsgiClient
) -> None:
    check_error(await key.call("GET", f"{HERE}/report"), 404, "id")
    raw = b'{"verdict": "go",  "sentence": {"key": "go"}, "more": [1.50, "\\u8336"]}'
    assert (await generator.call("PUT", f"{HERE}/report", raw=raw)).status == 200
    answer = await key.call("GET", f"{HERE}/report")
    assert (answer.body, answer.headers["content-type"]) == (raw, "application/json")
    done = (await generator.call("PUT", f"{HERE}/report", FINDINGS)).json
    assert (done["state"], done["verdict"], done["ended_at_ms"]) == ("done", "no_go", NOW_MS)
    sentence = {**FINDINGS["sentence"], "texts": FINDINGS["sentences"]}
    assert (done["sentence"], done["reports"]) == (sentence, ["json"])
    assert (await key.call("GET", f"{HERE}/report")).json == FINDINGS
    assert (await generator.call("PUT", f"{HERE}/progress", PROGRESS)).json == {"stop": False}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"verdict": "maybe"}, "verdict"),
        ({"sentence": "GO"}, "sentence"),
        ({"sentence": {"values": {}}}, "sentence.key"),
        ({"sentences": {"fr": "x"}}, "sentences.fr.[key]"),
    ],
)
async def test_findings_that_say_no_verdict_are_refused(
    generator: AsgiClient, changes: dict[str, Any], field: str
) -> None:
    check_error(await generator.call("PUT", f"{HERE}/report", FINDINGS | changes), 400, field)
    assert (await generator.call("GET", HERE)).json["verdict"] is None


async def test_the_page_may_run_what_it_brings_apart_from_the_shop(
    generator: AsgiClient, key: AsgiClient
) -> None:
    page = "<!doctype html><style>p{}</style><p>通过<script>1</script>".encode()
    assert (await put_page(generator, page)).json["reports"] == ["html"]
    answer = await key.call("GET", f"{HERE}/report.html")
    assert (answer.status, answer.body) == (200, page)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "sandbox allow-scripts"} <= set(policy)
    assert not [rule for rule in policy if "http" in rule or "*" in rule or "same-origin" in rule]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_reports_have_bounds(generator: AsgiClient, services: Services) -> None:
    most = services.settings.limits.rehearsal_report_bytes_max
    assert (await put_page(generator, b" " * most)).status == 200
    check_error(await put_page(generator, b" " * (most + 1)), 413, None)
    long = FINDINGS | {"more": "x" * most}
    check_error(await generator.call("PUT", f"{HERE}/report", long), 413, None)
    longer_than_others = FINDINGS | {"more": "x" * services.settings.limits.body_bytes_max}
    assert (await generator.call("PUT", f"{HERE}/report", longer_than_others)).status == 200
    check_error(await put_page(generator, b"{}", "application/json"), 415, None)
    check_error(await put_page(generator, b"<p>\xff"), 400, "body")


async def test_the_history_goes_by_pages_from_the_newest(
    key: AsgiClient, services: Services
) -> None:
    records = services.rehearsals
    for number in range(1, 6):
        run = await opened_run(services.database, f"rh-0000000{number}", NOW_MS)
        await records._records.purged(run.id, NOW_MS, records._act("api-key", "purge"))
    first = (await key.call("GET", ALL)).json
    assert [run["number"] for run in first["rehearsals"]] == [5, 4, 3, 2]
    last = (await key.call("GET", f"{ALL}?after={first['next']}")).json
    assert ([run["number"] for run in last["rehearsals"]], last["next"]) == ([1], None)
    check_error(await key.call("GET", f"{ALL}?limit=5"), 400, "limit")
