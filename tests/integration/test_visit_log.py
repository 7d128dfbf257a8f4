"""The log of visits on a real Redis, and the keeper that empties it into SQL."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import sqlalchemy as sa

from rooms.adapters.redis_visits import KEY, RedisVisitLog
from rooms.errors import Overloaded, VisitLogUnavailable
from rooms.sharing.visits import Piece, VisitChange
from server.database.engine import Database
from server.database.visit_records import Follow
from server.database.visit_store import VisitStore
from server.endings import end_tasks
from server.ledger.figures import Figures
from server.ledger.visits import VisitKeeper, open_visit_keeper
from server.redis_client import Client, connect
from server.settings import Limits
from server.sharing.visit_wire import piece_bytes
from tests.support.visit_parts import GAP_MS, arrival
from tests.support.wait import wait_until

pytest_plugins = ["tests.support.databases"]


@pytest.fixture
def log(redis_client: Client) -> RedisVisitLog:
    return RedisVisitLog(redis_client, entries_max=1_000)


@pytest.fixture
def store(database: Database) -> VisitStore:
    return VisitStore(database, beat_gap_ms=GAP_MS)


def bytes_of(pieces: Sequence[Piece]) -> list[bytes]:
    return [piece_bytes(one) for one in pieces]


@asynccontextmanager
async def keeping(
    client: Client,
    log: RedisVisitLog,
    database: Database,
    *,
    follow: Sequence[Follow] = (),
    name: str = "ledger-1",
    figures: Figures | None = None,
    now_ms: Callable[[], int] = lambda: 1,
) -> AsyncIterator[VisitKeeper]:
    """A keeper that runs."""
    keeper = open_visit_keeper(
        log,
        client,
        database,
        Limits(ledger_idle_ms=5),
        figures or Figures(),
        name=name,
        follow=follow,
        now_ms=now_ms,
    )
    running = asyncio.create_task(keeper.run())
    try:
        yield keeper
    finally:
        await end_tasks([running])


async def written(log: RedisVisitLog) -> None:
    async def is_empty() -> bool:
        return await log.lag() == 0

    await wait_until(is_empty, 10, "the log is empty")


# the log


async def test_pieces_come_back_in_order_with_the_time_they_were_received(
    log: RedisVisitLog,
) -> None:
    began = await log.standing()
    await log.append([b"one", b"two"])
    await log.append([b"three"])
    entries = await log.read(10)
    assert [entry.piece for entry in entries] == [b"one", b"two", b"three"]
    assert [entry.piece for entry in await log.read(2)] == [b"one", b"two"]
    ended = await log.standing()
    assert began.now_ms <= entries[0].received_at_ms <= entries[2].received_at_ms <= ended.now_ms


async def test_what_is_committed_is_gone_and_nothing_else(log: RedisVisitLog) -> None:
    await log.append([b"%d" % number for number in range(10)])
    entries = await log.read(10)
    await log.committed(entries[3].id)
    assert [entry.piece for entry in await log.read(3)] == [b"4", b"5", b"6"]
    assert await log.lag() == 6
    await log.committed(entries[3].id)  # again: nothing more
    assert await log.lag() == 6


async def test_a_full_log_takes_nothing_of_a_batch(redis_client: Client) -> None:
    log = RedisVisitLog(redis_client, entries_max=5)
    await log.append([b"1", b"2", b"3"])
    with pytest.raises(Overloaded, match="visit_backlog_entries_max"):
        await log.append([b"4", b"5", b"6"])
    await log.append([b"4", b"5"])
    assert [entry.piece for entry in await log.read(10)] == [b"1", b"2", b"3", b"4", b"5"]


async def test_everything_received_before_the_watermark_is_committed(log: RedisVisitLog) -> None:
    empty = await log.standing()
    assert (empty.oldest_ms, empty.written_to_ms) == (None, empty.now_ms)
    await log.append([b"1"])
    await log.append([b"2"])
    first, second = await log.read(2)
    assert await log.written_to_ms() == first.received_at_ms
    await log.committed(first.id)
    assert await log.written_to_ms() == second.received_at_ms
    await log.committed(second.id)
    assert await log.written_to_ms() >= second.received_at_ms
    assert await log.oldest_ms() is None


async def test_the_log_out_of_reach_says_so() -> None:
    client = connect("redis://127.0.0.1:1/0")
    log = RedisVisitLog(client, entries_max=5)
    with pytest.raises(VisitLogUnavailable, match="append 1 pieces"):
        await log.append([b"1"])
    with pytest.raises(VisitLogUnavailable):
        await log.read(1)
    with pytest.raises(VisitLogUnavailable):
        await log.standing()
    await client.aclose()


# the keeper


async def test_what_is_appended_gets_into_sql_with_its_followers(
    redis_client: Client, log: RedisVisitLog, database: Database, store: VisitStore
) -> None:
    seen: list[VisitChange] = []

    def follow(_connection: sa.Connection, changes: list[VisitChange]) -> None:
        seen.extend(changes)

    figures = Figures()
    async with keeping(redis_client, log, database, follow=[follow], figures=figures):
        await log.append(bytes_of(arrival()))
        await written(log)
        visit = await store.find("visit-0000000000")
    assert visit is not None
    assert visit.comments == 1
    assert seen[-1].after == visit
    told = {figure.name: figure.value for figure in figures.told()}
    assert told["onair_visits_written_total"] == len(arrival())


async def test_the_time_of_a_piece_is_that_of_the_store_and_not_its_own(
    redis_client: Client, log: RedisVisitLog, database: Database, store: VisitStore
) -> None:
    before_ms = (await log.standing()).now_ms
    async with keeping(redis_client, log, database):
        await log.append(bytes_of(arrival()[:1]))
        await written(log)
    visit = await store.find("visit-0000000000")
    assert visit is not None
    assert before_ms <= visit.entered_at_ms <= (await log.standing()).now_ms


async def test_what_is_no_piece_is_set_aside_and_holds_nobody_up(
    redis_client: Client,
    log: RedisVisitLog,
    database: Database,
    store: VisitStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    pieces = bytes_of(arrival())
    await log.append([b"not JSON", pieces[0], b'{"v":"x"}', *pieces[1:]])
    async with keeping(redis_client, log, database):
        await written(log)
    assert await store.set_aside_count() == 2
    assert caplog.text.count("ALARM") == 2
    visit = await store.find("visit-0000000000")
    assert visit is not None
    assert visit.comments == 1


async def test_a_piece_that_a_follower_cannot_take_is_set_aside_alone(
    redis_client: Client,
    log: RedisVisitLog,
    database: Database,
    store: VisitStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)

    def follow(_connection: sa.Connection, changes: list[VisitChange]) -> None:
        if any(change.after.user == "mallory" for change in changes):
            raise RuntimeError("a bug")

    bad = replace(arrival("visit-of-mallory")[0], user="mallory")
    good = [one for n in range(6) for one in arrival(f"visit-{n:010}")]
    await log.append(bytes_of([*good[:9], bad, *good[9:]]))
    async with keeping(redis_client, log, database, follow=[follow]):
        await written(log)
    assert await store.set_aside_count() == 1
    assert "a bug" in caplog.text
    assert await store.find("visit-of-mallory") is None
    for number in range(6):
        visit = await store.find(f"visit-{number:010}")
        assert visit is not None
        assert visit.left


async def test_one_keeper_keeps_and_the_other_takes_over(
    redis_client: Client,
    log: RedisVisitLog,
    database: Database,
    store: VisitStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.ledger.lease.LIFE_MS", 600_000)  # it lapses for nobody who is slow
    async with keeping(redis_client, log, database, name="ledger-2") as second:
        await wait_until(lambda: second.keeps, 20, "the second keeps")
        async with keeping(redis_client, log, database) as first:
            await log.append(bytes_of(arrival()))
            await written(log)
            assert not first.keeps
    assert await redis_client.get("onair:visits-keeper") is None
    await log.append(bytes_of(arrival("visit-of-another")))
    async with keeping(redis_client, log, database) as first:
        await wait_until(lambda: first.keeps, 20, "the first keeps")
        await written(log)
    assert await store.find("visit-of-another") is not None


async def test_a_keeper_that_died_before_it_forgot_the_entries_repeats_and_changes_nothing(
    redis_client: Client, log: RedisVisitLog, database: Database, store: VisitStore
) -> None:
    await log.append(bytes_of(arrival()))
    entries = await log.read(100)
    async with keeping(redis_client, log, database):
        await written(log)
    before = await store.find("visit-0000000000")
    for entry in entries:  # the log as it was when the commit had just been made
        await redis_client.execute_command("XADD", "again", entry.id, "p", entry.piece)
    await redis_client.rename("again", KEY)
    async with keeping(redis_client, log, database):
        await written(log)
    assert await store.find("visit-0000000000") == before
    found = await store.whole("visit-0000000000")
    assert found is not None
    assert len(found.pieces) == len(entries)


async def test_the_keeper_removes_what_is_over_its_time(
    redis_client: Client, log: RedisVisitLog, database: Database, store: VisitStore
) -> None:
    now_ms = (await log.standing()).now_ms
    for number, one in enumerate(bytes_of(arrival())):
        entry_id = f"{now_ms - 92 * 86_400_000}-{number + 1}"
        await redis_client.execute_command("XADD", KEY, entry_id, "p", one)
    async with keeping(redis_client, log, database):
        await written(log)

    async def is_gone() -> bool:
        return await store.find("visit-0000000000") is None

    async with keeping(redis_client, log, database, now_ms=lambda: now_ms):
        await wait_until(is_gone, 10, "the visit is gone")
    assert (await store.counters(None, 0, 2**31, 10))[0].counts["visits"] == 1


async def test_a_worker_whose_clock_runs_ahead_removes_nothing(
    redis_client: Client, log: RedisVisitLog, database: Database, store: VisitStore
) -> None:
    ahead_ms = (await log.standing()).now_ms + 365 * 86_400_000
    async with keeping(redis_client, log, database, now_ms=lambda: ahead_ms):
        await log.append(bytes_of(arrival()))
        await written(log)
    async with keeping(redis_client, log, database, now_ms=lambda: ahead_ms):
        await log.append(bytes_of(arrival("visit-0000000001")))
        await written(log)
    assert await store.find("visit-0000000000") is not None
    assert await store.find("visit-0000000001") is not None
