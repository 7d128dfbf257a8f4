"""A worker that is succeeded while it is being started again leaves no process behind."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from server.entrances import Entrances
from server.worker_process import Estate, WorkerKind
from server.worker_slot import WorkerSlot
from tests.support.processes import is_running
from tests.support.wait import wait_until

KIND = WorkerKind("gated worker", "tests.support.gated_worker", listens=True)


async def test_a_worker_that_was_being_started_again_is_not_forgotten_by_its_succession(
    tmp_path: Path,
) -> None:
    def came() -> set[int]:
        return {int(path.stem) for path in tmp_path.glob("*.waits")}

    async def newcomer(known: set[int]) -> int:
        await wait_until(lambda: came() - known, 20, "a process begins")
        (pid,) = came() - known
        return pid

    life_read_fd, life_write_fd = os.pipe()
    entrances = Entrances("127.0.0.1", 0)
    entrances.open(1)
    environ = os.environ | {"GATE": str(tmp_path)}
    slot = WorkerSlot(KIND, 1, Estate(environ, entrances, life_read_fd, "unix:///none", "sqlite:"))
    starting = asyncio.create_task(slot.start())
    first = await newcomer(set())
    (tmp_path / str(first)).touch()
    await starting
    os.kill(first, signal.SIGKILL)
    second = await newcomer({first})
    succession = asyncio.create_task(slot.succeed(10))
    third = await newcomer({first, second})
    (tmp_path / str(second)).touch()
    await wait_until(
        lambda: slot.pid == second or not is_running(second), 20, "the second is up or given up"
    )
    (tmp_path / str(third)).touch()
    await succession
    try:
        assert slot.pid == third
        await wait_until(lambda: not is_running(second), 20, "the second has ended")
    finally:
        slot.kill()
        await slot.stop(10)
        entrances.close()
        for descriptor in (life_read_fd, life_write_fd):
            os.close(descriptor)
        for pid in came():
            if is_running(pid):
                os.kill(pid, signal.SIGKILL)
