"""What staff do to a sale on air. Each act may carry a `request_id`, and then takes effect once."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from flash_sale.catalog import SkuId
from flash_sale.model import SaleState, Steering
from server.api.errors import Refused, documented
from server.api.fields import SaleIdInPath
from server.api.guard import KEY_OR_STAFF, Caller, CallerHere, StaffRoute, described
from server.api.sale_answers import act_of, find_sale, sale_body
from server.api.sale_models import (
    ArmRequest,
    CloseRequest,
    OpenRequest,
    RestockRequest,
    SaleBody,
    SteerRequest,
)
from server.api.services import Services, ServicesHere

routes = APIRouter(route_class=StaffRoute, tags=["sales"])
STEERED = documented(400, 401, 403, 404, 409, 413, 415, 422, 503)


@routes.post(
    "/api/v1/sales/{id}/arm",
    summary="Arm a sale",
    operation_id="armSale",
    responses=STEERED,
    openapi_extra=described("准备开售", KEY_OR_STAFF),
)
async def arm_sale(
    id: SaleIdInPath, body: ArmRequest, caller: CallerHere, services: ServicesHere
) -> SaleBody:
    """From here on the terms stand and the room shows the sale. It waits for the host's word, or
    opens by itself at its time.
    """
    if body.starts_at_ms is not None and body.countdown_seconds is not None:
        raise Refused(400, "send this or starts_at_ms, not both", "countdown_seconds")
    record = await find_sale(id, caller, services, staff=True)
    _check_countdown(body.countdown_seconds or 0, services)
    act = act_of("arm", body.request_id, "", record, caller, services)
    on_sale = {SkuId(sku): units for sku, units in body.on_sale.items()}
    told = await services.desk.arm(
        id,
        act,
        on_sale=on_sale or None,
        starts_at_ms=body.starts_at_ms,
        countdown_seconds=body.countdown_seconds,
    )
    return sale_body(told, record, "store")


@routes.post(
    "/api/v1/sales/{id}/open",
    summary="Open a sale",
    operation_id="openSale",
    responses=STEERED,
    openapi_extra=described("开售", KEY_OR_STAFF),
)
async def open_sale(
    id: SaleIdInPath, body: OpenRequest, caller: CallerHere, services: ServicesHere
) -> SaleBody:
    """An armed sale opens at once, or after a countdown that every viewer sees."""
    _check_countdown(body.countdown_seconds, services)
    return await _steer(
        id, Steering.OPEN, body, caller, services, countdown_seconds=body.countdown_seconds
    )


@routes.post(
    "/api/v1/sales/{id}/pause",
    summary="Pause a sale",
    operation_id="pauseSale",
    responses=STEERED,
    openapi_extra=described("暂停秒杀", KEY_OR_STAFF),
)
async def pause_sale(
    id: SaleIdInPath, body: SteerRequest, caller: CallerHere, services: ServicesHere
) -> SaleBody:
    """No orders are taken until it is resumed; holds can be paid."""
    return await _steer(id, Steering.PAUSE, body, caller, services)


@routes.post(
    "/api/v1/sales/{id}/resume",
    summary="Resume a sale",
    operation_id="resumeSale",
    responses=STEERED,
    openapi_extra=described("恢复秒杀", KEY_OR_STAFF),
)
async def resume_sale(
    id: SaleIdInPath, body: SteerRequest, caller: CallerHere, services: ServicesHere
) -> SaleBody:
    """A paused sale takes orders again."""
    return await _steer(id, Steering.RESUME, body, caller, services)


@routes.post(
    "/api/v1/sales/{id}/close",
    summary="Close a sale",
    operation_id="closeSale",
    responses=STEERED,
    openapi_extra=described("结束秒杀", KEY_OR_STAFF),
)
async def close_sale(
    id: SaleIdInPath, body: CloseRequest, caller: CallerHere, services: ServicesHere
) -> SaleBody:
    """The end: no more orders, the waitlist is dismissed. Holds can still be paid until their
    deadline, unless `cancel_holds` ends them too.
    """
    return await _steer(id, Steering.CLOSE, body, caller, services, cancel_holds=body.cancel_holds)


@routes.post(
    "/api/v1/sales/{id}/restock",
    summary="Restock a sale",
    operation_id="restockSale",
    responses=STEERED,
    openapi_extra=described("补货", KEY_OR_STAFF),
)
async def restock_sale(
    id: SaleIdInPath, body: RestockRequest, caller: CallerHere, services: ServicesHere
) -> SaleBody:
    """Adds units of one sku; those who wait come first. A host stays within what the merchant
    allocated (422), a merchant may go beyond.
    """
    units = {SkuId(body.sku): body.units}
    return await _steer(id, Steering.RESTOCK, body, caller, services, units=units)


async def _steer(
    sale_id: str,
    steering: Steering,
    body: OpenRequest | SteerRequest | RestockRequest,
    caller: Caller,
    services: Services,
    **how: Any,
) -> SaleBody:
    record = await find_sale(sale_id, caller, services, staff=True)
    reason = "" if isinstance(body, OpenRequest) else body.reason
    if record.state is SaleState.DRAFT:
        raise Refused(409, f"{sale_id!r} is a draft: arm it first", "id")
    act = act_of(steering, body.request_id, reason, record, caller, services)
    if steering is Steering.RESTOCK:
        how["allocate"] = caller.manages(record.terms.room)
    return sale_body(await services.desk.steer(sale_id, steering, act, **how), record, "store")


def _check_countdown(seconds: int, services: Services) -> None:
    most = services.settings.limits.countdown_seconds_max
    if seconds > most:
        raise Refused(400, f"must be at most {most}", "countdown_seconds")
