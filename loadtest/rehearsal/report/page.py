"""The whole page: both languages in one file, of which one is shown."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from loadtest.rehearsal.findings import Findings, Verdict
from loadtest.rehearsal.plan import LANGUAGES
from loadtest.rehearsal.report import course, proofs, rush, summary
from loadtest.rehearsal.report.blocks import Fact, Page
from loadtest.rehearsal.report.compare import Comparison, compare
from loadtest.rehearsal.report.tongue import Tongue

_DIRECTORY: Final = Path(__file__).with_name("template")
_WORDS: Final = (
    *("kind", "switch", "switch_label", "contents", "skip", "table", "reasons", "made_by"),
    "verdict",
)
# Neither HTML nor a file of text may hold these; a title is anybody's text.
_UNREADABLE: Final = {
    code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), 127) if chr(code) not in "\n\t"
}


def render(findings: Findings, previous: Mapping[str, Any] | None) -> str:
    """The file, which fetches nothing and runs nothing but its own few lines."""
    compared = compare(findings.to_json(), previous)
    pages = [_page(findings, compared, Tongue(language)) for language in LANGUAGES]
    style, script = (
        (_DIRECTORY / name).read_text(encoding="utf-8") for name in ("report.css", "report.js")
    )
    text = _template().render(
        pages=pages,
        shown=findings.language if findings.language in LANGUAGES else LANGUAGES[0],
        css=findings.verdict.value,
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
    )
    return text.lstrip().translate(_UNREADABLE).encode("utf-8", "replace").decode("utf-8")


@functools.cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_DIRECTORY),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")


def _page(findings: Findings, compared: Comparison | None, tongue: Tongue) -> Page:
    return Page(
        language=tongue.language,
        other=next(language for language in LANGUAGES if language != tongue.language),
        words={key: tongue.text(key) for key in _WORDS},
        title=findings.title,
        document=tongue.text("document", title=findings.title),
        facts=[
            Fact(tongue.text("run"), findings.run),
            Fact(tongue.text("began"), tongue.instant(findings.began_at_ms)),
            Fact(tongue.text("took"), tongue.span(findings.began_at_ms, findings.ended_at_ms)),
            Fact(tongue.text("seed"), str(findings.seed)),
        ],
        verdict=tongue.name("verdict", findings.verdict.value),
        sentence=tongue.full(findings.sentence),
        first_limit=summary.first_limit(findings, tongue),
        reasons=summary.reasons(findings, tongue),
        tiles=summary.tiles(findings, tongue),
        loud=tongue.text("void_loud") if findings.verdict is Verdict.VOID else "",
        sections=[
            *(
                part(findings, tongue)
                for part in (
                    *(summary.promised, summary.environment, summary.generators),
                    *(rush.capacity, rush.spike, rush.latency),
                    *(proofs.books, proofs.delivery, proofs.fairness, proofs.drills),
                    *(course.timeline, course.advice),
                )
            ),
            course.comparison(findings, compared, tongue),
            course.repeat(findings, tongue),
        ],
    )


def _hash(text: str) -> str:
    """As a content security policy names the one text that may stand in a page."""
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest())
    return f"'sha256-{digest.decode('ascii')}'"
