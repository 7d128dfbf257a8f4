"""The benchmark harness, tiny: real servers by their real commands, every event accounted for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loadtest.bench.peers import STARTERS, absent
from loadtest.bench.processes import family

ROOT = Path(__file__).parents[2]
WITHIN_S = 400  # a tiny run takes one minute on a quiet machine; beside other suites, three

PRESENT = [name for name in STARTERS if not absent(name)]
TINY = ("--quick", "--viewers", "20", "--rates", "20", "--rounds", "1", "--seconds", "0.5")


def bench(tmp_path: Path, *words: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run the harness in a directory of its own; its figures come back parsed."""
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "loadtest.bench", *words, "--json", str(figures)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
    )
    assert figures.exists(), done.stderr
    return done, json.loads(figures.read_text())


@pytest.fixture(scope="module")
def fanout(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Beside every peer this machine has."""
    home = tmp_path_factory.mktemp("fanout")
    return bench(home, "fanout", *TINY, "--peers", ",".join(PRESENT))


@pytest.fixture(scope="module")
def rest(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    words = ("memory", "connect", "orders", "visits")
    return bench(tmp_path_factory.mktemp("rest"), *words, *TINY, "--peers", "naive,broadcast")


@pytest.mark.parametrize("server", ["onair", *STARTERS])
def test_every_published_event_reaches_every_viewer(fanout: Any, server: str) -> None:
    if way := absent(server):
        pytest.skip(f"{server} is not present: {way}")
    _done, figures = fanout
    # A void round is measured once more, so there may be two.
    rounds = [r for r in figures["fanout"]["rounds"] if r["contender"] == server]
    assert rounds
    for r in rounds:
        assert (r["events"], r["delivered"], r["expected"]) == (10, 200, 200)
        assert r["published"]["answered"] == 10
        assert r["testimony"]["missing"] == r["testimony"]["repeated"] == 0
        assert r["testimony"]["offset_gaps"] == 0
        assert r["testimony"]["late_ms"]["count"] == 200
        assert r["web"]["total_s"] > 0
    assert rounds[0]["testimony"]["orders"] == 1


def test_every_viewer_of_the_crowd_gets_in(rest: Any) -> None:
    _done, figures = rest
    rounds = figures["crowd"]["rounds"]
    assert [r["contender"] for r in rounds] == ["onair", "naive", "broadcast"]
    for r in rounds:
        assert (r["viewers"], r["rush"]["viewers"]) == (20, 40)
        assert r["rush"]["health"]["sockets_open"] == 20 + 20 + 40  # the warm ones too
        assert r["rush"]["health"]["errors"] == 0
        assert r["rss_empty"] > 0
        assert r["rush"]["cpu"]["total_s"] > 0


def test_the_report_has_both_sides_of_every_ratio_and_the_machine(fanout: Any, rest: Any) -> None:
    titles = ("Fan-out",), ("Memory", "Connects")
    for (done, figures), expected in zip((fanout, rest), titles, strict=True):
        said = [line for line in done.stdout.splitlines() if line.startswith(expected)]
        assert len(said) == len(expected)
        assert figures["schema"] == 1
        assert figures["environment"]["python"] == sys.version.split()[0]
        assert figures["environment"]["redis"].startswith(("Redis", "Valkey"))
        assert {"cpu", "cores", "commit", "libraries"} <= set(figures["environment"])
        assert figures["ratios"] or figures["void"]
        for ratio in figures["ratios"]:
            assert ratio["peer"] in PRESENT
            assert {"what", "ours", "peers", "peer_over_ours"} <= set(ratio)
        # A round may be void on a busy machine; then it must say so and the exit status must too.
        assert done.returncode == (0 if figures["complete"] else 1)
        assert figures["complete"] or figures["void"]
    done, figures = fanout
    assert ("Beside the best peer" in done.stdout) is bool(figures["standings"])
    assert figures["standings"] or figures["void"]
    versions = figures["environment"]["peers"]
    assert set(versions) == set(PRESENT) - {"naive", "broadcast"}


def test_a_run_that_is_stopped_leaves_no_process_and_no_data(tmp_path: Path) -> None:
    run = subprocess.Popen(
        [sys.executable, "-m", "loadtest.bench", "fanout", "--rates", "1", "--peers", "naive"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stderr is not None
    for line in run.stderr:
        if "viewers" in line:  # both servers run, and viewers are in
            break
    servers = [pid for pid in family(run.pid) if pid != run.pid]
    assert len(servers) >= 4  # supervisor, Redis, web worker, peer
    run.terminate()
    assert run.wait(WITHIN_S) == 128 + signal.SIGTERM
    run.stderr.close()
    assert [pid for pid in servers if Path(f"/proc/{pid}").exists()] == []
    assert list(tmp_path.glob("onair-bench-*")) == []


def test_a_server_that_does_not_start_is_named_with_its_last_words(tmp_path: Path) -> None:
    wrapper = tmp_path / "python"
    wrapper.symlink_to(sys.executable)  # beside it there is no `onair` to start
    (tmp_path / "onair").write_text("#!/bin/sh\necho 'no room for a live room'; exit 3\n")
    (tmp_path / "onair").chmod(0o755)
    code = "import sys; sys.executable = sys.argv.pop(1); from loadtest.bench.__main__ import main"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; sys.exit(main())", str(wrapper), "memory", *TINY],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
    )
    assert done.returncode == 2
    assert "no room for a live room" in done.stderr
