"""The document of rehearsals names every field, drill, invariant and exit code there is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from loadtest.rehearsal import invariants, plan
from loadtest.rehearsal.__main__ import _parser
from loadtest.rehearsal.findings import Verdict
from loadtest.rehearsal.health_check import CPU_SHARE_MAX, LAG_MS_MAX, LATE_SHARE_MAX
from loadtest.rehearsal.shipped import SHIPPED
from loadtest.rehearsal.verdict import ASKED_SHARE_MIN, HEADROOM
from tests.support import rehearsal_reports as reports

DOCUMENT = (Path(__file__).parents[2] / "docs/REHEARSAL.md").read_text("utf-8")
ROWS = {
    cells[0].strip().strip("`"): [cell.strip() for cell in cells[1:]]
    for line in DOCUMENT.splitlines()
    if line.startswith("| `") and (cells := line.strip("|").split("|"))
}
TABLES = {**plan._TABLES, **plan._LISTS}


def plan_fields() -> Iterator[tuple[str, Any]]:
    for each in fields(plan.Plan):
        if each.name in TABLES:
            for inner in fields(TABLES[each.name]):
                yield f"{each.name}.{inner.name}", inner.default
        else:
            yield each.name, each.default


@pytest.mark.parametrize(
    ("name", "default"), list(plan_fields()), ids=lambda value: str(value)[:40]
)
def test_every_field_of_a_plan_has_a_row_with_its_default_and_bounds(
    name: str, default: object
) -> None:
    told, bounds, *_ = ROWS[name]
    assert told == ("" if default is MISSING else str(default))
    if name in plan._BOUNDS and name != "seed":
        least, most = (f"{bound:g}" if bound < 1 else str(bound) for bound in plan._BOUNDS[name])
        assert bounds.startswith(least)
        assert most in bounds or "more" in bounds


def test_no_row_of_the_plan_is_of_a_field_that_is_gone() -> None:
    known = {name for name, _ in plan_fields()}
    tables = tuple(f"{name}." for name in TABLES)
    assert {name for name in ROWS if name.startswith(tables)} <= known


def test_every_drill_and_invariant_has_a_row() -> None:
    assert set(plan.DRILLS) <= ROWS.keys()
    assert {check.__name__ for check in invariants.CHECKS} <= ROWS.keys()


def test_every_option_of_the_command_is_told() -> None:
    options = {
        option
        for action in _parser()._actions
        for option in action.option_strings
        if option.startswith("--") and option != "--help"
    }
    assert len(options) > 12
    assert {option for option in options if f"`{option}" not in DOCUMENT} == set()
    assert {name for name in SHIPPED if f"`{name}`" not in DOCUMENT} == set()


def test_the_exit_codes_and_thresholds_are_those_of_the_verdict() -> None:
    codes = {verdict: verdict.exit_code for verdict in Verdict}
    assert codes == {"go": 0, "go_with_limits": 0, "no_go": 1, "void": 2}
    for code, words in enumerate(("GO, or GO with limits", "NO-GO", "void or stopped")):
        assert f"| {code} | {words}" in DOCUMENT
    assert (CPU_SHARE_MAX, LAG_MS_MAX, LATE_SHARE_MAX) == (0.9, 250, 0.05)
    assert "over 90 % of its core, ran over 250 ms" in DOCUMENT
    assert "over 5 % of its requests late" in DOCUMENT
    assert HEADROOM == 0.25
    assert "less than a quarter of a target in hand" in DOCUMENT
    assert ASKED_SHARE_MIN == 0.9
    assert "Fewer than nine tenths of the planned buyers" in DOCUMENT


def test_the_json_of_findings_is_told_field_by_field() -> None:
    section = DOCUMENT.partition("### findings.json")[2]
    assert [name for name in reports.go().to_json() if f"`{name}`" not in section] == []
    for value in reports.go().to_json().values():
        one = value[0] if isinstance(value, tuple) and value else value
        assert not is_dataclass(one)


def test_the_runbook_has_its_six_times_in_order() -> None:
    runbook = DOCUMENT.partition("## Runbook")[2]
    places = [
        runbook.index(f"### {time}")
        for time in ("T-72 h", "T-24 h", "T-1 h", "T-10 min", "T0", "T+30 min")
    ]
    assert places == sorted(places)
