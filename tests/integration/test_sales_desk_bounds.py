"""The desk at its bounds, and while a store is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import orjson

from flash_sale.model import Steering
from server.database.engine import Database
from server.endings import end_tasks
from server.live_rooms import LiveRooms
from server.redis_client import Client
from server.replies import Refused
from server.sales.announce import SaleNews
from server.sales.care import SaleCare
from tests.support.redis_server import RedisServer
from tests.support.sale_desk import (
    LIMITS,
    MUG,
    SALE,
    TEA,
    WITHIN_S,
    Desk,
    act,
    payment,
    refused,
)
from tests.support.shop import Shop
from tests.support.shop_fixtures import furnished_shop, sqlite_database
from tests.support.wait import wait_until

pytest_plugins = ["tests.support.databases", "tests.support.sale_desk_fixtures"]
database = sqlite_database
shop = furnished_shop


async def test_while_redis_hangs_orders_ask_for_patience_and_sold_out_is_still_said(
    redis_of_its_own: RedisServer, database: Database
) -> None:
    desk = Desk(redis_of_its_own.url, database)
    await desk.open()
    shop = Shop(desk.clients[0], database)
    await shop.furnish()
    await shop.opened(SALE, {"tea": 1, "mug": 1})
    await desk.outcome("ann")
    await desk.knows_sold_out()
    redis_of_its_own.pause()
    try:
        assert await desk.outcome("bob") == "sold_out"
        with refused(503, "same request_id"):
            await desk.ask("carl", sku=MUG)
    finally:
        redis_of_its_own.resume()
    first = orjson.loads(await desk.ask("carl", sku=MUG))
    assert first["outcome"] == "reserved", "the same request, asked again"
    sale = await desk.sale()
    await wait_until(lambda: sale.idle, WITHIN_S, "bob's answer is in the store")
    await desk.close()
    fresh = Desk(redis_of_its_own.url, database)
    await fresh.open()
    await fresh.desk.steer(SALE, Steering.RESTOCK, act(), units={TEA: 1}, allocate=True)
    assert await fresh.outcome("bob") == "sold_out", "as he was told"
    await fresh.close()


async def test_a_killed_redis_loses_neither_orders_nor_the_way_back_to_selling(
    redis_of_its_own: RedisServer, database: Database
) -> None:
    desk = Desk(redis_of_its_own.url, database)
    await desk.open()
    shop = Shop(desk.clients[0], database)
    await shop.furnish()
    await shop.opened(SALE, {"tea": 2})
    first = await desk.ask("ann")
    await asyncio.to_thread(redis_of_its_own.kill)
    await asyncio.to_thread(redis_of_its_own.wait_until_up)

    async def answered(ask: Callable[[], object]) -> bool:
        with suppress(Refused):
            return bool(await ask())  # type: ignore[misc]
        return False

    await wait_until(lambda: answered(lambda: desk.ask("bob")), WITHIN_S, "it sells again")
    assert await desk.ask("ann") == first
    assert orjson.loads(await desk.ask("bob"))["outcome"] == "reserved"
    await desk.knows_sold_out()
    await desk.close()


async def test_at_the_bound_of_waiting_orders_the_next_is_refused_at_once(
    redis_of_its_own: RedisServer, database: Database
) -> None:
    bounds = replace(LIMITS, orders_waiting_max=2, batch_orders_max=1, redis_within_ms=5_000)
    desk = Desk(redis_of_its_own.url, database, bounds)
    await desk.open()
    shop = Shop(desk.clients[0], database)
    await shop.furnish()
    await shop.opened(SALE, {"tea": 9})
    await desk.settled()
    redis_of_its_own.pause()
    asking = [asyncio.create_task(desk.outcome("ann"))]
    await asyncio.sleep(0)
    asking += [asyncio.create_task(desk.outcome(f"bob-{number}")) for number in range(9)]
    await wait_until(
        lambda: sum(task.done() for task in asking) == 7, WITHIN_S, "all others are refused"
    )
    done = [task for task in asking if task.done()]
    waiting = [task for task in asking if not task.done()]
    redis_of_its_own.resume()
    assert len(waiting) == 3, "one is on its way, two may wait"
    for task in done:
        with refused(503, "bound"):
            task.result()
    assert [await task for task in waiting] == ["reserved"] * len(waiting)
    await desk.close()


async def test_a_buyer_who_goes_away_breaks_nothing_for_others(shop: Shop, one: Desk) -> None:
    await shop.opened(SALE, {"tea": 20})
    await one.settled()
    asking = [asyncio.create_task(one.outcome(f"ann-{number}")) for number in range(10)]
    await asyncio.sleep(0)
    for task in asking[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert outcomes[1::2] == ["reserved"] * 5
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes[::2])


async def test_at_the_bound_of_open_sales_the_one_idle_longest_makes_place(
    shop: Shop, redis_url: str, database: Database
) -> None:
    desk = Desk(redis_url, database, replace(LIMITS, sales_loaded_max=2))
    await desk.open()
    for name in ("first", "second", "third"):
        await shop.opened(name, {"tea": 1})
        sale = await desk.settled(name)
        sale.used_at_s = time.monotonic()
    assert {sale.id for sale in desk.live} == {"second", "third"}
    await desk.close()


async def test_after_the_store_lost_a_sale_and_has_it_again_sold_out_is_known_again(
    shop: Shop, desks: list[Desk], redis_client: Client
) -> None:
    one, other = desks
    await shop.opened(SALE, {"tea": 1})
    await one.outcome("ann")
    await other.knows_sold_out()
    kept = {key: await redis_client.dump(key) or b"" for key in await redis_client.keys("{sale:*")}
    await redis_client.flushall()
    await redis_client.execute_command("CLIENT", "KILL", "TYPE", "PUBSUB")
    sale = await other.sale()
    await wait_until(
        lambda: not sale.flags.settled and not sale.looking, WITHIN_S, "it was noticed"
    )
    with refused(503, "restored"):
        await other.outcome("bob")
    for key, value in kept.items():
        await redis_client.restore(key, 0, value)
    assert await other.outcome("bob", "r2") == "sold_out"
    await other.knows_sold_out()
    assert await other.outcome("ann") == "reserved"


async def test_a_worker_that_starts_beside_a_store_older_than_the_ledger_sells_nothing(
    shop: Shop, desks: list[Desk], redis_client: Client
) -> None:
    """Power is lost: nobody is left who has seen the newest moves, but the ledger holds them."""
    await shop.opened(SALE, {"tea": 1})
    older = {key: await redis_client.dump(key) async for key in redis_client.scan_iter("{sale:*")}
    await shop.buy(SALE, "ann")
    await shop.drain(SALE)
    await redis_client.delete(*[key async for key in redis_client.scan_iter("{sale:*")])
    for key, value in older.items():
        assert value is not None
        await redis_client.restore(key, 0, value)
    for desk, asked in zip(desks, ("buys", "pays"), strict=True):
        with refused(503, "frozen"):
            await (desk.outcome("bob") if asked == "buys" else desk.desk.pay(payment("ann")))
    assert (await shop.store.view(SALE)).items[0].reserved == 0


async def test_in_a_frozen_sale_nothing_is_said_not_even_sold_out(
    shop: Shop, desks: list[Desk]
) -> None:
    one, other = desks
    await shop.opened(SALE, {"tea": 1})
    await one.outcome("ann")
    await other.knows_sold_out()
    await shop.steer(SALE, Steering.FREEZE)
    sale = await other.sale()
    await wait_until(lambda: not sale.flags.says_sold_out(TEA), WITHIN_S, "it was heard")
    with refused(503, "frozen"):
        await other.outcome("bob")


async def test_a_sale_nobody_asks_for_and_no_room_shows_is_forgotten_and_found_again(
    shop: Shop, redis_url: str, database: Database
) -> None:
    bounds = replace(LIMITS, room_idle_unload_s=1, pulse_interval_ms=50, vitals_interval_s=1)
    desk = Desk(redis_url, database, bounds)
    await desk.open()
    rooms = LiveRooms(cast(Any, None), cast(Any, None), bounds)  # in which nobody is
    care = SaleCare(desk.live, rooms, SaleNews(rooms, cast(Any, None), 100), bounds)
    caring = asyncio.create_task(care.keep())
    await shop.opened(SALE, {"tea": 1})
    first = await desk.ask("ann")
    await wait_until(lambda: desk.live.loaded(SALE) is None, WITHIN_S, "it is forgotten")
    assert await desk.ask("ann") == first
    await end_tasks([caring])
    await desk.close()
