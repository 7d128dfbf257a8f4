"""Calls whose effects a replica has before they are answered: what a failover cannot take back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio.cluster import PipelineCommand, RedisCluster
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    NoScriptError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from rooms.adapters.script import RedisClient, Script

_ELSEWHERE = (
    AskError,
    ClusterDownError,
    MovedError,
    RedisConnectionError,
    RedisTimeoutError,
    TryAgainError,
)
# redis-py closes a node's connections when one of them fails, also those that were just taken.
_CLOSED_UNDER_IT = (AttributeError, RuntimeError)
_TRIES = 4
_PAUSE_S = 0.05
_MARK_TTL_S = 60

Argument = str | bytes | int


class Confirmed:
    """Runs one command, then waits on the same connection for a replica. `mark` is a key beside.

    What the command read is confirmed as well as what it wrote: the mark is written after it, and
    a replica that has the mark has everything before it. Raises what redis-py raises, and its
    `TimeoutError` when no replica confirmed in time: the command may have been carried out.
    """

    def __init__(self, replicas: int, within_ms: int) -> None:
        self._replicas = replicas
        self._within_ms = within_ms

    async def command(self, client: RedisClient, mark: str, command: Sequence[Argument]) -> Any:
        """Run a command of one key, or several that share the slot of `mark`."""
        answer = await self._try(client, mark, command)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def script(
        self,
        client: RedisClient,
        mark: str,
        script: Script,
        keys: Sequence[str],
        args: Sequence[Argument],
    ) -> Any:
        """Run a script; the first call after a restart sends the text instead of the digest."""
        called = (len(keys), *keys, *args)
        answer = await self._try(client, mark, ("EVALSHA", script.digest, *called))
        if isinstance(answer, NoScriptError):
            answer = await self._try(client, mark, ("EVAL", script.text, *called))
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _try(self, client: RedisClient, mark: str, command: Sequence[Argument]) -> Any:
        """The answer, or the error that the server answered with."""
        marking = ("SET", mark, "1", "EX", _MARK_TTL_S)
        waiting = ("WAIT", self._replicas, self._within_ms)
        for remaining in reversed(range(_TRIES)):
            answer, marked, replicas = await _together(client, mark, command, marking, waiting)
            error = next(
                (one for one in (answer, marked, replicas) if isinstance(one, Exception)), None
            )
            if isinstance(error, _ELSEWHERE) and remaining:
                await asyncio.sleep(_PAUSE_S)
                await client.execute_command(*marking)  # the client finds out where that is now
                continue
            if error is not None:
                return error
            if int(replicas) < self._replicas:
                raise RedisTimeoutError(f"carried out, but confirmed by {replicas} replicas only")
            return answer
        raise AssertionError("the last try returns")


async def _together(client: RedisClient, key: str, *commands: Sequence[Argument]) -> Sequence[Any]:
    """Answers, or errors, of commands on one connection: that of `key` in a cluster.

    A cluster's pipeline would send a command without keys, such as WAIT, to any node.
    """
    if not isinstance(client, RedisCluster):
        pipe: Any = client.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)
        return list(await pipe.execute(raise_on_error=False))
    await client.initialize()
    node = client.get_node_from_key(key)
    assert node is not None
    sent = [PipelineCommand(number, *command) for number, command in enumerate(commands)]
    try:
        await node.execute_pipeline(sent)
    except _ELSEWHERE as error:
        return [error] * len(commands)
    except _CLOSED_UNDER_IT as error:
        return [RedisConnectionError(f"closed while it was used: {error}")] * len(commands)
    return [one.result for one in sent]
