"""The ledger worker, all of it real, which kills itself (-9) at one point of writing entries.

`python -m tests.support.dying_ledger POINT COUNT ...`: at which of POINTS, and at which passage of
it; the other arguments are the worker's own. The points, in their order: entries were read; their
rows are stored but not committed; they are committed; they are acknowledged.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

import sqlalchemy as sa

from flash_sale.adapters.redis_stream import RedisLedgerStream
from flash_sale.model import Move, SaleId
from flash_sale.store import StreamEntry
from server import sale_store
from server.database.engine import Database
from server.database.records import Applied, Ledger
from server.ledger import process

T = TypeVar("T")

POINTS = ("read", "stored", "committed", "acknowledged")
passages: Counter[str] = Counter()  # that are left, by point


def pass_by(point: str) -> None:
    """Die here if this is the point and the time has come."""
    passages[point] -= 1
    if passages[point] == 0:
        os.kill(os.getpid(), signal.SIGKILL)


class DyingStream(RedisLedgerStream):
    async def read(self, sale: SaleId, consumer: str, most: int) -> list[StreamEntry]:
        entries = await super().read(sale, consumer, most)
        if entries:
            pass_by("read")
        return entries

    async def committed(self, sale: SaleId, entry_ids: Sequence[str]) -> None:
        await super().committed(sale, entry_ids)
        pass_by("acknowledged")


class DyingDatabase(Database):
    async def run(
        self,
        work: Callable[[sa.Connection], T],
        *,
        attempt: str = "use the database",
        reads_only: bool = False,
    ) -> T:
        def work_and_die(connection: sa.Connection) -> T:
            result = work(connection)
            if attempt.startswith("store moves"):
                pass_by("stored")  # in the transaction, which is not committed
            return result

        return await super().run(work_and_die, attempt=attempt, reads_only=reads_only)


class DyingLedger(Ledger):
    async def apply(self, sale_id: str, batches: Sequence[Sequence[Move]]) -> Applied:
        applied = await super().apply(sale_id, batches)
        pass_by("committed")
        return applied


if __name__ == "__main__":
    assert sys.argv[1] in POINTS
    passages[sys.argv[1]] = int(sys.argv[2])
    del sys.argv[1:3]
    for place, name, dying in (
        (sale_store, "RedisLedgerStream", DyingStream),
        (process, "Database", DyingDatabase),
        (process, "Ledger", DyingLedger),
    ):
        assert hasattr(place, name)
        setattr(place, name, dying)
    process.main()
