"""Reconcile, rebuild and export as an operator calls them, beside a running instance and alone."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from flash_sale.adapters.redis_rebuild import RedisRebuild
from flash_sale.adapters.script import key_of
from flash_sale.adapters.wire import tail_of
from flash_sale.model import Order, OrderState, Outcome, SaleId, SaleState, Steering
from server.__main__ import main
from server.database.engine import Database, sqlite_url
from server.database.ledger_records import Ledger
from server.database.migrate import migrate
from server.endings import end_tasks
from server.instance_lock import InstanceLock
from server.ledger.writer import Writer
from server.redis_client import ClientRole, connect
from server.settings import Limits
from server.supervisor import DATABASE_NAME
from server.tools import rebuild, reconcile
from tests.support.redis_server import RedisServer
from tests.support.shop import PRICE_MINOR, Shop
from tests.support.wait import wait_until


@dataclass
class Instance:
    """What a running server has: the lock, Redis, SQL; its ledger worker only when asked."""

    data_dir: Path
    lock: InstanceLock
    redis: RedisServer
    shop: Shop
    writing: asyncio.Task[None] | None = None
    is_up: bool = True

    def write(self) -> None:
        """Let a ledger worker write."""
        writer = Writer(
            self.shop.stream,
            self.shop.records,
            Ledger(self.shop.database),
            Limits(),
            "ledger-1",
            now_ms=lambda: time.time_ns() // 1_000_000,
        )
        self.writing = asyncio.create_task(writer.run())

    async def stop(self) -> None:
        """End it, as SIGTERM does; SQL can still be read here."""
        if self.writing is not None:
            await end_tasks([self.writing])
            self.writing = None
        if self.is_up:
            await self.shop.client.aclose()
            await asyncio.to_thread(self.redis.stop)
            self.lock.release()
        self.is_up = False


@pytest.fixture
async def instance(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Instance]:
    monkeypatch.setenv("ONAIR_DATA_DIR", str(data_dir))
    monkeypatch.setenv("ONAIR_PAYMENT_GRACE_MS", "1")
    url = sqlite_url(data_dir / DATABASE_NAME)
    await asyncio.to_thread(migrate, url)
    lock = InstanceLock(data_dir)
    lock.acquire()
    redis = RedisServer(data_dir)
    await asyncio.to_thread(redis.start)
    database = Database(url, threads_max=2, within_s=5)
    shop = Shop(connect(redis.url, role=ClientRole.COMMANDS), database)
    await shop.furnish()
    made = Instance(data_dir, lock, redis, shop)
    yield made
    await made.stop()
    await database.close()


async def onair(*arguments: str) -> int:
    """Run one command as the console script does; returns its exit code."""
    return await asyncio.to_thread(main, arguments)


async def a_busy_sale(shop: Shop, sale: str = "s1") -> dict[str, Order]:
    """An open sale with orders in every state, by buyer; the ledger may not know yet."""
    made = await shop.opened(sale, {"tea": 4, "mug": 3}, per_user_max=2)
    buys = {
        "ann": ("tea", 2, False), "bob": ("tea", 1, False), "cat": ("tea", 1, False),
        "dan": ("tea", 1, True), "eve": ("tea", 1, True), "fay": ("mug", 1, False),
        "gus": ("mug", 1, False),
    }  # fmt: skip
    orders: dict[str, Order] = {}
    for user, (sku, qty, waitlist) in buys.items():
        order = (await shop.buy(made, user, sku, qty, waitlist=waitlist)).order
        assert order is not None
        orders[user] = order
    await shop.pay(orders["ann"].id, 2 * PRICE_MINOR)
    await shop.pay(orders["fay"].id)
    await shop.pay(orders["gus"].id)
    await shop.store.refund(orders["gus"].id, shop.act("broken"), restock=False)
    await shop.store.cancel(orders["cat"].id, "cat", "changed my mind")  # dan gets the unit
    return orders


def books_of(found: str) -> dict[str, dict[str, int]]:
    return {item["sku"]: item for item in json.loads(found)["store"]}


# reconcile


async def test_reconcile_says_that_both_sides_agree_order_by_order(
    instance: Instance, capsys
) -> None:
    await a_busy_sale(instance.shop)
    instance.write()
    assert await onair("reconcile") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("sale s1 · epoch 1 · open: agree\n")
    assert "orders: 7 the same, 0 differ, 0 only in the store, 0 only in the ledger" in shown
    assert "entries on their way to the ledger: 0; set aside: 0" in shown
    lines = [line.split() for line in shown.splitlines() if "tea" in line or "ledger " in line]
    assert lines[0] == ["tea", "store", "4", "0", "2", "2", "0", "0", "1"]
    assert lines[1] == ["ledger", "4", "0", "2", "2", "0", "0", "1"]


async def test_reconcile_gives_scripts_one_json_object_per_sale(instance: Instance, capsys) -> None:
    await a_busy_sale(instance.shop, "s1")
    await instance.shop.opened("s2", {"tea": 9})
    instance.write()
    assert await onair("reconcile", "--json") == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (first["sale"], first["verdict"], first["lag"]) == ("s1", "agree", 0)
    assert first["orders"]["same"] == 7
    assert (second["sale"], second["ledger"][0]["available"]) == ("s2", 9)


@pytest.mark.parametrize("json_too", [[], ["--json"]])
async def test_reconcile_names_a_unit_that_one_side_lacks(
    instance: Instance, json_too: list[str], capsys
) -> None:
    shop = instance.shop
    sale = await shop.opened("s1", {"tea": 4})
    await shop.drain(sale)
    await shop.client.hset(key_of(sale, "stock"), "tea", b"3 3 0 0 0 0 4 500 100 1")
    assert await onair("reconcile", *json_too) == 1
    assert "tea initial: store 3, ledger 4" in capsys.readouterr().out


async def test_reconcile_names_orders_that_differ_or_are_on_one_side_only(
    instance: Instance, capsys
) -> None:
    shop = instance.shop
    orders = await a_busy_sale(shop)
    await shop.drain(SaleId("s1"))
    await shop.client.hdel(key_of(SaleId("s1"), "orders"), tail_of(orders["ann"].id))
    states = key_of(SaleId("s1"), "states")
    await shop.client.hdel(states, tail_of(orders["fay"].id))  # reserved again
    assert await onair("reconcile", "--sale", "s1") == 1
    shown = capsys.readouterr().out
    assert "orders: 5 the same, 1 differ, 0 only in the store, 1 only in the ledger" in shown
    assert f"order {orders['ann'].id}: only the ledger has it, paid" in shown
    assert f"order {orders['fay'].id}: store and ledger have state" in shown


async def test_reconcile_cannot_compare_what_the_ledger_has_not_got_yet(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(reconcile, "STANDS_STILL_WITHIN_S", 0.3)
    await instance.shop.opened("s1", {"tea": 4})
    assert await onair("reconcile") == 2
    assert "on their way to the ledger" in capsys.readouterr().out


async def test_reconcile_while_orders_come_in_ends_when_they_do(instance: Instance) -> None:
    shop = instance.shop
    sale = await shop.opened("s1", {"tea": 10_000})
    instance.write()

    async def buy() -> None:
        for number in range(300):
            await shop.buy(sale, f"user-{number}")

    buying = asyncio.create_task(buy())
    assert await onair("reconcile") == 0
    await buying


async def test_reconcile_says_so_when_redis_is_away(instance: Instance, capsys) -> None:
    await instance.shop.opened("s1", {"tea": 4})
    await asyncio.to_thread(instance.redis.pause)
    try:
        assert await onair("reconcile") == 2
    finally:
        instance.redis.resume()
    assert capsys.readouterr().err.startswith("onair: could not be compared: ")


async def test_reconcile_of_an_unknown_sale_is_an_error(instance: Instance, capsys) -> None:
    assert await onair("reconcile", "--sale", "nope") == 2
    assert "there is no sale nope" in capsys.readouterr().err


async def test_a_command_makes_no_instance_where_none_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    nowhere = tmp_path / "nowhere"
    monkeypatch.setenv("ONAIR_DATA_DIR", str(nowhere))
    for arguments in (["reconcile"], ["rebuild", "--all"], ["export", "--out", str(tmp_path)]):
        assert await onair(*arguments) == 1
        assert capsys.readouterr().err.startswith("onair: ONAIR_DATA_DIR: there is no")
    assert not nowhere.exists()


async def test_without_a_server_redis_is_started_and_the_stream_is_written(
    instance: Instance, capsys
) -> None:
    await a_busy_sale(instance.shop)
    await instance.stop()
    assert await onair("reconcile") == 0
    shown = capsys.readouterr()
    assert "its Redis is started for the duration" in shown.err
    assert "orders: 7 the same" in shown.out
    with InstanceLock(instance.data_dir):  # it was given free
        assert not (instance.data_dir / "redis.sock").exists()


async def test_settled_sales_are_compared_when_they_are_named(instance: Instance, capsys) -> None:
    shop = instance.shop
    sale = await shop.opened("s1", {"tea": 4})
    await shop.steer(sale, Steering.CLOSE)
    await shop.drain(sale)
    await shop.records.settle(sale, 1)
    assert await onair("reconcile") == 0
    assert capsys.readouterr().out == "no sale is running\n"
    assert await onair("reconcile", "--sale", "s1") == 0
    await shop.client.flushall()
    assert await onair("reconcile", "--sale", "s1") == 0
    assert "settled; only the ledger holds it" in capsys.readouterr().out


# rebuild


async def test_a_rebuild_after_a_total_loss_brings_back_all_that_the_ledger_holds(
    instance: Instance, capsys
) -> None:
    shop = instance.shop
    sale = SaleId("s1")
    orders = await a_busy_sale(shop)
    await shop.drain(sale)
    before = {user: await shop.store.order(order.id) for user, order in orders.items()}
    books = (await shop.store.view(sale)).items
    await shop.client.flushall()
    instance.write()
    assert await onair("rebuild", "--sale", "s1", "--yes") == 0
    shown = capsys.readouterr().out
    assert "sale s1: rebuilt under epoch 2 (the store has lost it); it is open" in shown
    assert "orders in the ledger: 1 cancelled, 2 paid, 1 queued, 1 refunded, 2 reserved" in shown
    view = await shop.store.view(sale)
    assert view.items == books
    assert (view.state, view.at.epoch) == (SaleState.OPEN, 2)
    assert {user: await shop.store.order(order.id) for user, order in orders.items()} == before
    assert await onair("reconcile") == 0


async def test_a_rebuilt_sale_sells_on_by_the_same_rules(instance: Instance) -> None:
    shop = instance.shop
    sale = SaleId("s1")
    orders = await a_busy_sale(shop)
    await shop.drain(sale)
    await shop.client.flushall()
    instance.write()
    assert await onair("rebuild", "--sale", "s1", "--yes") == 0
    again = await shop.buy(sale, "ann", qty=2)
    assert (again.outcome, again.order) == (Outcome.RESERVED, orders["ann"])
    assert (await shop.buy(sale, "ann", request_id="r2")).outcome is Outcome.SOLD_OUT
    late = await shop.buy(sale, "zoe", waitlist=True)
    assert late.outcome is Outcome.QUEUED
    await shop.store.cancel(orders["bob"].id, "bob", "")  # eve waited before zoe
    served = await shop.store.order(orders["eve"].id)
    assert served is not None
    assert served.state is OrderState.RESERVED
    await shop.steer(sale, Steering.RESTOCK, units={"mug": 5}, allocate=True)
    assert (await shop.buy(sale, "fay", "mug", request_id="r2")).outcome is Outcome.RESERVED
    assert (await shop.buy(sale, "fay", "mug", request_id="r3")).outcome is Outcome.LIMIT_REACHED
    assert (await shop.pay(orders["fay"].id)).outcome == "accepted"  # told again, not taken twice
    assert await onair("reconcile") == 0


async def test_waiters_keep_their_order_over_two_rebuilds(instance: Instance) -> None:
    shop = instance.shop
    sale = await shop.opened("s1", {"tea": 1}, per_user_max=1)
    holder = (await shop.buy(sale, "holder")).order
    assert holder is not None
    instance.write()
    waiters = [f"w{number}" for number in (3, 1, 4, 2, 5)]
    for user in waiters[:3]:
        await shop.buy(sale, user, waitlist=True)
    assert await onair("rebuild", "--sale", "s1", "--yes", "--force") == 0
    for user in waiters[3:]:
        await shop.buy(sale, user, waitlist=True)
    assert await onair("rebuild", "--sale", "s1", "--yes", "--force") == 0
    await shop.store.cancel(holder.id, "holder", "")
    served = []
    for _ in waiters:
        holding = [
            order
            for order in (await shop.store.orders(sale, 0, 100))[0]
            if order.state is OrderState.RESERVED
        ]
        assert len(holding) == 1
        served.append(holding[0].user)
        await shop.store.cancel(holding[0].id, None, "")
    assert served == waiters
    assert await onair("reconcile") == 0


async def test_a_sale_that_is_well_is_rebuilt_only_by_force(instance: Instance, capsys) -> None:
    shop = instance.shop
    await a_busy_sale(shop)
    instance.write()
    assert await onair("rebuild", "--sale", "s1", "--yes") == 1
    assert "is well in the store; --force" in capsys.readouterr().err
    assert await onair("rebuild", "--all", "--yes") == 0
    assert "sale s1 is well" in capsys.readouterr().out
    assert (await shop.store.view(SaleId("s1"))).at.epoch == 1
    assert await onair("rebuild", "--sale", "s1", "--yes", "--force") == 0
    assert "Nothing is missing" in capsys.readouterr().out
    view = await shop.store.view(SaleId("s1"))
    assert (view.state, view.at.epoch) == (SaleState.OPEN, 2)
    assert await onair("reconcile") == 0


async def test_a_forced_rebuild_writes_what_the_stream_holds_first(instance: Instance) -> None:
    shop = instance.shop
    orders = await a_busy_sale(shop)
    rebuilding = asyncio.create_task(onair("rebuild", "--sale", "s1", "--yes", "--force"))

    async def is_frozen() -> bool:
        return (await shop.store.view(SaleId("s1"))).state is SaleState.FROZEN

    await wait_until(is_frozen, 10, "the sale is frozen while its stream waits to be written")
    instance.write()
    assert await rebuilding == 0
    assert await shop.store.order(orders["dan"].id) is not None
    assert await onair("reconcile") == 0


async def test_a_store_that_lost_the_sale_but_not_its_stream_loses_no_order(
    instance: Instance,
) -> None:
    shop = instance.shop
    sale = await shop.opened("s1", {"tea": 4})
    await shop.drain(sale)
    order = (await shop.buy(sale, "ann")).order
    assert order is not None
    await shop.client.delete(key_of(sale, "sale"))
    instance.write()
    assert await onair("rebuild", "--sale", "s1", "--yes") == 0
    assert await shop.store.order(order.id) == order
    assert await onair("reconcile") == 0


async def test_a_sale_that_was_closed_with_its_holds_ends_them_after_a_rebuild_too(
    instance: Instance,
) -> None:
    shop = instance.shop
    sale = await shop.opened("s1", {"tea": 4})
    held = (await shop.buy(sale, "ann")).order
    assert held is not None
    await shop.steer(sale, Steering.CLOSE, cancel_holds=True)
    instance.write()
    assert await onair("rebuild", "--sale", "s1", "--yes", "--force") == 0
    await shop.store.sweep(sale, 10)
    order = await shop.store.order(held.id)
    assert order is not None
    assert order.state is OrderState.CANCELLED


async def test_a_stream_that_nobody_writes_stops_the_rebuild(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(rebuild, "NO_PROGRESS_S", 0.3)
    await a_busy_sale(instance.shop)
    assert await onair("rebuild", "--sale", "s1", "--yes", "--force") == 1
    assert "does a ledger worker run" in capsys.readouterr().err
    view = await instance.shop.store.view(SaleId("s1"))
    assert (view.state, view.at.epoch) == (SaleState.FROZEN, 1)


async def test_a_rebuilt_sale_goes_on_as_it_was_before_it_was_frozen(instance: Instance) -> None:
    shop = instance.shop
    sale = await shop.opened("s1", {"tea": 4})
    await shop.store.steer(sale, Steering.PAUSE, shop.act("the host sneezes"))
    await shop.store.steer(sale, Steering.FREEZE, shop.act("an operator's doubt"))
    instance.write()
    assert await onair("rebuild", "--all", "--yes") == 0
    view = await shop.store.view(sale)
    assert (view.state, view.reason) == (SaleState.PAUSED, "the host sneezes")


async def test_a_store_that_came_back_older_than_the_ledger_is_rebuilt(
    instance: Instance, capsys
) -> None:
    shop = instance.shop
    sale = await shop.opened("s1", {"tea": 4})
    await shop.drain(sale)
    keys = [key async for key in shop.client.scan_iter("{sale:s1}:*")]
    older = {key: await shop.client.dump(key) for key in keys}
    bought = (await shop.buy(sale, "ann")).order
    assert bought is not None
    await shop.drain(sale)
    await shop.client.delete(*[key async for key in shop.client.scan_iter("{sale:s1}:*")])
    for key, value in older.items():
        assert value is not None
        await shop.client.restore(key, 0, value)
    assert await onair("reconcile") == 1
    instance.write()
    assert await onair("rebuild", "--all", "--yes") == 0
    assert "it stands at move" in capsys.readouterr().out
    assert await shop.store.order(bought.id) is not None
    assert await onair("reconcile") == 0


async def test_what_the_ledger_lacks_is_counted_and_named(instance: Instance, capsys) -> None:
    shop = instance.shop
    sale = await shop.opened("s1", {"tea": 9})
    await shop.drain(sale)
    for user in ("ann", "bob", "cat"):
        await shop.buy(sale, user)
    entries = await shop.stream.read(sale, "test-writer", 10)
    await Ledger(shop.database).apply(sale, [entries[0].moves, entries[2].moves])
    await shop.client.flushall()
    lost = entries[1].moves[0]
    instance.write()
    assert await onair("rebuild", "--all", "--yes") == 0
    shown = capsys.readouterr().out
    assert f"MISSING: 1 moves of the last epoch: {lost.seq}" in shown
    assert "The store had nothing left." in shown
    assert lost.order is not None
    assert await shop.store.order(lost.order.id) is None
    assert (await shop.store.view(sale)).items[0].available == 7


async def test_a_ledger_that_cannot_be_right_is_not_put_into_the_store(
    instance: Instance, capsys
) -> None:
    shop = instance.shop
    sale = await shop.opened("s1", {"tea": 1})
    await shop.buy(sale, "ann")
    entries = await shop.stream.read(sale, "test-writer", 10)
    only_the_order = [move for entry in entries for move in entry.moves if move.order]
    await Ledger(shop.database).apply(sale, [only_the_order])
    await shop.client.flushall()
    assert await onair("rebuild", "--all", "--yes") == 1
    assert "tea has 1 units held and 0 sold of 0" in capsys.readouterr().err
    assert not [key async for key in shop.client.scan_iter("{sale:s1}:*")]


async def test_a_rebuild_asks_before_it_replaces_anything(instance: Instance, capsys) -> None:
    shop = instance.shop
    await a_busy_sale(shop)
    assert await onair("rebuild", "--sale", "s1", "--force") == 1
    assert "say --yes" in capsys.readouterr().err
    assert (await shop.store.view(SaleId("s1"))).state is SaleState.OPEN


async def test_without_a_server_a_rebuild_leaves_ledger_and_store_in_agreement(
    instance: Instance,
) -> None:
    await a_busy_sale(instance.shop)
    await instance.stop()
    assert await onair("rebuild", "--all", "--force", "--yes") == 0
    assert await onair("reconcile") == 0


async def test_a_rebuild_that_was_cut_short_is_begun_anew(instance: Instance, capsys) -> None:
    shop = instance.shop
    sale = SaleId("s1")
    orders = await a_busy_sale(shop)
    await shop.drain(sale)
    await shop.client.flushall()
    await shop.records.bump_epoch(sale)
    record = await shop.records.find(sale)
    assert record is not None
    instance.write()
    assert await onair("reconcile") == 1
    await RedisRebuild(shop.client, 1).begin(record.terms)  # and not one order was loaded
    assert await onair("reconcile") == 1
    assert await onair("rebuild", "--all", "--yes") == 0
    assert "rebuilt under epoch 3 (frozen: rebuilding)" in capsys.readouterr().out
    assert await shop.store.order(orders["ann"].id) is not None
    assert await onair("reconcile") == 0


async def test_a_settled_sale_can_be_rebuilt_for_a_late_refund(instance: Instance) -> None:
    shop = instance.shop
    sale = SaleId("s1")
    orders = await a_busy_sale(shop)
    await shop.steer(sale, Steering.CLOSE)
    await shop.drain(sale)
    await shop.records.settle(sale, 1)
    await shop.client.flushall()
    instance.write()
    assert await onair("rebuild", "--sale", "s1", "--yes") == 0
    changed = await shop.store.refund(orders["ann"].id, shop.act(), restock=False)
    assert changed.change == "done"
    assert await onair("reconcile", "--sale", "s1") == 0
    row = await shop.orders.find(orders["ann"].id)
    assert row is not None
    assert row.order.state is OrderState.REFUNDED


async def test_a_draft_or_an_unknown_sale_cannot_be_rebuilt(instance: Instance, capsys) -> None:
    await instance.shop.draft("s1", {"tea": 1})
    assert await onair("rebuild", "--sale", "s1", "--yes") == 1
    assert "arm it instead" in capsys.readouterr().err
    assert await onair("rebuild", "--sale", "s2", "--yes") == 1
    assert "there is no sale s2" in capsys.readouterr().err


# export


def rows_of(path: Path) -> list[dict[str, str]]:
    text = path.read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


async def export_to(directory: Path, *more: str) -> int:
    return await onair("export", "--out", str(directory), *more)


async def test_an_export_holds_every_order_payment_refund_and_move(
    instance: Instance, tmp_path: Path, capsys
) -> None:
    shop = instance.shop
    orders = await a_busy_sale(shop)
    await shop.pay(orders["cat"].id, name="too-late")
    await shop.drain(SaleId("s1"))
    out = tmp_path / "files" / "today"
    assert await export_to(out) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "moves.csv", "orders.csv", "payments.csv", "refunds.csv",
    ]  # fmt: skip
    assert {path.stat().st_mode & 0o777 for path in out.iterdir()} == {0o600}
    by_user = {row["user"]: row for row in rows_of(out / "orders.csv")}
    assert set(by_user) == set(orders)
    ann = by_user["ann"]
    assert (ann["order"], ann["state"], ann["qty"]) == (orders["ann"].id, "paid", "2")
    outcomes = {row["payment"]: row["outcome"] for row in rows_of(out / "payments.csv")}
    assert outcomes["too-late"] == "late"
    assert sorted(outcomes.values()) == ["accepted"] * 3 + ["late"]
    refunds = {row["order"]: row["reason"] for row in rows_of(out / "refunds.csv")}
    assert refunds == {orders["gus"].id: "refunded", orders["cat"].id: "late"}
    moves = rows_of(out / "moves.csv")
    assert [int(row["seq"]) for row in moves] == list(range(1, len(moves) + 1))
    assert {row["kind"] for row in moves} >= {"sale", "stock", "reserved", "queued", "offered"}
    assert f"{out / 'orders.csv'}: 7 rows" in capsys.readouterr().err


async def test_an_export_of_one_sale_holds_no_other(instance: Instance, tmp_path: Path) -> None:
    shop = instance.shop
    for sale in ("s1", "s10"):
        await shop.buy(await shop.opened(sale, {"tea": 1}), "ann")
        await shop.drain(SaleId(sale))
    assert await export_to(tmp_path, "--sale", "s1") == 0
    assert {row["sale"] for row in rows_of(tmp_path / "orders.csv")} == {"s1"}
    assert {row["sale"] for row in rows_of(tmp_path / "moves.csv")} == {"s1"}
    assert await export_to(tmp_path, "--sale", "s2") == 1


async def test_no_cell_of_an_export_is_a_formula(instance: Instance, tmp_path: Path) -> None:
    shop = instance.shop
    sale = await shop.opened("s1", {"tea": 9})
    await shop.buy(sale, '=HYPERLINK("http://x","y")')
    await shop.drain(sale)
    assert await export_to(tmp_path) == 0
    for name, column in (("orders.csv", "user"), ("moves.csv", "user")):
        cell = next(row[column] for row in rows_of(tmp_path / name) if row[column])
        assert cell == '\'=HYPERLINK("http://x","y")'


async def test_an_export_above_its_bound_leaves_no_half_file(
    instance: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setenv("ONAIR_EXPORT_ROWS_MAX", "3")
    await a_busy_sale(instance.shop)
    await instance.shop.drain(SaleId("s1"))
    out = tmp_path / "out"
    assert await export_to(out) == 1
    assert "ONAIR_EXPORT_ROWS_MAX" in capsys.readouterr().err
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("taken", ["file", "below a file"])
async def test_an_export_that_cannot_be_written_says_where(
    instance: Instance, tmp_path: Path, taken: str, capsys
) -> None:
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" if taken == "file" else tmp_path / "file" / "deep"
    assert await export_to(target) == 1
    assert "onair: --out: " in capsys.readouterr().err


def test_nothing_waits_for_an_answer_that_nobody_gives() -> None:
    """The bounds of the commands are named, and finite."""
    bounds: Sequence[float] = (rebuild.NO_PROGRESS_S, reconcile.STANDS_STILL_WITHIN_S)
    assert all(0 < bound <= 60 for bound in bounds)
