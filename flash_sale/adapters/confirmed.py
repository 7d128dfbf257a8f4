"""Commands on one connection, the last of which waits until what they wrote is where it must be.

Knows how a command finds the node of its key, also while slots move and nodes are replaced, and
how durable its effects must be; refuses to know what the command does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, PipelineCommand, RedisCluster
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MaxConnectionsError,
    MovedError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import TimeoutError as TooLate

RedisClient = Redis | RedisCluster
Argument = str | bytes | int

HOPS_MAX = 4  # how often a command is sent on or sent again before its caller hears of it
TRY_AGAIN_S = 0.05

# The node asked may not be the one to ask any more. MOVED is an AskError, too.
_ELSEWHERE = (MovedError, ClusterDownError, ConnectionLost, TooLate)

# redis-py closes a node's connections when one of them fails, also those that were just taken: what
# writes to such a one finds no stream, or a closed one.
_CLOSED_UNDER_IT = (AttributeError, RuntimeError)


class Unconfirmed(Exception):
    """Written, but not where it must be. Not a fault of the network: there was an answer."""


class Durable:
    """How far the effects of a command must have come before it is answered.

    `server_syncs` says that the server itself syncs its file before it replies. Without that,
    and for `replicated`, each call waits on its own connection (WAITAOF, Redis 7.2). `replicas`:
    how many of them must have it on disk, too.
    """

    def __init__(self, mode: str, *, server_syncs: bool, within_ms: int, replicas: int = 1) -> None:
        self.mode = mode
        self.local = int(mode != "everysec" and (mode == "replicated" or not server_syncs))
        self.replicas = replicas if mode == "replicated" else 0
        # A server of somebody else's may have replicas, and one of them be promoted.
        self.may_lose = not server_syncs and not self.replicas
        self.within_ms = within_ms

    @property
    def waits(self) -> bool:
        return bool(self.local or self.replicas)

    @property
    def waiting(self) -> list[tuple[Argument, ...]]:
        """The commands that wait, for `within_ms` in all, for what their connection has written."""
        if not self.replicas:
            return [("WAITAOF", self.local, 0, self.within_ms)]
        # A replica says what it has received before it has synced that, and would say what it has
        # synced once a second. Asked twice it says both at once: a millisecond instead of a second.
        half_ms = self.within_ms // 2
        return [("WAIT", self.replicas, half_ms), ("WAITAOF", self.local, self.replicas, half_ms)]

    def check(self, answers: Sequence[Any]) -> None:
        """Raises `Unconfirmed` if the answers to `waiting` say too little."""
        confirmed = answers[-1]
        if isinstance(confirmed, ResponseError):  # it has just become a replica itself
            raise Unconfirmed(f"written, but not confirmed: {confirmed}")
        if isinstance(confirmed, Exception):
            raise confirmed
        local, replicas = int(confirmed[0]), int(confirmed[1])
        if local < self.local or replicas < self.replicas:
            raise Unconfirmed(
                f"written, but confirmed by {local} disk and {replicas} replicas only"
            )


async def on_one_connection(
    client: RedisClient, key: str, *commands: Sequence[Argument]
) -> list[Any]:
    """The answers, or errors, of commands sent together; in a cluster to the master of `key`.

    They may be sent again when the first one's fate is unknown or it was asked at the wrong node.
    A cluster's own pipeline would send a command without keys, such as WAITAOF, to any node.
    """
    if not isinstance(client, RedisCluster):
        server: Any = client
        if len(commands) == 1:
            try:
                return [await server.execute_command(*commands[0])]
            except ResponseError as refused:
                return [refused]
        pipe = server.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)
        return list(await pipe.execute(raise_on_error=False))
    await client.initialize()
    node, asking = client.get_node_from_key(key), False
    for hop in range(1, HOPS_MAX + 1):
        assert node is not None
        answers = await _sent(node, commands, asking=asking)
        error = answers[0]
        if hop == HOPS_MAX or isinstance(error, MaxConnectionsError):
            break
        if isinstance(error, AskError) and not isinstance(error, MovedError):
            node, asking = await _node_at(client, error), True
        elif isinstance(error, TryAgainError):
            await asyncio.sleep(TRY_AGAIN_S)
            node, asking = client.get_node_from_key(key), False
        elif isinstance(error, _ELSEWHERE):
            await client.execute_command("TYPE", key)  # makes the client look where the slot is now
            node, asking = client.get_node_from_key(key), False
        else:
            break
    return answers


async def _sent(
    node: ClusterNode, commands: Sequence[Sequence[Argument]], *, asking: bool
) -> list[Any]:
    """`asking`: they are for a slot that is on its way to this node."""
    sent = [PipelineCommand(number, *one) for number, one in enumerate(commands)]
    one_by_one = sent
    if asking:  # it holds for the command after it
        one_by_one = [each for one in sent for each in (PipelineCommand(0, "ASKING"), one)]
    try:
        await node.execute_pipeline(one_by_one)
    except (ConnectionLost, TooLate) as error:
        return [error] * len(sent)
    except _CLOSED_UNDER_IT as error:
        return [ConnectionLost(f"closed while it was used: {error}")] * len(sent)
    return [one.result for one in sent]


async def _node_at(client: RedisCluster, place: AskError) -> ClusterNode:
    """The node a slot is moving to; it may have joined since the client last looked."""
    node = client.get_node(place.host, place.port)
    if node is None:
        await client.nodes_manager.initialize()
        node = client.get_node(place.host, place.port)
    if node is None:
        raise ClusterDownError(f"{place.host}:{place.port} is not known yet")
    return node
