"""Sales in SQL on both real engines: drafts, arming, states that follow the store, settling."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import exc

from flash_sale.catalog import ProductId, SkuId
from flash_sale.model import MoveKind, SaleState, Terms
from server.database.engine import Database
from server.database.records import (
    DuplicateId,
    Ledger,
    NotADraft,
    SaleRecord,
    SaleRecords,
    UnknownProducts,
    UnknownRoom,
    UnknownSale,
)
from tests.support.ledger_parts import NOW_MS, History, draft, item, make_goods, make_sale

pytest_plugins = ["tests.support.databases"]


@pytest.fixture
def sales(database: Database) -> SaleRecords:
    return SaleRecords(database)


def ids(records: list[SaleRecord]) -> list[str]:
    return [record.terms.id for record in records]


async def the(sales: SaleRecords, sale_id: str = "s1") -> SaleRecord:
    record = await sales.find(sale_id)
    assert record is not None
    return record


async def test_a_new_sale_is_a_draft_and_is_found_with_its_items_in_order(
    database: Database, sales: SaleRecords
) -> None:
    await make_goods(database)
    prepared = draft(
        items=(item("red", stock=0), item("blue", price_minor=0, per_user_max=9)),
        starts_at_ms=NOW_MS + 1,
        ends_at_ms=NOW_MS + 2,
    )
    created = await sales.create(prepared)
    assert created == SaleRecord(
        terms=Terms(
            id=prepared.id,
            room="demo",
            currency="CNY",
            items=prepared.items,
            hold_ms=600_000,
            offer_ms=60_000,
            starts_at_ms=NOW_MS + 1,
            ends_at_ms=NOW_MS + 2,
            epoch=1,
        ),
        state=SaleState.DRAFT,
        seq=0,
        moves=0,
        reason="",
        created_at_ms=NOW_MS,
        settled_at_ms=None,
    )
    assert await sales.find("s1") == created


async def test_an_id_is_given_to_one_sale_only_even_at_the_same_moment(
    database: Database, sales: SaleRecords
) -> None:
    await make_goods(database)
    answers = await asyncio.gather(
        *(sales.create(draft(hold_ms=number)) for number in range(1, 5)), return_exceptions=True
    )
    made = [answer for answer in answers if isinstance(answer, SaleRecord)]
    refused = [answer for answer in answers if isinstance(answer, DuplicateId)]
    assert (len(made), len(refused)) == (1, 3)
    assert await sales.find("s1") == made[0]


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"room": "nobody"}, UnknownRoom, "nobody"),
        ({"room": "a\0b"}, UnknownRoom, "a"),
        ({"items": (item(product_id=ProductId("cake")),)}, UnknownProducts, "product cake$"),
        ({"items": (item(), item(sku=SkuId("green")))}, UnknownProducts, "product green$"),
        ({"items": (item(product_id=ProductId("\0")),)}, UnknownProducts, "product"),
    ],
)
async def test_a_sale_of_what_is_not_there_is_refused_and_leaves_nothing(
    database: Database,
    sales: SaleRecords,
    changes: dict[str, Any],
    error: type[Exception],
    text: str,
) -> None:
    await make_goods(database)
    with pytest.raises(error, match=text):
        await sales.create(draft(**changes))
    assert await sales.find("s1") is None
    before = await sales.create(draft())
    with pytest.raises(error, match=text):
        await sales.update("s1", {"hold_ms": 1} | changes)
    assert await sales.find("s1") == before


@pytest.mark.parametrize(
    "changes",
    [
        {"hold_ms": 0},
        {"offer_ms": -1},
        {"currency": "CN"},
        {"items": (item(stock=-1),)},
        {"items": (item(price_minor=-1),)},
        {"items": (item(per_user_max=0),)},
        {"items": (item(), item())},
    ],
)
async def test_terms_that_make_no_sense_are_refused_by_the_tables(
    database: Database, sales: SaleRecords, changes: dict[str, Any]
) -> None:
    await make_goods(database)
    with pytest.raises(exc.IntegrityError):
        await sales.create(draft(**changes))
    assert await sales.find("s1") is None


@pytest.mark.parametrize("sale_id", ["nobody", "", "a\0b", "\ud800", "x" * 5000, "S1", "s1."])
async def test_a_sale_that_is_not_there_is_not_found(
    database: Database, sales: SaleRecords, sale_id: str
) -> None:
    await make_sale(database)
    assert await sales.find(sale_id) is None
    assert await sales.of_room(sale_id) == []
    assert await sales.settle(sale_id, NOW_MS) is False
    assert await sales.stir(sale_id) is False
    for call in (sales.arming, sales.not_armed, sales.bump_epoch):
        with pytest.raises(UnknownSale):
            await call(sale_id)
    with pytest.raises(UnknownSale):
        await sales.update(sale_id, {"hold_ms": 1})


async def test_a_draft_changes_until_it_is_armed(database: Database, sales: SaleRecords) -> None:
    await make_goods(database, "demo", "other")
    before = await sales.create(draft())
    changes: dict[str, Any] = {
        "room": "other",
        "currency": "USD",
        "items": (item("blue", stock=3),),
        "hold_ms": 1_000,
        "offer_ms": 2_000,
        "starts_at_ms": NOW_MS,
        "ends_at_ms": NOW_MS + 1,
    }
    after = await sales.update("s1", changes)
    assert after == replace(before, terms=replace(before.terms, **changes))
    assert await sales.find("s1") == after
    assert await sales.update("s1", {"ends_at_ms": None}) == await sales.find("s1")
    with pytest.raises(ValueError, match="changes: epoch, state cannot be changed"):
        await sales.update("s1", {"state": "open", "epoch": 2})
    armed = await sales.arming("s1")
    with pytest.raises(NotADraft, match="s1"):
        await sales.update("s1", {"hold_ms": 5})
    assert await sales.find("s1") == armed


async def test_a_sale_runs_from_its_arming_on_unless_the_store_refuses_it(
    database: Database, sales: SaleRecords
) -> None:
    await make_goods(database)
    before = await sales.create(draft())
    assert await sales.running() == []
    armed = await sales.arming("s1")
    assert armed == replace(before, state=SaleState.ARMED)
    assert await sales.arming("s1") == armed
    assert await sales.running() == [armed]
    assert await sales.not_armed("s1") == before
    assert await sales.running() == []


async def test_a_sale_whose_moves_are_stored_never_becomes_a_draft_again(
    database: Database, sales: SaleRecords
) -> None:
    await make_sale(database)
    history = History()
    history.add(MoveKind.SALE, state="armed", starts_at_ms="0", ends_at_ms="0", reason="")
    await Ledger(database).apply("s1", [history.moves])
    assert (await sales.not_armed("s1")).state is SaleState.ARMED
    await sales.bump_epoch("s1")
    assert (await sales.not_armed("s1")).state is SaleState.ARMED


async def test_the_state_of_a_sale_is_that_of_its_newest_move_in_whatever_order_they_come(
    database: Database, sales: SaleRecords
) -> None:
    await make_sale(database)
    ledger = Ledger(database)
    history = History()
    first = history.add(
        MoveKind.SALE, state="countdown", starts_at_ms="500", ends_at_ms="900", reason="soon"
    )
    second = history.add(MoveKind.SALE, state="open", starts_at_ms="500", ends_at_ms="", reason="")
    third = history.add(MoveKind.SALE, state="paused", reason="a question")
    history.put_on_sale(1)
    await ledger.apply("s1", [[history.moves[4]]])  # stock: it has a higher number, and no state
    await ledger.apply("s1", [[second]])
    record = await the(sales)
    assert (record.state, record.reason) == (SaleState.OPEN, "")
    assert (record.terms.starts_at_ms, record.terms.ends_at_ms) == (500, None)
    await ledger.apply("s1", [[first]])
    assert (await the(sales)).state is SaleState.OPEN
    await ledger.apply("s1", [[third]])
    record = await the(sales)
    assert (record.state, record.reason) == (SaleState.PAUSED, "a question")
    assert record.terms.starts_at_ms == 500
    assert (record.seq, record.moves) == (5, 4)


async def test_a_state_that_nobody_knows_is_refused(database: Database, sales: SaleRecords) -> None:
    await make_sale(database)
    history = History()
    history.add(MoveKind.SALE, state="exploded", reason="")
    with pytest.raises(exc.IntegrityError):
        await Ledger(database).apply("s1", [history.moves])
    assert (await the(sales)).moves == 0


async def test_a_closed_sale_is_settled_once_and_runs_again_when_it_is_stirred(
    database: Database, sales: SaleRecords
) -> None:
    await make_sale(database)
    assert await sales.settle("s1", NOW_MS) is False
    history = History()
    history.add(MoveKind.SALE, state="closed", reason="ended")
    await Ledger(database).apply("s1", [history.moves])
    assert await sales.stir("s1") is False
    assert await sales.settle("s1", NOW_MS + 5) is True
    assert await sales.settle("s1", NOW_MS + 6) is False
    assert (await the(sales)).settled_at_ms == NOW_MS + 5
    assert await sales.running() == []
    assert await sales.of_room("demo") == []
    assert await sales.stir("s1") is True
    assert ids(await sales.running()) == ["s1"]


async def test_epochs_follow_each_other_and_count_their_own_moves(
    database: Database, sales: SaleRecords
) -> None:
    await make_sale(database)
    history = History()
    history.put_on_sale(5)
    await Ledger(database).apply("s1", [history.moves])
    epochs = await asyncio.gather(*(sales.bump_epoch("s1") for _ in range(4)))
    assert sorted(epochs) == [2, 3, 4, 5]
    record = await the(sales)
    assert (record.terms.epoch, record.seq, record.moves) == (5, 0, 0)
    assert record.state is SaleState.OPEN


async def test_pages_of_sales_follow_the_bytes_of_the_ids_and_the_filters(
    database: Database, sales: SaleRecords
) -> None:
    await make_goods(database, "demo", "other")
    names = ["B", "a", "_", "-", "0", "b", "A", "a-", "a0", "aB", "Z9"]
    for number, name in enumerate(names):
        await sales.create(draft(name, room=("demo", "other")[number % 2]))
    await sales.arming("a0")
    seen: list[str] = []
    while page := await sales.page(seen[-1] if seen else None, 3):
        seen += ids(page)
    assert seen == sorted(names)
    of_demo = ids(await sales.page(None, 99, "demo"))
    assert of_demo == sorted(names[::2])
    assert ids(await sales.page(None, 99, among=["other", "\0", "nobody"])) == sorted(names[1::2])
    assert await sales.page(None, 99, "demo", among=["other"]) == []
    assert await sales.page(None, 99, "\0") == []
    assert ids(await sales.page(None, 99, state=SaleState.ARMED)) == ["a0"]
    assert ids(await sales.page(None, 99, "demo", state=SaleState.DRAFT)) == [
        name for name in of_demo if name != "a0"
    ]


async def test_a_room_shows_its_own_sales_that_run(database: Database, sales: SaleRecords) -> None:
    await make_goods(database, "demo", "other")
    for name, room in (("s3", "demo"), ("s1", "demo"), ("s2", "other"), ("s4", "demo")):
        await sales.create(draft(name, room=room))
    for name in ("s3", "s1", "s2"):
        await sales.arming(name)
    assert ids(await sales.of_room("demo")) == ["s1", "s3"]
    assert ids(await sales.of_room("other")) == ["s2"]
    assert ids(await sales.running()) == ["s1", "s2", "s3"]
