"""What is asked of visits is found by an index, on both engines, however many visits there are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from server.database.engine import Database
from server.database.source_records import By, SourceRecords
from server.database.visit_store import VisitFilters, VisitStore
from tests.support.visit_parts import GAP_MS

pytest_plugins = ["tests.support.databases"]


@pytest.fixture
def store(database: Database) -> VisitStore:
    return VisitStore(database, beat_gap_ms=GAP_MS)


async def plans_of(database: Database, part: str, work: Callable[[], Awaitable[Any]]) -> list[str]:
    """How the engine goes about each statement of `work` that has this part in it."""
    asked: list[tuple[str, Any]] = []

    def note(_one: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if part in " ".join(statement.split()):
            asked.append((statement, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        await work()
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert asked

    def explain(connection: sa.Connection) -> list[str]:
        is_sqlite = connection.dialect.name == "sqlite"
        if not is_sqlite:  # a table of no rows is read from end to end
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        how = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
        return [
            "\n".join(
                str(row[-1]) for row in connection.exec_driver_sql(f"{how} {statement}", parameters)
            )
            for statement, parameters in asked
        ]

    return await database.run(explain)


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (VisitFilters(link="l9"), "ix_visits_link_entered_at_ms_id"),
        (VisitFilters(campaign="spring"), "ix_visits_campaign_entered_at_ms_id"),
        (VisitFilters(staff="lin"), "ix_visits_staff_entered_at_ms_id"),
        (VisitFilters(channel="poster"), "ix_visits_channel_entered_at_ms_id"),
        (VisitFilters(rooms=frozenset({"a", "b"})), "ix_visits_room_id_entered_at_ms_id"),
    ],
)
async def test_a_rare_source_is_found_by_its_index_and_nothing_is_sorted(
    store: VisitStore, database: Database, wanted: VisitFilters, index: str
) -> None:
    plans = await plans_of(database, "FROM visits", lambda: store.page(None, 51, wanted))
    for plan in plans:
        assert index in plan
        assert "TEMP B-TREE" not in plan
        assert "Sort" not in plan


async def test_the_counters_of_days_are_found_by_their_index(
    store: VisitStore, database: Database
) -> None:
    (plan,) = await plans_of(
        database, "FROM visit_counters", lambda: store.counters(None, 20_000, 20_006, 10)
    )
    assert "ix_visit_counters_day_room_id_channel_campaign_staff" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan


async def test_the_orders_of_a_room_are_found_by_its_sales(database: Database) -> None:
    sources = SourceRecords(database)
    plans = await plans_of(
        database, "FROM orders", lambda: sources.report(By.CHANNEL, rooms=["garden"])
    )
    assert len(plans) == 3
    for plan in plans:
        assert "orders_sale_id" in plan
        assert "SCAN orders" not in plan
