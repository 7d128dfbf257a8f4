"""Quirks of the published SDKs, on the wire: what they send is answered as they expect it."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Sequence

import pytest

from tests.support.live_server import LiveServer
from tests.support.sdk_javascript import JavaScriptSdkClient
from tests.support.ws_client import WireClient


async def answer_to(port: int, request: str) -> bytes:
    """The head of the HTTP answer to some bytes, on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode())
    try:
        async with asyncio.timeout(10):
            return await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()
        await writer.wait_closed()


def upgrade(*header_lines: str, path: str = "/connection/websocket") -> str:
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        *header_lines,
    ]
    return "\r\n".join(lines) + "\r\n\r\n"


@pytest.mark.parametrize(
    "line",
    [
        "Sec-WebSocket-Protocol: ",
        "Sec-WebSocket-Protocol:",
        "sec-websocket-protocol: \t ",
    ],
)
async def test_a_blank_subprotocol_header_is_accepted(live_server: LiveServer, line: str) -> None:
    """Python SDKs up to 0.5 send it."""
    head = await answer_to(live_server.port, upgrade(line))
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"sec-websocket-protocol" not in head.lower()


async def test_a_subprotocol_that_is_asked_for_is_echoed(live_server: LiveServer) -> None:
    client = await WireClient.open(live_server.ws_url, subprotocols=["centrifuge-json"])
    async with client:
        assert client.connection.subprotocol == "centrifuge-json"
        await client.connect()


async def test_unknown_query_parameters_are_ignored(live_server: LiveServer) -> None:
    url = f"{live_server.ws_url}?cf_protocol_version=v2&whatever=1"
    async with await WireClient.open(url) as client:
        assert (await client.connect())["version"].startswith("onair/")


async def test_connect_and_subscriptions_may_come_in_one_frame_before_any_reply(
    live_server: LiveServer,
) -> None:
    first, second = await live_server.new_room(), await live_server.new_room()
    async with await WireClient.open(live_server.ws_url) as client:
        commands = [
            client.command("connect", {"token": live_server.token("alice")}),
            client.command("subscribe", {"channel": f"room:{first}", "flag": 1}),
            client.command("subscribe", {"channel": f"room:{second}", "flag": 1}),
            client.command("unsubscribe", {"channel": f"room:{second}"}),
        ]
        await client.send(*commands)
        for command in commands:
            assert "error" not in await client.reply(command["id"])
        replies = [message["id"] for message in client.messages if "id" in message]
        assert replies == [command["id"] for command in commands]
        pushed = [m for m in client.messages if m.get("push", {}).get("channel") == second]
        assert pushed == []


async def test_commands_of_one_frame_are_answered_in_their_order(live_server: LiveServer) -> None:
    room = await live_server.new_room()
    channel = f"room:{room}"
    token = live_server.token("host", role="host")
    client, _ = await WireClient.join(live_server.ws_url, channel, token)
    async with client:
        commands = []
        for number in range(20):
            data = {"room": room, "text": f"comment {number}"}
            commands.append(client.command("rpc", {"method": "comment.send", "data": data}))
            commands.append(client.command("presence_stats", {"channel": channel}))
        await client.send(*commands)
        await client.reply(commands[-1]["id"])
        ids = [message["id"] for message in client.messages if "id" in message]
        assert ids[-len(commands) :] == [command["id"] for command in commands]
        await client.event(channel, lambda data: data.get("text") == "comment 19", "the last one")
        texts = [data["text"] for _, data in client.stored(channel)]
        assert texts == [f"comment {number}" for number in range(20)]


@pytest.fixture
async def javascript_sdk(live_server: LiveServer) -> AsyncIterator[JavaScriptSdkClient]:
    client = await JavaScriptSdkClient.open(live_server.ws_url, token=live_server.token("alice"))
    yield client
    await client.close()


@pytest.mark.needs_node
async def test_the_javascript_sdk_may_subscribe_before_it_connects(
    live_server: LiveServer, javascript_sdk: JavaScriptSdkClient
) -> None:
    """It then sends connect and all subscriptions in one frame."""
    channels = [f"room:{await live_server.new_room()}" for _ in range(3)]
    for channel in channels:
        await javascript_sdk.subscribe(channel)
    await javascript_sdk.connect()
    for channel in channels:
        assert (await javascript_sdk.journal.first("subscribed", channel))["recoverable"] is True


@pytest.mark.needs_node
async def test_the_javascript_sdk_gets_the_answers_of_a_batch_in_order(
    live_server: LiveServer, javascript_sdk: JavaScriptSdkClient
) -> None:
    room = await live_server.new_room()
    await javascript_sdk.connect()
    await javascript_sdk.subscribe(f"room:{room}")
    await javascript_sdk.journal.first("subscribed", f"room:{room}")
    batch: Sequence[tuple[str, object]] = [
        ("comment.send", {"room": room, "text": "one"}),
        ("time.now", {}),
        ("like.add", {"room": room, "n": 2}),
        ("comment.send", {"room": room, "text": "two"}),
    ]
    first, now, likes, second = await javascript_sdk.rpc_batch(list(batch))
    assert now["now_ms"] > 0
    assert likes == {"total": 2}
    received = await javascript_sdk.journal.stored_up_to(f"room:{room}", 2)
    assert [data["id"] for _, data in received] == [first["id"], second["id"]]


async def test_both_forms_of_compression_carry_the_same_events(live_server: LiveServer) -> None:
    room = await live_server.new_room()
    channel = f"room:{room}"
    token = live_server.token("host", role="host")
    plain, _ = await WireClient.join(live_server.ws_url, channel, token)
    packed, _ = await WireClient.join(live_server.ws_url, channel, compression="deflate")
    async with plain, packed:
        assert packed.connection.response is not None
        extensions = packed.connection.response.headers["Sec-WebSocket-Extensions"]
        assert "server_no_context_takeover" in extensions
        assert "client_no_context_takeover" in extensions
        for number in range(5):
            await plain.rpc("comment.send", {"room": room, "text": f"{number} " + "long " * 30})
        for client in (packed, plain):
            await client.event(
                channel, lambda data: data.get("text", "")[:1] == "4", "the last comment"
            )
        assert packed.stored(channel) == plain.stored(channel)
        assert len(packed.stored(channel)) == 5
