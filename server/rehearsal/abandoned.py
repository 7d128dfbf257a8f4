"""Ends, in the records, rehearsals that their server or their generator did not survive."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from server.database.engine import Database
from server.database.rehearsal_records import RehearsalRecords
from server.database.rehearsal_words import Run, RunAct, RunEvent
from server.settings import Limits

WHY: Final = "the server stopped while the rehearsal was on"
WHY_CHARS_MAX: Final = 500


async def abandon(database_url: str, limits: Limits, run: str | None) -> None:
    """Record that a run has failed and that its data is gone; None: whichever one there is.

    Repeated, or for a run that ended before, it changes nothing of its end. Raises
    `DatabaseUnavailable`.
    """
    async with _records(database_url, limits) as records:
        current = await records.current()
        run = run or (None if current is None else current.id)
        found = None if run is None else await records.find(run)
        if found is None or found.purged_at_ms is not None:
            return
        await _fail(records, found, WHY)
        now_ms = _now_ms()
        await records.purged(found.id, now_ms, RunAct(now_ms, found.id, "purge"))


async def give_up(database_url: str, limits: Limits, run: str, why: str) -> None:
    """Record that a run has failed, unless it is over. Its data stays until it is purged.

    Raises `DatabaseUnavailable`.
    """
    async with _records(database_url, limits) as records:
        found = await records.find(run)
        if found is not None:
            await _fail(records, found, why)


async def _fail(records: RehearsalRecords, run: Run, why: str) -> None:
    if not run.state.is_over:
        now_ms, why = _now_ms(), why[:WHY_CHARS_MAX]
        act = RunAct(now_ms, run.id, "fail", {"why": why})
        await records.move(run.id, RunEvent.FAIL, now_ms, act, why=why)


@asynccontextmanager
async def _records(database_url: str, limits: Limits) -> AsyncIterator[RehearsalRecords]:
    database = Database(database_url, threads_max=1, within_s=limits.database_within_s)
    try:
        yield RehearsalRecords(database)
    finally:
        await database.close()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
