"""A plan: what it may say, what is refused by the name of its field, and the plans that come along.

`_BOUNDS` is read too: a field with a bound must be refused just below and just above it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadtest.rehearsal import plan as plans
from loadtest.rehearsal import shipped
from loadtest.rehearsal.people import People
from loadtest.rehearsal.plan import BadPlan, Plan

MUG: dict[str, Any] = {"sku": "mug", "title": "Mug", "stock": 10, "price_minor": 100}
PLAN: dict[str, Any] = {"title": "Friday", "items": [MUG]}
AROUND: dict[str, dict[str, Any]] = {  # what the most of a field needs beside it
    "items.stock": {"promise": {"buyers_per_unit": 0.3}},  # else there were too many buyers
    "promise.rush_s": {"phases": {"spike_s": 600}},
}
DRILL: dict[str, Any] = {"kind": "stop_ledger", "at_s": 3}


def with_value(path: str, value: object) -> dict[str, Any]:
    """A good plan but for the value of one field, such as `items.stock`."""
    table, _, name = path.rpartition(".")
    if table == "items":
        return PLAN | {"items": [MUG | {name: value}]}
    if table == "drills":
        return PLAN | {"drills": [DRILL | {name: value}]}
    return PLAN | ({table: {name: value}} if table else {name: value})


def refusal(value: dict[str, Any]) -> str:
    with pytest.raises(BadPlan) as caught:
        Plan.from_json(value)
    return str(caught.value)


def beyond() -> Iterator[tuple[str, float]]:
    for path, (least, most) in plans._BOUNDS.items():
        yield path, least - 1
        yield path, most + 1


def test_a_plan_with_nothing_but_a_title_and_an_item_has_defaults() -> None:
    plan = Plan.from_json(PLAN)
    assert plan.units == 10
    assert plan.buyer_count == 30
    assert plan.promise == plans.Promise()
    assert plan.drills == ()


def test_a_plan_is_the_same_after_it_was_written_and_read() -> None:
    value = PLAN | {"drills": [DRILL], "buyers": {"bots": 3}, "phases": {"referee_s": 5}}
    plan = Plan.from_json(value)
    assert Plan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize(("path", "value"), list(beyond()))
def test_a_value_beyond_its_bounds_is_refused_by_the_name_of_its_field(
    path: str, value: float
) -> None:
    whole = int(value) if float(value).is_integer() else value
    table, _, name = path.rpartition(".")
    named = f"{table}.0.{name}" if table in ("items", "drills") else path
    assert refusal(with_value(path, whole)).startswith(f"{named}: ")


@pytest.mark.parametrize("path", plans._BOUNDS)
def test_a_value_at_either_of_its_bounds_is_taken(path: str) -> None:
    for value in plans._BOUNDS[path]:
        Plan.from_json(with_value(path, value) | AROUND.get(path, {}))


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("title", "", "a text of 1 to 200 characters"),
        ("title", "x" * 201, "a text of 1 to 200 characters"),
        ("title", 3, "a text of 1 to 200 characters"),
        ("language", "fr", "one of zh-CN, en"),
        ("seed", 1.5, "a whole number"),
        ("seed", True, "a whole number"),
        ("promise.rush_s", "soon", "a number"),
        ("promise.viewers", "many", "a whole number"),
    ],
)
def test_a_value_of_another_kind_is_refused_with_what_it_must_be(
    path: str, value: object, why: str
) -> None:
    said = refusal(with_value(path, value))
    assert said.startswith(f"{path}: ")
    assert why in said


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"items": [MUG]}, "title"),
        ({"title": "Friday"}, "items"),
        (PLAN | {"items": []}, "items"),
        (PLAN | {"items": [MUG, MUG]}, "items"),
        (PLAN | {"items": [MUG | {"sku": f"m{n}"} for n in range(51)]}, "items"),
        (PLAN | {"items": [MUG | {"sku": "a b"}]}, "items.0.sku"),
        (PLAN | {"items": [{"sku": "mug", "title": "Mug", "stock": 1}]}, "items.0.price_minor"),
        (PLAN | {"items": "mug"}, "items"),
        (PLAN | {"items": [3]}, "items.0"),
        (PLAN | {"promise": 3}, "promise"),
        (PLAN | {"promise": {"veiwers": 3}}, "promise.veiwers"),
        (PLAN | {"nonsense": 3}, "nonsense"),
        (PLAN | {"drills": [DRILL | {"kind": "earthquake"}]}, "drills.0.kind"),
        (PLAN | {"drills": [DRILL] * 21}, "drills"),
        (PLAN | {"buyers": {"on_time": -1}}, "buyers"),
        (
            PLAN
            | {
                "buyers": dict.fromkeys(
                    ("on_time", "early", "impatient", "abandoning", "late", "bots"), 0
                )
            },
            "buyers",
        ),
        (PLAN | {"buyers": {"on_time": 10**7}}, "buyers"),
        (PLAN | {"promise": {"rush_s": 40.5}}, "promise.rush_s"),
        (PLAN | {"phases": {"spike_s": 1, "settle_s": 1}}, "promise.rush_s"),
    ],
)
def test_what_is_missing_unknown_or_contradictory_is_refused_by_name(
    value: dict[str, Any], field: str
) -> None:
    assert refusal(value).startswith(f"{field}: ")


def test_a_file_that_is_missing_torn_or_no_text_is_refused_with_its_path(tmp_path: Path) -> None:
    missing, torn, binary = tmp_path / "missing", tmp_path / "torn", tmp_path / "binary"
    torn.write_text("title = ")
    binary.write_bytes(b"\xff\xfe")
    for path in (missing, torn, binary, tmp_path):
        with pytest.raises(BadPlan, match=str(path)):
            Plan.from_file(path)


@pytest.mark.parametrize("name", shipped.SHIPPED)
def test_a_shipped_plan_is_good_and_says_every_promise_in_words(name: str) -> None:
    plan = shipped.read(name)
    assert Plan.from_json(plan.to_json()) == plan
    text = shipped.find(name).read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert "#" in text.partition("[promise]")[2]


def test_the_shipped_plans_are_the_three_that_are_written_about() -> None:
    assert shipped.SHIPPED == ("beyond", "big-day", "default")
    assert shipped.read("default").drills == ()
    assert shipped.read("big-day").drills


def test_the_default_plan_takes_less_than_a_minute_of_load() -> None:
    plan = shipped.read("default")
    phases = plan.phases
    seconds = plan.promise.arrive_s + phases.warm_s + phases.spike_s + phases.settle_s
    assert seconds <= 45
    assert phases.settle_s > phases.hold_s  # so that holds have run out when books are compared


def test_a_plan_is_found_by_its_path_before_its_name(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert shipped.find("default").parent != tmp_path
    Path("default").write_text('title = "My own"\n[[items]]\nsku = "a"\ntitle = "A"\n')
    assert shipped.find("default") == Path("default")
    with pytest.raises(BadPlan, match=r"items\.0\.stock"):
        shipped.read("default")


def test_an_unknown_plan_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(BadPlan, match="shipped plans are beyond, big-day, default"):
        shipped.find("nowhere")


def test_another_seed_takes_the_place_of_the_plans() -> None:
    assert shipped.read("default").seed == 1
    assert shipped.read("default", 7).seed == 7
    with pytest.raises(BadPlan, match=r"^seed: "):
        shipped.read("default", -1)


def test_everybody_has_one_place_in_the_list_of_tokens() -> None:
    people = People.of(shipped.read("default"))
    kinds = ("buyers", "talkers", "likers", "sharers", "hosts", "audience")
    places = [place for kind in kinds for place in people.places(kind)]
    assert places == list(range(people.all))


def test_the_promised_viewers_watch_and_buyers_come_on_top() -> None:
    plan = shipped.read("default")
    people = People.of(plan)
    assert people.all - people.buyers == plan.promise.viewers
    assert people.buyers == plan.buyer_count


def test_somebody_watches_in_silence_even_where_few_are_promised() -> None:
    value = PLAN | {"promise": {"viewers": 1, "comments_per_s": 50}}
    plan = Plan.from_json(value)
    assert People.of(plan).audience == plan.generator.witnesses + 1
