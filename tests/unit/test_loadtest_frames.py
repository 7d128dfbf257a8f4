"""The audience's own framing, against the `websockets` library as the other side."""

from __future__ import annotations

import pytest
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from loadtest import frames

SIZES = (0, 1, 125, 126, 127, 65_535, 65_536, 70_001)


def served(payload: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin=fin).serialize(mask=False)


def handshake(*headers: bytes, status: bytes = b"101 Switching Protocols") -> bytes:
    accept = b"Sec-WebSocket-Accept: " + frames.accept_value(frames.UPGRADE_KEY)
    return b"\r\n".join((b"HTTP/1.1 " + status, b"Upgrade: websocket", accept, *headers, b"", b""))


@pytest.mark.parametrize("size", SIZES)
def test_a_client_frame_is_read_back_whole_by_a_real_server(size: int) -> None:
    payload = bytes(index % 251 for index in range(size))
    server = ServerProtocol(state=OPEN, max_size=None)
    server.receive_data(frames.client_frame(payload, frames.BINARY))
    [event] = server.events_received()
    assert isinstance(event, Frame)
    assert (event.opcode, event.data) == (Opcode.BINARY, payload)


def test_two_client_frames_of_one_payload_are_masked_differently() -> None:
    assert frames.client_frame(b"x" * 40) != frames.client_frame(b"x" * 40)


def test_the_accept_value_is_the_one_of_the_rfc() -> None:
    assert frames.accept_value(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("size", SIZES)
def test_a_server_frame_is_read_whole_however_it_is_split(size: int) -> None:
    payload = b"ab" * (size // 2) + b"c" * (size % 2)
    wire = served(payload) + served(b"next")
    for step in {1, 2, 3, 7, 64, len(wire)} if size < 1000 else {1000, len(wire)}:
        reader, messages = frames.FrameReader(), []
        for start in range(0, len(wire), step):
            messages += reader.feed(wire[start : start + step])
        assert messages == [(frames.TEXT, payload), (frames.TEXT, b"next")]
        assert reader.between_messages


def test_a_reader_holding_half_a_frame_is_not_between_messages() -> None:
    reader = frames.FrameReader()
    assert reader.between_messages
    assert reader.feed(served(b"hello")[:4]) == []
    assert not reader.between_messages


def test_fragments_are_joined_and_a_ping_between_them_comes_first() -> None:
    reader = frames.FrameReader()
    assert reader.feed(served(b"one ", fin=False)) == []
    assert not reader.between_messages
    wire = served(b"?", Opcode.PING) + served(b"two ", Opcode.CONT, fin=False)
    assert reader.feed(wire) == [(frames.PING, b"?")]
    assert reader.feed(served(b"three", Opcode.CONT)) == [(frames.TEXT, b"one two three")]
    assert reader.between_messages


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        (Frame(Opcode.TEXT, b"hi").serialize(mask=True), "masked"),
        (b"\xc1\x01x", "reserved"),
        (served(b"x", Opcode.CONT), "out of order"),
        (served(b"x", fin=False) + served(b"y"), "out of order"),
        (b"\x09\x01x", "fragmented control"),
        (b"\x81\x7f" + (1 << 40).to_bytes(8, "big"), "too long"),
    ],
)
def test_bytes_a_server_must_not_send_are_refused(wire: bytes, why: str) -> None:
    with pytest.raises(frames.FramingError, match=why):
        frames.FrameReader().feed(wire)


def test_a_close_payload_gives_code_and_reason() -> None:
    assert frames.close_code((3001).to_bytes(2, "big") + b"shutdown") == (3001, "shutdown")
    assert frames.close_code(b"") == (frames.NO_STATUS, "")


def test_a_close_frame_is_understood_by_a_real_server() -> None:
    server = ServerProtocol(state=OPEN)
    server.receive_data(frames.close_frame(1000, "bye"))
    server.events_received()
    assert server.close_rcvd == Close(1000, "bye")


def test_an_upgrade_request_is_accepted_by_a_real_server() -> None:
    server = ServerProtocol()
    server.receive_data(frames.upgrade_request("127.0.0.1:8000", "/ws", (("X-Seat", "7"),)))
    [request] = server.events_received()
    response = server.accept(request)  # type: ignore[arg-type]
    assert response.status_code == 101
    assert request.path == "/ws"  # type: ignore[union-attr]
    assert request.headers["X-Seat"] == "7"  # type: ignore[union-attr]
    server.send_response(response)
    answer = b"".join(server.data_to_send())
    assert frames.upgrade_answer(answer) == len(answer)


def test_an_incomplete_handshake_answer_is_waited_for() -> None:
    answer = handshake()
    assert frames.upgrade_answer(answer[:-1]) is None
    assert frames.upgrade_answer(answer + b"\x81\x00") == len(answer)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (handshake(status=b"503 Service Unavailable"), "503 Service Unavailable"),
        (handshake().replace(b"Accept: ", b"Accept: x"), "wrong Sec-WebSocket-Accept"),
        (handshake(b"Sec-WebSocket-Extensions: permessage-deflate"), "extension nobody asked"),
        (b"x" * (frames.HANDSHAKE_BYTES_MAX + 1), "endless"),
    ],
)
def test_a_handshake_answer_that_is_not_the_agreed_one_is_refused(answer: bytes, why: str) -> None:
    with pytest.raises(frames.FramingError, match=why):
        frames.upgrade_answer(answer)
