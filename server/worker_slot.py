"""One worker as its supervisor sees it: started, restarted when it dies, succeeded, stopped."""

from __future__ import annotations

import asyncio
import logging
import signal
import time

from server.endings import end_tasks
from server.parentage import HAND_OVER
from server.restart_pace import RestartPace
from server.worker_process import (
    Estate,
    WorkerKind,
    WorkerNotReady,
    send,
    start_process,
)

log = logging.getLogger(__name__)


class WorkerSlot:
    """Keeps one worker process alive from `start` to `stop`."""

    def __init__(self, kind: WorkerKind, number: int, estate: Estate) -> None:
        self.name = f"{kind.name} {number}"
        self._kind = kind
        self._number = number
        self._estate = estate
        self._process: asyncio.subprocess.Process | None = None
        self._predecessor: asyncio.subprocess.Process | None = None  # it drains
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
        self._process = await self._start_process()
        self._keep_on()

    async def succeed(self, within_s: float) -> None:
        """Put a new process in the place of the old one, which drains for at most that time.

        A web worker's successor is ready before the old one goes: both stand at one entrance. A
        ledger worker goes first, so that two never bear one name; the streams wait for the next.
        `WorkerNotReady` and `OSError`: there is no successor, and the old web worker goes on.
        """
        await self._stop_keeping()  # nobody else starts a process meanwhile
        old = self._process
        assert old is not None
        if self._kind.listens:
            try:
                self._process, self._predecessor = await self._start_process(), old
            finally:
                self._keep_on()
            send(old, HAND_OVER)
            await self._ended(old, within_s)
            self._predecessor = None
        else:
            send(old, signal.SIGTERM)
            await self._ended(old, within_s)
            try:
                self._process = await self._start_process()
            finally:
                self._keep_on()
        log.info("%s: pid %s follows pid %d", self.name, self.pid, old.pid)

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
        if self._predecessor is not None:
            send(self._predecessor, signal.SIGKILL)

    async def stop(self, within_s: float) -> None:
        """Wait for the worker that was asked to stop, and kill it when the time is up."""
        await self._stop_keeping()
        ending = [one for one in (self._process, self._predecessor) if one is not None]
        await asyncio.gather(*(self._ended(process, within_s) for process in ending))
        self._process = self._predecessor = None

    async def _ended(self, process: asyncio.subprocess.Process, within_s: float) -> None:
        """Return when the process has ended; it is killed when the time is up."""
        try:
            await asyncio.wait_for(process.wait(), within_s)
        except TimeoutError:
            log.error("%s (pid %d) did not stop in %g s: killed", self.name, process.pid, within_s)
            send(process, signal.SIGKILL)
            await process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            send(self._process, number)

    async def _start_process(self) -> asyncio.subprocess.Process:
        return await start_process(self._kind, self._number, self._estate)

    def _keep_on(self) -> None:
        self._keeping = asyncio.create_task(self._keep(), name=self.name)

    async def _stop_keeping(self) -> None:
        if self._keeping is not None:
            await end_tasks([self._keeping])
            self._keeping = None

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
                self._leave_entrance()
                await asyncio.sleep(pace.delay_s(lived_s))
                lived_s = 0
                try:
                    self._process = await self._start_process()
                except (WorkerNotReady, OSError) as error:
                    log.error("%s: %s", self.name, error)
                else:
                    break
            log.warning("%s is up again (pid %d)", self.name, self._process.pid)

    def _leave_entrance(self) -> None:
        if self._kind.listens:
            assert self._estate.entrances is not None
            self._estate.entrances.abandoned(self._number)
