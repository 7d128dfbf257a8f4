"""A merchant opens our CSV files in a spreadsheet: nothing in them may run or be misread."""

from __future__ import annotations

import csv
import io

import pytest

from flash_sale.catalog import SkuId
from flash_sale.model import Order, OrderState, PricedLine, SaleId, order_id_of
from server.csv_rows import ORDER_COLUMNS, csv_line, instant, order_lines


def read(*lines: bytes) -> list[list[str]]:
    text = b"".join(lines).decode()
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "小明",
        "a,b",
        'say "hi"',
        "two\r\nlines",
        "tab\tbed",
        "a;b",
        " blanks ",
        "'",
        "1",
    ],
)
def test_what_was_written_is_read_again(text: str) -> None:
    assert read(csv_line([text, text])) == [[text, text]]


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        '=HYPERLINK("http://evil.example","x")',
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "  =1",
        "\n=1",
        "＝1+1",
        "\u3000＋1",
    ],
)
def test_text_that_begins_like_a_formula_is_made_harmless(text: str) -> None:
    assert read(csv_line([text])) == [["'" + text]]


def test_numbers_stay_numbers_and_what_is_absent_is_empty() -> None:
    assert csv_line([-5, 0, None, 2**53]) == b"-5,0,,9007199254740992\r\n"


def test_instants_are_written_in_utc_with_their_milliseconds() -> None:
    assert instant(1_800_000_000_007) == "2027-01-15T08:00:00.007Z"
    assert instant(0) == "1970-01-01T00:00:00.000Z"
    assert instant(None) == ""


def test_a_basket_has_a_row_for_each_line_and_their_amounts_add_up() -> None:
    sale = SaleId("spring")
    lines = (PricedLine(SkuId("a"), 2, 300), PricedLine(SkuId("b"), 1, 50))
    order = Order(
        id=order_id_of(sale, "=alice", "r-1"),
        sale=sale,
        user="=alice",
        request_id="r-1",
        lines=lines,
        amount_minor=650,
        state=OrderState.PAID,
        placed_at_ms=1_800_000_000_000,
        reserved_at_ms=1_800_000_000_000,
        expires_at_ms=1_800_000_600_000,
        paid_at_ms=1_800_000_001_000,
        changed_at_ms=1_800_000_001_000,
        position=0,
        durability="always",
        payment_id="pay-1",
        name="Alice",
    )
    rows = read(*order_lines(order, "demo", "CNY"))
    assert {len(row) for row in rows} == {len(ORDER_COLUMNS)}
    first, second = (dict(zip(ORDER_COLUMNS, row, strict=True)) for row in rows)
    assert (first["line"], first["sku"], first["qty"], first["line_amount_minor"]) == (
        "1",
        "a",
        "2",
        "600",
    )
    assert (second["line"], second["sku"], second["line_amount_minor"]) == ("2", "b", "50")
    assert first["order_amount_minor"] == second["order_amount_minor"] == "650"
    assert first["user"] == "'=alice"
    assert first["state"] == "paid"
    assert (first["paid_at"], first["waitlist_position"]) == ("2027-01-15T08:00:01.000Z", "")
