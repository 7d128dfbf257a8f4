"""Plain `redis-server` processes that a test kills, freezes and starts again where they were.

All methods block: an asynchronous test that has something else to do meanwhile calls them with
`asyncio.to_thread`.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.redis_server import free_port
from tests.support.wait import wait_until_sync

HOST = "127.0.0.1"
ASK_WITHIN_S = 2.0
START_WITHIN_S = 20.0
# Durable as the product asks for, and quick to take up a replica again.
ON_DISK = (
    *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
    *("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"),
)


class RedisNode:
    """One server on a loopback port, with a directory of its own that outlives the process.

    `arguments` follow its command line. With `config` it is started with a file of that text, which
    it may rewrite: what it has learned outlives it.
    """

    def __init__(
        self, program: Path, directory: Path, *arguments: str, config: str | None = None
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.id = secrets.token_hex(20)
        self.directory = directory
        self._program = program
        self._arguments = arguments
        self._config: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen = False
        if config is not None:
            self.configure(config)

    def __repr__(self) -> str:
        return f"<node {self.port}>"

    @property
    def alive(self) -> bool:
        return self._process is not None and not self._frozen

    def configure(self, config: str) -> None:
        """The file it is started with from now on."""
        assert self._process is None
        self._config = self.directory / "node.conf"
        self._config.write_text(config)

    def follow(self, master: RedisNode) -> None:
        """Begin as a replica; what it becomes later stands in its file."""
        self.configure(f"replicaof {HOST} {master.port}\n")

    def launch(self) -> None:
        """Start the process; `answers` says when it is up."""
        assert self._process is None
        command = [str(self._program)]
        command += [] if self._config is None else [str(self._config)]
        place = ("--port", str(self.port), "--bind", HOST, "--dir", str(self.directory))
        with (self.directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *place, *self._arguments], stdout=log, stderr=log
            )

    def kill(self) -> None:
        """Kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process, self._frozen = None, False

    def freeze(self) -> None:
        """Connections stay open and nothing is answered, until `thaw`."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        self._frozen = True

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)
        self._frozen = False

    def revive(self) -> None:
        """Whatever was done to it, it runs again."""
        if self._process is None:
            self.launch()
        elif self._frozen:
            self.thaw()

    def answers(self) -> bool:
        try:
            return bool(self.ask("PING"))
        except redis.RedisError:
            return False

    def ask(self, *command: str | int) -> Any:
        """The answer to one command, on a connection of its own. Raises `redis.RedisError`."""
        with redis.Redis(
            HOST,
            self.port,
            socket_timeout=ASK_WITHIN_S,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
            protocol=3,
        ) as client:
            return client.execute_command(*command)

    def facts(self, section: str) -> dict[str, str]:
        """What it says of itself under INFO."""
        told: dict[str, Any] = self.ask("INFO", section)
        return {name: str(value) for name, value in told.items()}

    @property
    def is_whole(self) -> bool:
        """As a replica it follows, and has on disk what it follows; a master is always whole."""
        if self.facts("replication")["role"] == "master":
            return True
        disk = self.facts("persistence")
        rewrites = disk["aof_rewrite_in_progress"] + disk["aof_rewrite_scheduled"]
        return self.facts("replication")["master_link_status"] == "up" and rewrites == "00"


def started(nodes: Iterable[RedisNode]) -> None:
    """Start all at once and return when each answers; if one does not, all are ended."""
    nodes = list(nodes)
    try:
        for node in nodes:
            node.launch()
        for node in nodes:
            wait_until_sync(node.answers, START_WITHIN_S, f"{node} answers")
    except BaseException:
        ended(nodes)
        raise


def ended(nodes: Iterable[RedisNode]) -> None:
    """Kill all, by process id."""
    for node in nodes:
        node.kill()


def settled(is_so: Callable[[], object], timeout_s: float, description: str) -> None:
    """Wait until servers say so; while one does not answer, it is not so."""

    def said() -> bool:
        try:
            return bool(is_so())
        except (redis.RedisError, LookupError):
            return False

    wait_until_sync(said, timeout_s, description)
