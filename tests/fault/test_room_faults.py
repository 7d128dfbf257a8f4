"""Redis killed, paused, emptied, its feed cut, a worker killed: what viewers see and what stays."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
import redis.asyncio

from tests.support.redis_server import RedisServer
from tests.support.wait import wait_until
from tests.support.worker_app import CHANNEL, ROOM, StartWorker, WorkerApp
from tests.support.ws_client import WireClient, WireError

QUICK = {"vitals_interval_s": 1, "redis_within_ms": 300, "history_events_max": 100_000}
FREE = {
    "comment_interval_ms": 1,
    "comment_burst": 10_000,
    "chat_per_s": 10_000,
    "chat_burst": 9_999,
}


async def join(worker: WorkerApp, user: str = "", role: str = "viewer") -> WireClient:
    token = worker.token(user, role) if user else ""
    client, _ = await WireClient.join(worker.ws_url, CHANNEL, token)
    return client


def texts(client: WireClient) -> list[str]:
    return [data["text"] for _, data in client.stored(CHANNEL) if data["t"] == "comment"]


async def history(client: WireClient) -> list[tuple[int, Any]]:
    """Everything that the room keeps, oldest first, in as many pages as it takes."""
    events: list[tuple[int, Any]] = []
    request: dict[str, Any] = {"channel": CHANNEL, "limit": -1}
    while True:
        result = await client.ask("history", request)
        page = [(one["offset"], one["data"]) for one in result.get("publications", [])]
        if not page:
            return events
        events += page
        request["since"] = {"offset": page[-1][0], "epoch": result["epoch"]}


async def say(client: WireClient, text: str) -> str:
    """`ok`, or the error code."""
    try:
        await client.rpc("comment.send", {"room": ROOM, "text": text, "cid": text})
    except WireError as error:
        return str(error.code)
    return "ok"


async def talk(
    client: WireClient, name: str, answers: dict[str, str], enough: asyncio.Event
) -> None:
    """Say one thing after the other until it is enough."""
    number = 0
    while not enough.is_set():
        text = f"{name}-{number}"
        answers[text] = await say(client, text)
        number += 1


def no_gap(client: WireClient) -> None:
    offsets = [offset for offset, _ in client.stored(CHANNEL)]
    assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))


async def through_an_outage(worker: WorkerApp, outage: Any) -> dict[str, str]:
    """Three people talk, a viewer listens, `outage` happens; all that was acknowledged is there."""
    answers: dict[str, str] = {}
    enough = asyncio.Event()
    viewer = await join(worker)
    speakers = [await join(worker, f"user{number}") for number in range(3)]
    talking = [
        asyncio.create_task(talk(speaker, f"say{number}", answers, enough))
        for number, speaker in enumerate(speakers)
    ]
    try:
        await wait_until(lambda: len(answers) > 20, 10, "the conversation is going")
        await outage()
        before = len(answers)
        await wait_until(
            lambda: sum(answer == "ok" for answer in list(answers.values())[before:]) > 20,
            30,
            "the conversation goes on",
        )
        enough.set()
        await asyncio.gather(*talking)
        assert set(answers.values()) <= {"ok", "503"}
        acknowledged = {text for text, answer in answers.items() if answer == "ok"}
        await wait_until(
            lambda: viewer.is_closed or acknowledged <= set(texts(viewer)), 10, "all is heard"
        )
        assert not viewer.is_closed, viewer.close_code
        heard = texts(viewer)
        assert len(heard) == len(set(heard))
        no_gap(viewer)
        kept = await history(viewer)
        await wait_until(lambda: len(viewer.stored(CHANNEL)) >= len(kept), 20, "all is heard")
        assert kept == viewer.stored(CHANNEL)[: len(kept)]
    finally:
        enough.set()
        await asyncio.gather(*talking, return_exceptions=True)
        for client in (viewer, *speakers):
            await client.close()
    return answers


async def test_a_killed_redis_loses_nothing_that_was_acknowledged_and_doubles_nothing(
    own_redis: RedisServer, start_worker: StartWorker
):
    worker = start_worker(own_redis.url, **QUICK, **FREE)

    async def kill() -> None:
        await asyncio.to_thread(own_redis.kill)
        await asyncio.to_thread(own_redis.wait_until_up)

    await through_an_outage(worker, kill)


async def test_a_redis_that_pauses_is_waited_for_and_nothing_is_doubled(
    own_redis: RedisServer, start_worker: StartWorker
):
    worker = start_worker(own_redis.url, **QUICK, **FREE)
    watcher = await join(worker)

    async def pause() -> None:
        own_redis.pause()
        try:

            async def not_ready() -> bool:
                return not await asyncio.to_thread(worker.is_ready)

            await wait_until(not_ready, 10, "the worker notices")
        finally:
            own_redis.resume()

    await through_an_outage(worker, pause)
    assert not watcher.is_closed
    await watcher.close()


async def test_while_redis_is_away_senders_are_told_503_and_nobody_is_closed(
    own_redis: RedisServer, start_worker: StartWorker
):
    worker = start_worker(
        own_redis.url, **QUICK, append_within_s=2, ping_interval_s=6, pong_within_s=5
    )
    clients = [await join(worker, f"user{number}") for number in range(2)]
    own_redis.pause()
    try:
        waiting = [asyncio.create_task(say(clients[0], f"lost-{n}")) for n in range(3)]
        assert set(await asyncio.gather(*waiting)) == {"503"}
        await wait_until(lambda: clients[0].pings >= 2, 30, "pings come and are answered")
        assert not any(client.is_closed for client in clients)
    finally:
        own_redis.resume()

    async def spoken() -> bool:
        return await say(clients[0], "back") == "ok"

    await wait_until(spoken, 15, "the room works again")
    await wait_until(lambda: "back" in texts(clients[1]), 10, "the other one hears it")
    no_gap(clients[1])
    for client in clients:
        await client.close()


async def test_a_cut_feed_is_caught_up_with(own_redis: RedisServer, start_worker: StartWorker):
    worker = start_worker(own_redis.url, **QUICK, **FREE)
    async with redis.asyncio.Redis.from_url(own_redis.url) as admin:

        async def cut_one() -> bool:
            return bool(await admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub"))

        async def cut() -> None:
            for _ in range(3):
                await wait_until(cut_one, 10, "the feed is there to be cut")

        answers = await through_an_outage(worker, cut)
    assert set(answers.values()) == {"ok"}


async def test_a_redis_that_lost_its_data_begins_anew_and_sql_gives_back_what_staff_did(
    own_redis: RedisServer, start_worker: StartWorker
):
    worker = start_worker(own_redis.url, **QUICK, **FREE)
    product = {"id": "tea", "title": "Tea", "price_minor": 5_900, "currency": "CNY"}
    worker.call("POST", "/api/v1/products", product)
    worker.call("PUT", f"/api/v1/rooms/{ROOM}/shelf", {"products": ["tea"]})
    host = await join(worker, "host", "host")
    muted, banned = await join(worker, "muted"), await join(worker, "banned")
    await host.rpc("product.pin", {"room": ROOM, "product": "tea"})
    await host.rpc("room.notice", {"room": ROOM, "text": "hello all"})
    await host.rpc("room.mute", {"room": ROOM, "user": "muted", "seconds": 600, "reason": "loud"})
    await host.rpc("room.ban", {"room": ROOM, "user": "banned", "reason": "rude"})
    await banned.unsubscribed(CHANNEL)
    assert await say(host, "before") == "ok"
    epoch = (await host.ask("history", {"channel": CHANNEL}))["epoch"]
    async with redis.asyncio.Redis.from_url(own_redis.url) as admin:
        await admin.flushall()
        await admin.script_flush()
    for client in (host, muted):
        assert await client.unsubscribed(CHANNEL) == (2500, "insufficient state")
    position = {"recover": True, "epoch": epoch, "offset": 1}
    again = await muted.subscribe(CHANNEL, **position)
    assert again["epoch"] != epoch
    assert "recovered" not in again
    snapshot = again["data"]
    assert snapshot["comments"] == []
    assert snapshot["pinned"]["id"] == "tea"
    assert [one["id"] for one in snapshot["shelf"]] == ["tea"]
    assert snapshot["notice"] == {"text": "hello all"}
    assert snapshot["room"]["title"] == "A garden"
    assert await say(muted, "may-I") == "403"
    with pytest.raises(WireError, match="403 banned"):
        await banned.subscribe(CHANNEL)
    for client in (host, muted, banned):
        await client.close()


async def test_the_viewers_of_a_killed_worker_stop_counting_within_three_and_a_half_intervals(
    own_redis: RedisServer, start_worker: StartWorker
):
    slower = QUICK | {"vitals_interval_s": 3}
    first, second = (start_worker(own_redis.url, **slower) for _ in range(2))
    here = [await join(first) for _ in range(3)]
    there = [await join(second) for _ in range(2)]

    async def count(client: WireClient) -> int:
        return int((await client.ask("presence_stats", {"channel": CHANNEL}))["num_clients"])

    async def counted(number: int) -> bool:
        return await count(there[0]) == number

    await wait_until(lambda: counted(5), 20, "both workers count all")
    first.kill()
    died_s = time.monotonic()
    await wait_until(lambda: counted(2), 30, "the dead worker's part lapses")
    assert time.monotonic() - died_s < 3.5 * 3 + 3 + 4  # it lapses, the next report, then us
    for client in (*here, *there):
        await client.close()


async def test_what_a_killed_worker_acknowledged_is_seen_by_those_who_go_elsewhere(
    own_redis: RedisServer, start_worker: StartWorker
):
    first, second = (start_worker(own_redis.url, **QUICK, **FREE) for _ in range(2))
    viewer = await join(first)
    speaker = await join(first, "ann")
    spoken = [text for text in (f"text-{n}" for n in range(20)) if await say(speaker, text) == "ok"]
    await wait_until(lambda: len(texts(viewer)) >= 5, 10, "some are heard")
    first.kill()
    await viewer.closed()
    offset = viewer.stored(CHANNEL)[-1][0]
    position = {"recover": True, "offset": offset, "epoch": ""}
    moved, result = await WireClient.join(second.ws_url)
    result = await moved.subscribe(CHANNEL, **position)
    assert result["recovered"]
    missed = [one["data"]["text"] for one in result.get("publications", [])]
    assert texts(viewer) + missed == spoken
    for client in (viewer, speaker, moved):
        await client.close()
