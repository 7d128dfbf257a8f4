"""Word files: the rules of the format, and the list that comes with the package."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from typing import Final

from rooms.text_filter.fold import Folded, is_ascii

WORD_CHARS_MAX: Final = 64
_DEFAULT_FILE: Final = "words.txt"


class BadWordList(ValueError):
    """A word file has a bad line; the text names the line, counted from 1, and says why."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line = line


def parse_words(lines: Iterable[str | bytes]) -> tuple[str, ...]:
    """The words of a file, one a line, in order and without repeats.

    Lines are UTF-8; empty lines and lines that start with `#` are skipped. Raises `BadWordList`.
    """
    words: dict[str, None] = {}
    for number, line in enumerate(lines, start=1):
        word = _decoded(number, line).strip("\ufeff \t\r\n")
        if not word or word.startswith("#"):
            continue
        if len(word) > WORD_CHARS_MAX:
            raise BadWordList(number, f"longer than {WORD_CHARS_MAX} characters")
        letters = "".join(Folded(word).words)
        if not letters:
            raise BadWordList(number, "has no letter or digit")
        if len(letters) == 1 and is_ascii(letters):
            raise BadWordList(number, "is a single letter or digit and would refuse too much")
        words[word] = None
    return tuple(words)


def default_words() -> tuple[str, ...]:
    """The small list that comes with the package. Reads a file: call it once, at start."""
    file = resources.files(__package__ or "rooms.text_filter").joinpath(_DEFAULT_FILE)
    return parse_words(file.read_bytes().splitlines())


def _decoded(number: int, line: str | bytes) -> str:
    if isinstance(line, str):
        return line
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadWordList(number, f"is not UTF-8 (byte {error.start + 1})") from None
