"""How an audience joins and reads: the Centrifuge protocol and plain events."""

from __future__ import annotations

import json

import pytest

from loadtest.dialects import Answered, Arrival, Centrifuge, Nats, Plain, Refused, Silent

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
    assert CENTRIFUGE.answered(connect + b"\n" + subscribe) == Answered(2, 17, "e")
    assert CENTRIFUGE.answered(connect) == Answered(1)
    assert CENTRIFUGE.answered(subscribe + b"\n") == Answered(1, 17, "e")


def test_who_comes_back_says_where_it_was_and_hears_what_it_missed() -> None:
    coming = Centrifuge("demo", since=(17, "e"))
    asked = json.loads(coming.opening.split(b"\n")[1])["subscribe"]
    assert asked == {"channel": "room:demo", "recover": True, "offset": 17, "epoch": "e"}
    assert json.loads(CENTRIFUGE.again(17, "e"))["subscribe"] == asked
    missed = b'"publications":[{"data":{"n":1},"offset":18},{"data":{"n":2},"offset":19}]'
    joined = b'{"id":2,"subscribe":{"recovered":true,"epoch":"e","offset":17,%s}}' % missed
    event = b'{"push":{"channel":"room:demo","pub":{"data":{"n":3},"offset":20}}}'
    assert coming.answered(joined + b"\n" + event) == Answered(
        1, 17, "e", True, (Arrival(18, {"n": 1}), Arrival(19, {"n": 2})), (Arrival(20, {"n": 3}),)
    )


def test_without_a_room_one_only_signs_in() -> None:
    alone = Centrifuge("", token="jwt")
    assert json.loads(alone.opening) == {"id": 1, "connect": {"token": "jwt"}}
    assert alone.answers_expected == 1
    assert alone.answered(b'{"id":1,"connect":{"ping":25}}') == Answered(1, ping_s=25)


@pytest.mark.parametrize(
    ("message", "offsets"),
    [
        (b'{"push":{"pub":{"data":{"t":"likes"}}}}', (0, 0, 0)),
        (b'{"push":{"pub":{"data":{},"offset":41}}}\n{"push":{"pub":{"data":{}}}}', (41, 41, 1)),
        (
            b'{"push":{"pub":{"data":{},"offset":41}}}\n{"push":{"pub":{"data":{},"offset":42}}}',
            (41, 42, 2),
        ),
        (b'{"push":{"pub":{"data":{"text":"\\"offset\\":9"},"offset":7}}}', (7, 7, 1)),
        (b'{"push":{"pub":{"data":{"text":"\\"offset\\":9"}}}}', (0, 0, 0)),
    ],
)
def test_offsets_are_found_without_reading_the_rest(
    message: bytes, offsets: tuple[int, int, int]
) -> None:
    assert CENTRIFUGE.offsets(message) == offsets


@pytest.mark.parametrize(("code", "may_return"), [(2500, True), (2000, False)])
def test_who_is_put_out_may_come_back_unless_it_was_sent_away(code: int, may_return: bool) -> None:
    told = {"push": {"channel": "room:demo", "unsubscribe": {"code": code, "reason": "x"}}}
    message = json.dumps(told, separators=(",", ":")).encode()
    assert CENTRIFUGE.is_put_out(message) is may_return


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


def test_a_silent_server_lets_in_with_the_upgrade() -> None:
    assert (Silent().answers_expected, Silent().opening) == (0, b"")
    assert Silent().arrivals(b'{"n":3}') == [Arrival(0, {"n": 3})]


NATS = Nats("bench")


def test_a_nats_viewer_subscribes_and_is_in_when_its_ping_is_answered() -> None:
    connect, subscribe, ping, rest = NATS.opening.split(b"\r\n")
    assert connect.startswith(b"CONNECT {")
    assert json.loads(connect.partition(b" ")[2])["verbose"] is False
    assert (subscribe, ping, rest) == (b"SUB bench 1", b"PING", b"")
    assert NATS.is_binary
    assert NATS.answered(b'INFO {"server_id":"x"}\r\n') == Answered(0)
    early = b'PONG\r\nMSG bench 1 7\r\n{"n":1}\r\n'
    assert NATS.answered(early) == Answered(1, after=(Arrival(0, {"n": 1}),))


def test_several_nats_messages_in_a_frame_are_read_by_their_sizes() -> None:
    tricky = b'{"n":2,"text":"MSG bench 1 3"}'
    message = b'MSG bench 1 7\r\n{"n":1}\r\n+OK\r\nMSG bench 1 reply.to %d\r\n%s\r\nPING\r\n'
    assert [each.data["n"] for each in NATS.arrivals(message % (len(tricky), tricky))] == [1, 2]


@pytest.mark.parametrize(
    ("message", "is_ping"),
    [
        (b"PING\r\n", True),
        (b"MSG bench 1 2\r\n{}\r\nPING\r\n", True),
        (b'MSG bench 1 6\r\n"PING"\r\n', False),
        (b"PONG\r\n", False),
    ],
)
def test_a_nats_ping_is_told_from_a_message_about_one(message: bytes, is_ping: bool) -> None:
    assert NATS.wants_pong(message) is is_ping
    assert NATS.pong == b"PONG\r\n"


@pytest.mark.parametrize("message", [b'MSG bench 1 7\r\n{"n":', b"MSG bench 1 7", b"PON"])
def test_half_a_nats_message_is_an_error(message: bytes) -> None:
    with pytest.raises(ValueError, match="half a NATS"):
        NATS.arrivals(message)


def test_a_nats_error_is_a_refusal() -> None:
    with pytest.raises(Refused, match="Slow Consumer"):
        NATS.answered(b"-ERR 'Slow Consumer'\r\n")
