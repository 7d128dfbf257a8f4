"""Folding: the one spelling that every disguise of a text has in common.

Knows Unicode; knows nothing about words, numbers or links. The matchers read the folded text in
four shapes, all of which can point back into the original:

- `text`: folded characters, separators kept;
- `words` with `starts` and `gaps`: runs of ASCII letters and digits, and every other letter alone;
- `joined`: words without separators (`加.我 v-x` is `加我vx`), one space where two words of more
  than one letter met, so that `wei xin` stays two words; plus signs stay;
- `marked`: as `joined`, but dots, colons, slashes, @ and hyphens stay, for links and handles. A dot
  that had spaces around it is written `;`.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from rooms.text_filter.chinese import SIMPLIFIED
from rooms.text_filter.lookalikes import LETTERS, MARKS

_TOKEN: Final = re.compile(r"[0-9a-z]++|[^\W_]|(?:[\W_])++")
_DROPPED: Final = frozenset({"Mn", "Me", "Mc", "Cf", "Cc", "Cs"})
_NUMBERS: Final = frozenset({"Nd", "No", "Nl"})
_ROMAN_NUMERALS: Final = range(0x2160, 0x2180)  # drawn as letters, so read as letters
_ACCENTED_BELOW: Final = 0x2000  # scripts whose marks are decoration; Hangul and kana are above
_ACCENTED_LATIN: Final = range(0x1E00, 0x2000)
_KEPT_MARKS: Final = frozenset("./:@-_+#,'")
_WECHAT_HEADS: Final = frozenset("微威徽卫维薇vw")
_BRACKETED_DOT: Final = re.compile(r"\s?[(\[{<【「『〔]\.[)\]}>】」』〕]\s?")
_HEART: Final = "♥"
FOLDED_CHARACTERS_CACHED: Final = 16_384


@lru_cache(maxsize=FOLDED_CHARACTERS_CACHED)
def fold_character(character: str) -> str:
    """The plain form of one character: usually one character, sometimes none or several."""
    if " " <= character <= "~":
        return character.lower()
    if "\u4e00" <= character <= "\u9fff":
        return SIMPLIFIED.get(character) or MARKS.get(character) or character
    if (mark := MARKS.get(character)) is not None:
        return mark
    category = unicodedata.category(character)
    if category in _DROPPED:
        return ""
    if category in _NUMBERS and ord(character) not in _ROMAN_NUMERALS:
        number = unicodedata.numeric(character)
        if number == int(number) and 0 <= number < 100:
            return str(int(number))
    if (letter := LETTERS.get(character)) is not None:
        return letter
    plain = unicodedata.normalize("NFKC", character).casefold()
    if len(plain) > 1:
        plain = plain.strip("().")  # ⒜ ㈠ ⒈
    return "".join(map(_fold_part, plain))


def _fold_part(part: str) -> str:
    """Finish one character of a compatibility form: accents, look-alikes, simplified form."""
    if ord(part) < _ACCENTED_BELOW:
        part = unicodedata.normalize("NFD", part)[0]
    if unicodedata.category(part) in _DROPPED:
        return ""
    part = MARKS.get(part) or LETTERS.get(part) or part
    return SIMPLIFIED.get(part, part)


class Folded:
    """One folded text and its views. Offsets are into `text`; `original_span` leads back."""

    __slots__ = (
        "_has_gaps", "_joined", "_marked", "_origin", "gaps", "original", "starts", "text", "words"
    )  # fmt: skip

    def __init__(self, original: str) -> None:
        self.original = original
        self.text = "".join(map(fold_character, original))
        self._origin: list[int] | None = None
        self.words: list[str] = []
        self.starts: list[int] = []
        self.gaps: list[str] = []  # before each word, and after the last one
        gap = ""
        start = 0
        self._joined: View | None = None
        self._marked: View | None = None
        for token in _TOKEN.findall(self.text):
            if token[0].isalnum():
                self.words.append(token)
                self.starts.append(start)
                self.gaps.append(gap)
                gap = ""
            else:
                gap = token
            start += len(token)
        self.gaps.append(gap)
        self._has_gaps = any(self.gaps)

    @property
    def joined(self) -> View:
        if self._joined is None:
            self._joined = View(self, _joined_gap if self._has_gaps else None)
        return self._joined

    @property
    def marked(self) -> View:
        if self._marked is None:
            self._marked = View(self, _marked_gap if self._has_gaps else None)
        return self._marked

    def original_span(self, begin: int, finish: int) -> tuple[int, int]:
        """Offsets in the original text of a piece of `text` that is not empty."""
        if self._origin is None:
            self._origin = [
                index
                for index, character in enumerate(self.original)
                for _ in fold_character(character)
            ]
        return self._origin[begin], self._origin[finish - 1] + 1


class View:
    """The words of a text with other gaps: `text` is what to search, `place` leads back."""

    __slots__ = ("_offsets", "_targets", "text")

    def __init__(self, folded: Folded, in_gap: Callable[[str, str, str], str] | None) -> None:
        self._targets = folded.starts
        self._offsets = folded.starts
        self.text = folded.text
        if in_gap is None:
            return
        pieces: list[str] = []
        offsets: list[int] = []
        length = 0
        before = ""
        for word, gap in zip(folded.words, folded.gaps, strict=False):
            if gap:
                between = in_gap(before, gap, word) or _bridge(before, word)
                if between:
                    pieces.append(between)
                    length += len(between)
            offsets.append(length)
            pieces.append(word)
            length += len(word)
            before = word
        if folded.gaps[-1]:
            pieces.append(in_gap(before, folded.gaps[-1], ""))
        self._offsets = offsets
        self.text = "".join(pieces)

    def place(self, begin: int, finish: int) -> tuple[int, int]:
        """Offsets in the folded text of a match in this view, gaps at its ends left out."""
        first = max(0, bisect_right(self._offsets, begin) - 1)
        last = max(first, bisect_right(self._offsets, finish - 1) - 1)
        ahead = max(0, begin - self._offsets[first])
        behind = max(0, finish - self._offsets[last])
        return self._targets[first] + ahead, max(
            self._targets[first] + ahead + 1, self._targets[last] + behind
        )

    def around(self, begin: int, finish: int, reach: int) -> tuple[str, str]:
        """Up to `reach` characters of this view before and after a piece of the folded text."""
        first = self._offsets[bisect_right(self._targets, begin) - 1]
        last = bisect_right(self._targets, finish - 1) - 1
        past = self._offsets[last] + finish - self._targets[last]
        return self.text[max(0, first - reach) : first], self.text[past : past + reach]


def is_ascii(word: str) -> bool:
    """Whether a word is a run of ASCII letters and digits."""
    return word < "\x80"


def _bridge(before: str, word: str) -> str:
    """What stands between two words whose separators were taken out."""
    if not before or not is_ascii(before) or not is_ascii(word):
        return ""
    return "" if len(before) == 1 and len(word) == 1 else " "


def _joined_gap(before: str, gap: str, _word: str) -> str:
    if "+" in gap:
        return "+"
    # A heart is read 心, which sounds like the 信 of 微信.
    return _HEART if gap[0] == _HEART and before in _WECHAT_HEADS else ""


def _marked_gap(before: str, gap: str, word: str) -> str:
    if gap[0] == _HEART and before in _WECHAT_HEADS:
        return _HEART
    kept = "".join([mark for mark in gap if mark in _KEPT_MARKS])
    if len(before) == 1 and len(word) == 1:
        kept = kept.strip("-_")  # spelled out: c-o-m
    if not kept:
        return ""
    if set(kept) == {"."}:
        return "." if gap == "." or _BRACKETED_DOT.fullmatch(gap) else ";"
    return kept
