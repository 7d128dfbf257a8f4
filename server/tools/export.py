"""`onair export`: everything as CSV files, one of each kind, in pieces and within a bound.

A file has its name only when it is whole: until then it ends in `.part`. Formats and columns are
those of `server.csv_rows`; docs/OPERATIONS.md says what each column means.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

import orjson

from flash_sale.model import Move
from server.csv_rows import BYTE_ORDER_MARK, ORDER_COLUMNS, csv_line, instant, order_lines
from server.database.export_records import ExportRecords, Key
from server.database.exported_tables import EXPORTED, Exported
from server.database.order_records import OrderRecords
from server.database.sale_records import SaleRecords
from server.database.sale_words import OrderRow, PaymentRow, Refund, SaleRecord
from server.tools.progress import Progress

PIECE = 1_000
LAST_INSTANT_MS = 253_402_300_799_999  # of the year 9999: calendars go no further
PAYMENT_COLUMNS = (
    *("payment", "provider", "order", "sale", "amount_minor", "currency", "outcome", "at"),
)
REFUND_COLUMNS = (
    *("refund", "payment", "order", "sale", "amount_minor", "currency", "reason", "state"),
    *("attempts", "last_error", "created_at", "done_at"),
)
MOVE_COLUMNS = (
    *("sale", "epoch", "seq", "at", "kind", "order", "user", "order_state", "payment"),
    *("payment_outcome", "amount_minor", "actor", "facts"),
)

T = TypeVar("T")
K = TypeVar("K")


class TooManyRows(Exception):
    """A file would be longer than `export_rows_max`; it was not made."""


class Exporter:
    """Writes the files. Raises `TooManyRows`, `OSError` and `DatabaseUnavailable`."""

    def __init__(
        self,
        records: SaleRecords,
        orders: OrderRecords,
        tables: ExportRecords,
        directory: Path,
        *,
        rows_max: int,
        progress: Progress,
    ) -> None:
        self._records = records
        self._orders = orders
        self._tables = tables
        self._directory = directory
        self._rows_max = rows_max
        self._progress = progress

    async def export(self, only: SaleRecord | None) -> dict[str, int]:
        """Write orders, payments, refunds and moves of one sale, or everything of all; returns
        the rows by file name.
        """
        sales = [only] if only is not None else [one async for one in self._sales()]
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        counts = {
            name: await self._write(name, columns, self._of_sales(sales, rows_of))
            for name, columns, rows_of in (
                ("orders.csv", ORDER_COLUMNS, self._order_rows),
                ("payments.csv", PAYMENT_COLUMNS, self._payment_rows),
                ("refunds.csv", REFUND_COLUMNS, self._refund_rows),
                ("moves.csv", MOVE_COLUMNS, self._move_rows),
            )
        }
        if only is not None:
            return counts
        return counts | {
            one.file: await self._write(one.file, columns_of(one), self._table_rows(one))
            for one in EXPORTED
        }

    def _sales(self) -> AsyncIterator[SaleRecord]:
        return _pieces(lambda after: self._records.page(after, PIECE), lambda one: one.terms.id)

    async def _write(
        self, name: str, columns: Sequence[str], lines: AsyncIterator[tuple[bytes, str]]
    ) -> int:
        """A file of lines; with each it is told where the reading has got to."""
        path = self._directory / name
        part = path.with_name(f"{name}.part")
        count = 0
        try:
            with _private(part) as file:
                file.write(BYTE_ORDER_MARK + csv_line(columns))
                async for line, place in lines:
                    count += 1
                    if count > self._rows_max:
                        raise TooManyRows(
                            f"{name}: more than {self._rows_max} rows; export sale by sale "
                            "(--sale), or raise ONAIR_EXPORT_ROWS_MAX"
                        )
                    file.write(line)
                    self._progress.tick(f"{name}: {count} rows{place}")
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        self._progress.say(f"{path}: {count} rows")
        return count

    async def _of_sales(
        self,
        sales: Iterable[SaleRecord],
        rows_of: Callable[[SaleRecord], AsyncIterator[bytes]],
    ) -> AsyncIterator[tuple[bytes, str]]:
        for sale in sales:
            async for row in rows_of(sale):
                yield row, f", at sale {sale.terms.id}"

    async def _table_rows(self, exported: Exported) -> AsyncIterator[tuple[bytes, str]]:
        last: Key | None = None
        while True:
            piece = await self._tables.piece(exported, last, PIECE)
            for row in piece.rows:
                yield csv_line([_cell(name, value) for name, value in row.items()]), ""
            last = piece.last
            if last is None:
                return

    async def _order_rows(self, sale: SaleRecord) -> AsyncIterator[bytes]:
        rows: AsyncIterator[OrderRow] = _pieces(
            lambda after: self._orders.rows(sale.terms.id, after, PIECE), lambda one: one.order.id
        )
        async for row in rows:
            for line in order_lines(row.order, row.room, row.currency):
                yield line

    async def _payment_rows(self, sale: SaleRecord) -> AsyncIterator[bytes]:
        rows: AsyncIterator[PaymentRow] = _pieces(
            lambda after: self._orders.sale_payments(sale.terms.id, after, PIECE), lambda one: one
        )
        async for row in rows:
            paid = row.payment
            yield csv_line(
                (
                    *(paid.id, paid.provider, paid.order_id, row.sale, paid.amount_minor),
                    *(paid.currency, row.outcome, instant(row.at_ms)),
                )
            )

    async def _refund_rows(self, sale: SaleRecord) -> AsyncIterator[bytes]:
        rows: AsyncIterator[Refund] = _pieces(
            lambda after: self._orders.refunds(sale.terms.id, after, PIECE), lambda one: one
        )
        async for one in rows:
            yield csv_line(
                (
                    *(one.id, one.payment_id, one.order_id, one.sale, one.amount_minor),
                    *(one.currency, one.reason, one.state, one.attempts, one.last_error),
                    *(instant(one.created_at_ms), instant(one.done_at_ms)),
                )
            )

    async def _move_rows(self, sale: SaleRecord) -> AsyncIterator[bytes]:
        rows: AsyncIterator[Move] = _pieces(
            lambda after: self._orders.moves(sale.terms.id, after, PIECE),
            lambda one: (one.epoch, one.seq),
        )
        async for move in rows:
            yield _move_line(sale, move)


def columns_of(exported: Exported) -> list[str]:
    """The columns of a table's file. An instant goes without its unit: it is written out."""
    names = exported.names.values()
    return [name.removesuffix("_ms") if is_instant(name) else name for name in names]


def is_instant(name: str) -> bool:
    """Whether a column holds an instant and not a duration."""
    return name in {"at_ms", "until_ms"} or name.endswith("_at_ms")


def _cell(name: str, value: Any) -> str | int | None:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int) and is_instant(name) and value <= LAST_INSTANT_MS:
        return instant(value)
    cell: str | int | None = value
    return cell


def _move_line(sale: SaleRecord, move: Move) -> bytes:
    order, payment = move.order, move.payment
    return csv_line(
        (
            *(sale.terms.id, move.epoch, move.seq, instant(move.at_ms), move.kind),
            *((None, None, None) if order is None else (order.id, order.user, order.state)),
            None if payment is None else payment.id,
            move.payment_outcome,
            None if payment is None else payment.amount_minor,
            move.actor,
            orjson.dumps(dict(move.facts), option=orjson.OPT_SORT_KEYS).decode(),
        )
    )


async def _pieces(
    read: Callable[[K | None], Awaitable[Sequence[T]]], key_of: Callable[[T], K]
) -> AsyncIterator[T]:
    """All rows of a query that gives those after a key, a piece at a time."""
    last: K | None = None
    while piece := await read(last):
        for row in piece:
            yield row
        last = key_of(piece[-1])


def _private(path: Path) -> IO[bytes]:
    """A new file that only this user may read: it holds people's orders."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
