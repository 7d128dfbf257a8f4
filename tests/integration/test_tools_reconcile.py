"""Reconcile as an operator calls it, beside a running instance and alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from flash_sale.adapters.script import key_of
from flash_sale.adapters.wire import tail_of
from flash_sale.model import SaleId, Steering
from server.instance_lock import InstanceLock
from server.tools import rebuild, reconcile
from tests.support.tools_stage import Instance, a_busy_sale, onair

pytest_plugins = ["tests.support.tools_fixtures"]


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


def test_nothing_waits_for_an_answer_that_nobody_gives() -> None:
    """The bounds of the commands are named, and finite."""
    bounds: Sequence[float] = (rebuild.NO_PROGRESS_S, reconcile.STANDS_STILL_WITHIN_S)
    assert all(0 < bound <= 60 for bound in bounds)
