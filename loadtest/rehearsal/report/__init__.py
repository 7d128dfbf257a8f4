"""The report of a rehearsal: one HTML file that needs nothing else, in both languages.

`words` and `reasons` say what the judge found, `texts` what stands around it; `summary`, `rush`,
`proofs` and `course` make the sections; `plots` draws; `page` puts them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loadtest.rehearsal.findings import Findings
from loadtest.rehearsal.report.page import render
from loadtest.rehearsal.report.words import full

__all__ = ["build", "sentence"]


def sentence(findings: Findings, language: str) -> str:
    """The verdict in one sentence."""
    return full(findings.sentence, language)


def build(findings: Findings, previous: Mapping[str, Any] | None) -> str:
    """The whole report. `previous`: the JSON of an earlier run's findings, to compare with."""
    return render(findings, previous)
