"""Sold out is said without the store, and only while it is true; two desks are two workers."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from flash_sale.errors import SaleStoreUnavailable
from flash_sale.model import Line, SaleState, Steering
from server.app import wall_clock_ms
from server.redis_client import Client
from tests.support.sale_desk import (
    MUG,
    SALE,
    TEA,
    WITHIN_S,
    Desk,
    act,
    order_id,
    refused,
    scripts_run,
)
from tests.support.shop import Shop
from tests.support.shop_fixtures import furnished_shop, sqlite_database
from tests.support.wait import wait_until

pytest_plugins = ["tests.support.databases", "tests.support.sale_desk_fixtures"]
database = sqlite_database
shop = furnished_shop


# sold out without asking


async def test_once_a_sale_is_sold_out_a_worker_says_so_without_asking_the_store(
    shop: Shop, one: Desk, redis_client: Client
) -> None:
    await shop.opened(SALE, {"tea": 1})
    await one.settled()
    assert await one.outcome("ann") == "reserved"
    await one.knows_sold_out()
    sale = await one.sale()
    answer = one.desk.placing(
        sale, user="bob", name="", lines=[Line(TEA, 1)], request_id="r1", waitlist=False
    )
    assert answer == b'{"outcome":"sold_out","sku":"tea"}', "at once"
    await sale.drained()
    before = await scripts_run(redis_client)
    for number in range(100):
        assert await one.outcome(f"carl-{number}") == "sold_out"
    await sale.drained()
    assert await scripts_run(redis_client) - before < 10, "they were written in few batches"


async def test_a_worker_that_joins_late_says_sold_out_by_itself_too(
    shop: Shop, one: Desk, other: Desk
) -> None:
    await shop.opened(SALE, {"tea": 1})
    await one.outcome("ann")
    await other.knows_sold_out()
    assert await other.outcome("bob") == "sold_out"
    assert await other.outcome("ann") == "reserved", "what was decided stays decided"


async def test_refusals_of_before_it_joined_stay_as_they_were(
    shop: Shop, one: Desk, other: Desk
) -> None:
    await shop.draft(SALE, {"tea": 1})
    await one.desk.arm(SALE, act())
    assert await one.outcome("bob") == "not_started"
    await one.desk.steer(SALE, Steering.OPEN, act())
    await one.outcome("ann")
    await other.knows_sold_out()
    assert await other.outcome("bob") == "not_started"
    assert await other.outcome("carl") == "sold_out"


async def test_an_answer_given_by_a_flag_is_the_answer_everywhere_even_after_a_restock(
    shop: Shop, one: Desk, other: Desk
) -> None:
    await shop.opened(SALE, {"tea": 1})
    await one.outcome("ann")
    await one.knows_sold_out()
    assert await one.outcome("bob") == "sold_out"
    await (await one.sale()).drained()
    await one.desk.steer(SALE, Steering.RESTOCK, act(), units={TEA: 5}, allocate=True)
    for desk in (one, other):
        await desk.hears_of(5)
        assert await desk.outcome("bob") == "sold_out"
    assert await one.outcome("bob", "r2") == "reserved"
    assert await other.outcome("carl") == "reserved"


async def test_a_request_under_the_id_of_a_flagged_one_is_a_conflict(shop: Shop, one: Desk) -> None:
    await shop.opened(SALE, {"tea": 1, "mug": 1})
    await one.outcome("ann")
    await one.knows_sold_out()
    assert await one.outcome("bob") == "sold_out"
    with refused(409):
        await one.ask("bob", sku=MUG)
    await (await one.sale()).drained()
    with refused(409):
        await one.ask("bob", sku=MUG)


async def test_a_released_unit_can_be_bought_on_every_worker(
    shop: Shop, one: Desk, other: Desk
) -> None:
    await shop.opened(SALE, {"tea": 1})
    await one.outcome("ann")
    for desk in (one, other):
        await desk.knows_sold_out()
    await one.desk.cancel(order_id("ann"), user="ann")
    sale = await other.sale()
    await wait_until(lambda: not sale.flags.says_sold_out(TEA), WITHIN_S, "it was heard")
    assert await other.outcome("bob") == "reserved"


async def test_whoever_may_wait_is_put_into_the_waitlist_of_what_is_sold_out(
    shop: Shop, one: Desk
) -> None:
    await shop.opened(SALE, {"tea": 1})
    await one.outcome("ann")
    await one.knows_sold_out()
    queued = orjson.loads(await one.ask("bob", waitlist=True))
    assert (queued["outcome"], queued["order"]["position"]) == ("queued", 1)
    sale = await one.sale()
    await wait_until(lambda: sale.stock()[0]["waiting"] == 1, WITHIN_S, "he is counted")
    await one.desk.cancel(order_id("ann"), user="ann")
    assert (await one.desk.order(order_id("bob"), user="bob"))["state"] == "reserved"
    await wait_until(lambda: sale.stock()[0]["waiting"] == 0, WITHIN_S, "he left the list")


async def test_the_end_of_a_sale_goes_before_sold_out(shop: Shop, one: Desk) -> None:
    await shop.opened(SALE, {"tea": 1})
    await one.outcome("ann")
    await one.knows_sold_out()
    await one.desk.steer(SALE, Steering.CLOSE, act())
    sale = await one.sale()
    await wait_until(lambda: sale.flags.state is SaleState.CLOSED, WITHIN_S, "it was heard")
    assert await one.outcome("bob") == "ended"


async def test_close_to_its_end_only_the_store_says_what_a_sale_takes(
    shop: Shop, one: Desk
) -> None:
    await shop.opened(SALE, {"tea": 1})
    await one.outcome("ann")
    await one.knows_sold_out()
    sale = await one.sale()
    sale.ends_at_ms = wall_clock_ms() + 500
    asking = one.desk.placing(
        sale, user="bob", name="", lines=[Line(TEA, 1)], request_id="r1", waitlist=False
    )
    assert isinstance(asking, asyncio.Future)
    assert await asking == b'{"outcome":"sold_out","sku":"tea"}'


async def test_what_staff_and_buyers_were_answered_holds_for_the_next_purchase(
    shop: Shop, one: Desk
) -> None:
    await shop.opened(SALE, {"tea": 1})
    await one.outcome("ann")
    await one.knows_sold_out()
    one.holds = True  # announcements come late
    await one.desk.steer(SALE, Steering.RESTOCK, act(), units={TEA: 1}, allocate=True)
    assert await one.outcome("bob") == "reserved"
    one.release()
    await one.knows_sold_out()
    one.holds = True
    await one.desk.cancel(order_id("bob"), user="bob")
    assert await one.outcome("carl") == "reserved"
    one.release()
    await one.knows_sold_out()
    one.holds = True
    await one.desk.steer(SALE, Steering.PAUSE, act())
    assert await one.outcome("dora") == "paused"
    one.release()


# what is missed


async def test_after_a_lost_announcement_the_picture_is_made_anew(
    shop: Shop, one: Desk, other: Desk
) -> None:
    await shop.opened(SALE, {"tea": 1})
    await one.outcome("ann")
    await other.knows_sold_out()
    other.to_drop = 1
    await one.desk.steer(SALE, Steering.RESTOCK, act(), units={TEA: 1}, allocate=True)
    await wait_until(lambda: other.to_drop == 0, WITHIN_S, "one was lost")
    assert await one.outcome("bob") == "reserved"  # its announcement shows the gap
    sale = await other.sale()
    await wait_until(lambda: sale.flags.knows(order_id("bob")), WITHIN_S, "it is heard of")
    await other.knows_sold_out()
    assert await other.outcome("bob") == "reserved"
    assert await other.outcome("carl") == "sold_out"


async def test_a_request_whose_answer_was_lost_is_never_answered_without_the_store(
    shop: Shop, one: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.opened(SALE, {"tea": 1})
    await one.settled()
    decide, asked = one.store.reserve, 0

    async def decided_and_lost(*asks: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked == 1:  # while ann's request is on its way, bob buys and thinks better of it
            await shop.buy(SALE, "bob")
            await one.knows_sold_out()
            one.to_drop = 2
            await shop.store.cancel(order_id("bob"), "bob", "")
            await decide(*asks)
        raise SaleStoreUnavailable("its reply is lost")

    monkeypatch.setattr(one.store, "reserve", decided_and_lost)
    with refused(503, "cannot be reached"):
        await one.outcome("ann")
    monkeypatch.undo()
    await wait_until(lambda: one.to_drop == 0, WITHIN_S, "the announcements are lost, too")
    assert (await one.sale()).flags.says_sold_out(TEA), "as far as it knows"
    assert await one.outcome("ann") == "reserved"


async def test_a_lost_last_announcement_is_found_by_the_next_two_checks(
    shop: Shop, one: Desk, other: Desk
) -> None:
    await shop.opened(SALE, {"tea": 1})
    await one.outcome("ann")
    await other.knows_sold_out()
    other.to_drop = 1
    await one.desk.cancel(order_id("ann"), user="ann")
    await wait_until(lambda: other.to_drop == 0, WITHIN_S, "one was lost")
    assert await other.outcome("bob") == "sold_out", "it cannot know yet"
    sale = await other.sale()
    await other.live.check(sale)
    await other.live.check(sale)
    await other.settled()
    assert await other.outcome("carl") == "reserved"


async def test_nothing_but_the_way_of_announcements_is_waited_for_when_the_feed_breaks(
    shop: Shop, one: Desk, other: Desk, redis_client: Client
) -> None:
    await shop.opened(SALE, {"tea": 1})
    await one.outcome("ann")
    await other.knows_sold_out()
    await redis_client.execute_command("CLIENT", "KILL", "TYPE", "PUBSUB")
    await one.desk.cancel(order_id("ann"), user="ann")
    sale = await other.sale()
    await wait_until(lambda: not sale.flags.says_sold_out(TEA), WITHIN_S, "it was noticed")
    assert await other.outcome("bob") == "reserved"
