"""The published SDKs in an ordinary session: join a room, speak, listen, ask, leave."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import OpenSdk
from tests.support.live_server import LiveServer
from tests.support.sdk_client import SdkClient, SdkRefused
from tests.support.wait import wait_until
from tests.support.ws_client import WireClient


async def joined(open_sdk: OpenSdk, server: LiveServer, room: str, token: str = "") -> SdkClient:
    """An SDK client that is subscribed to the room."""
    sdk = await open_sdk(server.ws_url, token=token)
    await sdk.connect()
    await sdk.subscribe(f"room:{room}")
    await sdk.journal.first("subscribed", f"room:{room}")
    return sdk


async def test_a_token_connects_and_the_server_says_who_it_speaks_for(
    open_sdk: OpenSdk, live_server: LiveServer
) -> None:
    token = live_server.token("alice", role="host", rooms=["demo", "other"], name="Alice")
    sdk = await open_sdk(live_server.ws_url, token=token)
    await sdk.connect()
    connected = await sdk.journal.first("connected")
    assert connected["client"]
    rooms = ["demo", "other"]
    assert connected["data"] == {"user": "alice", "name": "Alice", "role": "host", "rooms": rooms}
    await sdk.journal.first("subscribed", "#alice")


async def test_a_token_printed_by_the_command_line_connects(
    open_sdk: OpenSdk, live_server: LiveServer
) -> None:
    printed = live_server.cli("token", "--user", "bob", "--role", "moderator", "--room", "demo")
    assert printed.returncode == 0, printed.stderr
    sdk = await open_sdk(live_server.ws_url, token=printed.stdout.strip())
    await sdk.connect()
    data = (await sdk.journal.first("connected"))["data"]
    assert (data["user"], data["role"], data["rooms"]) == ("bob", "moderator", ["demo"])


async def test_a_guest_may_watch_and_like_but_not_comment(
    open_sdk: OpenSdk, live_server: LiveServer
) -> None:
    room = await live_server.new_room()
    sdk = await joined(open_sdk, live_server, room)
    assert (await sdk.journal.first("connected"))["data"]["user"] == ""
    assert await sdk.rpc("like.add", {"room": room, "n": 3}) == {"total": 3}
    with pytest.raises(SdkRefused) as refused:
        await sdk.rpc("comment.send", {"room": room, "text": "hello"})
    assert refused.value.code == 401
    await wait_until(
        lambda: sdk.journal.pulses(f"room:{room}", "likes"), 20, "the likes are announced"
    )
    assert sdk.journal.pulses(f"room:{room}", "likes")[-1]["total"] == 3


async def test_the_subscribed_event_carries_the_picture_of_the_room(
    open_sdk: OpenSdk, live_server: LiveServer
) -> None:
    room = await live_server.new_room()
    channel = f"room:{room}"
    token = live_server.token("host", role="host", rooms=[room])
    host, _ = await WireClient.join(live_server.ws_url, channel, token)
    async with host:
        sent = await host.rpc("comment.send", {"room": room, "text": "first words"})
        await host.rpc("room.notice", {"room": room, "text": "begins at eight"})
        sdk = await joined(open_sdk, live_server, room)
    subscribed = await sdk.journal.first("subscribed", channel)
    assert (subscribed["recoverable"], subscribed["positioned"]) == (True, True)
    assert (subscribed["recovered"], subscribed["was_recovering"]) == (False, False)
    assert subscribed["offset"] == 2
    assert subscribed["epoch"]
    picture = subscribed["data"]
    assert picture["room"]["title"] == "A test's own room"
    assert picture["notice"] == {"text": "begins at eight"}
    assert [one["text"] for one in picture["comments"]] == ["first words"]
    assert picture["comments"][0]["id"] == sent["id"]
    assert picture["comments"][0]["role"] == "host"
    assert (picture["pinned"], picture["shelf"]) == (None, [])
    assert picture["mode"] == {"slow_seconds": 0}


async def test_a_comment_sent_by_rpc_comes_back_with_an_offset(
    open_sdk: OpenSdk, live_server: LiveServer
) -> None:
    room = await live_server.new_room()
    sdk = await joined(open_sdk, live_server, room, live_server.token("alice", name="Alice"))
    answer = await sdk.rpc("comment.send", {"room": room, "text": "你好 👋"})
    echo = await sdk.journal.comment(f"room:{room}", "你好 👋")
    assert echo["id"] == answer["id"]
    assert (echo["user"], echo["name"], echo["role"]) == ("alice", "Alice", "viewer")
    assert sdk.journal.stored(f"room:{room}") == await live_server.history(room) == [(1, echo)]


async def test_comments_of_others_arrive_in_the_order_of_their_offsets(
    open_sdk: OpenSdk, live_server: LiveServer
) -> None:
    room = await live_server.new_room()
    channel = f"room:{room}"
    sdk = await joined(open_sdk, live_server, room)
    speakers = []
    for number in range(3):
        token = live_server.token(f"host-{number}", role="host")
        speakers.append((await WireClient.join(live_server.ws_url, channel, token))[0])
    for number in range(10):
        commands = [
            one.command(
                "rpc",
                {
                    "method": "comment.send",
                    "data": {"room": room, "text": f"{index} says {number}"},
                },
            )
            for index, one in enumerate(speakers)
        ]
        for one, command in zip(speakers, commands, strict=True):
            await one.send(command)
    for one in speakers:
        await one.message(lambda m: m.get("id") == 12, "an answer to the last comment")
        await one.close()
    received = await sdk.journal.stored_up_to(channel, 30)
    assert [offset for offset, _ in received] == list(range(1, 31))
    assert received == await live_server.history(room)
    for index in range(3):
        texts = [data["text"] for _, data in received if data["user"] == f"host-{index}"]
        assert texts == [f"{index} says {number}" for number in range(10)]


async def test_an_unknown_rpc_method_is_refused_with_108(
    open_sdk: OpenSdk, live_server: LiveServer
) -> None:
    sdk = await open_sdk(live_server.ws_url)
    await sdk.connect()
    with pytest.raises(SdkRefused) as refused:
        await sdk.rpc("no.such.method", {})
    assert refused.value.code == 108
    assert "now_ms" in await sdk.rpc("time.now", {})


async def test_a_room_that_does_not_exist_ends_the_subscription_for_good(
    open_sdk: OpenSdk, live_server: LiveServer
) -> None:
    sdk = await open_sdk(live_server.ws_url)
    await sdk.connect()
    await sdk.subscribe("room:nowhere")
    unsubscribed = await sdk.journal.first("unsubscribed", "room:nowhere")
    assert unsubscribed["code"] == 102
    assert unsubscribed["reason"]
    await sdk.rpc("time.now", {})
    assert len(sdk.journal.all("subscribing", "room:nowhere")) == 1
    assert sdk.journal.all("disconnected") == []


async def test_viewers_cannot_publish_and_are_told_so_with_103(
    open_sdk: OpenSdk, live_server: LiveServer
) -> None:
    room = await live_server.new_room()
    sdk = await joined(open_sdk, live_server, room, live_server.token("alice"))
    with pytest.raises(SdkRefused) as refused:
        await sdk.publish(f"room:{room}", {"t": "comment", "text": "forged"})
    assert refused.value.code == 103
    assert await live_server.history(room) == []


async def test_after_unsubscribe_nothing_more_comes_and_subscribing_again_recovers(
    open_sdk: OpenSdk, live_server: LiveServer
) -> None:
    room = await live_server.new_room()
    channel = f"room:{room}"
    sdk = await joined(open_sdk, live_server, room)
    publish = {"channel": channel, "data": {"t": "note", "n": 1}}
    await live_server.acall("POST", "/api/publish", publish)
    await sdk.journal.stored_up_to(channel, 1)
    await sdk.unsubscribe(channel)
    assert (await sdk.journal.first("unsubscribed", channel))["code"] == 0
    await live_server.acall(
        "POST", "/api/publish", {"channel": channel, "data": {"t": "note", "n": 2}}
    )
    await sdk.rpc("time.now", {})  # an answer that cannot overtake what was sent before
    assert len(sdk.journal.stored(channel)) == 1
    await sdk.subscribe(channel)
    again = await sdk.journal.nth(2, "subscribed", channel)
    assert (again["was_recovering"], again["recovered"]) == (True, True)
    received = await sdk.journal.stored_up_to(channel, 2)
    assert received == [(1, {"t": "note", "n": 1}), (2, {"t": "note", "n": 2})]


async def test_history_pages_forward_backward_and_from_a_position(
    open_sdk: OpenSdk, live_server: LiveServer
) -> None:
    room = await live_server.new_room()
    channel = f"room:{room}"
    sdk = await joined(open_sdk, live_server, room)
    for number in range(1, 6):
        body = {"channel": channel, "data": {"t": "note", "n": number}}
        await live_server.acall("POST", "/api/publish", body)
    await sdk.journal.stored_up_to(channel, 5)
    top = await sdk.history(channel, limit=0)
    assert (top.publications, top.offset) == ([], 5)
    oldest = await sdk.history(channel, limit=2)
    assert oldest.publications == [(1, {"t": "note", "n": 1}), (2, {"t": "note", "n": 2})]
    assert (oldest.offset, oldest.epoch) == (5, top.epoch)
    newest = await sdk.history(channel, limit=2, reverse=True)
    assert [offset for offset, _ in newest.publications] == [5, 4]
    after = await sdk.history(channel, limit=10, since=(3, top.epoch))
    assert [offset for offset, _ in after.publications] == [4, 5]
    with pytest.raises(SdkRefused) as refused:
        await sdk.history(channel, limit=10, since=(3, "another-epoch"))
    assert refused.value.code == 112


async def test_presence_and_its_numbers_name_who_is_in_the_room(
    open_sdk: OpenSdk, live_server: LiveServer
) -> None:
    room = await live_server.new_room()
    channel = f"room:{room}"
    sdk = await joined(open_sdk, live_server, room, live_server.token("alice", name="Alice"))
    own_id = (await sdk.journal.first("connected"))["client"]
    other, _ = await WireClient.join(live_server.ws_url, channel, live_server.token("alice"))
    async with other:
        guest, _ = await WireClient.join(live_server.ws_url, channel)
        async with guest:
            clients = await sdk.presence(channel)
            assert clients[own_id] == {"user": "alice", "info": {"name": "Alice"}}
            assert sorted(one["user"] for one in clients.values()) == ["", "alice", "alice"]
            assert (await sdk.presence_stats(channel))[0] == 3
    stats = (0, 0)

    async def alone() -> bool:
        nonlocal stats
        stats = await sdk.presence_stats(channel)
        return stats == (1, 1)

    await wait_until(alone, 20, "the others have left")


async def test_questions_about_a_room_need_a_subscription(
    open_sdk: OpenSdk, live_server: LiveServer
) -> None:
    room = await live_server.new_room()
    sdk = await open_sdk(live_server.ws_url, token=live_server.token("alice"))
    await sdk.connect()
    for question in (
        sdk.presence(f"room:{room}"),
        sdk.presence_stats(f"room:{room}"),
        sdk.history(f"room:{room}", limit=1),
    ):
        with pytest.raises(SdkRefused) as refused:
            await question
        assert refused.value.code == 103
