"""A shop whose visitors bring others, for one fault; in the end everything must add up.

The table of all faults of a run is written to `.artifacts/sharing-faults.md`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from rooms.adapters.redis_visits import RedisVisitLog
from server.database.account_tables import commission_due
from server.database.coupon_tables import coupon_claims
from server.database.engine import Database, sqlite_url
from server.database.ladder_tables import arrivals, ladder_grants
from server.database.sale_tables import orders
from server.database.source_records import By, SourceRecords
from server.redis_client import ClientRole, connect
from server.redis_socket import socket_path, socket_url
from server.supervisor import DATABASE_NAME
from tests.support.live_server import LiveServer
from tests.support.processes import REPOSITORY, below
from tests.support.sharing_audit import STAY_MS, Findings, audit
from tests.support.sharing_crowd import SharingCrowd, patient
from tests.support.wait import wait_until

T = TypeVar("T")
TABLE = REPOSITORY / ".artifacts" / "sharing-faults.md"
HEAD = (
    "| fault | seed | pieces acknowledged | lost | twice | arrivals | valid | wrong | grants | lost"
    " | twice | packets | cents missing | orders | seconds to recover |\n"
    f"|---|{'---:|' * 14}\n"
)
ROOM, SALE, LADDER = "shop", "sale", "friends"
QUIET_WITHIN_S = 120.0
HOUR_MS = 3_600_000
TIERS = [
    {"needs": 2, "kind": "points", "title": "Points", "stock": 20, "cost_minor": 10, "points": 5},
    {"needs": 4, "kind": "coupon", "title": "5 off", "stock": 20, "cost_minor": 500},
    {"needs": 6, "kind": "red_packet", "title": "Packet", "stock": 6, "pool_minor": 5_003},
    {"needs": 9, "kind": "voucher", "title": "Mug", "stock": 2, "cost_minor": 5_900},
]
THRESHOLDS = {
    "stay_ms": STAY_MS,
    "settle_ms": 1_500,
    "first_action_after_ms": 0,
    "own_browser_max": 1_000,  # everybody has one browser here
}


class SharingStage:
    """One server, one ladder, one sale and one crowd. `fault` names the row; `seed` repeats it."""

    def __init__(self, server: LiveServer, fault: str, seed: int, visitors: int) -> None:
        self.server, self.fault, self.seed = server, fault, seed
        self.crowd = SharingCrowd(server, ROOM, SALE, seed=seed, inviters=8, visitors=visitors)
        self._began_s: float | None = None
        self.database = Database(
            sqlite_url(server.data_dir / DATABASE_NAME), threads_max=2, within_s=10
        )

    async def open(self) -> None:
        """Put a ladder and a sale on air and let the crowd in."""
        call = self.server.acall
        await call("POST", "/api/v1/rooms", {"id": ROOM, "title": "Shop"})
        goods = {"id": "mug", "title": "Mug", "price_minor": 8_900, "currency": "CNY"}
        await call("POST", "/api/v1/products", goods)
        batch = {"title": "5 off", "kind": "amount", "currency": "CNY", "amount_minor": 500}
        for name in ("five", "reward"):
            await call("POST", "/api/v1/coupon-batches", {"id": name, "issue_max": 500, **batch})
        plan = {"level1_bp": 1_000, "level2_bp": 0, "window_days": 0}
        await call("PUT", f"/api/v1/rooms/{ROOM}/commission", plan)
        items = [{"sku": "mug", "stock": 5_000, "per_user_max": 100}]
        terms = {"id": SALE, "room": ROOM, "hold_seconds": 3, "items": items}
        await call("POST", "/api/v1/sales", terms)
        await call("POST", f"/api/v1/sales/{SALE}/arm", {})
        await call("POST", f"/api/v1/sales/{SALE}/open", {})
        tiers = [t | ({"coupon_batch": "reward"} if t["kind"] == "coupon" else {}) for t in TIERS]
        ladder = {
            "id": LADDER,
            "room": ROOM,
            "title": "Bring friends",
            "currency": "CNY",
            "budget_minor": 100_000,
            "ends_at_ms": time.time_ns() // 1_000_000 + HOUR_MS,
            "tiers": tiers,
            "thresholds": THRESHOLDS,
            "newcomer_batch": "reward",
            "newcomer_stock": 10,
            "newcomer_cost_minor": 500,
        }
        await call("POST", "/api/v1/ladders", ladder)
        await call("POST", f"/api/v1/ladders/{LADDER}/publish", {})
        await self.crowd.start()
        await self.crowd.progress(60)

    def begins(self) -> None:
        """The first blow falls: silences are measured from here."""
        if self._began_s is None:
            self._began_s = asyncio.get_running_loop().time()

    async def judges(self, most: int) -> None:
        """Wait until so many arrivals are judged, so that the next ones are just now."""
        query = sa.select(sa.func.count()).where(arrivals.c.judged_at_ms.is_not(None))

        async def are_judged() -> bool:
            return (
                await self._run(lambda connection: connection.execute(query).scalar_one()) >= most
            )

        await self._until(f"{most} arrivals are judged", are_judged)

    def ledger_pids(self) -> list[int]:
        return below(self.server.program.pid, "server.ledger.process")

    async def judged(self) -> Findings:
        """Let everybody finish, wait for quiet, end the ladder, compare everything."""
        await self.crowd.visited()
        await self._quiet()
        await self.crowd.leave()
        await patient(self.server, "POST", f"/api/v1/ladders/{LADDER}/end", {})
        await self._until("the ladder has ended", self._ended)
        found = await self._run(lambda connection: audit(connection, self.crowd.notes))
        found.complaints += [f"answers differ: {one}" for one in self.crowd.notes.unequal]
        found.complaints += await self._reports(found)
        write_row(self.fault, self.seed, found, self._recovered_s())
        return found

    async def _reports(self, found: Findings) -> list[str]:
        """The sources, however they are told apart, add up to all orders."""
        wrong = []
        for by in By:
            report = await SourceRecords(self.database).report(by, rooms=None)
            total = sum(source.orders for source in report.sources)
            if not total == report.total.orders == found.orders:
                wrong.append(f"by {by}: {total} of {report.total.orders} orders, {found.orders}")
        return wrong

    def _recovered_s(self) -> float:
        """The longest time from the first blow to the last visit in which nobody was answered."""
        began_s = self._began_s or 0.0
        until_s = self.crowd.over_at_s
        since = [at for at in self.crowd.notes.answered_at_s if began_s <= at <= until_s]
        gaps = [later - earlier for earlier, later in zip([began_s, *since], since, strict=False)]
        return max(gaps, default=-1.0)

    # waiting for quiet

    async def _quiet(self) -> None:
        """Nothing is under way: visits, orders, claims, judgements, rewards, commissions."""
        await self._until("all pieces are written", self._written)
        await self._until("the books of the sale agree", self._balanced)
        forgetful = self.crowd.forgetful
        nothing = {
            "no order is open": orders.c.state.in_(("reserved", "queued")),
            "no coupon is held": coupon_claims.c.state == "held",
            "all who qualified are judged": arrivals.c.verdict == "qualified",
            "all packets are opened": (ladder_grants.c.kind == "red_packet")
            & (ladder_grants.c.state == "granted")
            & (ladder_grants.c.user_id != forgetful),
            "commissions are decided": commission_due.c.state == "due",
            "everybody was told": ladder_grants.c.told.is_(False),
        }
        for description, wanted in nothing.items():
            await self._until(description, partial(self._none, wanted))

    async def _until(self, description: str, quiet: Callable[[], Any]) -> None:
        async def is_quiet() -> bool:
            try:
                return bool(await quiet())
            except (AssertionError, OSError):  # it is still coming back
                return False

        await wait_until(is_quiet, QUIET_WITHIN_S, description)

    async def _none(self, wanted: sa.ColumnElement[bool]) -> bool:
        query = sa.select(sa.func.count()).where(wanted)
        return await self._run(lambda connection: connection.execute(query).scalar_one() == 0)

    async def _written(self) -> bool:
        client = connect(
            socket_url(socket_path(self.server.data_dir.absolute())), role=ClientRole.COMMANDS
        )
        try:
            return await RedisVisitLog(client, entries_max=1).lag() == 0
        finally:
            await client.aclose()

    async def _balanced(self) -> bool:
        books = await self.server.acall("GET", f"/api/v1/sales/{SALE}/books")
        return books["agree"] is True and books["lag"] == 0

    async def _ended(self) -> bool:
        ladder = await self.server.acall("GET", f"/api/v1/ladders/{LADDER}")
        undue = await self._none(arrivals.c.due_at_ms.is_not(None))
        told = await self._none(ladder_grants.c.told.is_(False))
        return ladder["state"] == "ended" and undue and told

    async def _run(self, work: Callable[[sa.Connection], T]) -> T:
        return await self.database.run(work, attempt="audit", reads_only=True)


def write_row(fault: str, seed: int, found: Findings, recovered_s: float) -> None:
    """Append a row to the table and print it."""
    TABLE.parent.mkdir(exist_ok=True)
    counts = (
        *(seed, found.pieces, found.pieces_lost, found.pieces_twice),
        *(found.arrivals, found.valid, found.arrivals_wrong),
        *(found.grants, found.grants_lost, found.grants_twice),
        *(found.packets, found.cents_missing, found.orders, f"{recovered_s:.1f}"),
    )
    row = f"| {' | '.join((fault, *map(str, counts)))} |\n"
    print(row, end="")
    with TABLE.open("a") as table:
        if table.tell() == 0:
            table.write(HEAD)
        table.write(row)


@asynccontextmanager
async def sharing_stage(
    directory: Path, fault: str, seed: int, *, visitors: int = 160
) -> AsyncIterator[SharingStage]:
    """A stage on `onair serve` with two workers of each kind; ended whatever happened."""
    server = LiveServer(
        directory,
        command="serve",
        ONAIR_WORKERS="2",
        ONAIR_LEDGER_WORKERS="2",
        ONAIR_PAYMENT_PROVIDER="demo",
        ONAIR_COUPON_CLAIM_LAPSES_S="2",
        ONAIR_LOG_LEVEL="warning",
    )
    await asyncio.to_thread(server.start)
    stage = SharingStage(server, fault, seed, visitors)
    try:
        yield stage
    except BaseException:
        server.keep_errors(f"sharing-{fault.replace(' ', '-')}-{seed}")
        raise
    finally:
        await stage.crowd.leave()
        await stage.database.close()
        await asyncio.to_thread(server.end)
