"""The ledger worker, all of it real, which kills itself (-9) at one point of keeping visits.

`python -m tests.support.sharing_dying POINT COUNT ...`: at which of POINTS, and at which passage of
it; the other arguments are the worker's own. The points, in their order: pieces are stored but not
committed; they are committed; they have left the log; arrivals are judged and rewards given but
not committed; that is committed.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

from rooms.adapters.redis_visits import RedisVisitLog
from server.database.arrival_judging import Judged
from server.database.engine import Database
from server.ledger import process

T = TypeVar("T")

POINTS = ("pieces stored", "pieces committed", "pieces trimmed", "judged", "judgement committed")
passages: Counter[str] = Counter()  # that are left, by point


def pass_by(point: str) -> None:
    """Die here if this is the point and the time has come."""
    passages[point] -= 1
    if passages[point] == 0:
        os.kill(os.getpid(), signal.SIGKILL)


class DyingLog(RedisVisitLog):
    async def committed(self, last_id: str) -> None:
        await super().committed(last_id)
        pass_by("pieces trimmed")


class DyingDatabase(Database):
    async def run(
        self,
        work: Callable[[sa.Connection], T],
        *,
        attempt: str = "use the database",
        reads_only: bool = False,
    ) -> T:
        def work_and_die(connection: sa.Connection) -> T:
            result = work(connection)  # in the transaction, which is not committed
            if attempt.startswith("store what was told"):
                pass_by("pieces stored")
            elif isinstance(result, Judged) and result.arrivals:
                pass_by("judged")
            return result

        result = await super().run(work_and_die, attempt=attempt, reads_only=reads_only)
        if attempt.startswith("store what was told"):
            pass_by("pieces committed")
        elif isinstance(result, Judged) and result.arrivals:
            pass_by("judgement committed")
        return result


if __name__ == "__main__":
    assert sys.argv[1] in POINTS
    passages[sys.argv[1]] = int(sys.argv[2])
    del sys.argv[1:3]
    for name, dying in (("RedisVisitLog", DyingLog), ("Database", DyingDatabase)):
        for module in [m for n, m in sys.modules.items() if n.startswith("server.ledger.")]:
            if hasattr(module, name):
                setattr(module, name, dying)
    process.main()
