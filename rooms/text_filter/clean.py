"""Cleaning: what is stored of a text. Separate from judging, which changes nothing."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_DROPPED: Final = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]++")
_INVISIBLE_CATEGORIES: Final = frozenset({"Cf", "Cc", "Zs", "Zl", "Zp", "Mn", "Me"})
_BLANK_LETTERS: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800")


class TextEmpty(ValueError):
    """Nothing visible is left of the text."""

    def __init__(self) -> None:
        super().__init__("text: is empty")


class TextTooLong(ValueError):
    """The text has more characters than it may."""

    def __init__(self, chars: int, chars_max: int) -> None:
        super().__init__(f"text: has {chars} characters, at most {chars_max} are allowed")
        self.chars = chars
        self.chars_max = chars_max


def clean(text: str, chars_max: int) -> str:
    """One line of plain text: composed (NFC), white space as single spaces, no control characters.

    Raises `TextEmpty` if nothing visible is left and `TextTooLong` above `chars_max` characters.
    Cleaning a cleaned text changes nothing.
    """
    composed = unicodedata.normalize("NFC", _DROPPED.sub("", text))
    cleaned = " ".join(composed.split())
    if all(_is_blank(character) for character in cleaned):
        raise TextEmpty
    if len(cleaned) > chars_max:
        raise TextTooLong(len(cleaned), chars_max)
    return cleaned


def _is_blank(character: str) -> bool:
    return character in _BLANK_LETTERS or unicodedata.category(character) in _INVISIBLE_CATEGORIES
