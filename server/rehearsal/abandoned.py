"""Ends, in the records, rehearsals that their server did not survive."""

from __future__ import annotations

import time
from typing import Final

from server.database.engine import Database
from server.database.rehearsal_records import RehearsalRecords
from server.database.rehearsal_words import RunAct, RunEvent
from server.settings import Limits

WHY: Final = "the server stopped while the rehearsal was on"


async def abandon(database_url: str, limits: Limits, run: str | None) -> None:
    """Record that a run has failed and that its data is gone; None: whichever one there is.

    Repeated, or for a run that ended before, it changes nothing of its end. Raises
    `DatabaseUnavailable`.
    """
    database = Database(database_url, threads_max=1, within_s=limits.database_within_s)
    records = RehearsalRecords(database)
    try:
        current = await records.current()
        run = run or (None if current is None else current.id)
        found = None if run is None else await records.find(run)
        if found is None or found.purged_at_ms is not None:
            return
        now_ms = time.time_ns() // 1_000_000
        if not found.state.is_over:
            act = RunAct(now_ms, found.id, "fail", {"why": WHY})
            await records.move(found.id, RunEvent.FAIL, now_ms, act, why=WHY)
        await records.purged(found.id, now_ms, RunAct(now_ms, found.id, "purge"))
    finally:
        await database.close()
