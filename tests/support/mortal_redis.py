"""A Redis as the product runs it, but with nobody who looks after it: killed and started at will.

The supervision of the real one waits longer after each death; a test that kills often cannot.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import redis

from server.embedded_redis import redis_arguments
from server.redis_binary import find_redis_server
from server.redis_socket import socket_path, socket_url
from tests.support.wait import wait_until_sync


class MortalRedis:
    """Started by `start`, with whatever an earlier life has left on disk in `data_dir`."""

    def __init__(self, data_dir: Path) -> None:
        (data_dir / "redis").mkdir(parents=True, exist_ok=True)
        self.kills = 0
        self._socket = socket_path(data_dir)
        self.url = socket_url(self._socket)
        program = str(find_redis_server(data_dir / "redis"))
        self._command = [program, *redis_arguments(data_dir, self._socket, "always")]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers."""
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until_sync(self._answers, 20, "Redis answers")

    def kill(self) -> None:
        """Kill -9. What it has answered is on disk, as `appendfsync always` promises."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self.kills += 1

    def _answers(self) -> bool:
        with redis.Redis.from_url(self.url) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False
