"""The search for the knee: what a step asks for, and when it counts as broken or void."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from loadtest.buyers import Answers
from loadtest.rehearsal.finder import _Climb
from loadtest.rehearsal.heights import BUYERS_MAX, Height, Seen, busiest, describe, heights
from loadtest.rehearsal.people import People
from loadtest.rehearsal.plan import Plan
from loadtest.rehearsal.records import Process, Pulse, Second
from loadtest.samples import Spread

PLAN = Plan.from_json(
    {
        "title": "Friday",
        "items": [{"sku": "mug", "title": "Mug", "stock": 100, "price_minor": 100}],
        "promise": {"viewers": 200, "buyers_per_unit": 4, "rush_s": 2, "comments_per_s": 10},
        "finder": {"step": 0.5, "steps_max": 3, "step_s": 10},
        "targets": {"order_p99_ms": 500, "delivery_p99_ms": 300, "ledger_lag_s": 5},
    }
)
HEIGHT = Height.of(PLAN, 1)
FAST = Spread(100, 5.0, 8.0, 40.0, 60.0)
SLOW = Spread(100, 5.0, 8.0, 900.0, 950.0)
ANSWERS = Answers(2_000, {"reserved": 500, "sold_out": 1_500}, 0, 10.0, FAST, FAST)
LOOK = Second(at_us=1, phase="find 1", viewers=200 + HEIGHT.buyers, lag_ms=20)
SEEN = Seen(HEIGHT, ANSWERS, FAST, 20_000, (LOOK,), ())


def broken(seen: Seen) -> list[str]:
    return [why.partition(":")[0] for why in seen.step(PLAN).broken]


def test_the_first_step_is_the_plan_and_each_other_more_by_the_same() -> None:
    found = heights(PLAN)
    assert [height.factor for height in found] == [1, 1.5, 2]
    assert [height.viewers for height in found] == [200, 300, 400]
    assert [height.orders_per_s for height in found] == [200, 300, 400]
    assert [height.comments_per_s for height in found] == [10, 15, 20]


def test_a_step_keeps_the_rush_up_and_as_many_get_nothing_as_in_the_plan() -> None:
    assert HEIGHT.orders == 2_000
    assert HEIGHT.stock == 500
    assert HEIGHT.buyers == 400


def test_a_large_step_is_made_by_a_bounded_number_of_connections() -> None:
    assert Height.of(PLAN, 50).buyers == BUYERS_MAX


def test_a_step_within_all_targets_holds() -> None:
    step = SEEN.step(PLAN)
    assert step.broken == step.void == ()
    assert step.answered_per_s == 200
    assert step.delivered_per_s == 2_000
    assert describe(step).endswith(": holds")


def test_each_target_that_is_missed_is_named() -> None:
    assert broken(replace(SEEN, answers=replace(ANSWERS, late_ms=SLOW))) == ["order_latency"]
    assert broken(replace(SEEN, delivery=SLOW)) == ["delivery_latency"]
    assert broken(replace(SEEN, looks=(replace(LOOK, lag_ms=6_000),))) == ["ledger_lag"]
    assert broken(replace(SEEN, looks=(replace(LOOK, viewers=150 + HEIGHT.buyers),))) == ["viewers"]
    assert broken(replace(SEEN, answers=replace(ANSWERS, unanswered=50))) == ["errors"]
    refused = replace(ANSWERS, outcomes={"error 503": 50, "sold_out": 1_950})
    assert broken(replace(SEEN, answers=refused)) == ["errors"]


def test_what_was_missed_is_told_beside_what_was_promised() -> None:
    step = replace(SEEN, answers=replace(ANSWERS, late_ms=SLOW)).step(PLAN)
    assert step.broken == ("order_latency: 900 ms, promised 500 ms",)
    assert step.broken[0] in describe(step)


def test_a_step_whose_generator_was_late_or_full_is_void() -> None:
    late = replace(SEEN, answers=replace(ANSWERS, behind_ms=SLOW)).step(PLAN)
    full = replace(SEEN, pulses=(Pulse(1, 0.99, 5.0, 200, 0),)).step(PLAN)
    assert late.void == ("orders went out 900 ms late",)
    assert full.void == ("the audience's core was full",)


def test_looks_without_an_answer_say_nothing_of_viewers() -> None:
    silent = Second(at_us=2, phase="find 1", viewers=0, unreachable=True)
    assert replace(SEEN, looks=(LOOK, silent)).step(PLAN).viewers == 200


def test_a_process_is_shown_as_in_its_busiest_second() -> None:
    looks = [
        replace(LOOK, processes=(Process("web worker 1", share, 1),)) for share in (0.2, 0.9, 0.4)
    ]
    assert busiest(looks) == (Process("web worker 1", 0.9, 1),)


def test_a_step_in_which_no_witness_heard_anything_proves_no_delivery() -> None:
    deaf = replace(SEEN, delivery=Spread(0, 0.0, 0.0, 0.0, 0.0), delivered=0)
    assert deaf.step(PLAN).void == ("no witness heard anything",)
    quiet = replace(deaf, height=replace(HEIGHT, comments_per_s=0.0))
    assert quiet.step(PLAN).void == ()


def test_as_many_watch_a_step_as_it_asks_for_also_where_they_are_few() -> None:
    plan = replace(PLAN, promise=replace(PLAN.promise, viewers=30))
    height = Height.of(plan, 1)
    run: Any = SimpleNamespace(shadow=SimpleNamespace(plan=plan))
    assert People.of(_Climb(run, height, "sale", Path())._plan()).audience == height.viewers == 30


def test_no_step_asks_for_more_viewers_than_a_plan_may() -> None:
    plan = replace(PLAN, promise=replace(PLAN.promise, viewers=150_000))
    run: Any = SimpleNamespace(shadow=SimpleNamespace(plan=plan))
    step = _Climb(run, Height.of(plan, 2), "sale", Path())._plan()
    assert Plan.from_json(step.to_json()) == step
