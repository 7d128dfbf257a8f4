"""Orders, payments, refunds and moves as they are read from both real engines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flash_sale.model import MoveKind, OrderState, PaymentOutcome, PricedLine
from server.database.engine import Database
from server.database.records import Ledger, LedgerPosition, OrderRecords, OrderRow, SaleRecords
from tests.support.ledger_parts import (
    NOW_MS,
    PRICES,
    SKUS,
    History,
    draft,
    make_goods,
    make_sale,
    new_order,
    random_history,
)

pytest_plugins = ["tests.support.databases"]


@pytest.fixture
def orders(database: Database) -> OrderRecords:
    return OrderRecords(database)


# A dash comes before the dot in every order of bytes: "s" and "s-1" must not be mixed up.
SALES = {"s": "demo", "s-1": "other", "s1": "demo", "S": "other"}


async def fill(database: Database) -> list[OrderRow]:
    """Orders of several sales, rooms, users and states; as rows, newest first."""
    await make_goods(database, "demo", "other")
    rows: list[OrderRow] = []
    for sale, room in SALES.items():
        await SaleRecords(database).create(draft(sale, room=room))
        await SaleRecords(database).arming(sale)
        history = History(sale)
        for number in range(7):
            order = history.place(user=f"user-{number % 3}", request_id=f"r{number}")
            order = replace(order, placed_at_ms=NOW_MS + number // 2)  # some at the same instant
            history.moves[-1] = replace(history.moves[-1], order=order)
            if number % 3 == 0:
                order = history.become(order, OrderState.EXPIRED, MoveKind.EXPIRED).order or order
            rows.append(OrderRow(order, room, "CNY", 1, history.seq))
        await Ledger(database).apply(sale, [history.moves])
    return sorted(rows, key=lambda row: (row.order.placed_at_ms, row.order.id), reverse=True)


async def all_pages(orders: OrderRecords, limit: int, **filters: Any) -> list[OrderRow]:
    found: list[OrderRow] = []
    while page := await orders.page(found[-1].order.id if found else None, limit, **filters):
        assert len(page) <= limit
        found += page
    return found


async def test_pages_of_orders_hold_each_that_was_asked_for_once_newest_first(
    database: Database, orders: OrderRecords
) -> None:
    rows = await fill(database)
    assert await all_pages(orders, 4) == rows
    assert await all_pages(orders, 4, sale="s") == [r for r in rows if r.order.sale == "s"]
    assert await all_pages(orders, 4, room="demo") == [r for r in rows if r.room == "demo"]
    assert await all_pages(orders, 3, user="user-1") == [
        r for r in rows if r.order.user == "user-1"
    ]
    expired = [r for r in rows if r.order.state is OrderState.EXPIRED]
    assert await all_pages(orders, 3, state=OrderState.EXPIRED) == expired
    assert await all_pages(orders, 3, room="other", state=OrderState.EXPIRED) == [
        row for row in expired if row.room == "other"
    ]
    assert await all_pages(orders, 3, among=["other", "\0"], user="user-0") == [
        row for row in rows if row.room == "other" and row.order.user == "user-0"
    ]
    assert await all_pages(orders, 3, sale="s", room="other") == []
    assert await all_pages(orders, 3, room="demo", among=["other"]) == []
    assert await all_pages(orders, 3, among=[]) == []


async def test_the_orders_of_a_sale_come_in_pieces_by_their_ids(
    database: Database, orders: OrderRecords
) -> None:
    rows = await fill(database)
    for sale in SALES:
        found: list[OrderRow] = []
        while piece := await orders.rows(sale, found[-1].order.id if found else None, 3):
            found += piece
        own = [row for row in rows if row.order.sale == sale]
        assert found == sorted(own, key=lambda row: row.order.id)


async def test_a_user_finds_the_newest_of_their_orders(
    database: Database, orders: OrderRecords
) -> None:
    rows = await fill(database)
    found = await orders.of_user("user-2", 5)
    own = [row for row in rows if row.order.user == "user-2"]
    own.sort(key=lambda row: (-row.order.placed_at_ms, row.order.id))
    assert found == own[:5]


@pytest.mark.parametrize("text", ["nobody", "", "a\0b", "\ud800", "x" * 5000, "s1.", "."])
async def test_what_is_not_there_is_not_found(
    database: Database, orders: OrderRecords, text: str
) -> None:
    await fill(database)
    assert await orders.find(text) is None
    assert await orders.of_user(text, 10) == []
    assert await orders.page(None, 10, sale=text) == []
    assert await orders.page(None, 10, room=text) == []
    assert await orders.page(None, 10, user=text) == []
    if text:
        assert await orders.page(text, 10) == []
    assert await orders.rows(text, None, 10) == []
    assert await orders.books(text) == {}
    assert await orders.books_at(text) == (LedgerPosition(0, 0, 0), {})
    assert await orders.payments(text) == []
    assert await orders.sale_payments(text, None, 10) == []
    assert await orders.refunds(text, None, 10) == []
    assert await orders.moves(text, None, 10) == []


async def test_a_basket_keeps_its_lines_in_the_order_in_which_they_were_asked_for(
    database: Database, orders: OrderRecords
) -> None:
    await make_sale(database)
    history = History()
    for user, skus in (("ann", SKUS), ("bob", SKUS[::-1])):
        lines = tuple(PricedLine(sku, 2, PRICES[sku]) for sku in skus)
        history.add(MoveKind.RESERVED, replace(new_order(user=user), lines=lines))
    await Ledger(database).apply("s1", [history.moves])
    for order in history.orders.values():
        row = await orders.find(order.id)
        assert row is not None
        assert row.order == order


async def test_payments_refunds_and_moves_come_in_pieces_without_gaps(
    database: Database, orders: OrderRecords
) -> None:
    await make_sale(database, "s1", "s2")
    history = random_history(11, 300)
    await Ledger(database).apply("s1", [history.moves])
    noise = History("s2")
    noise.owe(noise.place(), "p", PaymentOutcome.MISMATCH)
    await Ledger(database).apply("s2", [noise.moves])
    paid_ids = {move.payment.id for move in history.moves if move.payment}
    assert len(paid_ids) > 20
    payments = await orders.sale_payments("s1", None, 7)
    while more := await orders.sale_payments("s1", payments[-1], 7):
        payments += more
    assert {one.payment.id for one in payments} == paid_ids
    assert len(payments) == len(paid_ids)
    assert payments == sorted(payments, key=lambda one: (one.payment.order_id, one.payment.id))
    owed = [move for move in history.moves if move.kind in (MoveKind.PAYMENT, MoveKind.REFUNDED)]
    refunds = await orders.refunds("s1", None, 7)
    while more_refunds := await orders.refunds("s1", refunds[-1], 7):
        refunds += more_refunds
    assert len({one.id for one in refunds}) == len(refunds) == len(owed)
    moves = await orders.moves("s1", None, 7)
    while more_moves := await orders.moves("s1", (moves[-1].epoch, moves[-1].seq), 7):
        moves += more_moves
    assert moves == history.moves


async def test_a_move_keeps_whatever_facts_and_texts_it_came_with(
    database: Database, orders: OrderRecords
) -> None:
    await make_sale(database)
    history = History()
    order = replace(new_order(), name="小 '\"\\ \u2028 🍵", request_id="{},%s%%")
    history.add(MoveKind.CANCELLED, order, reason='a \\ "b" {c} %s ,=', more="\u0001")
    history.add(MoveKind.SALE, state="paused", reason="x" * 5_000, act="a", role="host")
    await Ledger(database).apply("s1", [history.moves])
    assert await orders.moves("s1", None, 10) == history.moves
    row = await orders.find(order.id)
    assert row is not None
    assert row.order == order
