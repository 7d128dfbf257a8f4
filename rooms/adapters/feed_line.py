"""One connection that listens to one server, until it is lost. It never comes back by itself.

In a cluster there is one for each master that has a channel; else there is one.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from redis.asyncio.client import PubSub
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MovedError, RedisError

POLL_S = 1.0
QUIET_S = 2.0  # after that a server is asked whether it lives; after twice that it does not


class FeedLine:
    """`taken` is told every message, `moved` that a slot is elsewhere. Ends with an exception."""

    def __init__(
        self,
        node: ClusterNode | None,
        pool: ConnectionPool,
        *,
        taken: Callable[[FeedLine, dict[str, Any]], None],
        moved: Callable[[FeedLine, MovedError], None],
    ) -> None:
        self.node = node
        self.asked: set[str] = set()  # channels that are to be heard here
        self.ended = False
        self._own_pool = None if node is None else pool
        self._pubsub: Any = _Once(pool)
        self._taken = taken
        self._moved = moved
        self._leaving: list[str] = []

    async def add(self, channel: str) -> None:
        """Ask for a channel; `taken` gets the answer."""
        self.asked.add(channel)
        with _closed_is_lost():
            await self._pubsub.ssubscribe(channel)

    async def discard(self, channel: str) -> None:
        """Messages on their way may still arrive. A line that has ended is left alone: redis-py
        would connect it again, and nobody would close it any more.
        """
        if channel in self.asked:
            self.asked.discard(channel)
            if self.ended:
                return
            self._leaving.append(channel)
            with contextlib.suppress(RedisError, OSError), _closed_is_lost():  # `read` ends, too
                await self._pubsub.sunsubscribe(channel)

    def has_left(self, channel: str) -> bool:
        """Whether the word that a channel is not heard any more was asked for."""
        if channel in self._leaving:
            self._leaving.remove(channel)
            return True
        return False

    async def read(self) -> None:
        """Hand over what comes. Raises what redis-py raises, when the connection is no good."""
        try:
            await self._read()
        finally:
            self.ended = True

    async def _read(self) -> None:
        heard_at_s, asked = time.monotonic(), False
        while True:
            try:
                with _closed_is_lost():
                    message = await self._pubsub.get_message(timeout=POLL_S)
            except MovedError as error:
                self._moved(self, error)
                continue
            now_s = time.monotonic()
            if message is not None:
                heard_at_s, asked = now_s, False
                if message["channel"] is not None:
                    self._taken(self, message)
            elif now_s - heard_at_s > 2 * QUIET_S:
                raise TimeoutError(f"nothing was heard for {2 * QUIET_S} s")
            elif now_s - heard_at_s > QUIET_S and not asked:
                asked = True  # a dead peer says nothing either; a living one answers
                with _closed_is_lost():
                    await self._pubsub.ping()

    async def close(self) -> None:
        self.ended = True
        with contextlib.suppress(RedisError, OSError):  # it may be broken already
            await self._pubsub.aclose()
        if self._own_pool is not None:
            with contextlib.suppress(RedisError, OSError):
                await self._own_pool.disconnect()


class _Once(PubSub):
    """redis-py connects again by itself, whoever notices first, and then subscribes to all slots in
    one command. Here a lost connection is lost: what was missed must be looked for.
    """

    async def connect(self) -> None:
        if self.connection is None:
            await super().connect()  # type: ignore[no-untyped-call]
        self._check()

    async def parse_response(self, *args: Any, **kwargs: Any) -> Any:
        self._check()
        return await super().parse_response(*args, **kwargs)

    def _check(self) -> None:
        if self.connection is None or not self.connection.is_connected:
            raise RedisConnectionError("the connection was lost")

    async def _reconnect(
        self, conn: Any, error: BaseException | None = None, *_: Any, **__: Any
    ) -> None:
        await conn.disconnect()
        raise RedisConnectionError(f"the connection was lost: {error}") from error

    async def on_connect(self, connection: Any) -> None:
        raise RedisConnectionError("the connection was lost")


@contextlib.contextmanager
def _closed_is_lost() -> Iterator[None]:
    """Who reads closes a lost connection, maybe while something is being written to it."""
    try:
        yield
    except (AttributeError, RuntimeError) as error:
        raise RedisConnectionError(f"closed while it was used: {error}") from error


def pool_of(node: ClusterNode) -> ConnectionPool:
    """Connections to one node that the cluster's client neither uses nor closes."""
    return ConnectionPool(
        connection_class=node.connection_class, max_connections=1, **node.connection_kwargs
    )
