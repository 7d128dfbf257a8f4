"""A wing in the eyes of the hall: the stores of a run stay while somebody says to be there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from server.redis_client import Client, connect
from server.rehearsal.shadow import stores_of
from server.settings import Settings

WINGS: Final = "onair:rehearsal:wings"  # sorted set: wing -> until when it is there, Unix ms
LEASE_MS: Final = 5_000
_LOOK_AGAIN_S: Final = 0.05


class Presence:
    """One wing's. `shadow` are the settings of the run's shop. Raises what Redis raises."""

    def __init__(self, shadow: Settings, name: str, now_ms: Callable[[], int]) -> None:
        self._name = name
        self._now_ms = now_ms
        self._client = _connect(shadow)

    async def hold(self, for_ms: int = LEASE_MS) -> None:
        """Be there for as long, unless `end` comes first."""
        await self._client.zadd(WINGS, {self._name: self._now_ms() + for_ms})

    async def end(self) -> None:
        """Be there no more. Nothing of the stores may be used after this."""
        try:
            await self._client.zrem(WINGS, self._name)
        finally:
            await self._client.aclose()


async def all_gone(shadow: Settings, now_ms: Callable[[], int], within_s: float) -> bool:
    """Wait until no wing is there any more; False when the time is up. Raises what Redis raises."""
    client = _connect(shadow)
    try:
        async with asyncio.timeout(within_s):
            while True:
                if not await client.zcount(WINGS, now_ms(), "+inf"):
                    return True
                await asyncio.sleep(_LOOK_AGAIN_S)
    except TimeoutError:
        return False
    finally:
        await client.aclose()


def _connect(shadow: Settings) -> Client:
    return connect(stores_of(shadow).redis_url, shadow.limits)
