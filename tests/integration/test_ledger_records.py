"""The ledger on both real engines: moves in any order, money owed back, what was set aside."""

from __future__ import annotations

import pytest

from flash_sale.model import MoveKind
from server.database.engine import Database
from server.database.records import Applied, Ledger, LedgerBooks, OrderRecords, SaleRecords
from tests.support.ledger_parts import History, make_sale, new_order, random_history

pytest_plugins = ["tests.support.databases"]


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


@pytest.fixture
def orders(database: Database) -> OrderRecords:
    return OrderRecords(database)


async def test_moves_become_orders_and_books(
    database: Database, ledger: Ledger, orders: OrderRecords
) -> None:
    await make_sale(database)
    history = History()
    history.put_on_sale(10)
    first = history.add(MoveKind.RESERVED, new_order(qty=2)).order
    assert first is not None
    history.pay(first, "p1")
    history.add(MoveKind.RESERVED, new_order(user="bob", qty=3))
    assert await ledger.apply("s1", [history.moves[:3], history.moves[3:]]) == Applied(6, 0)
    assert await ledger.apply("s1", [history.moves]) == Applied(0, 6)
    assert await orders.books("s1") == {
        "red": LedgerBooks(10, 3, 2, 0, 0, 0, 1_000),
        "blue": LedgerBooks(10, 0, 0, 0, 0, 0, 1_000),
    }
    row = await orders.find(first.id)
    assert row is not None
    assert row.order == history.orders[first.id]
    assert await orders.moves("s1", None, 100) == history.moves


async def test_random(database: Database, ledger: Ledger, orders: OrderRecords) -> None:
    await make_sale(database)
    history = random_history(1, 300)
    await ledger.apply("s1", [history.moves])
    assert await orders.moves("s1", None, 1000) == history.moves
    found = {row.order.id: row.order for row in await orders.page(None, 1000)}
    assert found == history.orders
    print(await SaleRecords(database).running())
