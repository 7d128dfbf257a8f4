"""From a link to a binding: two real workers and a real ledger worker, by their sockets only."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from server.database.binding_records import inviter_of
from server.database.engine import Database
from tests.support.ledger_app import LedgerApp
from tests.support.sale_rpc import Estate, Stage
from tests.support.wait import wait_until
from tests.support.ws_client import WireClient

pytest_plugins = ["tests.support.sale_rpc_fixtures"]


@pytest.fixture(scope="module")
def ledger(estate: Estate) -> Iterator[LedgerApp]:
    app = LedgerApp(estate.directory, estate.redis_url, estate.database_url)
    app.start()
    yield app
    app.end()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def enter(client: WireClient, stage: Stage, visit: str, **facts: str) -> None:
    """The page says that a visit began, and by which link."""
    event: dict[str, Any] = {"t": "enter", "at_ms": now_ms(), **facts}
    batch = {"room": stage.room, "visit": f"{visit}-of-{stage.room:-<16}", "seq": 1}
    await client.rpc(
        "visit.track", batch | {"device": f"device-of-{visit:-<16}", "events": [event]}
    )


async def inviter(stage: Stage, user: str) -> tuple[str, str] | None:
    """(inviter, link) of a user just now."""

    def work(connection: sa.Connection) -> tuple[str, str] | None:
        found = inviter_of(connection, user, now_ms())
        return None if found is None else (found.inviter, found.link)

    database: Database = stage.shop.database
    return await database.run(work, reads_only=True)


async def bound(stage: Stage, user: str) -> tuple[str, str]:
    """Who brought a user, once it is known."""
    found: list[tuple[str, str]] = []

    async def is_bound() -> bool:
        binding = await inviter(stage, user)
        found.extend([] if binding is None else [binding])
        return bool(found)

    await wait_until(is_bound, 20, f"{user} is bound")
    return found[0]


async def test_who_opens_a_link_on_another_worker_is_bound_to_who_shared_it(
    ledger: LedgerApp, stage: Stage
) -> None:
    ann, bob, cat, dan = (f"{name}-{stage.room}" for name in ("ann", "bob", "cat", "dan"))
    async with await stage.entered(ann) as one, await stage.entered(bob) as other:
        made = await one.rpc("share.create", {"room": stage.room})
        later = await other.rpc("share.create", {"room": stage.room})
    async with await stage.entered(cat, worker=1) as client:
        await enter(client, stage, "first", share=made["code"])
        assert (await bound(stage, cat))[0] == ann
        await enter(client, stage, "second", share=later["code"])  # while the binding stands
    async with await stage.entered(dan, worker=1) as client:
        await enter(client, stage, "third", share=later["code"])
        assert (await bound(stage, dan))[0] == bob
    assert (await inviter(stage, cat) or ("",))[0] == ann
    assert await inviter(stage, ann) is None


async def test_who_opens_a_link_before_signing_in_is_bound_when_they_do(
    ledger: LedgerApp, stage: Stage
) -> None:
    ann, eve = (f"{name}-{stage.room}" for name in ("ann", "eve"))
    async with await stage.entered(ann) as client:
        made = await client.rpc("share.create", {"room": stage.room, "channel": "wechat"})
    async with await stage.entered("", worker=1) as nobody:
        await enter(nobody, stage, "early", share=made["code"])
    async with await stage.entered(eve) as client:
        now = {"t": "beat", "at_ms": now_ms()}
        batch = {"room": stage.room, "visit": f"late-of-{stage.room:-<16}", "seq": 1}
        device = f"device-of-{'early':-<16}"
        await client.rpc("visit.track", batch | {"device": device, "events": [now]})
        assert (await bound(stage, eve))[0] == ann


async def test_a_code_that_was_made_up_is_a_visit_without_an_inviter(
    ledger: LedgerApp, stage: Stage
) -> None:
    fay, gil = (f"{name}-{stage.room}" for name in ("fay", "gil"))
    async with await stage.entered(gil) as client:
        made = await client.rpc("share.create", {"room": stage.room})
    async with await stage.entered(fay, worker=1) as client:
        await enter(client, stage, "wrong", share="A" * 16)
        await enter(client, stage, "right", share=made["code"])
        assert (await bound(stage, fay))[0] == gil
