"""Two web workers are one server: everything reaches everybody, whoever serves them."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.e2e.conftest import OpenSdk, keep_errors_of_failures
from tests.support.live_server import LiveServer
from tests.support.tcp_proxy import TcpProxy
from tests.support.wait import wait_until
from tests.support.workers import client_of, two_workers
from tests.support.ws_client import WireClient, WireError


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    failed_before = request.session.testsfailed
    server = LiveServer(
        tmp_path_factory.mktemp("two-workers"),
        ONAIR_WORKERS="2",
        ONAIR_CHAT_PER_S="10000",
        ONAIR_CHAT_BURST="10000",
        ONAIR_VITALS_INTERVAL_S="1",
    )
    server.start()
    yield server
    keep_errors_of_failures(request, [server], failed_before)
    server.end()


class Both:
    """A room, and a host of it on each worker."""

    def __init__(self, room: str, pids: list[int], left: WireClient, right: WireClient) -> None:
        self.room = room
        self.channel = f"room:{room}"
        self.pids = pids
        self.left = left
        self.right = right

    async def say(self, who: WireClient, text: str) -> str:
        """Speak; returns the comment's id."""
        answer = await who.rpc("comment.send", {"room": self.room, "text": text})
        return str(answer["id"])


@pytest.fixture
async def both(server: LiveServer) -> AsyncIterator[Both]:
    room = await server.new_room()
    pids = await two_workers(server)
    hosts = [
        await client_of(server, pid, f"room:{room}", server.token(f"host-{pid}", role="host"))
        for pid in pids
    ]
    yield Both(room, pids, *hosts)
    for host in hosts:
        await host.close()


async def test_viewers_of_both_workers_see_one_order_with_the_same_offsets(
    server: LiveServer, both: Both
) -> None:
    viewers = [await client_of(server, pid, both.channel) for pid in both.pids]

    async def speak(who: WireClient, name: str) -> None:
        for number in range(30):
            await both.say(who, f"{name} {number}")
            if number % 10 == 9:
                await who.rpc("room.notice", {"room": both.room, "text": f"{name} {number}"})

    await asyncio.gather(speak(both.left, "left"), speak(both.right, "right"))
    everybody = [both.left, both.right, *viewers]
    await wait_until(
        lambda: all(len(one.stored(both.channel)) >= 66 for one in everybody), 20, "all is seen"
    )
    seen = both.left.stored(both.channel)
    assert [offset for offset, _ in seen] == list(range(1, 67))
    for one in everybody:
        assert one.stored(both.channel) == seen
    comments = [data["text"] for _, data in seen if data["t"] == "comment"]
    assert comments != sorted(comments)  # the two really took turns
    for one in viewers:
        await one.close()


async def test_likes_of_both_workers_end_in_one_exact_total(both: Both) -> None:
    async def like(who: WireClient) -> None:
        for _ in range(10):
            await who.rpc("like.add", {"room": both.room, "n": 5})

    await asyncio.gather(like(both.left), like(both.right))
    for who in (both.left, both.right):
        await who.event(
            both.channel, lambda e: e["t"] == "likes" and e["total"] == 100, "100 likes"
        )
        pulses = who.pulses(both.channel, "likes")
        assert sum(pulse["delta"] for pulse in pulses) == 100
        totals = [pulse["total"] for pulse in pulses]
        assert totals == sorted(set(totals))


async def test_viewer_counts_and_presence_add_up_over_the_workers(
    server: LiveServer, both: Both
) -> None:
    left, right = both.pids
    token = server.token("twice-here")
    guests = [
        await client_of(server, pid, both.channel, token if number < 2 else "")
        for number, pid in enumerate([left, right, right])
    ]

    async def stats_of(who: WireClient) -> tuple[int, int]:
        stats = await who.ask("presence_stats", {"channel": both.channel})
        return stats["num_clients"], stats["num_users"]

    async def counted(clients: int) -> bool:
        return {(await stats_of(who))[0] for who in (both.left, both.right)} == {clients}

    await wait_until(lambda: counted(5), 10, "both workers count five")
    for who in (both.left, both.right):
        await who.event(
            both.channel, lambda e: e["t"] == "viewers" and e["count"] == 5, "5 viewers"
        )
        presence = await who.ask("presence", {"channel": both.channel})
        users = sorted(info["user"] for info in presence["presence"].values())
        assert users == sorted(["", "twice-here", "twice-here", f"host-{left}", f"host-{right}"])
    body = {"channel": both.channel}
    stats = (await server.acall("POST", "/api/presence_stats", body))["result"]
    assert stats["num_clients"] == 5
    for guest in guests:
        await guest.close()
    await wait_until(lambda: counted(2), 10, "both workers count two again")
    for who in (both.left, both.right):
        await who.event(
            both.channel, lambda e: e["t"] == "viewers" and e["count"] == 2, "2 viewers"
        )


async def test_a_ban_reaches_the_other_worker_at_once(server: LiveServer, both: Both) -> None:
    left, right = both.pids
    token = server.token("crook")
    here = await client_of(server, left, both.channel, token)
    there = await client_of(server, right, both.channel, token)
    await both.left.rpc("room.ban", {"room": both.room, "user": "crook", "reason": "fraud"})
    for crook in (here, there):
        assert await crook.unsubscribed(both.channel) == (2101, "banned")
        told = await crook.event("#crook", lambda e: e["t"] == "moderation", "word of the ban")
        assert (told["action"], told["room"], told["reason"]) == ("banned", both.room, "fraud")
        with pytest.raises(WireError) as refused:
            await crook.subscribe(both.channel)
        assert refused.value.code == 403
        await crook.close()


async def test_a_mute_on_one_worker_silences_on_the_other(server: LiveServer, both: Both) -> None:
    loud = await client_of(server, both.pids[1], both.channel, server.token("loud"))
    request = {"room": both.room, "user": "loud", "seconds": 60, "reason": "noise"}
    await both.left.rpc("room.mute", request)
    with pytest.raises(WireError) as refused:
        await both.say(loud, "can you hear me?")
    assert refused.value.code == 403
    await both.left.rpc("room.mute", {**request, "seconds": 0})
    await both.say(loud, "now you can")
    await loud.close()


async def test_moderators_act_on_comments_that_were_said_on_the_other_worker(both: Both) -> None:
    text = "said on the right"
    comment_id = await both.say(both.right, text)
    await both.left.event(both.channel, lambda e: e.get("id") == comment_id, "the comment")
    await both.left.rpc("comment.pin", {"room": both.room, "id": comment_id})
    pinned = await both.right.event(both.channel, lambda e: e["t"] == "comment.pinned", "a pin")
    assert pinned["comment"]["text"] == text
    request = {"room": both.room, "id": comment_id, "reason": "a mistake"}
    await both.left.rpc("comment.remove", request)
    removed = await both.right.event(both.channel, lambda e: e["t"] == "comment.removed", "no more")
    assert (removed["id"], removed["reason"]) == (comment_id, "a mistake")


async def test_a_disconnect_reaches_a_user_on_both_workers(server: LiveServer, both: Both) -> None:
    token = server.token("everywhere")
    clients = [await client_of(server, pid, both.channel, token) for pid in both.pids]
    body = {"user": "everywhere", "code": 4501, "reason": "closing time"}
    await server.acall("POST", "/api/disconnect", body)
    for client in clients:
        assert await client.closed() == (4501, "closing time")
        await client.close()
    assert not both.left.is_closed
    assert not both.right.is_closed


async def test_an_sdk_that_comes_back_on_the_other_worker_misses_nothing(
    open_sdk: OpenSdk, server: LiveServer, both: Both
) -> None:
    """It may have seen more than the other worker has been told yet."""
    async with TcpProxy(server.port) as network:
        sdk = await open_sdk(f"ws://127.0.0.1:{network.port}/connection/websocket")
        await sdk.connect()
        await sdk.subscribe(both.channel)
        served_by: set[int] = set()
        for times in range(1, 200):
            await sdk.journal.nth(times, "subscribed", both.channel)
            served_by.add(server.worker_of(network.server_side_ports[-1]))
            if len(served_by) == 2 and times > 10:
                break
            who = both.left if times % 2 else both.right
            await both.say(who, f"comment {times}")
            await sdk.journal.comment(both.channel, f"comment {times}")
            network.cut()
        assert served_by == set(both.pids)
        top = (await server.history(both.room))[-1][0]
        received = await sdk.journal.stored_up_to(both.channel, top)
    assert [offset for offset, _ in received] == list(range(1, top + 1))
    assert all(one["recovered"] for one in sdk.journal.all("subscribed", both.channel)[1:])


async def test_metrics_name_the_worker_that_answers(server: LiveServer, both: Both) -> None:
    def worker_of_metrics() -> str:
        with urllib.request.urlopen(f"{server.base_url}/metrics", timeout=20) as response:
            text = response.read().decode()
        (line,) = [one for one in text.splitlines() if one.startswith("onair_connections{")]
        return str(line.partition('worker="')[2].partition('"')[0])

    names: set[str] = set()

    async def both_answered() -> bool:
        asked = (asyncio.to_thread(worker_of_metrics) for _ in range(8))
        names.update(await asyncio.gather(*asked))
        return len(names) == 2

    await wait_until(both_answered, 30, "both workers have answered")
