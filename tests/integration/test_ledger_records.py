"""The ledger on both real engines: moves in any order and portions, epochs, what is refused."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Sequence
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from flash_sale.catalog import SkuId
from flash_sale.model import (
    Move,
    MoveKind,
    OrderState,
    PaymentOutcome,
    PricedLine,
    SaleId,
    SaleState,
)
from server.database.engine import Database
from server.database.move_json import written
from server.database.records import (
    Applied,
    DatabaseUnavailable,
    Diverged,
    Ledger,
    LedgerBooks,
    OldEpoch,
    OrderRecords,
    SaleRecords,
    UnknownSale,
)
from server.database.sale_tables import orders as orders_table
from tests.support.ledger_parts import (
    NOW_MS,
    History,
    books_of,
    ledger_rows,
    make_sale,
    new_order,
    payment,
    random_history,
    with_own_price,
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


async def test_moves_become_orders_and_books(
    database: Database, ledger: Ledger, orders: OrderRecords
) -> None:
    await make_sale(database)
    history = History()
    history.put_on_sale(10)
    first = history.place(qty=2)
    history.pay(first, "p1")
    history.place(user="bob", qty=3)
    assert await ledger.apply("s1", [history.moves[:3], history.moves[3:]]) == Applied(6, 0)
    assert await ledger.apply("s1", [history.moves]) == Applied(0, 6)
    assert await orders.books("s1") == {
        "red": LedgerBooks(10, 3, 2, 0, 0, 0, 1_000),
        "blue": LedgerBooks(10, 0, 0, 0, 0, 0, 1_000),
    }
    row = await orders.find(first.id)
    assert row is not None
    assert row.order == history.orders[first.id]
    assert (row.room, row.currency, row.epoch, row.seq) == ("demo", "CNY", 1, 5)


async def test_whatever_happens_in_a_sale_can_be_read_again_as_it_was(
    database: Database, ledger: Ledger, orders: OrderRecords
) -> None:
    await make_sale(database, *(f"s{seed}" for seed in range(3)))
    for seed in range(3):
        sale = f"s{seed}"
        history = random_history(seed, 400, sale)
        kinds = {move.kind for move in history.moves}
        assert kinds == set(MoveKind), "the history is too short to show everything"
        assert await ledger.apply(sale, [history.moves]) == Applied(400, 0)
        assert await orders.moves(sale, None, 1_000) == history.moves
        found = {row.order.id: row.order for row in await orders.page(None, 1_000, sale=sale)}
        assert found == history.orders
        assert await orders.books(sale) == books_of(history.moves)


async def test_a_plain_order_is_written_down_without_a_word_of_what_it_has_not(
    database: Database, ledger: Ledger
) -> None:
    await make_sale(database)
    history = History()
    history.place()
    order = with_own_price(new_order(request_id="r2"))
    history.add(MoveKind.RESERVED, order)
    await ledger.apply("s1", [history.moves])
    plain, priced = [written(move).text for move in history.moves]
    assert '"lines":[["red",1,100]]' in plain
    assert not [word for word in ("discount", "coupons", "note") if word in plain]
    assert '"lines":[["red",1,130,30]]' in priced
    assert '"discount_minor":40,"coupons":["c1"],"note":' in priced


# what follows in the same transaction


async def test_who_follows_hears_of_every_move_of_an_order_once_and_in_order(
    database: Database,
) -> None:
    await make_sale(database)
    history = random_history(1, 120)
    heard: list[Move] = []
    ledger = Ledger(database, [lambda _connection, _sale, moves: heard.extend(moves)])
    wanted = [move for move in history.moves if move.order is not None]
    backwards = history.moves[:60][::-1]
    await ledger.apply("s1", [backwards[:30], backwards[30:]])
    await ledger.apply("s1", [history.moves[:60]])
    assert heard == [move for move in wanted if move.seq <= 60]
    await ledger.apply("s1", [history.moves[50:], history.moves[55:]])
    assert heard == wanted


async def test_what_a_follower_writes_and_the_moves_are_stored_together_or_not_at_all(
    database: Database, orders: OrderRecords
) -> None:
    await make_sale(database)
    history = History()
    history.put_on_sale(10)
    order = history.place()
    seen: list[SaleId] = []

    def rename(connection: sa.Connection, sale: SaleId, moves: Sequence[Move]) -> None:
        seen.append(sale)
        ids = [move.order.id for move in moves if move.order is not None]
        query = sa.update(orders_table).where(orders_table.c.id.in_(ids)).values(name="followed")
        assert connection.execute(query).rowcount == len(ids) == 1

    def fail(connection: sa.Connection, sale: SaleId, moves: Sequence[Move]) -> None:
        raise RuntimeError("a bug of whoever follows")

    with pytest.raises(RuntimeError):
        await Ledger(database, [rename, fail]).apply("s1", [history.moves])
    assert await orders.find(order.id) is None
    assert await Ledger(database, [rename]).apply("s1", [history.moves]) == Applied(4, 0)
    row = await orders.find(order.id)
    assert row is not None
    assert (row.order.name, seen) == ("followed", ["s1", "s1"])


async def test_moves_in_any_order_and_portions_with_repeats_come_to_the_same_rows(
    database: Database, database_url: str, ledger: Ledger
) -> None:
    seeds = range(4)
    await make_sale(database, *(f"{word}-{seed}" for seed in seeds for word in ("plain", "mixed")))
    for seed in seeds:
        await ledger.apply(f"plain-{seed}", [random_history(seed, 300, f"plain-{seed}").moves])
        chance = random.Random(seed)
        moves = random_history(seed, 300, f"mixed-{seed}").moves
        moves += chance.choices(moves, k=150)
        chance.shuffle(moves)
        stored = repeated = 0
        while moves:
            batches = []
            for _ in range(chance.randint(1, 4)):
                size = chance.choice((1, 2, 9, 60))
                batches.append(moves[:size])
                moves = moves[size:]
            applied = await ledger.apply(f"mixed-{seed}", batches)
            stored += applied.moves
            repeated += applied.replayed
        assert (stored, repeated) == (300, 150), f"seed {seed}"
        mixed = ledger_rows(database_url, f"mixed-{seed}")
        assert mixed == ledger_rows(database_url, f"plain-{seed}"), f"seed {seed}"


async def test_writers_that_store_the_same_moves_at_once_do_no_harm(
    database: Database, database_url: str, ledger: Ledger
) -> None:
    await make_sale(database, "s1", "s2")
    await ledger.apply("s1", [random_history(7, 240, "s1").moves])
    moves = random_history(7, 240, "s2").moves
    parts = [moves[start : start + 40] for start in range(0, 240, 40)]
    other = Database(database_url, threads_max=2, within_s=10)
    writers = [ledger, Ledger(other), ledger, Ledger(other)]
    applied = await asyncio.gather(
        *(
            writer.apply("s2", [part])
            for number, writer in enumerate(writers)
            for part in random.Random(number).sample(parts, len(parts))
        )
    )
    await other.close()
    assert sum(one.moves for one in applied) == 240
    assert sum(one.replayed for one in applied) == 3 * 240
    assert ledger_rows(database_url, "s2") == ledger_rows(database_url, "s1")


async def test_books_and_position_are_of_one_instant_while_moves_are_stored(
    database: Database, ledger: Ledger, orders: OrderRecords
) -> None:
    await make_sale(database)
    moves = random_history(5, 600).moves
    done = asyncio.Event()

    async def write() -> None:
        for start in range(0, 600, 20):
            await ledger.apply("s1", [moves[start : start + 20]])
        done.set()

    seen = set()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        while not done.is_set():
            position, books = await orders.books_at("s1")
            assert position.moves == position.seq
            assert books == books_of(moves[: position.seq])
            seen.add(position.seq)
    assert len(seen) > 1


async def test_what_is_missing_below_the_highest_move_can_be_told(
    database: Database, ledger: Ledger, sales: SaleRecords
) -> None:
    await make_sale(database)
    moves = random_history(1, 30).moves
    await ledger.apply("s1", [moves[:10], moves[20:]])
    record = await sales.find("s1")
    assert record is not None
    assert (record.seq, record.moves) == (30, 20)
    await ledger.apply("s1", [moves[10:20]])
    record = await sales.find("s1")
    assert record is not None
    assert (record.seq, record.moves) == (30, 30)


async def test_another_move_under_a_stored_number_is_refused_with_all_that_came_with_it(
    database: Database, database_url: str, ledger: Ledger
) -> None:
    await make_sale(database)
    moves = random_history(2, 40).moves
    await ledger.apply("s1", [moves[:20]])
    before = ledger_rows(database_url, "s1")
    other = replace(moves[9], at_ms=moves[9].at_ms + 1)
    with pytest.raises(Diverged, match="sale s1: the ledger holds another move as number 10 of"):
        await ledger.apply("s1", [moves[20:30], [other]])
    with pytest.raises(Diverged, match="two moves are number 31 of epoch 1"):
        await ledger.apply("s1", [[moves[30], replace(moves[30], actor="somebody else")]])
    assert ledger_rows(database_url, "s1") == before


async def test_a_move_that_another_version_wrote_differently_is_still_the_same_move(
    database: Database, database_url: str, ledger: Ledger
) -> None:
    await make_sale(database)
    history = History()
    order = history.place()
    await ledger.apply("s1", [history.moves])
    history.pay(order, "p1")
    engine = open_engine(database_url)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO sale_moves SELECT sale_id, epoch, 2, at_ms, kind, order_id, actor,"
                " :digest, facts FROM sale_moves"
            ),
            {"digest": b"of another form!"},
        )
    engine.dispose()
    same = replace(history.moves[0], seq=2)
    assert await ledger.apply("s1", [[same]]) == Applied(0, 1)
    with pytest.raises(Diverged):
        await ledger.apply("s1", [[history.moves[1]]])


async def test_after_a_rebuild_moves_of_the_old_epoch_are_refused_and_repeats_are_not(
    database: Database, ledger: Ledger, orders: OrderRecords, sales: SaleRecords
) -> None:
    await make_sale(database)
    old = History()
    old.put_on_sale(10)
    order = old.place()
    old.place(user="bob")
    late = old.pay(old.orders[order.id], "lost")
    await ledger.apply("s1", [old.moves[:-1]])
    assert await sales.bump_epoch("s1") == 2
    with pytest.raises(OldEpoch, match="epoch 1, which ended"):
        await ledger.apply("s1", [[late]])
    assert await ledger.apply("s1", [old.moves[:-1]]) == Applied(0, 5)
    new = History(epoch=2)
    new.add(MoveKind.SALE, state="paused", reason="rebuilt")
    new.become(order, OrderState.CANCELLED, MoveKind.CANCELLED, reason="")
    assert await ledger.apply("s1", [new.moves]) == Applied(2, 0)
    row = await orders.find(order.id)
    assert row is not None
    assert (row.order.state, row.epoch, row.seq) == (OrderState.CANCELLED, 2, 2)
    record = await sales.find("s1")
    assert record is not None
    assert (record.terms.epoch, record.seq, record.moves) == (2, 2, 2)
    assert (record.state, record.reason) == (SaleState.PAUSED, "rebuilt")
    assert await orders.books("s1") == books_of(old.moves[:-1] + new.moves)
    with pytest.raises(Diverged, match="epoch 3, but the ledger is at 2"):
        await ledger.apply("s1", [[replace(late, epoch=3)]])


@pytest.mark.parametrize("sale_id", ["nobody", "", "a\0b", "\ud800", "a.b"])
async def test_moves_of_a_sale_that_is_not_there_are_refused(
    database: Database, ledger: Ledger, sale_id: str
) -> None:
    await make_sale(database)
    with pytest.raises(UnknownSale):
        await ledger.apply(sale_id, [random_history(1, 10).moves])


async def test_a_move_that_can_never_be_stored_leaves_nothing_of_its_batch(
    database: Database, database_url: str, ledger: Ledger
) -> None:
    await make_sale(database)
    before = ledger_rows(database_url, "s1")
    good, bad = History(), History(seq=1)
    good.place()
    order = new_order(user="bob")
    for broken, error in (
        (replace(order, lines=(PricedLine(SkuId("red"), 0, 1),)), exc.IntegrityError),
        (replace(order, amount_minor=-1), exc.IntegrityError),
        (replace(order, user="\ud800"), TypeError),
        (replace(order, id=new_order("other").id, sale="other"), ValueError),  # type: ignore[arg-type]
    ):
        move = replace(bad.add(MoveKind.RESERVED, broken), seq=2)
        with pytest.raises(error):
            await ledger.apply("s1", [good.moves, [move]])
    with pytest.raises(KeyError):
        await ledger.apply("s1", [good.moves, [bad.add(MoveKind.STOCK, reason="")]])
    lost = Move(1, 2, NOW_MS, MoveKind.PAID, payment=payment(order, "p"))
    with pytest.raises(ValueError, match="a payment without its order"):
        await ledger.apply("s1", [good.moves, [lost]])
    assert ledger_rows(database_url, "s1") == before
    assert await ledger.apply("s1", [good.moves]) == Applied(1, 0)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_moves_that_met_a_locked_database_are_stored_by_the_next_attempt(
    database_url: str, ledger: Ledger, database: Database
) -> None:
    await make_sale(database)
    impatient = Database(database_url, threads_max=1, within_s=1)
    moves = random_history(3, 20).moves
    other = sqlite3.connect(sa.make_url(database_url).database or "", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailable, match="could not store moves of sale s1: another proc"):
        await Ledger(impatient).apply("s1", [moves])
    other.execute("ROLLBACK")
    other.close()
    assert await Ledger(impatient).apply("s1", [moves]) == Applied(20, 0)
    await impatient.close()


async def test_an_order_row_stands_at_its_last_change_not_at_money_that_is_owed_back(
    database: Database, ledger: Ledger, orders: OrderRecords
) -> None:
    await make_sale(database)
    history = History()
    order = new_order(state=OrderState.QUEUED)
    history.add(MoveKind.QUEUED, order)
    history.owe(order, "early", PaymentOutcome.LATE)
    await ledger.apply("s1", [history.moves])
    row = await orders.find(order.id)
    assert row is not None
    assert (row.order, row.seq) == (order, 1)
