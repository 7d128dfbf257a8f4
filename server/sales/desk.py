"""The desk where buyers order and pay and staff steer: one per web worker.

Everything it raises is a `server.replies.Refused`. 503 means that nothing is known of what was
asked: asking again with the same ids is safe and gets the first answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flash_sale.catalog import SkuId
from flash_sale.model import (
    Act,
    Line,
    OrderId,
    Paid,
    Payment,
    SaleId,
    SaleView,
    Steering,
)
from flash_sale.store import Sales, Stock
from server.settings import Limits

if TYPE_CHECKING:
    from server.database.order_records import OrderRecords
    from server.database.sale_records import SaleRecords


class SalesDesk:
    """Orders are JSON objects (`server.sale_json.order_json`), sales too (`sale_json`)."""

    def __init__(
        self,
        stock: Stock,
        sales: Sales,
        records: SaleRecords,
        orders: OrderRecords,
        limits: Limits,
    ) -> None:
        self._stock = stock
        self._sales = sales
        self._records = records
        self._orders = orders
        self._limits = limits

    # buyers

    async def place(
        self,
        sale_id: str,
        *,
        user: str,
        name: str,
        lines: Sequence[Line],
        request_id: str,
        waitlist: bool = False,
    ) -> bytes:
        """Order; the answer is JSON: `{"outcome": ..., "order"?: {...}, "sku"?: ...}`.

        The same request gets the same bytes again, from every worker: `order` is as it was first
        answered. Business answers (sold out, too late, ...) are outcomes, not errors. 400 or 413
        for lines that make no sense, 404 for an unknown sale or sku, 409 when the request id
        belongs to another request, 503 when the store or a bound stands in the way.
        """
        raise NotImplementedError

    async def pay(self, payment: Payment) -> Paid:
        """Take a payment that a provider confirms; 404 when there is no such order.

        Every other outcome is recorded, and owed back unless it is ACCEPTED.
        """
        raise NotImplementedError

    async def cancel(self, order_id: str, *, user: str | None, reason: str) -> dict[str, Any]:
        """Give up a hold or a place in the waitlist; the order as it is then.

        `user` None: staff, for anybody. 404 for another's order, 409 if it is paid or over.
        """
        raise NotImplementedError

    async def order(self, order_id: str, *, user: str | None) -> dict[str, Any]:
        """One order as it is now; with its user and payment for staff (`user` None). 404."""
        raise NotImplementedError

    async def of_user(self, user: str) -> list[dict[str, Any]]:
        """A buyer's orders of all sales, newest first, at most `orders_listed_max`."""
        raise NotImplementedError

    # staff

    async def refund(self, order_id: str, act: Act, *, restock: bool) -> dict[str, Any]:
        """Pay a paid order back; its units return to stock or are written off. 404, 409."""
        raise NotImplementedError

    async def arm(
        self,
        sale_id: str,
        act: Act,
        *,
        on_sale: Mapping[SkuId, int] | None = None,
        starts_at_ms: int | None = None,
        countdown_seconds: int | None = None,
    ) -> dict[str, Any]:
        """Put a draft into the store; the sale's JSON.

        `on_sale` may hold back units of the allocation (absent skus: all of them). With
        `starts_at_ms` or a countdown it opens by itself. 404, 409, 422.
        """
        raise NotImplementedError

    async def steer(
        self,
        sale_id: str,
        steering: Steering,
        act: Act,
        *,
        countdown_seconds: int = 0,
        units: Mapping[SkuId, int] | None = None,
        allocate: bool = False,
        ends_at_ms: int | None = None,
        cancel_holds: bool = False,
    ) -> dict[str, Any]:
        """Open, pause, resume, close or restock; the sale's JSON. 404, 409, 422.

        `allocate`: a merchant may restock beyond what was allocated.
        """
        raise NotImplementedError

    async def view(self, sale_id: str) -> SaleView:
        """The counters of a sale in the store at one instant; 404 when it is not there."""
        raise NotImplementedError


def order_sale(order_id: str) -> SaleId:
    """The sale that an order belongs to; error 404 when this is no order's id."""
    from flash_sale.model import sale_of
    from server.replies import unknown

    try:
        return sale_of(OrderId(order_id))
    except ValueError:
        raise unknown("order", order_id) from None
