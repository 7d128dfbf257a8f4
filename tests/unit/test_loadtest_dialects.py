"""How an audience joins and reads: the Centrifuge protocol and plain events."""

from __future__ import annotations

import json

import pytest

from loadtest.dialects import Answered, Arrival, Centrifuge, Plain, Refused

CENTRIFUGE = Centrifuge("demo")


def test_connect_and_subscribe_go_out_in_one_frame() -> None:
    connect, subscribe = map(json.loads, Centrifuge("demo", token="jwt").opening.split(b"\n"))
    assert connect == {"id": 1, "connect": {"token": "jwt"}}
    assert subscribe == {"id": 2, "subscribe": {"channel": "room:demo"}}


def test_a_guest_sends_no_token() -> None:
    assert json.loads(CENTRIFUGE.opening.split(b"\n")[0]) == {"id": 1, "connect": {}}


def test_both_answers_may_share_a_frame_or_not() -> None:
    connect = b'{"id":1,"connect":{"client":"c","version":"onair/0.1"}}'
    subscribe = b'{"id":2,"subscribe":{"epoch":"e","offset":17}}'
    assert CENTRIFUGE.answered(connect + b"\n" + subscribe) == Answered(2, 17)
    assert CENTRIFUGE.answered(connect) == Answered(1)
    assert CENTRIFUGE.answered(subscribe + b"\n") == Answered(1, 17)


def test_a_fresh_room_is_at_offset_zero() -> None:
    assert CENTRIFUGE.answered(b'{"id":2,"subscribe":{}}') == Answered(1, 0)


def test_an_error_instead_of_an_answer_is_named() -> None:
    with pytest.raises(Refused, match="102 unknown channel"):
        CENTRIFUGE.answered(b'{"id":2,"error":{"code":102,"message":"unknown channel"}}')


@pytest.mark.parametrize("message", [b"{}", b"{}\n", b'{"push":{}}\n{}'])
def test_a_ping_is_noticed_alone_and_among_others(message: bytes) -> None:
    assert CENTRIFUGE.wants_pong(message)


def test_an_empty_object_inside_an_event_is_no_ping() -> None:
    assert not CENTRIFUGE.wants_pong(b'{"push":{"channel":"room:demo","pub":{"data":{}}}}')


def test_publications_are_read_in_order_and_all_else_is_skipped() -> None:
    message = b"\n".join(
        (
            b'{"push":{"channel":"room:demo","pub":{"data":{"n":1},"offset":8}}}',
            b'{"push":{"channel":"room:demo","pub":{"data":{"t":"likes"}}}}',
            b"{}",
            b'{"push":{"channel":"room:demo","unsubscribe":{"code":2500,"reason":"x"}}}',
            b'{"push":{"channel":"room:demo","pub":{"data":{"n":2},"offset":9}}}',
            b"",
        )
    )
    assert CENTRIFUGE.arrivals(message) == [
        Arrival(8, {"n": 1}),
        Arrival(0, {"t": "likes"}),
        Arrival(9, {"n": 2}),
    ]


def test_a_plain_server_greets_once_and_then_sends_bare_events() -> None:
    plain = Plain()
    assert plain.opening == b""
    assert plain.answered(b'{"hello":"viewer"}') == Answered(1)
    assert plain.arrivals(b'{"n":3}') == [Arrival(0, {"n": 3})]
    assert not plain.wants_pong(b"{}")
