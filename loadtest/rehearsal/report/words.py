"""What a report says, in both languages: sentences by key, names of things, numbers as read.

`said` never raises: a report that lacks a word is better than none at the end of a long run. That
no word is missing is what the tests see to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from loadtest.rehearsal.findings import Say
from loadtest.rehearsal.plan import LANGUAGES
from loadtest.rehearsal.report.names import NAMES
from loadtest.rehearsal.report.reasons import ADVICE, BROKEN, LIMITS, SENTENCES, TIGHT, VOID

ZH: Final = LANGUAGES[0]
SAID: Final[dict[str, tuple[str, str]]] = {
    **SENTENCES,
    **BROKEN,
    **LIMITS,
    **TIGHT,
    **VOID,
    **ADVICE,
    **{f"drill.{kind}": names for kind, names in NAMES["drill"].items()},
    **{f"promise.{what}": names for what, names in NAMES["promise"].items()},
}
_PROCESS: Final = re.compile(r"(rehearsal )?(web worker|ledger worker|redis|supervisor)( \d+)?")
_PROCESSES_ZH: Final = {
    "web worker": "网页进程",
    "ledger worker": "账本进程",
    "redis": "Redis",
    "supervisor": "主进程",
}


def said(say: Say, language: str) -> str:
    """The sentence in that language, without a full stop."""
    values = {name: _value(value, language) for name, value in say.values.items()}
    texts = SAID.get(say.key)
    if texts is None:
        told = ", ".join(f"{name} {value}" for name, value in values.items())
        return f"{say.key}: {told}" if told else say.key
    return texts[_place(language)].format_map(_Values(values))


def full(say: Say, language: str) -> str:
    """The same as a whole sentence, with its capital and its full stop."""
    text = said(say, language)
    return f"{text}。" if language == ZH else f"{text[:1].upper()}{text[1:]}."


def name(kind: str, word: str, language: str) -> str:
    """What a thing is called, such as an outcome or a drill; the word itself if nobody said."""
    names = NAMES[kind].get(word)
    return word if names is None else names[_place(language)]


def process(called: str, language: str) -> str:
    """A process of the server."""
    found = _PROCESS.fullmatch(called)
    if language != ZH or found is None:
        return called
    shadow, kind, number = found.groups(default="")
    return f"{_PROCESSES_ZH[kind]}{number}{'（彩排）' if shadow else ''}"


def number(value: float | None) -> str:
    """With as many digits as somebody wants to read; a dash for nothing."""
    if value is None:
        return "–"
    if isinstance(value, int) or abs(value) >= 100:
        return f"{round(value):,}"
    digits = 1 if abs(value) >= 10 else 2
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def _value(value: object, language: str) -> str:
    if isinstance(value, Say):
        return said(value, language)
    if isinstance(value, Mapping) and "key" in value:  # read back from JSON
        return said(Say(str(value["key"]), dict(value.get("values") or {})), language)
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int | float):
        return number(value)
    text = str(value)
    for kind in ("drill", "phase"):
        text = name(kind, text, language)
    return process(text, language)


def _place(language: str) -> int:
    return 0 if language == ZH else 1


class _Values(dict[str, Any]):
    """A value that was forgotten is a dash."""

    def __missing__(self, _key: str) -> str:
        return "–"
