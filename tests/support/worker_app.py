"""One web worker, as its supervisor starts it, in a process that a test may kill, stop and weigh.

Its Redis and its database are the test's own. The fixtures are in tests/fault/conftest.py.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import psutil

from server.listening import BACKLOG, bind
from server.parentage import Inheritance
from server.tokens import Tokens
from tests.support.processes import REPOSITORY

SECRET = "a secret that only these tests know, 0123456789"
API_KEY = "a key that only these tests know, 9876543210"
ROOM = "garden"
CHANNEL = f"room:{ROOM}"
READY_WITHIN_S = 30


class WorkerApp:
    """`limits` are the server's settings of that name; the room `garden` exists."""

    def __init__(
        self, directory: Path, redis_url: str, database_url: str, **limits: int | str
    ) -> None:
        self.errors_path = directory / f"worker-{os.urandom(4).hex()}.log"
        self._redis_url = redis_url
        self._database_url = database_url
        self._environ = {
            **os.environ,
            "PYTHONWARNINGS": "error",
            "ONAIR_TOKEN_SECRET": SECRET,
            "ONAIR_API_KEY": API_KEY,
            "ONAIR_LOG_LEVEL": "warning",
            "ONAIR_DATA_DIR": str(directory),
            **{f"ONAIR_{name.upper()}": str(value) for name, value in limits.items()},
        }
        self._socket = bind("127.0.0.1", 0)
        self._socket.listen(BACKLOG)
        self.port = int(self._socket.getsockname()[1])
        self._tokens = Tokens(SECRET, None)
        self._process: subprocess.Popen[bytes] | None = None
        self._life_fd = -1

    def start(self) -> Self:
        """Start it and wait until it says that it is ready."""
        ready_read, ready_write = os.pipe()
        life_read, self._life_fd = os.pipe()
        fds = (self._socket.fileno(), ready_write, life_read)
        inheritance = Inheritance(*fds, self._redis_url, self._database_url)
        with self.errors_path.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "server.worker", *inheritance.to_arguments()],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                cwd=REPOSITORY,
                env=self._environ,
                pass_fds=fds,
                start_new_session=True,
            )
        os.close(ready_write)
        os.close(life_read)
        with os.fdopen(ready_read, "rb") as ready:  # its end of file means that the worker ended
            assert ready.readline() == b"ready\n", self.errors
        return self

    # its life

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def rss_bytes(self) -> int:
        return int(psutil.Process(self.pid).memory_info().rss)

    @property
    def errors(self) -> str:
        """What it wrote to its log: warnings and worse."""
        return self.errors_path.read_text()

    def kill(self) -> None:
        """Kill -9: it says nothing to anybody."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def end(self) -> None:
        """Stop it in whatever state it is; for the end of a test."""
        if self._process is not None:
            if self.is_running:
                self._process.send_signal(signal.SIGCONT)
                self._process.kill()
            self._process.wait(10)
            os.close(self._life_fd)
        self._socket.close()

    # its addresses

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/connection/websocket"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON answer of one HTTP request with the API key; it must succeed."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-API-Key": API_KEY, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.load(response)

    def text(self, path: str) -> str:
        """The body of one page that anybody may read."""
        url = f"http://127.0.0.1:{self.port}{path}"
        with urllib.request.urlopen(url, timeout=20) as response:
            return str(response.read().decode())

    def is_ready(self) -> bool:
        """Whether its parts say that traffic may come."""
        try:
            return bool(self.call("GET", "/readyz")["ready"])
        except urllib.error.HTTPError as error:
            error.close()
            return False

    def make_room(self, room_id: str = ROOM) -> None:
        self.call("POST", "/api/v1/rooms", {"id": room_id, "title": "A garden"})

    def token(self, user: str, role: str = "viewer", rooms: Sequence[str] = ("*",)) -> str:
        return self._tokens.issue(user, role, list(rooms), user, 3_600)


StartWorker = Callable[..., WorkerApp]
