"""Each invariant of a rehearsal, broken on purpose: the right one says so, and only then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from loadtest.rehearsal.evidence import read
from loadtest.rehearsal.findings import Invariant
from loadtest.rehearsal.history import Case
from loadtest.rehearsal.invariants import CHECKS, check_all, drills_leave_the_books
from loadtest.rehearsal.records import DrillReport
from tests.support.rehearsal_runs import (
    HOLD_MS,
    PRICE_MINOR,
    SKU,
    STOCK,
    T0_MS,
    Run,
    books_answer,
    counters,
    healthy_run,
    instant,
    ledger_row,
    pay,
    place,
    request_of,
    small_plan,
    user_of,
)

Breakage = Callable[[Run], object]


@pytest.fixture
def run() -> Run:
    return healthy_run()


def checked(run: Run, directory: Path) -> dict[str, Invariant]:
    found = check_all(Case(read(run.write(directory / "run"))))
    return {each.name: each for each in found}


def broken(run: Run, directory: Path) -> list[str]:
    return [name for name, each in checked(run, directory).items() if not each.holds]


def test_a_run_in_which_all_is_right_breaks_nothing_and_looks_at_everything(
    run: Run, tmp_path: Path
) -> None:
    found = checked(run, tmp_path)
    assert [name for name, each in found.items() if not each.holds] == []
    undrilled = [check.__name__ for check in CHECKS if check is not drills_leave_the_books]
    assert list(found) == undrilled
    idle = [name for name, each in found.items() if not each.checked]
    assert idle == ["unknown_answers_resolved"]  # every answer came


# the stock


def sell_one_more(run: Run) -> None:
    """The bug that `>=` in place of `>` makes: buyer 21 gets a lamp, too."""
    assert run.attempts is not None
    assert run.orders is not None
    late = next(each for each in run.attempts if each.request_id == request_of(STOCK + 1))
    at_us = (STOCK + 1) * 20_000
    run.attempts[run.attempts.index(late)] = place(STOCK + 1, at_us, "reserved")
    run.attempts.append(pay(STOCK + 1, 1_500_000))
    run.orders.append(ledger_row(STOCK + 1, at_us // 1_000 + 10))


def test_one_unit_too_many_is_found_by_the_ledger_and_by_the_buyers(
    run: Run, tmp_path: Path
) -> None:
    sell_one_more(run)
    found = checked(run, tmp_path)["never_oversold"]
    assert (found.holds, found.broken, found.checked) == (False, 1, STOCK + 1)
    assert [" ledger," in each for each in found.examples[:2]] == [True, False]
    assert all(f"{SKU}: +1 / 20" in each for each in found.examples[:2])


def test_a_ledger_that_hides_the_unit_too_many_is_refuted_by_what_buyers_were_told(
    run: Run, tmp_path: Path
) -> None:
    sell_one_more(run)
    assert run.orders is not None
    run.orders.pop()
    assert "never_oversold" in broken(run, tmp_path)


def test_units_that_came_back_and_were_sold_again_are_no_oversell(run: Run, tmp_path: Path) -> None:
    assert run.orders is not None
    assert run.attempts is not None
    later_ms = HOLD_MS + 5_000
    for number in (101, 102):
        run.attempts.append(place(number, later_ms * 1_000, "reserved"))
        run.attempts.append(pay(number, later_ms * 1_000 + 500_000))
        run.orders.append(ledger_row(number, later_ms + 10))
    run.books = books_answer(counters(0, 0, STOCK), at_ms=T0_MS + 40_000)
    assert broken(run, tmp_path) == []


def test_a_counter_below_zero_at_any_look_is_an_oversell(run: Run, tmp_path: Path) -> None:
    assert run.timeline is not None
    run.timeline[18] = replace(run.timeline[18], books={"items": [counters(-1, 1, 20)]})
    found = checked(run, tmp_path)
    assert not found["never_oversold"].holds
    assert "(T0 +3.0 s)" in found["never_oversold"].examples[0]
    assert not found["stock_adds_up"].holds


def test_a_unit_that_was_sold_before_it_came_is_an_oversell(run: Run, tmp_path: Path) -> None:
    """The 20th lamp comes ten seconds after T0; all 20 were sold within one."""
    assert run.timeline is not None
    for number, second in enumerate(run.timeline[:25]):
        books = dict(second.books["items"][0])
        fewer = {**books, "available": books["available"] - 1, "initial": STOCK - 1}
        if fewer["available"] < 0:  # a store that hides it
            fewer = {**fewer, "available": 0, "reserved": fewer["reserved"] - 1}
        run.timeline[number] = replace(second, books={"items": [fewer]})
    found = checked(run, tmp_path)
    assert [name for name, each in found.items() if not each.holds] == ["never_oversold"]
    assert found["never_oversold"].broken == 1


def test_a_unit_that_came_late_and_was_sold_then_is_no_oversell(run: Run, tmp_path: Path) -> None:
    assert run.timeline is not None
    for number, second in enumerate(run.timeline[:15]):
        run.timeline[number] = replace(second, books={"items": [counters(10, 0, 0, initial=10)]})
    assert broken(run, tmp_path) == []


def test_counters_that_lose_a_unit_do_not_add_up(run: Run, tmp_path: Path) -> None:
    assert run.timeline is not None
    run.timeline[17] = replace(run.timeline[17], books={"items": [counters(1, 0, 18)]})
    assert broken(run, tmp_path) == ["stock_adds_up"]


# the history against the ledger


def drop_order(run: Run) -> None:
    assert run.orders is not None
    run.orders.pop(0)


def unpay_order(run: Run) -> None:
    assert run.orders is not None
    run.orders[0] = ledger_row(1, 30, "expired")


def sell_twice(run: Run) -> None:
    assert run.orders is not None
    run.orders[19] = {**run.orders[19], "request_id": request_of(1), "user": user_of(1)}


def repeat_row(run: Run) -> None:
    assert run.orders is not None
    run.orders.append(dict(run.orders[0]))


def answer_otherwise(run: Run) -> None:
    assert run.attempts is not None
    run.attempts.append(replace(run.attempts[0], answer_digest="another"))


def refuse_what_was_reserved(run: Run) -> None:
    assert run.attempts is not None
    run.attempts.append(place(1, 900_000, "sold_out"))


def give_two(run: Run) -> None:
    """Buyer 1 sends a second request, and gets a second lamp."""
    assert run.attempts is not None
    assert run.orders is not None
    other = {"user": user_of(1), "kind": "bots"}
    run.attempts[18] = place(19, 19 * 20_000, "reserved", **other)
    run.orders[18] = ledger_row(19, 390, "expired", user=user_of(1))


def sell_early(run: Run) -> None:
    assert run.orders is not None
    run.orders[0] = ledger_row(1, -2)


def keep_hold(run: Run) -> None:
    assert run.orders is not None
    run.orders[19] = ledger_row(20, 410, "reserved")
    run.books = books_answer(counters(1, 1, 18), at_ms=T0_MS + 40_000)


def free_early(run: Run) -> None:
    assert run.orders is not None
    run.orders[19] = ledger_row(20, 410, "expired", changed_at=instant(T0_MS + 5_000))


def pay_by_nobody(run: Run) -> None:
    assert run.attempts is not None
    run.attempts.remove(pay(1, 920_000))


def pay_less(run: Run) -> None:
    assert run.attempts is not None
    place_of = run.attempts.index(pay(1, 920_000))
    run.attempts[place_of] = pay(1, 920_000, amount_minor=PRICE_MINOR - 1)


def pay_and_expire(run: Run) -> None:
    assert run.orders is not None
    run.orders[19]["payment"] = "demo:late"


def pay_two_with_one(run: Run) -> None:
    assert run.orders is not None
    run.orders[1]["payment"] = run.orders[0]["payment"]


def count_wrong(run: Run) -> None:
    run.books = books_answer(counters(3, 0, 17), at_ms=T0_MS + 40_000)


def disagree(run: Run) -> None:
    assert run.books is not None
    run.books = {**run.books, "agree": False, "why": "lamp sold: store 18, ledger 17"}


def order_of_nobody(run: Run) -> None:
    assert run.orders is not None
    run.orders[19]["request_id"] = "never-asked"


def order_of_a_refused_one(run: Run) -> None:
    assert run.attempts is not None
    run.attempts[19] = place(20, 20 * 20_000, "sold_out")


def order_of_another_sale(run: Run) -> None:
    assert run.orders is not None
    run.orders[19]["sale"] = "the-real-one"


@pytest.mark.parametrize(
    ("breakage", "expected"),
    [
        (drop_order, ["nothing_acknowledged_lost", "paid_equals_ledger", "money_is_balanced"]),
        (unpay_order, ["nothing_acknowledged_lost", "paid_equals_ledger", "money_is_balanced"]),
        (sell_twice, ["nothing_acknowledged_lost", "nothing_sold_twice", "per_user_limit"]),
        (repeat_row, ["never_oversold", "nothing_sold_twice", "money_is_balanced",
                      "per_user_limit"]),
        (answer_otherwise, ["same_request_same_answer"]),
        (refuse_what_was_reserved, ["same_request_same_answer"]),
        (give_two, ["per_user_limit"]),
        (sell_early, ["not_before_start"]),
        (keep_hold, ["holds_return"]),
        (free_early, ["holds_return"]),
        (pay_by_nobody, ["paid_equals_ledger"]),
        (pay_less, ["paid_equals_ledger"]),
        (pay_and_expire, ["money_is_balanced"]),
        (pay_two_with_one, ["money_is_balanced"]),
        (count_wrong, ["money_is_balanced"]),
        (disagree, ["redis_equals_ledger"]),
        (order_of_nobody, ["nothing_acknowledged_lost", "no_foreign_orders"]),
        (order_of_a_refused_one, ["no_foreign_orders"]),
        (order_of_another_sale, ["no_foreign_orders"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)  # fmt: skip
def test_what_is_wrong_breaks_its_invariants_and_no_others(
    run: Run, tmp_path: Path, breakage: Breakage, expected: list[str]
) -> None:
    breakage(run)
    assert set(broken(run, tmp_path)) == set(expected)


@pytest.mark.parametrize("refused", ["", "the server does not allow it"])
def test_books_that_a_drill_left_wrong_are_a_broken_invariant(
    run: Run, tmp_path: Path, refused: str
) -> None:
    drill = DrillReport("kill_worker", 5, 6, 1, 0, refused=refused, books_ok=False, books_note="2")
    run.drills = [drill, replace(drill, kind="stop_ledger", books_ok=True)]
    assert broken(run, tmp_path) == ([] if refused else ["drills_leave_the_books"])


# answers that did not come


@pytest.mark.parametrize("outcome", ["unknown", "error 503"])
@pytest.mark.parametrize("number", [20, 40], ids=["it had happened", "it had not"])
def test_a_purchase_without_an_answer_may_have_happened_or_not(
    run: Run, tmp_path: Path, outcome: str, number: int
) -> None:
    assert run.attempts is not None
    run.attempts[number - 1] = place(number, number * 20_000, outcome, done_us=0)
    found = checked(run, tmp_path)
    assert [name for name, each in found.items() if not each.holds] == []
    assert found["unknown_answers_resolved"].checked == 1


def test_a_hold_may_have_begun_long_before_its_buyer_was_told_of_it(
    run: Run, tmp_path: Path
) -> None:
    """Buyer 20 hears of his lamp when it has gone back already and another one has it."""
    assert run.attempts is not None
    assert run.orders is not None
    run.attempts[19] = place(20, 400_000, "unknown", done_us=0)
    run.attempts.append(place(20, 13_500_000, "reserved"))
    for number in (101, 102):
        run.attempts += [place(number, 14_000_000, "reserved"), pay(number, 15_000_000)]
        run.orders.append(ledger_row(number, 14_010))
    run.books = books_answer(counters(0, 0, STOCK), at_ms=T0_MS + 40_000)
    assert broken(run, tmp_path) == []


def test_a_purchase_without_an_answer_may_not_have_happened_twice(run: Run, tmp_path: Path) -> None:
    assert run.attempts is not None
    assert run.orders is not None
    run.attempts[18] = place(19, 380_000, "unknown", done_us=0, order="")
    run.orders[19] = {**run.orders[19], "request_id": request_of(19), "user": user_of(19)}
    assert "unknown_answers_resolved" in broken(run, tmp_path)


def test_a_purchase_that_was_refused_when_told_again_may_not_have_happened(
    run: Run, tmp_path: Path
) -> None:
    assert run.attempts is not None
    run.attempts[19] = place(20, 400_000, "unknown", done_us=0)
    run.attempts.append(place(20, 900_000, "sold_out"))
    assert "unknown_answers_resolved" in broken(run, tmp_path)


def test_a_payment_without_an_answer_may_have_happened(run: Run, tmp_path: Path) -> None:
    assert run.attempts is not None
    run.attempts[run.attempts.index(pay(1, 920_000))] = pay(1, 920_000, "unknown", done_us=0)
    assert broken(run, tmp_path) == []


def test_a_payment_that_was_refused_may_not_have_happened(run: Run, tmp_path: Path) -> None:
    assert run.attempts is not None
    run.attempts[run.attempts.index(pay(1, 920_000))] = pay(1, 920_000, "error 409")
    assert broken(run, tmp_path) == ["paid_equals_ledger"]


# what was not looked at is not claimed


def test_without_the_ledger_only_what_buyers_were_told_is_judged(run: Run, tmp_path: Path) -> None:
    run.orders = None
    names = set(checked(run, tmp_path))
    assert "nothing_acknowledged_lost" not in names
    assert {"never_oversold", "same_request_same_answer", "stock_adds_up"} <= names


def test_while_orders_are_on_their_way_to_the_ledger_none_is_called_lost(
    run: Run, tmp_path: Path
) -> None:
    drop_order(run)
    assert run.books is not None
    run.books = {**run.books, "lag": 1, "agree": None, "why": "1 entry is on its way"}
    found = checked(run, tmp_path)
    assert "nothing_acknowledged_lost" not in found
    assert "redis_equals_ledger" not in found


def test_a_history_that_is_torn_makes_no_order_foreign(run: Run, tmp_path: Path) -> None:
    order_of_nobody(run)
    directory = run.write(tmp_path / "run")
    with (directory / "orders-locust-1.jsonl").open("a") as file:
        file.write('{"op": "pla')
    found = {each.name: each for each in check_all(Case(read(directory)))}
    assert found["no_foreign_orders"].holds
    assert "paid_equals_ledger" not in found


def test_a_look_that_cannot_be_read_is_passed_over(run: Run, tmp_path: Path) -> None:
    assert run.timeline is not None
    run.timeline[0] = replace(run.timeline[0], books={"items": [{"sku": SKU}]})
    assert checked(run, tmp_path)["stock_adds_up"].checked == 57


def test_a_plan_with_another_limit_is_judged_by_it(run: Run, tmp_path: Path) -> None:
    give_two(run)
    plan = small_plan()
    run.plan = replace(plan, items=(replace(plan.items[0], per_user_max=2),))
    assert broken(run, tmp_path) == []
