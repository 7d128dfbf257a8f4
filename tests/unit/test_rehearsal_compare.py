"""This run beside the one before: what counts as a change, and what is not compared."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from loadtest.rehearsal.findings import Findings
from loadtest.rehearsal.report import build, compare
from loadtest.rehearsal.report.compare import Change, Comparison, Tolerance
from tests.support import rehearsal_reports as reports
from tests.support.html_page import Page


def earlier(**proved: float) -> dict[str, Any]:
    """A run before, as its JSON came back from a file; some figures were others."""
    found = reports.go(run="rh-before", ended_at_ms=reports.T0_MS - 86_400_000)
    rows = tuple(
        replace(row, proved=proved[row.what]) if row.what in proved else row
        for row in found.promised
    )
    value: dict[str, Any] = json.loads(json.dumps(replace(found, promised=rows).to_json()))
    return value


def compared(previous: dict[str, Any], now: Findings | None = None) -> Comparison:
    found = compare.compare((now or reports.go()).to_json(), previous)
    assert found is not None
    return found


def change_of(what: str, before: float) -> Change:
    return next(row.change for row in compared(earlier(**{what: before})).rows if row.what == what)


@pytest.mark.parametrize(
    ("what", "before", "change"),
    [
        ("order_p99_ms", 161.4, Change.SAME),
        ("order_p99_ms", 190.0, Change.SAME),  # 15 % more
        ("order_p99_ms", 250.0, Change.BETTER),
        ("order_p99_ms", 100.0, Change.WORSE),
        ("viewers", 595, Change.SAME),
        ("viewers", 500, Change.BETTER),
        ("viewers", 700, Change.WORSE),
        ("orders_per_s", 300, Change.WORSE),
        ("ledger_lag_s", 0.7, Change.SAME),  # twice as much, but less than half a second
        ("ledger_lag_s", 4.0, Change.BETTER),
        ("errors_percent", 0.04, Change.SAME),
        ("errors_percent", 0.3, Change.BETTER),
        ("delivery_gaps", 1, Change.BETTER),
        ("recover_s", -1.0, Change.BETTER),  # it never did
    ],
)
def test_a_figure_has_changed_if_it_moved_by_more_than_its_tolerance(
    what: str, before: float, change: Change
) -> None:
    assert change_of(what, before) is change


def test_a_run_that_never_recovered_is_worse_than_one_that_did() -> None:
    now = reports.go()
    rows = tuple(
        replace(row, proved=-1.0) if row.what == "recover_s" else row for row in now.promised
    )
    found = compared(earlier(), replace(now, promised=rows))
    assert {row.what: row.change for row in found.rows}["recover_s"] is Change.WORSE


def test_the_tolerance_is_the_larger_of_its_two_bounds() -> None:
    tolerance = Tolerance(share=0.1, least=5)
    assert compare.judge(10, 15, tolerance, less_is_better=True) is Change.SAME
    assert compare.judge(10, 15.1, tolerance, less_is_better=True) is Change.WORSE
    assert compare.judge(1_000, 1_100, tolerance, less_is_better=False) is Change.SAME
    assert compare.judge(1_000, 1_101, tolerance, less_is_better=False) is Change.BETTER


def test_one_more_broken_invariant_is_worse() -> None:
    found = compared(earlier(), reports.no_go())
    row = next(row for row in found.rows if row.what == compare.BROKEN)
    assert (row.before, row.now, row.change) == (0, 1, Change.WORSE)


def test_the_capacity_is_compared_at_the_knees_if_both_have_one() -> None:
    found = {row.what: row for row in compared(earlier(), reports.go(knee=1)).rows}
    assert (found[compare.CAPACITY].before, found[compare.CAPACITY].now) == (400, 300)
    assert found[compare.CAPACITY].change is Change.WORSE
    found = {row.what: row for row in compared(earlier(), reports.go(capacity=(), knee=-1)).rows}
    assert compare.CAPACITY not in found


def test_what_was_not_measured_is_not_compared() -> None:
    now = reports.go()
    rows = tuple(
        replace(row, holds=None) if row.what == "order_p99_ms" else row for row in now.promised
    )
    found = {row.what for row in compared(earlier(), replace(now, promised=rows)).rows}
    assert "order_p99_ms" not in found
    assert "viewers" in found


def test_the_same_plan_with_another_seed_is_the_same_plan() -> None:
    other_seed = reports.go(plan=reports.plan(seed=99).to_json())
    assert compared(earlier(), other_seed).plan_differs == ()
    promise = replace(reports.plan().promise, viewers=900)
    other = reports.go(plan=reports.plan(promise=promise, drills=()).to_json())
    assert compared(earlier(), other).plan_differs == ("drills", "promise.viewers")


def test_another_machine_is_told() -> None:
    server = {**reports.go().environment["server"], "cpus": 8}
    now = reports.go(environment={**reports.go().environment, "server": server})
    assert compared(earlier(), now).machine_differs == (("cpus", "2", "8"),)


@pytest.mark.parametrize(
    "previous",
    [
        None,
        {},
        {"verdict": None},
        {"verdict": "go", "promised": "none", "capacity": 3, "plan": [], "environment": "x"},
        {"verdict": "go", "promised": [1, {"what": "viewers", "proved": "many"}], "knee": True},
    ],
)
def test_an_earlier_file_of_any_shape_never_costs_the_report(
    previous: dict[str, Any] | None,
) -> None:
    assert Page(build(reports.go(), previous)).doctype == "doctype html"


def test_a_void_run_is_compared_with_nothing() -> None:
    text = build(reports.void(), earlier())
    assert "their figures are not compared" in text
    text = build(reports.go(), {**earlier(), "verdict": "void"})
    assert "their figures are not compared" in text
