"""What a verdict is made of: quantiles, the spike, fairness, the generator's health, the knee."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loadtest.rehearsal import judging
from loadtest.rehearsal.capacity import Busy, busiest, cores_of, knee, names_of, saturated
from loadtest.rehearsal.delivery import heard
from loadtest.rehearsal.fairness import among
from loadtest.rehearsal.findings import Quantiles, Say, Verdict
from loadtest.rehearsal.health_check import check
from loadtest.rehearsal.invariants import CHECKS
from loadtest.rehearsal.latency import by_name, errors, quantiles
from loadtest.rehearsal.records import Attempt, Process, Pulse, Sample, Second, Step
from loadtest.rehearsal.report.words import SAID
from loadtest.rehearsal.spike import around, most_decided_in_a_second
from tests.support.rehearsal_runs import (
    T0_US,
    calm_pulses,
    clean_testimony,
    pay,
    place,
    timeline,
)


def sample(took_us: int, outcome: str = "ok", **changes: object) -> Sample:
    made = Sample("rpc", "order.place", T0_US, 0, took_us, outcome)
    return replace(made, **changes)  # type: ignore[arg-type]


# latency


def test_quantiles_are_nearest_ranks_in_milliseconds() -> None:
    found = quantiles(range(1_000, 1_001_000, 1_000))
    assert found == Quantiles(1_000, 500, 900, 990, 999, 1_000)


def test_quantiles_of_nothing_say_so_in_their_count() -> None:
    assert quantiles([]) == Quantiles()


def test_latency_is_told_by_kind_and_name() -> None:
    found = by_name([sample(1_000), sample(3_000), sample(9_000, kind="http", name="pay")])
    assert {name: each.count for name, each in found.items()} == {
        "http pay": 1,
        "rpc order.place": 2,
    }


def test_who_never_got_an_answer_counts_with_the_time_that_he_waited() -> None:
    assert by_name([sample(1_000), sample(10_000_000, "unknown")])["rpc order.place"].most == 10_000


def test_what_the_rules_refuse_is_no_error() -> None:
    outcomes = ("sold_out", "error 429", "error 503", "unknown", "error 503", "limit_reached")
    assert errors([sample(1, outcome) for outcome in outcomes]) == {
        "order.place error 503": 2,
        "order.place unknown": 1,
    }


# the spike


def test_nobody_who_pressed_makes_no_spike() -> None:
    assert around([], T0_US, 3.0).seconds == ()


def test_a_spike_is_told_second_by_second_by_the_intended_instant() -> None:
    spike = around(
        [
            place(1, -1_500_000, "not_started"),
            place(2, 0, "reserved"),
            place(3, 999_999, "sold_out", done_us=T0_US + 3_000_000),
            place(4, 2_000_000, "unknown", done_us=0),
            pay(2, 500_000),
        ],
        T0_US,
        3.0,
    )
    assert [(each.second, each.attempts) for each in spike.seconds] == [
        (-2, 1),
        (-1, 0),
        (0, 2),
        (1, 0),
        (2, 1),
    ]
    assert spike.seconds[2].outcomes == {"reserved": 1, "sold_out": 1}
    assert spike.outcomes == {"not_started": 1, "reserved": 1, "sold_out": 1, "unknown": 1}
    assert (spike.first_sold_ms, spike.sold_out_ms) == (30.0, 3_000.0)
    assert (spike.winners.p50, spike.losers.count) == (30.0, 2)


def test_it_is_sold_out_when_the_last_of_all_skus_is() -> None:
    tea = place(1, 0, "sold_out", sku="tea")
    mug = place(2, 5_000_000, "sold_out", sku="mug")
    assert around([tea, mug], T0_US, 3.0).sold_out_ms == 5_030
    assert around([tea, replace(mug, outcome="reserved")], T0_US, 3.0).sold_out_ms is None


@pytest.mark.parametrize(
    ("presses", "longest_ms"),
    [
        ([(0, 30), (1_000, 1_030)], 30),  # nobody waited between them
        ([(0, 30), (10, 700)], 670),
        ([(0, 500), (100, 900), (200, 950)], 500),
        ([(0, 30), (100, 0), (1_100, 1_130)], 1_030),  # the second one is never answered
        ([], 0),
    ],
)
def test_a_silence_is_a_time_in_which_somebody_waits_and_nobody_is_answered(
    presses: list[tuple[int, int]], longest_ms: int
) -> None:
    attempts = [
        place(
            number,
            at_ms * 1_000,
            "reserved" if done_ms else "unknown",
            done_us=T0_US + done_ms * 1_000 if done_ms else 0,
        )
        for number, (at_ms, done_ms) in enumerate(presses)
    ]
    assert around(attempts, T0_US, 3.0).longest_silence_ms == longest_ms


def test_the_busiest_second_counts_answers_and_no_errors() -> None:
    attempts = [place(number, number * 100_000, "sold_out") for number in range(25)]
    attempts += [place(number, 0, "error 503") for number in range(100)]
    assert most_decided_in_a_second(attempts, T0_US) == 10


# fairness


def buyer(number: int, at_us: int, outcome: str, kind: str = "on_time") -> Attempt:
    return place(number, at_us, outcome, kind=kind)


def test_buyers_are_grouped_by_when_they_pressed() -> None:
    attempts = [
        buyer(number, number * 1_000, "reserved" if number < 25 else "sold_out")
        for number in range(100)
    ]
    fairness = among(attempts, T0_US)
    assert fairness.buckets == ((10, 10), (10, 10), (10, 5), *[(10, 0)] * 7)
    assert fairness.by_kind == {"on_time": (100, 25)}


def test_each_person_is_counted_once_by_the_first_press_after_t0() -> None:
    attempts = [
        buyer(1, -2_000_000, "not_started", "early"),
        buyer(1, 5_000, "sold_out", "early"),
        buyer(1, 20_000_000, "reserved", "early"),
        buyer(2, 1_000, "sold_out"),
        buyer(3, -1_000, "not_started"),
    ]
    fairness = among(attempts, T0_US)
    assert fairness.buckets == ((1, 0), (1, 1))
    assert fairness.by_kind == {"early": (1, 1), "on_time": (2, 0)}


# the generator


def test_a_calm_generator_has_no_faults() -> None:
    [health] = check({"locust-1": calm_pulses()}, {}, T0_US, 20)
    assert (health.faults, health.sockets_most, health.cpu_p95) == ((), 60, 0.25)


def test_of_a_few_requests_no_share_is_late() -> None:
    late = {"locust-1": [sample(1_000, late_us=90_000)] * 19}
    [health] = check({"locust-1": calm_pulses()}, late, T0_US, 20)
    assert (health.faults, health.late_starts) == ((), 19)


@pytest.mark.parametrize(
    ("target_ms", "late_ms"), [(0, 50), (100, 50), (1_000, 100), (30_000, 250)]
)
def test_how_late_is_late_depends_on_what_an_order_may_take(target_ms: int, late_ms: int) -> None:
    def late(late_us: int) -> int:
        samples = {"locust-1": [sample(1_000, late_us=late_us)]}
        return check({"locust-1": calm_pulses()}, samples, T0_US, 20, target_ms)[0].late_starts

    assert (late(late_ms * 1_000), late(late_ms * 1_000 + 1)) == (0, 1)


def test_a_push_is_never_late() -> None:
    pushes = {"locust-1": [sample(1_000, kind="push", late_us=90_000)] * 100}
    assert check({"locust-1": calm_pulses()}, pushes, T0_US, 20)[0].late_starts == 0


def test_a_few_errors_among_many_sockets_are_no_fault() -> None:
    pulses = [replace(pulse, sockets=5_000) for pulse in calm_pulses()]
    pulses[0] = replace(pulses[0], errors=50)
    assert check({"audience-1": pulses}, {}, T0_US, 20)[0].faults == ()
    pulses[1] = replace(pulses[1], errors=1)
    assert check({"audience-1": pulses}, {}, T0_US, 20)[0].faults != ()


def test_a_generator_without_a_pulse_in_the_spike_stood_still() -> None:
    early = [Pulse(T0_US - 30_000_000, 0.1, 1.0, 1, 0)]
    [health] = check({"locust-1": early}, {}, T0_US, 20)
    assert health.faults == (Say("void.generator_silent", {"who": "locust-1", "seconds": 22}),)


# delivery


def test_what_the_witnesses_of_all_audiences_say_is_summed() -> None:
    wrong = {**clean_testimony(), "missing": 3, "offset_gaps": 2, "repeated": 1, "orders": 2}
    delivery = heard([clean_testimony(), wrong], [sample(5_000, kind="push")], 20)
    assert (delivery.witnesses, delivery.events) == (40, 600)
    assert (delivery.gaps, delivery.repeats, delivery.disorder) == (3, 1, 1)
    assert delivery.latency.p50 == 5.0


def test_a_gap_that_a_silent_viewer_saw_is_one_too() -> None:
    assert heard([{**clean_testimony(), "skips": 4}], [], 20).gaps == 4


def test_an_audience_that_does_not_say_how_many_it_had_had_as_many_as_planned() -> None:
    told = {name: value for name, value in clean_testimony().items() if name != "witnesses"}
    assert heard([{**told, "events": "many"}], [], 7).witnesses == 7


# capacity


def step(*broken: str, void: tuple[str, ...] = ()) -> Step:
    return Step(1.0, 200, 20, 19, 5, 30, 4_000, 5, 40, 20, broken=broken, void=void)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], -1),
        ([step()], 0),
        ([step(), step(), step("errors")], 1),
        ([step("errors"), step()], -1),
        ([step(), step(void=("generator",)), step()], 0),
    ],
)
def test_the_knee_is_the_last_step_that_held(steps: list[Step], expected: int) -> None:
    assert knee(steps) == expected


def looks(*shares: float) -> list[Second]:
    return [
        Second(T0_US + number * 1_000_000, "spike", 1, processes=(Process("redis", share, 1),))
        for number, share in enumerate(shares)
    ]


def test_a_process_is_saturated_after_three_looks_in_a_row() -> None:
    ends = T0_US + 10_000_000
    assert saturated(looks(0.95, 0.95, 0.1, 0.95), T0_US, ends) is None
    assert saturated(looks(0.1, 1.0, 1.0, 1.0), T0_US, ends) == Busy("redis", 1.0)
    assert saturated(looks(0.95, 0.95, 0.95), T0_US + 1, ends) is None


def test_the_busiest_process_is_that_of_the_time_when_it_broke() -> None:
    found = looks(1.0, *[0.2] * 20)
    assert busiest(found, T0_US + 3_000_000) == Busy("redis", 1.0)
    assert busiest(found, T0_US + 9_000_000) is None


def test_where_the_rehearsal_has_its_own_processes_only_those_are_its_own() -> None:
    assert names_of(timeline(18), "ledger") == {"ledger worker 1, rehearsal"}
    assert names_of(timeline(18), "web worker") == {"web worker 1"}


@pytest.mark.parametrize(
    ("environment", "cores"),
    [
        ({"server": {"cpus": 8}, "generator": {"cores": 2}}, 8),
        ({"generator": {"cores": 2}, "same_machine": True}, 2),
        ({"generator": {"cores": 2}, "same_machine": False}, 0),
        ({"server": None}, 0),
    ],
)
def test_cores_are_those_of_the_machine_that_serves(
    environment: dict[str, object], cores: int
) -> None:
    assert cores_of(environment) == cores


# words


def keys_in(path: Path) -> Iterator[str]:
    """What stands first in each `Say(...)`; of an f-string what it begins with, and a star."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "Say":
            continue
        first = node.args[0]
        if isinstance(first, ast.Constant):
            yield str(first.value)
        elif isinstance(first, ast.JoinedStr) and isinstance(first.values[0], ast.Constant):
            yield str(first.values[0].value) + "*"


def test_everything_that_is_said_of_a_run_has_words_in_both_languages() -> None:
    folder = Path(judging.__file__).parent
    keys = {key for path in folder.glob("*.py") for key in keys_in(path)}
    assert {"go", "void.file_torn", "limit.*", "broken.*", "drill.*"} <= keys
    whole = {key for key in keys if not key.endswith("*")}
    assert whole <= set(SAID)
    for family in keys - whole:
        assert any(key.startswith(family[:-1]) for key in SAID), family
    assert {f"broken.{each.__name__}" for each in CHECKS} <= set(SAID)
    assert {Verdict.NO_GO.value, Verdict.VOID.value} <= set(SAID)
