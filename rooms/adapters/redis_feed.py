"""What other workers announce: one sharded subscription per room and worker.

Pub/sub forgets. When a connection is lost, or a slot has moved to another master, the channels are
subscribed where they are now, and `on_resumed` tells their owner to look for what was missed. That
is done within RESUMED_WITHIN_S after the store can be reached. Messages are handed over in order
and never wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.exceptions import MovedError, RedisClusterException, RedisError

from rooms.adapters.feed_line import FeedLine, pool_of
from rooms.adapters.script import RedisClient
from rooms.errors import RoomLogUnavailable

_LOG = logging.getLogger("onair.feed")
RESUMED_WITHIN_S = 3.0
_TOPOLOGY_S = 10.0  # a cluster is asked that often who has which slot, and after each change
_BACKOFF_MIN_S = 0.05
_BACKOFF_MAX_S = 1.0
_TROUBLE = (RedisError, RedisClusterException, OSError, TimeoutError)


class RedisFeed:
    """Start it with `run`; it reads until cancelled."""

    def __init__(
        self,
        client: RedisClient,
        *,
        on_message: Callable[[str, bytes], None],
        on_resumed: Callable[[Collection[str]], Awaitable[None]],
        subscribe_within_s: float,
    ) -> None:
        self._client = client
        self._on_message = on_message
        self._on_resumed = on_resumed
        self._within_s = subscribe_within_s
        self._places: dict[str, FeedLine | None] = {}  # channel -> where it is asked for
        self._confirmations: dict[str, asyncio.Future[None]] = {}
        self._heard: set[str] = set()  # channels that were subscribed at some time
        self._resumed: set[str] = set()  # heard again, and their owner is not told yet
        self._lines: dict[str, FeedLine] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._work = asyncio.Event()
        self._is_stale = False  # the cluster may have changed
        self._moves: list[MovedError] = []
        self._lost: str | None = None  # the node that is asked last
        self._topology_at_s = time.monotonic()
        self._pause_s = _BACKOFF_MIN_S

    @property
    def connected(self) -> bool:
        """Every channel is heard."""
        return bool(self._places) and not self._confirmations

    async def subscribe(self, channel: str) -> None:
        """Return once messages of the channel arrive. Raises `RoomLogUnavailable`."""
        if channel not in self._places:
            self._places[channel] = None
            self._wait_for(channel)
            self._work.set()
        waiting = self._confirmations.get(channel)
        if waiting is None:
            return
        try:
            await asyncio.wait_for(asyncio.shield(waiting), self._within_s)
        except TimeoutError:
            raise RoomLogUnavailable(f"subscribe to {channel}: no answer in time") from None

    async def unsubscribe(self, channel: str) -> None:
        """Stop listening; messages on their way may still arrive."""
        line = self._places.pop(channel, None)
        self._confirmations.pop(channel, None)
        self._heard.discard(channel)
        self._resumed.discard(channel)
        if line is not None:
            await line.discard(channel)

    async def run(self) -> None:
        """Keep every channel subscribed where it is, until cancelled."""
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_TOPOLOGY_S):
                        await self._work.wait()
                self._work.clear()
                if not self._places:
                    continue
                try:
                    await self._look_after()
                except _TROUBLE as error:
                    is_first = self._pause_s == _BACKOFF_MIN_S
                    _LOG.log(logging.WARNING if is_first else logging.DEBUG, "feed: %s", error)
                    self._is_stale = True
                    await self._back_off()
                    self._work.set()
        finally:
            await self._close()

    # where the channels are

    async def _look_after(self) -> None:
        for name, old in list(self._lines.items()):
            if old.ended:
                del self._lines[name]
                await old.close()
        await self._refresh_topology()
        troubles: dict[str, Exception] = {}
        for channel in list(self._places):
            try:
                node = self._node_of(channel)
            except RedisClusterException as error:  # nobody has its slot now
                troubles[channel] = error
                continue
            name = _name(node)
            line = self._places.get(channel)
            if line is not None and (line.ended or name != _name(line.node)):
                self._displace(channel, line)
                await line.discard(channel)
            if channel in self._places and self._places[channel] is None and name not in troubles:
                try:
                    await self._place(channel, node)
                except _TROUBLE as error:
                    troubles[name] = error  # channels of other nodes do not wait for this one
                    self._lost = name
        for trouble in troubles.values():
            raise trouble
        if not self._confirmations:
            self._pause_s = _BACKOFF_MIN_S

    async def _refresh_topology(self) -> None:
        """Ask the cluster who has which slot, after a change and now and then."""
        now_s = time.monotonic()
        if not isinstance(self._client, RedisCluster):
            return
        await self._client.initialize()
        if self._is_stale or now_s - self._topology_at_s > _TOPOLOGY_S:
            lost, self._lost = self._lost, None
            await self._client.nodes_manager.initialize(last_failed_node_name=lost)
            moves, self._moves = self._moves, []
            for move in moves:  # who said so knows it better than the node that was asked
                await self._client.nodes_manager.move_slot(move)
            self._is_stale, self._topology_at_s = False, now_s

    def _node_of(self, channel: str) -> ClusterNode | None:
        """The master that has the channel's slot; None where there is but one server."""
        if not isinstance(self._client, RedisCluster):
            return None
        return self._client.get_node_from_key(channel)

    def _displace(self, channel: str, line: FeedLine) -> None:
        """It is not heard any more, until its next place confirms it."""
        if self._places.get(channel) is line:
            self._places[channel] = None
            self._wait_for(channel)
            self._work.set()

    def _wait_for(self, channel: str) -> None:
        waiting = asyncio.get_running_loop().create_future()
        self._confirmations.setdefault(channel, waiting)

    async def _place(self, channel: str, node: ClusterNode | None) -> None:
        name = _name(node)
        line = self._lines.get(name)
        is_new = line is None
        if line is None:
            pool = _pool_of_one(self._client) if node is None else pool_of(node)
            line = self._lines[name] = FeedLine(node, pool, taken=self._take, moved=self._moved)
        self._places[channel] = line
        try:
            await line.add(channel)
        except BaseException:
            line.ended = True
            raise
        if is_new:  # only now there is a connection to read from
            self._spawn(self._read(line))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # what comes

    async def _read(self, line: FeedLine) -> None:
        try:
            await line.read()
        except _TROUBLE as error:
            _LOG.warning("feed lost: %s", error)
        self._is_stale, self._lost = True, _name(line.node)
        self._work.set()
        for channel in list(line.asked):
            self._displace(channel, line)

    def _moved(self, line: FeedLine, error: MovedError) -> None:
        """A channel was asked for at a node that has not, or not yet, its slot."""
        assert isinstance(self._client, RedisCluster)
        self._is_stale = True
        self._moves.append(error)
        for channel in list(line.asked & self._confirmations.keys()):
            if self._client.keyslot(channel) == error.slot_id:
                line.asked.discard(channel)
                self._displace(channel, line)

    def _take(self, line: FeedLine, message: dict[str, Any]) -> None:
        channel = message["channel"].decode()
        match message["type"]:
            case "smessage":
                self._hand_over(channel, message["data"])
            case "ssubscribe":
                self._confirmed(channel, line)
            case "sunsubscribe" if not line.has_left(channel):
                line.asked.discard(channel)  # the server says so by itself when a slot has moved
                self._is_stale = True
                self._displace(channel, line)

    def _hand_over(self, channel: str, message: bytes) -> None:
        try:
            self._on_message(channel, message)
        except Exception:
            _LOG.exception("a message of %s was not taken in", channel)
            self._tell_resumed(channel)  # its owner looks at the store instead

    def _confirmed(self, channel: str, line: FeedLine) -> None:
        if self._places.get(channel) is not line:
            return
        confirmation = self._confirmations.pop(channel, None)
        if confirmation is not None and not confirmation.done():
            confirmation.set_result(None)
        if channel in self._heard:
            self._tell_resumed(channel)
        self._heard.add(channel)

    def _tell_resumed(self, channel: str) -> None:
        """Tell the owner, in one call with all the others of this moment."""
        if not self._resumed:
            self._spawn(self._tell())
        self._resumed.add(channel)

    async def _tell(self) -> None:
        channels, self._resumed = self._resumed, set()
        if channels:
            await self._on_resumed(channels)

    async def _back_off(self) -> None:
        await asyncio.sleep(self._pause_s * random.uniform(0.5, 1))
        self._pause_s = min(self._pause_s * 2, _BACKOFF_MAX_S)

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for line in self._lines.values():
            await line.close()
        self._lines.clear()


def _pool_of_one(client: RedisClient) -> ConnectionPool:
    assert isinstance(client, Redis)
    return client.connection_pool


def _name(node: ClusterNode | None) -> str:
    return "" if node is None else str(node.name)
