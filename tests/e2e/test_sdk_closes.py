"""What the published SDKs do when the server ends something: come back, or stay away."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import pytest

from tests.e2e.conftest import OpenSdk
from tests.support.live_server import LiveServer
from tests.support.sdk_client import SdkClient, SdkRefused
from tests.support.ws_client import WireClient


async def connected(open_sdk: OpenSdk, server: LiveServer, user: str, channel: str) -> SdkClient:
    sdk = await open_sdk(server.ws_url, token=server.token(user))
    await sdk.connect()
    await sdk.subscribe(channel)
    await sdk.journal.first("subscribed", channel)
    return sdk


@pytest.mark.parametrize("code", [3503, 4500, 4999])
async def test_a_terminal_disconnect_is_obeyed(
    open_sdk: OpenSdk, live_server: LiveServer, code: int
) -> None:
    room = await live_server.new_room()
    channel = f"room:{room}"
    user, control = f"user-{room}", f"control-{room}"
    sdk = await connected(open_sdk, live_server, user, channel)
    body = {"user": user, "code": code, "reason": "the shop says so"}
    await live_server.acall("POST", "/api/disconnect", body)
    ended = await sdk.journal.first("disconnected")
    assert ended == {"code": code, "reason": "the shop says so"}
    # The time in which another client of the same SDK comes back twice is enough to be sure.
    other = await connected(open_sdk, live_server, control, channel)
    for number in (2, 3):
        await live_server.acall("POST", "/api/disconnect", {"user": control, "code": 3011})
        await other.journal.nth(number, "connected")
    assert len(sdk.journal.all("connecting")) == 1


async def test_a_disconnect_without_a_code_is_terminal(
    open_sdk: OpenSdk, live_server: LiveServer
) -> None:
    room = await live_server.new_room()
    user = f"user-{room}"
    sdk = await connected(open_sdk, live_server, user, f"room:{room}")
    await live_server.acall("POST", "/api/disconnect", {"user": user})
    ended = await sdk.journal.first("disconnected")
    assert ended["code"] == 3503
    assert ended["reason"]


@pytest.mark.parametrize("code", [3011, 4000, 4499])
async def test_a_temporary_disconnect_brings_the_client_back_where_it_was(
    open_sdk: OpenSdk, live_server: LiveServer, code: int
) -> None:
    room = await live_server.new_room()
    channel = f"room:{room}"
    user = f"user-{room}"
    sdk = await connected(open_sdk, live_server, user, channel)
    body = {"user": user, "code": code, "reason": "move along"}
    await live_server.acall("POST", "/api/disconnect", body)
    again = await sdk.journal.nth(2, "connecting")
    assert again == {"code": code, "reason": "move along"}
    await sdk.journal.nth(2, "connected")
    resubscribed = await sdk.journal.nth(2, "subscribed", channel)
    assert (resubscribed["was_recovering"], resubscribed["recovered"]) == (True, True)
    assert sdk.journal.all("disconnected") == []


async def test_disconnect_reaches_all_connections_of_a_user_and_nobody_else(
    live_server: LiveServer,
) -> None:
    user = f"user-{await live_server.new_room()}"
    own = [
        (await WireClient.join(live_server.ws_url, token=live_server.token(user)))[0]
        for _ in range(3)
    ]
    other, _ = await WireClient.join(live_server.ws_url, token=live_server.token(f"{user}-2"))
    await live_server.acall("POST", "/api/disconnect", {"user": user})
    for client in own:
        code, reason = await client.closed()
        assert code == 3503
        assert reason
        await client.close()
    assert await other.rpc("time.now", {})
    await other.close()


async def test_a_stop_says_3001_and_clients_come_back_to_the_next_start(
    open_sdk: OpenSdk, start_server: Callable[..., LiveServer]
) -> None:
    server = start_server()
    channel = "room:demo"
    sdk = await connected(open_sdk, server, "alice", channel)
    await sdk.rpc("comment.send", {"room": "demo", "text": "before the stop"})
    await sdk.journal.comment(channel, "before the stop")
    assert await asyncio.to_thread(server.stop, signal.SIGTERM) == 0
    assert await sdk.journal.nth(2, "connecting") == {"code": 3001, "reason": "shutdown"}
    await asyncio.to_thread(server.start)
    await sdk.journal.nth(2, "connected")
    resubscribed = await sdk.journal.nth(2, "subscribed", channel)
    assert (resubscribed["was_recovering"], resubscribed["recovered"]) == (True, True)
    await sdk.rpc("comment.send", {"room": "demo", "text": "after the start"})
    await sdk.journal.comment(channel, "after the start")
    texts = [data["text"] for _, data in sdk.journal.stored(channel)]
    assert texts == ["before the stop", "after the start"]
    assert sdk.journal.all("disconnected") == []


async def test_a_muted_user_is_told_on_its_own_channel_and_cannot_comment(
    open_sdk: OpenSdk, live_server: LiveServer
) -> None:
    room = await live_server.new_room()
    sdk = await connected(open_sdk, live_server, f"user-{room}", f"room:{room}")
    own_channel = f"#user-{room}"
    token = live_server.token("moderator", role="moderator", rooms=[room])
    moderator, _ = await WireClient.join(live_server.ws_url, f"room:{room}", token)
    async with moderator:
        request = {"room": room, "user": f"user-{room}", "seconds": 60, "reason": "spam"}
        await moderator.rpc("room.mute", request)
        told = (await sdk.journal.first("publication", own_channel))["data"]
        facts = {"t": "moderation", "room": room, "action": "muted", "reason": "spam"}
        assert facts.items() <= told.items()
        assert told["until_ms"] > 0
        with pytest.raises(SdkRefused) as refused:
            await sdk.rpc("comment.send", {"room": room, "text": "let me speak"})
        assert refused.value.code == 403
        await moderator.rpc("room.mute", {**request, "seconds": 0})
        assert (await sdk.journal.nth(2, "publication", own_channel))["data"]["action"] == "unmuted"
    await sdk.rpc("comment.send", {"room": room, "text": "thank you"})
    await sdk.journal.comment(f"room:{room}", "thank you")


async def test_a_banned_user_is_put_out_with_2101_and_does_not_come_back(
    open_sdk: OpenSdk, live_server: LiveServer
) -> None:
    room = await live_server.new_room()
    channel = f"room:{room}"
    user = f"user-{room}"
    sdk = await connected(open_sdk, live_server, user, channel)
    token = live_server.token("host", role="host", rooms=[room])
    host, _ = await WireClient.join(live_server.ws_url, channel, token)
    async with host:
        await host.rpc("room.ban", {"room": room, "user": user, "reason": "fraud"})
        ended = await sdk.journal.first("unsubscribed", channel)
        assert ended == {"code": 2101, "reason": "banned"}
        told = (await sdk.journal.first("publication", f"#{user}"))["data"]
        assert (told["action"], told["reason"]) == ("banned", "fraud")
        await host.rpc("comment.send", {"room": room, "text": "he is gone"})
        await sdk.rpc("time.now", {})
        assert sdk.journal.stored(channel) == []
        assert len(sdk.journal.all("subscribing", channel)) == 1
        assert sdk.journal.all("disconnected") == []
        await sdk.subscribe(channel)
        assert (await sdk.journal.nth(2, "unsubscribed", channel))["code"] == 403
        await host.rpc("room.unban", {"room": room, "user": user})
        told = (await sdk.journal.nth(2, "publication", f"#{user}"))["data"]
        assert told["action"] == "unbanned"
        await sdk.subscribe(channel)
        back = await sdk.journal.nth(2, "subscribed", channel)
        assert [one["text"] for one in back["data"]["comments"]] == ["he is gone"]
