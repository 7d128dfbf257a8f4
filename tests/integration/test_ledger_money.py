"""The ledger on both real engines: money owed back, events, what was set aside, append-only."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from flash_sale.catalog import SkuId
from flash_sale.model import (
    MoveKind,
    OrderState,
    PaymentOutcome,
    PricedLine,
)
from server.database.engine import Database
from server.database.records import (
    Applied,
    Ledger,
    LedgerBooks,
    OrderRecords,
    SaleRecords,
    WebhookEvent,
)
from tests.support.ledger_parts import (
    NOW_MS,
    History,
    ledger_rows,
    make_sale,
    new_order,
    payment,
)
from tests.support.sql import open_engine

pytest_plugins = ["tests.support.databases"]


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


@pytest.fixture
def orders(database: Database) -> OrderRecords:
    return OrderRecords(database)


@pytest.fixture
def sales(database: Database) -> SaleRecords:
    return SaleRecords(database)


async def test_every_payment_is_kept_and_what_was_not_accepted_is_owed_back(
    database: Database, ledger: Ledger, orders: OrderRecords
) -> None:
    await make_sale(database)
    history = History()
    order = history.place()
    history.owe(order, "wrong", PaymentOutcome.MISMATCH)
    history.pay(order, "right")
    history.owe(history.orders[order.id], "twice", PaymentOutcome.SURPLUS)
    gone = history.place(user="bob")
    history.become(gone, OrderState.EXPIRED, MoveKind.EXPIRED)
    history.owe(history.orders[gone.id], "late", PaymentOutcome.LATE)
    await ledger.apply("s1", [history.moves])
    received = await orders.payments(order.id)
    assert [(one.payment.id, one.outcome) for one in received] == [
        ("wrong", "mismatch"),
        ("right", "accepted"),
        ("twice", "surplus"),
    ]
    assert received[0].payment == payment(order, "wrong", amount_minor=101)
    due = await ledger.due(NOW_MS + 100, 10)
    assert [(one.payment_id, one.reason, one.amount_minor, one.currency) for one in due] == [
        ("wrong", "mismatch", 101, "CNY"),
        ("twice", "surplus", 100, "CNY"),
        ("late", "late", 100, "CNY"),
    ]
    assert [one.order_id for one in due] == [order.id, order.id, gone.id]
    assert await ledger.refunds_due_count() == 3


async def test_a_payment_that_a_store_without_memory_repeats_is_owed_back_once(
    database: Database, database_url: str, ledger: Ledger, sales: SaleRecords
) -> None:
    await make_sale(database)
    history = History()
    order = history.place()
    history.become(order, OrderState.EXPIRED, MoveKind.EXPIRED)
    history.owe(history.orders[order.id], "late", PaymentOutcome.LATE)
    await ledger.apply("s1", [history.moves])
    (due,) = await ledger.due(NOW_MS + 100, 10)
    await ledger.refund_done(due.id, NOW_MS + 101)
    await sales.bump_epoch("s1")
    again = History(epoch=2)
    again.owe(history.orders[order.id], "late", PaymentOutcome.LATE)
    assert await ledger.apply("s1", [again.moves]) == Applied(1, 0)
    assert await ledger.refunds_due_count() == 0
    assert len(ledger_rows(database_url, "s1")["payments"]) == 1


async def test_a_refunded_order_is_owed_back_and_its_units_return_or_are_written_off(
    database: Database, ledger: Ledger, orders: OrderRecords
) -> None:
    await make_sale(database)
    history = History()
    history.put_on_sale(10)
    for user, restock in (("ann", "1"), ("bob", "0")):
        order = history.place(user=user, qty=2)
        history.pay(order, f"of-{user}")
        history.become(
            history.orders[order.id],
            OrderState.REFUNDED,
            MoveKind.REFUNDED,
            restock=restock,
            reason="broken",
        )
    await ledger.apply("s1", [history.moves])
    books = (await orders.books("s1"))[SkuId("red")]
    assert books == LedgerBooks(8, 0, 0, 4, 2, 0, 1_000)
    assert books.available == 8
    due = await ledger.due(NOW_MS + 100, 10)
    assert [(one.payment_id, one.reason, one.amount_minor) for one in due] == [
        ("of-ann", "refunded", 200),
        ("of-bob", "refunded", 200),
    ]


async def test_an_order_that_cost_nothing_has_nothing_to_be_sent_back(
    database: Database, ledger: Ledger, orders: OrderRecords
) -> None:
    await make_sale(database)
    history = History()
    free = replace(new_order(), lines=(PricedLine(SkuId("red"), 1, 0),), amount_minor=0)
    history.add(MoveKind.RESERVED, free)
    history.pay(free, "p1")
    history.become(
        history.orders[free.id], OrderState.REFUNDED, MoveKind.REFUNDED, restock="1", reason=""
    )
    await ledger.apply("s1", [history.moves])
    assert await ledger.due(NOW_MS + 100, 10) == []
    (refund,) = await orders.refunds("s1", None, 10)
    assert (refund.state, refund.done_at_ms) == ("done", NOW_MS + 3)


async def test_a_refund_is_tried_again_until_it_is_done_or_given_up(
    database: Database, ledger: Ledger, orders: OrderRecords
) -> None:
    await make_sale(database)
    history = History()
    for number in range(3):
        order = history.place(user=f"user-{number}")
        history.owe(order, f"p{number}", PaymentOutcome.MISMATCH)
    await ledger.apply("s1", [history.moves])
    first, second, third = await ledger.due(NOW_MS + 100, 10)
    assert await ledger.due(NOW_MS + 1, 10) == []
    assert await ledger.due(NOW_MS + 100, 1) == [first]
    await ledger.refund_failed(first.id, "busy \0 \ud800", NOW_MS + 500, False)
    await ledger.refund_failed(second.id, "no such payment", NOW_MS + 500, True)
    await ledger.refund_done(third.id, NOW_MS + 200)
    await ledger.refund_failed(third.id, "too late", NOW_MS + 500, False)
    assert await ledger.due(NOW_MS + 499, 10) == []
    (again,) = await ledger.due(NOW_MS + 500, 10)
    assert again == replace(
        first, attempts=1, next_at_ms=NOW_MS + 500, last_error="busy \\x00 \\ud800"
    )
    await ledger.refund_done(again.id, NOW_MS + 600)
    await ledger.refund_done(again.id, NOW_MS + 700)
    assert await ledger.refunds_due_count() == 0
    found = {one.payment_id: one for one in await orders.refunds("s1", None, 10)}
    assert [(found[f"p{n}"].state, found[f"p{n}"].attempts) for n in range(3)] == [
        ("done", 2),
        ("failed", 1),
        ("done", 1),
    ]
    assert found["p0"].done_at_ms == NOW_MS + 600
    assert found["p1"].last_error == "no such payment"


async def test_what_is_set_aside_is_kept_once_and_can_be_looked_at(
    database: Database, ledger: Ledger
) -> None:
    for entry_id in ("1-0", "2-0", "1-0"):
        await ledger.set_aside("s1", entry_id, b"\0raw\xff", "bad \0 \ud800", NOW_MS, epoch=1)
    await ledger.set_aside("s2", "1-0", b"", "x" * 9_000, NOW_MS)
    assert await ledger.set_aside_count() == 3
    assert await ledger.set_aside_count("s1") == 2
    first, second, third = await ledger.what_was_set_aside(0, 10)
    assert (first.sale_id, first.entry_id, first.epoch) == ("s1", "1-0", 1)
    assert (first.raw, first.error, first.at_ms) == (b"\0raw\xff", "bad \\x00 \\ud800", NOW_MS)
    assert len(third.error) == 2_000
    assert await ledger.what_was_set_aside(first.number, 1) == [second]


async def test_an_event_of_a_provider_is_kept_once_and_the_first_one_stands(
    database: Database, ledger: Ledger
) -> None:
    def event(name: str, outcome: str, provider: str = "bank") -> WebhookEvent:
        return WebhookEvent(provider, name, "s1.x", outcome, NOW_MS, "digest")

    assert await ledger.events_seen([("bank", "e1"), ("bank", "a\0b")]) == {}
    batches = [
        [event("e1", f"outcome-{number}"), event(f"own-{number}", "ignored"), event("e1", "late")]
        for number in range(6)
    ]
    stands = await asyncio.gather(*map(ledger.store_events, batches))
    kept = {one for batch in stands for one in batch if one.event_id == "e1"}
    assert len(kept) == 1
    assert kept < {batch[0] for batch in batches}
    own = [batch[1] for batch in batches]
    assert [batch[1] for batch in stands] == own
    other = event("e1", "ignored", "demo")
    assert await ledger.store_events([other]) == [other]
    keys = [("bank", "e1"), ("demo", "e1"), ("bank", "own-3"), ("bank", "new"), ("bank", "a\0b")]
    assert set((await ledger.events_seen(keys)).values()) == {*kept, other, own[3]}


CHANGES = {
    "sale_moves": "facts = '{}'",
    "payments": "amount_minor = 1",
    "stock_moves": "delta = 1",
    "webhook_events": "outcome = 'other'",
}


async def fill(database: Database) -> None:
    """A row in each table that is append-only."""
    await make_sale(database)
    ledger = Ledger(database)
    history = History()
    history.put_on_sale(10)
    history.pay(history.place(), "p1")
    await ledger.apply("s1", [history.moves])
    await ledger.store_events([WebhookEvent("bank", "e1", "s1.x", "accepted", NOW_MS, "")])


@pytest.mark.parametrize("table", CHANGES)
async def test_the_trail_of_a_sale_cannot_be_rewritten(
    database: Database, database_url: str, table: str
) -> None:
    await fill(database)
    statements = [f"UPDATE {table} SET {CHANGES[table]}", f"DELETE FROM {table}"]
    if database.is_sqlite:
        statements.append(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")
        statements.append(f"INSERT OR IGNORE INTO {table} SELECT * FROM {table}")
    else:
        statements += [f"TRUNCATE {table}", f"TRUNCATE {table} CASCADE"]
    engine = open_engine(database_url)
    query = sa.text(f"SELECT * FROM {table}")
    for statement in statements:
        with engine.connect() as connection:
            before = connection.execute(query).all()
            assert before
            with pytest.raises(exc.DBAPIError, match="append-only"):
                connection.execute(sa.text(statement))
        with engine.connect() as connection:
            assert connection.execute(query).all() == before
    engine.dispose()


@pytest.mark.needs_postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_the_trail_withstands_the_truncation_of_what_it_refers_to(
    database: Database, database_url: str
) -> None:
    await fill(database)
    engine = open_engine(database_url)
    with engine.connect() as connection, pytest.raises(exc.DBAPIError, match="append-only"):
        connection.execute(sa.text("TRUNCATE sales CASCADE"))
    engine.dispose()
