"""The load generator as a child of the supervisor, for a rehearsal that the desk began.

It is `python -m loadtest.rehearsal`, a program of its own that reaches the shadow shop over the
network only. It gets the key of its run and none of the server's settings.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from server.endings import end_tasks
from server.parentage import Watcher
from server.rehearsal.keys import KEY, is_run, root_secret, run_secret
from server.rehearsal.ports import HallRefused
from server.rehearsal.shadow import rehearsals_dir
from server.settings import Settings

MODULE: Final = "loadtest.rehearsal"
NEEDED: Final = ("loadtest", "locust")
KEY_VARIABLE: Final = "REHEARSAL_KEY"
DIRECTORY_PREFIX: Final = "drive-"
ENDS_WITHIN_S: Final = 20.0
TAIL_BYTES: Final = 2_000

_LOG = logging.getLogger("onair.rehearsal")


class Driver:
    """At most one generator at a time. `base_url` is where the server's pages open here.

    `on_end` hears of a run whose generator has ended by itself, and the last that it wrote.
    """

    def __init__(
        self,
        settings: Settings,
        base_url: str,
        on_end: Callable[[str, str], Awaitable[None]],
        *,
        module: str = MODULE,
    ) -> None:
        self._settings = settings
        self._base_url = base_url
        self._on_end = on_end
        self._module = module
        self._run = ""
        self._process: asyncio.subprocess.Process | None = None
        self._ending: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()  # for ending it
        self._waiting: asyncio.Task[None] | None = None
        self._watcher: Watcher | None = None  # ends it if this process goes first

    async def start(self, run: str) -> None:
        """Start it; again for the same run changes nothing. `HallRefused` says why not."""
        if self._process is not None and self._run == run:
            return
        lacking = [name for name in NEEDED if importlib.util.find_spec(name) is None]
        if lacking:
            raise HallRefused(f"the load generator is not installed here: {', '.join(lacking)}")
        await self.stop()
        self._process = await self._launch(run, self._directory(run))
        self._run = run
        self._watcher = Watcher()
        self._watcher.watch(self._process.pid)
        self._waiting = asyncio.create_task(self._wait(run, self._process), name="generator ends")
        _LOG.info("the load generator of rehearsal %s runs (pid %d)", run, self._process.pid)

    async def _wait(self, run: str, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        self._end_rest(process)
        _LOG.info("the load generator of rehearsal %s ended with %d", run, code)
        lines = [line for line in self._tail().splitlines() if line.strip()]
        last = lines[-1].strip() if lines else "it wrote nothing"
        await self._on_end(run, f"the generator ended with {code}: {last}")

    async def _launch(self, run: str, directory: Path) -> asyncio.subprocess.Process:
        """It reads the plan from the API, and leaves its report there."""
        _prepare(directory)
        environ = {name: value for name, value in os.environ.items() if not _is_ours(name)}
        secret = root_secret(self._settings)
        environ[KEY_VARIABLE] = run_secret(secret, run, KEY)
        with (directory / "log").open("wb") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", self._module, "--attach", run, "--against", self._base_url),
                *("--out", str(directory / "run")),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environ,
                start_new_session=True,
            )

    def status(self) -> dict[str, Any] | None:
        """`{run, running, exit_code, tail}` of the newest; None if there was none."""
        process = self._process
        if process is None:
            return None
        return {
            "run": self._run,
            "running": process.returncode is None,
            "exit_code": process.returncode,
            "tail": self._tail(),
        }

    async def stop(self, within_s: float = ENDS_WITHIN_S) -> None:
        """End the generator and all that it started, and forget its files. Safe to repeat."""
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        if self._process is not None:
            await self._end(self._process, within_s)

    async def _end(self, process: asyncio.subprocess.Process, within_s: float) -> None:
        async with self._one_at_a_time:
            if self._process is not process:
                return  # somebody else was quicker
            if self._waiting is not None:
                await end_tasks([self._waiting])
                self._waiting = None
            if process.returncode is None:
                _signal_group(process.pid, signal.SIGTERM)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), within_s)
            self._end_rest(process)
            await process.wait()
            await self.forget(self._directory(self._run))
            self._process = None

    def _end_rest(self, process: asyncio.subprocess.Process) -> None:
        """Kill what is left of its group: at once, for the number may soon be somebody else's."""
        if self._watcher is not None:
            _signal_group(process.pid, signal.SIGKILL)
            self._watcher.dismiss()
            self._watcher = None

    def let_end(self, run: str) -> None:
        """The run is over: the generator, which may have said so, has a moment to end by itself."""
        if self._run == run and self._process is not None and self._ending is None:
            self._ending = asyncio.create_task(self._end_soon(self._process), name="generator")

    async def _end_soon(self, process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), ENDS_WITHIN_S)
        self._ending = None
        await self._end(process, ENDS_WITHIN_S)

    async def forget(self, directory: Path) -> None:
        """Delete the files of a generator."""
        await asyncio.to_thread(shutil.rmtree, directory, True)
        with contextlib.suppress(OSError):  # a run's data is there
            directory.parent.rmdir()

    def _directory(self, run: str) -> Path:
        return rehearsals_dir(self._settings) / f"{DIRECTORY_PREFIX}{run}"

    def _tail(self) -> str:
        """The end of what it wrote."""
        try:
            with (self._directory(self._run) / "log").open("rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - TAIL_BYTES))
                return log.read().decode(errors="replace")
        except OSError:
            return ""


def is_drive(name: str) -> bool:
    """Whether a directory of that name holds the files of a generator."""
    return name.startswith(DIRECTORY_PREFIX) and is_run(name.removeprefix(DIRECTORY_PREFIX))


def _prepare(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)


def _is_ours(variable: str) -> bool:
    return variable.startswith("ONAIR_")


def _signal_group(pid: int, number: signal.Signals) -> None:
    """It leads a session of its own, with the processes it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
