"""The scripts of a sale: one text each, begun by sale.lua, called by digest, with confirmed writes.

Knows how a script reaches Redis and how durable its effects are; refuses to know what it does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.cluster import PipelineCommand, RedisCluster
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import TimeoutError as TooLate

from flash_sale.errors import SaleStoreUnavailable
from flash_sale.model import SaleId

RedisClient = Redis | RedisCluster
Argument = str | bytes | int

# What a healthy script may be answered by a server in trouble; any other error is a bug of ours.
_TROUBLE = (
    *("OOM", "WRONGTYPE", "NOREPLICAS", "LOADING", "MASTERDOWN", "READONLY", "MISCONF", "BUSY"),
    *("CLUSTERDOWN", "TRYAGAIN", "UNKILLABLE", "NOAUTH", "NOPERM"),
)
# The same, where redis-py has taken the word away and made a class of it.
_IN_TROUBLE = (
    *(OutOfMemoryError, ReadOnlyError, MasterDownError, NoPermissionError),
    *(ClusterDownError, TryAgainError, AskError),
)
# A node of a cluster that may not be the one to ask any more. MOVED is an AskError, too.
_ELSEWHERE = (AskError, TryAgainError, ClusterDownError, ConnectionLost, TooLate)
_NAMES = (
    *("sale", "stock", "orders", "states", "refused:0", "refused:1", "buyers", "deadlines"),
    *("waiting", "payments", "acts", "ledger"),
)


def keys_of(sale: SaleId) -> list[str]:
    """KEYS of every script, in their order; one slot of a cluster."""
    return [f"{{sale:{sale}}}:{name}" for name in _NAMES]


def key_of(sale: SaleId, name: str) -> str:
    assert name in _NAMES, name
    return f"{{sale:{sale}}}:{name}"


def channel_of(sale: SaleId) -> str:
    """Where the sale's announcements are heard (sharded pub/sub)."""
    return f"{{sale:{sale}}}:events"


def heads_channel_of(sale: SaleId) -> str:
    """The same announcements without their moves: for those who only follow where a sale stands."""
    return f"{channel_of(sale)}.heads"


def sale_of_channel(channel: str) -> SaleId | None:
    """The sale whose announcements come on a channel; None if it is another kind of channel."""
    place = channel.removesuffix(".heads")
    if place.startswith("{sale:") and place.endswith("}:events"):
        return SaleId(place[len("{sale:") : -len("}:events")])
    return None


class Durable:
    """How far the effects of a script must have come before it is answered.

    `server_syncs` says that the server itself syncs its file before it replies. Without that,
    and for `replicated`, each call waits on its own connection (WAITAOF, Redis 7.2).
    """

    def __init__(self, mode: str, *, server_syncs: bool, within_ms: int) -> None:
        self.mode = mode
        self.local = int(mode != "everysec" and (mode == "replicated" or not server_syncs))
        self.replicas = int(mode == "replicated")
        self.within_ms = within_ms

    @property
    def waits(self) -> bool:
        return bool(self.local or self.replicas)


class Script:
    """One `.lua` file of this package behind the common beginning. Redis may forget it."""

    def __init__(self, name: str, *, flags: str = "") -> None:
        here = files("flash_sale.adapters")
        parts = [here.joinpath(f"{part}.lua").read_text("utf-8") for part in ("sale", name)]
        # The first line makes Redis refuse the whole script, not half of it, when memory is out.
        self.text = "\n".join([f"#!lua flags={flags}" if flags else "#!lua", *parts])
        self.name = name
        self.digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(
        self,
        client: RedisClient,
        sale: SaleId,
        args: Sequence[Argument],
        durable: Durable | None = None,
    ) -> list[Any]:
        """Run it. Raises `SaleStoreUnavailable`: it may have run, ask again with the same ids."""
        keys = keys_of(sale)
        command = (len(keys), *keys, channel_of(sale), *args)
        try:
            if durable is not None and durable.waits:
                return await self._confirmed(client, command, durable)
            try:
                answer = await client.execute_command("EVALSHA", self.digest, *command)
            except NoScriptError:
                answer = await client.execute_command("EVAL", self.text, *command)
        except (RedisError, OSError, TimeoutError) as error:
            raise _fault(self.name, sale, error) from error
        return list(answer)

    async def _confirmed(
        self, client: RedisClient, command: Sequence[Argument], durable: Durable
    ) -> list[Any]:
        """Run it and wait, on the same connection, until its effects are on disk."""
        called: tuple[Argument, ...] = ("EVALSHA", self.digest)
        waiting = ("WAITAOF", durable.local, durable.replicas, durable.within_ms)
        for _ in range(3):
            answer, confirmed = await _both(client, (*called, *command), waiting)
            if isinstance(client, RedisCluster) and isinstance(answer, _ELSEWHERE):
                # Run once more where the client finds the slot now, then there with confirmation.
                await client.execute_command("EVAL", self.text, *command)
                continue
            if isinstance(answer, NoScriptError):
                called = ("EVAL", self.text)
                continue
            for result in (answer, confirmed):
                if isinstance(result, Exception):
                    raise result
            local, replicas = int(confirmed[0]), int(confirmed[1])
            if local < durable.local or replicas < durable.replicas:
                raise TimeoutError(
                    f"written, but confirmed by {local} disk and {replicas} replicas only"
                )
            return list(answer)
        raise TimeoutError("the script was forgotten, or its slot moved, while it was called")


async def _both(
    client: RedisClient, first: Sequence[Argument], second: Sequence[Argument]
) -> tuple[Any, Any]:
    """Answers, or errors, of two commands on one connection: that of `first`'s keys in a cluster.

    A cluster's pipeline would send a command without keys, such as WAITAOF, to any node.
    """
    if not isinstance(client, RedisCluster):
        pipe: Any = client.pipeline(transaction=False)
        pipe.execute_command(*first)
        pipe.execute_command(*second)
        answer, confirmed = await pipe.execute(raise_on_error=False)
        return answer, confirmed
    await client.initialize()
    node = client.get_node_from_key(str(first[3]))  # EVALSHA, digest, number of keys, the keys
    assert node is not None
    one, other = PipelineCommand(0, *first), PipelineCommand(1, *second)
    try:
        await node.execute_pipeline([one, other])
    except _ELSEWHERE as error:
        return error, error
    return one.result, other.result


def _fault(name: str, sale: SaleId, error: Exception) -> Exception:
    if isinstance(error, ResponseError) and not isinstance(error, (NoScriptError, *_IN_TROUBLE)):
        text = str(error)
        known = any(word in text for word in _TROUBLE)
        if not known:
            return error
    kind = type(error).__name__
    return SaleStoreUnavailable(f"{name} of sale {sale}: {kind}: {error}")
