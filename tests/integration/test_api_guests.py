"""Guests: what they may be called, what they get, and how many one address may make."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from rooms.model import Identity, Role, RoomId
from server.api import Services, build_api
from tests.support.asgi_client import Answer, AsgiClient, check_error

pytest_plugins = ["tests.support.databases", "tests.support.api_fixtures"]


async def enter(client: AsgiClient, name: Any, address: str = "192.0.2.1") -> Answer:
    return await AsgiClient(client.app, address=address).call(
        "POST", "/api/v1/guests", {"name": name}
    )


async def test_a_guest_gets_a_name_an_id_and_a_viewers_token(
    nobody: AsgiClient, services: Services
) -> None:
    answer = await enter(nobody, "  小\u3000 猫  ")
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    identity = services.tokens.verify(answer.json["token"])
    assert identity == Identity(
        user_id=identity.user_id,
        name="小 猫",
        role=Role.VIEWER,
        rooms=frozenset({"*"}),
        expires_at_s=identity.expires_at_s,
    )
    assert identity.user_id == answer.json["user"]
    assert identity.user_id.startswith("guest-")
    assert len(identity.user_id) == len("guest-") + 12
    assert identity.role_in(RoomId("demo")) is Role.VIEWER
    other = (await enter(nobody, "小 猫")).json
    assert other["user"] != answer.json["user"]


@pytest.mark.parametrize(
    "name", ["A", "x" * 24, "👨\u200d👩\u200d👧", "O'Neil & <b>", "春茶", "🫨"]
)
async def test_ordinary_names_are_taken_as_they_are(
    nobody: AsgiClient, services: Services, name: str
) -> None:
    answer = await enter(nobody, name)
    assert answer.status == 200
    assert services.tokens.verify(answer.json["token"]).name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "\u3000",
        "x" * 25,
        "a\x00b",
        "a\u202eb",
        "a\u2066b",
        "a\u200bb",
        "\u200d\u200d",
        "\u0301\u0301",
        "\ufeff",
        "\u3164",
        "\u2800\u2800",
        None,
        7,
        ["a"],
    ],
)
async def test_names_that_hide_or_turn_text_are_refused(nobody: AsgiClient, name: Any) -> None:
    check_error(await enter(nobody, name), 400, "name")


async def test_a_name_against_the_rules_of_the_house_is_refused(services: Services) -> None:
    def refuse(name: str) -> str | None:
        return "holds a telephone number" if "138" in name else None

    api = build_api(dataclasses.replace(services, refuse_name=refuse))
    check_error(await enter(AsgiClient(api), "call 138"), 422, "name", "telephone")
    assert (await enter(AsgiClient(api), "Ann")).status == 200


async def test_guests_are_refused_where_they_may_not_speak(services: Services) -> None:
    settings = dataclasses.replace(services.settings, guests_may_speak=False)
    api = build_api(dataclasses.replace(services, settings=settings))
    check_error(await enter(AsgiClient(api), "Ann"), 403, None, "may watch")


async def test_one_address_makes_a_bounded_number_of_guests_a_minute(
    nobody: AsgiClient, services: Services
) -> None:
    most = services.settings.limits.guests_per_address_per_min
    for number in range(most):
        assert (await enter(nobody, f"Guest {number}")).status == 200
    refused = await enter(nobody, "One more")
    check_error(refused, 429, None, "too many guests")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert (await enter(nobody, "Neighbour", "192.0.2.2")).status == 200


async def test_an_ipv6_subscriber_counts_once_for_all_its_addresses(
    nobody: AsgiClient, services: Services
) -> None:
    for number in range(services.settings.limits.guests_per_address_per_min):
        assert (await enter(nobody, "Ann", f"2001:db8:1:2::{number:x}")).status == 200
    check_error(await enter(nobody, "Ann", "2001:db8:1:2:ffff::1"), 429, None)
    assert (await enter(nobody, "Ann", "2001:db8:1:3::1")).status == 200
