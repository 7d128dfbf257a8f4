"""Commissions: the plan of a room, what was earned, and what everybody's accounts come to."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from flash_sale.commission import Plan
from server.api.commission_models import (
    AccountsBody,
    BalanceBody,
    CommissionBody,
    CommissionPage,
    PlanBody,
    PlanRequest,
    StateName,
)
from server.api.coupons import check_whole_shop
from server.api.errors import Refused, documented, unknown_room
from server.api.exports import CsvFile, Lines, begun, bounded, file_answers, pieces
from server.api.fields import PersonInPath, RoomIdInPath
from server.api.guard import KEY_OR_MERCHANT, CallerHere, MerchantRoute, described
from server.api.paging import PAGE_ROWS, Paging, rows
from server.api.services import Services, ServicesHere
from server.csv_rows import BYTE_ORDER_MARK, csv_line, instant
from server.database.account_records import Accounts, Entry
from server.database.commission_records import (
    DAY_MS,
    Commission,
    CommissionRecords,
    EarningState,
)

routes = APIRouter(route_class=MerchantRoute, tags=["coupons"])
STATEMENT_COLUMNS = ("at", "transaction", "kind", "account", "unit", "amount")
_PLACE = re.compile(r"(\d{1,16})~([A-Za-z0-9_.-]{1,96})~(\d)")
ROWS_AT_ONCE = 500


class _Filter(Paging):
    limit: int = Field(PAGE_ROWS, ge=1, description="Rows of a page.")
    after: str = Field("", max_length=128, description="`next` of the page before.")
    room: str = Field("", max_length=64, description="Only of this room.")
    user: str = Field("", max_length=255, description="Only of this user.")
    state: StateName | None = Field(None, description="Only in this state.")


CommissionsWanted = Annotated[_Filter, Query()]


@routes.get(
    "/api/v1/rooms/{id}/commission",
    summary="Get the commission plan of a room",
    operation_id="getCommissionPlan",
    responses=documented(401, 403, 404, 503),
    openapi_extra=described("查询直播间佣金方案", KEY_OR_MERCHANT),
)
async def get_plan(id: RoomIdInPath, caller: CallerHere, services: ServicesHere) -> PlanBody:
    """What the room pays for orders that others bring. Without a plan it pays nothing."""
    caller.check_room(id)
    if await services.rooms.find(id) is None:
        raise unknown_room(id)
    plan = await CommissionRecords(services.database).plan(id)
    return _plan_body(plan or Plan(window_ms=_window_ms(None, services)))


@routes.put(
    "/api/v1/rooms/{id}/commission",
    summary="Set the commission plan of a room",
    operation_id="setCommissionPlan",
    responses=documented(400, 401, 403, 404, 413, 415, 503),
    openapi_extra=described("设置直播间佣金方案", KEY_OR_MERCHANT),
)
async def set_plan(
    id: RoomIdInPath, body: PlanRequest, caller: CallerHere, services: ServicesHere
) -> PlanBody:
    """Holds for orders that are paid from now on; those that are paid keep theirs. Two levels are
    all there are.
    """
    caller.check_room(id)
    plan = Plan(body.level1_bp, body.level2_bp, _window_ms(body.window_days, services))
    await CommissionRecords(services.database).set_plan(id, plan, services.now_ms())
    return _plan_body(plan)


@routes.get(
    "/api/v1/commissions",
    summary="List commissions",
    operation_id="listCommissions",
    responses=documented(400, 401, 403, 503),
    openapi_extra=described("佣金列表", KEY_OR_MERCHANT),
)
async def list_commissions(
    wanted: CommissionsWanted, caller: CallerHere, services: ServicesHere
) -> CommissionPage:
    """The newest first, a page at a time. With a merchant's token those of the rooms that it
    holds.
    """
    limit = rows(wanted, services)
    among = None if caller.every_room else caller.identity.rooms
    if wanted.room:
        caller.check_room(wanted.room)
        among = frozenset({wanted.room})
    found = await CommissionRecords(services.database).page(
        _after(wanted.after),
        limit + 1,
        rooms=among,
        user=wanted.user,
        state=EarningState(wanted.state) if wanted.state else None,
    )
    page = found[:limit]
    return CommissionPage(
        commissions=[commission_body(one) for one in page],
        next=_place(page[-1]) if len(found) > limit else None,
    )


@routes.get(
    "/api/v1/accounts/{id}",
    summary="Get a person's accounts",
    operation_id="getAccounts",
    responses=documented(401, 403, 503),
    openapi_extra=described("查询用户账户", KEY_OR_MERCHANT),
)
async def get_accounts(
    id: PersonInPath, caller: CallerHere, services: ServicesHere
) -> AccountsBody:
    """Points, and money that is pending or available: the sums of what was posted. Needs the API
    key, or a merchant's token for every room.
    """
    check_whole_shop(caller)
    found = await Accounts(services.database).of_user(id)
    balances = [
        BalanceBody.model_validate(
            {"account": one.account.rpartition(":")[2], "unit": one.unit, "balance": one.amount}
        )
        for one in found
    ]
    return AccountsBody(user=id, balances=balances)


@routes.get(
    "/api/v1/statements/{id}.csv",
    summary="A person's statement as CSV",
    operation_id="exportStatement",
    response_class=CsvFile,
    responses=file_answers(
        "text/csv",
        "UTF-8 with a byte order mark; a row per posting.",
        401,
        403,
        413,
        503,
    ),
    openapi_extra=described("导出用户对账单", KEY_OR_MERCHANT),
)
async def export_statement(
    id: PersonInPath, caller: CallerHere, services: ServicesHere
) -> StreamingResponse:
    """Every posting of a person's accounts, by transaction; the amounts of an account and unit add
    up to its balance. Needs the API key, or a merchant's token for every room.
    """
    check_whole_shop(caller)
    lines = await begun(bounded(_statement(id, services), services))
    headers = {"Content-Disposition": 'attachment; filename="statement.csv"'}
    return CsvFile(lines, headers=headers)


async def _statement(user: str, services: Services) -> Lines:
    yield BYTE_ORDER_MARK + csv_line(STATEMENT_COLUMNS)
    accounts = Accounts(services.database)

    async def read(after: Entry | None) -> list[Entry]:
        return await accounts.entries(user, after, ROWS_AT_ONCE)

    async for one in pieces(read, lambda entry: entry):
        account = one.account.rpartition(":")[2]
        values = (instant(one.at_ms), one.transaction, one.kind, account, one.unit, one.amount)
        yield csv_line(values)


def commission_body(one: Commission) -> CommissionBody:
    return CommissionBody(
        order=one.order,
        level=one.level,
        room=one.room,
        user=one.user,
        base_minor=one.base_minor,
        amount_minor=one.amount_minor,
        currency=one.currency,
        state=one.state.value,
        accrued_at_ms=one.accrued_at_ms,
        release_at_ms=one.release_at_ms,
        changed_at_ms=one.changed_at_ms,
    )


def _window_ms(days: int | None, services: Services) -> int:
    usual = services.settings.limits.commission_window_days
    return (usual if days is None else days) * DAY_MS


def _plan_body(plan: Plan) -> PlanBody:
    return PlanBody(
        level1_bp=plan.level1_bp,
        level2_bp=plan.level2_bp,
        window_days=plan.window_ms // DAY_MS,
    )


def _place(one: Commission) -> str:
    return f"{one.accrued_at_ms}~{one.order}~{one.level}"


def _after(text: str) -> tuple[int, str, int] | None:
    if not text:
        return None
    found = _PLACE.fullmatch(text)
    if found is None:
        raise Refused(400, "is not `next` of a page", "after")
    at_ms, order, level = found.groups()
    return int(at_ms), order, int(level)
