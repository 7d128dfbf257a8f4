"""Folding: the one spelling that every disguise of a text has in common.

Knows Unicode; knows nothing about words, numbers or links. The matchers read four views of the
folded text, all of which can point back into the original:

- `text`: folded characters, separators kept;
- `words` with `starts` and `gaps`: runs of ASCII letters and digits, and every other letter alone;
- `joined`: words without separators (`加.我 v-x` is `加我vx`), one space where two words of more
  than one letter met, so that `wei xin` stays two words; plus signs stay;
- `marked`: as `joined`, but dots, colons, slashes, @ and hyphens stay, for links and handles. A dot
  that had spaces or brackets around it is written `;`.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
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
_KEPT_MARKS: Final = frozenset("./:@-_+#,")
_WECHAT_HEADS: Final = frozenset("微威徽卫维薇vw")
_HEART: Final = "♥"
FOLDED_CHARACTERS_CACHED: Final = 16_384


@lru_cache(maxsize=FOLDED_CHARACTERS_CACHED)
def fold_character(character: str) -> str:
    """The plain form of one character: usually one character, sometimes none or several."""
    if " " <= character <= "~":
        return character.lower()
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
    return "".join(map(_fold_part, unicodedata.normalize("NFKC", character).casefold()))


def _fold_part(part: str) -> str:
    """Finish one character of a compatibility form: accents, look-alikes, simplified form."""
    if ord(part) < _ACCENTED_BELOW:
        part = unicodedata.normalize("NFD", part)[0]
    if part in "()" or unicodedata.category(part) in _DROPPED:
        return ""  # the brackets of ⒜ and ㈠; brackets of their own are ASCII and stay
    part = MARKS.get(part) or LETTERS.get(part) or part
    return SIMPLIFIED.get(part, part)


class Folded:
    """One folded text and its views. Offsets are into `text`; `origin` leads to the original."""

    __slots__ = (
        "_joined_from", "_joined_to", "_marked_from", "_marked_to", "_origin",
        "gaps", "joined", "marked", "original", "starts", "text", "words",
    )  # fmt: skip

    def __init__(self, original: str) -> None:
        self.original = original
        pieces = [fold_character(character) for character in original]
        self.text = "".join(pieces)
        self._origin: list[int] | None = None
        self.words: list[str] = []
        self.starts: list[int] = []
        self.gaps: list[str] = []
        gap = ""
        for token in _TOKEN.finditer(self.text):
            word = token.group()
            if word[0].isalnum():
                self.words.append(word)
                self.starts.append(token.start())
                self.gaps.append(gap)
                gap = ""
            else:
                gap = word
        self.gaps.append(gap)  # one more gap than words: what follows the last word
        self._build_views()

    def _build_views(self) -> None:
        joined: list[str] = []
        marked: list[str] = []
        self._joined_from, self._joined_to = [], []
        self._marked_from, self._marked_to = [], []
        joined_length = marked_length = 0
        before = ""
        for word, start, gap in zip(self.words, self.starts, self.gaps, strict=False):
            if gap:
                bridge = _bridge(before, word)
                in_joined = _joined_gap(before, gap) or bridge
                in_marked = _marked_gap(gap) or bridge
                joined.append(in_joined)
                marked.append(in_marked)
                joined_length += len(in_joined)
                marked_length += len(in_marked)
            self._joined_from.append(joined_length)
            self._joined_to.append(start)
            self._marked_from.append(marked_length)
            self._marked_to.append(start)
            joined.append(word)
            marked.append(word)
            joined_length += len(word)
            marked_length += len(word)
            before = word
        if self.gaps[-1]:
            joined.append(_joined_gap(before, self.gaps[-1]))
            marked.append(_marked_gap(self.gaps[-1]))
        self.joined = "".join(joined)
        self.marked = "".join(marked)

    def place_in_joined(self, begin: int, finish: int) -> tuple[int, int]:
        """Offsets in `text` of a match in `joined`."""
        return self._place(self._joined_from, self._joined_to, begin, finish)

    def place_in_marked(self, begin: int, finish: int) -> tuple[int, int]:
        """Offsets in `text` of a match in `marked`."""
        return self._place(self._marked_from, self._marked_to, begin, finish)

    def _place(
        self, offsets: list[int], targets: list[int], begin: int, finish: int
    ) -> tuple[int, int]:
        def target(offset: int) -> int:
            index = bisect_right(offsets, offset) - 1
            if index < 0:
                return 0
            return min(targets[index] + offset - offsets[index], len(self.text) - 1)

        return target(begin), target(finish - 1) + 1

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """Offsets in the original text of a piece of `text`."""
        if self._origin is None:
            self._origin = [
                index
                for index, character in enumerate(self.original)
                for _ in fold_character(character)
            ]
        if start >= end:
            return 0, 0
        return self._origin[start], self._origin[end - 1] + 1


def is_ascii(word: str) -> bool:
    """Whether a word is a run of ASCII letters and digits."""
    return word < "\x80"


def _bridge(before: str, word: str) -> str:
    """What stands between two words whose separators were taken out."""
    if not before or not is_ascii(before) or not is_ascii(word):
        return ""
    return "" if len(before) == 1 and len(word) == 1 else " "


def _joined_gap(before: str, gap: str) -> str:
    if "+" in gap:
        return "+"
    # A heart is read 心, which sounds like the 信 of 微信.
    return _HEART if gap[0] == _HEART and before in _WECHAT_HEADS else ""


def _marked_gap(gap: str) -> str:
    kept = "".join([mark for mark in gap if mark in _KEPT_MARKS])
    if not kept:
        return ""
    if set(kept) == {"."}:
        return "." if gap == "." else ";"
    return kept
