"""Every field of every request, with a value of every wrong type: an error that names the field.

Each try has a connection of its own: connect as a host, subscribe, the request, `time.now`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, NamedTuple

import pytest

from tests.support.hostile import End, Hostile, check_reply, command
from tests.support.live_server import LiveServer

pytest_plugins = ["tests.support.hostile_fixtures"]

AT_ONCE = 16
ABSENT = object()
VALUES: dict[str, Any] = {
    "absent": ABSENT,
    "null": None,
    "true": True,
    "zero": 0,
    "minus one": -1,
    "above 32 bits": 2**32,
    "above a double": 2**53 + 1,
    "above 64 bits": 2**64,
    "far above": 10**300,
    "a fraction": 1.5,
    "an empty text": "",
    "a text": "x",
    "a blank": " ",
    "a long text": "长" * 5_000,
    "NUL": "\0",
    "control characters": "a\x1fb\nc",
    "an emoji": "\U0001f600",
    "an empty list": [],
    "a list": [{"room": []}],
    "an empty object": {},
    "an object": {"$ne": None},
}
OK: set[Any] = {type(None), bool, int, float, str, list, dict}  # any JSON value is legal

# What a field may hold; a value of another type must be refused by the field's name.
NULL = type(None)
TEXT: set[Any] = {str}
TEXT_OR_NULL: set[Any] = {str, NULL}
WHOLE: set[Any] = {int}
WHOLE_OR_NULL: set[Any] = {int, NULL}
FLAG: set[Any] = {bool, NULL}
OBJECT_OR_NULL: set[Any] = {dict, NULL}
ROOM = "{room}"
CHANNEL = "room:{room}"
TOKEN = "{token}"


class Request(NamedTuple):
    """A command that is good as it stands, and the types that each of its fields takes."""

    method: str
    good: dict[str, Any]
    types: dict[str, set[Any]]
    rpc: str = ""
    own_room: bool = False  # the room of the try is not subscribed to before


def rpc(method: str, types: dict[str, set[Any]], **data: Any) -> Request:
    good = {"method": method, "data": {"room": ROOM, **data}}
    return Request("rpc", good, {"room": TEXT, **types}, rpc=method)


REQUESTS = [
    Request(
        "connect",
        {"token": TOKEN, "name": "js", "version": "1", "subs": {}, "data": {}, "headers": {}},
        {
            "token": TEXT_OR_NULL,
            "name": TEXT_OR_NULL,
            "version": TEXT_OR_NULL,
            "subs": OBJECT_OR_NULL,
            "data": OK,
            "headers": OK,
        },
    ),
    Request(
        "subscribe",
        {"channel": CHANNEL, "recover": True, "offset": 0, "epoch": "", "flag": 0},
        {
            "channel": TEXT,
            "token": TEXT_OR_NULL,
            "recover": FLAG,
            "offset": WHOLE_OR_NULL,
            "epoch": TEXT_OR_NULL,
            "flag": WHOLE_OR_NULL,
            "data": OK,
            "positioned": OK,
            "recoverable": OK,
            "join_leave": OK,
        },
        own_room=True,
    ),
    Request("unsubscribe", {"channel": CHANNEL}, {"channel": TEXT}),
    Request("publish", {"channel": CHANNEL, "data": {"a": 1}}, {"channel": TEXT, "data": OK}),
    Request("presence", {"channel": CHANNEL}, {"channel": TEXT}),
    Request("presence_stats", {"channel": CHANNEL}, {"channel": TEXT}),
    Request(
        "history",
        {"channel": CHANNEL, "limit": 5, "since": {"offset": 0, "epoch": ""}, "reverse": False},
        {
            "channel": TEXT,
            "limit": WHOLE_OR_NULL,
            "since": OBJECT_OR_NULL,
            "since.offset": WHOLE_OR_NULL,
            "since.epoch": TEXT_OR_NULL,
            "reverse": FLAG,
        },
    ),
    Request("refresh", {"token": TOKEN}, {"token": TEXT}),
    Request(
        "sub_refresh",
        {"channel": CHANNEL, "token": "{sub_token}"},
        {"channel": TEXT_OR_NULL, "token": TEXT},
    ),
    Request(
        "rpc",
        {"method": "time.now", "data": {}},
        {"method": TEXT_OR_NULL, "data": OBJECT_OR_NULL},
    ),
    rpc(
        "comment.send",
        {"text": TEXT, "reply_to": TEXT_OR_NULL, "cid": TEXT_OR_NULL},
        text="hello",
        reply_to=None,
        cid="c-1",
    ),
    rpc("comment.like", {"id": TEXT}, id="abc"),
    rpc("like.add", {"n": WHOLE}, n=1),
    rpc("comment.remove", {"id": TEXT, "reason": TEXT}, id="abc", reason="because"),
    rpc("comment.pin", {"id": TEXT_OR_NULL}, id=None),
    rpc("product.pin", {"product": TEXT_OR_NULL}, product=None),
    rpc("room.mode", {"slow_seconds": WHOLE}, slow_seconds=0),
    rpc(
        "room.mute",
        {"user": TEXT, "seconds": WHOLE, "reason": TEXT},
        user="bob",
        seconds=1,
        reason="",
    ),
    rpc("room.ban", {"user": TEXT, "reason": TEXT}, user="bob", reason=""),
    rpc("room.unban", {"user": TEXT}, user="bob"),
    rpc("room.notice", {"text": TEXT_OR_NULL}, text="hello"),
]
MAY_BE_ABSENT = {"reply_to", "cid", "reason"}  # of procedures


def tries(request: Request) -> Iterator[tuple[str, str, Any]]:
    """(field, name of the value, value) for every field and value."""
    for field in request.types:
        for name, value in VALUES.items():
            yield field, name, value


def changed(request: Request, field: str, value: Any) -> dict[str, Any]:
    """The good request with another value in one field."""
    whole = deepcopy(request.good)
    place = whole["data"] if request.rpc else whole
    *parents, last = field.split(".")
    for parent in parents:
        place = place[parent]
    if value is ABSENT:
        place.pop(last, None)
    else:
        place[last] = value
    return whole


def filled(value: Any, words: dict[str, str]) -> Any:
    """Our placeholders replaced."""
    if isinstance(value, dict):
        return {key: filled(one, words) for key, one in value.items()}
    if isinstance(value, str):
        for word, replacement in words.items():
            value = value.replace("{" + word + "}", replacement)
    return value


def fits(request: Request, field: str, value: Any) -> bool:
    """Whether the field may hold a value of this type."""
    if value is ABSENT:
        absent = field in MAY_BE_ABSENT if request.rpc else type(None) in request.types[field]
        return absent and (request.method, field) != ("publish", "data")
    return type(value) in request.types[field]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: one.rpc or one.method)
async def test_a_field_of_the_wrong_type_is_refused_by_its_name(
    unharmed: LiveServer, request_: Request
) -> None:
    room = await unharmed.new_room()
    channel = f"room:{room}"
    gate = asyncio.Semaphore(AT_ONCE)

    async def attempt(number: int, field: str, name: str, value: Any) -> None:
        what = f"{request_.rpc or request_.method} with {name} as {field}"
        user = f"field-host-{number}"  # one for all would come too fast
        token = unharmed.token(user, role="host")
        sub_token = unharmed.subscription_token(user, channel)
        words = {"room": room, "token": token, "sub_token": sub_token}
        wanted = filled(changed(request_, field, value), words)
        async with gate, await Hostile.open(unharmed.port) as peer:
            if request_.method != "connect":
                await peer.say(command(1, "connect", {"token": token}))
                if not request_.own_room:
                    await peer.say(command(2, "subscribe", {"channel": channel}))
            now = command(4, "rpc", {"method": "time.now"})
            await peer.say(command(3, request_.method, wanted), now)
            answer = await peer.reply(3)
            judge(what, answer, fits(request_, field, value), field)
            if isinstance(answer, dict) and (request_.method != "connect" or "error" not in answer):
                after = await peer.reply(4)
                assert isinstance(after, dict), f"{what}: {after}"
                assert "rpc" in after, f"{what}: {after}"

    async with asyncio.TaskGroup() as group:
        for number, one in enumerate(tries(request_)):
            group.create_task(attempt(number, *one))


def judge(what: str, answer: dict[str, Any] | End, fitting: bool, field: str) -> None:
    if isinstance(answer, End):  # a token that nobody signed
        assert answer.code == 3500, f"{what}: {answer}"
        assert fitting, f"{what}: {answer}"
        assert field == "token", f"{what}: {answer}"
        return
    check_reply(answer)
    if fitting:
        return
    assert "error" in answer, f"{what}: {answer}"
    error = answer["error"]
    assert error["code"] in (107, 400), f"{what}: {answer}"
    name = field.rpartition(".")[2]
    assert error["message"].startswith(f"{name}:"), f"{what}: {answer}"


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: one.rpc or one.method)
async def test_the_good_request_is_good(unharmed: LiveServer, request_: Request) -> None:
    """So that the errors above are about the field, and not about all the rest."""
    room = await unharmed.new_room()
    token = unharmed.token("good-host", role="host")
    channel = f"room:{room}"
    sub_token = unharmed.subscription_token("good-host", channel)
    words = {"room": room, "token": token, "sub_token": sub_token}
    async with await Hostile.open(unharmed.port) as peer:
        if request_.method != "connect":
            await peer.say(command(1, "connect", {"token": token}))
            if not request_.own_room:
                await peer.say(command(2, "subscribe", {"channel": channel}))
        await peer.say(command(3, request_.method, filled(request_.good, words)))
        answer = await peer.reply(3)
        assert isinstance(answer, dict), answer
        if request_.rpc in ("comment.like", "comment.remove"):  # there is no such comment
            assert answer["error"]["code"] == 404
        else:
            assert request_.method in answer, answer


@pytest.mark.parametrize("field", ["method", "data"])
async def test_a_send_of_anything_is_taken_without_a_word_or_closed_with_3508(
    unharmed: LiveServer, field: str
) -> None:
    for name, value in VALUES.items():
        data: dict[str, Any] = {"method": "like.add", "data": {"room": "demo", "n": 1}}
        data[field] = None if value is ABSENT else value
        async with await Hostile.open(unharmed.port) as peer:
            await peer.say(command(1, "connect", {}), command(0, "send", {"data": data}))
            await peer.say(command(2, "rpc", {"method": "time.now"}))
            answer = await peer.reply(2)
            if field == "method":
                assert answer == End(3508, "not available"), name
            else:
                assert isinstance(answer, dict), (name, answer)
                assert [one["id"] for one in peer.messages] == [1, 2], name
