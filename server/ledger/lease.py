"""Who keeps: one ledger worker at a time, by a key in Redis that lapses when it falls silent.

Each kind of keeping has its own key.

Two may hold it for a moment when a holder hangs; what keepers do may be done twice.
"""

from __future__ import annotations

import contextlib
import os
import socket

from redis.exceptions import RedisError

from rooms.adapters.script import RedisClient

KEY = "onair:keeper"
LIFE_MS = 3_000


def holder(name: str) -> str:
    """The worker of this name on this host and below this server: its next process is called the
    same, and no other server is, not even one beside it.
    """
    return f"{name}@{socket.gethostname()}:{os.getppid()}"


class Lease:
    """`name` is stable, so that a worker that was killed takes up its own lease again."""

    def __init__(self, client: RedisClient, name: str, key: str = KEY) -> None:
        self._client = client
        self._key = key
        self._name = name.encode()

    async def hold(self) -> bool:
        """Take the lease or renew it; call it more often than every `LIFE_MS`.

        False: another worker has it, or the store is away.
        """
        try:
            if await self._client.set(self._key, self._name, nx=True, px=LIFE_MS):
                return True
            if await self._client.get(self._key) != self._name:
                return False
            return bool(await self._client.pexpire(self._key, LIFE_MS))
        except (RedisError, OSError):
            return False

    async def release(self) -> None:
        """Let the next one keep at once. If the store is away, the lease lapses by itself."""
        with contextlib.suppress(RedisError, OSError):
            if await self._client.get(self._key) == self._name:
                await self._client.delete(self._key)
