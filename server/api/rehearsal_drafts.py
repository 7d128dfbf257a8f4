"""A plan to begin with: what a sale of the shop sells, for as many people as its room has had."""

from __future__ import annotations

import math
from typing import Any, Final

from flash_sale.model import Item
from server.api.rehearsal_plan import BUYERS_MAX, PlanBody, PlanPromise
from server.database.audience_records import Audience
from server.database.sale_words import SaleRecord

SKU_CHARS_MAX: Final = 48
UNITS_MAX: Final = 1_000_000
PER_USER_MAX: Final = 1_000


def plan_of(record: SaleRecord, title: str, audience: Audience) -> PlanBody:
    """A plan that the API takes. Where nobody has come yet, the amounts are those of any plan."""
    items = [_item(place, item) for place, item in enumerate(record.terms.items, 1)]
    plan: dict[str, Any] = {"title": title, "items": items}
    promise = _promise(audience) if audience.at_once else {}
    units = sum(item["stock"] for item in items)
    if units * PlanPromise().buyers_per_unit > BUYERS_MAX:
        promise["buyers_per_unit"] = BUYERS_MAX / units
    if promise:
        plan["promise"] = promise
    return PlanBody.model_validate(plan)


def _item(place: int, item: Item) -> dict[str, Any]:
    sku = str(item.sku)
    if len(sku) > SKU_CHARS_MAX:  # the generator makes longer ids of it
        sku = f"{sku[: SKU_CHARS_MAX - 3]}-{place}"
    return {
        "sku": sku,
        "title": item.title,
        "stock": min(max(item.stock, 1), UNITS_MAX),
        "price_minor": max(item.price_minor, 1),
        "per_user_max": min(item.per_user_max, PER_USER_MAX),
    }


def _promise(audience: Audience) -> dict[str, Any]:
    viewers = min(_rounded_up(audience.at_once), 200_000)
    return {
        "viewers": viewers,
        "comments_per_s": _rate(audience.comments_per_s * viewers, 5_000),
        "likes_per_s": _rate(audience.likes_per_s * viewers, 50_000),
        "shares_per_s": _rate(audience.shares_per_s * viewers, 1_000),
    }


def _rate(per_s: float, most: float) -> float:
    return round(min(per_s, most), 2)


def _rounded_up(people: int) -> int:
    """To two digits: what has been is no promise of what comes."""
    step = int(10 ** max(0, len(str(people)) - 2))
    return math.ceil(people / step) * step
