"""Rehearsals that must not end with a GO: a server that oversells, one too small, a lame generator.

What breaks is certain on every machine: a script that loses updates, a bound on viewers, a
generator that is stopped by a signal. Nothing here depends on how fast the machine is.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import StartServer
from tests.support.live_server import API_KEY, READY_WITHIN_S, STOPPED_WITHIN_S, TOKEN_SECRET
from tests.support.processes import Program, below
from tests.support.rehearsal_evening import evening
from tests.support.wait import wait_until_sync

VERDICT_WITHIN_S = 240
VIEWERS_MAX = 90  # of the 130 that the plan promises
STOPPED_LOOKS = 4  # at the server, once a second, while the generator stands still
TRIES = 3  # of a rehearsal in which this machine starved the generator by itself
PLAN = evening("An evening that fails", viewers=130, arrive_s=2, warm_s=2, spike_s=5, settle_s=6)


@dataclass(frozen=True)
class Ended:
    """A rehearsal that is over."""

    code: int
    said: str
    findings: dict[str, Any]

    @property
    def reasons(self) -> list[str]:
        return [reason["key"] for reason in self.findings["reasons"]]


Rehearse = Callable[..., Ended]


@pytest.fixture
def rehearse(tmp_path: Path) -> Iterator[Rehearse]:
    """Rehearse the plan: `rehearse(*arguments, meanwhile=...)`.

    `meanwhile` is called with the process and the directory of the run once it has begun.
    """
    programs: list[Program] = []
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN)

    def run(*arguments: str, meanwhile: Callable[[Program, Path], None] | None = None) -> Ended:
        home = tmp_path / f"rehearsal-{len(programs) + 1}"
        home.mkdir()
        directory = home / "run"
        program = Program(
            *("server", "rehearse", "--plan", str(plan), "--out", str(directory), *arguments),
            directory=home,
            REHEARSAL_KEY=API_KEY,
        )
        programs.append(program)
        if meanwhile is not None:
            meanwhile(program, directory)
        code = program.wait(VERDICT_WITHIN_S)
        assert (directory / "findings.json").exists(), program.errors
        return Ended(code, program.output, json.loads((directory / "findings.json").read_text()))

    yield run
    for program in programs:
        program.end()


@pytest.fixture
def overselling_url(tmp_path: Path) -> Iterator[str]:
    """The address of a whole server whose purchases lose updates."""
    home = tmp_path / "overselling"
    home.mkdir()
    server = Program(
        "tests.support.oversell_server",
        directory=home,
        ONAIR_PORT="0",
        ONAIR_DATA_DIR=str(home / "data"),
        ONAIR_TOKEN_SECRET=TOKEN_SECRET,
        ONAIR_API_KEY=API_KEY,
    )
    try:
        wait_until_sync(
            lambda: "onair ready " in server.output or server.process.poll() is not None,
            READY_WITHIN_S,
            "the server says that it is ready",
        )
        assert server.process.poll() is None, server.errors
        yield server.output.split()[2]
        server.process.send_signal(signal.SIGINT)
        server.wait(STOPPED_WITHIN_S)
    finally:
        server.end()


def test_a_server_that_oversells_is_a_no_go_and_the_invariant_is_named(
    rehearse: Rehearse, overselling_url: str
) -> None:
    ended = rehearse("--against", overselling_url)
    assert ended.code == 1, ended.said
    assert ended.findings["verdict"] == "no_go"
    assert ended.findings["first_limit"] == "never_oversold"
    broken = {each["name"]: each for each in ended.findings["invariants"] if not each["holds"]}
    assert broken["never_oversold"]["broken"] > 0
    # The bug is in the counters only: whoever was told has an order, and who paid has paid.
    assert set(broken) == {"never_oversold", "stock_adds_up", "redis_equals_ledger"}
    sentence = ended.findings["sentences"]["en"]
    assert "NO-GO" in sentence
    assert sentence in ended.said


def starved(ended: Ended) -> bool:
    """This machine had something else to do: nothing was proved."""
    beside = {"void.doubtful", "note.same_machine"}  # what is said beside the generator's faults
    return ended.findings["verdict"] == "void" and all(
        one.startswith("void.generator_") or one in beside for one in ended.reasons
    )


def test_a_plan_with_more_viewers_than_the_server_takes_is_a_no_go_that_says_so(
    rehearse: Rehearse, start_server: StartServer
) -> None:
    server = start_server(command="serve", ONAIR_VIEWERS_MAX=str(VIEWERS_MAX))
    ended = rehearse("--against", server.base_url)
    for _ in range(TRIES - 1):
        if not starved(ended):
            break
        ended = rehearse("--against", server.base_url)
    assert ended.code == 1, ended.said
    assert ended.findings["verdict"] == "no_go"
    assert ended.findings["first_limit"] == "viewers"
    rows = {row["what"]: row for row in ended.findings["promised"]}
    assert rows["viewers"]["proved"] <= VIEWERS_MAX
    assert rows["viewers"]["holds"] is False
    assert [each["name"] for each in ended.findings["invariants"] if not each["holds"]] == []


def test_a_generator_that_stands_still_in_the_rush_makes_the_rehearsal_void(
    rehearse: Rehearse,
) -> None:
    ended = rehearse(meanwhile=stand_still)
    assert ended.code == 2, ended.said
    assert ended.findings["verdict"] == "void"
    assert ended.findings["first_limit"] == "generator"
    assert "void.generator_late" in ended.reasons
    assert [each["name"] for each in ended.findings["invariants"] if not each["holds"]] == []


def stand_still(program: Program, directory: Path) -> None:
    """Stop those who play the buyers just before the sale opens, and let them go on in the rush."""
    brief = directory / "brief.json"

    def goes_on(what: Callable[[], bool]) -> bool:  # or has ended: then the test says why
        return program.process.poll() is not None or what()

    def t0_s() -> float:
        """When the sale opens; 0 before that is known."""
        if not brief.exists():
            return 0.0
        return float(json.loads(brief.read_text())["t0_ms"]) / 1_000

    wait_until_sync(lambda: goes_on(lambda: t0_s() > 0), VERDICT_WITHIN_S, "the sale is prepared")
    begins_s = t0_s()
    assert begins_s, program.errors
    wait_until_sync(
        lambda: goes_on(lambda: time.time() >= begins_s - 0.5), VERDICT_WITHIN_S, "T0 is near"
    )
    generators = below(program.pid, "locust")
    assert generators, program.errors
    looks = looks_at(directory)
    for pid in generators:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_until_sync(
            lambda: goes_on(lambda: looks_at(directory) >= looks + STOPPED_LOOKS),
            VERDICT_WITHIN_S,
            "the rush is over",
        )
    finally:
        for pid in generators:
            os.kill(pid, signal.SIGCONT)


def looks_at(directory: Path) -> int:
    """How often the server has been looked at."""
    return len((directory / "timeline.jsonl").read_text().splitlines())
