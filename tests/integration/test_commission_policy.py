"""Whether an inviter earns: by the channel of the link, and by the app that it was opened in."""

from __future__ import annotations

import pytest

from rooms.sharing.policy import default_policies
from rooms.sharing.sources import ShareLink, Source, Target
from rooms.sharing.visits import Event, Piece, Told
from server.database.binding_records import Bindings
from server.database.engine import Database
from server.database.share_records import ShareRecords
from server.database.visit_store import VisitStore
from server.ledger.commissions import brought_by_bindings
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
