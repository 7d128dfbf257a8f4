"""From a link to a commission, with a coupon on the way: real workers and a real ledger worker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from flash_sale.commission import Plan
from flash_sale.pricing import CouponKind, CouponTerms
from server.database.commission_records import CommissionRecords
from server.database.coupon_records import Batch, CouponRecords
from server.database.source_records import By, SourceRecords
from tests.support.ledger_app import LedgerApp
from tests.support.sale_rpc import Estate, Stage
from tests.support.shop import PRICE_MINOR
from tests.support.wait import wait_until
from tests.support.ws_client import WireClient

pytest_plugins = ["tests.support.sale_rpc_fixtures"]
WITHIN_S = 60


@pytest.fixture(scope="module")
def ledger(estate: Estate) -> Iterator[LedgerApp]:
    app = LedgerApp(estate.directory, estate.redis_url, estate.database_url)
    app.start()
    yield app
    app.end()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def becomes(client: WireClient, method: str, wanted: Any, description: str) -> Any:
    """What a procedure answers once it is what is wanted."""
    last: list[Any] = []

    async def is_so() -> bool:
        last.append(await client.rpc(method, {}))
        return bool(wanted(last[-1]))

    await wait_until(is_so, WITHIN_S, description)
    return last[-1]


async def test_whoever_brought_a_buyer_earns_and_the_buyers_coupon_is_spent(
    ledger: LedgerApp, stage: Stage
) -> None:
    await stage.open_sale(tea=5)
    await CommissionRecords(stage.shop.database).set_plan(stage.room, Plan(1_000), 1)
    coupons = CouponRecords(stage.shop.database)
    terms = CouponTerms("story", "One off", CouponKind.AMOUNT, "CNY", amount_minor=100)
    await coupons.create(Batch(terms, issue_max=1))
    coupon = await coupons.grant("story", "ann", "story", now_ms())
    async with await stage.entered("bob") as bob, await stage.entered("ann", worker=1) as ann:
        made = await bob.rpc("share.create", {"room": stage.room, "channel": "sms"})
        event = {"t": "enter", "at_ms": now_ms(), "share": made["code"]}
        page = {"room": stage.room, "visit": "visit-of-ann-0001", "device": "device-of-ann-01"}
        await ann.rpc("visit.track", {**page, "seq": 1, "events": [event]})
        asked = {**stage.purchase(), "coupons": [coupon]}
        order = (await ann.rpc("order.place", asked))["order"]
        assert order["amount_minor"] == PRICE_MINOR - 100
        await ann.rpc("order.pay", {"order": order["id"]})
        spent = await becomes(
            ann,
            "coupon.list",
            lambda told: told["coupons"][0]["state"] == "spent",
            "the coupon is spent",
        )
        assert spent["coupons"][0]["order"] == order["id"]
        earned = await becomes(
            bob, "earnings.list", lambda told: told["commissions"], "bob has earned"
        )
        (one,) = earned["commissions"]
        assert (one["level"], one["amount_minor"]) == (1, (PRICE_MINOR - 100) // 10)
        available = {"account": "available", "unit": "CNY", "minor": one["amount_minor"]}
        await becomes(
            bob,
            "earnings.list",
            lambda told: available in told["accounts"],
            "without a window it is available",
        )
    report = await SourceRecords(stage.shop.database).report(By.CHANNEL, rooms=[stage.room])
    (source,) = [one for one in report.sources if one.orders]
    assert (source.name, source.visits, source.paid_minor) == ("sms", 1, PRICE_MINOR - 100)
    assert not ledger.errors
