"""Blocked words: what counts as the word, what does not, and the files they come from."""

from __future__ import annotations

import pytest

from rooms.text_filter import BadWordList, Reason, TextFilter, default_words
from rooms.text_filter.automaton import Automaton
from rooms.text_filter.fold import Folded


def found(words: list[str], text: str) -> list[str]:
    return [match.word for match in Automaton(words).find(Folded(text))]


@pytest.mark.parametrize(
    "text",
    ["class", "glass bottle", "assume", "passion", "as S or M", "a55", "his hit", "assassin"],
)
def test_an_ascii_word_is_not_found_inside_other_words(text):
    assert found(["ass"], text) == []


@pytest.mark.parametrize("text", ["ass", "a s s", "a.s.s", "ASS!", "4ss", "a$s", "你ass的", "ass1"])
def test_an_ascii_word_is_found_between_edges_of_any_kind(text):
    assert found(["ass"], text) == ["ass"]


@pytest.mark.parametrize(
    ("word", "text"),
    [("hell", "he'll come"), ("whore", "who re-sells"), ("shit", "push it"), ("well", "we'll")],
)
def test_honest_neighbours_do_not_make_a_word(word, text):
    assert found([word], text) == []


@pytest.mark.parametrize(
    "text",
    ["f u c k", "fu ck", "f*ck", "f**k", "fuuuuck", "fuckkk", "FUCK", "ｆｕｃｋ", "fцck", "𝒇𝒖𝒄𝒌"],
)
def test_a_disguised_word_is_found(text):
    assert found(["fuck"], text) == ["fuck"]


def test_a_name_with_letters_masked_by_chance_is_not_a_word():
    assert found(["fuck"], "恭喜u***r f***k f***") == []


def test_letters_of_neighbouring_words_do_not_merge():
    assert found(["online casino"], "casino online casino") == ["online casino"]
    assert found(["hot tub"], "hot tub") == ["hot tub"]
    assert found(["hot tub"], "hottub") == ["hot tub"]


def test_a_chinese_word_is_found_inside_a_sentence_and_with_separators():
    assert found(["傻逼"], "你是傻 👍 逼吗") == ["傻逼"]
    assert found(["赌博"], "網上賭博") == ["赌博"]
    assert found(["傻b"], "傻Ｂ主播") == ["傻b"]
    assert found(["傻b"], "傻baby") == []


def test_a_word_across_two_clauses_is_not_one():
    assert found(["套现"], "买了一套，现在过年了") == []
    assert found(["套现"], "套，现") == ["套现"]
    assert found(["套现"], "花呗套-现秒到") == ["套现"]


def test_all_words_that_overlap_are_found():
    words = ["博彩", "赌博", "赌博彩", "彩"]
    assert sorted(found(words, "赌博彩")) == sorted(words)


def test_a_word_list_may_be_empty_and_may_repeat_words():
    assert found([], "anything") == []
    assert found(["赌", "赌"], "赌") == ["赌"]


def test_a_word_file_is_read_line_by_line():
    lines = ["\ufeff# heading\n", "\n", " 赌博 \r\n", "easy money\n", "赌博\n"]
    assert TextFilter.parse(lines) == ("赌博", "easy money")
    assert TextFilter.parse(line.encode() for line in lines) == ("赌博", "easy money")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("!!!", "has no letter"),
        ("x", "single letter"),
        ("很" * 65, "longer than 64"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_a_bad_line_of_a_word_file_is_named(line, why):
    with pytest.raises(BadWordList, match=f"line 3: .*{why}") as caught:
        TextFilter.parse(["# words", "赌博", line])
    assert caught.value.line == 3


def test_every_default_word_is_refused_as_it_stands():
    words = default_words()
    judge = TextFilter(words)
    assert len(words) > 50
    assert [word for word in words if judge.check(word).reason is not Reason.BLOCKED_WORD] == []
