"""Finds any of many words in one pass, whatever separates or stretches their letters.

An Aho-Corasick automaton over *runs*: a letter said three times is one step, and a digit that
stands for a letter (`b1tch`) is that letter. What the automaton proposes is then checked letter
by letter, so this spelling-blind first pass decides nothing. Each run costs a constant number of
steps on average: time is linear in the text for any word list.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from rooms.text_filter.fold import Folded, is_ascii

# Digit or mark -> the letters it is used for. The first one is the one the automaton steps on.
_STANDS_FOR: Final[dict[str, str]] = {
    "0": "o", "1": "il", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g",
    "@": "a", "$": "s", "!": "il", "€": "e", "£": "l", "¢": "c", "|": "il",
}  # fmt: skip
_STEP: Final[dict[str, str]] = {sign: letters[0] for sign, letters in _STANDS_FOR.items()} | {
    "l": "i"  # 1 may be either, so both step as one
}
_MARK_AS_LETTER: Final = re.compile(r"(?<=[0-9a-z])[@$!€£¢|]{1,3}(?=[a-z])|(?<![^\s])[@$](?=[a-z])")
_MASKED: Final = re.compile(r"(?<![a-z*])[a-z][a-z*]{2,30}+(?![a-z*])")
_WORD: Final = re.compile(r"[0-9a-z]++|[^\W_]")
_STRETCHED_FREELY: Final = frozenset("aiu")  # English doubles the others too often: see, too
_STRETCHED_FROM: Final = 3
_SPLIT_FROM: Final = 4  # shorter words are not looked for across pieces: "as S" is a size
# Words that stand side by side in honest text, so a blocked word is not made of them.
_COMMON: Final = frozenset(
    "a all am an and are as at be but by can day did do for get go had has have he her him his how "
    "i if in is it its just let man may me my new no not now of off old on one or our out re say "
    "see she so that the them they this to too two up us use was way we who why will with yes you "
    "your".split()
)


@dataclass(frozen=True, slots=True)
class Match:
    """A word found: offsets in the folded text, and whether it was written to be missed."""

    word: str
    begin: int
    finish: int
    disguised: bool


@dataclass(frozen=True, slots=True)
class _Pattern:
    word: str
    letters: str
    breaks: frozenset[int]  # where the word itself has a space or hyphen
    runs: tuple[tuple[str, int], ...]  # letter, how often


def _runs(letters: str) -> list[tuple[str, int, int]]:
    """(step, first, past last) for each run of equal ASCII letters; other characters alone."""
    runs: list[tuple[str, int, int]] = []
    last = ""
    for index, letter in enumerate(letters):
        step = _STEP.get(letter, letter)
        if step == last and step < "\x80":
            runs[-1] = (step, runs[-1][1], index + 1)
        else:
            runs.append((step, index, index + 1))
            last = step
    return runs


def _pattern(word: str) -> _Pattern:
    folded = Folded(word)
    breaks: set[int] = set()
    length = 0
    for part, gap in zip(folded.words, folded.gaps, strict=False):
        if gap and length:
            breaks.add(length)
        length += len(part)
    letters = "".join(folded.words)
    if not letters:
        raise ValueError(f"{word!r} has no letter or digit")
    if len(letters) == 1 and is_ascii(letters):
        raise ValueError(f"{word!r} is a single letter or digit")
    runs = tuple((step, past - first) for step, first, past in _runs(letters))
    return _Pattern(word, letters, frozenset(breaks), runs)


class Automaton:
    """The words, ready to be looked for. Raises `ValueError` naming a word that cannot be."""

    def __init__(self, words: Iterable[str]) -> None:
        self._next: list[dict[str, int]] = [{}]
        self._found: list[tuple[_Pattern, ...]] = [()]
        self._masked: dict[tuple[str, str, int], list[_Pattern]] = {}
        for word in dict.fromkeys(words):
            self._add(_pattern(word))
        self._fallback = [0] * len(self._next)
        self._link()

    def _add(self, pattern: _Pattern) -> None:
        state = 0
        for step, _ in pattern.runs:
            following = self._next[state].get(step)
            if following is None:
                following = len(self._next)
                self._next[state][step] = following
                self._next.append({})
                self._found.append(())
            state = following
        self._found[state] = (*self._found[state], pattern)
        letters = pattern.letters
        if len(letters) >= _SPLIT_FROM and letters.isascii() and letters.isalpha():
            self._masked.setdefault((letters[0], letters[-1], len(letters)), []).append(pattern)

    def _link(self) -> None:
        waiting = deque(self._next[0].values())
        while waiting:
            state = waiting.popleft()
            for step, following in self._next[state].items():
                fallback = self._fallback[state]
                while fallback and step not in self._next[fallback]:
                    fallback = self._fallback[fallback]
                self._fallback[following] = self._next[fallback].get(step, 0)
                self._found[following] += self._found[self._fallback[following]]
                waiting.append(following)

    def find(self, folded: Folded) -> Iterator[Match]:
        """Every listed word in the text, in order of its end; disguises of all kinds included."""
        yield from self._scan(_Letters(folded.words, folded.starts, folded.gaps))
        if _MARK_AS_LETTER.search(folded.text):
            yield from self._scan(_with_marks_as_letters(folded))
        if "*" in folded.text:
            yield from self._unmask(folded.text)

    def _scan(self, text: _Letters) -> Iterator[Match]:
        runs = _runs(text.letters)
        state = 0
        following = self._next
        for index, (step, _, _) in enumerate(runs):
            while state and step not in following[state]:
                state = self._fallback[state]
            state = following[state].get(step, 0)
            for pattern in self._found[state]:
                match = text.confirm(pattern, runs[index + 1 - len(pattern.runs) : index + 1])
                if match is not None:
                    yield match

    def _unmask(self, text: str) -> Iterator[Match]:
        """`f**k`: at least half of the letters shown, the first and the last among them."""
        for token in _MASKED.finditer(text):
            letters = token.group()
            key = (letters[0], letters[-1], len(letters))
            if letters.count("*") * 2 > len(letters):
                continue
            for pattern in self._masked.get(key, ()):
                if all(a in ("*", b) for a, b in zip(letters, pattern.letters, strict=True)):
                    yield Match(pattern.word, token.start(), token.end(), disguised=True)


class _Letters:
    """A text without its separators, and where they were."""

    __slots__ = ("at", "gap_before", "letters", "word_of", "words")

    def __init__(self, words: list[str], starts: list[int], gaps: list[str]) -> None:
        self.words = words
        self.letters = "".join(words)
        self.at: list[int] = []
        self.word_of: list[int] = []
        self.gap_before = gaps
        for index, (word, start) in enumerate(zip(words, starts, strict=True)):
            if len(word) == 1:
                self.at.append(start)
                self.word_of.append(index)
            else:
                self.at.extend(range(start, start + len(word)))
                self.word_of.extend([index] * len(word))

    def confirm(self, pattern: _Pattern, runs: list[tuple[str, int, int]]) -> Match | None:
        """Whether the runs really spell the pattern, as whole words where it is ASCII."""
        first, past = runs[0][1], runs[-1][2]
        substituted = 0
        offset = 0
        stretched = False
        for (_, count), (_, begin, end) in zip(pattern.runs, runs, strict=True):
            shown = self.letters[begin:end]
            wanted = pattern.letters[offset : offset + count]
            offset += count
            if len(shown) != count:
                if not _may_stretch(wanted[0], count, len(shown)):
                    return None
                stretched = True
            for place, letter in enumerate(shown):
                expected = wanted[min(place, count - 1)]
                if letter != expected:
                    if expected not in _STANDS_FOR.get(letter, ""):
                        return None
                    substituted += 1
        if substituted * 2 > len(pattern.letters):
            return None
        if not self._edges(pattern, first, past) or not self._pieces(pattern, first, past):
            return None
        split = any(self.gap_before[word] for word in self._words_inside(first, past))
        disguised = bool(substituted) or stretched or split
        return Match(pattern.word, self.at[first], self.at[past - 1] + 1, disguised)

    def _words_inside(self, first: int, past: int) -> range:
        return range(self.word_of[first] + 1, self.word_of[past - 1] + 1)

    def _edges(self, pattern: _Pattern, first: int, past: int) -> bool:
        """Whether an ASCII word begins and ends where a word of the text does."""
        return self._edge(pattern.letters[0], first - 1, first) and self._edge(
            pattern.letters[-1], past, past
        )

    def _edge(self, letter: str, beside: int, later: int) -> bool:
        if not is_ascii(letter) or not 0 <= beside < len(self.letters):
            return True
        neighbour = self.letters[beside]
        if self.word_of[later - 1] != self.word_of[later] or not is_ascii(neighbour):
            return True
        return letter.isalpha() and neighbour.isdigit()

    def _pieces(self, pattern: _Pattern, first: int, past: int) -> bool:
        """Whether the separators inside the match may be there at all."""
        inside = self._words_inside(first, past)
        if not inside or not is_ascii(pattern.letters[0]):
            return True
        if any(self.gap_before[word] == "'" for word in inside) and any(
            len(self.words[word]) > 1 for word in (inside.start - 1, *inside)
        ):
            return False  # he'll
        segment: list[str] = []
        length = 0
        for word in range(inside.start - 1, inside.stop):
            segment.append(self.words[word])
            length += len(self.words[word])
            if length in pattern.breaks or word == inside.stop - 1:
                if not _may_be_split(segment):
                    return False
                segment = []
        return True


def _may_be_split(pieces: list[str]) -> bool:
    """Whether one word may be written as these pieces: letter by letter, or in senseless parts."""
    if len(pieces) == 1 or all(len(piece) == 1 for piece in pieces):
        return True
    return sum(map(len, pieces)) >= _SPLIT_FROM and not _COMMON.intersection(pieces)


def _may_stretch(letter: str, count: int, shown: int) -> bool:
    if shown < count:
        return False
    return shown >= _STRETCHED_FROM or letter in _STRETCHED_FREELY


def _with_marks_as_letters(folded: Folded) -> _Letters:
    """The text again, with `$`, `@`, `!` and the like counted as letters where they may be."""
    spelled = _MARK_AS_LETTER.sub(lambda found: _as_digits(found.group()), folded.text)
    words: list[str] = []
    starts: list[int] = []
    gaps: list[str] = []
    end = 0
    for token in _WORD.finditer(spelled):
        words.append(token.group())
        starts.append(token.start())
        gaps.append(spelled[end : token.start()])
        end = token.end()
    return _Letters(words, starts, gaps)


_DIGIT_FOR: Final = {"@": "4", "$": "5", "!": "1", "€": "3", "£": "1", "|": "1", "¢": "c"}


def _as_digits(marks: str) -> str:
    return "".join([_DIGIT_FOR[mark] for mark in marks])
