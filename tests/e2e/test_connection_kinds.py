"""Connections that are not like the others: native pings, an insecure server, a full room list."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from server.codec.wire_frames import ping_frame, text_frame
from tests.e2e.conftest import StartServer
from tests.support.live_server import LiveServer
from tests.support.wait import wait_until
from tests.support.ws_client import WireClient, WireError

PONG = bytes((0x8A, 0x80)) + bytes(4)


def masked(payload: bytes) -> bytes:
    """A client's text frame with the mask 0, which changes nothing."""
    frame = text_frame(payload)
    head = len(frame) - len(payload)
    return frame[:1] + bytes((frame[1] | 0x80,)) + frame[2:head] + bytes(4) + payload


def upgrade(path: str) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Pings often, trusts anonymous guests, and lists at most two clients of a room."""
    server = LiveServer(
        tmp_path_factory.mktemp("kinds"),
        ONAIR_PING_INTERVAL_S="4",
        ONAIR_PONG_WITHIN_S="3",
        ONAIR_INSECURE="1",
        ONAIR_PRESENCE_CLIENTS_MAX="2",
    )
    try:
        server.start()
        yield server
    finally:
        server.end()


async def test_native_pings_are_frames_and_their_pongs_keep_the_connection(
    server: LiveServer,
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(upgrade("/connection/websocket?cf_ws_frame_ping_pong=true"))
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    writer.write(masked(b'{"id":1,"connect":{}}'))
    answer = await asyncio.wait_for(reader.readuntil(b"}}"), 10)
    assert b'"pong":false' in answer
    for _ in range(3):
        await asyncio.wait_for(reader.readuntil(ping_frame()), 10)
        writer.write(PONG)
    writer.write(masked(b'{"id":2,"rpc":{"method":"time.now"}}'))
    assert b"now_ms" in await asyncio.wait_for(reader.readuntil(b"}}}"), 10)
    await asyncio.wait_for(reader.readuntil(ping_frame()), 10)  # and this one is not answered
    end = await asyncio.wait_for(reader.read(), 10)
    assert (3012).to_bytes(2, "big") + b"no pong" in end
    writer.close()


async def test_pings_of_the_protocol_keep_a_connection_that_answers(server: LiveServer) -> None:
    client, connected = await WireClient.join(server.ws_url)
    async with client:
        assert (connected["ping"], connected["pong"]) == (4, True)
        await wait_until(lambda: client.pings >= 3, 40, "three pings came and were answered")
        assert not client.is_closed


async def test_an_insecure_server_lets_anonymous_guests_do_what_viewers_may(
    server: LiveServer,
) -> None:
    client, _ = await WireClient.join(server.ws_url, "room:demo")
    async with client:
        sent = await client.rpc("comment.send", {"room": "demo", "text": "nobody in particular"})
        event = await client.event(
            "room:demo", lambda data: data.get("id") == sent["id"], "the comment"
        )
        assert event["user"].startswith("anonymous-")
        with pytest.raises(WireError) as refused:
            await client.rpc("room.notice", {"room": "demo", "text": "staff only"})
        assert refused.value.code == 403


async def test_presence_lists_a_small_room_and_refuses_a_large_one(server: LiveServer) -> None:
    await server.acall("POST", "/api/v1/rooms", {"id": "small", "title": "Small"})
    async with AsyncExitStack() as clients:
        present = []
        for user in ("ada", "bo"):
            client, _ = await WireClient.join(server.ws_url, "room:small", server.token(user))
            present.append(await clients.enter_async_context(client))
        listed = await present[0].ask("presence", {"channel": "room:small"})
        assert {info["user"] for info in listed["presence"].values()} == {"ada", "bo"}
        third, _ = await WireClient.join(server.ws_url, "room:small", server.token("cy"))
        await clients.enter_async_context(third)
        with pytest.raises(WireError) as refused:
            await third.ask("presence", {"channel": "room:small"})
        assert (refused.value.code, "presence_clients_max" in refused.value.message) == (108, True)
        assert await third.ask("presence_stats", {"channel": "room:small"}) == {
            "num_clients": 3,
            "num_users": 3,
        }


async def test_guests_get_no_token_where_they_may_not_speak(start_server: StartServer) -> None:
    quiet = start_server(ONAIR_GUESTS_MAY_SPEAK="0")
    with pytest.raises(AssertionError, match="403"):
        await quiet.acall("POST", "/api/v1/guests", {"name": "Ada"})
