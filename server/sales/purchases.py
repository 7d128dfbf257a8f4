"""Purchases before the store sees them, and its answers before buyers do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from flash_sale.adapters.wire import ask_of
from flash_sale.catalog import is_displayable
from flash_sale.model import Line, Purchase, order_id_of
from server.replies import Refused, bad_field, too_long, unknown
from server.sales.answers import faults, masked
from server.sales.live_sale import Answer, LiveSale, answer_of
from server.settings import Limits


def purchase_of(
    sale: LiveSale,
    limits: Limits,
    *,
    user: str,
    name: str,
    lines: Sequence[Line],
    request_id: str,
    waitlist: bool,
    note: str = "",
) -> Purchase:
    """A purchase that the store can decide. 400 or 413 for what makes no sense, 404 for a sku.

    `note` is of `server.sharing.notes`. Whoever adds coupons sees to it that it stays decidable.
    """
    if len(lines) > limits.basket_lines_max:
        raise bad_field("items", f"at most {limits.basket_lines_max} lines")
    if len(request_id) > limits.request_id_chars_max:
        raise too_long("request_id", limits.request_id_chars_max)
    if not request_id:
        raise bad_field("request_id", "is empty")
    for line in lines:
        if line.sku not in sale.skus:
            raise unknown("sku", line.sku)
    check_texts(user=user, request_id=request_id)
    try:
        ask_of(tuple(lines), waitlist)  # a bad one must not spoil the batch of its neighbours
    except ValueError as error:
        raise Refused(400, str(error)) from None
    order_id = order_id_of(sale.id, user, request_id)
    shown = masked(name or user)
    return Purchase(order_id, user, request_id, tuple(lines), waitlist, shown, note=note)


def check_texts(**texts: str) -> None:
    """400 naming the text that could not be shown as it is."""
    for field, text in texts.items():
        if not is_displayable(text):
            raise bad_field(field, "must not contain control or direction characters")


async def answer_to(placing: asyncio.Future[Answer]) -> bytes:
    """The answer to a purchase, once the store has decided."""
    with faults():
        return answer_of(await placing)


def decided_answer(placing: asyncio.Future[Answer]) -> bytes:
    """`answer_to` a purchase that is decided."""
    if placing.exception() is None:
        return answer_of(placing.result())
    with faults():
        placing.result()
    raise AssertionError("it has failed")
