"""Rehearsals in SQL, on both engines."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from server.database.engine import Database
from server.database.rehearsal_records import RehearsalRecords
from server.database.rehearsal_tables import rehearsal_acts, rehearsal_reports
from server.database.rehearsal_words import (
    NEXT,
    Occupied,
    Run,
    RunAct,
    RunEvent,
    RunState,
)

pytest_plugins = ["tests.support.databases"]

AT_MS = 1_800_000_000_000
PLAN = {"title": "Tea", "items": [{"sku": "tea", "stock": 3}]}


@pytest.fixture
def records(database: Database) -> RehearsalRecords:
    return RehearsalRecords(database)


def a_run(number: int = 1, **changes: Any) -> Run:
    run = Run(
        id=f"rh-{number:08x}",
        number=0,
        title="Tea",
        state=RunState.OPEN,
        plan=PLAN,
        driven=False,
        created_at_ms=AT_MS,
    )
    return replace(run, **changes)


def act(kind: str, actor: str = "api-key", **detail: Any) -> RunAct:
    return RunAct(AT_MS, actor, kind, detail)


async def opened(records: RehearsalRecords, number: int = 1) -> Run:
    run = await records.create(a_run(number), act("open"))
    found = await records.move(run.id, None, AT_MS, opened_at_ms=AT_MS)
    assert found is not None
    return found


async def purged(records: RehearsalRecords, run: Run) -> Run:
    found = await records.purged(run.id, AT_MS + 9, act("purge", keys=3))
    assert found is not None
    return found


async def test_what_is_stored_is_found_again(records: RehearsalRecords) -> None:
    run = await opened(records)
    assert (run.number, run.state, run.plan) == (1, RunState.OPEN, PLAN)
    assert run.takes_visitors
    assert await records.find(run.id) == await records.current() == run
    assert await records.find("rh-ffffffff") is None
    assert [one.kind for one in await records.acts(run.id)] == ["open"]


async def test_a_second_one_waits_until_the_data_of_the_first_is_gone(
    records: RehearsalRecords,
) -> None:
    run = await opened(records)
    for event in (RunEvent.PROGRESS, RunEvent.REPORT):
        await records.move(run.id, event, AT_MS + 1)
        with pytest.raises(Occupied) as refused:
            await records.create(a_run(2), act("open"))
        assert refused.value.run == run.id
    gone = await purged(records, run)
    assert (gone.state, gone.ended_at_ms, gone.purged_at_ms) == (
        RunState.DONE,
        AT_MS + 1,
        AT_MS + 9,
    )
    assert not gone.takes_visitors
    assert await records.current() is None
    assert (await opened(records, 2)).number == 2


async def test_of_many_at_once_one_is_opened_and_the_others_are_told_which(
    records: RehearsalRecords,
) -> None:
    answers = await asyncio.gather(
        *(records.create(a_run(number), act("open")) for number in range(1, 5)),
        return_exceptions=True,
    )
    (run,) = (one for one in answers if isinstance(one, Run))
    others = [one for one in answers if isinstance(one, Occupied)]
    assert [one.run for one in others] == [run.id] * 3
    assert await records.page(None, 10) == [run]


@pytest.mark.parametrize("way", list(itertools.permutations(RunEvent, 2)), ids="-".join)
async def test_each_event_leads_where_the_table_says_and_an_end_stays(
    records: RehearsalRecords, way: tuple[RunEvent, ...]
) -> None:
    run, state = await opened(records), RunState.OPEN
    ended_at_ms = None
    for at_ms, event in enumerate(way, AT_MS + 1):
        state = NEXT[state][event]
        if state.is_over and ended_at_ms is None:
            ended_at_ms = at_ms
        found = await records.move(run.id, event, at_ms)
        assert found is not None
        assert (found.state, found.ended_at_ms) == (state, ended_at_ms)


def test_no_state_is_left_after_the_end() -> None:
    assert set(NEXT) == set(RunState)
    for state, events in NEXT.items():
        assert set(events) == set(RunEvent)
        if state.is_over:
            assert set(events.values()) == {state}


async def test_the_first_instant_stands_but_that_of_the_last_word(
    records: RehearsalRecords,
) -> None:
    run = await opened(records)
    for at_ms in (AT_MS + 1, AT_MS + 2):
        told = {"phase": "spike", "viewers": at_ms}
        await records.move(
            run.id,
            RunEvent.PROGRESS,
            at_ms,
            heard_at_ms=at_ms,
            shut_at_ms=at_ms,
            progress=told,
        )
    found = await records.find(run.id)
    assert found is not None
    assert (found.shut_at_ms, found.heard_at_ms) == (AT_MS + 1, AT_MS + 2)
    assert found.progress == {"phase": "spike", "viewers": AT_MS + 2}
    assert await records.move("rh-ffffffff", RunEvent.STOP, AT_MS) is None


async def test_purging_again_changes_nothing(records: RehearsalRecords) -> None:
    run = await opened(records)
    assert await records.purge_of(run.id) == {}
    gone = await purged(records, run)
    assert gone.state is RunState.STOPPED
    again = await records.purged(run.id, AT_MS + 99, act("purge", keys=0))
    assert again == gone
    assert [one.detail for one in await records.acts(run.id)] == [{}, {"keys": 3}]
    assert await records.purge_of(run.id) == {"keys": 3}


async def test_what_is_over_can_neither_fail_nor_be_stopped(records: RehearsalRecords) -> None:
    run = await opened(records)
    done = await records.move(run.id, RunEvent.REPORT, AT_MS + 1, act("report"), verdict="go")
    for event in (RunEvent.STOP, RunEvent.FAIL):
        after = await records.move(run.id, event, AT_MS + 2, act(event.value), why="late")
        assert after == done
    assert [one.kind for one in await records.acts(run.id)] == ["open", "report"]


async def test_pages_go_from_the_newest_to_the_oldest(records: RehearsalRecords) -> None:
    for number in range(1, 6):
        await purged(records, await opened(records, number))
    first = await records.page(None, 3)
    assert [run.number for run in first] == [5, 4, 3]
    assert [run.number for run in await records.page(3, 3)] == [2, 1]


async def test_a_report_takes_the_place_of_the_one_before(records: RehearsalRecords) -> None:
    run = await opened(records)
    assert await records.report(run.id, "json") is None
    for body in (b'{"a": 1}', b'{"a": 2}' * 10_000):
        await records.keep_report(run.id, "json", body, AT_MS, kept_max=3)
        assert await records.report(run.id, "json") == body
    await records.keep_report(run.id, "html", "<p>茶".encode(), AT_MS, kept_max=3)
    found = await records.find(run.id)
    assert found is not None
    assert found.reports == {"html", "json"}
    assert [one.reports for one in await records.page(None, 1)] == [found.reports]


async def test_reports_of_the_newest_are_kept_and_the_rows_of_all(
    records: RehearsalRecords, database: Database
) -> None:
    for number in range(1, 6):
        run = await opened(records, number)
        if number != 4:
            await records.keep_report(run.id, "json", b"{}", AT_MS, kept_max=2)
            await records.keep_report(run.id, "html", b"<p>", AT_MS, kept_max=2)
        await purged(records, run)
    reports = {run.number: run.reports for run in await records.page(None, 10)}
    none: frozenset[str] = frozenset()
    both = frozenset({"html", "json"})
    assert reports == {5: both, 4: none, 3: both, 2: none, 1: none}
    count = sa.select(sa.func.count()).select_from(rehearsal_reports)
    assert await database.run(lambda connection: connection.execute(count).scalar_one()) == 4


@pytest.mark.parametrize(
    "change",
    [
        sa.update(rehearsal_acts).values(actor="nobody"),
        sa.delete(rehearsal_acts),
    ],
    ids=["update", "delete"],
)
async def test_nobody_can_change_or_remove_an_act(
    records: RehearsalRecords, database: Database, change: Any
) -> None:
    run = await opened(records)
    with pytest.raises(exc.DBAPIError, match="append-only"):
        await database.run(lambda connection: connection.execute(change))
    assert [one.actor for one in await records.acts(run.id)] == ["api-key"]
