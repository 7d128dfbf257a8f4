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
from itertools import groupby
from typing import Final

from rooms.text_filter.fold import Folded, is_ascii

# Digit -> the letters it is used for. The first one is the one the automaton steps on.
_STANDS_FOR: Final[dict[str, str]] = {
    "0": "o", "1": "il", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g",
}  # fmt: skip
_STEP: Final[dict[str, str]] = {sign: letters[0] for sign, letters in _STANDS_FOR.items()} | {
    "l": "i"  # 1 may be either, so both step as one
}
_DIGIT_FOR: Final = {"@": "4", "$": "5", "!": "1", "€": "3", "£": "1", "|": "1", "¢": "c"}
_MARK_AS_LETTER: Final = re.compile(r"(?<=[0-9a-z])[@$!€£¢|]{1,3}(?=[a-z])|(?<![^\s])[@$](?=[a-z])")
_MASKED: Final = re.compile(r"(?<![a-z*])[a-z][a-z*]{2,30}+(?![a-z*])")
_WORD: Final = re.compile(r"[0-9a-z]++|[^\W_]")
_CLAUSE_END: Final = re.compile(r"[,.!?;:~、…\s]{1,4}+")
_STRETCHED_FREELY: Final = frozenset("aiu")  # English doubles the others too often: see, too
_STRETCHED_FROM: Final = 3
_SPLIT_FROM: Final = 4  # shorter words are not looked for across pieces: "as S" is a size
# Words that stand side by side in honest text, so a blocked word is not made of them.
_COMMON: Final = frozenset(
    re.findall(
        "[a-z]+",
        """
        a all am an and are as at be but by can day did do for get go had has have he her him his
        how i if in is it its just let man may me my new no not now of off old on one or our out re
        say see she so that the them they this to too two up us use was way we who why will with
        yes you your
        """,
    )
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


def _runs(letters: str) -> Iterator[tuple[str, int]]:
    """Step and length of each run of equal ASCII letters; every other character alone."""
    for step, run in groupby(letters, key=lambda letter: _STEP.get(letter, letter)):
        length = sum(1 for _ in run)
        if step < "\x80":
            yield step, length
        else:
            yield from [(step, 1)] * length


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
    return _Pattern(word, letters, frozenset(breaks), tuple(_runs(letters)))


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
        following, fallback, found = self._next, self._fallback, self._found
        step_of = _STEP.get
        state = 0
        last = ""
        for index, letter in enumerate(text.letters):
            step = step_of(letter, letter)
            if step == last and step < "\x80":
                continue
            last = step
            while state and step not in following[state]:
                state = fallback[state]
            state = following[state].get(step, 0)
            if not state:
                continue
            for pattern in found[state]:
                match = text.confirm(pattern, index)
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

    __slots__ = ("_at", "_gaps", "_starts", "_word_of", "_words", "letters")

    def __init__(self, words: list[str], starts: list[int], gaps: list[str]) -> None:
        self.letters = "".join(words)
        self._words = words
        self._starts = starts
        self._gaps = gaps
        self._word_of: list[int] = []
        self._at: list[int] = []

    def confirm(self, pattern: _Pattern, index: int) -> Match | None:
        """Whether the pattern really stands where its last run begins at `index`."""
        if not self._at:
            self._locate()
        runs = self._runs_back(len(pattern.runs), index)
        self._trim(pattern, runs)
        first, past = runs[0][0], runs[-1][1]
        spelled = self._spelling(pattern, runs)
        if spelled is None or not self._edges(pattern, first, past):
            return None
        inside = range(self._word_of[first] + 1, self._word_of[past - 1] + 1)
        is_split = any(self._gaps[word] for word in inside)
        if is_split and not self._may_be_split(pattern, inside, first, past):
            return None
        disguised = spelled or is_split
        return Match(pattern.word, self._at[first], self._at[past - 1] + 1, disguised)

    def _locate(self) -> None:
        for index, (word, start) in enumerate(zip(self._words, self._starts, strict=True)):
            self._word_of.extend([index] * len(word))
            self._at.extend(range(start, start + len(word)))

    def _runs_back(self, count: int, index: int) -> list[tuple[int, int]]:
        """The `count` runs up to the one that begins at `index`, each as begin and end."""
        step = self._step(index)
        past = index + 1
        while step < "\x80" and past < len(self.letters) and self._step(past) == step:
            past += 1
        runs = [(index, past)]
        while len(runs) < count:
            past = runs[-1][0]
            begin = past - 1
            step = self._step(begin)
            while step < "\x80" and begin > 0 and self._step(begin - 1) == step:
                begin -= 1
            runs.append((begin, past))
        return runs[::-1]

    def _step(self, index: int) -> str:
        return _STEP.get(self.letters[index], self.letters[index])

    def _trim(self, pattern: _Pattern, runs: list[tuple[int, int]]) -> None:
        """Leave out what the outer runs took from the words beside: the first o of "go online"."""
        begin, past = runs[0]
        start = past - pattern.runs[0][1]
        if start > begin and self._word_of[start - 1] != self._word_of[start]:
            runs[0] = (start, past)
        begin, past = runs[-1]
        end = begin + pattern.runs[-1][1]
        if end < past and self._word_of[end - 1] != self._word_of[end]:
            runs[-1] = (begin, end)

    def _spelling(self, pattern: _Pattern, runs: list[tuple[int, int]]) -> bool | None:
        """False if spelled plainly, True if stretched or with digits, None if it is not it."""
        substituted = 0
        offset = 0
        is_stretched = False
        for (_, count), (begin, past) in zip(pattern.runs, runs, strict=True):
            wanted = pattern.letters[offset : offset + count]
            offset += count
            if past - begin != count:
                if not _may_stretch(wanted[0], count, past - begin):
                    return None
                is_stretched = True
            for place, letter in enumerate(self.letters[begin:past]):
                expected = wanted[min(place, count - 1)]
                if letter != expected:
                    if expected not in _STANDS_FOR.get(letter, ""):
                        return None
                    substituted += 1
        if substituted * 2 > len(pattern.letters):
            return None
        return is_stretched or substituted > 0

    def _edges(self, pattern: _Pattern, first: int, past: int) -> bool:
        """Whether an ASCII word begins and ends where a word of the text does."""
        return self._edge(pattern.letters[0], first - 1, first) and self._edge(
            pattern.letters[-1], past, past
        )

    def _edge(self, letter: str, beside: int, later: int) -> bool:
        if not is_ascii(letter) or not 0 <= beside < len(self.letters):
            return True
        neighbour = self.letters[beside]
        if self._word_of[later - 1] != self._word_of[later] or not is_ascii(neighbour):
            return True
        return letter.isalpha() and neighbour.isdigit()

    def _may_be_split(self, pattern: _Pattern, inside: range, first: int, past: int) -> bool:
        """Whether the separators inside the match may be there at all."""
        words = range(inside.start - 1, inside.stop)
        if not is_ascii(pattern.letters[0]):
            return not self._is_across_clauses(inside, first, past)
        pieces: list[str] = []
        length = 0
        for word in words:
            if not pieces or self._gaps[word]:
                pieces.append(self._words[word])
            else:
                pieces[-1] += self._words[word]
            if len(pieces) > 1 and self._gaps[word] == "'":
                pieces.append("'")
            length += len(self._words[word])
            if length in pattern.breaks or word == words.stop - 1:
                if not _is_one_word(pieces):
                    return False
                pieces = []
        return True

    def _is_across_clauses(self, inside: range, first: int, past: int) -> bool:
        """买了一套，现在: a comma in the only gap, and both clauses go on without one."""
        split = [word for word in inside if self._gaps[word]]
        if len(split) != 1 or not _CLAUSE_END.fullmatch(self._gaps[split[0]]):
            return False
        if first == 0 or past == len(self.letters):
            return False
        return not self._gaps[self._word_of[first]] and not self._gaps[self._word_of[past]]


def _is_one_word(pieces: list[str]) -> bool:
    """Whether pieces may be one word: letter by letter, or parts that make no sense alone."""
    if len(pieces) == 1 or all(len(piece) == 1 for piece in pieces):
        return True
    if "'" in pieces:
        return False  # he'll
    return sum(map(len, pieces)) >= _SPLIT_FROM and not _COMMON.intersection(pieces)


def _may_stretch(letter: str, count: int, shown: int) -> bool:
    if shown < count:
        return False
    return shown >= _STRETCHED_FROM or letter in _STRETCHED_FREELY


def _with_marks_as_letters(folded: Folded) -> _Letters:
    """The text again, with `$`, `@`, `!` and the like counted as letters where they may be."""
    spelled = _MARK_AS_LETTER.sub(
        lambda marks: "".join([_DIGIT_FOR[mark] for mark in marks.group()]), folded.text
    )
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
