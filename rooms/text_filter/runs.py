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
_DIGITS: Final = "0123456789"
_INSIDE_WORD: Final = re.compile(r"[0-9]{7,40}+")


@dataclass(frozen=True, slots=True)
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


class _OpenRun:
    """A run that is still being read."""

    __slots__ = ("at", "digits", "gaps", "kinds", "prefix")

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.digits: list[str] = []
        self.kinds: list[str] = []
        self.gaps: list[str] = []
        self.at: list[int] = []

    def append(self, digits: str, kinds: str, gap: str, start: int) -> None:
        """Add one word's digits; a spoken digit is one digit of several letters."""
        self.digits += digits
        self.kinds += kinds
        self.gaps += [gap, *[""] * (len(digits) - 1)]
        self.at += range(start, start + len(digits))

    def finish(self, after: str, after_gap: str) -> Iterator[Run]:
        """The run, if it is long enough to be looked at."""
        if len(self.digits) >= DIGITS_MIN:
            digits, kinds = "".join(self.digits), "".join(self.kinds)
            yield Run(digits, kinds, self.gaps, self.at, self.prefix, after, after_gap)


def find_runs(folded: Folded) -> Iterator[Run]:
    """All runs of at least `DIGITS_MIN` digits, left to right."""
    if not _LONG_ENOUGH.search(folded.text):
        spoken = sum(map(_SPOKEN.__contains__, folded.words))
        if spoken == 0 or spoken + sum(map(_SIGNS.__contains__, folded.text)) < DIGITS_MIN:
            return
    run = _OpenRun()
    for word, gap, start in zip(folded.words, folded.gaps, folded.starts, strict=False):
        digits, kinds = _read(word)
        if run.digits and len(gap) > _GAP_CHARACTERS_MAX:
            yield from run.finish("", "")
            run = _OpenRun()
        if digits:
            run.append(digits, kinds, gap, start)
            continue
        head, core, tail = _split(word)
        if head:
            run.append(head, "d" * len(head), gap, start)
        yield from run.finish(core, "" if head else gap)
        start += len(head)
        if len(core) >= DIGITS_MIN and (inside := _INSIDE_WORD.search(core)):
            run = _OpenRun(core[: inside.start()])
            run.append(inside.group(), "d" * len(inside.group()), gap, start + inside.start())
            yield from run.finish(core[inside.end() :], "")
        run = _OpenRun(core if tail else "")
        if tail:
            run.append(tail, "d" * len(tail), gap, start + len(core))
    yield from run.finish("", "")


def _split(word: str) -> tuple[str, str, str]:
    """An ASCII word as the digits it begins with, what is between, and the digits it ends with."""
    if not is_ascii(word):
        return "", word, ""
    after_head = word.lstrip(_DIGITS)
    core = after_head.rstrip(_DIGITS)
    return word[: len(word) - len(after_head)], core, after_head[len(core) :]


def _read(word: str) -> tuple[str, str]:
    """The digits a word stands for and the kind of each; no digits if it is another word."""
    if is_ascii(word):
        if word.isdigit():
            return word, "d" * len(word)
        if (spoken := DIGIT_WORDS.get(word)) is not None:
            return spoken, "w"
        if _DRAWN_AS_DIGITS.fullmatch(word) and (
            not word.isalpha() or word in ("l", "i") or not word.strip("o")
        ):
            return (
                "".join([_LETTER_DIGITS.get(letter, letter) for letter in word]),
                "".join(["d" if letter.isdigit() else "l" for letter in word]),
            )
        return "", ""
    if (numeral := NUMERALS.get(word)) is not None:
        return numeral, "c"
    return HOMOPHONES.get(word, ""), "p" if word in PARTICLES else "h"
