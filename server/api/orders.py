"""Orders: placed by back ends for their customers, read, cancelled and refunded by merchants."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from flash_sale.catalog import SkuId
from flash_sale.model import Line, OrderId, OrderState, sale_of
from server.api.errors import Refused, documented
from server.api.fields import OrderIdInPath
from server.api.guard import (
    KEY,
    KEY_OR_MERCHANT,
    Caller,
    CallerHere,
    KeyRoute,
    MerchantRoute,
    described,
)
from server.api.order_models import (
    CancelRequest,
    OrderBody,
    OrderDetail,
    OrderPage,
    OrderStateName,
    PlaceAnswer,
    PlaceRequest,
    RefundRequest,
)
from server.api.paging import PAGE_ROWS, Paging, rows
from server.api.reserved import refuse_reserved
from server.api.sale_answers import act_of, check_request_id, find_sale
from server.api.services import Services, ServicesHere
from server.database.order_refunds import refunds_of_order
from server.database.sale_words import PaymentRow, Refund, SaleRecord
from server.sale_json import order_json
from server.sharing.notes import API_VISIT
from server.sharing.till import Basket

key_routes = APIRouter(route_class=KeyRoute, tags=["orders"])
routes = APIRouter(route_class=MerchantRoute, tags=["orders"])


class _Filter(Paging):
    limit: int = Field(PAGE_ROWS, ge=1, description="Rows of a page.")
    after: str = Field("", max_length=128, description="`next` of the page before.")
    sale: str = Field("", max_length=64, description="Only of this sale.")
    room: str = Field("", max_length=64, description="Only of this room.")
    user: str = Field("", max_length=255, description="Only of this user.")
    state: OrderStateName | None = Field(None, description="Only in this state.")


OrdersWanted = Annotated[_Filter, Query()]


@key_routes.post(
    "/api/v1/orders",
    summary="Place an order",
    operation_id="placeOrder",
    response_model=PlaceAnswer,
    responses=documented(400, 401, 404, 409, 413, 415, 422, 503),
    openapi_extra=described("下单", KEY),
)
async def place_order(body: PlaceRequest, services: ServicesHere) -> Response:
    """All lines or nothing, decided at once. `reserved` holds the units until `expires_at_ms`;
    every other outcome is an answer, not an error. The same request gets the same answer, byte
    for byte; the same `request_id` with another request is a 409.
    """
    refuse_reserved(services, user=body.user)
    check_request_id(body.request_id, services)
    wanted = Basket(body.sale, tuple(_lines(body)), tuple(body.coupons or ()), body.share or "")
    answer = await services.till.place(
        wanted,
        user=body.user,
        name=body.name,
        request_id=body.request_id,
        waitlist=body.waitlist,
        visit=API_VISIT,
    )
    return Response(answer, media_type="application/json")


@routes.get(
    "/api/v1/orders",
    summary="List orders",
    operation_id="listOrders",
    responses=documented(400, 401, 403, 503),
    response_model_exclude_unset=True,
    openapi_extra=described("订单列表", KEY_OR_MERCHANT),
)
async def list_orders(
    wanted: OrdersWanted, caller: CallerHere, services: ServicesHere
) -> OrderPage:
    """The newest orders first, a page at a time, as the ledger has them: it follows what is
    decided by moments. With a merchant's token those of the rooms that it holds.
    """
    limit = rows(wanted, services)
    if wanted.room:
        caller.check_room(wanted.room)
    found = await services.orders.page(
        wanted.after or None,
        limit + 1,
        sale=wanted.sale or None,
        room=wanted.room or None,
        user=wanted.user or None,
        state=OrderState(wanted.state) if wanted.state else None,
        among=None if caller.every_room else caller.identity.rooms,
    )
    page = found[:limit]
    told = [order_json(row.order, row.room, row.currency, for_staff=True) for row in page]
    return OrderPage(
        orders=[OrderBody.model_validate(order) for order in told],
        next=page[-1].order.id if len(found) > limit else None,
    )


@routes.get(
    "/api/v1/orders/{id}",
    summary="Get an order",
    operation_id="getOrder",
    responses=documented(401, 403, 404, 503),
    response_model_exclude_unset=True,
    openapi_extra=described("查询订单", KEY_OR_MERCHANT),
)
async def get_order(id: OrderIdInPath, caller: CallerHere, services: ServicesHere) -> OrderDetail:
    """One order as it is now, with every payment and refund that the ledger has for it."""
    await _sale_of(id, caller, services)
    told = await services.desk.order(id, user=None)
    payments = [_payment(row) for row in await services.orders.payments(id)]
    refunds = [_refund(row) for row in await refunds_of_order(services.database, id)]
    return OrderDetail.model_validate(told | {"payments": payments, "refunds": refunds})


@routes.post(
    "/api/v1/orders/{id}/refund",
    summary="Refund an order",
    operation_id="refundOrder",
    responses=documented(400, 401, 403, 404, 409, 413, 415, 503),
    response_model_exclude_unset=True,
    openapi_extra=described("退款", KEY_OR_MERCHANT),
)
async def refund_order(
    id: OrderIdInPath, body: RefundRequest, caller: CallerHere, services: ServicesHere
) -> OrderBody:
    """A paid order's money goes back by the payment provider. With `restock` its units go to
    those who wait, then back on sale; without they are written off.
    """
    record = await _sale_of(id, caller, services)
    act = act_of(f"refund.{id}", body.request_id, body.reason, record, caller, services)
    return OrderBody.model_validate(await services.desk.refund(id, act, restock=body.restock))


@routes.post(
    "/api/v1/orders/{id}/cancel",
    summary="Cancel an order",
    operation_id="cancelOrder",
    responses=documented(400, 401, 403, 404, 409, 413, 415, 503),
    response_model_exclude_unset=True,
    openapi_extra=described("取消订单", KEY_OR_MERCHANT),
)
async def cancel_order(
    id: OrderIdInPath, body: CancelRequest, caller: CallerHere, services: ServicesHere
) -> OrderBody:
    """Ends a hold that is not paid, or a place in the waitlist. Cancelled already: the order as
    it is. What is paid can be refunded instead.
    """
    record = await _sale_of(id, caller, services)
    act = act_of("cancel", body.request_id, body.reason, record, caller, services)
    told = await services.desk.cancel(id, user=None, reason=act.reason)
    return OrderBody.model_validate(told)


async def _sale_of(order_id: str, caller: Caller, services: Services) -> SaleRecord:
    """The sale of an order that the caller manages; 404 if there is none."""
    unknown = Refused(404, f"there is no order {order_id!r}", "id")
    try:
        return await find_sale(sale_of(OrderId(order_id)), caller, services)
    except ValueError:
        raise unknown from None
    except Refused as refused:
        raise unknown if refused.status == 404 else refused from None


def _lines(body: PlaceRequest) -> list[Line]:
    """What is asked for: one sku, or a basket."""
    if body.items is None:
        if body.sku is None:
            raise Refused(400, "send sku and qty, or items", "sku")
        return [Line(SkuId(body.sku), body.qty)]
    if body.sku is not None or "qty" in body.model_fields_set:
        raise Refused(400, "send items, or sku and qty, not both", "items")
    for number, line in enumerate(body.items):
        if any(line.sku == other.sku for other in body.items[:number]):
            raise Refused(400, f"{line.sku!r} is given twice", f"items.{number}.sku")
    return [Line(SkuId(line.sku), line.qty) for line in body.items]


def _payment(row: PaymentRow) -> dict[str, Any]:
    payment = row.payment
    return {
        "id": payment.id,
        "provider": payment.provider,
        "amount_minor": payment.amount_minor,
        "currency": payment.currency,
        "outcome": row.outcome.value,
        "at_ms": row.at_ms,
    }


def _refund(row: Refund) -> dict[str, Any]:
    return {
        "id": row.id,
        "payment": row.payment_id,
        "amount_minor": row.amount_minor,
        "currency": row.currency,
        "reason": row.reason,
        "state": row.state,
        "attempts": row.attempts,
        "last_error": row.last_error,
        "created_at_ms": row.created_at_ms,
        "done_at_ms": row.done_at_ms,
    }
