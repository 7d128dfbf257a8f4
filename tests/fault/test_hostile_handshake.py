"""Abuse of the handshake: each gets its documented HTTP status, and nobody may dawdle."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.support.hostile import (
    CONNECT_WITHIN_S,
    DEFLATE,
    KEY,
    REQUEST_WITHIN_S,
    Hostile,
    command,
    handshake,
    http_answer,
    hung_up,
)
from tests.support.live_server import LiveServer

pytest_plugins = ["tests.support.hostile_fixtures"]

CONNECT = command(1, "connect", {})
LATE_MARGIN_S = 6.0  # a wheel that turns once a second, on a loaded machine

REFUSED_HEADERS = {
    "another origin": ("Origin: https://evil.example\r\n", 403),
    "an opaque origin": ("Origin: null\r\n", 403),
    "an empty origin": ("Origin:\r\n", 403),
    "an origin that is no address": ("Origin: http://[\r\n", 403),
    "the own origin as a prefix": ("Origin: http://127.0.0.1.evil.example\r\n", 403),
    "protobuf": ("Sec-WebSocket-Protocol: centrifuge-protobuf\r\n", 400),
    "protobuf beside JSON": (
        "Sec-WebSocket-Protocol: centrifuge-json, centrifuge-protobuf\r\n",
        400,
    ),
    "a subprotocol that is no token": ("Sec-WebSocket-Protocol: a b\r\n", 400),
    "an extension that is no token": ("Sec-WebSocket-Extensions: ;;;\r\n", 400),
    "a bearer token that is garbage": ("Authorization: Bearer garbage\r\n", 401),
    "a bearer token that is not ASCII": ("Authorization: Bearer \xe9\xff\r\n", 401),
    "a header line that is too long": (f"Authorization: Bearer {'x' * 9_000}\r\n", 431),
    "too many headers": ("X-A: b\r\n" * 200, 431),
    "a body": ("Content-Length: 5\r\n", 400),
    "a chunked body": ("Transfer-Encoding: chunked\r\n", 400),
    "huge headers": ("X-Huge: " + "x" * 40_000 + "\r\n", 431),
    "many headers that are huge together": (f"X-A: {'b' * 1_000}\r\n" * 40, 431),
    "a second key": (f"Sec-WebSocket-Key: {KEY}\r\n", 400),
}

REPLACED = {
    "no key": (f"Sec-WebSocket-Key: {KEY}\r\n", "", {400}),
    "a short key": (KEY, "c2hvcnQ=", {400}),
    "a key that is not base64": (KEY, "!" * 24, {400}),
    "an old version": ("Version: 13", "Version: 8", {400, 426}),
    "no version": ("Sec-WebSocket-Version: 13\r\n", "", {400, 426}),
    "a version that is no number": ("Version: 13", "Version: x", {400, 426}),
    "another method": ("GET ", "POST ", {400, 405}),
    "no connection header": ("Connection: Upgrade\r\n", "", {400, 404, 426}),
    "another upgrade": ("Upgrade: websocket", "Upgrade: h2c", {400, 404, 426}),
    "no host": ("Host: ", "X-Host: ", {101, 400}),
    "another path": ("/connection/websocket", "/connection/other", {403, 404}),
    "a path that is no UTF-8": ("/connection/websocket", "/connection/%ff%00", {403, 404}),
    "a path with raw bytes": ("/connection/websocket", "/connection/\xe9", {400, 403, 404}),
    "protobuf in the query": ("websocket HTTP", "websocket?cf_protocol=protobuf HTTP", {400}),
    "protobuf as format": ("websocket HTTP", "websocket?format=protobuf HTTP", {400}),
    "no HTTP": ("GET ", "\x16\x03\x01 ", {400}),
    "a folded header": ("Upgrade: websocket", "Upgrade: websocket\r\n folded", {400}),
    "HTTP 3": ("HTTP/1.1", "HTTP/3.7", {400, 505}),
}

TOLERATED = {
    "a blank subprotocol": "Sec-WebSocket-Protocol:\r\n",
    "a subprotocol of blanks": "sec-websocket-protocol: \t \r\n",
    "an unknown subprotocol": "Sec-WebSocket-Protocol: chat\r\n",
    "a header that is not ASCII": "User-Agent: caf\xe9\r\n",
    "no bearer": "Authorization: Basic Zm9vOmJhcg==\r\n",
    "an extension that is unknown": "Sec-WebSocket-Extensions: x-bomb; a=b\r\n",
}


@pytest.mark.parametrize("name", REFUSED_HEADERS)
async def test_a_bad_header_is_refused_with_its_status(unharmed: LiveServer, name: str) -> None:
    extra, expected = REFUSED_HEADERS[name]
    status, answer = await http_answer(unharmed.port, handshake(unharmed.port, extra=extra))
    assert status == expected, answer


@pytest.mark.parametrize("name", REPLACED)
async def test_a_request_that_is_no_handshake_is_refused(unharmed: LiveServer, name: str) -> None:
    good, bad, expected = REPLACED[name]
    request = handshake(unharmed.port)
    assert good.encode("latin-1") in request
    sent = request.replace(good.encode("latin-1"), bad.encode("latin-1"), 1)
    status, answer = await http_answer(unharmed.port, sent)
    assert status in expected, answer


@pytest.mark.parametrize("name", TOLERATED)
async def test_a_strange_header_is_tolerated(unharmed: LiveServer, name: str) -> None:
    async with await Hostile.open(unharmed.port, extra=TOLERATED[name]) as peer:
        await peer.say(CONNECT)
        assert isinstance(await peer.reply(1), dict)


@pytest.mark.parametrize(
    "offer", ["; server_max_window_bits=99", "; server_max_window_bits=8", "; x=y", "; client_x"]
)
async def test_an_offer_of_compression_that_cannot_be_met_is_declined(
    unharmed: LiveServer, offer: str
) -> None:
    request = handshake(unharmed.port, extra=DEFLATE.replace("\r\n", offer + "\r\n"))
    status, head = await http_answer(unharmed.port, request)
    assert status == 101
    assert "deflate" not in head


async def test_half_handshakes_are_answered_with_408_in_time(unharmed: LiveServer) -> None:
    request = handshake(unharmed.port)
    halves = [request[:size] for size in (0, 1, 10, 40, 100, len(request) - 1)]
    started_at_s = time.monotonic()
    answers = await asyncio.gather(*(hung_up(unharmed.port, half) for half in halves))
    assert set(answers) == {408}
    assert time.monotonic() - started_at_s < REQUEST_WITHIN_S + LATE_MARGIN_S


async def test_a_handshake_that_drips_is_cut_off_in_time(unharmed: LiveServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", unharmed.port)
    started_at_s = time.monotonic()
    answer = asyncio.create_task(reader.read())
    for byte in handshake(unharmed.port) * 50:
        writer.write(bytes((byte,)))
        done, _ = await asyncio.wait({answer}, timeout=0.1)
        if done:
            break
    writer.close()
    assert (await answer).startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - started_at_s < REQUEST_WITHIN_S + LATE_MARGIN_S


async def test_who_never_connects_is_closed_with_3502(unharmed: LiveServer) -> None:
    """Silence, half a frame and endless native pings: only the connect command counts."""

    async def attempt(sent: bytes) -> None:
        async with await Hostile.open(unharmed.port) as peer:
            started_at_s = time.monotonic()
            await peer.write(sent)
            assert (await peer.ended()).code == 3502
            assert time.monotonic() - started_at_s < CONNECT_WITHIN_S + LATE_MARGIN_S

    async with asyncio.TaskGroup() as group:
        for sent in (b"", b"\x81", b"\x89\x80\0\0\0\0" * 50):
            group.create_task(attempt(sent))
