"""A real Redis Cluster on loopback, 3 masters and 3 replicas, to be killed and moved about.

All methods block: see `tests.support.redis_nodes`. Nodes fail over within about five seconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from redis.crc import key_slot

from server.redis_binary import find_redis_server
from tests.support.redis_nodes import HOST, ON_DISK, RedisNode, ended, settled, started
from tests.support.redis_server import free_port

MASTERS = 3
SLOTS = 16_384
NODE_TIMEOUT_MS = 3_000  # a busy machine stands still for a second
ASK_AGAIN_S = 6.0  # a failover by hand lapses after 5 s
HEALTHY_WITHIN_S = 30.0
MOVE_WITHIN_MS = 5_000


@dataclass(frozen=True, slots=True)
class Known:
    """One node of the cluster, as another one knows it."""

    port: int
    is_master: bool
    fails: bool
    of: str  # the id of its master, or "-"
    slots: tuple[tuple[int, int], ...]


class Cluster:
    """Made by `running_cluster`. A key or a sale's tag says which part of it is meant."""

    def __init__(self, directory: Path) -> None:
        program = find_redis_server(directory)
        self.nodes = [_node(program, directory / f"node-{number}") for number in range(MASTERS * 2)]
        self._begin()

    @property
    def url(self) -> str:
        """For `server.redis_client.connect`: every node is named, for any may be dead."""
        return f"redis+cluster://{','.join(f'{HOST}:{node.port}' for node in self.nodes)}"

    # who is who

    def node_of(self, key: str) -> RedisNode:
        """The living master that has the slot of a key. `LookupError` while none has."""
        slot = key_slot(key.encode())
        for one in self._known():
            if one.is_master and any(first <= slot <= last for first, last in one.slots):
                return self._at(one.port)
        raise LookupError(f"nobody has slot {slot}")

    def replica_of(self, master: RedisNode) -> RedisNode:
        """A living replica of a master. `LookupError` if there is none."""
        for one in self._known():
            if not one.is_master and not one.fails and one.of == master.id:
                return self._at(one.port)
        raise LookupError(f"{master} has no replica")

    def another_than(self, node: RedisNode) -> RedisNode:
        """A living master, but not this one."""
        for one in self._known():
            if one.is_master and one.slots and one.port != node.port:
                return self._at(one.port)
        raise LookupError("there is no other master")

    # what happens to it

    def kill_master_of(self, key: str) -> RedisNode:
        """Kill -9 the master that has the key; its replica is promoted in a while. The dead."""
        master = self.node_of(key)
        master.kill()
        return master

    def freeze_replica_of(self, key: str) -> RedisNode:
        """From now on the replica of the key's master is told nothing; it stands where it stood."""
        master = self.node_of(key)
        replica = self.replica_of(master)
        self.wait_until_followed(key)
        replica.freeze()
        master.ask("CLIENT", "KILL", "TYPE", "replica")  # what was sent would be read after a thaw
        return replica

    def wait_until_followed(self, key: str) -> None:
        """The replica of the key's master has all that the master has written up to now."""
        master = self.node_of(key)
        replica = self.replica_of(master)
        written = int(master.facts("replication")["master_repl_offset"])
        settled(
            lambda: int(replica.facts("replication")["slave_repl_offset"]) >= written,
            HEALTHY_WITHIN_S,
            f"{replica} has what was written",
        )

    def wait_until_promoted(self, key: str, after: RedisNode) -> RedisNode:
        """Return the master of the key once it is another one than `after`."""
        settled(lambda: self.node_of(key) is not after, HEALTHY_WITHIN_S, f"{after} is replaced")
        return self.node_of(key)

    def fail_over(self, key: str) -> RedisNode:
        """`CLUSTER FAILOVER`: the replica of the key's master takes over in order. The new one."""
        master = self.node_of(key)
        replica = self.replica_of(master)
        asked_s = float("-inf")

        def replaced() -> bool:
            nonlocal asked_s
            if self.node_of(key) is not master:
                return True
            if time.monotonic() - asked_s > ASK_AGAIN_S:
                asked_s = time.monotonic()
                replica.ask("CLUSTER", "FAILOVER")
            return False

        settled(replaced, HEALTHY_WITHIN_S, f"{master} is replaced")
        return self.node_of(key)

    def migration(self, key: str, to: RedisNode | None = None) -> SlotMigration:
        """The slot of a key is going to move to another master, in steps of the caller's."""
        source = self.node_of(key)
        return SlotMigration(self, key_slot(key.encode()), source, to or self.another_than(source))

    def heal(self) -> None:
        """Whatever a test has done: all run, and each master has its replica."""
        for node in self.nodes:
            node.revive()
        self.wait_until_healthy()

    def empty(self) -> None:
        """Nothing is stored, no slot is on its way, no script is known."""
        for node in self._masters():
            for slot in _half_moved(node):
                node.ask("CLUSTER", "SETSLOT", slot, "STABLE")
            node.ask("FLUSHALL")
            node.ask("SCRIPT", "FLUSH")
        self.wait_until_healthy()

    def wait_until_healthy(self) -> None:
        """All nodes agree, every slot is served, every replica follows with its file in order."""
        settled(self._is_healthy, HEALTHY_WITHIN_S, "the cluster is healthy")

    # how it is done

    def _begin(self) -> None:
        """Each node starts with a file in which all others stand: there is nothing to agree on."""
        share = SLOTS // MASTERS
        lines = []
        for number, node in enumerate(self.nodes):
            place = f"{node.id} {HOST}:{node.port}@{_bus(node)}"
            if number < MASTERS:
                last = SLOTS - 1 if number == MASTERS - 1 else share * (number + 1) - 1
                lines.append(
                    f"{place} {{}}master - 0 0 {number + 1} connected {share * number}-{last}"
                )
            else:
                master = self.nodes[number - MASTERS]
                lines.append(f"{place} {{}}slave {master.id} 0 0 {number - 2} connected")
        for number, node in enumerate(self.nodes):
            known = [line.format("myself," * (at == number)) for at, line in enumerate(lines)]
            known.append(f"vars currentEpoch {MASTERS} lastVoteEpoch 0")
            (node.directory / "nodes.conf").write_text("\n".join(known) + "\n")
        started(self.nodes)
        try:
            self.wait_until_healthy()
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        ended(self.nodes)

    def _at(self, port: int) -> RedisNode:
        return next(node for node in self.nodes if node.port == port)

    def _known(self) -> list[Known]:
        """What a living node knows of all; of the living masters only what they say themselves."""
        for node in self.nodes:
            if node.alive:
                try:
                    told = _parsed(node.ask("CLUSTER", "NODES"))
                except redis.RedisError:
                    continue
                return [one for one in told if not one.is_master or self._is_master(one)]
        raise LookupError("no node answers")

    def _is_master(self, one: Known) -> bool:
        node = self._at(one.port)
        return node.alive and not one.fails and node.facts("replication")["role"] == "master"

    def _masters(self) -> list[RedisNode]:
        return [self._at(one.port) for one in self._known() if one.is_master]

    def _is_healthy(self) -> bool:
        opinions = set()
        for node in self.nodes:
            if "cluster_state:ok" not in node.ask("CLUSTER", "INFO") or not node.is_whole:
                return False
            told = _parsed(node.ask("CLUSTER", "NODES"))
            masters = [one for one in told if one.is_master and one.slots]
            followed = {one.of for one in told if not one.is_master}
            if any(one.fails for one in told) or len(masters) != MASTERS:
                return False
            if followed != {self._at(one.port).id for one in masters}:
                return False
            opinions.add(frozenset((one.port, one.slots) for one in masters))
        return len(opinions) == 1 and all(
            node.facts("replication")["connected_slaves"] == "1" for node in self._masters()
        )


class SlotMigration:
    """A slot moves, step by step: `begin`, `move` until it returns 0, `finish`.

    In between, who asks for keys that are gone is sent on (ASK), who asks for some of both kinds is
    told to come again (TRYAGAIN), and after `finish` the old node says MOVED.
    """

    def __init__(self, cluster: Cluster, slot: int, source: RedisNode, target: RedisNode) -> None:
        self._cluster = cluster
        self.slot, self.source, self.target = slot, source, target

    def begin(self) -> None:
        self.target.ask("CLUSTER", "SETSLOT", self.slot, "IMPORTING", self.source.id)
        self.source.ask("CLUSTER", "SETSLOT", self.slot, "MIGRATING", self.target.id)

    def move(self, most: int = 1_000) -> int:
        """Move up to `most` keys; how many were moved."""
        keys = self.source.ask("CLUSTER", "GETKEYSINSLOT", self.slot, most)
        if keys:
            self.source.ask(
                *("MIGRATE", HOST, self.target.port, "", 0, MOVE_WITHIN_MS, "KEYS", *keys)
            )
        return len(keys)

    def redirected(self) -> int:
        """How often the two nodes have sent somebody on, or told to come again."""
        told = [node.ask("INFO", "errorstats") for node in (self.source, self.target)]
        words = ("errorstat_ASK", "errorstat_MOVED", "errorstat_TRYAGAIN")
        return sum(int(one[word]["count"]) for one in told for word in words if word in one)

    def finish(self) -> None:
        """Both nodes and then all masters hear whose the slot is now."""
        for node in (self.target, self.source):
            node.ask("CLUSTER", "SETSLOT", self.slot, "NODE", self.target.id)


def _node(program: Path, directory: Path) -> RedisNode:
    node = RedisNode(
        program,
        directory,
        *("--cluster-enabled", "yes", "--cluster-port", str(bus := free_port())),
        *("--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--cluster-config-file", "nodes.conf"),
        *("--cluster-replica-validity-factor", "0", "--cluster-allow-replica-migration", "no"),
        *ON_DISK,
    )
    (directory / "bus").write_text(str(bus))
    return node


def _bus(node: RedisNode) -> str:
    return (node.directory / "bus").read_text()


def _parsed(told: str) -> list[Known]:
    """CLUSTER NODES: id, place, flags, master, ping, pong, epoch, link, slots."""
    found = []
    for line in told.splitlines():
        _, place, flags, master, _, _, _, _, *spans = line.split()
        ends = [span.partition("-") for span in spans if not span.startswith("[")]
        found.append(
            Known(
                port=int(place.partition("@")[0].rpartition(":")[2]),
                is_master="master" in flags.split(","),
                fails="fail" in flags.split(","),
                of=master,
                slots=tuple((int(first), int(last or first)) for first, _, last in ends),
            )
        )
    return found


def _half_moved(node: RedisNode) -> list[str]:
    """Slots that are on their way: [7000->-id] or [7000-<-id]."""
    told: str = node.ask("CLUSTER", "NODES")
    mine = next(line for line in told.splitlines() if "myself" in line)
    return [span[1:].partition("-")[0] for span in mine.split() if span.startswith("[")]


@contextmanager
def running_cluster(directory: Path) -> Iterator[Cluster]:
    """A healthy cluster; its processes are ended by id whatever happens."""
    cluster = Cluster(directory)
    try:
        yield cluster
    finally:
        cluster.end()
