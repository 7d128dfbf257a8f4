"""The demo's coupons to grant at the merchant's desk, and what its room pays for orders."""

from __future__ import annotations

import time

from flash_sale.commission import Plan
from flash_sale.pricing import CouponKind, CouponTerms
from server.database.commission_records import DAY_MS, CommissionRecords
from server.database.coupon_records import Batch, CouponRecords
from server.database.engine import Database
from server.database.errors import DuplicateId, UnknownRoom

BATCHES = (
    Batch(
        CouponTerms(
            "demo-welcome",
            "满 50 减 8 · 8 off 50",
            CouponKind.THRESHOLD,
            "CNY",
            amount_minor=800,
            threshold_minor=5_000,
            stack="welcome",
        ),
        issue_max=1_000,
        per_user_max=3,
        valid_days=7,
    ),
    Batch(
        CouponTerms(
            "demo-fans",
            "粉丝 9 折 · 10 % off for fans",
            CouponKind.PERCENT,
            "CNY",
            percent_bp=1_000,
            cap_minor=2_000,
            stack="fans",
        ),
        issue_max=1_000,
        per_user_max=3,
        valid_days=7,
    ),
)
PLAN = Plan(level1_bp=1_000, window_ms=7 * DAY_MS)


async def open_money(database: Database, room: str) -> None:
    """Make the batches, and the room's commission plan, where they are not there yet."""
    coupons, commissions = CouponRecords(database), CommissionRecords(database)
    now_ms = time.time_ns() // 1_000_000
    for batch in BATCHES:
        if await coupons.find(batch.terms.id) is None:
            try:
                await coupons.create(batch)
            except DuplicateId:  # another machine seeds the same database
                continue
    if await commissions.plan(room) is None:
        try:
            await commissions.set_plan(room, PLAN, now_ms)
        except UnknownRoom:  # it is gone
            return
