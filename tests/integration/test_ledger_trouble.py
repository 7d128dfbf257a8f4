"""What the writer does with entries that cannot be written, and while something is out of reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from flash_sale.adapters.script import key_of
from flash_sale.model import Move
from server.database.engine import Database
from server.database.records import Applied, Ledger
from tests.support.ledger_stage import (
    WITHIN_S,
    CountingBooks,
    LossyStream,
    assert_books_agree,
    buy_many,
    finished,
    running,
    wait_until_written,
    writer_of,
)
from tests.support.shop import Shop
from tests.support.shop_fixtures import furnished_shop
from tests.support.sql import open_engine
from tests.support.wait import wait_until

pytest_plugins = ["tests.support.databases"]
shop = furnished_shop


# what cannot be written


async def set_aside(shop: Shop) -> list[tuple[str, str]]:
    """The sale and the reason of each entry that was set aside."""
    ledger = Ledger(shop.database)
    found = await ledger.what_was_set_aside(0, 100)
    assert await ledger.set_aside_count() == len(found)
    return [(entry.sale_id, entry.error) for entry in found]


async def test_an_entry_that_cannot_be_read_is_set_aside_and_its_neighbours_are_written(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    sale = await shop.opened("s1", {"tea": 5})
    await shop.client.xadd(key_of(sale, "ledger"), {"what": "is this"})
    await shop.buy(sale, "ann")
    await finished(writer_of(shop))
    ((where, why),) = await set_aside(shop)
    assert (where, why[:10]) == (sale, "unreadable")
    (kept,) = await Ledger(shop.database).what_was_set_aside(0, 1)
    assert b"is this" in kept.raw
    assert f"ALARM: entry {kept.entry_id} of sale s1 is set aside" in caplog.text
    assert await shop.stream.lag(sale) == 0
    await assert_books_agree(shop, sale)


async def test_a_move_whose_number_is_taken_by_another_one_is_set_aside(shop: Shop) -> None:
    sale = await shop.opened("s1", {"tea": 5})
    entries = await shop.stream.read(sale, "ledger-1", 100)
    (first,) = entries[0].moves[:1]
    await Ledger(shop.database).apply(sale, [[replace(first, actor="somebody else")]])
    await shop.buy(sale, "ann")
    await finished(writer_of(shop))
    ((where, why),) = await set_aside(shop)
    assert (where, why.partition(":")[0]) == (sale, "Diverged")
    assert await shop.stream.lag(sale) == 0
    assert len(await shop.orders.page(None, 10)) == 1


async def test_moves_of_an_epoch_that_has_ended_are_set_aside(shop: Shop) -> None:
    sale = await shop.opened("s1", {"tea": 5})
    await finished(writer_of(shop))
    await shop.buy(sale, "ann")
    await shop.records.bump_epoch(sale)
    await finished(writer_of(shop))
    ((where, why),) = await set_aside(shop)
    assert (where, why.partition(":")[0]) == (sale, "OldEpoch")
    assert await shop.stream.lag(sale) == 0


class PickyBooks(CountingBooks):
    """The ledger, which fails at the moves of one user, as often as it is told to."""

    def __init__(self, database: Database, user: str, failures: int) -> None:
        super().__init__(database)
        self._user = user
        self._failures = failures

    async def apply(self, sale_id: str, batches: Sequence[Sequence[Move]]) -> Applied:
        orders = [move.order for batch in batches for move in batch if move.order is not None]
        if self._failures and any(order.user == self._user for order in orders):
            self._failures -= 1
            raise TypeError("a bug of ours")
        return await super().apply(sale_id, batches)


async def test_an_entry_that_fails_for_a_reason_unknown_is_tried_again_then_set_aside(
    shop: Shop,
) -> None:
    sale = await shop.opened("s1", {"tea": 5})
    for user in ("ann", "bob", "eve"):
        await shop.buy(sale, user)
    await finished(writer_of(shop, books=PickyBooks(shop.database, "bob", 1_000)))
    assert await set_aside(shop) == [(sale, "TypeError: a bug of ours")]
    assert {row.order.user for row in await shop.orders.page(None, 10)} == {"ann", "eve"}
    assert await shop.stream.lag(sale) == 0


async def test_an_entry_that_fails_twice_and_then_passes_is_written(shop: Shop) -> None:
    sale = await shop.opened("s1", {"tea": 5})
    await shop.buy(sale, "bob")
    # once in the transaction of all entries, once alone
    await finished(writer_of(shop, books=PickyBooks(shop.database, "bob", 2)))
    assert await set_aside(shop) == []
    await assert_books_agree(shop, sale)


# what is out of reach


async def test_a_stream_that_is_broken_holds_up_no_other_sale(shop: Shop) -> None:
    broken = await shop.opened("broken", {"tea": 5})
    sound = await shop.opened("sound", {"tea": 5})
    await shop.client.rename(key_of(broken, "ledger"), "{sale:broken}:kept")
    await shop.client.set(key_of(broken, "ledger"), "not a stream")
    async with running(writer_of(shop)):
        await shop.buy(sound, "ann")
        await wait_until_written(shop, sound)
        await shop.client.rename("{sale:broken}:kept", key_of(broken, "ledger"))
        await wait_until_written(shop, broken)
    await assert_books_agree(shop, sound)
    await assert_books_agree(shop, broken)


async def test_while_sql_is_locked_sales_go_on_and_everything_is_written_after(
    shop: Shop, database_url: str
) -> None:
    sale = await shop.opened("s1", {"tea": 50})
    patient = Database(database_url, threads_max=2, within_s=1)
    writer = writer_of(shop, books=Ledger(patient))
    engine = open_engine(database_url)
    async with running(writer):
        await wait_until_written(shop, sale)
        with engine.connect() as other:
            if patient.is_sqlite:
                other.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                other.exec_driver_sql("LOCK TABLE sales IN ACCESS EXCLUSIVE MODE")
            await buy_many(shop, sale, 5)
            await wait_until(lambda: writer.waiting_for, WITHIN_S, "it says what it waits for")
            assert await shop.stream.lag(sale) > 0
            assert writer.oldest_ms(sale) >= 0
            await buy_many(shop, sale, 5, "more")
            other.rollback()
        await wait_until_written(shop, sale)
        await wait_until(lambda: not writer.waiting_for, WITHIN_S, "it says that it goes on")
    await assert_books_agree(shop, sale)
    assert await set_aside(shop) == []
    engine.dispose()
    await patient.close()


async def test_it_does_not_finish_while_something_is_left(shop: Shop) -> None:
    sale = await shop.opened("s1", {"tea": 5})
    stream = LossyStream(shop.client, 5)
    await finished(writer_of(shop, stream=stream))
    assert stream.tries == 6
    assert await shop.stream.lag(sale) == 0
