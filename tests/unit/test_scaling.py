"""The scaling model: what decides is named, and the arithmetic holds at its edges."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from loadtest.scaling import __main__ as command
from loadtest.scaling.constants import Costs, read
from loadtest.scaling.model import Need, fleet_for
from loadtest.scaling.table import markdown

SMALL = Need(viewers=100, events_per_s=10)


@pytest.mark.parametrize(
    ("need", "limit"),
    [
        (Need(viewers=50_000, events_per_s=0), "open files of a worker"),
        (Need(viewers=2_000, events_per_s=10, orders_per_s=20_000), "the ledger"),
        (Need(viewers=2_000, events_per_s=10, refusals_per_s=100_000), "the worker's core"),
        (Need(viewers=12_000, events_per_s=40, delivery_ms=200), "delivery time"),
    ],
)
def test_what_decides_the_number_of_workers_is_named(need: Need, limit: str) -> None:
    fleet = fleet_for(need)
    assert fleet.first_limit == limit
    assert fleet.workers > 1 or limit == "the ledger"


def test_a_fleet_of_several_workers_is_the_smallest_that_serves() -> None:
    need = Need(viewers=30_000, events_per_s=40)
    fleet = fleet_for(need)
    assert 1 < fleet.workers <= 64
    assert not fleet.unmet
    one_less = replace(need, viewers_per_worker_max=need.viewers)
    crowded = [count for count in range(1, fleet.workers) if _serves(one_less, count)]
    assert crowded == []


def _serves(need: Need, workers: int) -> bool:
    """Whether so many workers would do, asked by one worker's share of the room."""
    viewers = -(-need.viewers // workers)
    part = replace(need, viewers=viewers, viewers_per_worker_max=viewers)
    return fleet_for(part).workers == 1


def test_what_no_number_of_workers_mends_is_told() -> None:
    fleet = fleet_for(Need(viewers=1_000, events_per_s=10, orders_per_s=100_000))
    assert set(fleet.unmet) == {"the ledger", "the Redis of the sale"}
    assert fleet_for(replace(SMALL, delivery_ms=1)).unmet == ("delivery time",)
    assert fleet_for(SMALL).unmet == ()


def test_a_quiet_room_gets_each_event_in_a_frame_of_its_own() -> None:
    fleet = fleet_for(Need(viewers=100, events_per_s=1))
    assert fleet.frames_per_s == pytest.approx(1, rel=0.01)
    assert fleet.out_bytes_per_s == pytest.approx(100 * (220 + 74), rel=0.01)


def test_up_to_its_share_a_room_sends_at_once_and_gathers_above_it() -> None:
    fleets = [fleet_for(Need(viewers=2_000, events_per_s=rate)) for rate in (5, 13, 20, 50, 500)]
    ticks_ms = [fleet.tick_ms for fleet in fleets]
    assert ticks_ms[:2] == [0, 0]
    assert 50 < ticks_ms[2] < ticks_ms[3] <= ticks_ms[4] <= 250
    assert all(fleet.worker_parts["fan-out"] < 0.31 for fleet in fleets)
    assert fleets[0].frames_per_s == pytest.approx(5)
    shares = [fleet.worker_parts["fan-out"] for fleet in fleets]
    assert shares[1] > max(shares[3:]), "asked for more, less is used"


def test_a_redis_that_would_be_too_busy_gets_fewer_and_larger_batches() -> None:
    need = Need(viewers=500_000, events_per_s=40, comments_per_s=4_000, delivery_ms=700)
    costs = replace(Costs(), subscriber_us=5.0)
    few, many = fleet_for(replace(need, viewers=5_000), costs), fleet_for(need, costs)
    assert few.append_gap_ms == 20
    assert many.append_gap_ms > 20
    assert many.redis_room_share <= need.busy_share_max
    assert many.unmet == ()


def test_costs_of_another_machine_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "costs.json"
    file.write_text('{"frame_us": 24}')
    assert read(file) == replace(Costs(), frame_us=24.0)
    assert fleet_for(SMALL, read(file)).worker_parts["fan-out"] > (
        1.9 * fleet_for(SMALL).worker_parts["fan-out"]
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "one JSON object"),
        ("{", "costs.json"),
        ('{"frame": 1}', "frame is not one of announced_event_us"),
        ('{"frame_us": 0}', "frame_us must be a number above 0"),
        ('{"frame_us": true}', "frame_us must be a number above 0"),
        ('{"frame_us": "1"}', "frame_us must be a number above 0"),
    ],
)
def test_a_wrong_file_of_costs_is_refused_with_the_field(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "costs.json"
    file.write_text(text)
    assert command.main(["--viewers", "10", "--constants", str(file)]) == 2
    assert said in capsys.readouterr().err


def test_the_command_prints_the_fleet_for_people_and_for_programs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ["--viewers", "15000", "--events", "40", "--orders", "200"]
    assert command.main(asked) == 0
    text = capsys.readouterr().out
    assert "15,000 viewers, 40 events/s, 200 orders/s" in text
    assert command.main([*asked, "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert told["fleet"]["workers"] * told["fleet"]["viewers_per_worker"] >= 15_000
    assert f"web workers          {told['fleet']['workers']}, each with" in text
    assert command.main([*asked, "--delivery-ms", "1"]) == 1
    assert "NOT ENOUGH" in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrong", [("--viewers", "0"), ("--events", "-1"), ("--delivery-ms", "0"), ("--orders", "many")]
)
def test_a_wrong_number_is_refused_with_its_name(
    wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--viewers", "10", *wrong])
    assert ended.value.code == 2
    assert wrong[0] in capsys.readouterr().err


def test_every_cost_counts() -> None:
    """A constant that changes nothing would be a line that nobody needs."""
    need = Need(
        viewers=40_000,
        events_per_s=40,
        orders_per_s=100,
        refusals_per_s=100,
        comments_per_s=30,
        likes_per_s=100,
        accepts_per_s=1_000_000,
    )
    plain = fleet_for(need)
    for spec in fields(Costs):
        dearer = replace(Costs(), **{spec.name: getattr(Costs(), spec.name) * 1.5})
        assert fleet_for(need, dearer) != plain, spec.name


def test_the_document_has_the_table_of_the_model() -> None:
    document = (Path(__file__).parents[2] / "docs" / "SCALING.md").read_text("utf-8")
    assert markdown() in document, "write what `loadtest.scaling.table.markdown()` gives"
    for spec in fields(Costs):
        value = getattr(Costs(), spec.name)
        assert f"| `{spec.name}` | {value:,g} |" in document, spec.name
