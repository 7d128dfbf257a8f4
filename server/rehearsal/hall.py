"""The hall: what the supervisor does for a rehearsal, asked over a private socket.

It takes the stores of a run, runs the shadow shop's ledger worker beside them, starts the load
generator when the desk asks for it, and does drills. It serves no visitor: the wings of the web
workers do (`server.rehearsal.wing`). One run at a time. What an earlier life of the supervisor
left behind is taken away at the start.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import secrets
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from redis.exceptions import RedisError

from server.endings import end_tasks
from server.rehearsal.disk import shortage, until_short
from server.rehearsal.driver import Driver, is_drive
from server.rehearsal.hall_client import LINE_BYTES_MAX, hall_path
from server.rehearsal.halt import Halt
from server.rehearsal.keys import is_run
from server.rehearsal.ports import HallRefused, HallUnavailable
from server.rehearsal.presence import Presence
from server.rehearsal.shadow import missing_stores, rehearsals_dir, shadow_settings
from server.rehearsal.stores import ShadowStores
from server.settings import Settings
from server.worker_process import Estate, WorkerKind
from server.worker_slot import WorkerSlot

WINGS_GONE_WITHIN_S: Final = 15.0
DRILL_SECONDS_MAX: Final = 600
LOOK_EVERY_S: Final = 1.0
LEDGER: Final = WorkerKind("rehearsal ledger worker", "server.ledger.process", listens=False)

_LOG = logging.getLogger("onair.rehearsal")

Verb = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class House:
    """What the supervisor has, as the hall needs it. `redis_pid` answers 0 without a Redis of its
    own; `abandon` records that a run is over that this server cannot go on with, None: any;
    `give_up` that one has failed, and why, unless it was over.
    """

    environ: Mapping[str, str]
    life_fd: int
    redis_url: str
    base_url: str
    web_workers: Callable[[], Sequence[WorkerSlot]]
    ledger_workers: Callable[[], Sequence[WorkerSlot]]
    redis_pid: Callable[[], int]
    abandon: Callable[[str | None], Awaitable[None]]
    give_up: Callable[[str, str], Awaitable[None]]


@dataclass(slots=True)
class OpenRun:
    """A run whose shadow shop is there; `presence` and `watch` where another host may close it."""

    run: str
    stores: ShadowStores
    ledger: WorkerSlot
    presence: Presence | None = None
    watch: asyncio.Task[None] | None = None
    disk_watch: asyncio.Task[None] | None = None
    halt: Halt | None = None  # of the ledger worker, the newest


class Hall:
    """One per supervisor. The caller holds the lock of the data directory."""

    def __init__(self, settings: Settings, house: House) -> None:
        self._settings = settings
        self._house = house
        self._open_run: OpenRun | None = None
        self._driver = Driver(settings, house.base_url, self._drive_ended)
        self._one_at_a_time = asyncio.Lock()
        self._ends = False
        self._disk_free_bytes_min = settings.limits.rehearsal_disk_free_bytes_min
        self._server: asyncio.Server | None = None
        self._verbs: dict[str, Verb] = {
            "open": self._open,
            "close": self._close,
            "status": self._status,
            "drive": self._drive,
            "stop_drive": self._stop_drive,
            "drill": self._drill,
            "processes": self._processes,
        }

    async def start(self) -> None:
        """Clear what a dead life left, then listen."""
        await self._clear()
        path = hall_path(self._settings.data_dir)
        path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, path, limit=LINE_BYTES_MAX)
        path.chmod(0o600)

    async def stop(self) -> None:
        """Listen no more; end a run that is on, and take its data away."""
        if self._server is None:
            return
        self._server.close()
        hall_path(self._settings.data_dir).unlink(missing_ok=True)
        self._ends = True
        await self._driver.stop(self._settings.limits.close_within_s)
        async with self._one_at_a_time:  # one that is just being opened or closed
            open_run, self._open_run = self._open_run, None
        if open_run is not None:
            _LOG.warning("rehearsal %s ends with the server", open_run.run)
            await self._dismiss(open_run)
            await self._abandon(open_run.run)

    async def _clear(self) -> None:
        for path in sorted(rehearsals_dir(self._settings).glob("*")):
            if is_drive(path.name):
                await self._driver.forget(path)
            if not is_run(path.name):
                continue
            _LOG.warning("rehearsal %s ended with an earlier server; it is cleared", path.name)
            try:
                await self._stores(path.name).delete()
            except Exception:
                _LOG.exception("data of rehearsal %s is left in %s", path.name, path)
            await self._abandon(path.name)

        if self._settings.redis_url is None:  # no other host works for this shop
            await self._abandon(None)

    async def _abandon(self, run: str | None) -> None:
        try:
            await self._house.abandon(run)
        except Exception:
            _LOG.exception("a rehearsal is over, but is not recorded so")

    async def _drive_ended(self, run: str, why: str) -> None:
        """One that did its work has reported, and its run is over."""
        try:
            await self._house.give_up(run, why)
        except Exception:
            _LOG.exception("rehearsal %s has no generator any more, but is not recorded so", run)

    # -- one request

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if line := await reader.readline():
                writer.write(orjson.dumps(await self._answer(line)) + b"\n")
                await writer.drain()
        except (OSError, ValueError) as error:  # gone, or a line without end
            _LOG.debug("the hall was asked in vain: %s", error)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            asked = orjson.loads(line)
            return {"done": await self._verbs[asked["verb"]](asked)}
        except HallRefused as refused:
            return {"refused": str(refused)}
        except HallUnavailable as unavailable:
            return {"failed": str(unavailable)}
        except Exception as error:
            _LOG.exception("the hall failed")
            return {"failed": f"{type(error).__name__}: {error}"}

    # -- verbs

    async def _open(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        run = _run_of(asked)
        async with self._one_at_a_time:
            if self._ends:
                raise HallRefused("the server ends")
            if self._open_run is not None and self._open_run.run != run:
                raise HallRefused(f"the rehearsal {self._open_run.run} is on")
            if self._open_run is None:
                if missing := missing_stores(self._settings):
                    raise HallRefused(f"set {' and '.join(missing)}: rehearsals need own stores")
                if why := shortage(self._settings.data_dir, self._disk_free_bytes_min):
                    raise HallRefused(why)
                self._open_run = await self._admit(run)
                looking = self._watch_disk(self._open_run)
                self._open_run.disk_watch = asyncio.create_task(looking, name="disk watch")
        return self._of_run()

    async def _admit(self, run: str) -> OpenRun:
        stores, house = self._stores(run), self._house
        shadow = shadow_settings(self._settings, run)
        estate = Estate(
            environ=house.environ,
            entrances=None,
            life_fd=house.life_fd,
            redis_url=None if shadow.redis_url else stores.urls.redis_url,
            database_url=None if shadow.database_url else stores.urls.database_url,
            rehearsal=run,
        )
        admitted = OpenRun(run, stores, WorkerSlot(LEDGER, 1, estate))
        try:
            await stores.open()
            await admitted.ledger.start()
            if shadow.redis_url is not None:
                await self._be_there(admitted, shadow)
        except BaseException:
            await asyncio.shield(self._dismiss(admitted))
            raise
        _LOG.info("rehearsal %s is open", run)
        return admitted

    async def _close(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The caller has told the wings to leave, by the row in SQL. Answers what is gone."""
        run, gone = _run_of(asked), {}
        async with self._one_at_a_time:
            if self._open_run is not None and self._open_run.run == run:
                open_run, self._open_run = self._open_run, None
                await self._let_go(open_run)
                await self._wait_for_wings(open_run.stores, run)
                gone = await open_run.stores.delete()
                _LOG.info("rehearsal %s is closed, its data is deleted", run)
            elif self._open_run is None:
                stores = self._stores(run)
                await stores.give_notice()
                await self._wait_for_wings(stores, run)
                gone = await stores.delete()
            self._driver.let_end(run)
        return gone

    async def _wait_for_wings(self, stores: ShadowStores, run: str) -> None:
        if not await stores.wings_gone(WINGS_GONE_WITHIN_S):
            _LOG.warning("rehearsal %s is closed, whoever may still be there", run)

    async def _status(self, _asked: Mapping[str, Any]) -> dict[str, Any]:
        return self._of_run()

    def _of_run(self) -> dict[str, Any]:
        run = None if self._open_run is None else self._open_run.run
        return {"run": run, "drive": self._driver.status()}

    async def _drive(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        run = _run_of(asked)
        async with self._one_at_a_time:
            if self._ends or self._open_run is None or self._open_run.run != run:
                raise HallRefused(f"the rehearsal {run} is not open on this server")
            await self._driver.start(run)
        return self._of_run()

    async def _stop_drive(self, _asked: Mapping[str, Any]) -> dict[str, Any]:
        await self._driver.stop()
        return self._of_run()

    async def _drill(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        open_run = self._open_run
        if not self._settings.rehearsal_drills:
            raise HallRefused("ONAIR_REHEARSAL_DRILLS is 0: this server allows no drills")
        if open_run is None:
            raise HallRefused("no rehearsal is open on this server")
        kind = asked["kind"]
        if kind == "kill_worker":
            running = [one for one in self._house.web_workers() if one.pid]
            if not running:
                raise HallRefused("no web worker runs just now")
            worker = random.choice(running)
            worker.send(signal.SIGKILL)
            return {"struck": worker.name}
        if kind == "restart_redis":
            await open_run.stores.crash_redis()
            return {"struck": "rehearsal redis"}
        if kind == "stop_ledger":
            seconds = min(max(float(asked["seconds"]), 0.1), DRILL_SECONDS_MAX)
            self._halt(open_run, seconds)
            return {"struck": open_run.ledger.name}
        raise HallRefused(f"unknown drill {kind}")

    def _halt(self, open_run: OpenRun, seconds: float) -> None:
        if open_run.ledger.pid is None:
            raise HallRefused(f"the {open_run.ledger.name} does not run just now")
        if open_run.halt is not None:
            open_run.halt.end()
        open_run.halt = Halt(open_run.ledger, seconds)

    async def _processes(self, _asked: Mapping[str, Any]) -> dict[str, Any]:
        house, open_run = self._house, self._open_run
        found: list[tuple[str, int | None, bool]] = [
            *((one.name, one.pid, False) for one in house.web_workers()),
            *((one.name, one.pid, False) for one in house.ledger_workers()),
            ("redis", house.redis_pid(), False),
            ("supervisor", os.getpid(), False),
        ]
        if open_run is not None:
            found.append((open_run.ledger.name, open_run.ledger.pid, True))
            found.append(("rehearsal redis", open_run.stores.redis_pid, True))
        named = [{"name": name, "pid": pid, "shadow": shadow} for name, pid, shadow in found if pid]
        return {"processes": named}

    # -- parts

    def _stores(self, run: str) -> ShadowStores:
        return ShadowStores(shadow_settings(self._settings, run), self._house.redis_url)

    async def _be_there(self, open_run: OpenRun, shadow: Settings) -> None:
        """Say so to other hosts, and let go when one of them closes the run."""
        open_run.presence = Presence(shadow, f"hall-{secrets.token_hex(6)}", _now_ms)
        await open_run.presence.hold()
        open_run.watch = asyncio.create_task(self._watch(open_run), name="hall watch")

    async def _watch(self, open_run: OpenRun) -> None:
        assert open_run.presence is not None
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            with contextlib.suppress(RedisError, OSError):
                await open_run.presence.hold()
                if not await open_run.stores.is_taken():
                    break
        _LOG.info("rehearsal %s was closed on another host", open_run.run)
        open_run.watch = None
        if self._open_run is open_run:
            self._open_run = None
            await self._let_go(open_run)
            self._driver.let_end(open_run.run)

    async def _watch_disk(self, open_run: OpenRun) -> None:
        """End the run before the shop has no room to write any more."""
        why = await until_short(self._settings.data_dir, self._disk_free_bytes_min)
        _LOG.error("rehearsal %s is ended: %s", open_run.run, why)
        open_run.disk_watch = None
        await self._drive_ended(open_run.run, why)
        await self._abandon(open_run.run)  # the wings leave
        await self._close({"run": open_run.run})

    async def _let_go(self, open_run: OpenRun) -> None:
        """Nothing of it is needed any more: the ledger worker need not drain."""
        if open_run.halt is not None:
            open_run.halt.end()
        await end_tasks(task for task in (open_run.watch, open_run.disk_watch) if task is not None)
        open_run.ledger.kill()
        await open_run.ledger.stop(self._settings.limits.close_within_s)
        if open_run.presence is not None:
            with contextlib.suppress(RedisError, OSError):
                await open_run.presence.end()

    async def _dismiss(self, open_run: OpenRun) -> None:
        """Let go, and delete everything that can be reached, whoever may still be there."""
        try:
            await self._let_go(open_run)
            await open_run.stores.delete()
        except Exception:
            _LOG.exception("the next start clears what is left of rehearsal %s", open_run.run)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _run_of(asked: Mapping[str, Any]) -> str:
    run = str(asked["run"])
    if not is_run(run):
        raise HallRefused(f"run: {run!r} is no id of a rehearsal")
    return run
