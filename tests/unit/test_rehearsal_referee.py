"""The referee's judgement: percentiles of all rounds, and a reason where the sides differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from loadtest.rehearsal.referee import Played, Side, explained, judged


def played(
    took_ms: Sequence[float], *, cpu_s: float = 0.01, late_ms: float = 0.1, unanswered: int = 0,
    outcomes: Mapping[str, int] | None = None,
) -> Played:  # fmt: skip
    told = {"reserved": len(took_ms)} if outcomes is None else outcomes
    return Played(took_ms, late_ms, told, unanswered, cpu_s, seconds=1.0)


def test_percentiles_are_of_the_raw_samples_of_both_rounds() -> None:
    locust = Side([played([1.0] * 99), played([9.0] * 101)])
    driver = Side([played([5.0] * 200)])
    found = judged(100.0, locust, driver)
    assert (found.locust_p50_ms, found.locust_p99_ms) == (9.0, 9.0)
    assert (found.driver_p50_ms, found.driver_p99_ms) == (5.0, 5.0)
    assert (found.rounds, found.orders_per_s) == (3, 100.0)


@pytest.mark.parametrize(
    ("locust_ms", "agree"), [(5.0, True), (6.0, True), (4.0, True), (6.1, False)]
)
def test_up_to_a_fifth_is_no_difference(locust_ms: float, agree: bool) -> None:
    reason, why = explained(Side([played([locust_ms] * 10)]), Side([played([5.0] * 10)]))
    assert (reason == "") is (why == "") is agree


def test_the_reason_names_what_each_side_spent_and_how_late_it_was() -> None:
    locust = Side([played([9.0] * 10, cpu_s=0.005, late_ms=2.5)])
    driver = Side([played([5.0] * 10, cpu_s=0.001, late_ms=0.25)])
    reason, why = explained(locust, driver)
    assert reason == "cost"
    for part in ("p50 9.00 ms and 5.00 ms", "500 µs", "100 µs", "2.50 ms late", "0.25 ms"):
        assert part in why


def test_a_side_that_differs_from_itself_as_much_shows_that_the_machine_was_not_steady() -> None:
    locust = Side([played([9.0] * 10), played([9.0] * 10)])
    driver = Side([played([4.0] * 10), played([9.0] * 9)])
    reason, why = explained(locust, driver)
    assert reason == "unsteady"
    assert "the driver alone had a p50 of 4.00 and 9.00 ms" in why
    steady = Side([played([4.0] * 10), played([5.0] * 10)])
    assert explained(locust, steady)[0] == "cost"


@pytest.mark.parametrize(
    ("locust", "driver", "reason"),
    [
        (Side(), Side([played([5.0])]), "no answers"),
        (Side([played([5.0], unanswered=2)]), Side([played([5.0])]), "'unanswered': 2"),
        (
            Side([played([5.0], outcomes={"sold_out": 1})]),
            Side([played([5.0])]),
            "other answers",
        ),
    ],
)
def test_other_answers_than_the_other_side_got_are_no_comparison(
    locust: Side, driver: Side, reason: str
) -> None:
    word, why = explained(locust, driver)
    assert word == "answers"
    assert reason in why
