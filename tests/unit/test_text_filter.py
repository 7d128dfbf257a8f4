"""What the filter says about single comments, and why."""

from __future__ import annotations

import dataclasses

import pytest

from rooms.text_filter import EXCERPT_CHARS_MAX, Reason, TextFilter, accounts, default_words
from rooms.text_filter.fold import Folded
from tests.unit.test_text_filter_score import labelled

FILTER = TextFilter(default_words())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("你这个傻逼", Reason.BLOCKED_WORD),
        ("what the f.u.c.k", Reason.BLOCKED_WORD),
        ("打我13800138000", Reason.CONTACT_NUMBER),
        ("①③⑧⓪⓪①③⑧⓪⓪⓪", Reason.CONTACT_NUMBER),
        ("加我vx", Reason.CONTACT_ACCOUNT),
        ("add me on whatsapp", Reason.CONTACT_ACCOUNT),
        ("mail lily@example.com", Reason.CONTACT_ACCOUNT),
        ("example 点 C O M", Reason.LINK),
        ("weixin://dl/chat", Reason.LINK),
        ("微\u200b信", Reason.INVISIBLE),
        ("\u202emoc.elpmaxe", Reason.INVISIBLE),
        ("a\x00b", Reason.CONTROL),
        ("a\ud800b", Reason.CONTROL),
    ],
)
def test_a_refusal_names_its_reason(text, reason):
    verdict = FILTER.check(text)
    assert not verdict.accepted
    assert verdict.reason is reason


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "👍", "买3件199元", "尺码165/88A", "身高175体重130斤", "今晚8点", "双11",
        "9.9包邮", "666666", "88888", "1111", "233333", "好久不见", "三七二十一", "一二三上链接",
        "iPhone 15 Pro Max 256G", "version 2.0.1", "a.m.", "e.g.", "I want no.5",
        "Let's go.Then we buy", "买买买", "加购了", "微信支付可以吗", "薇薇加油", "QQ糖",
        "199.00", "2024年11月11日", "20:00", "11.11",
    ],
)  # fmt: skip
def test_shopping_talk_passes(text):
    verdict = FILTER.check(text)
    assert verdict.accepted
    assert verdict.reason is None
    assert verdict.excerpt == ""


@pytest.mark.parametrize(
    ("text", "excerpt"),
    [
        ("找我 １３８-００１３-８０００ 便宜", "１３８-００１３-８０００"),
        ("看看 Example.COM 吧", "Example.COM"),
        ("主播 傻 👍 逼 吗", "傻 👍 逼"),
        ("㎏ 加 我 微 信", "加 我 微 信"),
        ("x\u202ey", "U+202E"),
        ("x\x07y", "U+0007"),
    ],
)
def test_the_excerpt_is_the_piece_of_the_original_text(text, excerpt):
    assert FILTER.check(text).excerpt == excerpt


def test_a_long_excerpt_is_cut():
    excerpt = FILTER.check("1" + "👍" * 5 + "3" + "👍" * 5 + "8 0 0 1 3 8 0 0 0 0").excerpt
    assert len(excerpt) == EXCERPT_CHARS_MAX


def test_a_verdict_cannot_be_changed():
    verdict = FILTER.check("ok")
    with pytest.raises(dataclasses.FrozenInstanceError):
        verdict.accepted = False  # type: ignore[misc]


@pytest.mark.parametrize(
    "text",
    [
        "shop.example.com",
        "https://shop.example.com/a?b=1",
        "www.shop.example.com",
        "deep.shop.example.com",
        "来 ＳＨＯＰ.ｅｘａｍｐｌｅ.ｃｏｍ 看",
    ],
)
def test_links_to_an_allowed_domain_pass(text):
    allowing = TextFilter([], allowed_domains=["Shop.Example.com"])
    assert allowing.check(text).accepted
    assert not FILTER.check(text).accepted


@pytest.mark.parametrize(
    "text",
    [
        "example.com",
        "notshop.example.com",
        "shop.example.com.evil.net",
        "shop.example.com and t.me/evil",
        "https://shop.example.com http://evil",
        "shop.example.com 192.168.10.20",
    ],
)
def test_an_allowed_domain_excuses_nothing_else(text):
    allowing = TextFilter([], allowed_domains=["shop.example.com"])
    assert allowing.check(text).reason is Reason.LINK


def test_the_shops_own_hotline_may_be_allowed_in_any_grouping():
    allowing = TextFilter([], allowed_words=["4008208820"])
    assert allowing.check("打 400-820-8820").accepted
    assert allowing.check("4008208820").accepted
    assert not allowing.check("40082088201").accepted
    assert not allowing.check("4008208820 或 13800138000").accepted


def test_an_allowed_word_protects_only_itself():
    allowing = TextFilter(["赌"], allowed_words=["赌神电影"])
    assert allowing.check("赌神电影好看").accepted
    assert allowing.check("赌神电影里赌").reason is Reason.BLOCKED_WORD


@pytest.mark.parametrize("domain", ["", "localhost", "http://example.com", "example .com", "。com"])
def test_a_bad_allowed_domain_is_named(domain):
    with pytest.raises(ValueError, match="is not a domain name"):
        TextFilter([], allowed_domains=[domain])


@pytest.mark.parametrize("word", ["", "!!", "a", "👍"])
def test_a_blocked_word_that_cannot_be_matched_is_named(word):
    with pytest.raises(ValueError, match="letter"):
        TextFilter([word])


def test_a_mobile_number_inside_an_order_is_still_a_mobile_number():
    assert FILTER.check("订单13800138000").reason is Reason.CONTACT_NUMBER
    assert FILTER.check("订单20241111000138001").accepted


def test_particles_beside_a_price_are_not_digits():
    assert FILTER.check("订单号1421846721我还没收到").accepted
    assert FILTER.check("1999就1999吧 买2件").accepted


def test_invisible_characters_may_stay_where_writing_needs_them():
    assert FILTER.check("👨\u200d👩\u200d👧 می\u200cخواهم \ufeff").accepted
    assert FILTER.check("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f").accepted
    assert not FILTER.check("a\u200db").accepted
    assert not FILTER.check("好\u200b\u200b\u200b").accepted


@pytest.mark.parametrize("name", ["_IN_JOINED", "_IN_MARKED"])
def test_a_pattern_is_never_left_out_where_it_would_match(name):
    for kind in ("caught", "innocent", "caught_heldout", "caught_hard"):
        for _, text in labelled(kind):
            folded = Folded(text)
            view = folded.joined if name == "_IN_JOINED" else folded.marked
            for pattern, cues in getattr(accounts, name):
                if pattern.search(view.text):
                    assert not cues.isdisjoint(folded.text), (text, pattern)
