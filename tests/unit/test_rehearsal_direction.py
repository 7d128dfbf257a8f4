"""What the director of a rehearsal works out: shares of a load, rates, the line it shows."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loadtest.rehearsal import __main__ as command
from loadtest.rehearsal import clock, performance
from loadtest.rehearsal.__main__ import main
from loadtest.rehearsal.generators import shares
from loadtest.rehearsal.http import Api, address
from loadtest.rehearsal.observer import Meter, Observer
from loadtest.rehearsal.progress import Display, Standing
from tests.support.wait import wait_until_sync

STANDING = Standing("spike", -2.0, 590, 600, 180.4, 120, 200, 15, "ok")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def look(at_ms: int, cpu_s: float, answered: int, pid: int = 7) -> dict[str, Any]:
    process = {"name": "web worker 1", "pid": pid, "cpu_s": cpu_s, "rss_bytes": 1_000}
    return {"at_ms": at_ms, "processes": [process], "outcomes": {"reserved": answered}}


@pytest.mark.parametrize(("count", "parts"), [(10, 3), (2, 5), (0, 2), (9, 1)])
def test_shares_differ_by_one_at_most_and_leave_nobody_out(count: int, parts: int) -> None:
    found = shares(count, parts)
    assert sum(found) == count
    assert len(found) == parts
    assert max(found) - min(found) <= 1


def test_the_clock_is_told_by_the_fastest_answer() -> None:
    slow, fast = (0.0, 5_050.0, 100.0), (200.0, 5_204.0, 208.0)
    assert clock.best([slow, fast]) == clock.Skew(skew_ms=5_000.0, round_trip_ms=8.0)


def test_rates_are_those_between_two_looks() -> None:
    meter = Meter()
    meter.read(look(10_000, 5.0, 100))
    (process,), per_s = meter.read(look(12_000, 6.5, 400))
    assert per_s == 150.0
    assert process.cpu_share == 0.75


def test_the_first_look_and_a_new_process_have_no_rate_yet() -> None:
    meter = Meter()
    (process,), per_s = meter.read(look(10_000, 500.0, 9))
    assert (process.cpu_share, per_s) == (0.0, 0.0)
    (process,), _ = meter.read(look(11_000, 500.0, 9, pid=8))
    assert process.cpu_share == 0.0


def test_counters_that_begin_anew_give_no_rate_below_zero() -> None:
    meter = Meter()
    meter.read(look(10_000, 5.0, 100))
    (process,), per_s = meter.read(look(11_000, 1.0, 20))
    assert (process.cpu_share, per_s) == (0.0, 0.0)


def test_the_line_says_phase_clock_people_orders_stock_lag_and_books() -> None:
    assert STANDING.line == (
        "spike       T+2 s · people 590/600 · orders/s 180 · sold 120/200 · lag 15 ms · books ok"
    )
    assert "T-3 s" in replace(STANDING, to_t0_s=3.0).line
    assert "T" not in replace(STANDING, to_t0_s=None).line
    assert replace(STANDING, unreachable=True).line.endswith("the server does not answer")


def test_a_terminal_has_one_line_that_is_renewed() -> None:
    terminal = Terminal()
    display = Display(terminal)
    display.show(STANDING)
    display.show(replace(STANDING, sold=121))
    assert "\n" not in terminal.getvalue()
    assert terminal.getvalue().count("\r\x1b[K") == 2
    display.say("finished")
    assert terminal.getvalue().endswith("\r\x1b[Kfinished\n")


def test_a_log_has_a_line_for_each_phase_and_not_for_each_second() -> None:
    log = io.StringIO()
    display = Display(log)
    for sold in range(3):
        display.show(replace(STANDING, sold=sold))
    display.show(replace(STANDING, phase="settle"))
    lines = log.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["spike", "settle"]
    assert "\x1b" not in log.getvalue()


def test_a_line_of_a_log_has_the_most_orders_since_the_last_one() -> None:
    log = io.StringIO()
    display = Display(log)
    for per_s in (0.0, 480.0, 3.0):
        display.show(replace(STANDING, orders_per_s=per_s))
    display.show(replace(STANDING, phase="settle", orders_per_s=1.0))
    display.show(replace(STANDING, phase="done", orders_per_s=1.0))
    assert [line.split("orders/s ")[1].split()[0] for line in log.getvalue().splitlines()] == [
        *("0", "480", "1")
    ]


def test_the_newest_report_of_the_same_title_beside_it_is_the_previous(tmp_path: Path) -> None:
    for name, title, ended_at_ms in (("a", "Friday", 1), ("b", "Friday", 5), ("c", "Sunday", 9)):
        (tmp_path / name).mkdir()
        found = {"title": title, "ended_at_ms": ended_at_ms}
        (tmp_path / name / "findings.json").write_text(json.dumps(found))
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "findings.json").write_text("{")
    newest = performance._newest
    assert (newest(tmp_path / "now", "Friday") or {})["ended_at_ms"] == 5
    assert (newest(tmp_path / "b", "Friday") or {})["ended_at_ms"] == 1
    assert newest(tmp_path / "now", "Monday") is None


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://127.0.0.1:8000", ("127.0.0.1", 8000, "")),
        ("https://shop.example/", ("shop.example", 443, "")),
        ("http://shop.example/rehearsal", ("shop.example", 80, "/rehearsal")),
    ],
)
def test_an_address_has_a_host_a_port_and_a_path(url: str, parts: tuple[str, int, str]) -> None:
    assert address(url) == parts


@pytest.mark.parametrize("url", ["shop.example", "ftp://shop.example", "http://", "8000"])
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="an address such as"):
        address(url)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--against", "http://127.0.0.1:1"], "--against: the server's API key is needed"),
        (["--keep"], "--keep: only with --against"),
        (["--attach", "rh-00000000"], "--attach: needs --against"),
        (["--expect-workers", "2"], "--expect-workers: other machines need a server"),
        (["--workers", "0"], "--workers: at least 1"),
        (["--expect-workers", "-1"], "--expect-workers: at least 0"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)
def test_a_wrong_command_line_is_told_in_a_line_and_ends_with_2(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert why in capsys.readouterr().err


def test_a_shipped_plan_can_be_printed_to_begin_ones_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--plan", "big-day", "--show"]) == 0
    assert capsys.readouterr().out.startswith("# A big day")


def test_an_observer_that_cannot_keep_what_it_sees_says_so(tmp_path: Path) -> None:
    (tmp_path / "timeline.jsonl").mkdir()  # nothing can be written there, as on a full disk
    nobody = Api("http://127.0.0.1:1", "key")
    shadow: Any = SimpleNamespace(look=lambda: nobody.call("GET", "/"))
    observer = Observer(shadow, tmp_path, "sale", 1, lambda _: None)
    observer.start()
    wait_until_sync(lambda: observer.failed, 10, "the observer to give up")
    observer.stop()
    assert "timeline.jsonl" in observer.failed


def test_a_run_whose_files_cannot_be_kept_ends_with_a_line_and_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def rehearse(_: object) -> int:
        raise OSError(28, "No space left on device", "environment.json")

    monkeypatch.setattr(command, "_rehearse", rehearse)
    assert command.main([]) == 2
    assert capsys.readouterr().err.startswith("onair: [Errno 28] No space left on device")
