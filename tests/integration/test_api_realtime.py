"""Server-to-server realtime through the HTTP API."""

from __future__ import annotations

from typing import Any

import pytest

from rooms.model import Lane
from tests.support.api_parts import EPOCH, MemoryRealtime
from tests.support.asgi_client import AsgiClient, check_error

pytest_plugins = ["tests.support.databases", "tests.support.api_fixtures"]


@pytest.mark.parametrize(
    "data", [{"t": "x", "deep": [{"茶": None}]}, [], "text", 7, 1.5, True, None, ""]
)
async def test_any_json_value_is_published_as_it_is(
    key: AsgiClient, realtime: MemoryRealtime, data: Any
) -> None:
    answer = await key.call("POST", "/api/publish", {"channel": "room:demo", "data": data})
    assert (answer.status, answer.json) == (200, {"result": {"offset": 1, "epoch": EPOCH}})
    assert realtime.sent == [("room:demo", data, Lane.CHAT)]


@pytest.mark.parametrize(
    ("lane", "expected", "offset"),
    [("state", Lane.STATE, 1), ("chat", Lane.CHAT, 1), ("pulse", Lane.PULSE, 0)],
)
async def test_the_lane_is_passed_on(
    key: AsgiClient, realtime: MemoryRealtime, lane: str, expected: Lane, offset: int
) -> None:
    body = {"channel": "room:demo", "data": 1, "lane": lane}
    answer = await key.call("POST", "/api/publish", body)
    assert answer.json["result"]["offset"] == offset
    assert realtime.sent[0][2] is expected


@pytest.mark.parametrize("name", ["publish", "history", "presence_stats"])
async def test_a_channel_that_is_not_there_is_a_404(key: AsgiClient, name: str) -> None:
    body = {"channel": "room:nobody"} | ({"data": 1} if name == "publish" else {})
    check_error(await key.call("POST", f"/api/{name}", body), 404, "channel")


@pytest.mark.parametrize("name", ["publish", "history", "presence_stats", "disconnect"])
async def test_when_realtime_is_away_the_answer_says_when_to_retry(
    key: AsgiClient, realtime: MemoryRealtime, name: str
) -> None:
    realtime.down = True
    body: dict[str, Any] = {"user": "bob"} if name == "disconnect" else {"channel": "room:demo"}
    body |= {"data": 1} if name == "publish" else {}
    answer = await key.call("POST", f"/api/{name}", body)
    check_error(answer, 503, None, "not available")
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"data": 1}, "channel"),
        ({"channel": "room:demo"}, "data"),
        ({"channel": "", "data": 1}, "channel"),
        ({"channel": 7, "data": 1}, "channel"),
        ({"channel": "x" * 256, "data": 1}, "channel"),
        ({"channel": "room:\n", "data": 1}, None),
        ({"channel": "room:demo", "data": 1, "lane": "slow"}, "lane"),
        ({"channel": "room:demo", "data": 1, "lane": None}, "lane"),
        ({"channel": "room:demo", "data": 1, "skip_history": True}, "skip_history"),
    ],
)
async def test_a_bad_publication_is_refused_by_field(
    key: AsgiClient, realtime: MemoryRealtime, body: dict[str, Any], field: str | None
) -> None:
    answer = await key.call("POST", "/api/publish", body)
    if field is None:  # blanks around a channel are dropped, so that there is no such channel
        check_error(answer, 404, "channel")
    else:
        check_error(answer, 400, field)
    assert realtime.sent == []


async def test_data_above_the_size_of_a_message_is_refused(
    key: AsgiClient, realtime: MemoryRealtime
) -> None:
    for name, channels in (
        ("publish", {"channel": "room:demo"}),
        ("broadcast", {"channels": ["room:demo"]}),
    ):
        answer = await key.call("POST", f"/api/{name}", channels | {"data": "x" * 65_535})
        check_error(answer, 413, "data", "more than 65536 bytes")
    assert realtime.sent == []
    fits = {"channel": "room:demo", "data": "x" * 65_534}
    assert (await key.call("POST", "/api/publish", fits)).status == 200


async def test_a_broadcast_answers_for_each_channel_in_order(key: AsgiClient) -> None:
    body = {"channels": ["room:two", "room:nobody", "room:demo"], "data": {"t": "x"}}
    answer = await key.call("POST", "/api/broadcast", body)
    assert answer.status == 200
    assert answer.json == {
        "result": {
            "responses": [
                {"result": {"offset": 1, "epoch": EPOCH}},
                {"error": {"code": 102, "message": "unknown channel"}},
                {"result": {"offset": 1, "epoch": EPOCH}},
            ]
        }
    }


async def test_a_broadcast_without_realtime_says_so_for_each_channel(
    key: AsgiClient, realtime: MemoryRealtime
) -> None:
    realtime.down = True
    answer = await key.call("POST", "/api/broadcast", {"channels": ["room:demo"], "data": 1})
    assert answer.status == 200
    (entry,) = answer.json["result"]["responses"]
    assert entry["error"]["code"] == 100


@pytest.mark.parametrize(
    ("channels", "field"),
    [([], "channels"), (["x"] * 101, "channels"), ("room:demo", "channels"), ([7], "channels.0")],
)
async def test_a_bad_list_of_channels_is_refused(
    key: AsgiClient, channels: Any, field: str
) -> None:
    body = {"channels": channels, "data": 1}
    check_error(await key.call("POST", "/api/broadcast", body), 400, field)


async def fill(realtime: MemoryRealtime, count: int) -> None:
    for number in range(1, count + 1):
        await realtime.publish("room:demo", {"n": number}, Lane.CHAT)


@pytest.mark.parametrize(
    ("changes", "offsets"),
    [
        ({}, []),
        ({"limit": 0}, []),
        ({"limit": 2}, [1, 2]),
        ({"limit": 2, "reverse": True}, [5, 4]),
        ({"limit": -1}, [1, 2, 3, 4, 5]),
        ({"limit": 10**9}, [1, 2, 3, 4, 5]),
        ({"limit": -1, "since": {"offset": 3, "epoch": EPOCH}}, [4, 5]),
        ({"limit": 9, "since": None}, [1, 2, 3, 4, 5]),
    ],
)
async def test_history_gives_events_and_the_newest_position(
    key: AsgiClient, realtime: MemoryRealtime, changes: dict[str, Any], offsets: list[int]
) -> None:
    await fill(realtime, 5)
    answer = await key.call("POST", "/api/history", {"channel": "room:demo"} | changes)
    assert answer.json == {
        "result": {
            "publications": [{"offset": offset, "data": {"n": offset}} for offset in offsets],
            "offset": 5,
            "epoch": EPOCH,
        }
    }


async def test_history_is_never_longer_than_the_server_gives(
    key: AsgiClient, realtime: MemoryRealtime
) -> None:
    await fill(realtime, 305)
    answer = await key.call("POST", "/api/history", {"channel": "room:demo", "limit": -1})
    assert len(answer.json["result"]["publications"]) == 300


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"limit": -2}, "limit"),
        ({"limit": "5"}, "limit"),
        ({"since": {"offset": 1}}, "since.epoch"),
        ({"since": {"offset": -1, "epoch": "x"}}, "since.offset"),
        ({"since": {"offset": 1, "epoch": "x", "y": 1}}, "since.y"),
        ({"since": 5}, "since"),
        ({"reverse": "yes"}, "reverse"),
        ({"reverse": 1}, "reverse"),
    ],
)
async def test_a_bad_question_for_history_is_refused(
    key: AsgiClient, changes: dict[str, Any], field: str
) -> None:
    body = {"channel": "room:demo"} | changes
    check_error(await key.call("POST", "/api/history", body), 400, field)


async def test_presence_counts_connections_and_users(key: AsgiClient) -> None:
    answer = await key.call("POST", "/api/presence_stats", {"channel": "room:demo"})
    assert answer.json == {"result": {"num_clients": 7, "num_users": 3}}


async def test_a_user_is_disconnected_for_good_unless_said_otherwise(
    key: AsgiClient, realtime: MemoryRealtime
) -> None:
    assert (await key.call("POST", "/api/disconnect", {"user": "bob"})).json == {"result": {}}
    again = {"user": "bob", "code": 4000, "reason": "请重新登录"}
    assert (await key.call("POST", "/api/disconnect", again)).status == 200
    assert realtime.disconnected == [
        ("bob", 3503, "force disconnect"),
        ("bob", 4000, "请重新登录"),
    ]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"user": ""}, "user"),
        ({"user": None}, "user"),
        ({"code": 1000}, "code"),
        ({"code": 2999}, "code"),
        ({"code": 5000}, "code"),
        ({"code": "3503"}, "code"),
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 124}, "reason"),
        ({"reason": "茶" * 42}, "reason"),
        ({"reason": "123"}, "reason"),
        ({"reason": '{"code": 1}'}, "reason"),
        ({"reason": "null"}, "reason"),
    ],
)
async def test_a_disconnect_that_clients_would_misread_is_refused(
    key: AsgiClient, realtime: MemoryRealtime, changes: dict[str, Any], field: str
) -> None:
    body = {"user": "bob"} | changes
    check_error(await key.call("POST", "/api/disconnect", body), 400, field)
    assert realtime.disconnected == []
