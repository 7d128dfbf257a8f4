"""Orders with a price of their own, as the operator's commands see them: rebuilt and compared."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from flash_sale.catalog import SkuId
from flash_sale.model import Decision, Line, Outcome, PaymentOutcome, Purchase, SaleId, order_id_of
from server.database.engine import sqlite_url
from server.database.sale_tables import order_lines, orders
from server.supervisor import DATABASE_NAME
from tests.support.shop import PRICE_MINOR, Shop
from tests.support.sql import open_engine
from tests.support.tools_stage import Instance, onair

pytest_plugins = ["tests.support.tools_fixtures"]

NOTE = '{"price":[{"coupon":"c1","minor":40,"why":"满减"}],"source":{"channel":"qr"}}'


async def priced(shop: Shop, sale: SaleId, user: str, **changes: object) -> Decision:
    """Two teas with a markup and a mug; coupons take 40 off."""
    purchase = Purchase(
        order_id_of(sale, user, "r1"),
        user,
        "r1",
        (Line(SkuId("tea"), 2, 30), Line(SkuId("mug"), 1)),
        name=f"{user[0]}*",
        discount_minor=40,
        coupons=("c1", "c2"),
        note=NOTE,
    )
    changed = replace(purchase, **changes)  # type: ignore[arg-type]
    return (await shop.store.reserve(sale, [changed])).decisions[0]


async def a_sale_with_prices(shop: Shop) -> SaleId:
    """ann holds, bob has paid, cat waits; all by coupons and through somebody's link."""
    sale = await shop.opened("s1", {"tea": 4, "mug": 3}, per_user_max=9)
    ann, bob = await priced(shop, sale, "ann"), await priced(shop, sale, "bob")
    cat = await priced(shop, sale, "cat", lines=(Line(SkuId("tea"), 1, 30),), waitlist=True)
    assert [one.outcome for one in (ann, bob, cat)] == ["reserved", "reserved", "queued"]
    assert bob.order is not None
    wrong = await shop.pay(bob.order.id, 3 * PRICE_MINOR, name="wrong")
    right = await shop.pay(bob.order.id, 3 * PRICE_MINOR + 2 * 30 - 40)
    assert [wrong.outcome, right.outcome] == [PaymentOutcome.MISMATCH, PaymentOutcome.ACCEPTED]
    return sale


async def test_a_rebuild_from_the_ledger_brings_prices_coupons_and_notes_back_whole(
    instance: Instance,
) -> None:
    shop = instance.shop
    sale = await a_sale_with_prices(shop)
    await shop.drain(sale)
    before, _ = await shop.store.orders(sale, 0, 100)
    ann = await priced(shop, sale, "ann")
    await shop.client.flushall()
    instance.write()
    assert await onair("rebuild", "--sale", "s1", "--yes") == 0
    after, _ = await shop.store.orders(sale, 0, 100)
    assert {one.id: one for one in after} == {one.id: one for one in before}
    assert {(one.discount_minor, one.coupons, one.note) for one in after} == {
        (40, ("c1", "c2"), NOTE)
    }
    assert await onair("reconcile") == 0
    assert await priced(shop, sale, "ann", note="") == ann
    other = await priced(shop, sale, "ann", coupons=("c1",))
    assert other.outcome is Outcome.REUSED


@pytest.mark.parametrize(
    ("table", "changes", "named"),
    [
        (orders, {"discount_minor": 41}, "discount_minor 40 and 41"),
        (orders, {"coupons": "c1"}, "coupons ('c1', 'c2') and ('c1',)"),
        (orders, {"note": ""}, "note '{"),
        (order_lines, {"markup_minor": 1}, "lines "),
    ],
)
async def test_reconcile_names_a_price_that_differs(
    instance: Instance, table: sa.Table, changes: Mapping[str, object], named: str, capsys
) -> None:
    shop = instance.shop
    sale = await a_sale_with_prices(shop)
    await shop.drain(sale)
    engine = open_engine(sqlite_url(instance.data_dir / DATABASE_NAME))
    with engine.begin() as connection:
        connection.execute(sa.update(table).values(**changes))
    engine.dispose()
    assert await onair("reconcile") == 1
    assert f"store and ledger have {named}" in capsys.readouterr().out


async def test_the_file_of_orders_has_their_prices(instance: Instance, tmp_path: Path) -> None:
    sale = await a_sale_with_prices(instance.shop)
    await instance.shop.drain(sale)
    assert await onair("export", "--out", str(tmp_path / "files")) == 0
    with (tmp_path / "files" / "orders.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        assert (row["discount_minor"], row["coupons"], row["note"]) == ("40", "c1 c2", NOTE)
    marked_up = {row["sku"]: row["markup_minor"] for row in rows}
    assert marked_up == {"tea": "30", "mug": "0"}
    for order in {row["order"] for row in rows}:
        of_order = [row for row in rows if row["order"] == order]
        lines_minor = sum(int(row["line_amount_minor"]) for row in of_order)
        assert int(of_order[0]["order_amount_minor"]) == lines_minor - 40
