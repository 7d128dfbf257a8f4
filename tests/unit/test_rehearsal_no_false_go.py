"""Runs whose figures look well, and that are no GO all the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from loadtest.rehearsal.findings import Say, Verdict
from loadtest.rehearsal.judging import judge
from loadtest.rehearsal.people import People
from loadtest.rehearsal.records import OK, UNKNOWN, DrillReport, Sample, write_json
from tests.support.rehearsal_runs import (
    BUYERS,
    SPIKE_S,
    STOCK,
    T0_US,
    Run,
    books_answer,
    counters,
    healthy_run,
    order_samples,
    place,
    user_of,
)
from tests.support.rehearsal_wrongs import drilled, findings_of, keys


@pytest.fixture
def run() -> Run:
    return healthy_run()


def see(run: Run, connections: int, seconds: range) -> None:
    """So many connections are counted in these seconds after T0."""
    assert run.timeline is not None
    run.timeline = [
        replace(look, viewers=connections) if round((look.at_us - T0_US) / 1e6) in seconds else look
        for look in run.timeline
    ]


# who watches


def test_buyers_who_only_sign_in_are_no_viewers(run: Run, tmp_path: Path) -> None:
    see(run, 200, range(-20, 60))  # as many connections as viewers are promised
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, findings.first_limit) == (Verdict.NO_GO, "viewers")
    assert findings.reasons[0].values["proved"] == 200 - BUYERS


def test_viewers_who_fall_away_in_the_spike_were_not_held(run: Run, tmp_path: Path) -> None:
    see(run, 100 + BUYERS, range(2, SPIKE_S))
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, findings.first_limit) == (Verdict.NO_GO, "viewers")
    assert findings.reasons[0].values["proved"] == 100


def test_one_look_that_misses_viewers_is_a_hiccup(run: Run, tmp_path: Path) -> None:
    see(run, 0, range(5, 6))
    assert findings_of(run, tmp_path).verdict is Verdict.GO


# what the shop sells


def answer(run: Run, outcome: str, numbers: range) -> None:
    """These buyers are told something else, and have no order."""
    assert run.attempts is not None
    assert run.orders is not None
    users = {user_of(number) for number in numbers}
    run.attempts = [
        replace(each, outcome=outcome, order="", amount_minor=0, answer_digest=outcome)
        if each.user in users
        else each
        for each in run.attempts
        if each.user not in users or each.op == "place"
    ]
    run.orders = [row for row in run.orders if row["user"] not in users]
    sold = sum(row["state"] == "paid" for row in run.orders)
    run.books = books_answer(counters(STOCK - sold, 0, sold), at_ms=T0_US // 1_000 + 40_000)


def test_a_sale_that_never_opens_is_no_go_however_fast_it_says_so(run: Run, tmp_path: Path) -> None:
    answer(run, "not_started", range(1, BUYERS + 1))
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, findings.first_limit) == (Verdict.NO_GO, "open_from_the_start")


def test_a_sale_may_open_within_a_second(run: Run, tmp_path: Path) -> None:
    assert run.attempts is not None
    run.attempts.append(place(60, 900_000, "not_started", request_id="q-early"))
    assert findings_of(run, tmp_path).verdict is Verdict.GO


def test_who_pressed_before_the_start_may_be_told_so_again_later(run: Run, tmp_path: Path) -> None:
    assert run.attempts is not None
    early = place(60, -500_000, "not_started", request_id="q-early")
    run.attempts += [early, replace(early, intended_us=T0_US, sent_us=T0_US + 2_000_000)]
    assert findings_of(run, tmp_path).verdict is Verdict.GO


@pytest.mark.parametrize(("first", "verdict"), [(18, Verdict.NO_GO), (19, Verdict.GO)])
def test_sold_out_while_there_was_stock_is_a_no_go(
    run: Run, tmp_path: Path, first: int, verdict: Verdict
) -> None:
    answer(run, "sold_out", range(first, STOCK + 1))  # 18 are on sale from the beginning
    findings = findings_of(run, tmp_path)
    assert findings.verdict is verdict
    if verdict is Verdict.NO_GO:
        assert findings.first_limit == "sold_out_is_true"


def test_a_shop_that_says_too_fast_to_its_buyers_has_not_answered_them(
    run: Run, tmp_path: Path
) -> None:
    answer(run, "error 429", range(STOCK + 1, BUYERS + 1))
    run.samples["locust-1"] = order_samples(run.attempts or [])
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, findings.first_limit) == (Verdict.NO_GO, "orders")


def test_bots_may_be_told_that_they_are_too_fast(run: Run, tmp_path: Path) -> None:
    answer(run, "error 429", range(STOCK + 1, BUYERS + 1))
    run.attempts = [
        replace(each, kind="bots") if each.outcome == "error 429" else each
        for each in run.attempts or []
    ]
    assert findings_of(run, tmp_path).verdict is Verdict.GO


# what was not measured


def no_pushes(run: Run) -> None:
    samples = run.samples["audience-1"]
    run.samples["audience-1"] = [each for each in samples if each.kind != "push"]


def no_connects(run: Run) -> None:
    samples = run.samples["audience-1"]
    run.samples["audience-1"] = [each for each in samples if each.kind != "connect"]


def no_witness(run: Run) -> None:
    run.testimonies["audience-1"] |= {"witnesses": 20, "never_joined": 20, "events": 0}


def deaf_witnesses(run: Run) -> None:
    run.testimonies["audience-1"] |= {"events": 0}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (no_pushes, "delivery_p99_ms"),
        (no_connects, "connect_p99_ms"),
        (no_witness, "delivery_gaps"),
        (deaf_witnesses, "delivery_gaps"),
    ],
)
def test_a_promise_of_which_nothing_was_measured_is_not_kept(
    run: Run, tmp_path: Path, change: Callable[[Run], None], what: str
) -> None:
    change(run)
    findings = findings_of(run, tmp_path)
    assert findings.verdict is Verdict.VOID
    assert findings.reasons == (Say("void.not_measured", {"what": Say(f"promise.{what}")}),)


def test_a_drill_that_takes_the_whole_rush_limits_what_is_proved(run: Run, tmp_path: Path) -> None:
    drilled(run, DrillReport("kill_worker", 0, 5, 1, 0))
    findings = findings_of(run, tmp_path)
    assert findings.verdict is Verdict.GO_WITH_LIMITS
    assert Say("tight.not_measured", {"what": Say("promise.order_p99_ms")}) in findings.reasons


def test_what_others_heard_after_a_witness_fell_silent_is_a_gap(run: Run, tmp_path: Path) -> None:
    run.testimonies["audience-1"]["unheard"] = 7
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, findings.first_limit) == (Verdict.NO_GO, "delivery_gaps")
    assert findings.delivery.gaps == 7


# generators that are not there any more


@pytest.mark.parametrize("who", ["locust-2", "audience-1"])
def test_a_generator_that_ended_badly_makes_a_run_void(run: Run, tmp_path: Path, who: str) -> None:
    assert run.environment is not None
    run.environment["exits"] = {"locust-1": 0, "audience-1": 0, who: -9}
    findings = findings_of(run, tmp_path)
    assert findings.verdict is Verdict.VOID
    assert findings.reasons == (Say("void.generator_lost", {"who": who}),)


def test_orders_of_a_lost_locust_worker_are_not_the_shops_fault(run: Run, tmp_path: Path) -> None:
    """Its buyers' orders are in the ledger, and what they asked for is in no file."""
    assert run.attempts is not None
    run.attempts = [each for each in run.attempts if each.user != user_of(3)]
    findings = findings_of(run, tmp_path)
    assert findings.first_limit == "paid_equals_ledger"
    write_json(tmp_path / "run" / "lost-locust-2.json", {"at_us": T0_US})
    found = judge(tmp_path / "run")
    assert (found.verdict, keys(found)) == (Verdict.VOID, ["void.generator_lost"])


# figures that hide others


def bots_press(run: Run, times: int = 40) -> None:
    """Ten bots press often; each time they are told at once that they are too fast."""
    assert run.attempts is not None
    pressed = [
        place(number, n * 60_000, "error 429", request_id=f"b-{number}-{n}", kind="bots")
        for number in range(100, 110)
        for n in range(times)
    ]
    run.attempts += pressed
    run.samples["locust-1"] += order_samples(pressed)


def test_the_answers_to_bots_do_not_hide_slow_ones_to_people(run: Run, tmp_path: Path) -> None:
    bots_press(run)
    slowed = [
        replace(each, took_us=2_000_000) if each.outcome == "reserved" and number < 2 else each
        for number, each in enumerate(run.samples["locust-1"])
    ]
    run.samples["locust-1"] = slowed
    assert findings_of(run, tmp_path).first_limit == "order_latency"


def test_the_answers_to_bots_do_not_make_failures_rare(run: Run, tmp_path: Path) -> None:
    bots_press(run, 400)
    samples = run.samples["locust-1"]
    samples[0] = replace(samples[0], outcome="error 503")
    assert findings_of(run, tmp_path).first_limit == "errors"


@pytest.mark.parametrize(("count", "verdict"), [(5, Verdict.GO), (6, Verdict.GO_WITH_LIMITS)])
def test_people_who_were_thrown_out_and_came_back_limit_a_go(
    run: Run, tmp_path: Path, count: int, verdict: Verdict
) -> None:
    assert run.plan is not None
    assert People.of(run.plan).all == 260
    run.samples["audience-1"] += [
        Sample("connect", "reconnect", T0_US + 5_000_000, 0, 20_000, OK) for _ in range(count)
    ]
    findings = findings_of(run, tmp_path)
    assert findings.verdict is verdict
    assert keys(findings) == ["tight.lost_lines"] * (verdict is not Verdict.GO)


def test_reconnecting_after_a_drill_is_the_drills(run: Run, tmp_path: Path) -> None:
    drilled(run, DrillReport("slow_readers", 4, 6, 2.0, 0))
    run.samples["audience-1"] += [
        Sample("connect", "reconnect", T0_US + 5_000_000, 0, 20_000, OK) for _ in range(50)
    ]
    assert findings_of(run, tmp_path).verdict is Verdict.GO


@pytest.mark.parametrize("lag", [3, None])
def test_books_that_agree_while_something_is_on_its_way_are_not_closed(
    run: Run, tmp_path: Path, lag: int | None
) -> None:
    assert run.books is not None
    run.books["lag"] = lag
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, findings.first_limit) == (Verdict.NO_GO, "ledger_lag")


# the first limit


def test_a_server_that_goes_away_is_the_first_limit_not_what_failed_because_of_it(
    run: Run, tmp_path: Path
) -> None:
    assert run.timeline is not None
    run.timeline = [
        replace(look, unreachable=True, viewers=0) if look.at_us > T0_US + 2_000_000 else look
        for look in run.timeline
    ]
    run.samples["locust-1"] += [
        Sample("rpc", "like.add", T0_US + 1_500_000, 0, 20_000, UNKNOWN) for _ in range(9)
    ]
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, findings.first_limit) == (Verdict.NO_GO, "unreachable")
    assert "limit.errors" in keys(findings)
