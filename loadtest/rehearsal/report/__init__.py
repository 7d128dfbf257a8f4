"""The report of a rehearsal: one HTML file that needs nothing else, in both languages."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from loadtest.rehearsal.findings import Findings
from loadtest.rehearsal.report.words import full

__all__ = ["build", "sentence"]


def sentence(findings: Findings, language: str) -> str:
    """The verdict in one sentence."""
    return full(findings.sentence, language)


def build(findings: Findings, previous: Mapping[str, Any] | None) -> str:
    """The whole report."""
    said = html.escape(sentence(findings, findings.language))
    return f"<!doctype html><title>rehearsal</title><p>{said}</p>"
