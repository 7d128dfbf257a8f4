"""The JSON encoding: what is a command, what is malformed, and how answers look."""

from __future__ import annotations

import orjson
import pytest

from rooms.log import Entry
from rooms.model import Lane
from server.codec import PONG, Command, Malformed, Method, Pulse
from server.codec.json_v2 import JsonCodec

CODEC = JsonCodec()


def entry(offset: int, payload: bytes = b'{"t":"x"}') -> Entry:
    return Entry(offset, Lane.CHAT, "x", payload)


def test_several_commands_share_one_message_and_keep_their_order() -> None:
    message = b'{"id":1,"connect":{"token":"t"}}\n{"id":2,"subscribe":{"channel":"room:a"}}\n'
    assert CODEC.decode(message) == [
        Command(1, Method.CONNECT, {"token": "t"}),
        Command(2, Method.SUBSCRIBE, {"channel": "room:a"}),
    ]


def test_an_empty_object_is_a_pong() -> None:
    assert CODEC.decode(b"{}") == [PONG]
    assert CODEC.decode(b"{}")[0] is PONG


def test_send_may_come_without_an_id() -> None:
    assert CODEC.decode(b'{"send":{"data":1}}') == [Command(0, Method.SEND, {"data": 1})]


def test_the_first_method_that_is_not_null_counts() -> None:
    message = b'{"id":3,"connect":null,"rpc":{"method":"m"},"publish":{}}'
    assert CODEC.decode(message) == [Command(3, Method.RPC, {"method": "m"})]


@pytest.mark.parametrize("message", [b'{"id":4}', b'{"id":4,"teleport":{}}'])
def test_a_command_without_a_known_method_is_unknown_not_malformed(message: bytes) -> None:
    assert CODEC.decode(message) == [Command(4, Method.UNKNOWN, {})]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\n",
        b"  ",
        b"nonsense",
        b"[]",
        b"1",
        b"null",
        b'"text"',
        b'{"id":1,"connect":{}',
        b'{"id":-1,"connect":{}}',
        b'{"id":4294967296,"connect":{}}',
        b'{"id":"1","connect":{}}',
        b'{"id":1.5,"connect":{}}',
        b'{"id":true,"connect":{}}',
        b'{"id":0,"connect":{}}',
        b'{"connect":{}}',
        b'{"id":1,"connect":[]}',
        b'{"id":1,"connect":"x"}',
        b'{"id":1,"connect":{}}\n{',
        b'{"id":1,"connect":{"token":"\xff"}}',
    ],
)
def test_what_is_no_command_is_malformed(message: bytes) -> None:
    with pytest.raises(Malformed):
        CODEC.decode(message)


def test_results_and_errors_carry_the_id_of_their_command() -> None:
    assert orjson.loads(CODEC.result(7, Method.UNSUBSCRIBE, b"{}")) == {"id": 7, "unsubscribe": {}}
    assert orjson.loads(CODEC.error(8, 429, "too fast", temporary=False)) == {
        "id": 8,
        "error": {"code": 429, "message": "too fast"},
    }
    assert orjson.loads(CODEC.error(9, 111, "later", temporary=True))["error"]["temporary"] is True


def test_stored_events_have_an_offset_and_pulses_have_none() -> None:
    (stored,) = CODEC.publications("room:a", [entry(5)])
    (pulse,) = CODEC.pulses("room:a", [Pulse(b'{"t":"likes"}')])
    assert orjson.loads(stored) == {
        "push": {"channel": "room:a", "pub": {"data": {"t": "x"}, "offset": 5}}
    }
    assert orjson.loads(pulse) == {"push": {"channel": "room:a", "pub": {"data": {"t": "likes"}}}}


def test_a_subscribe_result_holds_facts_snapshot_and_what_was_missed() -> None:
    missed = CODEC.entries((entry(4), entry(5)))
    result = CODEC.subscribe_result({"epoch": "e", "offset": 3}, b'{"room":1}', missed)
    assert orjson.loads(result) == {
        "epoch": "e",
        "offset": 3,
        "data": {"room": 1},
        "publications": [
            {"data": {"t": "x"}, "offset": 4},
            {"data": {"t": "x"}, "offset": 5},
        ],
    }


def test_empty_parts_of_a_subscribe_result_are_left_out() -> None:
    assert CODEC.subscribe_result({}, b"", CODEC.entries(())) == b"{}"
