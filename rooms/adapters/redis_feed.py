"""What other workers announce: one sharded subscription per room and worker.

Pub/sub forgets: after a broken connection every channel is subscribed again and `on_resumed`
tells the owner to catch up from the stream. Messages are handed over in order and never wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from redis.exceptions import RedisError

from rooms.adapters.script import RedisClient
from rooms.errors import RoomLogUnavailable

_LOG = logging.getLogger("onair.feed")
_POLL_S = 1.0
_QUIET_S = 5.0
_BACKOFF_MIN_S = 0.05
_BACKOFF_MAX_S = 2.0


class RedisFeed:
    """Start it with `run`; it reads until cancelled."""

    def __init__(
        self,
        client: RedisClient,
        *,
        on_message: Callable[[str, bytes], None],
        on_resumed: Callable[[], Awaitable[None]],
        subscribe_within_s: float,
    ) -> None:
        self._client = client
        self._on_message = on_message
        self._on_resumed = on_resumed
        self._within_s = subscribe_within_s
        self._channels: set[str] = set()
        self._confirmations: dict[str, asyncio.Future[None]] = {}
        self._pubsub: Any = None
        self._work = asyncio.Event()
        self._broken = True
        self._heard_at_s = 0.0
        self._asked = False  # a ping is out
        self.connected = False

    async def subscribe(self, channel: str) -> None:
        """Return once messages of the channel arrive. Raises `RoomLogUnavailable`."""
        if channel in self._channels and channel not in self._confirmations:
            return
        waiting = self._confirmations.get(channel)
        if waiting is None:
            waiting = asyncio.get_running_loop().create_future()
            self._confirmations[channel] = waiting
            self._channels.add(channel)
            self._work.set()
            if self._pubsub is not None:
                with contextlib.suppress(RedisError, OSError):  # the reader reconnects and repeats
                    await self._pubsub.ssubscribe(channel)
        try:
            await asyncio.wait_for(asyncio.shield(waiting), self._within_s)
        except TimeoutError:
            raise RoomLogUnavailable(f"subscribe to {channel}: no answer in time") from None

    async def unsubscribe(self, channel: str) -> None:
        """Stop listening; messages on their way may still arrive."""
        self._channels.discard(channel)
        self._confirmations.pop(channel, None)
        if self._pubsub is not None:
            with contextlib.suppress(RedisError, OSError):  # a new connection starts without it
                await self._pubsub.sunsubscribe(channel)

    async def run(self) -> None:
        """Read until cancelled; reconnect with growing, jittered pauses."""
        pause_s = _BACKOFF_MIN_S
        while True:
            await self._work.wait()
            try:
                await self._read()
            except (RedisError, OSError, TimeoutError) as error:
                if self.connected:
                    _LOG.warning("feed lost: %s", error)
                    pause_s = _BACKOFF_MIN_S
            self.connected = False
            await self._drop()
            await asyncio.sleep(pause_s * random.uniform(0.5, 1))
            pause_s = min(pause_s * 2, _BACKOFF_MAX_S)

    async def _read(self) -> None:
        pubsub: Any = self._client.pubsub()
        self._pubsub = pubsub
        self._heard_at_s, self._asked = time.monotonic(), False
        for channel in sorted(self._channels):
            self._confirmations.setdefault(channel, asyncio.get_running_loop().create_future())
            await pubsub.ssubscribe(channel)
        self._broken = True
        while True:
            message = await self._next(pubsub)
            if message is not None and message["channel"] is not None:
                self._take(message)
            if self._broken and not self._confirmations:
                self._broken = False
                self.connected = True
                await self._on_resumed()

    async def _next(self, pubsub: Any) -> dict[str, Any] | None:
        if not pubsub.subscribed:
            await asyncio.sleep(_POLL_S / 10)
            return None
        read = getattr(pubsub, "get_sharded_message", pubsub.get_message)
        message: dict[str, Any] | None = await read(timeout=_POLL_S)
        now_s = time.monotonic()
        if message is not None:
            self._heard_at_s, self._asked = now_s, False
        elif now_s - self._heard_at_s > 2 * _QUIET_S:
            raise TimeoutError(f"nothing was heard for {2 * _QUIET_S} s")
        elif now_s - self._heard_at_s > _QUIET_S and not self._asked:
            self._asked = True  # a dead peer says nothing either; a living one answers
            await pubsub.ping()
        return message

    def _take(self, message: dict[str, Any]) -> None:
        channel = message["channel"].decode()
        if message["type"] == "ssubscribe":
            confirmation = self._confirmations.pop(channel, None)
            if confirmation is None:
                self._broken = True  # the library reconnected by itself: messages were missed
            elif not confirmation.done():
                confirmation.set_result(None)
        elif message["type"] == "smessage":
            try:
                self._on_message(channel, message["data"])
            except Exception:
                _LOG.exception("a message of %s was not taken in", channel)
                self._broken = True  # its owner looks at the stream instead

    async def _drop(self) -> None:
        pubsub, self._pubsub = self._pubsub, None
        if pubsub is not None:
            with contextlib.suppress(RedisError, OSError):  # it is broken already
                await pubsub.aclose()
