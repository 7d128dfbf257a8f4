"""One of the two languages: every word, sentence and figure of a page as its reader reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from loadtest.rehearsal.findings import Quantiles, Say
from loadtest.rehearsal.report import words
from loadtest.rehearsal.report.texts import TEXTS
from loadtest.rehearsal.report.words import ZH

DASH = "–"


@dataclass(frozen=True, slots=True)
class Tongue:
    language: str

    def text(self, key: str, **values: object) -> str:
        """What the page says around its figures. Raises `KeyError` for what nobody has written."""
        return TEXTS[key][0 if self.language == ZH else 1].format_map(values)

    def said(self, say: Say) -> str:
        return words.said(say, self.language)

    def full(self, say: Say) -> str:
        return words.full(say, self.language)

    def name(self, kind: str, word: str) -> str:
        return words.name(kind, word, self.language)

    def process(self, called: str) -> str:
        return words.process(called, self.language)

    def number(self, value: float | None, unit: str = "") -> str:
        """With its unit, as this language sets it."""
        text = words.number(value)
        if not unit or value is None:
            return text
        if unit == "1/s":
            return f"每秒 {text}" if self.language == ZH else f"{text}/s"
        if unit == "s" and self.language == ZH:
            return f"{text} 秒"
        return f"{text}%" if unit == "%" and self.language == ZH else f"{text} {unit}"

    def share(self, value: float) -> str:
        return self.number(round(value * 100, 1), "%")

    def listed(self, items: Sequence[str]) -> str:
        return ("、" if self.language == ZH else ", ").join(items)

    def instant(self, at_ms: int) -> str:
        """By the clock of the world: whoever reads it may be anywhere."""
        if not at_ms:
            return DASH
        at = datetime.fromtimestamp(at_ms / 1_000, UTC)
        return self.text("utc", at=f"{at:%Y-%m-%d %H:%M:%S}")

    def span(self, began_ms: int, ended_ms: int) -> str:
        if not began_ms or ended_ms < began_ms:
            return DASH
        minutes, seconds = divmod((ended_ms - began_ms) // 1_000, 60)
        return self.text("minutes", minutes=minutes, seconds=seconds)

    def quantiles(self, of: Quantiles) -> list[str]:
        """Count, then milliseconds; dashes of nothing."""
        if not of.count:
            return ["0", *[DASH] * 5]
        return [
            self.number(value) for value in (of.count, of.p50, of.p90, of.p99, of.p999, of.most)
        ]
