"""What buyers see of their coupons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flash_sale.pricing import CouponTerms
from server import rpc_requests as ask
from server.database.coupon_records import CouponRecords, OwnCoupon
from server.replies import sign_in_first
from server.rpc import Result, Rpc
from server.sales.answers import faults
from server.settings import Limits
from server.viewer import Viewer


class Coupons:
    """`coupon.list`: those that can be used first, then the newest."""

    def __init__(self, records: CouponRecords, limits: Limits, now_ms: Callable[[], int]) -> None:
        self._records = records
        self._limits = limits
        self._now_ms = now_ms

    def procedures(self) -> dict[str, Rpc]:
        return {"coupon.list": Rpc(ask.Nothing, self._list)}

    async def _list(self, viewer: Viewer, request: ask.Nothing) -> Result:
        if viewer.identity.is_anonymous:
            raise sign_in_first("see coupons")
        most = self._limits.coupons_per_user_max
        with faults():
            mine = await self._records.of_user(viewer.user_id, self._now_ms(), most)
        return {"coupons": [coupon_json(one) for one in mine]}


def coupon_json(own: OwnCoupon) -> dict[str, Any]:
    """A coupon as its owner and the API get it."""
    value = {
        "id": own.coupon.id,
        "state": own.state.value,
        "granted_at_ms": own.granted_at_ms,
        "expires_at_ms": own.coupon.expires_at_ms,
        **terms_json(own.coupon.terms),
    }
    if own.order is not None:
        value["order"] = own.order
    return value


def terms_json(terms: CouponTerms) -> dict[str, Any]:
    """What a coupon says; `scope` has only what bounds it."""
    scope = {
        name: sorted(ids)
        for name in ("skus", "products", "sales", "rooms")
        if (ids := getattr(terms.scope, name))
    }
    return {
        "batch": terms.id,
        "title": terms.title,
        "kind": terms.kind.value,
        "currency": terms.currency,
        "amount_minor": terms.amount_minor,
        "percent_bp": terms.percent_bp,
        "cap_minor": terms.cap_minor,
        "threshold_minor": terms.threshold_minor,
        "scope": scope,
        "starts_at_ms": terms.starts_at_ms,
        "ends_at_ms": terms.ends_at_ms,
        "stack": terms.stack,
    }
