"""A worker that stands still for a drill."""

from __future__ import annotations

import asyncio
import signal

from server.parentage import Watcher
from server.worker_slot import WorkerSlot


class Halt:
    """Stops the process of a running worker until `end`, for at most `seconds`.

    Standing still it would not hear that this process is gone: its watcher does that for it.
    """

    def __init__(self, worker: WorkerSlot, seconds: float) -> None:
        assert worker.pid is not None, "there is nothing to stop"
        self._worker = worker
        self._watcher = Watcher()
        self._watcher.watch(worker.pid)
        self._is_on = True
        worker.send(signal.SIGSTOP)
        self._timer = asyncio.get_running_loop().call_later(seconds, self.end)

    def end(self) -> None:
        """Let it go on. Safe to repeat."""
        if self._is_on:
            self._is_on = False
            self._timer.cancel()
            self._worker.send(signal.SIGCONT)
            self._watcher.dismiss()
