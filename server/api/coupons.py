"""Coupons as the shop makes, grants and counts them. They are the whole shop's, not one room's."""

from __future__ import annotations

import secrets
from dataclasses import replace
from hashlib import blake2b

from fastapi import APIRouter, Response

from flash_sale.pricing import CouponKind, CouponTerms, Scope
from server.api.coupon_models import (
    BatchBody,
    BatchPage,
    BatchRequest,
    GrantBody,
    GrantRequest,
    ScopeBody,
)
from server.api.errors import Refused, documented
from server.api.fields import BatchIdInPath
from server.api.guard import KEY_OR_MERCHANT, Caller, CallerHere, MerchantRoute, described
from server.api.paging import ById, rows
from server.api.sale_answers import check_request_id
from server.api.services import ServicesHere
from server.database.coupon_records import Batch, BatchUse, CouponRecords
from server.database.errors import DuplicateId, UnknownBatch

routes = APIRouter(route_class=MerchantRoute, tags=["coupons"])


@routes.post(
    "/api/v1/coupon-batches",
    status_code=201,
    summary="Make a batch of coupons",
    operation_id="createCouponBatch",
    responses=documented(400, 401, 403, 409, 413, 415, 503, same=BatchBody),
    openapi_extra=described("创建优惠券批次", KEY_OR_MERCHANT),
)
async def create_batch(
    body: BatchRequest, response: Response, caller: CallerHere, services: ServicesHere
) -> BatchBody:
    """A batch never changes. Sending the same one again answers 200 and changes nothing; the same
    id with another content is a 409. Needs the API key, or a merchant's token for every room.
    """
    check_whole_shop(caller)
    records = CouponRecords(services.database)
    batch = _batch(body, services.now_ms())
    try:
        await records.create(batch)
    except DuplicateId:
        known = await records.find(batch.terms.id)
        if known is None or _content(known.batch) != _content(batch):
            raise Refused(409, f"there is another batch {batch.terms.id!r}", "id") from None
        response.status_code = 200
        return _body(known)
    return _body(BatchUse(batch, held=0, spent=0, cost_minor=0))


@routes.get(
    "/api/v1/coupon-batches",
    summary="List batches of coupons",
    operation_id="listCouponBatches",
    responses=documented(400, 401, 403, 503),
    openapi_extra=described("优惠券批次列表", KEY_OR_MERCHANT),
)
async def list_batches(wanted: ById, caller: CallerHere, services: ServicesHere) -> BatchPage:
    """By id, a page at a time, each with what became of it."""
    check_whole_shop(caller)
    limit = rows(wanted, services)
    found = await CouponRecords(services.database).page(wanted.after, limit + 1)
    page = found[:limit]
    return BatchPage(
        batches=[_body(one) for one in page],
        next=page[-1].batch.terms.id if len(found) > limit else None,
    )


@routes.get(
    "/api/v1/coupon-batches/{id}",
    summary="Get a batch of coupons",
    operation_id="getCouponBatch",
    responses=documented(401, 403, 404, 503),
    openapi_extra=described("查询优惠券批次", KEY_OR_MERCHANT),
)
async def get_batch(id: BatchIdInPath, caller: CallerHere, services: ServicesHere) -> BatchBody:
    """What the batch says, how many were granted, held and spent, and what they have cost."""
    check_whole_shop(caller)
    found = await CouponRecords(services.database).find(id)
    if found is None:
        raise _unknown(id)
    return _body(found)


@routes.post(
    "/api/v1/coupon-batches/{id}/grant",
    summary="Grant a coupon",
    operation_id="grantCoupon",
    responses=documented(400, 401, 403, 404, 409, 413, 415, 503),
    openapi_extra=described("发放优惠券", KEY_OR_MERCHANT),
)
async def grant_coupon(
    id: BatchIdInPath, body: GrantRequest, caller: CallerHere, services: ServicesHere
) -> GrantBody:
    """Gives one person a coupon; the same `request_id` gives one, however often it is sent. 409
    when none is left, the person has had as many as one may, or the batch is over.
    """
    check_whole_shop(caller)
    check_request_id(body.request_id, services)
    text = f"{id}\x1f{body.user}\x1f{body.request_id}".encode()
    cause = f"api:{blake2b(text, digest_size=16).hexdigest()}"
    try:
        coupon = await CouponRecords(services.database).grant(
            id, body.user, cause, services.now_ms()
        )
    except UnknownBatch:
        raise _unknown(id) from None
    if coupon is None:
        raise Refused(409, "no coupon of this batch is left for this person", "user")
    return GrantBody(coupon=coupon)


def check_whole_shop(caller: Caller) -> None:
    """403 unless the caller holds every room: what is asked for is not one room's."""
    if not caller.every_room:
        raise Refused(403, "a merchant's token for every room is needed")


def _unknown(batch: str) -> Refused:
    return Refused(404, f"there is no batch {batch!r}", "id")


def _batch(body: BatchRequest, now_ms: int) -> Batch:
    scope = {name: frozenset(ids) for name, ids in body.scope.model_dump().items()}
    terms = CouponTerms(
        id=body.id or secrets.token_urlsafe(9),
        title=body.title,
        kind=CouponKind(body.kind),
        currency=body.currency,
        amount_minor=body.amount_minor,
        percent_bp=body.percent_bp,
        cap_minor=body.cap_minor,
        threshold_minor=body.threshold_minor,
        scope=Scope(**scope),
        starts_at_ms=body.starts_at_ms,
        ends_at_ms=body.ends_at_ms,
        stack=body.stack,
    )
    return Batch(
        terms=terms,
        issue_max=body.issue_max,
        per_user_max=body.per_user_max,
        valid_days=body.valid_days,
        created_at_ms=now_ms,
    )


def _content(batch: Batch) -> Batch:
    return replace(batch, issued=0, created_at_ms=0)


def _body(use: BatchUse) -> BatchBody:
    batch, terms = use.batch, use.batch.terms
    scope = {
        name: sorted(getattr(terms.scope, name)) for name in ("skus", "products", "sales", "rooms")
    }
    return BatchBody(
        id=terms.id,
        title=terms.title,
        kind=terms.kind.value,
        currency=terms.currency,
        amount_minor=terms.amount_minor,
        percent_bp=terms.percent_bp,
        cap_minor=terms.cap_minor,
        threshold_minor=terms.threshold_minor,
        scope=ScopeBody(**scope),
        starts_at_ms=terms.starts_at_ms,
        ends_at_ms=terms.ends_at_ms,
        valid_days=batch.valid_days,
        per_user_max=batch.per_user_max,
        stack=terms.stack,
        issue_max=batch.issue_max,
        issued=batch.issued,
        held=use.held,
        spent=use.spent,
        cost_minor=use.cost_minor,
        created_at_ms=batch.created_at_ms,
    )
