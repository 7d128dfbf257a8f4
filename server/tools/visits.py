"""`onair rebuild --visits`: visits, counters, people and devices made anew from the record."""

from __future__ import annotations

from dataclasses import replace

from server.database.visit_store import VisitStore
from server.settings import Settings
from server.tools.progress import Progress
from server.tools.stores import bring_up_to_date, data_dir_of, open_database

WITHIN_S = 24 * 3600  # one transaction over all that is kept


async def rebuild_visits(settings: Settings, progress: Progress) -> int:
    """Do it; returns from how many pieces. Reads and writes SQL only.

    A server may run: its writers wait, and what they could not store they store after.
    """
    with data_dir_of(settings) as locked:
        if locked:
            await bring_up_to_date(settings)
    patient = replace(settings, limits=replace(settings.limits, database_within_s=WITHIN_S))
    async with open_database(patient) as database:
        store = VisitStore(database, beat_gap_ms=settings.limits.visit_beat_gap_ms)
        return await store.rebuild(
            lambda count: progress.tick(f"visits: {count} pieces of the record are read")
        )
