"""Rehearsals in SQL that no hall has opened."""

from __future__ import annotations

from typing import Any

from server.database.engine import Database
from server.database.rehearsal_records import RehearsalRecords
from server.database.rehearsal_words import Run, RunAct, RunState

PLAN: dict[str, Any] = {
    "title": "Spring tea",
    "items": [{"sku": "tea", "title": "Tea", "stock": 10, "price_minor": 8900}],
}


async def opened_run(database: Database, run_id: str, at_ms: int, **changes: Any) -> Run:
    """One whose shadow shop takes visitors, as far as SQL knows."""
    values: dict[str, Any] = {
        "id": run_id,
        "number": 0,
        "title": PLAN["title"],
        "state": RunState.OPEN,
        "plan": PLAN,
        "driven": False,
        "created_at_ms": at_ms,
        "opened_at_ms": at_ms,
    }
    run = Run(**values | changes)
    return await RehearsalRecords(database).create(run, RunAct(at_ms, "api-key", "open"))
