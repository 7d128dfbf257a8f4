"""The routes of rehearsals: who may call them, tokens for their people, and what a plan may be."""

from __future__ import annotations

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
from tests.support.rehearsal_api import ALL, FINDINGS, HERE, OTHER, PROGRESS, RUN, Bearer
from tests.support.rehearsal_rows import PLAN
from tests.support.rehearsal_stage import StageWing, rehearsing_services
from tests.support.visit_parts import BEGAN_MS, GAP_MS, arrival

pytest_plugins = [
    "tests.support.databases",
    "tests.support.api_fixtures",
    "tests.support.rehearsal_fixtures",
]

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
