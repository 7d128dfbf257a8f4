"""Share links over HTTP: made for campaigns and people, listed by rooms, with their policies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from server.api import Services
from server.database.records import RoomRecords
from server.settings import Settings
from tests.support.api_stage import NOW_MS
from tests.support.asgi_client import AsgiClient

pytest_plugins = ["tests.support.databases", "tests.support.api_fixtures"]

CAMPAIGN = {"room": "demo", "channel": "sms", "campaign": "春季 spring", "staff": "eve"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """One person makes at most three links in a day."""
    return replace(settings, limits=replace(settings.limits, links_per_user_max=3))


@pytest.fixture(autouse=True)
async def rooms(services: Services) -> None:
    records = RoomRecords(services.database)
    for room in ("demo", "two"):
        await records.create(room, room.title(), "")


async def made(client: AsgiClient, **fields: Any) -> dict[str, Any]:
    answer = await client.call("POST", "/api/v1/links", CAMPAIGN | fields)
    assert answer.status == 200, answer.json
    link: dict[str, Any] = answer.json
    return link


async def test_a_campaign_link_is_made_once_and_opens_by_its_code(
    key: AsgiClient, services: Services
) -> None:
    link = await made(key)
    assert await made(key) == link
    assert {name: link[name] for name in CAMPAIGN} == CAMPAIGN
    assert link["inviter"] == ""
    assert link["target"] == {"kind": "room", "id": ""}
    assert link["created_at_ms"] == NOW_MS
    assert link["url"].endswith(f"/s/{link['code']}")
    assert link["url"].startswith("http")
    opened = await services.links.open(link["code"])
    assert opened.link.source.campaign == CAMPAIGN["campaign"]
    assert opened.link.source.link == link["id"]


async def test_a_link_for_a_member_carries_the_name_masked(
    key: AsgiClient, services: Services
) -> None:
    link = await made(key, inviter="ann", inviter_name="小安")
    assert link["inviter"] == "ann"
    assert (await services.links.open(link["code"])).link.inviter_name == "小*"


async def test_the_shop_makes_more_links_for_a_person_than_they_may_themselves(
    key: AsgiClient, services: Services
) -> None:
    most = services.settings.limits.links_per_user_max
    codes = {(await made(key, inviter="ann", campaign=f"c{n}"))["code"] for n in range(most + 2)}
    assert len(codes) == most + 2


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"room": "nowhere"}, 404, "id"),
        ({"channel": "carrier_pigeon"}, 400, "channel"),
        ({"channel": ""}, 400, "channel"),
        ({"campaign": "a" * 65}, 400, "campaign"),
        ({"campaign": "line\nbreak"}, 400, "campaign"),
        ({"staff": "a" * 256}, 400, "staff"),
        ({"inviter": ""}, 400, "inviter"),
        ({"product": "nothing"}, 404, "product"),
        ({"comment": "never-said"}, 404, "comment"),
        ({"product": "tea", "comment": "c"}, 400, "comment"),
        ({"markups": {"tea": 5}}, 400, "markups"),
    ],
)
async def test_what_cannot_be_made_is_refused_by_its_field(
    key: AsgiClient, fields: dict[str, Any], status: int, field: str
) -> None:
    answer = await key.call("POST", "/api/v1/links", CAMPAIGN | fields)
    assert (answer.status, answer.json["error"]["field"]) == (status, field), answer.json


async def test_a_merchant_makes_and_sees_links_of_their_own_rooms_only(
    key: AsgiClient, bearer: Any
) -> None:
    merchant = bearer("two")
    refused = await merchant.call("POST", "/api/v1/links", CAMPAIGN)
    assert refused.status == 403
    await made(key)
    link = await made(merchant, room="two")
    listed = await merchant.call("GET", "/api/v1/links")
    assert [one["id"] for one in listed.json["links"]] == [link["id"]]
    assert (await merchant.call("GET", "/api/v1/links?room=demo")).status == 403
    for method, path in (("POST", "/api/v1/links"), ("GET", "/api/v1/policies")):
        body = CAMPAIGN if method == "POST" else None
        assert (await bearer("two", role="host").call(method, path, body)).status == 403


async def test_pages_hold_every_link_once(key: AsgiClient) -> None:
    codes = {(await made(key, campaign=f"c{number}"))["code"] for number in range(9)}
    await made(key, room="two")
    seen: list[str] = []
    after = ""
    for _ in range(9):
        answer = await key.call("GET", f"/api/v1/links?room=demo&limit=4{after}")
        seen += [link["code"] for link in answer.json["links"]]
        if answer.json["next"] is None:
            break
        after = f"&after={answer.json['next']}"
    assert len(seen) == len(set(seen)) == 9
    assert set(seen) == codes
    found = await key.call("GET", "/api/v1/links?campaign=c3")
    assert [link["campaign"] for link in found.json["links"]] == ["c3"]
    for nonsense in ("x", "1.2", f"{10**17}.{'0' * 16}"):
        answer = await key.call("GET", f"/api/v1/links?after={nonsense}")
        assert (answer.status, answer.json["error"]["field"]) == (400, "after")


async def test_the_policies_are_those_of_the_server(key: AsgiClient, services: Services) -> None:
    answer = await key.call("GET", "/api/v1/policies")
    told = {policy["channel"]: policy for policy in answer.json["policies"]}
    assert list(told) == [policy.channel for policy in services.links.policies]
    assert told["wechat"]["app"]
    assert told["wechat"]["reward"] == "nobody"
    assert set(told["copy"]["why"]) == {"zh-CN", "en"}
