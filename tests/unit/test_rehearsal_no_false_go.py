"""Runs whose figures look well, and that are no GO all the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loadtest.rehearsal.findings import Verdict
from tests.support.rehearsal_runs import BUYERS, SPIKE_S, T0_US, Run, healthy_run
from tests.support.rehearsal_wrongs import findings_of


@pytest.fixture
def run() -> Run:
    return healthy_run()


def see(run: Run, connections: int, seconds: range) -> None:
    """So many connections are counted in these seconds after T0."""
    assert run.timeline is not None
    run.timeline = [
        replace(look, viewers=connections) if round((look.at_us - T0_US) / 1e6) in seconds else look
        for look in run.timeline
    ]


# who watches


def test_buyers_who_only_sign_in_are_no_viewers(run: Run, tmp_path: Path) -> None:
    see(run, 200, range(-20, 60))  # as many connections as viewers are promised
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, findings.first_limit) == (Verdict.NO_GO, "viewers")
    assert findings.reasons[0].values["proved"] == 200 - BUYERS


def test_viewers_who_fall_away_in_the_spike_were_not_held(run: Run, tmp_path: Path) -> None:
    see(run, 100 + BUYERS, range(2, SPIKE_S))
    findings = findings_of(run, tmp_path)
    assert (findings.verdict, findings.first_limit) == (Verdict.NO_GO, "viewers")
    assert findings.reasons[0].values["proved"] == 100


def test_one_look_that_misses_viewers_is_a_hiccup(run: Run, tmp_path: Path) -> None:
    see(run, 0, range(5, 6))
    assert findings_of(run, tmp_path).verdict is Verdict.GO
