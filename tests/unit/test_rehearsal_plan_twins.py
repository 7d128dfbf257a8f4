"""The plan of a rehearsal as the API checks it, beside the plan as the generator reads it."""

from __future__ import annotations

import copy
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from loadtest.rehearsal import plan as generator
from loadtest.rehearsal.plan import BadPlan, Plan
from server.api import rehearsal_plan as api
from server.api.rehearsal_plan import PlanBody

PLAN: dict[str, Any] = {
    "title": "Spring tea",
    "items": [{"sku": "tea", "title": "Tea", "stock": 10, "price_minor": 8900}],
    "drills": [{"kind": "stop_ledger", "at_s": 5}],
    **{name: {} for name in generator._TABLES},
    "promise": {"buyers_per_unit": 0.3},  # with as many units as there may be, not too many buyers
    "phases": {"settle_s": 600},  # room for the longest rush
}
BOUNDS = [
    (name, value, inside)
    for name, (least, most) in generator._BOUNDS.items()
    for value, inside in (
        (least, True),
        (most, True),
        (least - 1, False),
        (most + 1, False),
    )
]
TWINS = {
    "Plan": api.PlanBody,
    "Item": api.PlanItem,
    "Drill": api.PlanDrill,
    **{kind.__name__: getattr(api, f"Plan{kind.__name__}") for kind in generator._TABLES.values()},
}


def with_value(path: str, value: Any) -> tuple[dict[str, Any], str]:
    """The plan with another value at a path such as `items.stock`, and that path with numbers."""
    plan = copy.deepcopy(PLAN)
    *tables, name = path.split(".")
    record, place = plan, name
    if tables:
        record, place = plan[tables[0]], path
        if isinstance(record, list):
            record, place = record[0], f"{tables[0]}.0.{name}"
    record[name] = value
    return plan, place


def refused_by_generator(plan: dict[str, Any]) -> str | None:
    try:
        Plan.from_json(plan)
    except BadPlan as error:
        return str(error).partition(": ")[0]
    return None


def refused_by_api(plan: dict[str, Any]) -> str | None:
    try:
        PlanBody.model_validate(plan)
    except ValidationError as error:
        return ".".join(map(str, error.errors()[0]["loc"]))
    return None


@pytest.mark.parametrize(("name", "value", "inside"), BOUNDS)
def test_both_take_the_same_amounts_and_name_the_same_field(
    name: str, value: float, inside: bool
) -> None:
    plan, place = with_value(name, value)
    expected = None if inside else place
    assert refused_by_generator(plan) == expected
    assert refused_by_api(plan) == expected


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("title", ""),
        ("title", "x" * (generator.TEXT_CHARS_MAX + 1)),
        ("language", "fr"),
        ("seed", "1"),
        ("seed", True),
        ("seed", 1.5),
        ("items.sku", "a b"),
        ("items.sku", "x" * 49),
        ("items.title", 7),
        ("drills.kind", "fire"),
        ("promise.viewers", None),
        ("promise", 3),
        ("items", "tea"),
        ("promise.viewer", 3),
        ("finder.step", "much"),
    ],
)
def test_both_refuse_the_same_nonsense_and_name_the_same_field(path: str, value: Any) -> None:
    plan, place = with_value(path, value)
    assert refused_by_generator(plan) == refused_by_api(plan) == place


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("items", []),
        ("items", [PLAN["items"][0] | {"sku": f"s-{n}"} for n in range(51)]),
        ("items", [PLAN["items"][0]] * 2),
        ("drills", [PLAN["drills"][0]] * 21),
        ("buyers", dict.fromkeys((each.name for each in fields(generator.Buyers)), 0)),
    ],
)
def test_both_refuse_what_is_wrong_only_together(name: str, value: Any) -> None:
    plan = PLAN | {name: value}
    assert refused_by_generator(plan) == name
    assert refused_by_api(plan) in {name, ""}


@pytest.mark.parametrize("name", sorted(TWINS))
def test_both_have_the_same_fields_with_the_same_defaults(name: str) -> None:
    kind, model = getattr(generator, name), TWINS[name]
    assert is_dataclass(kind)
    here = {field.name: _default(field) for field in fields(kind)}
    there = {
        field: MISSING if info.is_required() else _plain(info.get_default())
        for field, info in model.model_fields.items()
    }
    assert here == there


def test_both_know_the_same_drills_and_languages() -> None:
    assert get_args(api.DrillKind) == generator.DRILLS
    assert get_args(PlanBody.model_fields["language"].annotation) == generator.LANGUAGES


def _default(field: Any) -> Any:
    if field.default is not MISSING:
        return list(field.default) if isinstance(field.default, tuple) else field.default
    if field.default_factory is MISSING:
        return MISSING
    made = field.default_factory()
    return {each.name: getattr(made, each.name) for each in fields(made)}


def _plain(value: Any) -> Any:
    return value.model_dump() if isinstance(value, BaseModel) else value


@pytest.mark.parametrize(("rush_s", "fits"), [(30, True), (30.5, False)])
def test_both_refuse_a_rush_that_outlasts_the_sale(rush_s: float, fits: bool) -> None:
    plan = PLAN | {"promise": {"rush_s": rush_s}, "phases": {"spike_s": 20, "settle_s": 10}}
    assert refused_by_generator(plan) == (None if fits else "promise.rush_s")
    if fits:
        assert refused_by_api(plan) is None
    else:
        with pytest.raises(ValidationError, match=r"promise\.rush_s: at most 30"):
            PlanBody.model_validate(plan)


@pytest.mark.parametrize(("stock", "fits"), [(1_000_000, True), (1_000_001, False)])
def test_both_take_the_same_number_of_buyers(stock: int, fits: bool) -> None:
    halves = [PLAN["items"][0] | {"sku": f"s-{n}", "stock": stock // 2} for n in range(2)]
    halves[0] = halves[0] | {"stock": stock - stock // 2}
    plan = PLAN | {"items": halves, "promise": {"buyers_per_unit": 0.5000005 if not fits else 0.5}}
    assert (refused_by_generator(plan) is None) is fits
    assert (refused_by_api(plan) is None) is fits
