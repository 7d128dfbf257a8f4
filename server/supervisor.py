"""The parent process of `onair serve` and `onair demo`: starts everything, in order, and stops it.

Redis first, then the database, the socket, the workers. At the end the web workers drain, then the
ledger workers write what those left in the streams, then Redis ends. It serves no request itself.

A web worker is `python -m server.worker`, a ledger worker `python -m server.ledger.process`, with
the arguments of `server.parentage.Inheritance`:

- `--listen-fd` its listening socket (`server.entrances`); ledger workers have none;
- `--ready-fd` the worker writes `ready` and a line feed when it does its work, and closes it
  (`Inheritance.report_ready`);
- `--life-fd` reaches its end of file when this process is gone (`parent_gone`): the worker then
  drains and exits, as on SIGTERM;
- `--rehearsal` the run whose shadow shop it works for, if it does (`server.rehearsal.hall`);
- `--redis-url` only with the embedded Redis, `--database-url` only with the SQLite file of the
  data directory; without them the settings have the URL;
- `--number` the worker's among those of its kind.

The environment with the settings is passed on unchanged. A worker exits with 0 after a drain; with
anything else it is reported and started again. It has its own session: a Ctrl-C in the terminal
reaches this process only.

On SIGHUP one worker after the other is succeeded by a new process (`server.renewal`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from server import listening
from server.database.engine import sqlite_url
from server.database.migrate import migrate
from server.embedded_redis import EmbeddedRedis
from server.endings import end_tasks
from server.entrances import Entrances
from server.redis_client import check_server, connect
from server.rehearsal.abandoned import abandon, give_up
from server.rehearsal.hall import Hall, House
from server.renewal import Renewal
from server.settings import BadSetting, Settings
from server.terminal import terminal_watch
from server.worker_process import Estate, WorkerKind
from server.worker_slot import WorkerSlot

log = logging.getLogger(__name__)

DATABASE_NAME = "onair.db"


class Supervisor:
    """One running server. The caller holds the lock of the data directory.

    `seed` is called with the URLs of the database and of Redis after the migrations, `on_ready`
    with the base URL once all workers accept traffic.
    """

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        *,
        on_ready: Callable[[str, int], None],
        seed: Callable[[str, str], Awaitable[None]] | None = None,
        worker_module: str = "server.worker",
        ledger_module: str = "server.ledger.process",
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._on_ready = on_ready
        self._seed = seed
        self._web = WorkerKind("web worker", worker_module, listens=True)
        self._ledger = WorkerKind("ledger worker", ledger_module, listens=False)
        self._redis: EmbeddedRedis | None = None
        self._web_workers: list[WorkerSlot] = []
        self._ledger_workers: list[WorkerSlot] = []
        self._hall: Hall | None = None
        self._entrances: Entrances | None = None
        self._renewal = Renewal(settings, environ, self._workers_in_order)
        self._life_read_fd, self._life_write_fd = os.pipe()
        self._stop_asked = asyncio.Event()
        self._hurry_asked = asyncio.Event()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT; a second one cuts the drain short.

        Everything that was started has ended when this returns or raises.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled)
        terminal_ends = terminal_watch()
        loop.add_signal_handler(
            signal.SIGHUP, lambda: self._signalled() if terminal_ends() else self._renewal.ask()
        )
        renewing: asyncio.Task[None] | None = None
        try:
            if await self._unless_stopped(self._start()):
                assert self._entrances is not None
                port = self._entrances.port
                self._on_ready(listening.base_url(self._settings.host, port), port)
                renewing = asyncio.create_task(self._renewal.run(), name="renewal")
                await self._stop_asked.wait()
        finally:
            await end_tasks([] if renewing is None else [renewing])
            await self._stop()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)

    def _workers_in_order(self) -> list[WorkerSlot]:
        return [*self._web_workers, *self._ledger_workers]

    def _signalled(self) -> None:
        if self._stop_asked.is_set():
            self._hurry_asked.set()
        self._stop_asked.set()

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do the work; False if a signal came first, which cancels it."""
        working = asyncio.create_task(work, name="start")
        stopping = asyncio.create_task(self._stop_asked.wait(), name="stop signal")
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            if not working.done():
                working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
            return True
        return False

    async def _start(self) -> None:
        settings = self._settings
        self._entrances = Entrances(settings.host, settings.port)
        redis_url = await self._start_redis()
        database_url = await self._prepare_database()
        reached = redis_url or settings.redis_url
        assert reached is not None
        if self._seed is not None:
            await self._seed(database_url, reached)
        await self._open_hall(reached, database_url)
        self._entrances.open(settings.workers)
        estate = Estate(
            environ=self._environ,
            entrances=self._entrances,
            life_fd=self._life_read_fd,
            redis_url=redis_url,
            database_url=None if settings.database_url else database_url,
        )
        self._ledger_workers = _slots(self._ledger, settings.ledger_workers, estate)
        self._web_workers = _slots(self._web, settings.workers, estate)
        starting = [
            asyncio.create_task(worker.start())
            for worker in (*self._ledger_workers, *self._web_workers)
        ]
        try:
            await asyncio.gather(*starting)
        finally:
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)

    async def _open_hall(self, redis_url: str, database_url: str) -> None:
        """Be ready for rehearsals, which are rare: nothing of one runs yet."""
        assert self._entrances is not None
        house = House(
            environ=self._environ,
            life_fd=self._life_read_fd,
            redis_url=redis_url,
            base_url=listening.base_url(self._settings.host, self._entrances.port),
            web_workers=lambda: self._web_workers,
            ledger_workers=lambda: self._ledger_workers,
            redis_pid=lambda: 0 if self._redis is None else self._redis.state.pid,
            abandon=partial(abandon, database_url, self._settings.limits),
            give_up=partial(give_up, database_url, self._settings.limits),
        )
        self._hall = Hall(self._settings, house)
        try:
            await self._hall.start()
        except (OSError, BadSetting):
            log.exception("this server takes no rehearsals")

    async def _start_redis(self) -> str | None:
        """Start the embedded Redis and return its URL; None if the settings name another one."""
        settings = self._settings
        if settings.redis_url is not None:
            client = connect(settings.redis_url, settings.limits)
            try:
                await check_server(client, settings.redis_url)
            finally:
                await client.aclose()
            return None
        if settings.durability == "replicated":
            raise BadSetting(
                "ONAIR_DURABILITY", "replicated needs ONAIR_REDIS_URL: a server with replicas"
            )
        self._redis = EmbeddedRedis(
            settings.data_dir,
            durability=settings.durability,
            start_within_s=settings.limits.redis_start_within_s,
        )
        await self._redis.start()
        return self._redis.url

    async def _prepare_database(self) -> str:
        url = self._settings.database_url or sqlite_url(self._settings.data_dir / DATABASE_NAME)
        try:
            await asyncio.to_thread(migrate, url)
        except ValueError as error:
            raise BadSetting("ONAIR_DATABASE_URL", str(error)) from None
        return url

    async def _stop(self) -> None:
        """One kind of workers after the other, then Redis: what they answered must be stored."""
        if self._entrances is not None:
            self._entrances.close()
        limits = self._settings.limits
        hurrying = asyncio.create_task(self._kill_workers_when_hurried(), name="hurry")
        await self._stop_workers(self._web_workers, limits.web_worker_ends_within_s)
        ending = asyncio.create_task(self._close_hall(), name="hall ends")
        await self._stop_workers(self._ledger_workers, limits.ledger_worker_ends_within_s)
        await ending
        hurrying.cancel()
        if self._redis is not None:
            await self._redis.stop()
        for descriptor in (self._life_read_fd, self._life_write_fd):
            os.close(descriptor)

    async def _close_hall(self) -> None:
        """End a rehearsal. Whatever fails in it, the shop ends in order."""
        try:
            if self._hall is not None:
                await self._hall.stop()
        except Exception:
            log.exception("the hall did not end in order")

    async def _stop_workers(self, workers: list[WorkerSlot], within_s: int) -> None:
        """Let workers drain, all at once, and wait until they have ended."""
        for worker in workers:
            worker.ask_to_stop()
            if self._hurry_asked.is_set():
                worker.kill()
        await asyncio.gather(*(worker.stop(within_s) for worker in workers))

    async def _kill_workers_when_hurried(self) -> None:
        await self._hurry_asked.wait()
        log.warning("stopping at once: the workers are killed")
        for worker in self._workers_in_order():
            worker.kill()


def _slots(kind: WorkerKind, number: int, estate: Estate) -> list[WorkerSlot]:
    return [WorkerSlot(kind, one, estate) for one in range(1, number + 1)]
