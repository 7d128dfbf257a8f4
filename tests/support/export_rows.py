"""A row of a room in every table that an export takes, and those that they hang on."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from server.database import (
    account_tables,
    coupon_tables,
    ladder_tables,
    sale_tables,
    share_tables,
    tables,
    visit_tables,
)
from server.database.engine import Database

AT_MS = 1_800_000_000_000
DEVICE = "device-0123456789"
CODE = "7KQ2-M9XD-4TRA"
Rows = list[tuple[sa.Table, dict[str, Any]]]


async def fill(database: Database, *rooms: str) -> None:
    """Give each room its rows; the ids of all of them end in the room's."""

    def work(connection: sa.Connection) -> None:
        for room in rooms:
            for table, row in [*_shop(room), *_sharing(room), *_ladder(room), *_money(room)]:
                connection.execute(sa.insert(table), row)

    await database.run(work)


def _shop(room: str) -> Rows:
    product, sku, user = f"product-{room}", f"sku-{room}", f"user-{room}"
    price = {"title": "Tea", "price_minor": 900}
    sale = {
        "id": f"sale-{room}", "room_id": room, "currency": "CNY", "state": "open", "epoch": 1,
        "seq": 1, "moves": 1, "state_seq": 1, "hold_ms": 1, "offer_ms": 1, "reason": "",
        "created_at_ms": AT_MS,
    }  # fmt: skip
    item = {
        "sale_id": f"sale-{room}", "sku": sku, "position": 0, "product_id": product, "stock": 5,
        "per_user_max": 1, **price,
    }  # fmt: skip
    moved = {
        "sale_id": f"sale-{room}", "epoch": 1, "seq": 1, "sku": sku, "delta": 5, "at_ms": AT_MS,
        "kind": "put_on_sale", "actor": "api", "reason": "",
    }  # fmt: skip
    return [
        (tables.products, {"id": product, "currency": "CNY", "image_url": "", **price}),
        (tables.product_skus, {"product_id": product, "sku": sku, "position": 0, **price}),
        (
            tables.rooms,
            {
                "id": room, "title": room, "stream_url": "", "state": "live", "slow_seconds": 0,
                "version": 0,
            },
        ),
        (tables.shelf_items, {"room_id": room, "position": 0, "product_id": product}),
        (
            tables.sanctions,
            {"room_id": room, "user_id": user, "kind": "mute", "until_ms": None, "reason": "spam"},
        ),
        (sale_tables.sales, sale),
        (sale_tables.sale_items, item),
        (sale_tables.stock_moves, moved),
    ]  # fmt: skip


def _sharing(room: str) -> Rows:
    visit, link, user = f"visit-{room}", f"link-{room}", f"user-{room}"
    counts = ("cards_seen", "cards_opened", "skus_picked", "checkouts", "orders", "comments")
    zeros = dict.fromkeys((*counts, "likes", "shares", "visible_ms"), 0)
    named = {"channel": "sms", "campaign": "", "staff": ""}
    origin = {"net": "203.0.113.0/24", "agent": "0011223344556677", "app": "", "explaining": ""}
    return [
        (
            share_tables.share_links,
            {
                "id": link, "room_id": room, "inviter": "ann", "inviter_name": "a*", **named,
                "target_kind": "room", "target_id": "", "at_ms": None, "markups": '{"tea": 5}',
                "created_at_ms": AT_MS,
            },
        ),
        (
            share_tables.touches,
            {
                "visit": visit, "device": DEVICE, "inviter": "ann", "link": link, "app": "",
                "at_ms": AT_MS, "person": user,
            },
        ),
        (
            share_tables.bindings,
            {
                "user_id": user, "number": 1, "inviter": "ann", "link": link, "visit": visit,
                "app": "", "bound_at_ms": AT_MS, "until_ms": AT_MS + 1,
            },
        ),
        (
            visit_tables.visit_pieces,
            {
                "visit_id": visit, "key": "p1", "room_id": room, "received_at_ms": AT_MS,
                "device": DEVICE, "user_id": user, "guest": False, **origin,
                "source": '{"channel": "sms"}', "events": f'[["enter", {AT_MS}, {{}}]]',
            },
        ),
        (
            visit_tables.visits,
            {
                "id": visit, "room_id": room, **named, "inviter": "ann", "link": link,
                "device": DEVICE, "user_id": user, "person": user, "entered_at_ms": AT_MS,
                "last_at_ms": AT_MS, "actions": 0, "faults": 0, **zeros, "gone": True, **origin,
                "showing": False, "signal_at_ms": AT_MS,
            },
        ),
        (
            visit_tables.visit_counters,
            {"room_id": room, "day": 20_833, **named, "visits": 1, "members": 1, **zeros},
        ),
    ]  # fmt: skip


def _ladder(room: str) -> Rows:
    ladder, user = {"ladder_id": f"ladder-{room}"}, f"user-{room}"
    return [
        (
            ladder_tables.ladders,
            {
                "id": f"ladder-{room}", "room_id": room, "title": "Friends", "currency": "CNY",
                "state": "ended", "budget_minor": 100, "taken_minor": 0, "starts_at_ms": AT_MS,
                "ends_at_ms": 2**53, "thresholds": '{"stay_ms": 60000}', "newcomer_batch": "",
                "newcomer_stock": 0, "newcomer_left": 0, "newcomer_cost_minor": 0,
                "created_at_ms": AT_MS,
            },
        ),
        (
            ladder_tables.ladder_tiers,
            {
                **ladder, "number": 1, "needs": 1, "kind": "voucher", "title": "Mug", "stock": 1,
                "left_units": 0, "opened": 0, "cost_minor": 100, "points": 0, "coupon_batch": "",
                "pool_minor": 0,
            },
        ),
        (
            ladder_tables.ladder_shares,
            {**ladder, "tier": 1, "number": 1, "amount_minor": 7, "returned": False},
        ),
        (
            ladder_tables.arrivals,
            {
                **ladder, "visit_id": f"visit-{room}", "room_id": room, "inviter": "ann",
                "link": f"link-{room}", "channel": "sms", "app": "", "user_id": user,
                "person": user, "device": DEVICE, "net": "203.0.113.0/24", "agent": "00",
                "entered_at_ms": AT_MS, "last_at_ms": AT_MS, "visible_ms": 61_000, "actions": 1,
                "faults": 0, "verdict": "valid", "judged_at_ms": AT_MS, "rewarded": "inviter",
            },
        ),
        (
            ladder_tables.ladder_members,
            {
                **ladder, "user_id": "ann", "name": "Ann", "valid": 1, "reached_at_ms": AT_MS,
                "lot": "00", "changes": 1, "told": True,
            },
        ),
        (
            ladder_tables.ladder_grants,
            {
                **ladder, "id": f"grant-{room}", "room_id": room, "user_id": "ann", "tier": 1,
                "kind": "voucher", "title": "Mug", "state": "granted", "why": "", "points": 0,
                "coupon": "", "code": f"{CODE[:-1]}{room[0]}", "value_minor": 0,
                "currency": "CNY", "at_ms": AT_MS, "request_id": "", "told": True,
            },
        ),
        (
            ladder_tables.ladder_rankings,
            {
                **ladder, "rank": 1, "user_id": "ann", "name": "Ann", "valid": 1,
                "reached_at_ms": AT_MS,
            },
        ),
    ]  # fmt: skip


def _money(room: str) -> Rows:
    order = {"order_id": f"sale-{room}.1"}
    sold, user = {"room_id": room, "sale_id": f"sale-{room}"}, f"user-{room}"
    levels = {"level1_bp": 1_000, "level2_bp": 0}
    return [
        (
            coupon_tables.coupon_batches,
            {
                "id": f"batch-{room}", "title": "5 off", "kind": "amount", "currency": "CNY",
                "amount_minor": 500, "percent_bp": 0, "cap_minor": 0, "threshold_minor": 0,
                "scope": '{"skus": []}', "per_user_max": 1, "stack": "alone", "issue_max": 1,
                "issued": 1, "created_at_ms": AT_MS,
            },
        ),
        (
            coupon_tables.coupons,
            {
                "id": f"coupon-{room}", "batch_id": f"batch-{room}", "user_id": user,
                "state": "held", "cause": f"cause-{room}", "granted_at_ms": AT_MS, **order,
            },
        ),
        (
            coupon_tables.coupon_claims,
            {
                **order, "sale_id": f"sale-{room}", "user_id": user, "request_id": "=1+1",
                "ask": "{}", "discount_minor": 500, "rules": "[]", "state": "held",
                "claimed_at_ms": AT_MS, "changed_at_ms": AT_MS,
            },
        ),
        (
            coupon_tables.coupon_claim_parts,
            {**order, "coupon_id": f"coupon-{room}", "batch_id": f"batch-{room}", "minor": 500},
        ),
        (
            account_tables.order_sources,
            {
                **order, **sold, "visit": f"visit-{room}", "channel": "sms", "campaign": "",
                "staff": "", "inviter": "ann", "link": f"link-{room}", "at_ms": AT_MS,
            },
        ),
        (
            account_tables.commission_plans,
            {"room_id": room, **levels, "window_days": 0, "changed_at_ms": AT_MS},
        ),
        (
            account_tables.commission_due,
            {
                **order, "room_id": room, "buyer": user, "currency": "CNY", "base_minor": 400,
                "markup_minor": 0, "sharer": "", **levels, "window_ms": 0,
                "placed_at_ms": AT_MS, "paid_at_ms": AT_MS, "state": "decided",
            },
        ),
        (
            account_tables.commissions,
            {
                **order, "level": 1, "room_id": room, "user_id": "ann", "base_minor": 400,
                "amount_minor": 40, "currency": "CNY", "state": "available",
                "accrued_at_ms": AT_MS, "release_at_ms": AT_MS, "changed_at_ms": AT_MS,
            },
        ),
        (
            account_tables.transactions,
            {"id": f"accrue.{room}", "kind": "commission", "at_ms": AT_MS},
        ),
        *(
            (
                account_tables.postings,
                {
                    "transaction_id": f"accrue.{room}", "account": account, "unit": "CNY",
                    "amount": amount,
                },
            )
            for account, amount in (("shop:commission", -40), ("user:ann:available", 40))
        ),
    ]  # fmt: skip
