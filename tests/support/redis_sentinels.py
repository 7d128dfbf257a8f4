"""A real Sentinel trio on loopback, with a primary and replicas to be killed.

All methods block: see `tests.support.redis_nodes`. A dead primary is replaced within about five
seconds; one that comes back, or was replaced alive, believes itself primary for 8 seconds more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from server.redis_binary import find_redis_server
from tests.support.redis_nodes import HOST, ON_DISK, RedisNode, ended, settled, started

SERVICE = "live"
SENTINELS = 3
QUORUM = 2
DOWN_AFTER_MS = 3_000  # a busy machine stands still for a second
FAIL_OVER_WITHIN_MS = 2_000
HEALTHY_WITHIN_S = 30.0


class SentinelGroup:
    """Made by `running_sentinels`."""

    def __init__(self, directory: Path, replicas: int) -> None:
        self._directory = directory
        self._program = find_redis_server(directory)
        self.nodes = [
            RedisNode(self._program, directory / f"node-{number}", *ON_DISK, config="")
            for number in range(1 + replicas)
        ]
        self.sentinels: list[RedisNode] = []
        self._begin()

    @property
    def url(self) -> str:
        """For `server.redis_client.connect`."""
        places = ",".join(f"{HOST}:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{places}/{SERVICE}"

    def primary(self) -> RedisNode:
        """The node that all sentinels name, once it is one. `LookupError` while there is none."""
        named = set()
        for sentinel in self.sentinels:
            if sentinel.alive:
                _, port = sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
                named.add(int(port))
        for node in self.nodes:
            is_named = {node.port} == named and node.alive
            if is_named and node.facts("replication")["role"] == "master":
                return node
        raise LookupError("there is no primary")

    def replicas(self) -> list[RedisNode]:
        """The living others."""
        primary = self.primary()
        return [node for node in self.nodes if node is not primary and node.alive]

    def kill_primary(self) -> RedisNode:
        """Kill -9 the primary; a replica is promoted in a while. The dead."""
        primary = self.primary()
        primary.kill()
        return primary

    def wait_until_promoted(self, after: RedisNode) -> RedisNode:
        """Return the primary once it is another one than `after`."""
        settled(lambda: self.primary() is not after, HEALTHY_WITHIN_S, f"{after} is replaced")
        return self.primary()

    def fail_over(self) -> RedisNode:
        """`SENTINEL FAILOVER`: as if the primary had died. The new one."""
        primary = self.primary()

        def begun() -> bool:
            try:
                self.sentinels[0].ask("SENTINEL", "FAILOVER", SERVICE)
            except redis.ResponseError as error:  # the last one is not over yet
                return "INPROG" in str(error) and self.primary() is not primary
            return True

        settled(begun, HEALTHY_WITHIN_S, "a failover begins")
        return self.wait_until_promoted(primary)

    def heal(self) -> None:
        """Whatever a test has done: all run, and every replica follows."""
        for sentinel in self.sentinels:
            sentinel.revive()
        settled(self.primary, HEALTHY_WITHIN_S, "the sentinels have a primary")
        for node in self.nodes:
            node.revive()
        settled(self._no_strays, HEALTHY_WITHIN_S, "there is one primary")
        self.wait_until_healthy()

    def empty(self) -> None:
        """Nothing is stored, no script is known."""
        self.primary().ask("FLUSHALL")
        self.primary().ask("SCRIPT", "FLUSH")
        self.wait_until_healthy()

    def wait_until_healthy(self) -> None:
        """All replicas follow one primary with their files in order, and all sentinels know it."""
        settled(self._is_healthy, HEALTHY_WITHIN_S, "the sentinels are content")

    def end(self) -> None:
        ended([*self.sentinels, *self.nodes])

    # how it is done

    def _begin(self) -> None:
        first, *others = self.nodes
        for node in others:
            node.follow(first)
        self.sentinels = [
            RedisNode(
                self._program, self._directory / f"sentinel-{number}", "--sentinel", config=""
            )
            for number in range(SENTINELS)
        ]
        for sentinel in self.sentinels:
            sentinel.configure("\n".join(self._known_to(sentinel)))
        try:
            started([*self.nodes, *self.sentinels])
            self.wait_until_healthy()
        except BaseException:
            self.end()
            raise

    def _known_to(self, sentinel: RedisNode) -> list[str]:
        """Each starts knowing all others: nothing has to be discovered."""
        first, *replicas = self.nodes
        return [
            f"port {sentinel.port}",
            f"sentinel myid {sentinel.id}",
            f"sentinel monitor {SERVICE} {HOST} {first.port} {QUORUM}",
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {SERVICE} {FAIL_OVER_WITHIN_MS}",
            *(f"sentinel known-replica {SERVICE} {HOST} {one.port}" for one in replicas),
            *(
                f"sentinel known-sentinel {SERVICE} {HOST} {one.port} {one.id}"
                for one in self.sentinels
                if one is not sentinel
            ),
            "",
        ]

    def _no_strays(self) -> bool:
        """The sentinels would tell a primary of before to follow, but only after 8 seconds."""
        primary = self.primary()
        for node in self.nodes:
            if node is not primary and node.facts("replication")["role"] == "master":
                node.ask("REPLICAOF", HOST, primary.port)
        return True

    def _is_healthy(self) -> bool:
        primary = self.primary()
        for sentinel in self.sentinels:
            sentinel.ask("SENTINEL", "CKQUORUM", SERVICE)
        others = [node for node in self.nodes if node is not primary]
        for node in others:
            told = node.facts("replication")
            if told["role"] != "slave" or told["master_port"] != str(primary.port):
                return False
        followers = primary.facts("replication")["connected_slaves"]
        return followers == str(len(others)) and all(node.is_whole for node in self.nodes)


@contextmanager
def running_sentinels(directory: Path, *, replicas: int = 1) -> Iterator[SentinelGroup]:
    """A healthy group; its processes are ended by id whatever happens."""
    group = SentinelGroup(directory, replicas)
    try:
        yield group
    finally:
        group.end()
