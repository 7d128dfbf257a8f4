"""Rooms, products, sanctions and the log of acts, stored by both real engines."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from flash_sale.catalog import Product, ProductId, Sku, SkuId
from rooms.model import Role
from server.database.engine import Database
from server.database.records import (
    Act,
    CatalogRecords,
    DuplicateId,
    RoomRecord,
    RoomRecords,
    Sanction,
    StoredAct,
    UnknownProducts,
    UnknownRoom,
)
from tests.support.sql import open_engine

pytest_plugins = ["tests.support.databases"]

NOW_MS = 1_800_000_000_000


@pytest.fixture
def rooms(database: Database) -> RoomRecords:
    return RoomRecords(database)


@pytest.fixture
def catalog(database: Database) -> CatalogRecords:
    return CatalogRecords(database)


def act(kind: str = "notice", room_id: str = "demo", **changes: Any) -> Act:
    fields: dict[str, Any] = {"actor_id": "host", "actor_role": Role.HOST, "at_ms": NOW_MS}
    return Act(room_id=room_id, kind=kind, **(fields | changes))


def product(product_id: str) -> Product:
    skus = (
        Sku(SkuId(f"{product_id}-s"), "Small 小", 100),
        Sku(SkuId(f"{product_id}-a"), "Large 大", 200),
    )
    return Product(ProductId(product_id), f"Title of {product_id} 茶", 100, "CNY", "/x.png", skus)


async def test_a_new_room_is_scheduled_and_found_again(rooms: RoomRecords) -> None:
    created = await rooms.create("demo", "茶 and tea 🍵", "https://cdn.example/x.m3u8")
    assert created == RoomRecord(
        "demo", "茶 and tea 🍵", "https://cdn.example/x.m3u8", "scheduled", 0, None, None, None, 0
    )
    assert await rooms.find("demo") == created


async def test_an_id_is_given_to_one_room_only_even_at_the_same_moment(rooms: RoomRecords) -> None:
    answers = await asyncio.gather(
        *(rooms.create("demo", f"Room {number}", "") for number in range(4)),
        return_exceptions=True,
    )
    made = [answer for answer in answers if isinstance(answer, RoomRecord)]
    refused = [answer for answer in answers if isinstance(answer, DuplicateId)]
    assert (len(made), len(refused)) == (1, 3)
    assert await rooms.find("demo") == made[0]


@pytest.mark.parametrize("room_id", ["nobody", "", "a\0b", "\ud800", "x" * 5000, "Demo"])
async def test_a_room_that_is_not_there_is_not_found(rooms: RoomRecords, room_id: str) -> None:
    await rooms.create("demo", "Tea", "")
    assert await rooms.find(room_id) is None
    assert await rooms.sanctions(room_id, NOW_MS) == []
    assert await rooms.acts(room_id, None, 10) == []
    assert await rooms.shelf(room_id) == []
    with pytest.raises(UnknownRoom):
        await rooms.act(act(room_id=room_id))


async def test_pages_of_rooms_follow_the_bytes_of_the_ids_without_gaps(rooms: RoomRecords) -> None:
    ids = ["B", "a", "_", "-", "0", "b", "A", "a-", "a0", "aB", "Z9"]
    for room_id in ids:
        await rooms.create(room_id, "Tea", "")
    seen: list[str] = []
    after: str | None = None
    while page := await rooms.page(after, 3):
        seen += [room.id for room in page]
        after = seen[-1]
    assert seen == sorted(ids)


async def test_a_product_comes_back_as_it_was_with_its_skus_in_order(
    catalog: CatalogRecords,
) -> None:
    stored = await catalog.create(product("tea"))
    assert stored == product("tea")
    assert await catalog.find("tea") == stored
    assert [sku.sku for sku in stored.skus] == ["tea-s", "tea-a"]


async def test_a_product_id_that_is_taken_is_refused_and_the_first_one_stays(
    catalog: CatalogRecords,
) -> None:
    await catalog.create(product("tea"))
    with pytest.raises(DuplicateId, match="tea"):
        await catalog.create(Product(ProductId("tea"), "Other", 1, "USD"))
    assert await catalog.find("tea") == product("tea")


async def test_many_products_are_found_in_the_order_asked_for(catalog: CatalogRecords) -> None:
    for name in ("a", "b", "c"):
        await catalog.create(product(name))
    found = await catalog.find_many(["c", "nobody", "a", "c", "not an id", "\0"])
    assert found == [product("c"), product("a")]
    assert await catalog.find_many([]) == []
    assert await catalog.find("nobody") is None


async def test_pages_of_products_hold_each_once(catalog: CatalogRecords) -> None:
    for name in ("p3", "p1", "P2", "p2"):
        await catalog.create(product(name))
    first = await catalog.page(None, 3)
    second = await catalog.page(first[-1].id, 3)
    assert [each.id for each in first + second] == ["P2", "p1", "p2", "p3"]
    assert await catalog.page("p3", 3) == []


async def test_an_act_stores_its_changes_and_itself_under_the_next_version(
    rooms: RoomRecords, catalog: CatalogRecords
) -> None:
    await rooms.create("demo", "Tea", "")
    await catalog.create(product("tea"))
    comment = {"id": "c1", "text": "很好 🍵 \ud83c \0"}
    pin = act("comment.pin", target_comment="c1", detail={"was": None})
    assert await rooms.act(pin, changes={"pinned_comment": comment, "notice": "Hi"}) == 1
    update = act("room.update", actor_role="merchant", reason="starts now")
    assert await rooms.act(update, changes={"state": "live", "pinned_product_id": "tea"}) == 2
    assert await rooms.act(act("room.mode"), changes={"slow_seconds": 5, "notice": None}) == 3
    assert await rooms.find("demo") == RoomRecord(
        "demo", "Tea", "", "live", 5, "tea", comment, None, 3
    )
    newest = await rooms.acts("demo", None, 2)
    assert newest[1] == StoredAct(2, update)
    assert [stored.version for stored in newest] == [3, 2]
    assert await rooms.acts("demo", 2, 2) == [StoredAct(1, pin)]
    assert await rooms.acts("demo", 1, 2) == []


async def test_acts_at_the_same_moment_get_versions_without_gaps_or_repeats(
    rooms: RoomRecords,
) -> None:
    await rooms.create("demo", "Tea", "")
    await rooms.create("other", "Tea", "")
    versions = await asyncio.gather(
        *(rooms.act(act(), changes={"notice": str(number)}) for number in range(30)),
        *(rooms.act(act(room_id="other")) for _ in range(5)),
    )
    assert sorted(versions[:30]) == list(range(1, 31))
    assert sorted(versions[30:]) == [1, 2, 3, 4, 5]
    room = await rooms.find("demo")
    assert room is not None
    assert room.notice == str(versions.index(30))  # what the last version wrote is what stands
    assert [stored.version for stored in await rooms.acts("demo", None, 99)] == [*range(30, 0, -1)]


async def test_an_act_in_a_room_that_is_not_there_leaves_nothing(rooms: RoomRecords) -> None:
    with pytest.raises(UnknownRoom, match="demo"):
        await rooms.act(act("room.mute"), sanction=Sanction("u", "mute", None, ""))
    await rooms.create("demo", "Tea", "")
    assert await rooms.sanctions("demo", NOW_MS) == []
    assert await rooms.acts("demo", None, 10) == []


async def test_a_new_sanction_replaces_the_old_one_of_its_kind_only(rooms: RoomRecords) -> None:
    await rooms.create("demo", "Tea", "")
    mute = act("room.mute", target_user="bob")
    await rooms.act(mute, sanction=Sanction("bob", "mute", NOW_MS + 1, "spam"))
    await rooms.act(mute, sanction=Sanction("bob", "ban", None, "worse"))
    await rooms.act(mute, sanction=Sanction("bob", "mute", NOW_MS + 9, "again"))
    assert await rooms.sanctions("demo", NOW_MS) == [
        Sanction("bob", "ban", None, "worse"),
        Sanction("bob", "mute", NOW_MS + 9, "again"),
    ]


async def test_a_sanction_ends_at_its_instant(rooms: RoomRecords) -> None:
    await rooms.create("demo", "Tea", "")
    await rooms.act(
        act("room.mute", target_user="bob"), sanction=Sanction("bob", "mute", NOW_MS + 5, "")
    )
    assert len(await rooms.sanctions("demo", NOW_MS + 4)) == 1
    assert await rooms.sanctions("demo", NOW_MS + 5) == []


async def test_sanctions_that_are_over_do_not_pile_up(
    rooms: RoomRecords, database_url: str
) -> None:
    await rooms.create("demo", "Tea", "")
    for number in range(5):
        at_ms = NOW_MS + number * 1000
        await rooms.act(
            act("room.mute", target_user=f"u{number}", at_ms=at_ms),
            sanction=Sanction(f"u{number}", "mute", at_ms + 500, ""),
        )
    engine = open_engine(database_url)
    with engine.connect() as connection:
        stored = connection.execute(sa.text("SELECT user_id FROM sanctions")).scalars().all()
    engine.dispose()
    assert stored == ["u4"]


async def test_lifting_removes_one_kind_of_one_person(rooms: RoomRecords) -> None:
    await rooms.create("demo", "Tea", "")
    for user in ("ann", "bob"):
        for kind in ("mute", "ban"):
            await rooms.act(act("room.ban"), sanction=Sanction(user, kind, None, ""))
    await rooms.act(act("room.unban", target_user="bob"), lift="ban")
    left = [(sanction.user_id, sanction.kind) for sanction in await rooms.sanctions("demo", NOW_MS)]
    assert left == [("ann", "ban"), ("ann", "mute"), ("bob", "mute")]


async def test_a_shelf_is_replaced_as_a_whole_and_keeps_its_order(
    rooms: RoomRecords, catalog: CatalogRecords
) -> None:
    await rooms.create("demo", "Tea", "")
    for name in ("a", "b", "c"):
        await catalog.create(product(name))
    await rooms.act(act("shelf"), shelf=["c", "a", "b"])
    assert [each.id for each in await rooms.shelf("demo")] == ["c", "a", "b"]
    await rooms.act(act("shelf"), shelf=["b", "c"])
    assert await rooms.shelf("demo") == [product("b"), product("c")]
    await rooms.act(act("shelf"), shelf=[])
    assert await rooms.shelf("demo") == []


async def test_a_shelf_with_unknown_products_changes_nothing_and_names_them(
    rooms: RoomRecords, catalog: CatalogRecords
) -> None:
    await rooms.create("demo", "Tea", "")
    await catalog.create(product("a"))
    await rooms.act(act("shelf"), shelf=["a"])
    with pytest.raises(UnknownProducts) as caught:
        await rooms.act(act("shelf"), shelf=["x", "a", "y", "\0"])
    assert caught.value.ids == ["x", "y", "\0"]
    with pytest.raises(UnknownProducts):
        await rooms.act(act("product.pin"), changes={"pinned_product_id": "x"})
    room = await rooms.find("demo")
    assert room is not None
    assert room.version == 1
    assert [each.id for each in await rooms.shelf("demo")] == ["a"]
    assert len(await rooms.acts("demo", None, 10)) == 1


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (act("room.explode"), "kind"),
        (act(actor_role="king"), "actor_role"),
        (act(at_ms=-1), "at_ms"),
        (act(actor_id="x" * 256), "actor_id"),
        (act(target_user="x" * 256), "target_user"),
        (act(target_comment="x" * 65), "target_comment"),
        (act(reason="a\0b"), "reason"),
        (act(reason="\ud800"), "reason"),
    ],
)
async def test_an_act_that_could_not_be_stored_is_refused_by_its_field(
    rooms: RoomRecords, bad: Act, field: str
) -> None:
    await rooms.create("demo", "Tea", "")
    with pytest.raises(ValueError, match=f"^{field}: "):
        await rooms.act(bad)


async def test_changes_and_sanctions_that_make_no_sense_are_refused(rooms: RoomRecords) -> None:
    await rooms.create("demo", "Tea", "")
    with pytest.raises(ValueError, match="changes: id, version cannot be changed"):
        await rooms.act(act(), changes={"id": "x", "version": 7})
    with pytest.raises(ValueError, match="title: "):
        await rooms.act(act(), changes={"title": "a\0"})
    with pytest.raises(ValueError, match="lift: "):
        await rooms.act(act(), lift="curse")
    with pytest.raises(ValueError, match="shelf: a product is given twice"):
        await rooms.act(act(), shelf=["a", "a"])
    with pytest.raises(exc.IntegrityError):
        await rooms.act(act(), changes={"state": "paused"})
    with pytest.raises(exc.IntegrityError):
        await rooms.act(act(), sanction=Sanction("bob", "curse", None, ""))
    assert await rooms.acts("demo", None, 10) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE room_acts SET reason = 'nothing happened'",
        "UPDATE room_acts SET version = version + 100",
        "DELETE FROM room_acts",
        "DELETE FROM room_acts WHERE version = 1",
        "DELETE FROM rooms",
    ],
)
async def test_the_log_of_acts_cannot_be_rewritten(
    rooms: RoomRecords, database_url: str, statement: str
) -> None:
    await rooms.create("demo", "Tea", "")
    await rooms.act(act(reason="spam"))
    before = await rooms.acts("demo", None, 10)
    engine = open_engine(database_url)
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(sa.text("PRAGMA foreign_keys=ON"))
            connection.commit()
        with pytest.raises(exc.DBAPIError, match=r"append-only|(?i:foreign key)"):
            connection.execute(sa.text(statement))
    engine.dispose()
    assert await rooms.acts("demo", None, 10) == before


COPY = "SELECT room_id, version, at_ms, actor_id, actor_role, kind, target_user, target_comment"


@pytest.mark.parametrize(
    ("database_url", "statement"),
    [
        pytest.param("postgres", "TRUNCATE room_acts", marks=pytest.mark.needs_postgres),
        pytest.param("postgres", "TRUNCATE rooms CASCADE", marks=pytest.mark.needs_postgres),
        ("sqlite", f"INSERT OR REPLACE INTO room_acts {COPY}, 'changed', detail FROM room_acts"),
    ],
    indirect=["database_url"],
)
async def test_the_log_of_acts_withstands_what_skips_ordinary_triggers(
    rooms: RoomRecords, database_url: str, statement: str
) -> None:
    await rooms.create("demo", "Tea", "")
    await rooms.act(act(reason="spam"))
    before = await rooms.acts("demo", None, 10)
    engine = open_engine(database_url)
    with engine.connect() as connection, pytest.raises(exc.DBAPIError, match="append-only"):
        connection.execute(sa.text(statement))
    engine.dispose()
    assert await rooms.acts("demo", None, 10) == before
