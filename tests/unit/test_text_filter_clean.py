"""Cleaning: what is stored of a text."""

from __future__ import annotations

import pytest

from rooms.text_filter import TextEmpty, TextTooLong, clean


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  hi \t\r\n there  ", "hi there"),
        ("e\u0301", "\u00e9"),
        ("a\x00b\x1b[0m", "ab[0m"),
        ("全角\u3000空格", "全角 空格"),
        ("ＡＢＣ①", "ＡＢＣ①"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        ("a\ud800b\ufffe", "ab"),
        ("line\u2028break\x85end", "line break end"),
    ],
)
def test_clean_keeps_what_was_said(text, cleaned):
    assert clean(text, 50) == cleaned


@pytest.mark.parametrize(
    "text", ["", "  \n", "\x00\x07", "\u200b\u200d", "\u3164", "\u2800\u00a0", "\u0301"]
)
def test_a_text_with_nothing_to_see_is_empty(text):
    with pytest.raises(TextEmpty, match="text: is empty"):
        clean(text, 50)


def test_the_length_is_counted_after_cleaning():
    assert clean(" " * 100 + "12345" + "\n" * 100, 5) == "12345"
    with pytest.raises(TextTooLong, match="has 6 characters, at most 5") as caught:
        clean("123456", 5)
    assert (caught.value.chars, caught.value.chars_max) == (6, 5)
