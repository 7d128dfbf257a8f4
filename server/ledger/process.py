"""One ledger worker: `python -m server.ledger.process`, started by the supervisor.

It writes streams into SQL, keeps the running sales, and sends refunds. On SIGTERM, or when its
supervisor is gone, it writes what the streams still hold, for at most `drain_seconds`, and ends
with 0. What is left then stays in the streams for the next start.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from dataclasses import dataclass
from typing import Any

import uvloop

from server.database.engine import Database
from server.database.ledger_records import Ledger
from server.database.sale_records import SaleRecords
from server.endings import end_tasks
from server.ledger.figures import Figures
from server.ledger.hints import Hints
from server.ledger.keeper import open_keeper
from server.ledger.refunds import Refunds
from server.ledger.report import Audits, Reporter, consumer_name
from server.ledger.settling import Settling
from server.ledger.sharing import sharing_works
from server.ledger.writer import Writer
from server.parentage import Inheritance, parent_gone
from server.payments import provider_of
from server.redis_client import Client, ClientRole, connect
from server.rehearsal.shadow import shadow_settings
from server.sale_store import ledger_stream, sale_store
from server.settings import Settings

_LOG = logging.getLogger("onair.ledger")


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class LedgerWorker:
    """The parts of one ledger worker, connected and running. `close` undoes `open_ledger_worker`.

    `others` are the tasks beside the writer's; none of them ends by itself.
    """

    writer: Writer
    writing: asyncio.Task[None]
    others: list[asyncio.Task[None]]
    database: Database
    clients: tuple[Client, ...]

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        return [self.writing, *self.others]

    async def drain(self, within_s: float) -> bool:
        """Change nothing more, write what the streams hold; False if the time was too short."""
        await end_tasks(self.others)
        self.writer.finish()
        done, _ = await asyncio.wait({self.writing}, timeout=within_s)
        return bool(done)

    async def close(self) -> None:
        await end_tasks(self.tasks)
        for client in self.clients:
            await client.aclose()
        await self.database.close()


async def open_ledger_worker(
    settings: Settings, redis_url: str, database_url: str, number: int = 1
) -> LedgerWorker:
    """Build everything and start it. Neither Redis nor SQL has to be there yet."""
    limits, consumer = settings.limits, consumer_name(number)
    commands = connect(redis_url, limits)
    listener = connect(redis_url, limits, role=ClientRole.LISTENER)
    for client in (commands, listener):
        await client.initialize()  # a cluster learns its nodes
    database = Database(
        database_url, threads_max=limits.database_threads_max, within_s=limits.database_within_s
    )
    settling = Settling(wall_clock_ms)
    stream, ledger = ledger_stream(commands, settings), Ledger(database, (settling.follow,))
    store = sale_store(commands, settings)
    writer = Writer(stream, SaleRecords(database), ledger, limits, consumer, now_ms=wall_clock_ms)
    audits = Audits()
    hints = Hints(listener, writer, subscribe_within_s=limits.append_within_s)
    figures = Figures()
    reporter = Reporter(
        commands,
        stream,
        writer,
        ledger,
        audits,
        consumer,
        now_ms=wall_clock_ms,
        figures=figures,
    )
    refunds = Refunds(
        ledger,
        provider_of(settings),
        attempts_max=limits.refund_attempts_max,
        now_ms=wall_clock_ms,
    )
    keeper = open_keeper(
        settings,
        commands=commands,
        listener=listener,
        database=database,
        stock=store,
        sales=store,
        stream=stream,
        audits=audits,
        name=consumer,
        now_ms=wall_clock_ms,
    )
    works = {
        "feed": hints.feed.run(),
        "hints": hints.run(),
        "report": reporter.run(),
        "counts": reporter.count(),
        "refunds": refunds.run(),
        "keeper": keeper.run(),
        **sharing_works(settings, commands, database, store, figures, consumer, wall_clock_ms),
    }
    return LedgerWorker(
        writer=writer,
        writing=asyncio.create_task(writer.run(), name="writer"),
        others=[asyncio.create_task(work, name=name) for name, work in works.items()],
        database=database,
        clients=(commands, listener),
    )


async def serve(worker: LedgerWorker, settings: Settings, inheritance: Inheritance) -> int:
    """Work until told to stop; returns the exit code."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    orphaned = parent_gone(inheritance.life_fd)
    orphaned.add_done_callback(lambda _: stop.set())
    failed: list[asyncio.Task[None]] = []

    def ended(task: asyncio.Task[Any]) -> None:
        """None of the tasks ends while the worker works; without one of them it is no use."""
        if not stop.is_set():
            failed.append(task)
            stop.set()

    for task in worker.tasks:
        task.add_done_callback(ended)
    gc.freeze()  # what was imported is not walked again: at the end that takes 0.3 s
    inheritance.report_ready()
    await stop.wait()
    orphaned.cancel()
    for task in failed:
        error = None if task.cancelled() else task.exception()
        _LOG.critical("task %s ended", task.get_name(), exc_info=error)
    if not failed and not await worker.drain(settings.limits.drain_seconds):
        _LOG.warning("stopped before all streams were written; the next start goes on with them")
    return 3 if failed else 0


async def run(settings: Settings, inheritance: Inheritance) -> int:
    """The life of a ledger worker; returns its exit code."""
    redis_url = inheritance.redis_url or settings.redis_url
    database_url = inheritance.database_url or settings.database_url
    assert redis_url is not None
    assert database_url is not None
    worker = await open_ledger_worker(settings, redis_url, database_url, inheritance.number)
    try:
        return await serve(worker, settings, inheritance)
    finally:
        await worker.close()


def main() -> None:
    inheritance = Inheritance.from_arguments(sys.argv[1:])
    settings = Settings.from_env(os.environ)
    if inheritance.rehearsal:
        settings = shadow_settings(settings, inheritance.rehearsal)
    logging.basicConfig(
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(run(settings, inheritance))
    sys.exit(code)


if __name__ == "__main__":
    main()
