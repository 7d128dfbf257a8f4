"""Hints that a stream has something new: what sales announce, and what workers tell each other.

A lost hint costs a second and no more, so nothing here is repeated or caught up with.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection

import orjson

from flash_sale.adapters.script import heads_channel_of, sale_of_channel
from flash_sale.model import SaleId
from rooms.adapters.redis_feed import RedisFeed
from rooms.adapters.script import RedisClient
from rooms.errors import RoomLogUnavailable
from server.control import CHANNEL
from server.ledger.writer import Writer

_LOG = logging.getLogger("onair.ledger")
_INTERVAL_S = 1.0


class Hints:
    """Gives the writer a hint whenever one of the sales that it follows announces something.

    Start it with `run`, and `feed.run` beside it.
    """

    def __init__(self, listener: RedisClient, writer: Writer, *, subscribe_within_s: float) -> None:
        self._writer = writer
        self._heard: set[SaleId] = set()
        self.feed = RedisFeed(
            listener,
            on_message=self._take,
            on_resumed=self._resumed,
            subscribe_within_s=subscribe_within_s,
        )

    async def run(self) -> None:
        """Listen to what is followed, until cancelled."""
        while True:
            try:
                await self.feed.subscribe(CHANNEL)
                await self._listen_to_what_is_followed()
            except RoomLogUnavailable as error:  # the feed keeps trying by itself
                _LOG.debug("no hints: %s", error)
            await asyncio.sleep(_INTERVAL_S)

    async def _listen_to_what_is_followed(self) -> None:
        followed = set(self._writer.followed)
        for sale in self._heard - followed:
            self._heard.discard(sale)
            await self.feed.unsubscribe(heads_channel_of(sale))
        for sale in followed - self._heard:
            self._heard.add(sale)
            await self.feed.subscribe(heads_channel_of(sale))

    def _take(self, channel: str, message: bytes) -> None:
        sale = sale_of_channel(channel)
        if sale is None:
            value = orjson.loads(message)
            sale = SaleId(value["sale"]) if value.get("kind") == "sale" else None
        if sale is not None:
            self._writer.hint(sale)

    async def _resumed(self, _channels: Collection[str]) -> None:
        for sale in self._writer.followed:
            self._writer.hint(sale)
