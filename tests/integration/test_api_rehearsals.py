"""The routes of rehearsals: who may call them, what they keep, and how a rehearsal ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from loadtest.rehearsal.plan import Plan
from rooms.model import Role
from server.api import Services
from server.api.services import with_services
from server.database.visit_store import VisitStore
from server.rehearsal.shadow import shadow_settings
from server.tokens import TokenInvalid, Tokens
from tests.support.api_sales import SALE, furnish, prepare
from tests.support.api_stage import NOW_MS
from tests.support.asgi_client import AsgiClient, check_error
from tests.support.rehearsal_rows import PLAN, opened_run
from tests.support.rehearsal_stage import Clock, StageWing, rehearsing_services
from tests.support.visit_parts import BEGAN_MS, GAP_MS, arrival

pytest_plugins = [
    "tests.support.databases",
    "tests.support.api_fixtures",
    "tests.support.rehearsal_fixtures",
]

Bearer = Callable[..., AsgiClient]
RUN = "rh-00000001"
OTHER = "rh-00000002"
ALL = "/api/v1/rehearsals"
HERE = f"{ALL}/{RUN}"
PROGRESS: dict[str, Any] = {"phase": "spike", "at_ms": NOW_MS, "viewers": 900, "sold": {"tea": 3}}
FINDINGS: dict[str, Any] = {
    "verdict": "no_go",
    "sentence": {"key": "no_go_books", "values": {"units": 2}},
    "sentences": {"en": "NO-GO: 2 too many.", "zh-CN": "NO-GO：超卖 2 件。"},
    "spike": {"seconds": [1, 2, 3]},
}
OF_A_RUN: list[tuple[str, str, Any]] = [
    ("GET", HERE, None),
    ("POST", f"{HERE}/tokens", {"count": 1}),
    ("PUT", f"{HERE}/progress", PROGRESS),
    ("PUT", f"{HERE}/report", FINDINGS),
    ("GET", f"{HERE}/report", None),
    ("POST", f"{HERE}/stop", None),
]


@pytest.fixture
def services(services: Services, wing: StageWing) -> Services:
    return rehearsing_services(services, wing)


@pytest.fixture
async def run(services: Services) -> str:
    """The key of a rehearsal that takes visitors, as far as SQL knows."""
    await opened_run(services.database, RUN, NOW_MS)
    return services.rehearsals.key_of(RUN)


@pytest.fixture
def generator(key: AsgiClient, run: str) -> AsgiClient:
    """Whoever holds the key of the rehearsal."""
    return AsgiClient(key.app, {"x-api-key": run})


async def acts_of(client: AsgiClient) -> list[tuple[str, str]]:
    acts = (await client.call("GET", HERE)).json["acts"]
    return [(act["kind"], act["actor"]) for act in acts]


async def put_page(client: AsgiClient, page: bytes, kind: str = "text/html; charset=utf-8") -> Any:
    headers = {"content-type": kind}
    return await client.call("PUT", f"{HERE}/report.html", raw=page, headers=headers)


# who may


@pytest.mark.parametrize("header", ["x-api-key", "authorization"])
async def test_the_key_of_a_rehearsal_opens_its_routes_and_nothing_else(
    key: AsgiClient, run: str, services: Services, header: str
) -> None:
    given = run if header == "x-api-key" else f"Bearer {run}"
    generator = AsgiClient(key.app, {header: given})
    for method, target, body in OF_A_RUN:
        answer = await generator.call(method, target, body)
        assert answer.status in {200, 201}, (target, answer.body)
        other = await generator.call(method, target.replace(RUN, OTHER), body)
        assert other.status == 401, target
    for method, target in (("GET", ALL), ("POST", ALL), ("GET", "/api/v1/rooms")):
        assert (await generator.call(method, target, {})).status == 401, target
    others = AsgiClient(key.app, {"x-api-key": services.rehearsals.key_of(OTHER)})
    assert (await others.call("GET", HERE)).status == 401


async def test_a_rehearsal_is_the_whole_shops(
    key: AsgiClient, nobody: AsgiClient, bearer: Bearer, run: str
) -> None:
    for method, target, body in [*OF_A_RUN, ("GET", ALL, None), ("POST", ALL, {"plan": PLAN})]:
        assert (await nobody.call(method, target, body)).status == 401
        for client in (bearer("demo"), bearer("*", role="host"), bearer("*", role="viewer")):
            assert (await client.call(method, target, body)).status == 403, target
    for client in (key, bearer("*")):
        for method, target, body in OF_A_RUN:
            assert (await client.call(method, target, body)).status in {200, 201}, target
        check_error(await client.call("GET", f"{ALL}/{OTHER}"), 404, "id")
    # a token may say of itself what it likes: a user's id opens nothing
    check_error(await bearer("demo", user=RUN).call("GET", HERE), 403, None)


async def test_a_shadow_shop_holds_no_rehearsals_and_takes_ids_of_rehearsals(
    key: AsgiClient, services: Services
) -> None:
    shadow = replace(services, settings=replace(services.settings, rehearsal=RUN))
    client = AsgiClient(with_services(key.app, shadow), key.headers)
    check_error(await client.call("GET", ALL), 404, None)
    check_error(await client.call("POST", ALL, {"plan": PLAN}), 404, None)
    room = {"id": "rh-room", "title": "Rehearsal"}
    assert (await client.call("POST", "/api/v1/rooms", room)).status == 201
    person = {"user": "rh-u000001", "rooms": ["rh-room"]}
    assert (await client.call("POST", "/api/v1/tokens", person)).status == 200


@pytest.mark.parametrize(
    ("target", "body", "field"),
    [
        ("tokens", {"user": "rh-u000001"}, "user"),
        ("rooms", {"id": "rh-room", "title": "R"}, "id"),
        ("products", {"id": "rh-1", "title": "T", "price_minor": 1, "currency": "CNY"}, "id"),
        (
            "products",
            {
                "title": "T",
                "price_minor": 1,
                "currency": "CNY",
                "skus": [{"sku": "rh-1", "title": "T", "price_minor": 1}],
            },
            "skus.0.sku",
        ),
        (
            "sales",
            {
                "id": "rh-sale",
                "room": "demo",
                "hold_seconds": 60,
                "items": [{"sku": "tea", "stock": 1}],
            },
            "id",
        ),
        (
            "orders",
            {"sale": "s", "user": "rh-u000001", "sku": "tea", "qty": 1, "request_id": "r"},
            "user",
        ),
    ],
)
async def test_the_shop_itself_gives_nobody_an_id_of_rehearsals(
    key: AsgiClient, target: str, body: dict[str, Any], field: str
) -> None:
    check_error(await key.call("POST", f"/api/v1/{target}", body), 409, field, "rehearsals")


# tokens


async def test_tokens_are_good_in_the_shadow_shop_only(
    generator: AsgiClient, services: Services, rehearsing: Any
) -> None:
    asked = {"first": 41, "count": 3}
    tokens = (await generator.call("POST", f"{HERE}/tokens", asked)).json["tokens"]
    assert [user for user, _ in tokens] == ["rh-u000041", "rh-u000042", "rh-u000043"]
    shadow = Tokens(shadow_settings(rehearsing, RUN).token_secret)
    for user, token in tokens:
        identity = shadow.verify(token)
        assert (identity.user_id, identity.role, identity.rooms) == (user, Role.VIEWER, frozenset())
        with pytest.raises(TokenInvalid, match="signature"):
            services.tokens.verify(token)
    host = (await generator.call("POST", f"{HERE}/tokens", asked | {"role": "host"})).json
    identity = shadow.verify(host["tokens"][0][1])
    assert (identity.role, identity.rooms) == (Role.HOST, frozenset({"*"}))


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"count": 5_001}, "count"),
        ({"count": 0}, "count"),
        ({"first": 0, "count": 1}, "first"),
        ({"first": 999_999, "count": 2}, "first"),
        ({"first": 1, "count": 1, "role": "owner"}, "role"),
        ({"count": 1, "user": "bob"}, "user"),
    ],
)
async def test_tokens_beyond_the_bounds_are_refused_by_field(
    generator: AsgiClient, asked: dict[str, Any], field: str
) -> None:
    check_error(await generator.call("POST", f"{HERE}/tokens", asked), 400, field)


async def test_all_tokens_of_one_request_are_issued(generator: AsgiClient) -> None:
    answer = await generator.call("POST", f"{HERE}/tokens", {"first": 995_000, "count": 5_000})
    assert answer.status == 200
    assert answer.json["tokens"][-1][0] == "rh-u999999"


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


# the plan


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"items": []}, "plan.items"),
        ({"items": [PLAN["items"][0] | {"stock": 0}]}, "plan.items.0.stock"),
        ({"promise": {"viewers": 200_001}}, "plan.promise.viewers"),
        ({"promise": {"viewer": 1}}, "plan.promise.viewer"),
        ({"drills": [{"kind": "fire", "at_s": 1}]}, "plan.drills.0.kind"),
        ({"title": ""}, "plan.title"),
    ],
)
async def test_a_plan_is_refused_by_the_field_that_is_wrong(
    key: AsgiClient, changes: dict[str, Any], field: str
) -> None:
    check_error(await key.call("POST", ALL, {"plan": PLAN | changes}), 400, field)
    assert (await key.call("GET", ALL)).json["rehearsals"] == []


async def test_a_plan_with_a_sku_twice_is_refused(key: AsgiClient) -> None:
    twice = {"plan": PLAN | {"items": PLAN["items"] * 2}}
    check_error(await key.call("POST", ALL, twice), 400, "plan", "items: each sku once")


# a plan to begin with


async def test_a_plan_is_made_of_a_sale_and_of_those_who_came_lately(
    key: AsgiClient, bearer: Bearer, services: Services
) -> None:
    await furnish(key)
    await prepare(key)
    target = f"{ALL}/plan-from-sale/{SALE}"
    draft = (await key.call("GET", target)).json
    assert (draft["visits"], draft["at_once"]) == (0, 0)
    assert draft["plan"]["promise"]["viewers"] == 1_000
    sale = (await key.call("GET", f"/api/v1/sales/{SALE}")).json
    for item, there in zip(draft["plan"]["items"], sale["items"], strict=True):
        assert item["sku"] == there["sku"]
        assert item["price_minor"] == there["price_minor"]
        assert item["per_user_max"] == there["per_user_max"]
    store = VisitStore(services.database, beat_gap_ms=GAP_MS)
    hour_ago_ms = NOW_MS - BEGAN_MS - 3_600_000
    for number, after_ms in enumerate((0, 30_000, 600_000)):  # the third when they have gone
        visit = f"visit-000000000{number}"
        pieces = arrival(visit, at_ms=hour_ago_ms + after_ms, comment=f"c{number}")
        await store.write(pieces, ())
    await store.write(arrival("visit-0000000009", at_ms=hour_ago_ms - 40 * 86_400_000), ())
    draft = (await key.call("GET", target)).json
    assert (draft["visits"], draft["at_once"]) == (3, 2)
    promise = draft["plan"]["promise"]
    assert promise["viewers"] == 2
    assert promise["comments_per_s"] == round(2 * 3 / 198, 2)
    Plan.from_json(draft["plan"])
    check_error(await bearer("demo").call("GET", target), 403, None)
    check_error(await key.call("GET", f"{ALL}/plan-from-sale/none"), 404, "id")
