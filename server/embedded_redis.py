"""The embedded Redis: a real `redis-server` as a child process, supervised, durable, private.

Knows how it is configured, started, watched, restarted and stopped. Knows nothing of what is
stored in it. The caller holds the lock of the data directory (`server.instance_lock`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

from server import redis_binary
from server.parentage import Watcher
from server.redis_socket import ask, socket_path, socket_url, stop_leftover
from server.restart_pace import RestartPace
from server.settings import BadSetting

log = logging.getLogger(__name__)

STATE_NAME = "redis-state.json"
DISK_FREE_BYTES_MIN = 16 * 1024 * 1024
LOG_BYTES_MAX = 4 * 1024 * 1024
LOG_TAIL_BYTES = 2_000
STOP_WITHIN_S = 10.0
LOADING_MESSAGE_EVERY_S = 5.0

# Starts the program only on a word of the parent, when the watcher already knows the pid: if the
# parent dies first, nothing is started.
_STARTER = 'read -r go && exec "$@" </dev/null'


class RedisNotStarted(Exception):
    """The embedded Redis did not come up; the text ends with what its log says last."""


@dataclass(frozen=True, slots=True)
class RedisState:
    """How the embedded Redis is. `status` is starting, up, restarting or stopped."""

    status: str = "stopped"
    pid: int = 0
    restarts: int = 0
    last_error: str = ""
    since_ms: int = 0


def read_state(data_dir: Path) -> RedisState | None:
    """What the supervising process last said about its Redis; None if it has not said anything."""
    try:
        return RedisState(**json.loads((data_dir / STATE_NAME).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def redis_arguments(data_dir: Path, socket: Path, durability: str) -> list[str]:
    """The command line of the server: everything it does differently from its defaults."""
    return [
        *("--port", "0", "--protected-mode", "yes"),
        *("--unixsocket", str(socket), "--unixsocketperm", "700"),
        *("--dir", str(data_dir / "redis"), "--daemonize", "no", "--logfile", ""),
        *("--save", "", "--appendonly", "yes"),
        *("--appendfsync", "everysec" if durability == "everysec" else "always"),
        # A rewrite of the file must not suspend the promise that what was answered is on disk.
        *("--no-appendfsync-on-rewrite", "no", "--aof-load-truncated", "yes"),
        # A rewrite forks and takes a core: not every few minutes of a sale. A file of this size is
        # read again in a few seconds.
        *("--auto-aof-rewrite-min-size", "256mb"),
        *("--maxmemory-policy", "noeviction"),
    ]


class EmbeddedRedis:
    """A supervised `redis-server` with its data in `data_dir`/redis.

    `start` returns when it answers; from then on it is restarted whenever it dies, until `stop`.
    It never outlives this process. `on_change` is told each new state.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        durability: str = "always",
        start_within_s: float = 20,
        disk_free_bytes_min: int = DISK_FREE_BYTES_MIN,
        on_change: Callable[[RedisState], None] = lambda state: None,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.socket = socket_path(self.data_dir)
        self.url = socket_url(self.socket)
        self.state = RedisState()
        self._durability = durability
        self._start_within_s = start_within_s
        self._disk_free_bytes_min = disk_free_bytes_min
        self._on_change = on_change
        self._program = Path()
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: Watcher | None = None
        self._supervision: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Bring the server up. `RedisNotStarted`, `NoRedisServer` or `BadSetting` say why not."""
        self._prepare_directory()
        self._program = await asyncio.to_thread(
            redis_binary.find_redis_server, self.data_dir / "redis"
        )
        leftover_pid = await stop_leftover(self.socket, within_s=self._start_within_s)
        if leftover_pid is not None:
            log.warning("stopped a Redis that an earlier run left behind (pid %d)", leftover_pid)
        self._set(status="starting", restarts=0, last_error="")
        try:
            await self._launch()
        except BaseException:
            await self.stop()
            raise
        self._supervision = asyncio.create_task(self._supervise(), name="redis supervision")

    async def stop(self) -> None:
        """End supervision, then the server: asked first, killed after `STOP_WITHIN_S`."""
        if self._supervision is not None:
            self._supervision.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervision
            self._supervision = None
        await self._end_process(signal.SIGTERM)
        self._set(status="stopped", pid=0)

    def crash(self) -> None:
        """Kill -9 the server, as a fault would; the supervision starts it again."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _prepare_directory(self) -> None:
        directory = self.data_dir / "redis"
        try:
            directory.mkdir(mode=0o700, exist_ok=True)
            free_bytes = shutil.disk_usage(directory).free
        except OSError as error:
            raise BadSetting("ONAIR_DATA_DIR", f"cannot use {directory}: {error}") from error
        if free_bytes < self._disk_free_bytes_min:
            raise BadSetting(
                "ONAIR_DATA_DIR",
                f"the disk of {directory} is full: {free_bytes} bytes are free, "
                f"at least {self._disk_free_bytes_min} are needed",
            )

    # -- one life of the process

    async def _launch(self) -> None:
        """Start the process and wait until it answers; if it does not, end it and raise."""
        arguments = redis_arguments(self.data_dir, self.socket, self._durability)
        self._watcher = Watcher()
        try:
            with self._open_log() as log_file:
                process = await asyncio.create_subprocess_exec(
                    *("/bin/sh", "-c", _STARTER, "redis", str(self._program), *arguments),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=log_file,
                    stderr=log_file,
                    start_new_session=True,
                )
        except BaseException:
            self._dismiss_watcher()
            raise
        self._process = process
        self._watcher.watch(process.pid)
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.close()
        try:
            await self._wait_until_it_answers(process)
        except RedisNotStarted:
            await self._end_process(signal.SIGKILL)
            raise
        self._set(status="up", pid=process.pid)

    async def _wait_until_it_answers(self, process: asyncio.subprocess.Process) -> None:
        """Loading a large file takes long: only a time without progress counts against it."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._start_within_s
        message_s = loop.time() + LOADING_MESSAGE_EVERY_S
        loaded_before = b""
        while loop.time() < deadline_s:
            if process.returncode is not None:
                raise RedisNotStarted(f"{self._program} ended at once: {self._log_tail()}")
            answer = b""
            with contextlib.suppress(OSError, EOFError):
                answer = await ask(self.socket, "PING", 1)
            if answer == b"+PONG":
                return
            if answer.startswith(b"-LOADING"):
                loaded = await self._loaded()
                if loaded != loaded_before:
                    loaded_before = loaded
                    deadline_s = loop.time() + self._start_within_s
                if loop.time() >= message_s:
                    message_s = loop.time() + LOADING_MESSAGE_EVERY_S
                    log.info("Redis is loading its data: %s %%", loaded.decode() or "?")
            await asyncio.sleep(0.02)
        raise RedisNotStarted(
            f"{self._program} did not answer within {self._start_within_s} s: {self._log_tail()}"
        )

    async def _loaded(self) -> bytes:
        """How much of its data the server has read: a percentage, as text."""
        with contextlib.suppress(OSError, EOFError):
            for line in (await ask(self.socket, "INFO persistence", 1)).splitlines():
                if line.startswith(b"loading_loaded_perc:"):
                    return line.partition(b":")[2]
        return b""

    async def _end_process(self, first_signal: signal.Signals) -> None:
        """End the process if it runs, in order if it allows; then let its watcher go."""
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(first_signal)
            try:
                await asyncio.wait_for(process.wait(), STOP_WITHIN_S)
            except TimeoutError:
                log.error("Redis (pid %d) did not stop in %g s: killed", process.pid, STOP_WITHIN_S)
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process is not None:
            # Its child that rewrites the file is in the same group, and must not go on alone.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        self._process = None
        self._dismiss_watcher()

    def _dismiss_watcher(self) -> None:
        if self._watcher is not None:
            self._watcher.dismiss()
            self._watcher = None

    # -- supervision

    async def _supervise(self) -> None:
        """Restart the server whenever it ends, sooner at first, ever later while it keeps dying."""
        pace = RestartPace()
        while True:
            assert self._process is not None
            up_since_s = time.monotonic()
            code = await self._process.wait()
            await self._end_process(signal.SIGKILL)
            self._failed(f"ended with {code}: {self._log_tail()}")
            lived_s = time.monotonic() - up_since_s
            while self.state.status != "up":
                await asyncio.sleep(pace.delay_s(lived_s))
                lived_s = 0
                try:
                    await self._launch()
                except (RedisNotStarted, OSError) as error:
                    self._failed(str(error))
            log.warning("Redis is up again (pid %d)", self.state.pid)

    def _failed(self, why: str) -> None:
        log.error("Redis %s", why)
        self._set(status="restarting", pid=0, restarts=self.state.restarts + 1, last_error=why)

    def _set(self, **changes: str | int) -> None:
        """Change the state, and leave it in the data directory for the web workers to read."""
        changes["since_ms"] = time.time_ns() // 1_000_000
        self.state = replace(self.state, **changes)  # type: ignore[arg-type]
        path = self.data_dir / STATE_NAME
        draft = path.with_suffix(".new")
        # A full disk must not end the supervision; the state is then only in memory and the log.
        with contextlib.suppress(OSError):
            draft.write_text(json.dumps(asdict(self.state)))
            draft.replace(path)
        self._on_change(self.state)

    # -- its log

    @property
    def log_path(self) -> Path:
        return self.data_dir / "redis" / "redis.log"

    def _open_log(self) -> IO[bytes]:
        with contextlib.suppress(FileNotFoundError):
            if self.log_path.stat().st_size > LOG_BYTES_MAX:
                self.log_path.replace(self.log_path.with_suffix(".log.1"))
        descriptor = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(descriptor, "wb")

    def _log_tail(self) -> str:
        """The last lines of the log, on one line."""
        try:
            with self.log_path.open("rb") as log_file:
                log_file.seek(max(0, os.fstat(log_file.fileno()).st_size - LOG_TAIL_BYTES))
                lines = log_file.read().decode(errors="replace").splitlines()
        except OSError as error:
            return f"(its log cannot be read: {error})"
        return " | ".join(line.strip() for line in lines[-3:] if line.strip()) or "(empty log)"
