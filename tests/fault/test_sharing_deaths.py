"""A ledger worker that dies at one exact point of writing visits or judging: each thing once."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from rooms.adapters.redis_visits import RedisVisitLog
from rooms.sharing.arrivals import Thresholds
from rooms.sharing.sources import Source
from rooms.sharing.visits import Event, Piece, Seen, Told
from server.database.engine import Database
from server.database.ladder_tables import arrivals
from server.database.visit_tables import visit_pieces
from server.redis_client import connect
from server.sharing.visit_wire import piece_bytes
from tests.support.ladder_town import DAY_MS, ROOM, Town, own_net
from tests.support.ledger_app import LedgerApp
from tests.support.redis_server import RedisServer
from tests.support.sharing_books import complaints
from tests.support.sharing_dying import POINTS
from tests.support.sharing_shop import SMALL
from tests.support.wait import wait_until

pytest_plugins = ["tests.support.databases"]
AT_ONCE = Thresholds(stay_ms=0, settle_ms=0, first_action_after_ms=0)
WITHIN_S = 60
INVITERS = ("ann", "ben", "cat")


@pytest.fixture
async def log(own_redis: RedisServer) -> AsyncIterator[RedisVisitLog]:
    client = connect(own_redis.url)
    yield RedisVisitLog(client, entries_max=10_000)
    await client.aclose()


@pytest.fixture
async def town(database: Database) -> Town:
    """A ladder that runs now, by this machine's clock, and lets arrivals count at once."""
    now_ms = time.time_ns() // 1_000_000
    town = Town(database, now_ms=now_ms)
    await town.furnish(
        replace(SMALL, thresholds=AT_ONCE, starts_at_ms=now_ms, ends_at_ms=now_ms + DAY_MS)
    )
    return town


@pytest.fixture
def app(tmp_path: Path, own_redis: RedisServer, database_url: str) -> Iterator[LedgerApp]:
    app = LedgerApp(tmp_path, own_redis.url, database_url, ledger_idle_ms=1)
    yield app
    app.end()


def visit(number: int) -> list[Piece]:
    """Somebody comes by a link, acts and goes, each in a piece of its own."""
    now_ms = time.time_ns() // 1_000_000
    inviter = INVITERS[number % len(INVITERS)]
    whole = Piece(
        visit=f"visit-{number:012}",
        key="p1",
        room=ROOM,
        received_at_ms=0,
        events=(Event(Told.ENTER, now_ms), Event(Told.VISIBLE, now_ms)),
        device=f"device-{number:012}",
        user=f"m{number}",
        guest=False,
        net=own_net(str(number)),
        agent=f"agent-{number}",
        source=Source("copy", inviter=inviter, link=f"link-{inviter}"),
    )
    like = replace(whole, key="s1", events=(Event(Seen.LIKE, now_ms, {"n": 1}),), source=None)
    return [whole, like, replace(like, key="p2", events=(Event(Told.LEAVE, now_ms),))]


@pytest.mark.parametrize("point", POINTS)
async def test_a_worker_killed_at_each_point_of_keeping_visits_keeps_and_gives_everything_once(
    town: Town, log: RedisVisitLog, app: LedgerApp, point: str, seed: int
) -> None:
    chance = random.Random(f"{point}-{seed}")
    came = 0

    async def one_more_comes() -> bool:
        nonlocal came
        pieces = visit(came)
        await log.append([piece_bytes(piece) for piece in pieces + pieces[: chance.randint(0, 2)]])
        came += 1
        return app.code is not None

    app.start("tests.support.sharing_dying", point, str(chance.randint(1, 4)))
    await wait_until(one_more_comes, WITHIN_S, f"it dies when {point}")
    assert app.code == -signal.SIGKILL, app.errors
    app.start()

    async def is_quiet() -> bool:
        undecided = sa.select(sa.func.count()).where(arrivals.c.due_at_ms.is_not(None))
        waiting = await town.database.run(lambda c: c.execute(undecided).scalar_one())
        return await log.lag() == 0 and not waiting

    await wait_until(is_quiet, WITHIN_S, "everything is written and judged")
    assert await town.database.run(complaints) == []
    assert set((await town.verdicts()).values()) == {"valid"}
    keys = sa.select(visit_pieces.c.visit_id, visit_pieces.c.key)
    stored = await town.database.run(lambda c: Counter(map(tuple, c.execute(keys).all())))
    wanted = Counter((piece.visit, piece.key) for n in range(came) for piece in visit(n))
    assert stored == wanted
    assert len(await town.verdicts()) == came
