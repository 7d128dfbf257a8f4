"""Connecting to Redis: every client setting chosen here, for every kind of server supported.

    redis://[user:password@]host:port/db       rediss://  the same over TLS
    unix:///path/to/socket                     what the embedded Redis uses
    redis+sentinel://[user:password@]host:port,host:port/service/db
    redis+cluster://[user:password@]host:port,host:port

Knows nothing of keys or scripts.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.maint_notifications import MaintNotificationsConfig

from server.redis_binary import REDIS_LEAST, VALKEY_LEAST, good_enough
from server.settings import BadSetting, Limits

log = logging.getLogger(__name__)

Client: TypeAlias = Redis | RedisCluster

CONNECTIONS_MAX = 16  # per worker; batches need few
NODE_CONNECTIONS_MAX = 64  # in a cluster and under Sentinel, whose clients refuse and never wait
LISTEN_BLOCK_S = 2.0  # the longest that one blocking read of a listener may ask the server to wait
RETRIES = 1
RETRY_DELAY_S = 0.02
RETRY_DELAY_S_MAX = 0.2
SENTINEL_PORT = 26379
SENTINEL_LOOK_S = 1.0  # how often the sentinels are asked who is primary, while it is used
SENTINEL_LOOK_WITHIN_S = 0.2
REDIS_PORT = 6379


class ClientRole(Enum):
    """What a client is for. Each kind of use needs a client of its own."""

    COMMANDS = "commands"  # answers within `redis_within_ms` or fails
    LISTENER = "listener"  # pub/sub, and reads that block for up to LISTEN_BLOCK_S


class UnusableRedis(Exception):
    """The server cannot be reached or is too old; the text names its address and says why."""


def connect(
    url: str, limits: Limits | None = None, *, role: ClientRole = ClientRole.COMMANDS
) -> Client:
    """A client that connects on first use. The caller closes it with `aclose`.

    A command whose reply is lost is sent again (once): only idempotent scripts may be called.
    With one server, a command waits for a free connection no longer than for a reply; with
    Sentinel, and at a node of a cluster, more than NODE_CONNECTIONS_MAX at once are refused.
    What goes wrong is a `RedisError` or an `OSError`, in a cluster as well.
    Call `initialize` before `pubsub`: in a cluster that needs to know the nodes.
    `BadSetting` if the URL makes no sense.
    """
    limits = limits or Limits()
    try:
        parts = urlsplit(url)
        if parts.scheme == "redis+sentinel":
            return _sentinel(parts, limits, role)
        if parts.scheme == "redis+cluster":
            return _cluster(parts, limits, role)
        if parts.scheme in {"redis", "rediss", "unix"}:
            return _standalone(url, limits, role)
    except ValueError as error:
        raise BadSetting("ONAIR_REDIS_URL", f"{address(url)}: {error}") from None
    raise BadSetting("ONAIR_REDIS_URL", f"unknown kind of server: {parts.scheme}")


def address(url: str) -> str:
    """The URL without user name, password and options: fit to be shown and logged."""
    scheme, _, rest = url.partition("://")
    place = rest.partition("?")[0].rpartition("@")[2]
    return f"{scheme}://{place}"


def _socket_timeouts(limits: Limits, role: ClientRole) -> dict[str, Any]:
    within_s = limits.redis_within_ms / 1000
    return {
        "socket_timeout": within_s + (LISTEN_BLOCK_S if role is ClientRole.LISTENER else 0),
        "socket_connect_timeout": within_s,
    }


def _chosen(limits: Limits, role: ClientRole) -> dict[str, Any]:
    """What every client has in common; redis-py's own defaults wait and retry for a minute."""
    backoff = ExponentialWithJitterBackoff(base=RETRY_DELAY_S, cap=RETRY_DELAY_S_MAX)
    return {
        **_socket_timeouts(limits, role),
        "retry": Retry(backoff, RETRIES),
        "protocol": 3,
        "legacy_responses": False,
        # Off: its PING before a command reconnects, whose own first command checks again, and so
        # on; with a hanging server that takes minutes. Timeouts notice a dead peer as well.
        "health_check_interval": 0,
        "client_name": f"onair-{role.value}",
        # Announcements of managed services; here they would only cost a round trip and a warning.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }


def _standalone(url: str, limits: Limits, role: ClientRole) -> Redis:
    options = _chosen(limits, role)
    if urlsplit(url).scheme == "unix":
        del options["socket_connect_timeout"]
    else:
        options["socket_keepalive"] = True
    pool: ConnectionPool
    if role is ClientRole.COMMANDS:
        pool = BlockingConnectionPool.from_url(
            url, max_connections=CONNECTIONS_MAX, timeout=options["socket_timeout"], **options
        )
    else:
        pool = ConnectionPool.from_url(url, max_connections=CONNECTIONS_MAX, **options)
    pool.connection_class = told_as_lost(pool.connection_class)
    return Redis.from_pool(pool)


def told_as_lost(kind: type[AbstractConnection]) -> type[AbstractConnection]:
    """Connections of that kind which are told as lost whenever they are.

    A connection may be closed between two of its own steps, when the peer dies just then. Of the
    writing that follows redis-py knows nothing, and uvloop says `RuntimeError`.
    """

    class Told(kind):  # type: ignore[misc, valid-type]
        async def _send_packed_command(self, command: Iterable[bytes]) -> None:
            try:
                await super()._send_packed_command(command)
            except (AttributeError, RuntimeError) as error:
                raise RedisConnectionError(f"closed while it was used: {error}") from error

    return Told


def _sentinel(parts: SplitResult, limits: Limits, role: ClientRole) -> Redis:
    names = [name for name in parts.path.split("/") if name]
    if not 1 <= len(names) <= 2 or (len(names) == 2 and not names[1].isdigit()):
        raise ValueError("must end with /service or /service/db")
    options = _chosen(limits, role) | _credentials(parts)
    sentinel_options = _socket_timeouts(limits, ClientRole.COMMANDS) | {"retry": options["retry"]}
    sentinels: Any = _Sentinels(  # type: ignore[no-untyped-call]
        _places(parts, SENTINEL_PORT),
        sentinel_kwargs=sentinel_options,
        **options,
    )
    client: Redis = sentinels.master_for(
        unquote(names[0]),
        connection_pool_class=_SentinelPool,
        db=int(names[1]) if len(names) == 2 else 0,
        max_connections=NODE_CONNECTIONS_MAX,
        socket_keepalive=True,
    )
    for place in (client, *sentinels.sentinels):
        pool = place.connection_pool
        pool.connection_class = told_as_lost(pool.connection_class)
    return client


class _Sentinels(Sentinel):
    """Asks first who answered last, and last who does not answer.

    redis-py exchanges places in its list by numbers that hold no more when several look at once,
    and so forgets sentinels; and one that hangs, until the look is given up, stays the first.
    """

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        for sentinel in tuple(self.sentinels):
            self._move(sentinel, len(self.sentinels) - 1)
            try:
                masters: Any = await sentinel.sentinel_masters()
            except (RedisConnectionError, RedisTimeoutError):
                continue
            state = masters.get(service_name)
            if state and self.check_master_state(state, service_name):
                self._move(sentinel, 0)
                return state["ip"], state["port"]
        raise MasterNotFoundError(f"no sentinel names a primary of {service_name!r}")

    def _move(self, sentinel: Redis, place: int) -> None:
        self.sentinels.remove(sentinel)
        self.sentinels.insert(place, sentinel)


class _SentinelPool(SentinelConnectionPool):
    """Goes by what the sentinels say also while its connections work: a primary that was replaced
    alive, or cut off from the others, answers for seconds, and nothing of that will be kept.

    Closes the connections to the sentinels too, which redis-py leaves to the collector.
    """

    _look_at_s = 0.0

    async def get_connection(self, *_: Any, **__: Any) -> Any:
        now_s = time.monotonic()
        if now_s >= self._look_at_s:
            self._look_at_s = now_s + SENTINEL_LOOK_S
            try:  # idle connections to another primary are closed by that
                async with asyncio.timeout(SENTINEL_LOOK_WITHIN_S):
                    await self.get_master_address()  # type: ignore[no-untyped-call]
            except (RedisError, OSError, TimeoutError):
                self._look_at_s = now_s + SENTINEL_LOOK_S * 5  # a new connection will say why
        pool: Any = super()
        return await pool.get_connection()

    async def aclose(self) -> None:
        await super().aclose()
        for sentinel in self.sentinel_manager.sentinels:
            await sentinel.aclose()


def _cluster(parts: SplitResult, limits: Limits, role: ClientRole) -> RedisCluster:
    if parts.path.strip("/"):
        raise ValueError("a cluster has no databases: nothing may follow the hosts")
    return _Cluster(
        startup_nodes=[ClusterNode(host, port) for host, port in _places(parts, REDIS_PORT)],
        max_connections=NODE_CONNECTIONS_MAX,
        socket_keepalive=True,
        # A table of slots with a hole is one node's view amid a failover: another one is asked.
        require_full_coverage=True,
        # Off: at every nth slot that has moved it closes the connections of everybody.
        reinitialize_steps=0,
        **_chosen(limits, role),
        **_credentials(parts),
    )


class _Cluster(RedisCluster):
    """Its own troubles are `RedisError` too: redis-py's are not, and nobody expects them."""

    async def initialize(
        self,
        additional_startup_nodes_info: list[tuple[str, int]] | None = None,
        last_failed_node_name: str | None = None,
    ) -> RedisCluster:
        try:
            client: RedisCluster = await super().initialize(
                additional_startup_nodes_info, last_failed_node_name
            )
        except RedisClusterException as error:
            raise RedisConnectionError(str(error)) from error
        return client

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().execute_command(*args, **kwargs)
        except RedisClusterException as error:
            raise RedisConnectionError(str(error)) from error
        except (AttributeError, RuntimeError) as error:
            # It closes a node's connections when one fails, also those that were just taken.
            raise RedisConnectionError(f"closed while it was used: {error}") from error

    def get_node_from_key(self, key: str, replica: bool = False) -> ClusterNode | None:
        try:
            return super().get_node_from_key(key, replica)
        except RedisClusterException as error:
            raise RedisConnectionError(str(error)) from error


def _credentials(parts: SplitResult) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if parts.username:
        found["username"] = unquote(parts.username)
    if parts.password:
        found["password"] = unquote(parts.password)
    return found


def _places(parts: SplitResult, default_port: int) -> list[tuple[str, int]]:
    """The (host, port) pairs of a URL that names several."""
    places = []
    for place in parts.netloc.rpartition("@")[2].split(","):
        one = urlsplit(f"//{place}")
        if not one.hostname:
            raise ValueError("a host is missing")
        places.append((one.hostname, one.port or default_port))
    return places


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server says of itself. In a cluster: of the primary with the oldest version."""

    name: str  # "redis" or "valkey"
    version: tuple[int, int]
    appends_to_file: bool
    evicts_keys: bool


async def check_server(client: Client, url: str) -> ServerFacts:
    """Refuse a server that is out of reach or too old; warn in the log of one that loses data.

    `UnusableRedis` says which address and why. `url` is only for the messages.
    """
    place = address(url)
    try:
        facts = min(await _facts(client), key=lambda one: one.version)
    except (RedisError, RedisClusterException, OSError) as error:
        raise UnusableRedis(f"{place}: cannot be reached: {error}") from error
    if not good_enough(facts.name, facts.version):
        least = VALKEY_LEAST if facts.name == "valkey" else REDIS_LEAST
        raise UnusableRedis(
            f"{place}: {facts.name} {_dotted(facts.version)} is too old, "
            f"at least {_dotted(least)} is needed"
        )
    if not facts.appends_to_file:
        log.warning("%s has appendonly off: a crash of it loses what was answered", place)
    if facts.evicts_keys:
        log.warning("%s evicts keys when it is full: set maxmemory-policy noeviction", place)
    return facts


async def _facts(client: Client) -> list[ServerFacts]:
    nodes: Iterable[Mapping[str, Any]]
    if isinstance(client, RedisCluster):
        by_node = await client.info(target_nodes=RedisCluster.PRIMARIES)
        nodes = [by_node] if "redis_version" in by_node else list(by_node.values())
    else:
        nodes = [await client.info()]
    return [_facts_of(info) for info in nodes]


def _facts_of(info: Mapping[str, Any]) -> ServerFacts:
    name = "valkey" if "valkey_version" in info else "redis"
    numbers = str(info[f"{name}_version"]).split(".")
    return ServerFacts(
        name=name,
        version=(int(numbers[0]), int(numbers[1])),
        appends_to_file=bool(int(info["aof_enabled"])),
        evicts_keys=int(info["maxmemory"]) > 0 and info["maxmemory_policy"] != "noeviction",
    )


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
