"""What ledger workers say of themselves, and how it is shown to Prometheus and in /readyz."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from flash_sale.catalog import SkuId
from flash_sale.model import SaleId, SkuBooks
from server.database.engine import Database
from server.database.records import Ledger
from server.endings import end_tasks
from server.ledger.metrics import BEHIND_AFTER_MS, LedgerCollector, state_of
from server.ledger.report import (
    LIFE_MS,
    Audits,
    LedgerReport,
    Reporter,
    SaleReport,
    newest_of_sales,
    publish,
    read_reports,
)
from server.redis_client import Client
from tests.support.ledger_stage import NOW_MS, WITHIN_S, buy_many, running, writer_of
from tests.support.shop import Shop
from tests.support.wait import wait_until

pytest_plugins = ["tests.support.databases"]

TEA = SkuBooks(SkuId("tea"), 10, 4, 5, 1, 0, 0, 10, 2, 500, 3)
REPORT = LedgerReport(
    consumer="ledger-1",
    at_ms=NOW_MS,
    set_aside=2,
    refunds_due=3,
    waiting_for="",
    sales={SaleId("s1"): SaleReport(7, 250)},
)


def audited(agree: bool | None) -> LedgerReport:
    audits = Audits()
    audits.audited(SaleId("s1"), agree, [TEA], "" if agree else "tea sold: store 1, ledger 0")
    return replace(REPORT, sales={SaleId("s1"): audits.of(SaleId("s1"), 7, 250)})


def shown(*reports: LedgerReport) -> set[str]:
    """The samples that Prometheus gets, one line each."""
    registry = CollectorRegistry()
    registry.register(LedgerCollector(reports, ["ledger-1", "ledger-2"]))
    lines = generate_latest(registry).decode().splitlines()
    return {line for line in lines if not line.startswith("#")}


async def test_a_report_is_read_as_it_was_published_and_lapses(redis_client: Client) -> None:
    report = audited(False)
    await publish(redis_client, report)
    assert await read_reports(redis_client, ["ledger-1", "ledger-2"]) == [report]
    assert 0 < await redis_client.pttl("onair:ledger:ledger-1") <= LIFE_MS


async def test_a_worker_reports_what_its_writer_has_and_has_not_written(
    redis_client: Client, database: Database
) -> None:
    shop = Shop(redis_client, database)
    await shop.furnish()
    sale = await shop.opened("s1", {"tea": 50})
    writer, ledger = writer_of(shop), Ledger(database)
    await ledger.set_aside("s1", "1-1", b"?", "why", NOW_MS)
    reporter = Reporter(
        redis_client, shop.stream, writer, ledger, Audits(), "ledger-1", now_ms=lambda: NOW_MS
    )
    reporting = [asyncio.create_task(work) for work in (reporter.run(), reporter.count())]

    async def says(lag: int) -> bool:
        reports = await read_reports(redis_client, ["ledger-1"])
        known = [one for one in reports if sale in one.sales and one.set_aside == 1]
        return bool(known) and known[0].sales[sale].lag == lag

    async with running(writer):
        await wait_until(lambda: says(0), WITHIN_S, "it reports a sale without lag")
    await buy_many(shop, sale, 1)
    await wait_until(lambda: says(1), WITHIN_S, "it reports what the writer left")
    await end_tasks(reporting)


def test_metrics_show_lag_alarms_units_and_agreement() -> None:
    assert shown(audited(True)) == {
        'onair_ledger_up{consumer="ledger-1"} 1.0',
        'onair_ledger_up{consumer="ledger-2"} 0.0',
        "onair_ledger_set_aside 2.0",
        "onair_refunds_due 3.0",
        'onair_ledger_lag_entries{sale="s1"} 7.0',
        'onair_ledger_oldest_ms{sale="s1"} 250.0',
        'onair_sale_books_agree{sale="s1"} 1.0',
        'onair_sale_units{sale="s1",sku="tea",state="available"} 4.0',
        'onair_sale_units{sale="s1",sku="tea",state="reserved"} 5.0',
        'onair_sale_units{sale="s1",sku="tea",state="sold"} 1.0',
        'onair_sale_units{sale="s1",sku="tea",state="waiting"} 2.0',
    }
    assert 'onair_sale_books_agree{sale="s1"} 0.0' in shown(audited(False))


def test_what_was_not_compared_or_not_reported_is_absent_and_not_zero() -> None:
    assert not [line for line in shown(audited(None)) if "agree" in line]
    assert shown() == {
        'onair_ledger_up{consumer="ledger-1"} 0.0',
        'onair_ledger_up{consumer="ledger-2"} 0.0',
    }


@pytest.mark.parametrize("later", ["ledger-1", "ledger-2"])
def test_of_two_workers_the_newest_lag_is_taken_and_the_books_of_the_one_that_compares(
    later: str,
) -> None:
    keeper = audited(True)
    other = replace(REPORT, consumer="ledger-2", sales={SaleId("s1"): SaleReport(9, 400)})
    reports = [replace(one, at_ms=NOW_MS + (one.consumer == later)) for one in (keeper, other)]
    (merged,) = newest_of_sales(reports).values()
    assert merged.lag == (7 if later == "ledger-1" else 9)
    assert merged.oldest_ms == 400
    assert merged.agree
    assert merged.units == keeper.sales[SaleId("s1")].units


def test_readiness_says_whether_the_ledger_follows() -> None:
    assert state_of([]).startswith("down")
    assert state_of([REPORT]) == "ok"
    assert state_of([replace(REPORT, waiting_for="locked")]) == "behind: locked"
    old = replace(REPORT, sales={SaleId("s1"): SaleReport(7, BEHIND_AFTER_MS + 1)})
    assert state_of([old]).startswith("behind: an entry has waited")


def test_sales_that_run_no_longer_are_forgotten() -> None:
    audits = Audits()
    for sale in ("s1", "s2"):
        audits.audited(SaleId(sale), True, [TEA])
    audits.keep_only([SaleId("s2")])
    assert audits.of(SaleId("s1"), 0, 0) == SaleReport(0, 0)
    assert audits.of(SaleId("s2"), 0, 0).agree
