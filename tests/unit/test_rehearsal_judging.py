"""From a run's files to a verdict: GO, with limits or without, and how it is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadtest.rehearsal.findings import Say, Verdict
from loadtest.rehearsal.judging import judge, main
from loadtest.rehearsal.plan import LANGUAGES
from loadtest.rehearsal.records import OK, DrillReport, Process, Sample, Step
from loadtest.rehearsal.report.words import full
from tests.support.rehearsal_runs import (
    T0_US,
    Run,
    healthy_run,
    small_plan,
)
from tests.support.rehearsal_wrongs import (
    busy,
    drilled,
    findings_of,
    keys,
    oversell,
    slow_orders,
)

Change = Callable[[Run], object]


@pytest.fixture
def run() -> Run:
    return healthy_run()


# GO


def test_a_run_that_kept_every_promise_is_a_go(run: Run, tmp_path: Path) -> None:
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, findings.verdict.exit_code) == (Verdict.GO, 0)
    assert findings.reasons == ()
    assert findings.first_limit == ""
    assert all(row.holds for row in findings.promised)
    assert findings.sentences == {each: full(findings.sentence, each) for each in LANGUAGES}
    assert findings.sentence.values["viewers"] == 200


def test_what_was_proved_stands_beside_what_was_promised(run: Run, tmp_path: Path) -> None:
    rows = {row.what: (row.promised, row.proved) for row in findings_of(run, tmp_path).promised}
    assert rows == {
        "viewers": (200, 200),
        "orders_per_s": (20, 20),
        "order_p99_ms": (1_000, 30),
        "delivery_p99_ms": (1_000, 40),
        "connect_p99_ms": (2_000, 20),
        "ledger_lag_s": (10, 0.02),
        "errors_percent": (0.1, 0),
        "delivery_gaps": (0, 0),
        "payments_refused": (0, 0),
    }


def test_the_whole_of_the_findings_is_json(run: Run, tmp_path: Path) -> None:
    found = json.loads(json.dumps(findings_of(run, tmp_path).to_json()))
    assert found["verdict"] == "go"
    assert found["sentences"]["en"].startswith("GO")
    assert (found["began_at_ms"], found["ended_at_ms"]) == (
        T0_US // 1000 - 45_000,
        T0_US // 1000 + 45_000,
    )


def test_a_go_advises_to_admit_four_fifths_of_what_was_proved(run: Run, tmp_path: Path) -> None:
    advice = {each.setting: each.value for each in findings_of(run, tmp_path).advice}
    # 48 were answered in the busiest second
    assert advice["orders_per_s"] == "38"
    assert advice["ONAIR_ORDERS_WAITING_MAX"] == "100"
    assert (advice["ONAIR_WORKERS"], advice["ONAIR_LEDGER_WORKERS"]) == ("1", "1")
    assert advice["hold_seconds"] == "60"
    assert advice["ONAIR_CHAT_PER_S"] == "5"


def test_a_busy_web_worker_is_told_to_have_company(run: Run, tmp_path: Path) -> None:
    busy(run, "web worker 1", 0.85, range(40))
    advice = {each.setting: each for each in findings_of(run, tmp_path).advice}
    assert advice["ONAIR_WORKERS"].value == "2"
    assert advice["ONAIR_WORKERS"].why.values["cores"] == 2


def test_nothing_is_said_of_a_chat_budget_that_was_not_tried(run: Run, tmp_path: Path) -> None:
    assert run.environment is not None
    run.environment["server"]["limits"] = {"chat_per_s": 40}
    assert "ONAIR_CHAT_PER_S" not in {each.setting for each in findings_of(run, tmp_path).advice}


# GO with limits


@pytest.mark.parametrize(("took_ms", "verdict"), [(750, Verdict.GO), (751, Verdict.GO_WITH_LIMITS)])
def test_less_than_a_quarter_in_hand_is_a_limit(
    run: Run, tmp_path: Path, took_ms: int, verdict: Verdict
) -> None:
    slow_orders(run, took_ms * 1_000)
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, findings.verdict.exit_code) == (verdict, 0)
    assert keys(findings) == ["tight.order_p99_ms"] * (verdict is not Verdict.GO)
    assert findings.first_limit == ("order_latency" if findings.reasons else "")


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("web worker 1", "server_cpu"),
        ("redis, rehearsal", "redis_cpu"),
        ("ledger worker 1, rehearsal", "ledger_cpu"),
    ],
)
def test_a_process_at_its_limit_in_the_spike_is_the_next_limit(
    run: Run, tmp_path: Path, name: str, limit: str
) -> None:
    busy(run, name, 0.97, range(1, 4))
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, findings.first_limit) == (Verdict.GO_WITH_LIMITS, limit)
    assert findings.reasons[0].values == {"process": name, "percent": 97}


def test_a_process_that_is_busy_for_two_seconds_is_no_limit(run: Run, tmp_path: Path) -> None:
    busy(run, "web worker 1", 1.0, range(1, 3))
    assert findings_of(run, tmp_path).verdict is Verdict.GO


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (DrillReport("kill_worker", 8, 9, 20.5, 3), "tight.drill_late"),
        (DrillReport("kill_worker", 8, 9, 0, 0, refused="not allowed here"), "tight.drill_refused"),
    ],
)
def test_a_drill_that_recovered_late_or_was_not_done_limits_a_go(
    run: Run, tmp_path: Path, report: DrillReport, reason: str
) -> None:
    drilled(run, report)
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, keys(findings)) == (Verdict.GO_WITH_LIMITS, [reason])


def step(factor: float, **changes: Any) -> Step:
    made = Step(factor, round(200 * factor), 20 * factor, 19 * factor, 5, 30, 4_000, 5, 40, 20)
    return replace(made, **changes)


def test_a_knee_far_above_the_plan_is_a_go_with_its_factor(run: Run, tmp_path: Path) -> None:
    run.steps = [step(1.0), step(1.5), step(2.0, broken=("order_latency: p99 1300 ms",))]
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, findings.knee) == (Verdict.GO, 1)
    assert findings.sentence == Say(
        "go_searched", {"viewers": 200, "orders_per_s": 20, "factor": 1.5}
    )
    advice = {each.setting: each.value for each in findings.advice}
    assert advice["orders_per_s"] == "22"  # of 28.5


@pytest.mark.parametrize("held", [0, 1], ids=["the plan itself broke", "a tenth more held"])
def test_a_knee_just_above_the_plan_is_a_limit(run: Run, tmp_path: Path, held: int) -> None:
    broken = ("order_latency: p99 1300 ms",)
    run.steps = [step(1.0), step(1.1), step(1.2)]
    run.steps[held + 1] = replace(run.steps[held + 1], broken=broken)
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, findings.first_limit) == (Verdict.GO_WITH_LIMITS, "order_latency")
    assert keys(findings) == ["tight.capacity"]


def test_a_search_that_the_generator_ended_limits_nothing(run: Run, tmp_path: Path) -> None:
    run.steps = [step(1.0), step(1.1, void=("generator at its limit",))]
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, findings.knee) == (Verdict.GO, 0)


# the command


def test_the_command_prints_the_sentence_and_the_reasons_and_exits_with_the_verdict(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    oversell(run)
    assert main([str(run.write(tmp_path / "run"))]) == 1
    lines = capsys.readouterr().out.splitlines()
    findings = judge(tmp_path / "run")
    assert lines[0] == findings.sentences["en"]
    assert lines[1:] == [f"- {full(reason, 'en')}" for reason in findings.reasons]


def test_the_command_speaks_chinese_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "zh-CN"]) == 2
    assert judge(tmp_path).sentences["zh-CN"] in capsys.readouterr().out


def test_the_command_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "DIR" in capsys.readouterr().err


def test_samples_of_one_name_are_one_line_of_the_report(run: Run, tmp_path: Path) -> None:
    run.samples["locust-2"] = [Sample("rpc", "order.place", T0_US, 0, 50_000, OK)]
    latency = findings_of(run, tmp_path).latency
    assert latency["rpc order.place"].count == 61
    assert latency["rpc order.place"].most == 50.0


def test_a_process_that_is_not_the_rehearsals_own_is_not_counted_beside_it(
    run: Run, tmp_path: Path
) -> None:
    busy(run, "ledger worker 1", 3.0, range(40))  # the real shop's
    assert run.timeline is not None
    assert Process("redis", 0.01, 20_000_000) in run.timeline[0].processes
    advice = {each.setting: each.value for each in findings_of(run, tmp_path).advice}
    assert advice["ONAIR_LEDGER_WORKERS"] == "1"


def test_another_plan_of_the_same_run_promises_otherwise(run: Run, tmp_path: Path) -> None:
    plan = small_plan()
    run.plan = replace(plan, targets=replace(plan.targets, order_p99_ms=20))
    assert findings_of(run, tmp_path).first_limit == "order_latency"
