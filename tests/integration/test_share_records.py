"""Share links in SQL, on both engines: once each, bounded per person and day, paged, for ever."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
import sqlalchemy as sa

from flash_sale.catalog import Product, ProductId, SkuId
from flash_sale.model import Item, SaleId, Terms
from rooms.sharing.sources import Quote, ShareLink, Source, Target, TargetKind
from server.database.engine import Database
from server.database.errors import UnknownRoom
from server.database.records import Act, CatalogRecords, RoomRecords
from server.database.sale_records import SaleRecords
from server.database.sale_tables import sales
from server.database.sale_words import SaleDraft
from server.database.share_records import DAY_MS, LinkPlace, ShareRecords, TooManyLinks
from server.database.share_tables import share_links
from server.settings import Limits
from server.sharing.links import Links

pytest_plugins = ["tests.support.databases"]

NOW_MS = 1_800_000_000_000
KEY = bytes(32)


def link(
    number: int, *, inviter: str = "ann", at_ms: int = NOW_MS, room: str = "show"
) -> ShareLink:
    source = Source("copy", "spring", "eve", inviter, f"{number:016x}")
    return ShareLink(f"{number:016x}", room, source, Target(), at_ms, inviter_name="a*")


@pytest.fixture
async def records(database: Database) -> ShareRecords:
    rooms = RoomRecords(database)
    for room in ("show", "other"):
        await rooms.create(room, room.title(), "")
    return ShareRecords(database)


async def test_a_link_comes_back_as_it_was_made(records: ShareRecords) -> None:
    made = replace(
        link(1),
        target=Target(TargetKind.COMMENT, "c1", 17),
        markups={"tea": 300},
        quote=Quote("B*", "很好 🍵"),
    )
    assert await records.create(made, per_day_max=9) == made
    assert await records.find(made.id) == made
    assert await records.find("0" * 16) is None


async def test_made_again_a_link_stays_as_it_was_first(records: ShareRecords) -> None:
    first = await records.create(link(1), per_day_max=1)
    later = replace(link(1), created_at_ms=NOW_MS + 5, inviter_name="other*")
    assert await records.create(later, per_day_max=1) == first


async def test_made_by_many_at_once_it_is_one(records: ShareRecords) -> None:
    asked = [replace(link(1), created_at_ms=NOW_MS + number) for number in range(8)]
    made = await asyncio.gather(*(records.create(one, per_day_max=1) for one in asked))
    assert len({one.created_at_ms for one in made}) == 1


async def test_a_link_to_no_room_is_refused(records: ShareRecords) -> None:
    with pytest.raises(UnknownRoom, match="nowhere"):
        await records.create(link(1, room="nowhere"), per_day_max=9)


async def test_a_person_makes_so_many_links_in_a_day_and_no_more(records: ShareRecords) -> None:
    for number in range(3):
        await records.create(link(number, at_ms=NOW_MS + number), per_day_max=3)
    with pytest.raises(TooManyLinks) as refused:
        await records.create(link(9, at_ms=NOW_MS + 100), per_day_max=3)
    assert refused.value.free_at_ms == NOW_MS + DAY_MS
    await records.create(link(2, at_ms=NOW_MS + 100), per_day_max=3)  # has it already
    await records.create(link(10, inviter="bob", at_ms=NOW_MS + 100), per_day_max=3)
    await records.create(link(11, inviter="", at_ms=NOW_MS + 100), per_day_max=0)  # the shop's
    await records.create(link(12, at_ms=NOW_MS + 100), per_day_max=None)
    await records.create(link(13, at_ms=NOW_MS + DAY_MS + 101), per_day_max=3)


async def test_asked_for_at_once_the_bound_holds_all_the_same(records: ShareRecords) -> None:
    asked = [records.create(link(number), per_day_max=3) for number in range(10)]
    made = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(one, ShareLink) for one in made) == 3
    assert sum(isinstance(one, TooManyLinks) for one in made) == 7


async def test_pages_hold_every_link_once_the_newest_first(records: ShareRecords) -> None:
    for number in range(7):  # two of each instant
        room = "other" if number == 3 else "show"
        made = link(number, at_ms=NOW_MS + number // 2, room=room)
        await records.create(made, per_day_max=None)
    seen: list[str] = []
    after = None
    while page := await records.page(after, 2):
        seen += [one.id for one in page]
        after = LinkPlace(page[-1].created_at_ms, page[-1].id)
    assert [int(one, 16) for one in seen] == [6, 5, 4, 3, 2, 1, 0]
    assert [int(one.id, 16) for one in await records.page(None, 9, room="other")] == [3]
    assert await records.page(None, 9, inviter="bob") == []
    assert await records.page(None, 9, campaign="autumn") == []
    assert len(await records.page(None, 9, campaign="spring", among={"show"})) == 6
    assert await records.page(None, 9, among=set()) == []


async def test_a_link_can_neither_be_changed_nor_removed(
    records: ShareRecords, database: Database
) -> None:
    await records.create(link(1), per_day_max=9)
    for statement in (sa.update(share_links).values(channel="sms"), sa.delete(share_links)):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"):
            await database.run(lambda connection, one=statement: connection.execute(one))  # type: ignore[misc]


async def test_a_removed_comment_is_known_as_such(
    records: ShareRecords, database: Database
) -> None:
    rooms = RoomRecords(database)
    assert not await records.is_removed("show", "c1")
    await rooms.remove_comment(
        Act("show", "mo", "moderator", "comment.remove", target_comment="c1", at_ms=1)
    )
    assert await records.is_removed("show", "c1")
    assert not await records.is_removed("other", "c1")
    assert not await records.is_removed("show", "c2")


def removal(comment: str, *, room: str = "show") -> Act:
    return Act(room, "mo", "moderator", "comment.remove", target_comment=comment, at_ms=1)


def quoting(number: int, comment: str, *, room: str = "show") -> ShareLink:
    target = Target(TargetKind.COMMENT, comment, 17)
    return replace(link(number, room=room), target=target, quote=Quote("B*", "call me"))


async def test_what_a_link_quotes_goes_with_the_comment_and_the_link_stays(
    records: ShareRecords, database: Database
) -> None:
    rooms = RoomRecords(database)
    elsewhere = [quoting(3, "c2"), quoting(4, "c1", room="other")]
    for made in (quoting(1, "c1"), quoting(2, "c1"), *elsewhere):
        await records.create(made, per_day_max=9)
    assert await rooms.is_quoted("show", "c1")
    await rooms.remove_comment(removal("c1"))
    assert not await rooms.is_quoted("show", "c1")
    for number in (1, 2):
        assert await records.find(f"{number:016x}") == replace(quoting(number, "c1"), quote=None)
    assert [await records.find(made.id) for made in elsewhere] == elsewhere
    late = await records.create(quoting(5, "c1"), per_day_max=9)  # asked for just before
    assert late.quote is None
    stored = await database.run(
        lambda connection: connection.execute(
            sa.select(share_links.c.id).where(share_links.c.quote_text.is_not(None))
        ).all()
    )
    assert sorted(row.id for row in stored) == [made.id for made in elsewhere]


async def test_a_quote_can_only_be_erased(records: ShareRecords, database: Database) -> None:
    await records.create(quoting(1, "c1"), per_day_max=9)
    for changed in (
        {"quote_text": "other words"},
        {"quote_text": None},
        {"quote_name": None, "quote_text": None, "channel": "sms"},
        {"quote_name": None, "quote_text": None, "at_ms": None},
        {"quote_name": None, "quote_text": None, "id": "0" * 16},
    ):
        statement = sa.update(share_links).values(changed)
        with pytest.raises(sa.exc.DBAPIError, match="append-only"):
            await database.run(lambda connection, one=statement: connection.execute(one))  # type: ignore[misc]
    assert await records.find(f"{1:016x}") == quoting(1, "c1")


async def test_a_cap_is_the_highest_of_the_rooms_sales_that_are_not_over(
    records: ShareRecords, database: Database
) -> None:
    await CatalogRecords(database).create(Product(ProductId("tea"), "Tea", 500, "CNY"))
    drafts = SaleRecords(database)
    for sale, state, cap in (("s1", "open", 200), ("s2", "armed", 300), ("s3", "closed", 900)):
        item = Item(SkuId("tea"), ProductId("tea"), "Tea", 5, 500, 1, markup_max_minor=cap)
        terms = Terms(SaleId(sale), "show", "CNY", (item,), hold_ms=1_000, offer_ms=1_000)
        await _stored(drafts, database, terms, state)
    assert await records.markup_caps("show", skus=["tea", "mug"]) == {"tea": 300}
    assert await records.markup_caps("show", product="tea") == {"tea": 300}
    assert await records.markup_caps("show", product="mug") == {}
    assert await records.markup_caps("other", skus=["tea"]) == {}


async def _stored(records: SaleRecords, database: Database, terms: Terms, state: str) -> None:
    await records.create(SaleDraft(terms.id, terms.room, "CNY", terms.items, 1_000, 1_000))
    change = sa.update(sales).where(sales.c.id == terms.id).values(state=state)
    await database.run(lambda connection: connection.execute(change))


async def test_links_are_found_by_code_and_remembered(
    records: ShareRecords, database: Database
) -> None:
    limits = replace(Limits(), links_remembered_max=2)
    one, other = (Links(records, KEY, limits, lambda: NOW_MS) for _ in range(2))
    made = [await one.create("show", Source("copy", inviter=name), Target()) for name in "abc"]
    codes = [one.code_of(link) for link in made]
    assert [one.remembered(code) for code in codes] == [None, made[1], made[2]]
    assert await one.find(codes[0]) == made[0]
    assert [one.remembered(code) is None for code in codes] == [False, True, False]
    assert [await other.find(code) for code in codes] == made
    assert await other.create("show", Source("copy", inviter="a"), Target()) == made[0]
    assert all(one.is_signed(code) for code in codes)
    assert one.url_of(made[0]) == f"/s/{codes[0]}"
    public = Links(records, KEY, limits, lambda: NOW_MS, public_url="https://shop.example")
    assert public.url_of(made[0]) == f"https://shop.example/s/{codes[0]}"


async def test_a_code_of_another_shop_costs_no_query(
    records: ShareRecords, database: Database
) -> None:
    links = Links(records, KEY, Limits(), lambda: NOW_MS)
    code = Links(records, bytes(range(32)), Limits(), lambda: NOW_MS).code_of(link(1))
    await database.close()
    assert await links.find(code) is None
    assert not links.is_signed(code)
