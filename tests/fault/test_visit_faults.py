"""Visits while every process is killed: what was answered is recorded, once, and nothing twice."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from rooms.adapters.redis_visits import RedisVisitLog
from server.database.engine import Database, sqlite_url
from server.database.visit_store import VisitStore
from server.database.visit_tables import (
    visit_counters,
    visit_devices,
    visit_people,
    visit_pieces,
    visits,
)
from server.redis_client import connect
from tests.support.ledger_app import LedgerApp
from tests.support.redis_server import RedisServer
from tests.support.wait import wait_until
from tests.support.worker_app import CHANNEL, ROOM, StartWorker, WorkerApp
from tests.support.ws_client import WireClient, WireError

DERIVED = (visits, visit_counters, visit_people, visit_devices)
PAGES = 6
KILLS = 3
GAP_MS = 20_000
LOST = (OSError, WireError, InvalidHandshake, ConnectionClosed, AssertionError, TimeoutError)


class Page:
    """Tells batch after batch of one visit, each until it is answered, over lost connections."""

    def __init__(self, worker: WorkerApp, number: int) -> None:
        self.visit = secrets.token_urlsafe(16)
        self.answered = 0
        self._worker = worker
        self._user = f"user-{number}" if number % 2 else ""
        self._client: WireClient | None = None

    async def run(self, enough: asyncio.Event) -> None:
        while not enough.is_set():
            now_ms = time.time_ns() // 1_000_000
            kinds = ("enter", "visible") if not self.answered else ("beat", "card_seen")
            events = [_event(kind, now_ms) for kind in kinds]
            batch = {"room": ROOM, "visit": self.visit, "seq": self.answered + 1, "events": events}
            await self._insist(batch)
            self.answered += 1
        if self._client is not None:
            await self._client.close()

    async def _insist(self, batch: dict[str, Any]) -> None:
        while True:
            try:
                if self._client is None:
                    token = self._worker.token(self._user) if self._user else ""
                    self._client, _ = await WireClient.join(self._worker.ws_url, CHANNEL, token)
                await self._client.rpc("visit.track", batch)
                return
            except LOST as error:
                if isinstance(error, WireError) and error.code not in {100, 111, 503}:
                    raise
                if self._client is not None and not isinstance(error, WireError):
                    await self._client.close()
                    self._client = None
                await asyncio.sleep(0.02)


def _event(kind: str, now_ms: int) -> dict[str, Any]:
    facts = {"product": "tea"} if kind == "card_seen" else {}
    return {"t": kind, "at_ms": now_ms, **facts}


@pytest.fixture
def ledger(tmp_path: Path, own_redis: RedisServer) -> Iterator[LedgerApp]:
    app = LedgerApp(tmp_path, own_redis.url, sqlite_url(tmp_path / "worker.sqlite3"))
    yield app
    app.end()


async def content(database: Database) -> dict[str, list[Any]]:
    def work(connection: sa.Connection) -> dict[str, list[Any]]:
        return {
            table.name: sorted(map(tuple, connection.execute(sa.select(table))), key=repr)
            for table in DERIVED
        }

    return await database.run(work, reads_only=True)


@pytest.mark.parametrize("victim", ["ledger", "redis", "worker"])
async def test_what_was_answered_is_recorded_once_whatever_is_killed(
    victim: str,
    own_redis: RedisServer,
    start_worker: StartWorker,
    ledger: LedgerApp,
    tmp_path: Path,
) -> None:
    worker = start_worker(own_redis.url, redis_within_ms=300)
    ledger.start()
    enough, chance = asyncio.Event(), random.Random(victim)
    pages = [Page(worker, number) for number in range(PAGES)]
    running = [asyncio.create_task(page.run(enough)) for page in pages]

    async def tell(more: int) -> None:
        """Wait until so many more batches are answered."""
        wanted = more + sum(page.answered for page in pages)
        await wait_until(
            lambda: sum(page.answered for page in pages) >= wanted, 60, "pages tell of their visits"
        )

    for _ in range(KILLS):
        await tell(chance.randrange(20, 60))
        await asyncio.to_thread(_kill, victim, own_redis, worker, ledger)
    await tell(20)
    enough.set()
    await asyncio.gather(*running)
    os.kill(worker.pid, signal.SIGTERM)  # it stores what it has seen of those who left
    await wait_until(lambda: not worker.is_running, 40, "the worker has told everything")
    await _written(own_redis)
    ledger.end()  # nobody writes any more
    await _assert_once(tmp_path, pages)


def _kill(victim: str, redis: RedisServer, worker: WorkerApp, ledger: LedgerApp) -> None:
    """Kill -9, and start it again."""
    if victim == "ledger":
        ledger.send(signal.SIGKILL)
        ledger.wait()
        ledger.start()
    elif victim == "redis":
        redis.kill()
        redis.wait_until_up()
    else:
        worker.kill()
        worker.start()


async def _written(own_redis: RedisServer) -> None:
    """Wait until the ledger worker has everything in SQL."""
    client = connect(own_redis.url)
    log = RedisVisitLog(client, entries_max=1)

    async def is_empty() -> bool:
        return await log.lag() == 0

    await wait_until(is_empty, 60, "all pieces are in SQL")
    await client.aclose()


async def _assert_once(directory: Path, pages: list[Page]) -> None:
    """Every answered batch is a piece, once; what follows from pieces is what a rebuild makes."""
    database = Database(sqlite_url(directory / "worker.sqlite3"), threads_max=1, within_s=20)
    store = VisitStore(database, beat_gap_ms=GAP_MS)

    def keys(connection: sa.Connection) -> list[tuple[str, str]]:
        query = sa.select(visit_pieces.c.visit_id, visit_pieces.c.key)
        return [(row[0], row[1]) for row in connection.execute(query)]

    stored = await database.run(keys, reads_only=True)
    assert len(stored) == len(set(stored))
    told = {(page.visit, f"p{seq}") for page in pages for seq in range(1, page.answered + 1)}
    assert told == {key for key in stored if "." not in key[1]}  # others are the server's own
    for page in pages:
        visit = await store.find(page.visit)
        assert visit is not None
        assert visit.cards_seen == page.answered - 1
        assert visit.faults == 0
    before = await content(database)
    await store.rebuild()
    assert await content(database) == before
    assert await store.set_aside_count() == 0
    await database.close()
