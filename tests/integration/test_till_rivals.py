"""Coupons where two requests share an id, two workers claim at once, and many coupons are about."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa

from flash_sale.catalog import ProductId, SkuId
from flash_sale.model import Line
from flash_sale.pricing import Goods
from flash_sale.pricing import Shop as Where
from server.app import wall_clock_ms
from server.database import claim_records
from server.database.claim_records import Asked, Claim, ClaimRecords, Declined
from server.database.engine import Database
from server.database.errors import DatabaseUnavailable
from server.sales.purchases import purchase_of
from tests.support.sale_desk import SALE, Desk, refused
from tests.support.shop import ROOM, Shop
from tests.support.shop_fixtures import furnished_shop
from tests.support.till import PRICE_MINOR, TillStage

pytest_plugins = ["tests.support.databases", "tests.support.sale_desk_fixtures"]
shop = furnished_shop


@pytest.fixture
async def stage(shop: Shop, one: Desk, other: Desk) -> AsyncIterator[TillStage]:
    stage = TillStage(shop, (one, other))
    await stage.batch()
    await stage.open_sale({"tea": 5, "mug": 5})
    yield stage
    await stage.close()


async def test_a_coupon_asked_for_under_another_orders_id_is_not_spent_by_it(
    stage: TillStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order has no coupon; the second request is refused, and nobody gives its coupon back."""
    coupon = await stage.granted("ann")
    order = await stage.reserved("ann")

    async def away(*_: object) -> None:
        raise DatabaseUnavailable("give coupons back", "it is away")

    monkeypatch.setattr(ClaimRecords, "give_back", away)
    with refused(409, "request_id"):
        await stage.place("ann", coupon)
    monkeypatch.undo()
    await stage.pay(order)
    await stage.drain()
    stage.ahead_ms = 61_000
    assert await stage.lapses().look() == 1
    assert await stage.states("ann") == {coupon: "granted"}


async def asked_for(stage: TillStage, coupon: str, request_id: str = "r1") -> Asked:
    sale = await stage.desks[0].sale()
    purchase = purchase_of(
        sale,
        stage.desks[0].limits,
        user="ann",
        name="ann",
        lines=[Line(SkuId("tea"), 1)],
        request_id=request_id,
        waitlist=False,
    )
    goods = Goods(SkuId("tea"), ProductId("tea"), 1, PRICE_MINOR, floor_minor=300)
    return Asked(purchase, Where(ROOM, SALE, "CNY"), (goods,), (coupon,))


async def test_two_workers_that_claim_other_coupons_for_one_order_spoil_no_batch(
    stage: TillStage, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = [await stage.granted("ann") for _ in range(3)]
    entered, go_on = threading.Event(), threading.Event()
    store = claim_records._Batch.store

    def hang(batch: Any, connection: sa.Connection) -> None:
        store(batch, connection)
        if not entered.is_set():
            entered.set()
            assert go_on.wait(10)

    monkeypatch.setattr(claim_records._Batch, "store", hang)
    records = ClaimRecords(database)
    slow = asyncio.create_task(records.claim([await asked_for(stage, first)], wall_clock_ms()))
    await asyncio.to_thread(entered.wait, 10)
    rivals = [await asked_for(stage, second), await asked_for(stage, third, "r2")]
    quick = asyncio.create_task(records.claim(rivals, wall_clock_ms()))
    await asyncio.wait([quick], timeout=0.3)  # until it waits for the other, or is behind it
    go_on.set()
    (claim,) = await slow
    assert isinstance(claim, Claim)
    declined, neighbour = await quick
    assert declined == Declined(reused=True)
    assert isinstance(neighbour, Claim)
    held = {first: "held", second: "granted", third: "held"}
    assert await stage.states("ann") == held


async def test_settling_an_order_does_not_look_at_every_coupon_of_the_shop(
    stage: TillStage, database: Database
) -> None:
    if not database.is_sqlite:
        pytest.skip("the plan is SQLite's")
    coupon = await stage.granted("ann")
    order = await stage.reserved("ann", coupon)
    statements: list[tuple[str, Any]] = []

    def listen(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("UPDATE coupons"):
            statements.append((statement, parameters))

    engine = database._engine
    sa.event.listen(engine, "before_cursor_execute", listen)
    await stage.pay(order)
    await stage.drain()
    sa.event.remove(engine, "before_cursor_execute", listen)
    assert await stage.states("ann") == {coupon: "spent"}
    ((statement, parameters),) = statements

    def plan(connection: sa.Connection) -> list[str]:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return [row[3] for row in rows]

    steps = await database.run(plan)
    assert any(step.startswith("SEARCH coupons ") for step in steps), steps
    assert not any(step.startswith("SCAN coupons") for step in steps), steps
