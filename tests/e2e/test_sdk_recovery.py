"""The published SDKs when the connection, a worker or Redis is lost while others keep talking.

What an SDK gives its application is compared with what an uninterrupted client saw and with what
the server keeps: every State and Chat event, in order, nothing missing and nothing twice.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import OpenSdk, StartServer, keep_errors_of_failures
from tests.support.live_server import LiveServer
from tests.support.sdk_client import SdkClient
from tests.support.talk import Talk, stocked_room
from tests.support.tcp_proxy import TcpProxy
from tests.support.wait import wait_until
from tests.support.workers import client_of, two_workers
from tests.support.ws_client import WireClient

# Nothing is sampled out, so that what was acknowledged can be compared with what is there.
UNSAMPLED = {"ONAIR_CHAT_PER_S": "10000", "ONAIR_CHAT_BURST": "10000"}


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """Two workers and a Redis of which tests may kill any; all come back by themselves."""
    failed_before = request.session.testsfailed
    server = LiveServer(tmp_path_factory.mktemp("mortal"), ONAIR_WORKERS="2", **UNSAMPLED)
    server.start()
    yield server
    keep_errors_of_failures(request, [server], failed_before)
    server.end()


async def joined(sdk: SdkClient, channel: str) -> dict[str, Any]:
    await sdk.connect()
    await sdk.subscribe(channel)
    return await sdk.journal.first("subscribed", channel)


async def kept_events(server: LiveServer, room: str, talk: Talk) -> list[tuple[int, Any]]:
    """What the server keeps, once the worker that answers has caught up with what was said."""
    kept: list[tuple[int, Any]] = []

    async def all_there() -> bool:
        kept[:] = await server.history(room)
        return any(data.get("text") == talk.acknowledged[-1] for _, data in kept)

    await wait_until(all_there, 20, "the last comment is in the history")
    return kept


async def assert_saw_everything(
    sdk: SdkClient, server: LiveServer, room: str, talk: Talk
) -> list[tuple[int, Any]]:
    """The SDK's application was given all events since it subscribed; returns those."""
    channel = f"room:{room}"
    kept = await kept_events(server, room, talk)
    assert [offset for offset, _ in kept] == list(range(1, len(kept) + 1))
    joining, *resubscriptions = sdk.journal.all("subscribed", channel)
    since = kept[joining["offset"] :]
    assert await sdk.journal.stored_up_to(channel, len(kept)) == since
    assert [data["text"] for _, data in since if data["t"] == "comment"] == talk.acknowledged
    assert {"comment", "notice", "product.pinned"} <= {data["t"] for _, data in since}
    assert all(one["was_recovering"] and one["recovered"] for one in resubscriptions)
    assert sdk.journal.all("disconnected") == []
    assert sdk.journal.all("unsubscribed", channel) == []
    return since


async def witness_saw(witness: WireClient, channel: str, events: list[tuple[int, Any]]) -> None:
    """A client whose connection was never lost saw the same events since both were there."""
    top, since = events[-1][0], max(witness.joined_at[channel], events[0][0] - 1)
    await wait_until(lambda: witness.stored(channel)[-1:][0][0] >= top, 30, "all is announced")
    seen = [(offset, data) for offset, data in witness.stored(channel) if offset > since]
    assert seen == [(offset, data) for offset, data in events if offset > since]
    assert len(seen) > 10
    assert not witness.is_closed


async def test_a_lost_network_costs_no_event(open_sdk: OpenSdk, server: LiveServer) -> None:
    room = await stocked_room(server)
    channel = f"room:{room}"
    witness, _ = await WireClient.join(server.ws_url, channel)
    async with witness, TcpProxy(server.port) as network:
        sdk = await open_sdk(f"ws://127.0.0.1:{network.port}/connection/websocket")
        await joined(sdk, channel)
        async with Talk(server, room) as talk:
            for times in range(1, 7):
                await talk.goes_on(5)
                if times % 2:
                    network.cut()
                else:
                    network.go_down()
                    await talk.goes_on(20)
                    network.come_back()
                await sdk.journal.nth(times + 1, "subscribed", channel)
            await talk.goes_on(5)
        seen = await assert_saw_everything(sdk, server, room, talk)
        await witness_saw(witness, channel, seen)
    assert len(network.server_side_ports) == 7


async def test_a_killed_worker_costs_no_event(open_sdk: OpenSdk, server: LiveServer) -> None:
    room = await stocked_room(server)
    channel = f"room:{room}"
    async with TcpProxy(server.port) as network:
        sdk = await open_sdk(f"ws://127.0.0.1:{network.port}/connection/websocket")
        await joined(sdk, channel)
        victim = server.worker_of(network.server_side_ports[0])
        (survivor,) = set(await two_workers(server)) - {victim}
        async with await client_of(server, survivor, channel) as witness:
            async with Talk(server, room) as talk:
                await talk.goes_on(15)
                server.kill_worker(victim)
                await sdk.journal.nth(2, "subscribed", channel)
                await talk.goes_on(15)
            seen = await assert_saw_everything(sdk, server, room, talk)
            await witness_saw(witness, channel, seen)
    await two_workers(server)


async def test_a_killed_redis_costs_no_event_and_no_connection(
    open_sdk: OpenSdk, server: LiveServer
) -> None:
    await two_workers(server)
    room = await stocked_room(server)
    channel = f"room:{room}"
    witness, _ = await WireClient.join(server.ws_url, channel)
    async with witness:
        sdk = await open_sdk(server.ws_url)
        await joined(sdk, channel)
        async with Talk(server, room) as talk:
            await talk.goes_on(15)
            killed = server.redis_pid()
            server.kill_redis()
            await talk.goes_on(15)
        assert server.redis_pid() != killed
        seen = await assert_saw_everything(sdk, server, room, talk)
        await witness_saw(witness, channel, seen)
    assert len(sdk.journal.all("connected")) == 1


async def test_comments_of_which_nobody_knows_whether_they_were_stored_appear_once(
    open_sdk: OpenSdk, server: LiveServer
) -> None:
    """Redis hangs for longer than the server waits; the same comments are then sent again."""
    await two_workers(server)
    room = await stocked_room(server)
    sdk = await open_sdk(server.ws_url)
    await joined(sdk, f"room:{room}")
    async with Talk(server, room) as talk:
        await talk.goes_on(15)
        redis_pid = server.redis_pid()
        os.kill(redis_pid, signal.SIGSTOP)
        try:
            await talk.is_interrupted()
        finally:
            os.kill(redis_pid, signal.SIGCONT)
        await talk.goes_on(15)
    await assert_saw_everything(sdk, server, room, talk)
    assert len(sdk.journal.all("connected")) == 1


async def test_a_network_lost_while_redis_is_killed_costs_no_event(
    open_sdk: OpenSdk, server: LiveServer
) -> None:
    await two_workers(server)
    room = await stocked_room(server)
    channel = f"room:{room}"
    async with TcpProxy(server.port) as network:
        sdk = await open_sdk(f"ws://127.0.0.1:{network.port}/connection/websocket")
        await joined(sdk, channel)
        async with Talk(server, room) as talk:
            await talk.goes_on(15)
            server.kill_redis()
            network.cut()
            await sdk.journal.nth(2, "subscribed", channel)
            await talk.goes_on(15)
        await assert_saw_everything(sdk, server, room, talk)


async def test_a_crash_of_the_whole_server_costs_no_event(
    open_sdk: OpenSdk, start_server: StartServer
) -> None:
    server = start_server(**UNSAMPLED)
    room = await stocked_room(server)
    channel = f"room:{room}"
    sdk = await open_sdk(server.ws_url)
    await joined(sdk, channel)
    async with Talk(server, room) as talk:
        await talk.goes_on(15)
        await asyncio.to_thread(server.crash)
        await asyncio.to_thread(server.start)
        await sdk.journal.nth(2, "subscribed", channel)
        await talk.goes_on(15)
    await assert_saw_everything(sdk, server, room, talk)


async def test_beyond_the_kept_history_there_is_a_fresh_picture_instead(
    open_sdk: OpenSdk, start_server: StartServer
) -> None:
    server = start_server(ONAIR_HISTORY_EVENTS_MAX="20", **UNSAMPLED)
    room = await stocked_room(server)
    channel = f"room:{room}"
    async with TcpProxy(server.port) as network:
        sdk = await open_sdk(f"ws://127.0.0.1:{network.port}/connection/websocket")
        before = await joined(sdk, channel)
        async with Talk(server, room) as talk:
            await talk.goes_on(5)
            network.go_down()
            await talk.goes_on(60)
        top = (await server.history(room))[-1][0]
        network.come_back()
        again = await sdk.journal.nth(2, "subscribed", channel)
        assert (again["was_recovering"], again["recovered"]) == (True, False)
        assert (again["offset"], again["epoch"]) == (top, before["epoch"])
        picture = again["data"]
        assert picture["comments"][-1]["text"] == talk.acknowledged[-1]
        notices = [int(text.split()[1]) for text in talk.acknowledged]
        assert picture["notice"] == {"text": f"notice {max(notices) // 5 * 5}"}
        await server.acall("POST", "/api/publish", {"channel": channel, "data": {"t": "note"}})
        received = await sdk.journal.stored_up_to(channel, top + 1)
    assert received[-1] == (top + 1, {"t": "note"})
    assert [offset for offset, _ in received] == sorted({offset for offset, _ in received})
    assert sdk.journal.all("disconnected") == []


async def test_history_lost_with_the_disk_is_a_new_epoch_and_the_rest_is_still_there(
    open_sdk: OpenSdk, start_server: StartServer
) -> None:
    server = start_server()
    room = await stocked_room(server)
    channel = f"room:{room}"
    sdk = await open_sdk(server.ws_url)
    before = await joined(sdk, channel)
    token = server.token("host", role="host", rooms=[room])
    host, _ = await WireClient.join(server.ws_url, channel, token)
    async with host:
        await host.rpc("comment.send", {"room": room, "text": "soon lost"})
        await host.rpc("product.pin", {"room": room, "product": "cup"})
    await sdk.journal.stored_up_to(channel, 2)
    await asyncio.to_thread(server.stop)
    shutil.rmtree(Path(server.data_dir) / "redis")
    await asyncio.to_thread(server.start)
    again = await sdk.journal.nth(2, "subscribed", channel)
    assert (again["was_recovering"], again["recovered"]) == (True, False)
    assert again["epoch"] != before["epoch"]
    assert again["data"]["comments"] == []
    assert again["data"]["pinned"]["id"] == "cup"
    assert sdk.journal.all("disconnected") == []
