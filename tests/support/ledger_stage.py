"""Writers of the ledger in the hands of a test, between a real Redis and a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from flash_sale.adapters.redis_stream import RedisLedgerStream
from flash_sale.errors import SaleStoreUnavailable
from flash_sale.model import Move, SaleId
from flash_sale.store import LedgerStream
from server.database.engine import Database
from server.database.records import Applied, Ledger
from server.endings import end_tasks
from server.ledger.writer import Books, Writer
from server.redis_client import Client
from server.settings import Limits
from tests.support.shop import Shop
from tests.support.wait import wait_until

LIMITS = Limits(ledger_idle_ms=5, ledger_claim_idle_s=60)
NOW_MS = 1_800_000_000_000
WITHIN_S = 20


def writer_of(
    shop: Shop,
    consumer: str = "ledger-1",
    *,
    books: Books | None = None,
    stream: LedgerStream | None = None,
    **limits: int,
) -> Writer:
    return Writer(
        stream or shop.stream,
        shop.records,
        books or Ledger(shop.database),
        replace(LIMITS, **limits),
        consumer,
        now_ms=lambda: NOW_MS,
    )


@asynccontextmanager
async def running(*writers: Writer) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(writer.run()) for writer in writers]
    try:
        yield
        assert not [task for task in tasks if task.done()]
    finally:
        await end_tasks(tasks)


async def finished(*writers: Writer) -> None:
    """Run writers until everything is written."""
    for writer in writers:
        writer.finish()
    async with asyncio.timeout(WITHIN_S):
        await asyncio.gather(*(writer.run() for writer in writers))


async def wait_until_written(shop: Shop, sale: SaleId) -> None:
    async def written() -> bool:
        return await shop.stream.lag(sale) == 0

    await wait_until(written, WITHIN_S, f"all of {sale} is committed")


async def assert_books_agree(shop: Shop, sale: SaleId) -> None:
    """Every move is in the ledger once, and both books say the same."""
    view = await shop.store.view(sale)
    moves = await shop.orders.moves(sale, None, 10_000)
    assert [move.seq for move in moves] == list(range(1, view.at.seq + 1))
    books = await shop.orders.books(sale)
    for item in view.items:
        assert item.balanced
        ledger = books[item.sku]
        assert (ledger.initial, ledger.reserved, ledger.sold, ledger.waiting) == (
            *(item.initial, item.reserved, item.sold, item.waiting),
        )


async def buy_many(shop: Shop, sale: SaleId, count: int, name: str = "user") -> None:
    for number in range(count):
        decision = await shop.buy(sale, f"{name}-{number}")
        assert decision.order is not None
        if number % 2:
            await shop.pay(decision.order.id)


class CountingBooks(Ledger):
    """The ledger; `entries` are how many entries each transaction was given."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.entries: list[int] = []

    async def apply(self, sale_id: str, batches: Sequence[Sequence[Move]]) -> Applied:
        self.entries.append(len(batches))
        return await super().apply(sale_id, batches)


class LossyStream(RedisLedgerStream):
    """The stream, whose first `lost` acknowledgements never arrive."""

    def __init__(self, client: Client, lost: int) -> None:
        super().__init__(client)
        self._lost = lost
        self.tries = 0

    async def committed(self, sale: SaleId, entry_ids: Sequence[str]) -> None:
        self.tries += 1
        if self.tries <= self._lost:
            raise SaleStoreUnavailable("the connection broke")
        await super().committed(sale, entry_ids)
