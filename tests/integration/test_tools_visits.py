"""`onair rebuild --visits`: what follows from the record of visits is made anew, identical."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from server.database.engine import Database
from server.database.visit_store import VisitStore
from server.database.visit_tables import visit_counters, visit_devices, visit_people, visits
from tests.support.tools_stage import Instance, onair
from tests.support.visit_parts import GAP_MS, arrival

pytest_plugins = ["tests.support.tools_fixtures"]

DERIVED = (visits, visit_counters, visit_people, visit_devices)


async def content(database: Database) -> dict[str, list[Any]]:
    def work(connection: sa.Connection) -> dict[str, list[Any]]:
        return {
            table.name: sorted(
                (tuple(row) for row in connection.execute(sa.select(table))), key=repr
            )
            for table in DERIVED
        }

    return await database.run(work, reads_only=True)


async def clear(database: Database) -> None:
    def work(connection: sa.Connection) -> None:
        for table in DERIVED:
            connection.execute(sa.delete(table))

    await database.run(work)


async def test_counters_that_were_deleted_come_back_identical(instance: Instance, capsys) -> None:
    database = instance.shop.database
    store = VisitStore(database, beat_gap_ms=GAP_MS)
    for number in range(5):
        facts: dict[str, Any] = {"user": f"user-{number % 3}", "device": f"device-{number % 2:010}"}
        pieces = arrival(f"visit-{number:010}", at_ms=number, comment=f"c{number}", **facts)
        await store.write(pieces, ())
    before = await content(database)
    assert all(before.values())
    await clear(database)
    assert await onair("rebuild", "--visits") == 0
    count = 5 * len(arrival())
    assert f"made anew from {count} pieces of the record" in capsys.readouterr().out
    assert await content(database) == before
