"""Everything a merchant has, as files: read in pieces while they are sent, never held whole.

The first piece is read before the answer begins, so that a database that is away is still a 503.
A file that cannot be finished breaks off, and whoever reads it sees that.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import orjson
from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from server.api.errors import Refused, documented
from server.api.fields import SaleIdInPath
from server.api.guard import KEY_OR_MERCHANT, Caller, CallerHere, MerchantRoute, described
from server.api.sale_answers import find_sale
from server.api.services import Services, ServicesHere
from server.csv_rows import BYTE_ORDER_MARK, ORDER_COLUMNS, csv_line, order_lines
from server.database.export_records import ExportRecords, Key, parsed
from server.database.exported_tables import EXPORTED, Exported
from server.database.records import StoredAct
from server.database.sale_words import OrderRow, SaleRecord
from server.sale_json import order_json

ROWS_AT_ONCE = 500
BYTES_AT_ONCE = 65_536
T = TypeVar("T")
K = TypeVar("K")
Lines = AsyncIterator[bytes]

routes = APIRouter(route_class=MerchantRoute, tags=["orders"])


class TooLong(Exception):
    """A file has more rows than `export_rows_max`; it was broken off."""


class CsvFile(StreamingResponse):
    media_type = "text/csv"


class NdjsonFile(StreamingResponse):
    media_type = "application/x-ndjson"


def file_answers(kind: str, description: str, *statuses: int) -> dict[int | str, dict[str, Any]]:
    """A file, or one of the error answers, which are JSON."""
    schema = {"type": "string", "description": description}
    return {200: {"content": {kind: {"schema": schema}}, "description": description}} | documented(
        *statuses
    )


@routes.get(
    "/api/v1/sales/{id}/orders.csv",
    summary="Orders of a sale as CSV",
    operation_id="exportOrdersCsv",
    response_class=CsvFile,
    responses=file_answers(
        "text/csv",
        "UTF-8 with a byte order mark; a row per line of an order.",
        401,
        403,
        404,
        413,
        503,
    ),
    openapi_extra=described("导出订单 CSV", KEY_OR_MERCHANT),
)
async def export_orders_csv(
    id: SaleIdInPath, caller: CallerHere, services: ServicesHere
) -> StreamingResponse:
    """For spreadsheets: text that would be taken for a formula has an apostrophe in front. As
    the ledger has the orders, by id.
    """
    record = await find_sale(id, caller, services)
    lines = await begun(bounded(_csv(record, services), services))
    headers = {"Content-Disposition": f'attachment; filename="orders-{record.terms.id}.csv"'}
    return CsvFile(lines, headers=headers)


@routes.get(
    "/api/v1/export",
    summary="Export everything",
    operation_id="exportAll",
    response_class=NdjsonFile,
    responses=file_answers(
        "application/x-ndjson",
        "One JSON object per line, each with its `kind`.",
        401,
        403,
        413,
        503,
    ),
    openapi_extra=described("导出全部数据", KEY_OR_MERCHANT),
)
async def export_all(caller: CallerHere, services: ServicesHere) -> StreamingResponse:
    """Rooms with what staff did, products, sales with their orders, payments, refunds and every
    move, then links, visits, ladders, coupons, commissions and accounts: one JSON object per line.
    The last line has the kind `end`; without it the file is not whole. With a merchant's token
    what belongs to the rooms that it holds; coupons and accounts are the whole shop's.
    """
    lines = await begun(bounded(_everything(caller, services), services))
    headers = {"Content-Disposition": 'attachment; filename="export.ndjson"'}
    return NdjsonFile(lines, headers=headers)


async def _csv(record: SaleRecord, services: Services) -> Lines:
    yield BYTE_ORDER_MARK + csv_line(ORDER_COLUMNS)
    async for row in _orders(record.terms.id, services):
        for line in order_lines(row.order, row.room, row.currency):
            yield line


async def _everything(caller: Caller, services: Services) -> Lines:
    count = 0
    async for line in _lines(caller, services):
        yield line
        count += 1
    yield orjson.dumps({"kind": "end", "rows": count}) + b"\n"


async def _lines(caller: Caller, services: Services) -> Lines:
    among = None if caller.every_room else caller.identity.rooms
    rooms, catalog, sales = services.rooms, services.catalog, services.sales
    async for room in pieces(
        lambda after: rooms.page(after, ROWS_AT_ONCE, among=among), lambda room: room.id
    ):
        yield _line("room", room)
        async for act in _acts(room.id, services):
            yield _line("act", act)
    async for product in pieces(
        lambda after: catalog.page(after, ROWS_AT_ONCE), lambda product: product.id
    ):
        yield _line("product", product)
    async for sale in pieces(
        lambda after: sales.page(after, ROWS_AT_ONCE, among=among), lambda sale: sale.terms.id
    ):
        yield _line("sale", sale)
        async for line in _of_sale(sale.terms.id, services):
            yield line
    for exported in EXPORTED:
        if among is None or not exported.whole_shop:
            async for line in _rows(exported, among, services):
                yield line


async def _rows(exported: Exported, among: frozenset[str] | None, services: Services) -> Lines:
    records = ExportRecords(services.database)
    last: Key | None = None
    while True:
        piece = await records.piece(exported, last, ROWS_AT_ONCE, among=among)
        for row in piece.rows:
            yield _line(exported.kind, parsed(exported, row))
        last = piece.last
        if last is None:
            return


def _acts(room_id: str, services: Services) -> AsyncIterator[StoredAct]:
    rooms = services.rooms
    return pieces(
        lambda before: rooms.acts(room_id, before, ROWS_AT_ONCE), lambda stored: stored.version
    )


def _orders(sale: str, services: Services) -> AsyncIterator[OrderRow]:
    orders = services.orders
    return pieces(lambda after: orders.rows(sale, after, ROWS_AT_ONCE), lambda row: row.order.id)


async def _of_sale(sale: str, services: Services) -> Lines:
    orders = services.orders
    async for row in _orders(sale, services):
        told = order_json(row.order, row.room, row.currency, for_staff=True)
        yield _line("order", told)
    async for paid in pieces(
        lambda after: orders.sale_payments(sale, after, ROWS_AT_ONCE), lambda row: row
    ):
        yield _line("payment", paid)
    async for refund in pieces(
        lambda after: orders.refunds(sale, after, ROWS_AT_ONCE), lambda row: row
    ):
        yield _line("refund", refund)
    async for move in pieces(
        lambda after: orders.moves(sale, after, ROWS_AT_ONCE), lambda row: (row.epoch, row.seq)
    ):
        yield _line("move", {"sale": sale} | asdict(move))


def _line(kind: str, value: Any) -> bytes:
    """A record with its kind; its fields are those of the records' words."""
    return orjson.dumps({"kind": kind, kind: value}, default=dict) + b"\n"


async def pieces(
    read: Callable[[K | None], Awaitable[Sequence[T]]], key_of: Callable[[T], K]
) -> AsyncIterator[T]:
    """All rows of a query that gives those after a key, ROWS_AT_ONCE at a time."""
    last: K | None = None
    while True:
        piece = await read(last)
        for row in piece:
            yield row
        if len(piece) < ROWS_AT_ONCE:
            return
        last = key_of(piece[-1])


async def bounded(lines: Lines, services: Services) -> Lines:
    most = services.settings.limits.export_rows_max
    count = 0
    async for line in lines:
        count += 1
        if count > most:
            raise TooLong(f"the file has more than {most} rows (export_rows_max)")
        yield line


async def begun(lines: Lines) -> Lines:
    """The same lines, the first ones read already; gathered, for few large writes."""
    chunks = _chunks(lines)
    try:
        first = await anext(chunks)
    except TooLong as error:
        raise Refused(413, str(error)) from error

    async def all_of_them() -> Lines:
        yield first
        async for chunk in chunks:
            yield chunk

    return all_of_them()


async def _chunks(lines: Lines) -> Lines:
    gathered: list[bytes] = []
    size = 0
    async for line in lines:
        gathered.append(line)
        size += len(line)
        if size >= BYTES_AT_ONCE:
            yield b"".join(gathered)
            gathered, size = [], 0
    yield b"".join(gathered)
