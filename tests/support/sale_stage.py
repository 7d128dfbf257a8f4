"""A running shop with one sale and a crowd, for one fault; in the end the books must balance.

The table of all faults of a run is written to `.artifacts/faults.md`.
"""

from __future__ import annotations

import asyncio
import urllib.parse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.live_server import LiveServer
from tests.support.processes import REPOSITORY, below
from tests.support.sale_crowd import Crowd
from tests.support.sale_history import Verdict, judge
from tests.support.wait import wait_until

TABLE = REPOSITORY / ".artifacts" / "faults.md"
HEAD = (
    "| fault | seed | operations | acknowledged | unknown | lost | oversold | duplicated "
    "| seconds to recover |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n"
)
SKUS = {"mug": 3, "tea": 2}  # and how many one person may buy
BALANCED_WITHIN_S = 90.0


class Stage:
    """One server, one sale, one crowd. `fault` names the row; `seed` repeats it."""

    def __init__(self, server: LiveServer, fault: str, seed: int) -> None:
        self.server, self.fault, self.seed = server, fault, seed
        self.sale = f"sale-{fault.replace(' ', '-')}-{seed}"[:60]
        self.crowd = Crowd(server, self.sale, list(SKUS), seed=seed)
        self.verdict: Verdict | None = None
        self._ended_at_s = 0.0

    async def open(
        self, *, stock: int = 5_000, hold_seconds: int = 600, buyers: int = 24, **habits: Any
    ) -> None:
        """Put a sale on air and let the crowd in."""
        await self.put_on_air(stock, hold_seconds)
        self.crowd = Crowd(
            self.server, self.sale, list(SKUS), seed=self.seed, buyers=buyers, waits=0.05, **habits
        )
        self.crowd.start()
        await self.crowd.progress(60)

    async def put_on_air(self, stock: int, hold_seconds: int = 600) -> None:
        """So many units of each sku, and nobody there yet."""
        call = self.server.acall
        with suppress(AssertionError):  # another seed has made the room and the goods
            await call("POST", "/api/v1/rooms", {"id": "shop", "title": "Shop"})
            for sku in SKUS:
                goods = {"id": sku, "title": sku, "price_minor": 8_900, "currency": "CNY"}
                await call("POST", "/api/v1/products", goods)
        items = [
            {"sku": sku, "stock": stock, "per_user_max": limit * 10_000}
            for sku, limit in SKUS.items()
        ]
        terms = {"id": self.sale, "room": "shop", "hold_seconds": hold_seconds, "items": items}
        await call("POST", "/api/v1/sales", terms)
        await call("POST", f"/api/v1/sales/{self.sale}/arm", {})
        await call("POST", f"/api/v1/sales/{self.sale}/open", {})

    def over(self) -> None:
        """The fault is done, or begins to be mended: silences are measured from here."""
        self._ended_at_s = asyncio.get_running_loop().time()

    async def judged(self, *, more: int = 100) -> Verdict:
        """Let the crowd go on, finish, wait for the ledger, compare everything, write the row."""
        await self.crowd.progress(more)
        await self.crowd.stop()
        books = await self.balanced()
        limits = {sku: limit * 10_000 for sku, limit in SKUS.items()}
        verdict = judge(self.crowd.history, await self.ledger(), books, limits)
        self.verdict = verdict
        since = [at for at in self.crowd.answered_at_s if at >= self._ended_at_s]
        silences = [
            later - earlier
            for earlier, later in zip([self._ended_at_s, *since], since, strict=False)
        ]
        recovered_s = max(silences, default=-1.0)  # the longest time in which nobody was answered
        write_row(self.fault, self.seed, verdict, recovered_s)
        return verdict

    async def books(self) -> dict[str, Any]:
        books: dict[str, Any] = await self.server.acall("GET", f"/api/v1/sales/{self.sale}/books")
        return books

    async def balanced(self) -> dict[str, Any]:
        """The books, once Redis and ledger agree with nothing under way."""
        books: dict[str, Any] = {}

        async def agree() -> bool:
            nonlocal books
            try:
                books = await self.books()
            except (AssertionError, OSError):  # it is still coming back
                return False
            return books["agree"] is True and books["lag"] == 0

        try:
            await wait_until(agree, BALANCED_WITHIN_S, "the books agree")
        except AssertionError as error:
            raise AssertionError(f"{error}: {books}") from None
        assert all(item["balanced"] for item in books["redis"]["items"]), books
        return books

    async def ledger(self) -> list[dict[str, Any]]:
        """All orders of the sale as the ledger has them."""
        rows: list[dict[str, Any]] = []
        after = ""
        while True:
            query = urllib.parse.urlencode({"sale": self.sale, "limit": 100, "after": after})
            page = await self.server.acall("GET", f"/api/v1/orders?{query}")
            rows += page["orders"]
            if not page["next"]:
                return rows
            after = page["next"]

    def ledger_pids(self) -> list[int]:
        return below(self.server.program.pid, "server.ledger.process")


def write_row(fault: str, seed: int, verdict: Verdict, recovered_s: float) -> None:
    """Append a row to the table and print it."""
    TABLE.parent.mkdir(exist_ok=True)
    counts = (verdict.operations, verdict.acknowledged, verdict.unknown)
    bad = (verdict.lost, verdict.oversold, verdict.duplicated)
    recovered = "-" if recovered_s < 0 else f"{recovered_s:.1f}"  # nobody asked afterwards
    cells = [fault, str(seed), *map(str, counts), *map(str, bad), recovered]
    row = f"| {' | '.join(cells)} |\n"
    print(row, end="")
    with TABLE.open("a") as table:
        if table.tell() == 0:
            table.write(HEAD)
        table.write(row)


@asynccontextmanager
async def staged(directory: Path, fault: str, seed: int, **settings: str) -> AsyncIterator[Stage]:
    """A stage on `onair serve` with payments without money; ended whatever happened."""
    server = LiveServer(
        directory,
        command="serve",
        **{"ONAIR_PAYMENT_PROVIDER": "demo", "ONAIR_LOG_LEVEL": "warning", **settings},
    )
    await asyncio.to_thread(server.start)
    try:
        async with stage_on(server, fault, seed) as stage:
            yield stage
    finally:
        await asyncio.to_thread(server.end)


@asynccontextmanager
async def stage_on(server: LiveServer, fault: str, seed: int) -> AsyncIterator[Stage]:
    """A stage on a server that runs and goes on; its crowd is gone afterwards."""
    stage = Stage(server, fault, seed)
    try:
        yield stage
    except BaseException:
        server.keep_errors(stage.sale)
        raise
    finally:
        await stage.crowd.leave()
