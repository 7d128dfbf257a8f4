"""The work for one text grows with its length and no faster, whatever the text is.

Two halves. The patterns that run in C are judged by their structure: nothing unbounded may be
tried again, so a pattern costs a bounded number of steps at each place of the text. The Python
around them is counted: lines executed per character.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rooms.text_filter
from rooms.text_filter import TextFilter, default_words

LINES_PER_CHARACTER_MAX = 220
LINES_PER_TEXT = 3_000
WIDTH_MAX = 400  # characters one match of any pattern may span
WAYS_MAX = 3_000  # ways to divide a text among the repeats of one pattern

PACKAGE = rooms.text_filter.__name__
FILTER = TextFilter([*default_words(), "aaaaaaab", "aaaaab", "赌赌赌博", "ab ab ab"])
# Pieces that come close to what the filter looks for, and stop just before.
PIECES = [
    "a", "ab", "aaaaaaaa", "f", "fuc", "f*", "*", "a*a", "1", "12 ", "1 ", "13", "138 0013 800",
    "一", "幺 ", "吧", "就1", "加我", "加我我我", "微", "微 ", "薇薇", "v", "v ", "x ", "www",
    "www ",
    "http", "a.", "a . ", "co", "点", "点c", "dot ", "a@", "a@b.", "@", "qq", "qq号", "wei ",
    "add me my ", "add me on ", "my line ", "19.9 ", "20:00-", "1/", "1*", "1-", "¥", "¥a1", "赌",
    "赌赌", "one ", "l", "lo", "+", "❤", "v❤", "♥", ".", ",", ";", ":", "://", "1.", "1.1.", "255.",
    "x1", "\u0301", "👍", "١", "①", "\u200d👍", "中国.",
]  # fmt: skip


def patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Every compiled pattern of the package, by module and name."""
    for module in pkgutil.iter_modules(rooms.text_filter.__path__):
        names = vars(importlib.import_module(f"{PACKAGE}.{module.name}"))
        for name, value in names.items():
            for index, item in enumerate(value if isinstance(value, tuple) else (value,)):
                if isinstance(item, re.Pattern):
                    yield f"{module.name}.{name}.{index}", item


PATTERNS = dict(patterns())


def test_the_patterns_of_the_package_are_found():
    assert len(PATTERNS) > 30


@pytest.mark.parametrize("name", PATTERNS)
def test_no_pattern_tries_an_unbounded_repeat_again(name):
    parser: Any = importlib.import_module("re._parser")
    ways, width = measure(parser.parse(PATTERNS[name].pattern, PATTERNS[name].flags))
    assert ways <= WAYS_MAX
    assert width <= WIDTH_MAX


def measure(parsed: Any) -> tuple[int, int]:
    """In how many ways the repeats can divide a text, and the width of what can be tried again.

    A possessive repeat has one way, however long it is: the engine never gives any of it back.
    """
    ways, width = 1, 0
    for operation, argument in parsed:
        inner_ways, inner_width = measure_one(str(operation), argument)
        ways *= inner_ways
        width += inner_width
    return ways, width


def measure_one(operation: str, argument: Any) -> tuple[int, int]:
    if operation == "POSSESSIVE_REPEAT":
        ways, _ = measure(argument[2])
        return ways, 0
    if operation in ("MAX_REPEAT", "MIN_REPEAT"):
        least, most, inner = argument
        assert isinstance(most, int), "unbounded"
        assert most < 1_000, "unbounded"
        ways, width = measure(inner)
        return ways * (most - least + 1), width * most
    if operation == "BRANCH":
        measured = [measure(branch) for branch in argument[1]]
        return max(ways for ways, _ in measured), max(width for _, width in measured)
    if operation == "SUBPATTERN":
        return measure(argument[3])
    if operation in ("ASSERT", "ASSERT_NOT"):
        return measure(argument[1])
    assert operation in ("LITERAL", "NOT_LITERAL", "IN", "AT", "ANY", "GROUPREF"), operation
    return 1, 1


def lines_executed(text: str) -> int:
    """How many lines of the package run to judge the text."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if not frame.f_globals.get("__name__", "").startswith(PACKAGE):
            return None
        count += event == "line"
        return trace

    FILTER.check(text)  # what is cached once does not count
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        FILTER.check(text)
    finally:
        sys.settrace(before)
    return count


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=4),
    st.integers(min_value=200, max_value=5_000),
)
def test_the_lines_executed_are_bounded_by_the_length(pieces, length):
    unit = "".join(pieces)
    text = (unit * (length // len(unit) + 1))[:length]
    assert lines_executed(text) <= LINES_PER_TEXT + LINES_PER_CHARACTER_MAX * length


@pytest.mark.parametrize("piece", PIECES)
def test_twice_the_text_is_at_most_about_twice_the_work(piece):
    short = piece * (1_000 // len(piece))
    assert lines_executed(short * 2) <= LINES_PER_TEXT + 2.5 * lines_executed(short)
