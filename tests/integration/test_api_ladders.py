"""Ladders over HTTP: drafts, simulations, publishing within the budget, results, vouchers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from rooms.sharing.ladders import RewardKind, Tier
from server.api import Services
from server.database.grant_records import Giving
from server.database.ladder_tables import ladder_members
from server.settings import Settings
from server.sharing.reward_desk import voucher_key
from tests.support.api_stage import NOW_MS
from tests.support.asgi_client import Answer, AsgiClient
from tests.support.ladder_town import LADDER, Guest, Town

pytest_plugins = ["tests.support.databases", "tests.support.api_fixtures"]

END_MS = NOW_MS + 86_400_000
MUG = {"needs": 3, "kind": "voucher", "title": "Mug", "stock": 2, "cost_minor": 5_900}
PACKET = {"needs": 5, "kind": "red_packet", "title": "Packet", "stock": 4, "pool_minor": 999}
DRAFT: dict[str, Any] = {
    "id": "spring",
    "room": "demo",
    "title": "Bring friends",
    "currency": "CNY",
    "budget_minor": 12_799,
    "ends_at_ms": END_MS,
    "tiers": [MUG, PACKET],
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With a threshold that is not the usual one, and files of few rows."""
    limits = replace(settings.limits, first_action_after_ms=2_500, export_rows_max=1_200)
    return replace(settings, limits=limits)


@pytest.fixture
async def town(services: Services, settings: Settings) -> Town:
    town = Town(services.database)
    giving = Giving(voucher_key(settings), settings.limits.reward_open_days)
    town.court = replace(town.court, giving=giving)
    await town.furnish(None)
    return town


@pytest.fixture(autouse=True)
async def rooms(town: Town) -> None:
    """Every test has the room and its coupons."""


async def post(client: AsgiClient, path: str, body: dict[str, Any] | None = None) -> Answer:
    return await client.call("POST", f"/api/v1/ladders{path}", body)


async def test_thresholds_that_a_ladder_does_not_say_are_as_the_server_is_set(
    key: AsgiClient,
) -> None:
    silent = (await post(key, "", DRAFT)).json["thresholds"]
    brief = (await post(key, "", DRAFT | {"id": "brief", "thresholds": {"stay_ms": 5_000}})).json
    assert silent["first_action_after_ms"] == 2_500
    assert brief["thresholds"] == silent | {"stay_ms": 5_000}


async def test_a_draft_is_stored_once_and_says_what_the_server_adds(key: AsgiClient) -> None:
    made = await post(key, "", DRAFT)
    assert made.status == 201, made.json
    ladder = made.json
    assert (ladder["state"], ladder["starts_at_ms"], ladder["taken_minor"]) == ("draft", None, 0)
    assert [(tier["number"], tier["left"]) for tier in ladder["tiers"]] == [(1, 2), (2, 4)]
    assert ladder["thresholds"]["stay_ms"] == 60_000
    assert ladder["thresholds"]["arrivals_per_net_max"] == 3
    again = await post(key, "", DRAFT)
    assert (again.status, again.json) == (200, ladder)
    other = await post(key, "", DRAFT | {"budget_minor": 1})
    assert (other.status, other.json["error"]["field"]) == (409, "id")
    assert (await key.call("GET", "/api/v1/ladders/spring")).json == ladder
    listed = await key.call("GET", "/api/v1/ladders?room=demo&state=draft")
    assert listed.json == {"ladders": [ladder], "next": None}


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (DRAFT | {"tiers": []}, 400, "tiers"),
        (DRAFT | {"tiers": [MUG] * 11}, 400, "tiers"),
        (DRAFT | {"tiers": [MUG | {"kind": "money"}]}, 400, "tiers.0.kind"),
        (DRAFT | {"tiers": [MUG | {"needs": 0}]}, 400, "tiers.0.needs"),
        (DRAFT | {"budget_minor": -1}, 400, "budget_minor"),
        (DRAFT | {"thresholds": {"stay_ms": 999}}, 400, "thresholds.stay_ms"),
        (DRAFT | {"starts_at_ms": END_MS}, 400, "ends_at_ms"),
        (DRAFT | {"surprise": 1}, 400, "surprise"),
        (DRAFT | {"room": "nowhere"}, 404, "room"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_what_is_no_ladder_is_refused_by_its_field(
    key: AsgiClient, body: dict[str, Any], status: int, field: str
) -> None:
    answer = await post(key, "", body)
    assert (answer.status, answer.json["error"]["field"]) == (status, field)


async def test_a_simulation_shows_costs_and_every_problem_and_stores_nothing(
    key: AsgiClient,
) -> None:
    dear = DRAFT | {"budget_minor": 12_000, "tiers": [MUG, PACKET | {"needs": 3}]}
    shown = (await post(key, "/simulate", dear)).json
    assert shown["worst_minor"] == 2 * 5_900 + 999
    assert shown["left_minor"] == -799
    assert (shown["per_arrival_min_minor"], shown["per_arrival_max_minor"]) == (1_967, 2_050)
    assert [problem["field"] for problem in shown["problems"]] == ["tiers.1.needs", "budget_minor"]
    assert (await key.call("GET", "/api/v1/ladders")).json["ladders"] == []
    await post(key, "", DRAFT)
    stored = (await post(key, "/spring/simulate")).json
    assert (stored["problems"], stored["left_minor"]) == ([], 0)


async def test_only_a_ladder_within_its_budget_is_published_and_then_its_terms_stand(
    key: AsgiClient,
) -> None:
    await post(key, "", DRAFT | {"budget_minor": 12_798})
    refused = await post(key, "/spring/publish")
    assert (refused.status, refused.json["error"]["field"]) == (422, "budget_minor")
    assert "costs 1 more" in refused.json["error"]["message"]
    early = await post(key, "/spring/end")
    assert early.status == 409
    changed = await key.call("PATCH", "/api/v1/ladders/spring", {"budget_minor": 12_799})
    assert changed.json["budget_minor"] == 12_799
    published = (await post(key, "/spring/publish")).json
    assert (published["state"], published["starts_at_ms"]) == ("published", NOW_MS)
    assert published["taken_minor"] == 999
    assert (await post(key, "/spring/publish")).json == published
    late = await key.call("PATCH", "/api/v1/ladders/spring", {"title": "Else"})
    assert late.status == 409
    second = await post(key, "", DRAFT | {"id": "second"})
    assert second.status == 201
    beside = await post(key, "/second/publish")
    assert (beside.status, beside.json["error"]["field"]) == (422, "starts_at_ms")


async def test_a_room_has_a_bounded_number_of_ladders_that_are_not_over(
    key: AsgiClient, settings: Settings
) -> None:
    most = settings.limits.ladders_per_room_max
    for number in range(most):
        assert (await post(key, "", DRAFT | {"id": f"l{number}"})).status == 201
    answer = await post(key, "", DRAFT | {"id": "one-more"})
    assert (answer.status, answer.json["error"]["field"]) == (422, "room")


async def test_arrivals_come_with_their_reasons_page_by_page(key: AsgiClient, town: Town) -> None:
    await town.publish(replace(LADDER, id="spring"))
    await town.come(*(Guest(f"g{n}") for n in range(5)), Guest("bot", acts_after_ms=100))
    await town.judge()
    first = (await key.call("GET", "/api/v1/ladders/spring/arrivals")).json
    assert first["counts"] == {"impossible_speed": 1, "valid": 5}
    assert len(first["arrivals"]) == 4
    assert (first["arrivals"][0]["verdict"], first["arrivals"][0]["rewarded"]) == (
        "impossible_speed",
        "",
    )
    assert first["arrivals"][1]["device"] == "d-g4"
    rest = await key.call("GET", f"/api/v1/ladders/spring/arrivals?after={first['next']}")
    assert [one["visit"] for one in rest.json["arrivals"]] == ["v-g1-of-ann", "v-g0-of-ann"]
    only = await key.call("GET", "/api/v1/ladders/spring/arrivals?verdict=impossible_speed")
    assert [one["visit"] for one in only.json["arrivals"]] == ["v-bot-of-ann"]
    none = await key.call("GET", "/api/v1/ladders/spring/arrivals?inviter=eve")
    assert none.json["arrivals"] == []


async def test_the_ranking_and_the_rewards_can_be_read_and_exported(
    key: AsgiClient, town: Town
) -> None:
    await town.publish(replace(LADDER, id="spring"))
    await town.bring(3, inviter="=cmd")
    await town.bring(1, inviter="ann")
    ranking = (await key.call("GET", "/api/v1/ladders/spring/ranking")).json
    assert ranking["frozen"] is False
    assert [(one["rank"], one["user"], one["valid"]) for one in ranking["top"]] == [
        (1, "=cmd", 3),
        (2, "ann", 1),
    ]
    file = await key.call("GET", "/api/v1/ladders/spring/ranking.csv")
    assert file.headers["content-type"].startswith("text/csv")
    lines = file.body.decode("utf-8-sig").splitlines()
    assert lines[0] == "rank,user,name,valid,reached_at"
    assert lines[1].startswith("1,'=cmd,*,3,20")
    assert len(lines) == 3
    grants = (await key.call("GET", "/api/v1/ladders/spring/grants?state=granted")).json["grants"]
    assert [(one["user"], one["tier"], one["kind"]) for one in grants] == [("=cmd", 1, "coupon")]


@pytest.mark.parametrize("climbers", [1_100, 1_300])
async def test_a_file_of_a_ranking_is_of_one_instant_and_within_its_bound(
    key: AsgiClient, town: Town, services: Services, climbers: int
) -> None:
    await town.publish(replace(LADDER, id="spring"))
    rows = [
        {"ladder_id": "spring", "user_id": f"u{n}", "name": "U", "valid": 1 + n % 7}
        | {"reached_at_ms": n, "lot": f"{n:016x}", "changes": 1, "told": True}
        for n in range(climbers)
    ]
    await services.database.run(lambda one: one.execute(sa.insert(ladder_members), rows))
    asked: list[str] = []

    def note(_one: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        asked.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        file = await key.call("GET", "/api/v1/ladders/spring/ranking.csv")
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    lines = file.body.decode("utf-8-sig").splitlines()[1:]
    assert [line.split(",")[0] for line in lines] == [
        str(rank) for rank in range(1, min(climbers, 1_200) + 1)
    ]
    assert lines[0].startswith("1,u6,U,7,")
    assert sum("FROM ladder_members" in one for one in asked) == 1


async def test_a_voucher_is_redeemed_once_however_it_is_typed(
    key: AsgiClient, town: Town, bearer: Any
) -> None:
    mug = Tier(1, 1, RewardKind.VOUCHER, "Mug", 2, 5_900)
    await town.publish(replace(LADDER, id="spring", tiers=(mug,)))
    await town.bring(1)
    code = (await town.rewards.of_user("ann"))[0].code
    assert code is not None

    async def redeem(client: AsgiClient, typed: str, request_id: str) -> Answer:
        body = {"code": typed, "request_id": request_id}
        return await client.call("POST", "/api/v1/vouchers/redeem", body)

    assert (await redeem(key, "AAAA-AAAA-AAAA", "r-1")).status == 404
    assert (await redeem(bearer("two"), code, "r-1")).status == 404
    done = await redeem(bearer("demo"), code.lower().replace("-", " "), "r-1")
    assert done.status == 200, done.json
    assert (done.json["grant"]["state"], done.json["grant"]["title"]) == ("redeemed", "Mug")
    assert (await redeem(key, code, "r-1")).json == done.json
    again = await redeem(key, code, "r-2")
    assert (again.status, again.json["error"]["field"]) == (409, "code")


async def test_a_merchant_sees_only_ladders_of_its_rooms(key: AsgiClient, bearer: Any) -> None:
    await post(key, "", DRAFT)
    stranger = bearer("two")
    for method, path in (
        ("GET", "/spring"),
        ("POST", "/spring/publish"),
        ("POST", "/spring/end"),
        ("GET", "/spring/arrivals"),
        ("GET", "/spring/ranking.csv"),
        ("GET", "/spring/grants"),
    ):
        assert (await stranger.call(method, f"/api/v1/ladders{path}")).status == 404, path
    assert (await post(stranger, "", DRAFT | {"id": "mine"})).status == 403
    assert (await stranger.call("GET", "/api/v1/ladders")).json["ladders"] == []
    assert (await stranger.call("GET", "/api/v1/ladders?room=demo")).status == 403


async def test_a_ladder_ends_at_once_and_repeating_it_changes_nothing(
    key: AsgiClient, town: Town
) -> None:
    await post(key, "", DRAFT)
    await post(key, "/spring/publish")
    ended = await post(key, "/spring/end", {})
    assert ended.status == 200, ended.json
    assert (ended.json["state"], ended.json["ends_at_ms"]) == ("published", NOW_MS)
    assert (await post(key, "/spring/end")).json == ended.json
    town.now_ms = NOW_MS
    assert await town.close() == ["spring"]
    frozen = (await post(key, "/spring/end")).json
    assert (frozen["state"], frozen["taken_minor"]) == ("ended", 0)
    assert (await post(key, "/spring/publish")).status == 409
