"""Every word of a report, in Chinese and English, and how a `Say` becomes a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from loadtest.rehearsal.findings import Say
from loadtest.rehearsal.plan import LANGUAGES
from loadtest.rehearsal.report.verdict_words import VERDICT_WORDS

# key: (zh-CN, en). Both have the same fields in braces.
WORDS: Final[dict[str, tuple[str, str]]] = {
    **VERDICT_WORDS,
}


def said(say: Say | Mapping[str, Any], language: str) -> str:
    """The sentence in `zh-CN` or `en`; also of one that was read back from JSON.

    Numbers get separators and lose zeros at their end; a value that is a sentence itself is said.
    An unknown key is shown as it is, with its values: an old report must open all the same.
    """
    key, values = _parts(say)
    texts = {name: _text(value, language) for name, value in values.items()}
    words = WORDS.get(key)
    if words is None:
        return f"{key} {texts}" if texts else key
    try:
        return words[LANGUAGES.index(language)].format(**texts).strip()
    except KeyError:
        return f"{key} {texts}"


def _parts(say: Say | Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    if isinstance(say, Say):
        return say.key, say.values
    values = say.get("values")
    return str(say.get("key", "")), values if isinstance(values, Mapping) else {}


def _text(value: object, language: str) -> str:
    if isinstance(value, Say) or (isinstance(value, Mapping) and "key" in value):
        return said(value, language)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or value.is_integer():
        return f"{int(value):,}"
    return f"{value:,.3f}".rstrip("0")
