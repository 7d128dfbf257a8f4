"""Rebuild as an operator calls it, beside a running instance and alone."""

from __future__ import annotations

import asyncio

import pytest

from flash_sale.adapters.redis_rebuild import RedisRebuild
from flash_sale.adapters.script import key_of
from flash_sale.adapters.wire import EPOCH_MAX
from flash_sale.model import OrderState, Outcome, SaleId, SaleState, Steering
from server.database.ledger_records import Ledger
from server.tools import rebuild
from tests.support.tools_stage import Instance, a_busy_sale, onair
from tests.support.wait import wait_until

pytest_plugins = ["tests.support.tools_fixtures"]


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


async def test_the_last_epoch_of_a_sale_is_not_followed_by_another(
    instance: Instance, capsys
) -> None:
    shop = instance.shop
    sale = await shop.opened("s1", {"tea": 1, "mug": 1}, per_user_max=2)
    await shop.buy(sale, "ann")
    await shop.drain(sale)
    await shop.client.flushall()
    instance.write()
    while await shop.records.bump_epoch(sale) < EPOCH_MAX - 1:
        pass
    assert await onair("rebuild", "--sale", "s1", "--yes") == 0
    assert (await shop.store.view(sale)).at.epoch == EPOCH_MAX
    assert (await shop.buy(sale, "bob", waitlist=True)).outcome is Outcome.QUEUED
    assert (await shop.buy(sale, "cat", "mug")).outcome is Outcome.RESERVED
    before = await shop.store.view(sale)
    assert {item.sku: item.waiting for item in before.items} == {"tea": 1, "mug": 0}
    assert await onair("rebuild", "--sale", "s1", "--yes", "--force") == 1
    assert "(EPOCH_MAX 255): it was rebuilt too often" in capsys.readouterr().err
    after = await shop.store.view(sale)
    assert (after.state, after.at.seq) == (before.state, before.at.seq), "it was left as it is"


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
