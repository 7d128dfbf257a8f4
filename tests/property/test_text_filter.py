"""Disguises do not help, cleaning settles at once, and no text breaks the filter."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from rooms.text_filter import (
    EXCERPT_CHARS_MAX,
    BadWordList,
    TextEmpty,
    TextFilter,
    TextTooLong,
    Verdict,
    clean,
    default_words,
)

FILTER = TextFilter(default_words())
# One offence each, as it would be written openly.
OFFENCES = [
    "13800138000",
    "15926483715",
    "一三八零零一三八零零零",
    "加我微信",
    "加我vx",
    "薇信",
    "徽信",
    "加我好友",
    "example.com",
    "shop88.cn",
    "傻逼",
    "王八蛋",
    "赌博",
    "fuck",
    "motherfucker",
]
NAMES = ["telegram", "whatsapp", "weixin", "instagram"]  # may be said, but not spelled
INNOCENT_EDGES = ["", "主播好 ", "好看！", "请问 ", "ok ", "😂"]
SEPARATORS = [" ", "  ", "-", "*", "~", "_", "|", "=", "👍", "🌟", " - ", "❗", "\u3000"]
FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
MATHEMATICAL = {ord("a") + i: 0x1D41A + i for i in range(26)} | {
    ord("0") + i: 0x1D7CE + i for i in range(10)
}
CIRCLED = {ord("a") + i: 0x24D0 + i for i in range(26)} | {
    ord("1") + i: 0x2460 + i for i in range(9)
}
CYRILLIC = str.maketrans("aceopxy", "асеорху")
TRADITIONAL = str.maketrans("个赌", "個賭")
DISGUISES = [FULL_WIDTH, MATHEMATICAL, CIRCLED, CYRILLIC, TRADITIONAL]

# Characters that mean something to the filter, so that random texts go deep.
TELLING = st.sampled_from(
    "0123456789一幺三巴吧就加我微信薇v x q.。,:/@+-点com群❤👍*$!f\ufe0f\u200b\u202e\u00ad\ue000"
)
TEXTS = st.one_of(st.text(max_size=80), st.text(alphabet=TELLING, max_size=80))
STROKES = "丨丶"  # read as a bar and a dot: no letters, so no words by themselves


def accepted(text: str) -> bool:
    return FILTER.check(text).accepted


@settings(deadline=None)
@given(st.sampled_from(OFFENCES + NAMES), st.sampled_from(SEPARATORS))
def test_a_separator_between_all_characters_does_not_help(offence, separator):
    assert not accepted(separator.join(offence))


@settings(deadline=None)
@given(st.data(), st.sampled_from(["13800138000", "15926483715", "傻逼", "王八蛋", "加我微信"]))
def test_separators_anywhere_do_not_help(data, offence):
    separators = data.draw(
        st.lists(
            st.sampled_from(["", " ", "👍", "*", "  ", "★"]),
            min_size=len(offence) - 1,
            max_size=len(offence) - 1,
        )
    )
    spread = "".join(
        letter + separator for letter, separator in zip(offence, [*separators, ""], strict=True)
    )
    assert not accepted(spread)


@settings(deadline=None)
@given(
    st.sampled_from(OFFENCES),
    st.lists(st.sampled_from(DISGUISES), max_size=2),
    st.lists(st.booleans(), min_size=30, max_size=30),
)
def test_other_forms_of_the_letters_do_not_help(offence, disguises, upper):
    text = offence
    for disguise in disguises:
        text = text.translate(disguise)
    text = "".join(
        letter.upper() if is_upper else letter
        for letter, is_upper in zip(text, upper, strict=False)
    )
    assert not accepted(text)


@settings(deadline=None)
@given(
    st.sampled_from(OFFENCES), st.sampled_from(INNOCENT_EDGES), st.sampled_from(["", " 谢谢", "！"])
)
def test_innocent_words_around_it_do_not_help(offence, before, after):
    assert not accepted(before + offence + after)


@settings(deadline=None)
@given(
    st.sampled_from(OFFENCES), st.text(alphabet="\u200b\u200c\u200d\u2060\ufeff\u00ad", min_size=1)
)
def test_hidden_characters_inside_do_not_help(offence, hidden):
    middle = len(offence) // 2
    assert not accepted(offence[:middle] + hidden + offence[middle:])


@settings(deadline=None)
@given(TEXTS)
@example("٠" * 5000)
@example("9" * 5000)
@example("1 " * 2500)
@example(" ".join(["1" * 4500] * 3))
@example("\ud800")
@example("\u0301" * 50)
def test_any_text_gets_one_verdict(text):
    verdict = FILTER.check(text)
    assert verdict == FILTER.check(text) == TextFilter(default_words()).check(text)
    assert verdict.accepted == (verdict.reason is None)
    assert bool(verdict.excerpt) != verdict.accepted
    assert len(verdict.excerpt) <= EXCERPT_CHARS_MAX
    assert verdict.accepted or verdict.excerpt in text or verdict.excerpt.startswith("U+")


@settings(deadline=None)
@given(
    st.text(
        st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF, exclude_characters=STROKES),
        min_size=1,
        max_size=60,
    )
)
def test_a_filter_that_allows_the_whole_text_finds_no_word_in_it(letters):
    assert TextFilter([letters]).check(letters) != Verdict(accepted=True)
    assert TextFilter([letters], allowed_words=[letters]).check(letters).accepted


@settings(deadline=None)
@given(TEXTS, st.integers(min_value=1, max_value=60))
def test_cleaning_twice_is_cleaning_once(text, chars_max):
    try:
        once = clean(text, chars_max)
    except (TextEmpty, TextTooLong):
        assume(False)
    assert clean(once, chars_max) == once
    assert len(once) <= chars_max
    assert once == once.strip()
    assert unicodedata.is_normalized("NFC", once)
    assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in once)


@settings(deadline=None)
@given(st.lists(st.text(max_size=20), max_size=20))
def test_every_word_of_an_accepted_word_file_is_refused(lines):
    try:
        words = TextFilter.parse(lines)
    except BadWordList:
        assume(False)
    judge = TextFilter(words)
    assert [word for word in words if judge.check(word).accepted] == []


@pytest.mark.parametrize("offence", OFFENCES)
def test_every_offence_of_these_tests_is_refused_openly(offence):
    assert not accepted(offence)
