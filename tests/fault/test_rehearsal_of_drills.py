"""A whole rehearsal whose plan has every drill, as a merchant runs it: the report has them all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from loadtest.rehearsal.plan import DRILLS
from tests.support.processes import REPOSITORY

WITHIN_S = 400
# Targets that any machine holds: it is the drills and the books that are looked at.
PLAN = """
title = "Every drill"
language = "en"
[promise]
viewers = 40
arrive_s = 3
comments_per_s = 1
likes_per_s = 2
shares_per_s = 0.5
rush_s = 2
[[items]]
sku = "mug"
title = "Mug"
stock = 20
price_minor = 5900
[targets]
order_p99_ms = 60000
delivery_p99_ms = 60000
connect_p99_ms = 60000
ledger_lag_s = 600
errors_percent = 100
recover_s = 120
[phases]
warm_s = 3
spike_s = 30
settle_s = 10
hold_s = 5
[generator]
witnesses = 5
[[drills]]
kind = "webhook_storm"
at_s = 1
seconds = 2
[[drills]]
kind = "slow_readers"
at_s = 6
seconds = 3
percent = 50
[[drills]]
kind = "restart_redis"
at_s = 12
[[drills]]
kind = "stop_ledger"
at_s = 16
seconds = 2
[[drills]]
kind = "cut_network"
at_s = 22
seconds = 2
[[drills]]
kind = "kill_worker"
at_s = 28
"""


def test_every_drill_of_a_plan_has_its_line_and_no_invariant_is_broken(tmp_path: Path) -> None:
    plan, directory = tmp_path / "plan.toml", tmp_path / "run"
    plan.write_text(PLAN)
    ended = subprocess.run(
        [sys.executable, "-m", "server", "rehearse", "--plan", str(plan), "--out", str(directory)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    said = ended.stdout + ended.stderr
    assert (directory / "findings.json").exists(), said
    findings = json.loads((directory / "findings.json").read_text())
    found = {drill["kind"]: drill for drill in findings["drills"]}
    assert sorted(found) == sorted(DRILLS), said
    for drill in found.values():
        assert not drill["refused"], drill
        assert drill["recovered_after_s"] >= 0, drill
        assert drill["books_ok"], drill
    assert found["cut_network"]["failed_requests"] > 0
    invariants = {each["name"]: each for each in findings["invariants"]}
    broken = [each for each in invariants.values() if not each["holds"]]
    assert not broken, said
    assert invariants["drills_leave_the_books"]["checked"] == len(DRILLS)
    assert invariants["never_oversold"]["checked"] > 0
    assert "Redis is restarted" in (directory / "report.html").read_text()
