"""What a merchant prepares before the big day, done in the shadow shop by its ordinary API.

Products, a room that is live, its shelf, a ladder whose first reward is a coupon, and the sale:
armed, so that it opens by itself at T0 with what the host does not bring later.
"""

from __future__ import annotations

from typing import Any, Final

from loadtest.rehearsal import schedule
from loadtest.rehearsal.http import Api
from loadtest.rehearsal.plan import Plan

CURRENCY: Final = "CNY"
EXTRA_PRODUCTS: Final = 2  # beside those of the sale, so that the host has something else to show
EXTRA_PRICE_MINOR: Final = 9_900
COUPON_MINOR: Final = 100
COUPONS: Final = 10_000
INVITED: Final = 2  # arrivals for the coupon
STAY_MS: Final = 3_000
RUNS_MS: Final = 86_400_000
OFTEN: Final = 1_000_000  # everybody comes from one address here; that is no farm


def sale_of(run: str) -> str:
    """The id of the sale that a run is about."""
    return f"{run}-sale"


def stage(shop: Api, plan: Plan, room: str, sale: str, t0_ms: int) -> list[str]:
    """Prepare everything; the sale opens at `t0_ms` of the server's clock. Raises `ApiError`.

    Returns the ids of the products on the shelf, those of the sale first.
    """
    products = _products(shop, plan)
    shop.call("POST", "/api/v1/rooms", {"id": room, "title": plan.title})
    shop.call("PATCH", f"/api/v1/rooms/{room}", {"state": "live"})
    shop.call("PUT", f"/api/v1/rooms/{room}/shelf", {"products": products})
    _ladder(shop, room, t0_ms)
    hold_s = plan.phases.hold_s
    terms = {"id": sale, "room": room, "hold_seconds": hold_s, "items": items_of(plan)}
    shop.call("POST", "/api/v1/sales", terms | {"starts_at_ms": t0_ms})
    shop.call("POST", f"/api/v1/sales/{sale}/arm", {"on_sale": schedule.on_sale(plan)})
    return products


def items_of(plan: Plan) -> list[dict[str, Any]]:
    """The items of the plan as the API takes them."""
    return [
        {
            "sku": item.sku,
            "stock": item.stock,
            "price_minor": item.price_minor,
            "per_user_max": item.per_user_max,
        }
        for item in plan.items
    ]


def open_sale(
    shop: Api, sale: str, room: str, sku: str, stock: int, per_user_max: int, hold_s: int
) -> None:
    """Another sale of one item, open at once. Raises `ApiError`."""
    item = {"sku": sku, "stock": stock, "per_user_max": per_user_max}
    terms = {"id": sale, "room": room, "hold_seconds": hold_s, "items": [item]}
    shop.call("POST", "/api/v1/sales", terms)
    shop.call("POST", f"/api/v1/sales/{sale}/arm", {})
    shop.call("POST", f"/api/v1/sales/{sale}/open", {})


def _products(shop: Api, plan: Plan) -> list[str]:
    wanted = [(item.sku, item.title, item.price_minor) for item in plan.items]
    known = {item.sku for item in plan.items}
    extras = (f"next-{number}" for number in range(1, EXTRA_PRODUCTS + 1))
    wanted += [(name, name, EXTRA_PRICE_MINOR) for name in extras if name not in known]
    for name, title, price_minor in wanted:
        terms = {"id": name, "title": title, "price_minor": price_minor, "currency": CURRENCY}
        shop.call("POST", "/api/v1/products", terms)
    return [name for name, _title, _price in wanted]


def _ladder(shop: Api, room: str, t0_ms: int) -> None:
    """A ladder that is published, so that whoever shares is counted and rewarded."""
    batch, ladder = f"{room}-coupon", f"{room}-friends"
    coupon = {"id": batch, "title": "Friends", "kind": "amount", "currency": CURRENCY}
    shop.call(
        "POST",
        "/api/v1/coupon-batches",
        coupon | {"amount_minor": COUPON_MINOR, "issue_max": COUPONS},
    )
    tier = {"needs": INVITED, "kind": "coupon", "title": "Coupon", "stock": COUPONS}
    thresholds = {
        "stay_ms": STAY_MS,
        "actions": 0,
        "settle_ms": 1_000,
        "persons_per_device_max": OFTEN,
        "arrivals_per_net_max": OFTEN,
        "arrivals_per_agent_max": OFTEN,
        "own_browser_max": OFTEN,
    }
    terms = {
        "id": ladder,
        "room": room,
        "title": "Friends",
        "currency": CURRENCY,
        "budget_minor": COUPON_MINOR * COUPONS,
        "ends_at_ms": t0_ms + RUNS_MS,
        "tiers": [tier | {"cost_minor": COUPON_MINOR, "coupon_batch": batch}],
        "thresholds": thresholds,
    }
    shop.call("POST", "/api/v1/ladders", terms)
    shop.call("POST", f"/api/v1/ladders/{ladder}/publish", {})
