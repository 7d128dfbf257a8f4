"""Export as an operator calls it."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import pytest

from flash_sale.model import SaleId
from server.database.exported_tables import EXPORTED
from tests.support.tools_stage import Instance, a_busy_sale, onair

pytest_plugins = ["tests.support.tools_fixtures"]

OF_A_SALE = {"orders.csv", "payments.csv", "refunds.csv", "moves.csv"}


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
    assert {path.name for path in out.iterdir()} == OF_A_SALE | {one.file for one in EXPORTED}
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
    assert {name for name in os.listdir(tmp_path) if name.endswith(".csv")} == OF_A_SALE
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
