"""One web worker as its supervisor sees it: started, ready, restarted when it dies, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping

from server.parentage import Inheritance
from server.restart_pace import RestartPace

log = logging.getLogger(__name__)

READY_WITHIN_S = 60.0


class WorkerNotReady(Exception):
    """A worker ended, or said nothing for too long, before it was ready. The text says which."""


class WorkerSlot:
    """Keeps one worker process alive from `start` to `stop`.

    A worker has a session of its own, so that a Ctrl-C in the terminal reaches only the
    supervisor, which then stops everything in order.
    """

    def __init__(
        self,
        number: int,
        *,
        module: str,
        environ: Mapping[str, str],
        listen_fd: int,
        life_fd: int,
        redis_url: str | None,
        database_url: str | None,
    ) -> None:
        self.number = number
        self._module = module
        self._environ = environ
        self._listen_fd = listen_fd
        self._life_fd = life_fd
        self._redis_url = redis_url
        self._database_url = database_url
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start the worker, wait until it is ready. `WorkerNotReady` says why it is not."""
        await self._launch()
        self._keeping = asyncio.create_task(self._keep(), name=f"worker {self.number}")

    def ask_to_stop(self) -> None:
        """Let the worker drain: it stops taking connections and closes those it has, paced."""
        if self._keeping is not None:
            self._keeping.cancel()
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the worker now; what it had not stored is lost to it. `stop` still collects it."""
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
            log.error(
                "worker %d (pid %d) did not stop in %g s: killed",
                self.number,
                process.pid,
                within_s,
            )
            self._signal(signal.SIGKILL)
            await process.wait()
        self._process = None

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _launch(self) -> None:
        ready_read_fd, ready_write_fd = os.pipe()
        try:
            inheritance = Inheritance(
                listen_fd=self._listen_fd,
                ready_fd=ready_write_fd,
                life_fd=self._life_fd,
                redis_url=self._redis_url,
                database_url=self._database_url,
            )
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", self._module, *inheritance.to_arguments()),
                    stdin=asyncio.subprocess.DEVNULL,
                    env=dict(self._environ),
                    pass_fds=(self._listen_fd, ready_write_fd, self._life_fd),
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
        raise WorkerNotReady(f"web worker {self.number} {why}")

    async def _keep(self) -> None:
        """Start the worker again whenever it ends."""
        pace = RestartPace()
        while True:
            assert self._process is not None
            since_s = time.monotonic()
            pid, code = self._process.pid, await self._process.wait()
            lived_s = time.monotonic() - since_s
            log.error("worker %d (pid %d) ended with %d", self.number, pid, code)
            while True:
                await asyncio.sleep(pace.delay_s(lived_s))
                lived_s = 0
                try:
                    await self._launch()
                except (WorkerNotReady, OSError) as error:
                    log.error("worker %d: %s", self.number, error)
                else:
                    break
            log.warning("worker %d is up again (pid %d)", self.number, self._process.pid)
