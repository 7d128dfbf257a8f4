"""A Lua script beside its adapter: read once, called by its digest, loaded again when forgotten."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import NoScriptError

RedisClient = Redis | RedisCluster


class Script:
    """One `.lua` file of this package. Redis forgets scripts on restart and failover."""

    def __init__(self, name: str) -> None:
        self.text = files("rooms.adapters").joinpath(f"{name}.lua").read_text("utf-8")
        self.digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(
        self, client: RedisClient, keys: Sequence[str], args: Sequence[str | bytes | int]
    ) -> Any:
        """Run it; the first call after a restart sends the text instead of the digest."""
        try:
            return await client.evalsha(self.digest, len(keys), *keys, *args)
        except NoScriptError:
            return await client.eval(self.text, len(keys), *keys, *args)
