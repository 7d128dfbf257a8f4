"""What the benchmarks do with figures: plans, pooling, void rounds, ratios and tables."""

from __future__ import annotations

import argparse
import json
from array import array
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from loadtest.bench import peers
from loadtest.bench.__main__ import FAILED, _parser, main, plan_of, possible
from loadtest.bench.aims import standings, standings_text
from loadtest.bench.coming import Coming
from loadtest.bench.contenders import MARKER, Contender
from loadtest.bench.crowd import CrowdRound
from loadtest.bench.crowd import pool as pool_crowd
from loadtest.bench.environment import cpu_model
from loadtest.bench.fanout import Round, pool
from loadtest.bench.plan import FULL, QUICK, Plan
from loadtest.bench.processes import CpuTime
from loadtest.bench.publisher import Published, answer_status, event
from loadtest.bench.report import Report, ratios
from loadtest.bench.tables import table
from loadtest.dialects import Centrifuge, Plain
from loadtest.health import Health
from loadtest.samples import Spread, hear

NO_SPREAD = Spread.of([])
FIT = Health(0.3, NO_SPREAD, sockets_open=10, errors=0)


def fanout_round(contender: str, cpu_s: float, **changes: object) -> Round:
    """10 events to 10 viewers at 10 a second, each a millisecond late."""
    made = Round(
        contender=contender,
        viewers=10,
        per_s=10,
        events=10,
        delivered=100,
        seconds=1.0,
        web=CpuTime(cpu_s, cpu_s / 4, cpu_s * 3 / 4),
        redis=CpuTime(cpu_s / 10, 0.0, 0.0),
        starved_s=0.1,
        idle_cpu_share=0.0,
        frames=50,
        published=Published(10, {}, NO_SPREAD, NO_SPREAD),
        testimony=hear([], 1, 10),
        health=FIT,
        void=(),
        late_us=array("q", [1000] * 10),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def crowd_round(contender: str, rss_first: int, **changes: object) -> CrowdRound:
    made = CrowdRound(
        contender=contender,
        viewers=100,
        rss_empty=1_000,
        rss_first=rss_first,
        rss_before_last=5_000,
        rss_last=6_000,
        rush=Coming(200, 0.5, CpuTime(0.05, 0.0, 0.0), FIT, ()),
        void=(),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def options(*words: str) -> argparse.Namespace:
    return _parser().parse_args(words)


def test_rounds_are_pooled_by_delivered_events_and_not_averaged() -> None:
    [cell] = pool(
        [fanout_round("onair", 0.001), fanout_round("onair", 0.004, delivered=300, frames=50)]
    )
    assert cell.cpu_us == pytest.approx(0.005 * 1e6 / 400)
    assert cell.cpu_us_by_round == pytest.approx((10.0, 0.004 * 1e6 / 300))
    assert cell.redis_cpu_us == pytest.approx(0.0005 * 1e6 / 400)
    assert cell.events_per_frame == 4.0
    assert cell.system_share == pytest.approx(0.75)
    assert cell.late_ms == Spread(20, 1.0, 1.0, 1.0, 1.0)


def test_a_void_round_is_counted_but_not_used() -> None:
    [cell] = pool([fanout_round("onair", 0.001), fanout_round("onair", 9.0, void=("late",))])
    assert (cell.rounds, cell.void_rounds, cell.delivered) == (1, 1, 100)
    assert cell.cpu_us == pytest.approx(10.0)


def test_what_the_worker_spends_idle_is_told_apart() -> None:
    [cell] = pool([fanout_round("onair", 0.010, idle_cpu_share=0.004, seconds=2.0)])
    assert cell.cpu_us == pytest.approx(100.0)
    assert cell.cpu_us_above_idle == pytest.approx(20.0)


def test_a_contender_with_a_growing_backlog_did_not_keep_up() -> None:
    assert pool([fanout_round("naive", 0.1)])[0].kept_up
    assert not pool([fanout_round("naive", 0.1, seconds=1.5)])[0].kept_up


def test_rooms_rates_and_contenders_are_never_mixed() -> None:
    rounds = [
        fanout_round("onair", 0.1),
        fanout_round("naive", 0.1),
        fanout_round("onair", 0.1, per_s=20),
        fanout_round("onair", 0.1, viewers=20),
        fanout_round("onair", 0.1),
    ]
    assert [(c.contender, c.viewers, c.per_s, c.rounds) for c in pool(rounds)] == [
        ("onair", 10, 10, 2),
        ("naive", 10, 10, 1),
        ("onair", 10, 20, 1),
        ("onair", 20, 10, 1),
    ]


def test_a_ratio_shows_both_sides_and_is_only_made_within_one_cell() -> None:
    cells = pool(
        [
            fanout_round("onair", 0.001),
            fanout_round("naive", 0.016),
            fanout_round("naive", 0.032, per_s=20),
        ]
    )
    found = {ratio["what"]: ratio for ratio in ratios(cells, [])}
    cpu = found["fanout cpu_us"]
    assert (cpu["ours"], cpu["peers"]) == pytest.approx((10.0, 160.0))
    assert cpu["peer_over_ours"] == pytest.approx(16.0)
    assert {ratio["events_per_s"] for ratio in ratios(cells, [])} == {10}


def test_no_ratio_is_made_with_a_side_that_is_void() -> None:
    cells = pool([fanout_round("onair", 0.001), fanout_round("naive", 0.1, void=("lost",))])
    assert ratios(cells, []) == []


def test_we_are_compared_with_the_best_peer_of_each_cell() -> None:
    at: dict[str, Any] = {"viewers": 2_000, "per_s": 100, "seconds": 0.2}
    quiet: dict[str, Any] = {"viewers": 2_000, "per_s": 1}
    cells = pool(
        [
            fanout_round("onair", 0.010, **at),
            fanout_round("bun", 0.088, **at),
            fanout_round("nats", 0.020, **(at | {"seconds": 9.0}), late_us=array("q", [10])),
            fanout_round("nchan", 0.001, **at, void=("lost",)),
            fanout_round("onair", 0.013, **quiet),
            fanout_round("bun", 0.010, **quiet),
        ]
    )
    cpu, p50, quiet_cpu, quiet_p50 = standings(cells)
    assert cpu.best_peer == "nats"  # its latency does not count: it fell behind
    assert cpu.ratio == pytest.approx(0.5)
    assert cpu.is_met is False
    assert (p50.best_peer, p50.aim) == ("bun", None)
    assert quiet_cpu.ratio == pytest.approx(1.3)
    assert quiet_cpu.is_met is False
    assert quiet_p50.is_met
    lines = standings_text([cpu, p50, quiet_p50]).splitlines()
    assert [line.split()[-1] for line in lines[2:5]] == ["✗", "-", "✓"]


def test_other_rooms_than_that_of_the_aims_have_ratios_only() -> None:
    [cpu, _p50] = standings(pool([fanout_round("onair", 0.1), fanout_round("bun", 0.2)]))
    assert cpu.ratio == pytest.approx(0.5)
    assert cpu.is_met is None


def test_memory_and_joins_are_medians_of_fresh_servers() -> None:
    rounds = [crowd_round("onair", 1_000 + 100 * size) for size in (7_000, 9_000, 8_000)]
    [cell] = pool_crowd([*rounds, crowd_round("onair", 10**9, void=("half got in",))])
    assert (cell.rounds, cell.void_rounds) == (3, 1)
    assert cell.bytes_per_viewer == 8_000
    assert cell.bytes_per_viewer_more == 10
    assert cell.joins_per_s == 400
    assert cell.cpu_us_per_join == pytest.approx(250.0)


def test_a_report_is_complete_only_if_every_cell_has_a_valid_round() -> None:
    report = Report(environment={}, plan={}, started_at_ms=0)
    assert not report.is_complete
    report.fanout_rounds = [fanout_round("onair", 0.001)]
    report.fanout = pool(report.fanout_rounds)
    assert report.is_complete
    report.crowd_rounds = [crowd_round("onair", 2_000, void=("half got in",))]
    report.crowd = pool_crowd(report.crowd_rounds)
    assert not report.is_complete
    assert report.void() == ["onair, 100 viewers: half got in"]


def test_a_report_is_json_without_raw_samples() -> None:
    report = Report(environment={"cpu": "test"}, plan={}, started_at_ms=0, scenarios=("fanout",))
    report.fanout_rounds = [fanout_round("onair", 0.001), fanout_round("naive", 0.016)]
    report.fanout = pool(report.fanout_rounds)
    figures = json.loads(json.dumps(report.as_json()))
    assert [cell["contender"] for cell in figures["fanout"]["cells"]] == ["onair", "naive"]
    assert figures["fanout"]["rounds"][0]["expected"] == 100
    assert "late_us" not in figures["fanout"]["rounds"][0]
    assert len(figures["ratios"]) == 4


def test_a_table_lines_its_columns_up() -> None:
    text = table(["server", "µs"], [["onair", "1.10"], ["naive", "18.20"]])
    assert text.splitlines() == ["  server     µs", "  onair    1.10", "  naive   18.20"]


def test_who_never_gathers_gets_the_same_rate_for_a_shorter_time() -> None:
    plan = Plan(fanout_seconds=2.0, deliveries_max=100_000)
    assert plan.events(2_000, 500, gathers=True) == 1_000
    assert plan.events(2_000, 500, gathers=False) == 50
    assert plan.events(100, 500, gathers=False) == 1_000
    assert plan.events(2_000, 1, gathers=False) == plan.events(2_000, 1, gathers=True) == 2


def test_a_large_room_has_fewer_rates_and_turns_unless_they_are_asked_for() -> None:
    assert FULL.rates(2_000) == (1, 10, 100, 500)
    assert FULL.rates(15_000) == (10, 100)
    assert FULL.rounds(15_000) < FULL.rounds(2_000)
    asked = plan_of(options("--viewers", "15000", "--rates", "500", "--rounds", "4"))
    assert (asked.rates(15_000), asked.rounds(15_000)) == ((500,), 4)


def test_the_command_line_changes_the_plan() -> None:
    assert plan_of(options()) == FULL
    assert plan_of(options("memory", "--quick")) == QUICK
    plan = plan_of(options("--viewers", "5,7", "--rates", "3", "--rounds", "1", "--peers", ""))
    assert (plan.room_viewers, plan.crowd_viewers, plan.events_per_s) == ((5, 7), 7, (3,))
    assert plan.servers == plan.crowd_servers == ("onair",)


def test_what_the_machine_does_not_have_is_left_out_with_a_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers, "SBIN", "/nowhere")
    plan = possible(replace(FULL, room_viewers=(10, 10**9)))
    assert set(plan.servers) - {"bun"} == {"onair", "naive", "broadcast"}
    assert plan.room_viewers == (10,)
    said = capsys.readouterr().err
    assert "nats is not present: apt-get install nats-server" in said
    assert "nchan is not present: apt-get install nginx libnginx-mod-nchan" in said
    assert "1000000000 viewers, open files allow" in said


def test_bun_is_not_fetched_where_npm_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(peers, "BUN_HOME", tmp_path / "bun")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "npm is not here" in peers.get_bun()
    assert f"bun@{peers.BUN_VERSION}" in peers.absent("bun")


def test_a_peer_asked_for_by_name_must_be_present(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers, "SBIN", "/nowhere")
    assert main(["fanout", "--peers", "naive,nats"]) == FAILED
    assert "nats is not present: apt-get install nats-server" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--peers", "onair"], ["--peers", "x"], ["--rates", "0"]])
def test_a_senseless_command_line_is_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        options(*words)
    assert words[0] in capsys.readouterr().err


def test_a_publish_request_carries_its_events_number_time_and_marker() -> None:
    contender = Contender(
        "onair", Centrifuge("bench"), 1, 1, "/", (), (("channel", "room:bench"),), ()
    )
    body = contender.body(event(7, 1_700_000_000_000_000))
    assert body.count(MARKER.encode()) == 1
    request = orjson.loads(body)
    assert request["channel"] == "room:bench"
    assert (request["data"]["n"], request["data"]["sent_us"]) == (7, 1_700_000_000_000_000)


def test_a_bare_event_is_published_as_it_is() -> None:
    contender = Contender("bun", Plain(), 1, 1, "/", (), (), (), is_bare=True)
    assert orjson.loads(contender.body(event(7, 1)))["n"] == 7


def test_an_http_answer_is_complete_when_its_body_is() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nserver: x\r\n\r\n{}"
    assert answer_status(answer) == 200
    assert answer_status(answer[:-1]) is None
    assert answer_status(answer[:20]) is None


def test_an_http_answer_without_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="without length"):
        answer_status(b"HTTP/1.1 200 OK\r\nserver: x\r\n\r\n{}")


def test_the_cpu_model_is_the_kernels_or_the_architecture() -> None:
    assert cpu_model("processor\t: 0\nmodel name\t: Fast One\nmodel name\t: Other\n") == "Fast One"
    assert cpu_model("processor\t: 0\n") != ""
