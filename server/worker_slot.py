"""One worker as its supervisor sees it: started, ready, restarted when it dies, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

from server.parentage import Inheritance
from server.restart_pace import RestartPace

log = logging.getLogger(__name__)

READY_WITHIN_S = 60.0


class WorkerNotReady(Exception):
    """A worker ended, or said nothing for too long, before it was ready. The text says which."""


@dataclass(frozen=True, slots=True)
class WorkerKind:
    """What the workers of one kind have in common."""

    name: str  # as the log and the messages call them
    module: str  # what `python -m` runs
    listens: bool  # whether they get the listening socket


@dataclass(frozen=True, slots=True)
class Estate:
    """What the workers of one supervisor get from it, see `server.parentage.Inheritance`."""

    environ: Mapping[str, str]
    listen_fd: int
    life_fd: int
    redis_url: str | None
    database_url: str | None
    rehearsal: str = ""


class WorkerSlot:
    """Keeps one worker process alive from `start` to `stop`.

    A worker has a session of its own, so that a Ctrl-C in the terminal reaches only the
    supervisor, which then stops everything in order.
    """

    def __init__(self, kind: WorkerKind, number: int, estate: Estate) -> None:
        self.name = f"{kind.name} {number}"
        self._kind = kind
        self._number = number
        self._estate = estate
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Of the worker's process; None when it has ended or was never started."""
        process = self._process
        return None if process is None or process.returncode is not None else process.pid

    def send(self, number: signal.Signals) -> None:
        """Do to the process what a fault would; if it ends, it is started again."""
        self._signal(number)

    async def start(self) -> None:
        """Start the worker, wait until it is ready. `WorkerNotReady` says why it is not."""
        await self._launch()
        self._keeping = asyncio.create_task(self._keep(), name=self.name)

    def ask_to_stop(self) -> None:
        """Let the worker drain: it takes nothing new on, and brings to an end what it has."""
        if self._keeping is not None:
            self._keeping.cancel()
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the worker now and for good; what it had not stored is lost to it. `stop` still
        collects it."""
        if self._keeping is not None:
            self._keeping.cancel()
        self._signal(signal.SIGKILL)

    async def stop(self, within_s: float) -> None:
        """Wait for the worker that was asked to stop, and kill it when the time is up."""
        if self._keeping is not None:
            self._keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping
            self._keeping = None
        process = self._process
        if process is None:
            return
        try:
            await asyncio.wait_for(process.wait(), within_s)
        except TimeoutError:
            log.error("%s (pid %d) did not stop in %g s: killed", self.name, process.pid, within_s)
            self._signal(signal.SIGKILL)
            await process.wait()
        self._process = None

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _launch(self) -> None:
        ready_read_fd, ready_write_fd = os.pipe()
        estate = self._estate
        listen_fd = estate.listen_fd if self._kind.listens else None
        try:
            inheritance = Inheritance(
                listen_fd=listen_fd,
                ready_fd=ready_write_fd,
                life_fd=estate.life_fd,
                redis_url=estate.redis_url,
                database_url=estate.database_url,
                number=self._number,
                rehearsal=estate.rehearsal,
            )
            kept_open = (ready_write_fd, estate.life_fd)
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", self._kind.module, *inheritance.to_arguments()),
                    stdin=asyncio.subprocess.DEVNULL,
                    env=dict(estate.environ),
                    pass_fds=kept_open if listen_fd is None else (listen_fd, *kept_open),
                    start_new_session=True,
                )
            finally:
                os.close(ready_write_fd)
            await self._wait_until_ready(ready_read_fd)
        finally:
            os.close(ready_read_fd)

    async def _wait_until_ready(self, ready_fd: int) -> None:
        """The worker writes one line; end of file instead of it means that it has ended."""
        assert self._process is not None
        loop = asyncio.get_running_loop()
        readable: asyncio.Future[None] = loop.create_future()
        loop.add_reader(ready_fd, lambda: None if readable.done() else readable.set_result(None))
        try:
            await asyncio.wait_for(readable, READY_WITHIN_S)
            if os.read(ready_fd, 16) == b"ready\n":
                return
            code = await asyncio.wait_for(self._process.wait(), READY_WITHIN_S)
            why = f"ended with {code} before it was ready; its reason stands above"
        except TimeoutError:
            why = f"was not ready within {READY_WITHIN_S:g} s"
        finally:
            loop.remove_reader(ready_fd)
        self._signal(signal.SIGKILL)
        await self._process.wait()
        raise WorkerNotReady(f"{self.name} {why}")

    async def _keep(self) -> None:
        """Start the worker again whenever it ends."""
        pace = RestartPace()
        while True:
            assert self._process is not None
            since_s = time.monotonic()
            pid, code = self._process.pid, await self._process.wait()
            lived_s = time.monotonic() - since_s
            log.error("%s (pid %d) ended with %d", self.name, pid, code)
            while True:
                await asyncio.sleep(pace.delay_s(lived_s))
                lived_s = 0
                try:
                    await self._launch()
                except (WorkerNotReady, OSError) as error:
                    log.error("%s: %s", self.name, error)
                else:
                    break
            log.warning("%s is up again (pid %d)", self.name, self._process.pid)
