"""Lines of the feed: closed once, they stay closed; one that is lost costs nobody the feed."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Any

from redis.asyncio import ConnectionPool

from rooms.adapters.feed_line import FeedLine
from rooms.adapters.redis_feed import RedisFeed
from rooms.errors import RoomLogUnavailable
from server.redis_client import ClientRole, connect
from tests.support.redis_server import plain_redis


def pass_over(*_told: Any) -> None:
    """What comes on the line is nobody's business here."""


async def test_a_line_that_was_closed_does_not_connect_again_to_leave_a_channel(
    redis_url: str,
) -> None:
    pool = ConnectionPool.from_url(redis_url)
    line = FeedLine(None, pool, taken=pass_over, moved=pass_over)
    await line.add("{room:demo}:events")
    assert connected(pool) == 1
    await line.close()
    await pool.disconnect()
    assert connected(pool) == 0
    await line.discard("{room:demo}:events")
    assert connected(pool) == 0
    assert not line.asked


def connected(pool: ConnectionPool) -> int:
    known = (*pool._available_connections, *pool._in_use_connections)
    return sum(connection.is_connected for connection in known)


async def test_a_feed_whose_connections_are_lost_while_channels_are_added_goes_on() -> None:
    async def resumed(_channels: object) -> None:
        pass

    async def cut() -> None:
        dice = random.Random(1)
        while True:
            await commands.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            await asyncio.sleep(dice.random() * 0.02)

    with plain_redis() as port:
        commands = connect(f"redis://127.0.0.1:{port}")
        listener = connect(f"redis://127.0.0.1:{port}", role=ClientRole.LISTENER)
        feed = RedisFeed(
            listener, on_message=pass_over, on_resumed=resumed, subscribe_within_s=0.01
        )
        running, cutting = asyncio.create_task(feed.run()), asyncio.create_task(cut())
        try:
            for number in range(150):
                with contextlib.suppress(RoomLogUnavailable):
                    await feed.subscribe(f"channel-{number}")
                await feed.unsubscribe(f"channel-{number - 5}")
                assert not running.done(), running.exception()
        finally:
            for task in (cutting, running):
                task.cancel()
            await asyncio.gather(cutting, running, return_exceptions=True)
            await listener.aclose()
            await commands.aclose()
