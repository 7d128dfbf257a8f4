"""Rows of CSV files that a spreadsheet opens as text and numbers, and never as formulas.

Knows the columns of orders; the API and the export command write the same file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from flash_sale.model import Order

# How a file says that it is UTF-8: without it, spreadsheets show Chinese as noise.
BYTE_ORDER_MARK = "\ufeff".encode()
# One row per line of an order: a basket has several, and only the amounts of lines add up.
ORDER_COLUMNS = (
    "order",
    "line",
    "sale",
    "room",
    "user",
    "name",
    "state",
    "sku",
    "qty",
    "price_minor",
    "line_amount_minor",
    "order_amount_minor",
    "currency",
    "payment",
    "request_id",
    "placed_at",
    "reserved_at",
    "expires_at",
    "paid_at",
    "changed_at",
    "waitlist_position",
    "durability",
    "markup_minor",
    "discount_minor",
    "coupons",
    "note",
)
RANKING_COLUMNS = ("rank", "user", "name", "valid", "reached_at")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def order_lines(order: Order, room: str, currency: str) -> Iterator[bytes]:
    """The rows of one order, under ORDER_COLUMNS."""
    for number, line in enumerate(order.lines, 1):
        yield csv_line(
            (
                order.id,
                number,
                order.sale,
                room,
                order.user,
                order.name,
                order.state,
                line.sku,
                line.qty,
                line.price_minor,
                line.qty * line.price_minor,
                order.amount_minor,
                currency,
                order.payment_id,
                order.request_id,
                instant(order.placed_at_ms),
                instant(order.reserved_at_ms),
                instant(order.expires_at_ms),
                instant(order.paid_at_ms),
                instant(order.changed_at_ms),
                order.position or None,
                order.durability,
                line.markup_minor,
                order.discount_minor,
                " ".join(order.coupons),
                order.note,
            )
        )


def instant(at_ms: int | None) -> str:
    """An instant as `2027-01-15T08:00:00.000Z`, or empty."""
    if at_ms is None:
        return ""
    moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"


def csv_line(values: Sequence[str | int | None]) -> bytes:
    """One line, ended by CR LF; None is an empty cell.

    Text that a spreadsheet would take for a formula gets an apostrophe in front, full-width signs
    included. Numbers stay numbers, also negative ones.
    """
    return (",".join(_cell(value) for value in values) + "\r\n").encode()


def _cell(value: str | int | None) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    text = str(value)
    if text.lstrip().startswith(_FORMULA) or text.startswith(_FORMULA):
        text = f"'{text}"
    if any(character in text for character in ',"\r\n;\t'):
        return '"' + text.replace('"', '""') + '"'
    return text
