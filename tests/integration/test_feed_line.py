"""One line of the feed: closed once, it stays closed."""

from __future__ import annotations

from typing import Any

from redis.asyncio import ConnectionPool

from rooms.adapters.feed_line import FeedLine


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
