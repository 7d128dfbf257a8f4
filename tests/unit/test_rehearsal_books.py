"""Units and outcomes: how many were taken at once, what books say, what an answer means."""

from __future__ import annotations

import pytest

from loadtest.rehearsal.books import Height, Span, most_at_once, sides
from loadtest.rehearsal.outcomes import is_error, is_unsure
from tests.support.rehearsal_runs import SKU, books_answer, counters


def test_units_given_back_at_the_instant_at_which_others_are_taken_count_once() -> None:
    assert most_at_once([Span(1, 5), Span(5, 9), Span(2, 4)]) == Height(2, 2)


def test_a_span_that_ends_before_it_begins_takes_nothing() -> None:
    assert most_at_once([Span(5, 5), Span(6, 3)]) == Height(0, 0)


def test_units_without_an_end_are_kept() -> None:
    assert most_at_once([Span(1, None, 2), Span(9, None)]) == Height(3, 9)


@pytest.mark.parametrize(
    "books",
    [
        {"items": [counters(20, 0, 0)]},
        {SKU: {"available": 20, "reserved": 0, "sold": 0, "waiting": 0}},
        books_answer(counters(20, 0, 0), at_ms=0),
    ],
    ids=["items", "by sku", "as the API gives them"],
)
def test_books_are_read_in_every_shape_in_which_they_come(books: dict[str, object]) -> None:
    for found in sides(books).values():
        assert [(each.sku, each.available, each.adds_up) for each in found] == [(SKU, 20, True)]


def test_no_books_have_no_sides() -> None:
    assert sides({}) == {}
    assert sides({"redis": None, "ledger": {"items": []}}) == {"ledger": []}


@pytest.mark.parametrize(
    ("outcome", "error", "unsure"),
    [
        ("ok", False, False),
        ("sold_out", False, False),
        ("error 429", False, False),
        ("error 409", False, False),
        ("error 400", True, False),
        ("error 503", True, True),
        ("error closed", True, True),
        ("unknown", True, True),
    ],
)
def test_an_outcome_says_whether_the_server_failed_and_whether_anybody_knows(
    outcome: str, error: bool, unsure: bool
) -> None:
    assert (is_error(outcome), is_unsure(outcome)) == (error, unsure)
