"""The whole product as its user runs it: `onair demo` or `onair serve`, in processes of its own.

Tests reach it from outside only: by its commands, its sockets and its signals. Tokens are signed
here as a shop's own back end would sign them (HS256, the claims of docs/PROTOCOL.md).
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import jwt
import psutil

from tests.support.processes import REPOSITORY, Program, below, is_running
from tests.support.wait import wait_until_sync

TOKEN_SECRET = "a secret that only the end-to-end tests know, 0123456789"
API_KEY = "a key that only the end-to-end tests know, 9876543210"
ARTIFACTS = REPOSITORY / ".artifacts" / "servers"
READY_WITHIN_S = 60.0
STOPPED_WITHIN_S = 40.0


class LiveServer:
    """One data directory and the server on it. It keeps its port when it is started again.

    `settings` are environment variables. Output and errors of every run are kept in `directory`.
    """

    def __init__(self, directory: Path, *, command: str = "demo", **settings: str) -> None:
        self.command = command
        self.directory = directory
        self.data_dir = directory / "data"
        self.port = 0
        self.settings = {
            "ONAIR_DATA_DIR": str(self.data_dir),
            "ONAIR_TOKEN_SECRET": TOKEN_SECRET,
            "ONAIR_API_KEY": API_KEY,
            **settings,
        }
        self._runs: list[Program] = []

    # its life

    def start(self) -> None:
        """Start it and wait for the line that says it takes traffic."""
        directory = self.directory / f"run-{len(self._runs) + 1}"
        directory.mkdir(parents=True)
        settings = {**self.settings, "ONAIR_PORT": str(self.port)}
        program = Program("server", self.command, directory=directory, **settings)
        self._runs.append(program)
        wait_until_sync(
            lambda: self.ready_line or program.process.poll() is not None,
            READY_WITHIN_S,
            "the server says that it is ready",
        )
        assert self.ready_line, f"ended with {program.process.poll()}: {program.errors}"
        self.port = int(self.ready_line.rpartition(":")[2])

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ask it to stop, wait until it has, and return its exit code."""
        self.program.process.send_signal(number)
        return self.program.wait(STOPPED_WITHIN_S)

    def crash(self) -> None:
        """Kill -9 all of its processes, as a power cut would, and wait until they are gone."""
        everything = [self.program.pid, *below(self.program.pid)]
        for pid in everything:
            os.kill(pid, signal.SIGKILL)
        self.program.wait()
        wait_until_sync(lambda: not any(map(is_running, everything)), 10, "all of it is dead")

    def end(self) -> None:
        """Stop it in whatever state it is; for the end of a test."""
        if not self._runs or self.program.process.poll() is not None:
            return
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.program.end()
            raise

    @property
    def program(self) -> Program:
        """The newest run."""
        return self._runs[-1]

    @property
    def ready_line(self) -> str:
        """`onair ready http://HOST:PORT`, or nothing before it is printed."""
        lines = self.program.output.splitlines()
        return next((line for line in lines if line.startswith("onair ready ")), "")

    @property
    def errors(self) -> str:
        """What all runs wrote to their standard error, in order."""
        return "".join(run.errors for run in self._runs)

    def keep_errors(self, name: str) -> None:
        """Copy the output of all runs to where artifacts of a test run are kept."""
        for number, run in enumerate(self._runs, start=1):
            ARTIFACTS.mkdir(parents=True, exist_ok=True)
            for path in (run.output_path, run.errors_path):
                shutil.copyfile(path, ARTIFACTS / f"{name}-{number}.{path.name}")

    # its processes

    def worker_pids(self) -> list[int]:
        return below(self.program.pid, "server.worker")

    def redis_pid(self) -> int:
        (pid,) = below(self.program.pid, "redis-server")
        return pid

    def kill_worker(self, pid: int) -> None:
        """Kill -9 a web worker; the supervisor starts another one."""
        assert pid in self.worker_pids()
        os.kill(pid, signal.SIGKILL)

    def kill_redis(self) -> None:
        """Kill -9 the embedded Redis; the supervisor starts it again."""
        os.kill(self.redis_pid(), signal.SIGKILL)

    def worker_of(self, client_port: int) -> int:
        """The pid of the worker that has the connection from this local port."""
        inode = _socket_inode(self.port, client_port)
        for pid in self.worker_pids():
            if inode is not None and _has_socket(pid, inode):
                return pid
            if inode is None and _has_connection(pid, client_port):
                return pid
        raise AssertionError(f"no worker has a connection from port {client_port}")

    # its addresses and its answers

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/connection/websocket"

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another `onair` command with the settings of this server."""
        return subprocess.run(
            [sys.executable, "-m", "server", *arguments],
            cwd=REPOSITORY,
            env={**os.environ, **self.settings},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def call(self, method: str, path: str, body: Any = None, *, key: str = API_KEY) -> Any:
        """The JSON answer of one HTTP request with the API key; it must succeed."""
        request = urllib.request.Request(
            self.base_url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-API-Key": key, "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{method} {path}: {error} {error.read()!r}") from None

    async def acall(self, method: str, path: str, body: Any = None) -> Any:
        """`call`, while the event loop goes on."""
        return await asyncio.to_thread(self.call, method, path, body)

    async def new_room(self) -> str:
        """The id of a room that no other test uses."""
        room_id = f"room-{uuid.uuid4().hex[:12]}"
        await self.acall("POST", "/api/v1/rooms", {"id": room_id, "title": "A test's own room"})
        return room_id

    async def history(self, room_id: str) -> list[tuple[int, Any]]:
        """All State and Chat events that the server keeps of a room: (offset, data), in order."""
        channel = f"room:{room_id}"
        events: list[tuple[int, Any]] = []
        since: dict[str, Any] | None = None
        while True:
            body: dict[str, Any] = {"channel": channel, "limit": 200}
            if since is not None:
                body["since"] = since
            page = (await self.acall("POST", "/api/history", body))["result"]
            found = [(event["offset"], event["data"]) for event in page["publications"]]
            events += found
            if not found:
                return events
            since = {"offset": found[-1][0], "epoch": page["epoch"]}

    # tokens

    def token(
        self,
        user: str,
        *,
        role: str = "viewer",
        rooms: Sequence[str] = ("*",),
        name: str = "",
        ttl_s: float = 3600,
        **claims: Any,
    ) -> str:
        """A connection token; a negative `ttl_s` makes one that is over."""
        return self.sign(
            {
                "sub": user,
                "exp": int(time.time() + ttl_s),
                "info": {"name": name or user},
                "role": role,
                "rooms": list(rooms),
                **claims,
            }
        )

    def subscription_token(self, user: str, channel: str, *, ttl_s: float = 3600) -> str:
        return self.sign({"sub": user, "channel": channel, "exp": int(time.time() + ttl_s)})

    def sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self.settings["ONAIR_TOKEN_SECRET"], algorithm="HS256")


def _socket_inode(server_port: int, client_port: int) -> str | None:
    """The kernel's number of the server's end of a connection; None if it has no such table.

    Searched as text: when thousands of other connections are closing, psutil takes a second.
    """
    table = Path("/proc/net/tcp")
    if not table.exists():
        return None
    ends = re.compile(rf":{server_port:04X} [0-9A-F]+:{client_port:04X} 01 (?:\S+ +){{5}}(\d+) ")
    found = ends.search(table.read_text())
    assert found is not None, f"there is no connection from port {client_port}"
    return found.group(1)


def _has_socket(pid: int, inode: str) -> bool:
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if link.readlink().name == f"socket:[{inode}]":
                    return True
    return False


def _has_connection(pid: int, client_port: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        for connection in psutil.Process(pid).net_connections("tcp"):
            if connection.raddr and connection.raddr.port == client_port:
                return True
    return False
