"""Figures of visits: what makes a round void, what a ratio is made of, what people read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loadtest.bench.__main__ import _parser, plan_of
from loadtest.bench.processes import CpuTime
from loadtest.bench.report import Report
from loadtest.bench.visits import Beside, VisitsFigures, VisitsRound
from loadtest.buyers import Answers
from loadtest.samples import Spread
from loadtest.visitors import RECORDED, _events


def visits_round(**changes: Any) -> VisitsRound:
    answers = Answers(
        sent=100,
        outcomes=changes.pop("outcomes", {RECORDED: 100}),
        unanswered=0,
        seconds=2.0,
        late_ms=Spread.of([1.0]),
        behind_ms=Spread.of([0.1]),
    )
    facts: dict[str, Any] = {"counted": 500, "expected": 500, "written_s": 2.5} | changes
    return VisitsRound(per_s=400, answers=answers, worker_cpu=CpuTime(0.008, 0.008, 0), **facts)


def beside(alone_us: float, beside_us: float, *void: str) -> Beside:
    return Beside(alone_us, beside_us, visits_us=4.0, visits_per_s=10_000.0, void=void)


def test_a_batch_is_eight_events_of_the_vocabulary() -> None:
    for seq, first in ((1, "enter"), (2, "beat")):
        told = json.loads(b"[%s]" % _events(seq, 7))
        assert [event["t"] for event in told] == [
            *(first, *["card_seen"] * 5, "card_open", "sku_pick")
        ]
        assert {event["at_ms"] for event in told} == {7}


def test_a_round_counts_only_if_all_was_recorded_and_counted_in_sql() -> None:
    assert visits_round().void == ()
    assert visits_round().events_per_s == 400
    assert visits_round(outcomes={RECORDED: 99, "error 503": 1}).void == ("1 of 100 not recorded",)
    assert visits_round(counted=495).void == ("SQL counted 495 of 500 cards",)


def test_the_cost_to_the_fanout_is_the_median_of_the_valid_turns() -> None:
    turns = [beside(1.0, 1.05), beside(1.0, 1.2), beside(2.0, 2.0), beside(1.0, 9.0, "lost")]
    figures = VisitsFigures(rounds=[visits_round()], beside=turns)
    assert figures.ratio == pytest.approx(1.05)
    assert VisitsFigures().ratio is None


def test_a_report_of_visits_is_complete_json_and_text() -> None:
    report = Report(environment={"libraries": {}}, plan={}, started_at_ms=0, scenarios=("visits",))
    report.environment |= dict.fromkeys(("cpu", "cores", "kernel", "python", "redis", "commit"), "")
    report.environment["load_average"] = 0.0
    report.visits = VisitsFigures(rounds=[visits_round()], beside=[beside(1.0, 1.05)])
    assert report.is_complete
    told = json.loads(json.dumps(report.as_json()))["visits"]
    assert told["rounds"][0]["events_per_s"] == 400
    assert told["fanout_beside_over_alone"] == pytest.approx(1.05)
    assert "median ratio: 1.05x" in report.as_text()
    report.visits.rounds = [visits_round(counted=1)]
    assert not report.is_complete
    assert report.void() == ["visits, 400/s: SQL counted 1 of 500 cards"]


def test_the_command_line_makes_visits_as_small_as_the_rest() -> None:
    words = ["visits", "--quick", "--viewers", "20", "--rounds", "1", "--seconds", "0.5"]
    plan = plan_of(_parser().parse_args(words))
    assert (plan.visits_viewers, plan.visits_turns, plan.visits_seconds) == (20, 1, 0.5)
