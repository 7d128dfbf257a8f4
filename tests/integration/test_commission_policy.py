"""Whether an inviter earns, by channel and app; and what becomes of orders nobody can decide."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from flash_sale.commission import Plan
from rooms.sharing.policy import default_policies
from rooms.sharing.sources import ShareLink, Source, Target
from rooms.sharing.visits import Event, Piece, Told
from server.database.binding_records import Bindings
from server.database.commission_records import (
    Bringer,
    CommissionRecords,
    EarningState,
    PaidOrder,
    note_paid,
)
from server.database.engine import Database
from server.database.share_records import ShareRecords
from server.database.visit_store import VisitStore
from server.database.visit_tables import visits
from server.ledger.commissions import MoneyKeeper, brought_by_bindings
from server.ledger.lease import Lease
from server.redis_client import Client
from tests.support.shop import ROOM, Shop
from tests.support.shop_fixtures import furnished_shop

pytest_plugins = ["tests.support.databases", "tests.support.sale_desk_fixtures"]
shop = furnished_shop
AT_MS = 1_800_000_000_000


@pytest.mark.parametrize(
    ("channel", "app", "pays"),
    [
        ("copy", "", True),
        ("copy", "wechat", False),
        ("wechat", "", False),
        ("douyin", "", False),
        ("weibo", "wechat", False),
    ],
)
async def test_a_link_that_was_opened_inside_wechat_earns_nobody_a_commission(
    shop: Shop, database: Database, channel: str, app: str, pays: bool
) -> None:
    source = Source(channel, inviter="bob", link="0123456789abcdef")
    link = ShareLink(source.link, ROOM, source, Target(), AT_MS)
    await ShareRecords(database).create(link, per_day_max=None)
    piece = Piece(
        visit="visit-00000000001",
        key="p1",
        room=ROOM,
        received_at_ms=AT_MS,
        events=(Event(Told.ENTER, AT_MS),),
        device="device-0000000001",
        user="ann",
        guest=False,
        app=app,
        source=source,
    )
    follow = (Bindings(30, 90).follow,)
    await VisitStore(database, beat_gap_ms=20_000).write([piece], follow)
    brought = brought_by_bindings(default_policies())
    bringer = await database.run(lambda connection: brought(connection, "ann", AT_MS + 1))
    assert bringer is not None
    assert (bringer.user, bringer.pays) == ("bob", pays)
    await database.run(lambda connection: connection.execute(sa.delete(visits)))
    later = await database.run(lambda connection: brought(connection, "ann", AT_MS + 1))
    assert later == bringer  # the app is known as long as the binding, not as the visit


class NothingLapses:
    async def look(self) -> int:
        return 0


async def test_an_order_that_cannot_be_decided_holds_up_no_other(
    shop: Shop, database: Database, redis_client: Client
) -> None:
    records = CommissionRecords(database)
    await records.set_plan(ROOM, Plan(1_000, 0, 0), AT_MS)
    paid = [
        PaidOrder(f"sale.{user}", ROOM, user, "CNY", 1_000, 0, "", AT_MS, AT_MS)
        for user in ("ann", "ben", "poison", "zoe")
    ]
    await database.run(lambda connection: note_paid(connection, paid))

    def brought(connection: sa.Connection, user: str, at_ms: int) -> Bringer | None:
        if user == "poison":
            raise LookupError("a bug")
        return None if user == "bob" else Bringer("bob", True)

    async def written_to_ms() -> int:
        return AT_MS + 60_000

    lapses: Any = NothingLapses()
    lease = Lease(redis_client, "keeper", "test:money")
    keeper = MoneyKeeper(
        database, lapses, lease, brought, written_to_ms, now_ms=lambda: AT_MS + 60_000
    )
    for _ in range(3):  # one finds it, one decides the others, one releases what they earned
        await keeper.look()
    found = await records.page(None, 10)
    assert sorted(one.order for one in found) == ["sale.ann", "sale.ben", "sale.zoe"]
    assert {one.state for one in found} == {EarningState.AVAILABLE}
    assert await records.waiting_count() == 1
