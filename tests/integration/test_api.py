"""Who may call the HTTP API, what it takes, and how it says no."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from server.api import Services, build_api
from server.tokens import Tokens
from tests.support.api_parts import API_KEY, MemoryRealtime
from tests.support.asgi_client import GONE, NEVER, AsgiClient, check_error

pytest_plugins = ["tests.support.databases", "tests.support.api_fixtures"]

KEY_ONLY = ["publish", "broadcast", "history", "presence_stats", "disconnect", "v1/tokens"]
MANAGED = [
    ("POST", "/api/v1/rooms"),
    ("GET", "/api/v1/rooms"),
    ("GET", "/api/v1/rooms/demo"),
    ("PATCH", "/api/v1/rooms/demo"),
    ("GET", "/api/v1/rooms/demo/shelf"),
    ("PUT", "/api/v1/rooms/demo/shelf"),
    ("GET", "/api/v1/rooms/demo/acts"),
    ("POST", "/api/v1/products"),
    ("GET", "/api/v1/products"),
    ("GET", "/api/v1/products/tea"),
]


@pytest.mark.parametrize(
    ("method", "path"), [*MANAGED, *(("POST", f"/api/{name}") for name in KEY_ONLY)]
)
async def test_without_key_or_token_only_guests_get_in(
    nobody: AsgiClient, method: str, path: str
) -> None:
    answer = await nobody.call(method, path, raw=b"not even JSON")
    check_error(answer, 401, None, "X-API-Key")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("wrong", ["", "wrong", API_KEY[:-1], API_KEY + "x", API_KEY.upper(), "é"])
async def test_a_wrong_key_is_refused_even_beside_a_good_token(
    bearer: Callable[..., AsgiClient], wrong: str
) -> None:
    client = bearer("*")
    answer = await client.call("GET", "/api/v1/rooms", headers={"x-api-key": wrong})
    check_error(answer, 401, None, "the API key is wrong")


async def test_a_server_without_a_key_accepts_no_key(services: Services) -> None:
    settings = dataclasses.replace(services.settings, api_key="")
    api = build_api(dataclasses.replace(services, settings=settings))
    check_error(await AsgiClient(api, {"x-api-key": ""}).call("GET", "/api/v1/rooms"), 401, None)


@pytest.mark.parametrize("name", KEY_ONLY)
async def test_a_merchant_token_does_not_open_what_is_for_the_key(
    bearer: Callable[..., AsgiClient], name: str
) -> None:
    answer = await bearer("*").call("POST", f"/api/{name}", {})
    check_error(answer, 401, None, "send the API key as X-API-Key")


@pytest.mark.parametrize(("method", "path"), MANAGED)
@pytest.mark.parametrize("role", ["viewer", "moderator", "host"])
async def test_only_merchants_manage(
    bearer: Callable[..., AsgiClient], method: str, path: str, role: str
) -> None:
    answer = await bearer("*", role=role).call(method, path, {})
    check_error(answer, 403, None, "role merchant")


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("Bearer", "send X-API-Key, or"),
        ("Bearer ", "send X-API-Key, or"),
        ("Basic abc", "send X-API-Key, or"),
        ("Bearer a.b.c", "invalid token"),
        ("Bearer é", "invalid token"),
    ],
)
async def test_what_is_no_token_is_refused(nobody: AsgiClient, header: str, why: str) -> None:
    answer = await nobody.call("GET", "/api/v1/rooms", headers={"authorization": header})
    check_error(answer, 401, None, why)


async def test_a_token_that_is_over_is_refused(services: Services, nobody: AsgiClient) -> None:
    old = Tokens(services.settings.token_secret, now_s=lambda: 1000.0)
    token = old.issue("m", "merchant", ["*"], "M", 60)
    answer = await nobody.call("GET", "/api/v1/rooms", headers={"authorization": f"Bearer {token}"})
    check_error(answer, 401, None, "token expired")
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_a_merchant_of_no_room_or_without_a_user_id_is_refused(
    bearer: Callable[..., AsgiClient],
) -> None:
    for merchant in (bearer("*", user=""), bearer()):
        for path in ("/api/v1/rooms", "/api/v1/products"):
            check_error(await merchant.call("GET", path), 403, None, "in some room")


@pytest.mark.parametrize(
    ("method", "path"), [entry for entry in MANAGED if "rooms/demo" in entry[1]]
)
async def test_a_merchant_manages_no_room_it_does_not_hold_and_learns_nothing_about_it(
    key: AsgiClient, bearer: Callable[..., AsgiClient], method: str, path: str
) -> None:
    client = bearer("other")
    body = {"PATCH": {"title": "Mine"}, "PUT": {"products": []}}.get(method)
    before = await client.call(method, path, body)
    await key.call("POST", "/api/v1/rooms", {"id": "demo", "title": "Tea"})
    after = await client.call(method, path, body)
    check_error(after, 403, None, "this token is not for room 'demo'")
    assert before.body == after.body
    assert (await key.call("GET", "/api/v1/rooms/demo")).json["title"] == "Tea"


@pytest.mark.parametrize(
    ("raw", "headers", "status"),
    [
        (b"{}", {"content-type": "text/plain"}, 415),
        (b"{}", {"content-type": ""}, 415),
        (b"{}", {"content-type": "application/x-www-form-urlencoded"}, 415),
        (b"{}", {"content-type": "multipart/form-data; boundary=x"}, 415),
        (b"", {}, 400),
        (b"{", {}, 400),
        (b"{'title': 1}", {}, 400),
        (b'{"title": "\xff"}', {}, 400),
        (b'{"title": NaN}', {}, 400),
        (b'{"title": "\\ud800"}', {}, 400),
        (b"[" * 5000, {}, 400),
        (b"\x00", {}, 400),
        (b"[]", {}, 400),
        (b"null", {}, 400),
        (b'"text"', {}, 400),
        (b"7", {}, 400),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(
    key: AsgiClient, raw: bytes, headers: dict[str, str], status: int
) -> None:
    answer = await key.call("POST", "/api/v1/rooms", raw=raw, headers=headers)
    check_error(answer, status, "body" if status == 400 else None)


async def test_json_is_taken_with_a_charset(key: AsgiClient) -> None:
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    answer = await key.call("POST", "/api/v1/rooms", raw=b'{"title": "Tea"}', headers=headers)
    assert answer.status == 201


async def test_a_body_above_the_bound_is_refused_before_it_is_read(key: AsgiClient) -> None:
    huge = {"content-type": "application/json", "content-length": str(10**12)}
    answer = await key.call("POST", "/api/v1/rooms", chunks=[b"{"], headers=huge)
    check_error(answer, 413, None, "more than 262144 bytes")
    assert answer.headers["connection"] == "close"


async def test_a_body_of_undeclared_length_is_cut_off_at_the_bound(key: AsgiClient) -> None:
    chunks = [b" " * 65_536] * 5
    answer = await key.call(
        "POST", "/api/v1/rooms", chunks=chunks, headers={"content-type": "application/json"}
    )
    check_error(answer, 413, None)


async def test_a_body_up_to_the_bound_is_read_whole(key: AsgiClient) -> None:
    body = b'{"title": "Tea"}'.ljust(262_144)
    assert (await key.call("POST", "/api/v1/rooms", raw=body)).status == 201
    check_error(await key.call("POST", "/api/v1/rooms", raw=body + b" "), 413, None)


@pytest.mark.parametrize("path", ["/api/nothing", "/api/v1/rooms/", "/api/v2/rooms", "/nothing"])
async def test_an_unknown_address_gets_the_same_shape(key: AsgiClient, path: str) -> None:
    check_error(await key.call("GET", path), 404, None, "nothing at this address")


async def test_an_unknown_method_gets_the_same_shape(key: AsgiClient) -> None:
    answer = await key.call("DELETE", "/api/v1/products/tea")
    check_error(answer, 405, None)
    assert answer.headers["allow"] == "GET"


async def test_when_the_database_is_away_the_answer_says_when_to_retry(
    key: AsgiClient, services: Services
) -> None:
    await services.database.close()
    for method, path, body in (
        ("GET", "/api/v1/rooms", None),
        ("POST", "/api/v1/products", {"title": "T", "price_minor": 1, "currency": "CNY"}),
    ):
        answer = await key.call(method, path, body)
        check_error(answer, 503, None, "the database is not available")
        assert int(answer.headers["retry-after"]) >= 1


async def test_a_bug_answers_in_the_same_shape_and_says_nothing_about_itself(
    services: Services,
) -> None:
    class Broken(MemoryRealtime):
        async def presence_stats(self, channel: str) -> tuple[int, int]:
            raise ZeroDivisionError("secret detail")

    api = build_api(dataclasses.replace(services, realtime=Broken()))
    client = AsgiClient(api, {"x-api-key": API_KEY})
    answer = await client.call("POST", "/api/presence_stats", {"channel": "x"}, may_raise=True)
    check_error(answer, 500, None, "internal error")
    assert b"secret" not in answer.body


async def test_a_token_route_issues_what_the_websocket_accepts(
    key: AsgiClient, services: Services
) -> None:
    asked = {
        "user": "alice",
        "role": "host",
        "rooms": ["demo", "two"],
        "name": " Alice ",
        "avatar": "https://cdn.example/a.png",
        "ttl_seconds": 60,
    }
    answer = await key.call("POST", "/api/v1/tokens", asked)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    identity = services.tokens.verify(answer.json["token"])
    assert (identity.user_id, identity.role, identity.name) == ("alice", "host", "Alice")
    assert identity.rooms == {"demo", "two"}
    assert identity.avatar == "https://cdn.example/a.png"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"user": ""}, "user"),
        ({"user": "   "}, "user"),
        ({"user": "x" * 256}, "user"),
        ({"user": "a\u202eb"}, "user"),
        ({"user": 7}, "user"),
        ({"user": None}, "user"),
        ({"role": "king"}, "role"),
        ({"role": "Host"}, "role"),
        ({"rooms": "demo"}, "rooms"),
        ({"rooms": ["a b"]}, "rooms.0"),
        ({"rooms": ["r"] * 1001}, "rooms"),
        ({"name": "x" * 65}, "name"),
        ({"avatar": "javascript:x"}, "avatar"),
        ({"ttl_seconds": 0}, "ttl_seconds"),
        ({"ttl_seconds": 31_536_001}, "ttl_seconds"),
        ({"ttl_seconds": "60"}, "ttl_seconds"),
        ({"ttl_seconds": 1.5}, "ttl_seconds"),
        ({"ttl_seconds": True}, "ttl_seconds"),
        ({"ttl_seconds": 10**30}, "ttl_seconds"),
        ({"ttl": 60}, "ttl"),
    ],
)
async def test_a_token_is_not_issued_for_bad_fields(
    key: AsgiClient, changes: dict[str, Any], field: str
) -> None:
    answer = await key.call("POST", "/api/v1/tokens", {"user": "alice"} | changes)
    check_error(answer, 400, field)


async def test_a_server_that_only_verifies_says_so(services: Services) -> None:
    api = build_api(dataclasses.replace(services, tokens=Tokens("")))
    client = AsgiClient(api, {"x-api-key": API_KEY})
    check_error(await client.call("POST", "/api/v1/tokens", {"user": "a"}), 409, None)
    check_error(await client.call("POST", "/api/v1/guests", {"name": "a"}), 409, None)


async def test_a_slow_body_is_given_up(key: AsgiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.api.guard.BODY_WITHIN_S", 0.05)
    answer = await key.call(
        "POST", "/api/v1/rooms", chunks=[b"{", NEVER], headers={"content-type": "application/json"}
    )
    check_error(answer, 408, None, "did not arrive")


async def test_a_client_that_goes_away_within_a_body_is_no_fault_of_the_server(
    key: AsgiClient,
) -> None:
    answer = await key.call(
        "POST", "/api/v1/rooms", chunks=[b"{", GONE], headers={"content-type": "application/json"}
    )
    check_error(answer, 400, None, "ended within the body")
