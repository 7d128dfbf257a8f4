"""Starts one process of a worker, and waits until it says that it does its work."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from server.entrances import Entrances
from server.parentage import Inheritance

READY_WITHIN_S = 60.0


class WorkerNotReady(Exception):
    """A worker ended, or said nothing for too long, before it was ready. The text says which."""


@dataclass(frozen=True, slots=True)
class WorkerKind:
    """What the workers of one kind have in common."""

    name: str  # as the log and the messages call them
    module: str  # what `python -m` runs
    listens: bool  # whether they get a listening socket


@dataclass(frozen=True, slots=True)
class Estate:
    """What the workers of one supervisor get from it, see `server.parentage.Inheritance`."""

    environ: Mapping[str, str]
    entrances: Entrances | None
    life_fd: int
    redis_url: str | None
    database_url: str | None
    rehearsal: str = ""


async def start_process(
    kind: WorkerKind, number: int, estate: Estate
) -> asyncio.subprocess.Process:
    """Start worker `number` and return it once it is ready; `WorkerNotReady` says why it is not.

    It has a session of its own, so that a Ctrl-C in the terminal reaches only the supervisor. If
    this raises, or is cancelled, the process has ended.
    """
    listen_fd = None
    if kind.listens:
        assert estate.entrances is not None
        listen_fd = estate.entrances.for_worker(number)
    ready_read_fd, ready_write_fd = os.pipe()
    try:
        inheritance = Inheritance(
            listen_fd=listen_fd,
            ready_fd=ready_write_fd,
            life_fd=estate.life_fd,
            redis_url=estate.redis_url,
            database_url=estate.database_url,
            number=number,
            rehearsal=estate.rehearsal,
        )
        kept_open = (ready_write_fd, estate.life_fd)
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", kind.module, *inheritance.to_arguments()),
                stdin=asyncio.subprocess.DEVNULL,
                env=dict(estate.environ),
                pass_fds=kept_open if listen_fd is None else (listen_fd, *kept_open),
                start_new_session=True,
            )
        finally:
            os.close(ready_write_fd)
        try:
            await _until_ready(process, ready_read_fd, f"{kind.name} {number}")
        except BaseException:
            send(process, signal.SIGKILL)
            await process.wait()
            raise
    finally:
        os.close(ready_read_fd)
    return process


async def _until_ready(process: asyncio.subprocess.Process, ready_fd: int, name: str) -> None:
    """The worker writes one line; end of file instead of it means that it has ended."""
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    loop.add_reader(ready_fd, lambda: None if readable.done() else readable.set_result(None))
    try:
        await asyncio.wait_for(readable, READY_WITHIN_S)
        if os.read(ready_fd, 16) == b"ready\n":
            return
        code = await asyncio.wait_for(process.wait(), READY_WITHIN_S)
        why = f"ended with {code} before it was ready; its reason stands above"
    except TimeoutError:
        why = f"was not ready within {READY_WITHIN_S:g} s"
    finally:
        loop.remove_reader(ready_fd)
    raise WorkerNotReady(f"{name} {why}")


def send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """A signal to a process that may have ended."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
