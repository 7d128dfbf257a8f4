"""What goes wrong in a made-up rehearsal, and what is then said of it; see `rehearsal_runs`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from loadtest.rehearsal.findings import Findings, Say
from loadtest.rehearsal.judging import judge
from loadtest.rehearsal.plan import LANGUAGES, Drill
from loadtest.rehearsal.records import DrillReport
from loadtest.rehearsal.report.words import SAID, said
from tests.support.rehearsal_runs import (
    STOCK,
    T0_US,
    Run,
    books_answer,
    counters,
    ledger_row,
    pay,
    place,
)


def findings_of(run: Run, directory: Path) -> Findings:
    """The judgement, whose every word exists in both languages."""
    findings = judge(run.write(directory / "run"))
    for say in spoken(findings):
        for language in LANGUAGES:
            text = said(say, language)
            assert say.key in SAID
            assert "–" not in text, f"{say} lacks a value of {text}"
    return findings


def spoken(findings: Findings) -> Iterator[Say]:
    yield findings.sentence
    yield from findings.reasons
    yield from (advice.why for advice in findings.advice)
    yield from (fault for each in findings.generators for fault in each.faults)


def keys(findings: Findings) -> list[str]:
    return [reason.key for reason in findings.reasons]


def oversell(run: Run) -> None:
    assert run.attempts is not None
    assert run.orders is not None
    run.attempts[STOCK] = place(STOCK + 1, (STOCK + 1) * 20_000, "reserved")
    run.attempts.append(pay(STOCK + 1, 1_500_000))
    run.orders.append(ledger_row(STOCK + 1, 430))
    run.books = books_answer(counters(1, 0, STOCK - 1), at_ms=T0_US // 1_000 + 40_000)


def slow_orders(run: Run, took_us: int = 2_000_000) -> None:
    """From T0 on every order takes two seconds."""
    run.samples["locust-1"] = [
        replace(each, took_us=took_us) if each.name == "order.place" else each
        for each in run.samples["locust-1"]
    ]


def sicken(run: Run, who: str, seconds: range, **changes: Any) -> None:
    """These seconds after T0 are bad ones for the generator `who`."""
    for number, pulse in enumerate(run.pulses[who]):
        if round((pulse.at_us - T0_US) / 1e6) in seconds:
            run.pulses[who][number] = replace(pulse, **changes)


def busy(run: Run, name: str, share: float, seconds: range) -> None:
    """A process of the server uses that much of a core."""
    assert run.timeline is not None
    for number, look in enumerate(run.timeline):
        if round((look.at_us - T0_US) / 1e6) in seconds:
            processes = tuple(
                replace(one, cpu_share=share) if one.name == name else one for one in look.processes
            )
            run.timeline[number] = replace(look, processes=processes)


def drilled(run: Run, report: DrillReport) -> None:
    assert run.plan is not None
    run.plan = replace(run.plan, drills=(Drill(report.kind, round(report.began_s)),))
    run.drills = [report]


def slow_connects(run: Run) -> None:
    samples = run.samples["audience-1"]
    run.samples["audience-1"] = [
        replace(each, took_us=3_000_000) if each.kind == "connect" else each for each in samples
    ]
