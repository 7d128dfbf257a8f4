"""Drills of a rehearsal: since when it sells again, what its books say, what a storm is made of."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from loadtest.rehearsal import aftermath, storm
from loadtest.rehearsal.probing import STEADY, Attempt, recovered_at
from server.payments import signature

ORDER = {"id": "o-1", "amount_minor": 100, "currency": "CNY"}
SECRET = "a secret of a shadow shop"


def attempts(marks: str, began_s: float = 0.0) -> list[Attempt]:
    """One a second, `+` succeeded at once and `-` failed."""
    return [
        Attempt(began_s + place, began_s + place + 0.5, "" if mark == "+" else "no answer")
        for place, mark in enumerate(marks)
    ]


# since when


def test_a_shop_that_never_failed_has_recovered_when_the_drill_ended() -> None:
    assert recovered_at(attempts("+++++"), 1.5) == 1.5


def test_it_recovers_with_the_first_success_of_those_that_did_not_end() -> None:
    assert recovered_at(attempts("++--+-+++"), 2.0) == 6.5


@pytest.mark.parametrize("marks", ["", "---", "+++++---", "---" + "+" * (STEADY - 1)])
def test_it_has_not_recovered_before_it_sells_steadily(marks: str) -> None:
    assert recovered_at(attempts(marks), 0.0) is None


def test_purchases_that_were_begun_before_the_end_do_not_count() -> None:
    early = attempts("+" * (STEADY + 5))
    assert recovered_at(early, ended_s=100.0) is None


# the books


def counters(available: int, reserved: int, sold: int = 0) -> dict[str, Any]:
    sku = {"sku": "drill", "initial": 10, "available": available}
    return {"items": [sku | {"reserved": reserved, "sold": sold, "refunded": 0}]}


def books(redis: dict[str, Any] | None, ledger: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"redis": redis, "ledger": ledger, "lag": 0, "agree": True, "why": "", **more}


SEVEN = counters(3, 7)


def test_books_of_a_drill_that_agree_and_hold_what_was_acknowledged_are_right() -> None:
    assert aftermath.of_drill(books(SEVEN, SEVEN), 7, 0) == aftermath.Books(True)


def test_a_purchase_that_nobody_answered_may_have_happened_or_not() -> None:
    assert aftermath.of_drill(books(SEVEN, SEVEN), 6, 1).ok
    assert aftermath.of_drill(books(SEVEN, SEVEN), 7, 1).ok


@pytest.mark.parametrize("acknowledged", [8, 6])
def test_a_purchase_that_was_lost_or_taken_twice_is_found(acknowledged: int) -> None:
    found = aftermath.of_drill(books(SEVEN, SEVEN), acknowledged, 0)
    assert not found.ok
    assert f"7 units taken, {acknowledged} purchases acknowledged" in found.note


@pytest.mark.parametrize(
    ("told", "note"),
    [
        (books(counters(4, 7), SEVEN), "add up"),
        (books(SEVEN, counters(-1, 11)), "add up"),
        (books(SEVEN, SEVEN, agree=False, why="mug: 3 and 4"), "mug: 3 and 4"),
        (books(SEVEN, {"items": 3}), "no items"),
        ("the store cannot be reached", "cannot be reached"),
    ],
)
def test_what_is_wrong_with_books_is_said(told: dict[str, Any] | str, note: str) -> None:
    for found in (aftermath.of_drill(told, 7, 0), aftermath.of_rehearsal(told)):
        assert not found.ok
        assert note in found.note


def test_books_that_were_not_compared_are_right_where_people_buy_and_not_where_nobody_does() -> (
    None
):
    told = books(SEVEN, counters(5, 5), agree=None, lag=3, why="3 entries on the way")
    assert aftermath.of_rehearsal(told).ok
    assert aftermath.of_rehearsal(told).note
    assert not aftermath.of_drill(told, 7, 0).ok


# the storm


def test_a_storm_has_each_order_s_real_message_and_every_kind_of_other_one() -> None:
    wanted = storm.plan_of(orders=10, messages=100, seed=1)
    assert len(wanted) == 100
    assert sorted(number for number, kind in wanted if kind == storm.REAL) == list(range(10))
    kinds = Counter(kind for _number, kind in wanted)
    assert set(kinds) == set(storm.PER_ORDER)
    assert wanted != sorted(wanted)
    assert wanted == storm.plan_of(orders=10, messages=100, seed=1)


def test_a_short_storm_still_pays_every_order() -> None:
    assert Counter(storm.plan_of(orders=3, messages=0, seed=1)) == Counter(
        (number, storm.REAL) for number in range(3)
    )


@pytest.mark.parametrize("kind", [storm.REAL, storm.AGAIN, storm.SECOND, storm.UNKNOWN])
def test_the_server_believes_the_signature_of_a_real_message(kind: str) -> None:
    told = storm.message(kind, ORDER, SECRET, 1_000)
    signature.verify(SECRET, told.signature, told.body, 1_000.0, 300)


@pytest.mark.parametrize("kind", [storm.FORGED, storm.STALE])
def test_the_server_does_not_believe_a_forged_or_a_stale_one(kind: str) -> None:
    told = storm.message(kind, ORDER, SECRET, 10_000)
    with pytest.raises(signature.BadSignature):
        signature.verify(SECRET, told.signature, told.body, 10_000.0, 300)


def test_a_repeated_message_is_the_same_event_and_a_second_payment_another() -> None:
    real, again, second, unknown = (
        json.loads(storm.message(kind, ORDER, SECRET, 1_000).body)
        for kind in (storm.REAL, storm.AGAIN, storm.SECOND, storm.UNKNOWN)
    )
    assert again == real
    assert second["order"] == real["order"]
    assert second["id"] != real["id"]
    assert second["payment"] != real["payment"]
    assert unknown["order"] != real["order"]
