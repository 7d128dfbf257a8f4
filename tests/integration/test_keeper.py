"""The keeper on real stores: rooms hear of every turn, once and at once; books are compared."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from flash_sale.adapters.script import key_of
from flash_sale.catalog import SkuId
from flash_sale.model import OrderState, Outcome, SaleId, Steering
from rooms.adapters.redis_log import LogLimits, RedisRoomLog, room_key
from rooms.log import Entry, Seed
from rooms.model import RoomId
from server.database.engine import Database
from server.endings import end_tasks
from server.ledger import keeper, lease
from server.ledger.announcer import KEY as ANNOUNCED
from server.ledger.keeper import Keeper, open_keeper
from server.ledger.lease import KEY as LEASE
from server.ledger.report import Audits, SaleReport
from server.redis_client import Client, ClientRole, connect
from server.settings import Limits, Settings
from tests.support.redis_server import RedisServer
from tests.support.shop import ROOM, Shop
from tests.support.wait import wait_until

pytest_plugins = ["tests.support.databases"]

NOTHING = Seed(0, {}, {}, [])
SOON_S = 30


@dataclass(slots=True)
class Kept:
    """A keeper at work, and what rooms and reports say."""

    keeper: Keeper
    audits: Audits
    task: asyncio.Task[None]

    async def end(self) -> None:
        await end_tasks([self.task])

    def report(self, sale: SaleId) -> SaleReport:
        return self.audits.of(sale, 0, 0)


class Stage:
    """A shop and its keepers."""

    def __init__(self, shop: Shop, listener: Client) -> None:
        self.shop = shop
        self._listener = listener
        self._log = RedisRoomLog(shop.client, "looker", LogLimits())

    def keep(self, name: str = "ledger-1", **limits: int) -> Kept:
        audits = Audits()
        keeper = open_keeper(
            replace(Settings(), limits=replace(Limits(), audit_interval_s=1, **limits)),
            commands=self.shop.client,
            listener=self._listener,
            database=self.shop.database,
            stock=self.shop.store,
            sales=self.shop.store,
            stream=self.shop.stream,
            audits=audits,
            name=name,
            now_ms=lambda: time.time_ns() // 1_000_000,
        )
        return Kept(keeper, audits, asyncio.create_task(keeper.run()))

    @contextlib.asynccontextmanager
    async def kept(self, name: str = "ledger-1", **limits: int) -> AsyncIterator[Kept]:
        kept = self.keep(name, **limits)
        try:
            yield kept
        finally:
            await kept.end()

    async def told(self, room: str = ROOM) -> list[dict[str, Any]]:
        """The State events of sales in a room, oldest first."""
        entries: list[Entry] = await self._log.read_after(RoomId(room), 0)
        return [orjson.loads(one.payload) for one in entries if one.name.startswith("sale.")]

    async def states(self, sale: str, room: str = ROOM) -> list[str]:
        """Its states as viewers heard them; the same one twice in a row counts once."""
        heard = [one["state"] for one in await self.told(room) if one["t"] == "sale.state"
                 and one["sale"] == sale]  # fmt: skip
        return [state for index, state in enumerate(heard) if heard[index - 1 : index] != [state]]

    async def listed(self, room: str = ROOM) -> Mapping[str, dict[str, Any]]:
        """The field `sales` of the room's snapshot, by id."""
        fields = (await self._log.load(RoomId(room), NOTHING)).fields
        return {one["id"]: one for one in orjson.loads(fields.get("sales", b"[]"))}

    async def hears(self, sale: str, *states: str, room: str = ROOM) -> None:
        """Return once the room has heard these states, in this order, and no others."""

        async def heard() -> bool:
            return await self.states(sale, room) == list(states)

        try:
            await wait_until(heard, SOON_S, f"room {room} hears {states}")
        except AssertionError as error:
            raise AssertionError(f"{error}, but it heard {await self.told(room)}") from error

    async def noted(self, sale: str) -> None:
        """What a room has heard of a sale for the first time is noted after that."""
        client = self.shop.client
        await wait_until(lambda: client.hexists(ANNOUNCED, sale), SOON_S, f"{sale} is noted")


@pytest.fixture
async def stage(redis_client: Client, redis_url: str, database: Database) -> AsyncIterator[Stage]:
    listener = connect(redis_url, role=ClientRole.LISTENER)
    shop = Shop(redis_client, database)
    await shop.furnish()
    yield Stage(shop, listener)
    await listener.aclose()


async def test_a_room_hears_of_every_turn_of_its_sale_in_order(stage: Stage) -> None:
    shop = stage.shop
    async with stage.kept():
        sale = await shop.draft("s1", {"tea": 2, "mug": 1})
        await shop.arm(sale)
        await stage.hears("s1", "armed")
        await shop.steer(sale, Steering.OPEN)
        await stage.hears("s1", "armed", "open")
        await shop.buy(sale, "ann", qty=2)
        await wait_until(lambda: _sold_out(stage, "tea"), SOON_S, "tea is told to be sold out")
        assert await stage.states("s1") == ["armed", "open"]
        await shop.buy(sale, "bob", "mug")
        await stage.hears("s1", "armed", "open", "sold_out")
        await shop.steer(sale, Steering.RESTOCK, units={"mug": 3}, allocate=True)
        await stage.hears("s1", "armed", "open", "sold_out", "open")
        await shop.steer(sale, Steering.PAUSE)
        await stage.hears("s1", "armed", "open", "sold_out", "open", "paused")
    last = (await stage.told())[-1]
    assert (last["id"], last["room"], last["currency"]) == ("s1", ROOM, "CNY")
    assert [(one["sku"], one["available"]) for one in last["items"]] == [("tea", 0), ("mug", 3)]
    assert (await stage.listed())["s1"]["state"] == "paused"
    told_out = [one["sku"] for one in await stage.told() if one["t"] == "sale.sold_out"]
    assert told_out == ["tea", "mug"]


async def _sold_out(stage: Stage, sku: str) -> bool:
    return any(one.get("sku") == sku for one in await stage.told())


async def test_an_event_follows_its_turn_at_once_and_not_at_the_next_look(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "QUIET_S", 3_600)  # a sale at rest is not looked at by itself
    shop = stage.shop
    sale = await shop.draft("s1", {"tea": 5})
    await shop.arm(sale)
    async with stage.kept():
        await stage.hears("s1", "armed")
        states = ["armed"]
        for steering in (Steering.OPEN, *[Steering.PAUSE, Steering.RESUME] * 2):
            states.append((await shop.steer(sale, steering)).state)
            await stage.hears("s1", *states)


async def test_a_sale_opens_and_closes_by_the_clock_without_any_buyer(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "QUIET_S", 3_600)
    shop = stage.shop
    async with stage.kept():
        sale = await shop.draft("s1", {"tea": 1})
        await shop.arm(sale)
        await stage.hears("s1", "armed")
        now_ms = (await shop.store.view(sale)).at.now_ms
        # Far apart: a turn is told only if the keeper looks before the next one.
        view = await shop.steer(sale, Steering.OPEN, countdown_ms=4_000, ends_at_ms=now_ms + 8_000)
        await stage.hears("s1", "armed", "countdown", "open", "closed")
    opened = next(one for one in await stage.told() if one["state"] == "open")
    closed = next(one for one in await stage.told() if one["state"] == "closed")
    assert view.starts_at_ms is not None
    assert view.starts_at_ms == opened["starts_at_ms"] <= opened["at_ms"]
    assert view.ends_at_ms == closed["ends_at_ms"] <= closed["at_ms"]


async def test_an_overdue_hold_ends_and_its_unit_is_on_sale_again(stage: Stage) -> None:
    shop = stage.shop
    sale = await shop.opened("s1", {"tea": 1}, hold_ms=4_000)
    async with stage.kept():
        await stage.hears("s1", "open")
        order = (await shop.buy(sale, "ann")).order
        assert order is not None
        await stage.hears("s1", "open", "sold_out", "open")
    stored = await shop.store.order(order.id)
    assert stored is not None
    assert stored.state is OrderState.EXPIRED
    assert (await shop.buy(sale, "bob")).outcome is Outcome.RESERVED


async def test_a_unit_that_comes_back_is_offered_to_who_waits(stage: Stage) -> None:
    shop = stage.shop
    sale = await shop.opened("s1", {"tea": 1}, hold_ms=300)
    await shop.buy(sale, "ann")
    waiting = (await shop.buy(sale, "bob", waitlist=True)).order
    assert waiting is not None

    async def is_offered() -> bool:
        order = await shop.store.order(waiting.id)
        return order is not None and order.reserved_at_ms is not None

    async with stage.kept():
        await wait_until(is_offered, SOON_S, "bob gets ann's unit")


async def test_a_restart_repeats_nothing_and_tells_what_happened_meanwhile(stage: Stage) -> None:
    shop = stage.shop
    sale = await shop.opened("s1", {"tea": 1})
    async with stage.kept():
        await stage.hears("s1", "open")
        await stage.noted("s1")
    before = len(await stage.told())
    async with stage.kept() as kept:
        await wait_until(lambda: kept.report(sale).why, SOON_S, "it has looked at the sale")
    assert len(await stage.told()) == before
    await shop.buy(sale, "ann")
    async with stage.kept():
        await stage.hears("s1", "open", "sold_out")


async def test_one_of_two_keeps_and_the_other_takes_over(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LIFE_MS", 60_000)  # given up, not lapsed
    shop = stage.shop
    sale = await shop.draft("s1", {"tea": 1})
    async with stage.kept("ledger-1") as first:
        await wait_until(lambda: first.keeper.keeps, SOON_S, "the first keeps")
        async with stage.kept("ledger-2") as second:
            await shop.arm(sale)
            await stage.hears("s1", "armed")
            assert not second.keeper.keeps
            await stage.noted("s1")
            await first.end()
            await wait_until(lambda: second.keeper.keeps, SOON_S, "the second keeps")
            await shop.steer(sale, Steering.OPEN)
            await stage.hears("s1", "armed", "open")
    assert len(await stage.told()) == 2


async def test_a_keeper_that_falls_silent_loses_its_lease(stage: Stage) -> None:
    await stage.shop.client.set(LEASE, "ledger-9@elsewhere", px=500)
    async with stage.kept() as kept:
        await wait_until(lambda: kept.keeper.keeps, SOON_S, "it keeps")


async def test_all_sales_of_a_room_are_listed_and_none_of_another_room(stage: Stage) -> None:
    shop = stage.shop
    await shop.furnish_room("kitchen")
    await shop.opened("b", {"tea": 1})
    await shop.opened("a", {"mug": 2})
    await shop.opened("k", {"tea": 3}, room="kitchen")
    async with stage.kept():
        await stage.hears("k", "open", room="kitchen")

        async def both() -> bool:
            return list(await stage.listed()) == ["a", "b"]

        await wait_until(both, SOON_S, "the room lists both of its sales")
        await shop.steer(SaleId("a"), Steering.PAUSE)
        await stage.hears("a", "open", "paused")
    assert [one["state"] for one in (await stage.listed()).values()] == ["paused", "open"]
    assert list(await stage.listed("kitchen")) == ["k"]


async def test_books_are_compared_only_when_the_ledger_has_everything(stage: Stage) -> None:
    shop = stage.shop
    sale = await shop.opened("s1", {"tea": 3})
    await shop.buy(sale, "ann")
    async with stage.kept() as kept:
        await wait_until(lambda: kept.report(sale).why, SOON_S, "the books were looked at")
        assert kept.report(sale).agree is None
        assert "on their way" in kept.report(sale).why
        await shop.drain(sale)
        await wait_until(lambda: kept.report(sale).agree, SOON_S, "the books agree")
        assert kept.report(sale).units[SkuId("tea")]["reserved"] == 1


async def test_a_unit_that_vanished_from_the_store_is_noticed(stage: Stage) -> None:
    shop = stage.shop
    sale = await shop.opened("s1", {"tea": 3})
    await shop.drain(sale)
    async with stage.kept() as kept:
        await wait_until(lambda: kept.report(sale).agree, SOON_S, "the books agree")
        counters: Any = await shop.client.hget(key_of(sale, "stock"), "tea")
        spoilt = counters.split(b" ")
        spoilt[0] = spoilt[1] = b"2"
        await shop.client.hset(key_of(sale, "stock"), "tea", b" ".join(spoilt))
        await wait_until(lambda: kept.report(sale).agree is False, SOON_S, "they do not agree")
        assert "tea initial: store 2, ledger 3" in kept.report(sale).why


async def test_a_closed_sale_is_settled_when_the_ledger_has_all_of_it(stage: Stage) -> None:
    shop = stage.shop
    sale = await shop.opened("s1", {"tea": 3})
    order = (await shop.buy(sale, "ann")).order
    assert order is not None
    await shop.pay(order.id)
    async with stage.kept() as kept:
        await stage.hears("s1", "open")
        await shop.steer(sale, Steering.CLOSE)
        await stage.hears("s1", "open", "closed")
        await wait_until(lambda: kept.report(sale).why, SOON_S, "its books were looked at")
        assert list(await stage.listed()) == ["s1"]
        await shop.drain(sale)

        async def is_settled() -> bool:
            record = await shop.records.find(sale)
            return record is not None and record.settled_at_ms is not None

        await wait_until(is_settled, SOON_S, "the sale is settled")
        for key in await shop.client.keys(f"{{sale:{sale}}}:*"):
            assert 0 < await shop.client.ttl(key) <= Limits().settled_sale_kept_s, key
        assert await stage.listed() == {}
        assert (await stage.told())[-1]["state"] == "closed"
        assert not await shop.client.hexists(ANNOUNCED, sale)
        told = len(await stage.told())
        await shop.records.stir(sale)  # as a refund does, days later
        await shop.store.refund(order.id, shop.act(), restock=True)
        await shop.drain(sale)
        await wait_until(is_settled, SOON_S, "the sale is settled again")
    assert len(await stage.told()) == told


async def test_a_clock_that_was_ahead_holds_an_announcement_up_but_not_back(stage: Stage) -> None:
    shop = stage.shop
    sale = await shop.opened("s1", {"tea": 3})
    ahead_ms = (await shop.store.view(sale)).at.now_ms + 2_500
    await shop.client.hset(room_key(RoomId(ROOM), "fields"), "version:sales", ahead_ms)
    async with stage.kept():
        await stage.hears("s1", "open")
        await shop.steer(sale, Steering.PAUSE)
        await stage.hears("s1", "open", "paused")
    assert (await stage.listed())["s1"]["state"] == "paused"


async def test_a_sale_that_the_store_has_lost_is_shown_frozen(stage: Stage) -> None:
    shop = stage.shop
    sale = await shop.opened("s1", {"tea": 3})
    await shop.buy(sale, "ann")
    await shop.drain(sale)
    await shop.client.flushall()
    async with stage.kept() as kept:
        await stage.hears("s1", "frozen")
        await wait_until(lambda: kept.report(sale).agree is False, SOON_S, "the books say so")
    card = (await stage.listed())["s1"]
    assert card["items"][0] == card["items"][0] | {"available": 2, "stock": 3}


async def test_a_store_that_came_back_older_than_the_ledger_is_frozen_before_anything_happens(
    stage: Stage,
) -> None:
    shop, client = stage.shop, stage.shop.client
    sale = await shop.opened("s1", {"tea": 3}, hold_ms=1)
    older = {key: await client.dump(key) async for key in client.scan_iter("{sale:s1}:*")}
    await shop.buy(sale, "ann")
    await shop.drain(sale)
    await client.delete(*[key async for key in client.scan_iter("{sale:s1}:*")])
    for key, value in older.items():
        assert value is not None
        await client.restore(key, 0, value)
    stands = (await shop.store.view(sale)).at
    async with stage.kept():
        await stage.hears("s1", "frozen")
    view = await shop.store.view(sale)
    assert (view.at.seq, view.reason) == (stands.seq, "the store lost moves")


async def test_a_keeper_outlives_a_redis_that_is_killed(tmp_path: Path, database: Database) -> None:
    server = RedisServer(tmp_path / "redis")
    await asyncio.to_thread(server.start)
    commands = connect(server.url, role=ClientRole.COMMANDS)
    listener = connect(server.url, role=ClientRole.LISTENER)
    shop = Shop(commands, database)
    await shop.furnish()
    stage = Stage(shop, listener)
    sale = await shop.opened("s1", {"tea": 1}, hold_ms=6_000)
    try:
        async with stage.kept() as kept:
            await stage.hears("s1", "open")
            await shop.buy(sale, "ann")
            await stage.hears("s1", "open", "sold_out")
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.wait_until_up)
            await stage.hears("s1", "open", "sold_out", "open")  # the hold has ended
            await shop.steer(sale, Steering.PAUSE)
            await stage.hears("s1", "open", "sold_out", "open", "paused")
            await shop.drain(sale)
            await wait_until(lambda: kept.report(sale).agree, SOON_S, "the books agree")
    finally:
        await commands.aclose()
        await listener.aclose()
        await asyncio.to_thread(server.stop)
