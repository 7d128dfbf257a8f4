"""Real Redis servers for tests: the embedded one as the product runs it, and plain ones by port."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from server.embedded_redis import EmbeddedRedis, RedisState
from server.redis_binary import find_redis_server
from tests.support.wait import wait_until_sync

T = TypeVar("T")
PORT_LEAST, PORTS = 11_000, 11_000  # ten thousand more is the bus of a cluster's node


class RedisServer:
    """An `EmbeddedRedis` with an event loop of its own, so that it outlives single tests.

    All methods are synchronous and may be called from any test.
    """

    def __init__(self, data_dir: Path, *, durability: str = "always") -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        self._embedded = EmbeddedRedis(data_dir, durability=durability)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="redis server")

    @property
    def url(self) -> str:
        return self._embedded.url

    @property
    def state(self) -> RedisState:
        return self._embedded.state

    def start(self) -> None:
        self._thread.start()
        self._wait_for(self._embedded.start())

    def stop(self) -> None:
        """Stop the server in order, and the thread. It cannot be started again."""
        self._wait_for(self._embedded.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def kill(self) -> int:
        """Kill -9 the server, wait until supervision has noticed, and return the old pid."""
        pid, restarts = self.state.pid, self.state.restarts
        os.kill(pid, signal.SIGKILL)
        wait_until_sync(lambda: self.state.restarts > restarts, 10, "the death is noticed")
        return pid

    def wait_until_up(self, timeout_s: float = 20) -> None:
        wait_until_sync(lambda: self.state.status == "up", timeout_s, "Redis is up again")

    def pause(self) -> None:
        """Freeze the server: connections stay open, nothing is answered."""
        os.kill(self.state.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.state.pid, signal.SIGCONT)

    def _run_loop(self) -> None:
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


def free_port() -> int:
    """A loopback port that nobody has now, below those that outgoing connections are given."""
    while True:
        port = PORT_LEAST + secrets.randbelow(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def plain_redis(*arguments: str, config: str | None = None) -> Iterator[int]:
    """A `redis-server` on a loopback port, as an operator would run one; yields the port.

    `arguments` follow its command line. With `config` it is started with that configuration file,
    which must not name the port.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="onair-redis-") as directory:
        command = [str(find_redis_server(Path(directory)))]
        if config is not None:
            config_path = Path(directory) / "redis.conf"
            config_path.write_text(config)
            command.append(str(config_path))
        command += ["--port", str(port), "--bind", "127.0.0.1", "--dir", directory]
        process = subprocess.Popen(
            [*command, "--save", "", *arguments] if config is None else [*command, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until_sync(lambda: _accepts(port), 10, f"redis-server listens on port {port}")
            yield port
        finally:
            process.kill()
            process.wait()


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
