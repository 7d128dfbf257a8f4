"""Flash sales as merchants prepare them, and their books for whoever must believe them."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from flash_sale.catalog import SkuId, is_id
from flash_sale.errors import SaleStoreUnavailable
from flash_sale.model import SaleId, SaleState, SaleView
from server.api.errors import Refused, documented
from server.api.fields import SaleIdInPath
from server.api.guard import (
    KEY_OR_MERCHANT,
    KEY_OR_STAFF,
    CallerHere,
    MerchantRoute,
    StaffRoute,
    described,
)
from server.api.paging import PagingById, rows
from server.api.reserved import refuse_reserved
from server.api.sale_answers import find_sale, shown, unknown_sale
from server.api.sale_drafts import changes_of, draft_of, same_terms
from server.api.sale_models import (
    Books,
    BooksAnswer,
    LedgerBooksBody,
    SaleBody,
    SaleChange,
    SalePage,
    SaleRequest,
    SaleStateName,
    StoreBooks,
)
from server.api.services import Services, ServicesHere
from server.database.errors import DuplicateId, NotADraft, UnknownRoom
from server.database.sale_words import LedgerBooks, SaleRecord
from server.sale_cards import view_of_ledger
from server.sale_json import books_json

routes = APIRouter(route_class=MerchantRoute, tags=["sales"])
staff_routes = APIRouter(route_class=StaffRoute, tags=["sales"])


class _Filter(PagingById):
    room: str = Field("", max_length=64, description="Only of this room.")
    state: SaleStateName | None = Field(None, description="Only in this state.")


SalesWanted = Annotated[_Filter, Query()]


@routes.post(
    "/api/v1/sales",
    status_code=201,
    summary="Prepare a sale",
    operation_id="createSale",
    responses=documented(400, 401, 403, 404, 409, 413, 415, 503, same=SaleBody),
    openapi_extra=described("创建秒杀", KEY_OR_MERCHANT),
)
async def create_sale(
    body: SaleRequest, response: Response, caller: CallerHere, services: ServicesHere
) -> SaleBody:
    """A new sale is a draft: nobody sees it until it is armed. Sending the same sale again
    answers 200 and changes nothing; the same id with another content is a 409.
    """
    refuse_reserved(services, id=body.id)
    caller.check_room(body.room)
    draft = await draft_of(body, services)
    try:
        return await shown(await services.sales.create(draft), services)
    except UnknownRoom as error:
        raise Refused(404, f"there is no room {body.room!r}", "room") from error
    except DuplicateId as error:
        there = await services.sales.find(draft.id)
        if there is not None and caller.manages(there.terms.room) and same_terms(draft, there):
            response.status_code = 200
            return await shown(there, services)
        raise Refused(409, f"{draft.id!r} exists and is different", "id") from error


@staff_routes.get(
    "/api/v1/sales",
    summary="List sales",
    operation_id="listSales",
    responses=documented(400, 401, 403, 503),
    openapi_extra=described("秒杀列表", KEY_OR_STAFF),
)
async def list_sales(wanted: SalesWanted, caller: CallerHere, services: ServicesHere) -> SalePage:
    """The sales by id, a page at a time, as they are now, drafts too; with a token those of the
    rooms that it holds.
    """
    limit = rows(wanted, services)
    if wanted.after and not is_id(wanted.after):
        raise Refused(400, "is not the `next` of a page", "after")
    if wanted.room and not caller.hosts(wanted.room):
        raise Refused(403, f"this token is not for room {wanted.room!r}")
    found = await services.sales.page(
        wanted.after or None,
        limit + 1,
        wanted.room or None,
        among=None if caller.every_room else caller.identity.rooms,
        state=SaleState(wanted.state) if wanted.state else None,
    )
    page = found[:limit]
    return SalePage(
        sales=await asyncio.gather(*(shown(record, services) for record in page)),
        next=page[-1].terms.id if len(found) > limit else None,
    )


@staff_routes.get(
    "/api/v1/sales/{id}",
    summary="Get a sale",
    operation_id="getSale",
    responses=documented(401, 403, 404, 503),
    openapi_extra=described("查询秒杀", KEY_OR_STAFF),
)
async def get_sale(id: SaleIdInPath, caller: CallerHere, services: ServicesHere) -> SaleBody:
    """One sale as it is now. While the store of running sales is away it is as the ledger has
    it, and `source` says so.
    """
    return await shown(await find_sale(id, caller, services, staff=True), services)


@routes.patch(
    "/api/v1/sales/{id}",
    summary="Change a draft",
    operation_id="changeSale",
    responses=documented(400, 401, 403, 404, 409, 413, 415, 503),
    openapi_extra=described("修改秒杀草稿", KEY_OR_MERCHANT),
)
async def change_sale(
    id: SaleIdInPath, body: SaleChange, caller: CallerHere, services: ServicesHere
) -> SaleBody:
    """Only a draft can be changed; fields that are not sent stay as they are. `items` take the
    place of the whole list.
    """
    record = await find_sale(id, caller, services)
    if not body.model_fields_set:
        raise Refused(400, f"send {', '.join(SaleChange.model_fields)}", "body")
    if record.state is not SaleState.DRAFT:
        raise _armed(id)
    changes = await changes_of(body, record, services)
    try:
        return await shown(await services.sales.update(id, changes), services)
    except NotADraft as error:
        raise _armed(id) from error


@routes.get(
    "/api/v1/sales/{id}/books",
    summary="Compare the books of a sale",
    operation_id="getBooks",
    responses=documented(401, 403, 404, 503),
    openapi_extra=described("核对秒杀账目", KEY_OR_MERCHANT),
)
async def get_books(id: SaleIdInPath, caller: CallerHere, services: ServicesHere) -> BooksAnswer:
    """The counters that purchases are decided by, beside those counted anew from the ledger, and
    whether they agree. They are compared only when nothing is on its way to the ledger.
    """
    record = await find_sale(id, caller, services)
    try:
        audit = await services.auditor.audit(SaleId(id))
    except SaleStoreUnavailable:
        ledger = await services.orders.books(id)
        return _books(record, None, ledger, None, None, "the store cannot be reached", services)
    if audit is None:
        raise unknown_sale(id)
    return _books(
        record, audit.view, dict(audit.ledger), audit.lag, audit.agree, audit.why, services
    )


def _armed(sale_id: str) -> Refused:
    return Refused(409, f"{sale_id!r} is not a draft any more: its terms stand", "id")


def _books(
    record: SaleRecord,
    view: SaleView | None,
    ledger: dict[SkuId, LedgerBooks],
    lag: int | None,
    agree: bool | None,
    why: str,
    services: Services,
) -> BooksAnswer:
    store = (
        None
        if view is None
        else StoreBooks(
            at_ms=view.at.now_ms,
            state=view.state.value,
            items=[Books.model_validate(books_json(books)) for books in view.items],
        )
    )
    counted = view_of_ledger(record, ledger).items
    return BooksAnswer(
        sale=record.terms.id,
        at_ms=services.now_ms(),
        redis=store,
        ledger=LedgerBooksBody(items=[Books.model_validate(books_json(one)) for one in counted]),
        lag=lag,
        agree=agree,
        why=why,
    )
