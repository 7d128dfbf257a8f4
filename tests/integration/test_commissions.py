"""Commissions on both real engines: decided behind the visits, released, reversed, never twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from flash_sale.commission import Plan
from flash_sale.model import Move, SaleId
from rooms.sharing.policy import default_policies
from rooms.sharing.sources import Source
from server.database.account_records import Accounts, Leg, post
from server.database.account_tables import commission_due, postings, transactions
from server.database.commission_records import (
    Commission,
    CommissionRecords,
    EarningState,
    decide_due,
    release_due,
)
from server.database.engine import Database
from server.database.ledger_records import Ledger
from server.database.share_tables import bindings, share_links
from server.database.source_records import Brought, By, SourceRecords
from server.ledger.commissions import MoneyKeeper, brought_by_bindings
from server.ledger.lease import Lease
from server.ledger.settling import Settling
from server.sharing.notes import API_VISIT
from server.sharing.open_visit import OpenVisit
from tests.support.sale_desk import SALE, Desk
from tests.support.shop import ROOM, Shop
from tests.support.shop_fixtures import furnished_shop
from tests.support.sql import open_engine
from tests.support.till import PRICE_MINOR, TillStage

pytest_plugins = ["tests.support.databases", "tests.support.sale_desk_fixtures"]
shop = furnished_shop
DAY_MS = 86_400_000
BROUGHT = brought_by_bindings(default_policies())
LATER_MS = 2**52


@pytest.fixture
async def stage(shop: Shop, one: Desk, other: Desk) -> AsyncIterator[TillStage]:
    stage = TillStage(shop, (one, other))
    await stage.open_sale({"tea": 50, "mug": 5})
    await records(stage).set_plan(ROOM, Plan(1_000, 500, 7 * DAY_MS), 1)
    yield stage
    await stage.close()


def records(stage: TillStage) -> CommissionRecords:
    return CommissionRecords(stage.database)


async def bind(stage: TillStage, user: str, inviter: str, channel: str = "copy") -> None:
    """`inviter` has brought `user`, by a link in a channel."""
    link = {
        "id": f"{inviter}-{channel}-{user}",
        "room_id": ROOM,
        "inviter": inviter,
        "inviter_name": "",
        "channel": channel,
        "campaign": "",
        "staff": "",
        "target_kind": "room",
        "target_id": "",
        "at_ms": None,
        "markups": "{}",
        "quote_name": None,
        "quote_text": None,
        "created_at_ms": 1,
    }
    binding = {
        "user_id": user,
        "number": 1,
        "inviter": inviter,
        "link": link["id"],
        "visit": "v",
        "app": "",
        "bound_at_ms": 1,
        "until_ms": LATER_MS,
    }

    def work(connection: sa.Connection) -> None:
        connection.execute(sa.insert(share_links), link)
        connection.execute(sa.insert(bindings), binding)

    await stage.database.run(work)


async def decided(stage: TillStage, written_to_ms: int = LATER_MS) -> int:
    return await stage.database.run(
        partial(
            decide_due,
            brought=BROUGHT,
            written_to_ms=written_to_ms,
            now_ms=stage.now_ms(),
            limit=100,
        )
    )


async def released(stage: TillStage) -> int:
    return await stage.database.run(partial(release_due, now_ms=stage.now_ms(), limit=100))


async def earned(stage: TillStage) -> list[tuple[int, str, int, str]]:
    found = await records(stage).page(None, 1_000)
    return sorted((one.level, one.user, one.amount_minor, one.state.value) for one in found)


async def balances(stage: TillStage, user: str) -> dict[str, int]:
    found = await Accounts(stage.database).of_user(user)
    return {one.account.rpartition(":")[2]: one.amount for one in found if one.amount}


async def everything_sums_to_nothing(stage: TillStage) -> None:
    query = sa.select(postings.c.transaction_id, postings.c.unit, sa.func.sum(postings.c.amount))
    query = query.group_by(postings.c.transaction_id, postings.c.unit)
    sums = await stage.database.run(lambda connection: connection.execute(query).all())
    assert all(int(total) == 0 for _id, _unit, total in sums)


async def test_what_an_order_brings_is_pending_then_available_then_taken_back(
    stage: TillStage,
) -> None:
    await bind(stage, "ann", "bob")
    await bind(stage, "bob", "eve")
    order = await stage.reserved("ann", qty=2)
    await stage.pay(order)
    await stage.drain()
    assert await decided(stage, order["placed_at_ms"]) == 0, "visits of then may not be in SQL yet"
    assert await earned(stage) == []
    assert await decided(stage) == 1
    assert await decided(stage) == 0
    assert await earned(stage) == [(1, "bob", 200, "pending"), (2, "eve", 100, "pending")]
    assert await balances(stage, "bob") == {"pending": 200}
    assert await released(stage) == 0
    stage.ahead_ms = 8 * DAY_MS
    assert await released(stage) == 2
    assert await released(stage) == 0
    assert await balances(stage, "bob") == {"available": 200}
    await stage.refund(order)
    await stage.drain()
    assert await earned(stage) == [(1, "bob", 200, "reversed"), (2, "eve", 100, "reversed")]
    assert (await balances(stage, "bob"), await balances(stage, "eve")) == ({}, {})
    await everything_sums_to_nothing(stage)
    kinds = [one.kind for one in await Accounts(stage.database).entries("bob", None, 100)]
    assert sorted(kinds) == [
        "commission.accrue",
        *("commission.release",) * 2,
        "commission.reverse",
    ]


async def test_a_refund_before_the_decision_leaves_nothing_to_decide(stage: TillStage) -> None:
    await bind(stage, "ann", "bob")
    order = await stage.reserved("ann")
    await stage.pay(order)
    await stage.drain()
    await stage.refund(order)
    await stage.drain()
    assert await decided(stage) == 0
    assert await earned(stage) == []


@pytest.mark.parametrize("together", [True, False])
async def test_a_refund_that_is_stored_before_its_payment_leaves_nothing_to_decide(
    stage: TillStage, together: bool
) -> None:
    await bind(stage, "ann", "bob")
    order = await stage.reserved("ann")
    await stage.pay(order)
    await stage.refund(order)
    entries = await stage.shop.stream.read(SALE, "till", 100)
    moves = [move for entry in entries for move in entry.moves][::-1]
    ledger = Ledger(stage.database, (Settling(stage.now_ms).follow,))
    batches: Sequence[Sequence[Move]] = [moves] if together else [[move] for move in moves]
    for batch in batches:
        await ledger.apply(SaleId(SALE), [batch])
        await decided(stage)
    assert await earned(stage) == []


async def test_nobody_earns_who_did_not_bring_the_buyer_in_a_channel_that_pays(
    stage: TillStage,
) -> None:
    await bind(stage, "ann", "bob", "douyin")  # its policy rewards the newcomer, not the inviter
    visit = OpenVisit("visit-0001", ROOM, Source("copy", inviter="bob", link="link"))
    for number, user in enumerate(("ann", "stranger")):
        await stage.pay(await stage.reserved(user, request_id=f"r{number}", visit=visit))
    await stage.drain()
    assert await decided(stage) == 2
    assert await earned(stage) == []


async def test_a_reseller_gets_the_whole_markup_and_the_plan_counts_without_it(
    stage: TillStage,
) -> None:
    await bind(stage, "ann", "bob")
    stage.shared("good", "rob", tea=200)
    await stage.pay(await stage.reserved("ann", share="good", qty=2))
    await stage.drain()
    await decided(stage)
    assert await earned(stage) == [(0, "rob", 400, "pending"), (1, "bob", 200, "pending")]
    found = await records(stage).page(None, 10, user="rob")
    assert [(one.base_minor, one.room) for one in found] == [(400, ROOM)]


async def test_the_plan_is_the_one_that_held_when_the_order_was_paid(stage: TillStage) -> None:
    await bind(stage, "ann", "bob")
    await stage.pay(await stage.reserved("ann"))
    await stage.drain()
    await records(stage).set_plan(ROOM, Plan(), 2)
    await stage.pay(await stage.reserved("ann", request_id="r2"))
    await stage.drain()
    assert await decided(stage) == 1
    assert [amount for _level, _user, amount, _state in await earned(stage)] == [100]


async def test_two_keepers_at_once_decide_and_release_once(stage: TillStage) -> None:
    await bind(stage, "ann", "bob")
    for number in range(10):
        await stage.pay(await stage.reserved("ann", request_id=f"r{number}"))
    await stage.drain()
    await asyncio.gather(decided(stage), decided(stage))
    stage.ahead_ms = 8 * DAY_MS
    await asyncio.gather(released(stage), released(stage))
    assert await balances(stage, "bob") == {"available": 1_000}


async def test_the_keeper_does_all_of_it_while_it_holds_the_lease(
    stage: TillStage, redis_client: Any
) -> None:
    await bind(stage, "ann", "bob")
    order = await stage.reserved("ann")
    await stage.pay(order)
    await stage.drain()
    written: list[int] = [order["placed_at_ms"]]

    async def written_to_ms() -> int:
        return written[-1]

    keeper = MoneyKeeper(
        stage.database,
        stage.lapses(),
        Lease(redis_client, "keeper", "test:money"),
        BROUGHT,
        written_to_ms,
        now_ms=stage.now_ms,
    )
    await keeper.look()
    assert await earned(stage) == []
    written.append(order["placed_at_ms"] + 6_000)
    await keeper.look()
    assert await earned(stage) == [(1, "bob", 100, "pending")]


@pytest.mark.parametrize("seed", range(3))
async def test_however_orders_go_accounts_are_what_stands(stage: TillStage, seed: int) -> None:
    """At any moment: pending and available are the sums of what is so, and all legs balance."""
    chance = random.Random(seed)
    for user, inviter in (("ann", "bob"), ("bob", "eve"), ("eve", "ann")):
        await bind(stage, user, inviter)
    stage.shared("good", "rob", tea=150)
    unpaid: list[dict[str, Any]] = []
    paid: list[dict[str, Any]] = []
    for number in range(25):
        match chance.choice(("place", "place", "pay", "pay", "refund", "keep", "keep")):
            case "place":
                user = chance.choice(("ann", "bob", "eve", "zoe"))
                share = chance.choice(("", "good"))
                unpaid.append(await stage.reserved(user, request_id=f"r{number}", share=share))
            case "pay" if unpaid:
                paid.append(unpaid.pop(chance.randrange(len(unpaid))))
                await stage.pay(paid[-1])
            case "refund" if paid:
                await stage.refund(paid.pop(chance.randrange(len(paid))))
            case "keep":
                await stage.drain(chance.choice((1, 100)))
                await decided(stage)
                stage.ahead_ms += chance.choice((0, 8 * DAY_MS))
                await released(stage)
    await stage.drain()
    found = await records(stage).page(None, 1_000)
    refunded = {one.order for one in found if one.state is EarningState.REVERSED}
    assert refunded.isdisjoint(order["id"] for order in paid)
    for user in ("ann", "bob", "eve", "rob"):
        assert await balances(stage, user) == standing(found, user)
    await everything_sums_to_nothing(stage)


def standing(found: Sequence[Commission], user: str) -> dict[str, int]:
    sums: dict[str, int] = {}
    for one in found:
        if one.user == user and one.state is not EarningState.REVERSED:
            sums[one.state.value] = sums.get(one.state.value, 0) + one.amount_minor
    return sums


# accounts


async def test_a_transaction_is_posted_once_and_only_if_it_balances(database: Database) -> None:
    legs = [Leg("shop:points", "points", -5), Leg("user:ann:points", "points", 5)]
    assert await database.run(lambda one: post(one, "t-1", "points", 1, legs))
    assert not await database.run(lambda one: post(one, "t-1", "points", 2, legs))
    for bad in ([], legs[:1], [*legs, Leg("shop:x", "CNY", 1)], [Leg("a", "CNY", 0)]):
        with pytest.raises(ValueError, match="do not balance"):
            await database.run(partial(post, id="t-2", kind="points", at_ms=1, legs=bad))
    assert [one.amount for one in await Accounts(database).of_user("ann")] == [5]
    assert await Accounts(database).of_user("an") == []


async def test_the_same_transaction_at_once_from_two_sides_is_posted_once(
    database: Database,
) -> None:
    legs = [Leg("shop:points", "points", -5), Leg("user:ann:points", "points", 5)]
    answers = await asyncio.gather(
        *(database.run(lambda one: post(one, "t-1", "points", 1, legs)) for _ in range(4))
    )
    assert sorted(answers) == [False, False, False, True]


async def test_nothing_that_was_posted_can_be_changed(
    database: Database, database_url: str
) -> None:
    legs = [Leg("shop:points", "points", -5), Leg("user:ann:points", "points", 5)]
    await database.run(lambda one: post(one, "t-1", "points", 1, legs))
    engine = open_engine(database_url)
    for table, column in ((transactions, "at_ms"), (postings, "amount")):
        for statement in (f"UPDATE {table} SET {column} = 7", f"DELETE FROM {table}"):
            with engine.connect() as connection, pytest.raises(exc.DBAPIError, match="append-only"):
                connection.exec_driver_sql(statement)
    engine.dispose()


# sources


async def test_every_order_has_one_source_and_the_sources_add_up_to_the_total(
    stage: TillStage,
) -> None:
    def visit(channel: str, campaign: str = "", inviter: str = "") -> OpenVisit:
        source = Source(channel, campaign, "", inviter, "link" if inviter else "")
        return OpenVisit(f"visit-{channel}", ROOM, source)

    visits = [visit("sms", "spring"), visit("copy", "", "bob"), None, API_VISIT]
    orders = [
        await stage.reserved("ann", request_id=f"r{number}", visit=visits[number % 4])
        for number in range(9)
    ]
    for order in orders[:5]:
        await stage.pay(order)
    await stage.refund(orders[1])
    await stage.drain()
    await stage.drain()
    by_name: dict[By, dict[str, tuple[int, ...]]] = {}
    for by in By:
        report = await SourceRecords(stage.database).report(by, rooms=None)
        assert report.total == Brought("", 0, 9, 5, 5 * PRICE_MINOR, PRICE_MINOR)
        for name in ("visits", "orders", "paid_orders", "paid_minor", "refunded_minor"):
            assert sum(getattr(one, name) for one in report.sources) == getattr(report.total, name)
        by_name[by] = {one.name: (one.orders, one.refunded_minor) for one in report.sources}
    assert by_name[By.CHANNEL] == {
        "sms": (3, 0),
        "copy": (2, PRICE_MINOR),
        "direct": (2, 0),
        "api": (2, 0),
    }
    assert by_name[By.CAMPAIGN] == {"spring": (3, 0), "": (6, PRICE_MINOR)}
    assert by_name[By.INVITER] == {"bob": (2, PRICE_MINOR), "": (7, 0)}
    of_sale = await SourceRecords(stage.database).report(By.CHANNEL, rooms=[ROOM], sale=SALE)
    assert (of_sale.total.orders, of_sale.total.visits) == (9, None)
    assert (await SourceRecords(stage.database).report(By.STAFF, rooms=["attic"])).sources == []


async def test_no_order_waits_for_a_decision_where_nobody_could_earn(stage: TillStage) -> None:
    await records(stage).set_plan(ROOM, Plan(), 2)
    await stage.pay(await stage.reserved("ann"))
    await stage.drain()
    query = sa.select(sa.func.count()).select_from(commission_due)
    assert await stage.database.run(lambda one: one.execute(query).scalar_one()) == 0
