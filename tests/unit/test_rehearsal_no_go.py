"""Runs that are no GO: what was broken is named, and what proves nothing is void."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadtest.rehearsal.findings import Say, Verdict
from loadtest.rehearsal.judging import judge
from loadtest.rehearsal.records import DrillReport, Sample
from loadtest.rehearsal.report.names import NAMES
from tests.support.rehearsal_runs import (
    BUYERS,
    T0_US,
    WARM_S,
    Run,
    healthy_run,
    pay,
    request_of,
)
from tests.support.rehearsal_wrongs import (
    busy,
    drilled,
    findings_of,
    keys,
    oversell,
    sicken,
    slow_connects,
    slow_orders,
)

Change = Callable[[Run], object]


@pytest.fixture
def run() -> Run:
    return healthy_run()


# NO-GO


def test_an_oversell_is_a_no_go_that_names_the_invariant(run: Run, tmp_path: Path) -> None:
    oversell(run)
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, findings.verdict.exit_code) == (Verdict.NO_GO, 1)
    assert (findings.first_limit, keys(findings)[0]) == ("never_oversold", "broken.never_oversold")
    assert findings.reasons[0].values["count"] == 1
    assert findings.sentence == Say("no_go", {"why": findings.reasons[0]})


def test_a_broken_invariant_stands_also_when_the_generator_was_unwell_and_files_are_missing(
    run: Run, tmp_path: Path
) -> None:
    oversell(run)
    sicken(run, "locust-1", range(20), cpu_share=1.0)
    run.testimonies = {}
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, findings.first_limit) == (Verdict.NO_GO, "never_oversold")
    assert {"void.generator_cpu", "void.file_missing"} <= set(keys(findings))


def fail_orders(run: Run) -> None:
    samples = run.samples["locust-1"]
    samples[:10] = [replace(each, outcome="error 503") for each in samples[:10]]


def lag(run: Run) -> None:
    assert run.timeline is not None
    run.timeline[WARM_S + 5] = replace(run.timeline[WARM_S + 5], lag_ms=12_000)


def unsettle(run: Run) -> None:
    assert run.books is not None
    run.books = {**run.books, "lag": 3, "agree": None, "why": "3 entries are on their way"}


def lose_redis(run: Run) -> None:
    assert run.books is not None
    run.books = {**run.books, "redis": None, "lag": None, "agree": None, "why": "no answer"}


def slow_pushes(run: Run) -> None:
    samples = run.samples["audience-1"]
    run.samples["audience-1"] = [
        replace(each, took_us=3_000_000) if each.kind == "push" else each for each in samples
    ]


def miss_viewers(run: Run) -> None:
    assert run.timeline is not None
    run.timeline = [replace(look, viewers=150 + BUYERS) for look in run.timeline]


def miss_events(run: Run) -> None:
    run.testimonies["audience-1"] = {**run.testimonies["audience-1"], "offset_gaps": 2}


def answer_nobody_in_time(run: Run) -> None:
    assert run.attempts is not None
    run.attempts = [
        replace(each, done_us=each.done_us + 5_000_000) if each.op == "place" else each
        for each in run.attempts
    ]


def refuse_payment(run: Run) -> None:
    """Buyer 20 pays in time, is told that it was too late, and the unit goes back."""
    assert run.attempts is not None
    run.attempts.append(pay(20, 9_000_000, "error 409", done_us=T0_US + 14_000_000))


def silence(run: Run) -> None:
    assert run.timeline is not None
    for number in range(WARM_S + 3, WARM_S + 7):
        run.timeline[number] = replace(run.timeline[number], unreachable=True, viewers=0)


def never_recover(run: Run) -> None:
    drilled(run, DrillReport("kill_worker", 8, 9, -1, 30))


@pytest.mark.parametrize(
    ("change", "limit"),
    [
        (slow_orders, "order_latency"),
        (slow_pushes, "delivery_latency"),
        (slow_connects, "connect_latency"),
        (fail_orders, "errors"),
        (lag, "ledger_lag"),
        (unsettle, "ledger_lag"),
        (lose_redis, "redis"),
        (miss_viewers, "viewers"),
        (miss_events, "delivery_gaps"),
        (answer_nobody_in_time, "orders"),
        (refuse_payment, "payments"),
        (silence, "unreachable"),
        (never_recover, "recovery"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_broken_promise_is_a_no_go_that_names_it(
    run: Run, tmp_path: Path, change: Change, limit: str
) -> None:
    change(run)
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, findings.first_limit) == (Verdict.NO_GO, limit)
    assert limit in NAMES["limit"]
    assert len(findings.reasons) == 1


def test_the_first_limit_is_what_broke_first(run: Run, tmp_path: Path) -> None:
    lag(run)  # five seconds after T0
    slow_orders(run)  # one second after T0
    findings = findings_of(run, tmp_path)
    assert findings.first_limit == "order_latency"
    assert keys(findings) == ["limit.order_latency", "limit.ledger_lag"]


def test_the_process_that_could_do_no_more_is_the_evidence(run: Run, tmp_path: Path) -> None:
    slow_orders(run)
    busy(run, "web worker 1", 1.0, range(4))
    findings = findings_of(run, tmp_path)
    assert keys(findings) == ["limit.order_latency", "evidence.process"]
    assert findings.reasons[1].values == {"process": "web worker 1", "percent": 100}


def test_a_machine_that_is_full_is_the_evidence_where_no_process_is(
    run: Run, tmp_path: Path
) -> None:
    slow_orders(run)
    busy(run, "web worker 1", 0.8, range(4))
    sicken(run, "locust-1", range(4), cpu_share=0.8)
    assert keys(findings_of(run, tmp_path)) == ["limit.order_latency", "evidence.machine"]


def test_a_server_that_never_came_back_is_a_no_go_though_its_books_are_missing(
    run: Run, tmp_path: Path
) -> None:
    assert run.timeline is not None
    for number in range(WARM_S + 3, len(run.timeline)):
        run.timeline[number] = replace(run.timeline[number], unreachable=True, viewers=0)
    run.books = run.orders = None
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, findings.first_limit) == (Verdict.NO_GO, "unreachable")
    assert keys(findings)[-1] == "void.file_missing"


def test_what_a_drill_does_to_requests_is_not_held_against_the_promises(
    run: Run, tmp_path: Path
) -> None:
    drilled(run, DrillReport("kill_worker", 8, 9, 2.0, 40))
    samples = run.samples["locust-1"]
    samples += [
        Sample("rpc", "comment.send", T0_US + at * 100_000, 0, 900_000, "unknown")
        for at in range(80, 120)
    ]
    findings = findings_of(run, tmp_path)
    assert findings.verdict is Verdict.GO
    assert findings.errors == {"comment.send unknown": 40}  # and yet they are shown
    assert {row.what: row.proved for row in findings.promised}["recover_s"] == 2.0


def test_a_drill_that_recovered_late_is_told_as_that_and_breaks_no_other_promise(
    run: Run, tmp_path: Path
) -> None:
    drilled(run, DrillReport("kill_worker", 3, 3, 16.0, 40, viewers_back_s=16.4))
    assert run.timeline is not None
    for number, look in enumerate(run.timeline):
        if 3 < (look.at_us - T0_US) / 1e6 <= 20:
            run.timeline[number] = replace(look, viewers=0)
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, keys(findings)) == (Verdict.GO_WITH_LIMITS, ["tight.drill_late"])


def test_in_a_drill_that_only_the_ledger_feels_orders_must_go_on(run: Run, tmp_path: Path) -> None:
    drilled(run, DrillReport("stop_ledger", 0, 9, 2.0, 0))
    lag(run)
    assert findings_of(run, tmp_path).verdict is Verdict.GO
    slow_orders(run)
    assert findings_of(run, tmp_path / "slow").first_limit == "order_latency"


def test_orders_are_not_judged_by_a_rush_in_which_the_network_was_cut(
    run: Run, tmp_path: Path
) -> None:
    drilled(run, DrillReport("cut_network", 0, 3, 1.0, 60))
    answer_nobody_in_time(run)
    rows = {row.what: row.holds for row in findings_of(run, tmp_path).promised}
    assert rows["orders_per_s"] is None


def test_a_payment_that_was_sent_too_late_may_be_refused(run: Run, tmp_path: Path) -> None:
    assert run.attempts is not None
    run.attempts.append(pay(20, 10_500_000, "error 409"))
    assert findings_of(run, tmp_path).verdict is Verdict.GO


# void


@pytest.mark.parametrize(
    ("who", "changes", "key"),
    [
        ("locust-1", {"cpu_share": 0.95}, "void.generator_cpu"),
        ("audience-1", {"lag_ms": 400.0}, "void.generator_lag"),
        ("audience-1", {"errors": 1}, "void.generator_errors"),
    ],
)
def test_a_generator_that_was_the_bottleneck_makes_a_run_void(
    run: Run, tmp_path: Path, who: str, changes: dict[str, Any], key: str
) -> None:
    sicken(run, who, range(3), **changes)
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, findings.verdict.exit_code) == (Verdict.VOID, 2)
    assert (findings.first_limit, keys(findings)) == ("generator", [key, "note.same_machine"])
    assert findings.reasons[0].values["who"] == who
    assert findings.advice == ()


@pytest.mark.parametrize("changes", [{"cpu_share": 1.0}, {"lag_ms": 900.0}])
def test_two_bad_seconds_of_a_shared_machine_make_nothing_void(
    run: Run, tmp_path: Path, changes: dict[str, Any]
) -> None:
    sicken(run, "locust-1", range(2), **changes)
    assert findings_of(run, tmp_path).verdict is Verdict.GO


def test_bad_seconds_long_before_the_sale_make_nothing_void(run: Run, tmp_path: Path) -> None:
    sicken(run, "locust-1", range(-WARM_S, -3), cpu_share=1.0, lag_ms=900.0)
    assert findings_of(run, tmp_path).verdict is Verdict.GO


def test_requests_that_began_late_make_a_run_void(run: Run, tmp_path: Path) -> None:
    samples = run.samples["locust-1"]
    samples[:6] = [replace(each, late_us=101_000) for each in samples[:6]]
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, keys(findings)[0]) == (Verdict.VOID, "void.generator_late")
    assert findings.generators[1].late_starts == 6


def test_requests_that_began_a_little_late_for_their_target_make_nothing_void(
    run: Run, tmp_path: Path
) -> None:
    samples = run.samples["locust-1"]
    samples[:6] = [replace(each, late_us=99_000) for each in samples[:6]]
    assert findings_of(run, tmp_path).verdict is Verdict.GO


def test_a_generator_that_stood_still_in_the_spike_makes_a_run_void(
    run: Run, tmp_path: Path
) -> None:
    run.pulses["locust-1"] = [
        pulse for pulse in run.pulses["locust-1"] if not T0_US <= pulse.at_us < T0_US + 12_000_000
    ]
    assert keys(findings_of(run, tmp_path))[0] == "void.generator_silent"


def test_a_promise_that_broke_while_the_generator_was_unwell_is_no_verdict_on_the_server(
    run: Run, tmp_path: Path
) -> None:
    slow_connects(run)
    sicken(run, "audience-1", range(-WARM_S, -3), lag_ms=2_000.0)  # not in the spike
    run.samples["audience-1"] = [
        replace(each, intended_us=each.intended_us + 18_000_000)
        for each in run.samples["audience-1"]
    ]
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, findings.first_limit) == (Verdict.VOID, "generator")
    assert keys(findings)[0] == "void.doubtful"
    assert findings.reasons[0].values["why"].key == "limit.connect_latency"


def test_a_promise_that_broke_long_before_the_generator_did_stands(
    run: Run, tmp_path: Path
) -> None:
    slow_connects(run)  # 27 seconds before T0
    sicken(run, "locust-1", range(20), cpu_share=1.0)
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, findings.first_limit) == (Verdict.NO_GO, "connect_latency")
    assert keys(findings)[-1] == "void.generator_cpu"


def test_a_rush_to_which_half_of_the_buyers_did_not_come_is_void(run: Run, tmp_path: Path) -> None:
    assert run.attempts is not None
    refused = {request_of(number) for number in range(31, 61)}
    run.attempts = [each for each in run.attempts if each.request_id not in refused]
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, keys(findings)) == (Verdict.VOID, ["void.asked_less"])
    assert findings.reasons[0].values == {"asked": 30, "promised": 60}


@pytest.mark.parametrize(
    "name",
    [
        *("plan.json", "brief.json", "books.json", "environment.json", "ledger-orders.csv"),
        *("timeline.jsonl", "orders-locust-1.jsonl", "samples-locust-1.csv"),
        *("health-audience-1.jsonl", "witness-audience-1.json"),
    ],
)
def test_a_torn_file_makes_a_run_void_and_is_named(run: Run, tmp_path: Path, name: str) -> None:
    path = run.write(tmp_path / "run") / name
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 3 // 5].rstrip(b"\r\n}") + b",")
    findings = judge(path.parent)
    assert findings.verdict is Verdict.VOID
    torn = [each for each in findings.reasons if each.key == "void.file_torn"]
    assert [each.values["file"] for each in torn] == [name]


CONTENTS = (b"", b"null", b"[]", b"5", b'"x"', b"\xff\xfe", b"{}", b'{"at_us": NaN}')


@pytest.mark.parametrize("content", CONTENTS)
def test_no_content_of_any_file_makes_judging_fail(
    run: Run, tmp_path: Path, content: bytes
) -> None:
    directory = run.write(tmp_path / "run")
    for path in sorted(directory.iterdir()):
        kept = path.read_bytes()
        path.write_bytes(content)
        assert judge(directory).verdict in Verdict
        path.write_bytes(kept)


def test_an_empty_directory_is_void(tmp_path: Path) -> None:
    findings = judge(tmp_path)
    assert findings.verdict is Verdict.VOID
    assert findings.reasons[0] == Say("void.file_missing", {"file": "plan.json"})


def test_a_run_that_was_cut_short_is_void(run: Run, tmp_path: Path) -> None:
    assert run.environment is not None
    run.environment["cut_short"] = "audience-1 ended with 1"
    run.testimonies = {}
    findings = findings_of(run, tmp_path)
    assert findings.verdict is Verdict.VOID
    assert keys(findings) == ["void.cut_short", "void.file_missing"]  # the reason first


def test_a_run_that_ended_in_the_spike_is_void(run: Run, tmp_path: Path) -> None:
    assert run.timeline is not None
    del run.timeline[WARM_S + 5 :]
    assert keys(findings_of(run, tmp_path)) == ["void.cut_short"]


def test_a_sale_that_never_began_is_void(run: Run, tmp_path: Path) -> None:
    assert run.brief is not None
    run.brief = replace(run.brief, t0_ms=0)
    assert "void.never_began" in keys(findings_of(run, tmp_path))
