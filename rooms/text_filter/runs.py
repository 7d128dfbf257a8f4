"""Reads digits however they are written, as runs with their surroundings.

A run is a chain of digits with nothing but separators between them. Each digit keeps how it was
written, because a homophone proves less than a digit. What a run means is decided in `numbers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from rooms.text_filter.chinese import DIGIT_WORDS, HOMOPHONES, NUMERALS, PARTICLES
from rooms.text_filter.fold import Folded, is_ascii

DIGITS_MIN: Final = 7
_SIGNS: Final = frozenset("0123456789") | frozenset(NUMERALS) | frozenset(HOMOPHONES)
_SPOKEN: Final = frozenset(DIGIT_WORDS)
_GAP_CHARACTERS_MAX: Final = 8
_LETTER_DIGITS: Final = {"o": "0", "l": "1", "i": "1", "z": "2", "s": "5", "b": "8"}
_DRAWN_AS_DIGITS: Final = re.compile(r"[0-9olizsb]{1,40}")
# Seven signs that may be digits, with gaps: without them a text has no run and need not be read.
_LONG_ENOUGH: Final = re.compile(
    rf"(?:[olizsb{''.join(sorted(_SIGNS))}][\W_]{{0,{_GAP_CHARACTERS_MAX}}}+){{{DIGITS_MIN}}}"
)
_INSIDE_WORD: Final = re.compile(r"[0-9]{7,40}+")


@dataclass(slots=True)
class Run:
    """Digits in order, and how each was written.

    `kinds`: d digit, c Chinese numeral, w spoken word, h homophone, p particle, l letter.
    """

    digits: str = ""
    kinds: str = ""
    gaps: list[str] = field(default_factory=list)  # what stands before each digit
    at: list[int] = field(default_factory=list)  # where each digit is in the folded text
    prefix: str = ""  # letters the first digit is attached to
    after: str = ""  # the word that follows
    after_gap: str = ""

    def part(self, first: int, past: int) -> Run:
        """A piece of the run; what surrounds the whole run is kept only where it still touches."""
        whole_end = past == len(self.digits)
        return Run(
            self.digits[first:past],
            self.kinds[first:past],
            self.gaps[first:past],
            self.at[first:past],
            self.prefix if first == 0 else "",
            self.after if whole_end else "",
            self.after_gap if whole_end else "",
        )

    def atoms(self) -> list[str]:
        """The digits as they were grouped by the writer."""
        atoms: list[str] = []
        for digit, gap in zip(self.digits, self.gaps, strict=True):
            if gap or not atoms:
                atoms.append(digit)
            else:
                atoms[-1] += digit
        return atoms

    def is_edge(self, index: int) -> bool:
        """Whether a number may begin or end before digit `index`: not inside plain digits."""
        if index == 0 or index == len(self.digits) or self.gaps[index]:
            return True
        return not (self.kinds[index] in "dl" and self.kinds[index - 1] in "dl")


def find_runs(folded: Folded) -> Iterator[Run]:
    """All runs of at least `DIGITS_MIN` digits, left to right."""
    if not _LONG_ENOUGH.search(folded.text):
        spoken = sum(map(_SPOKEN.__contains__, folded.words))
        if spoken == 0 or spoken + sum(map(_SIGNS.__contains__, folded.text)) < DIGITS_MIN:
            return
    run = Run()
    words, gaps, starts = folded.words, folded.gaps, folded.starts
    for index, word in enumerate(words):
        digits, kind = _read(word)
        gap = gaps[index]
        if digits and run.digits and len(gap) > _GAP_CHARACTERS_MAX:
            yield from _finished(run, "", "")
            run = Run()
        if digits:
            _append(run, digits, kind, word, gap, starts[index])
            continue
        if run.digits:
            yield from _finished(run, word, gap)
            run = Run()
        if len(word) > DIGITS_MIN and (inside := _INSIDE_WORD.search(word)):
            digits = inside.group()
            attached = Run(prefix=word[: inside.start()], after=word[inside.end() :])
            _append(attached, digits, "d", digits, gap, starts[index] + inside.start())
            yield from _finished(attached, attached.after, "")
    yield from _finished(run, "", "")


def _read(word: str) -> tuple[str, str]:
    """The digits a word stands for and how they are written; no digits if it is another word."""
    if is_ascii(word):
        if word.isdigit():
            return word, "d"
        if (spoken := DIGIT_WORDS.get(word)) is not None:
            return spoken, "w"
        if _DRAWN_AS_DIGITS.fullmatch(word) and (
            not word.isalpha() or word in ("l", "i") or not word.strip("o")
        ):
            return "".join([_LETTER_DIGITS.get(letter, letter) for letter in word]), ""
        return "", ""
    if (numeral := NUMERALS.get(word)) is not None:
        return numeral, "c"
    return HOMOPHONES.get(word, ""), "p" if word in PARTICLES else "h"


def _append(run: Run, digits: str, kind: str, word: str, gap: str, start: int) -> None:
    if kind == "w":
        run.digits += digits
        run.kinds += "w"
        run.gaps.append(gap)
        run.at.append(start)
        return
    run.digits += digits
    run.kinds += kind * len(digits) or "".join(["d" if sign.isdigit() else "l" for sign in word])
    run.gaps.append(gap)
    run.gaps.extend([""] * (len(digits) - 1))
    run.at.extend(range(start, start + len(digits)))


def _finished(run: Run, after: str, after_gap: str) -> Iterator[Run]:
    if len(run.digits) >= DIGITS_MIN:
        run.after, run.after_gap = after, after_gap
        yield run
