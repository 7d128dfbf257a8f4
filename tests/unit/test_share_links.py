"""Ids and codes of share links, and the texts that people pass on with them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms.sharing.links import CODE_CHARS, code_of, id_of, link_id
from rooms.sharing.sources import Source, Target, TargetKind
from rooms.sharing.texts import QUOTE_CHARS_MAX, URL, Shared, share_texts, shortened

KEY = bytes(range(32))
OTHER_KEY = bytes(32)
ANN = Source("copy", inviter="ann")
MUG = Target(TargetKind.PRODUCT, "mug")


def test_the_same_facts_give_the_same_id() -> None:
    one = link_id(KEY, "demo", ANN, Target(), {"mug": 300, "tea": 5})
    assert one == link_id(KEY, "demo", ANN, Target(), {"tea": 5, "mug": 300})
    assert len(one) == 16
    assert one == link_id(
        KEY, "demo", replace(ANN, link="seen before"), Target(), {"mug": 300, "tea": 5}
    )


@pytest.mark.parametrize(
    ("room", "source", "target", "markups"),
    [
        ("other", ANN, Target(), {}),
        ("demo", replace(ANN, inviter="bob"), Target(), {}),
        ("demo", replace(ANN, channel="sms"), Target(), {}),
        ("demo", replace(ANN, campaign="spring"), Target(), {}),
        ("demo", replace(ANN, staff="eve"), Target(), {}),
        ("demo", ANN, MUG, {}),
        ("demo", ANN, Target(TargetKind.COMMENT, "mug"), {}),
        ("demo", ANN, Target(TargetKind.ROOM, "", 5), {}),
        ("demo", ANN, Target(), {"mug": 300}),
    ],
)
def test_every_other_fact_gives_another_id(
    room: str, source: Source, target: Target, markups: dict[str, int]
) -> None:
    assert link_id(KEY, room, source, target, markups) != link_id(KEY, "demo", ANN, Target(), {})


def test_another_shop_gives_another_id() -> None:
    assert link_id(OTHER_KEY, "demo", ANN, MUG, {}) != link_id(KEY, "demo", ANN, MUG, {})


def test_facts_do_not_run_into_each_other() -> None:
    one = link_id(KEY, "demo", Source("copy", "a", "b"), Target(), {})
    assert one != link_id(KEY, "demo", Source("copy", "ab", ""), Target(), {})


@given(st.binary(min_size=8, max_size=8))
def test_a_code_gives_its_id_back_and_only_to_the_shop_that_made_it(plain: bytes) -> None:
    code = code_of(KEY, plain.hex())
    assert len(code) == CODE_CHARS
    assert id_of(KEY, code) == plain.hex()
    assert id_of(OTHER_KEY, code) is None


@given(st.text(max_size=20))
def test_no_text_that_was_made_up_is_a_code(text: str) -> None:
    assert id_of(KEY, text) is None


def test_a_code_with_one_other_character_is_none() -> None:
    code = code_of(KEY, "0123456789abcdef")
    for place in range(CODE_CHARS):
        for other in "Az09-_+/=":
            changed = f"{code[:place]}{other}{code[place + 1 :]}"
            assert (id_of(KEY, changed) is None) == (changed != code)
    assert id_of(KEY, code + "=") is None
    assert id_of(KEY, code[:-1]) is None


SHARED = Shared("Leaf", "Spring tea", product="Mug", quote_name="A*", quote_text="so\n good")


@pytest.mark.parametrize("kind", TargetKind)
@pytest.mark.parametrize("channel", ["copy", "sms"])
def test_texts_come_in_both_languages_with_one_place_for_the_address(
    kind: TargetKind, channel: str
) -> None:
    texts = share_texts(replace(SHARED, kind=kind), channel)
    assert set(texts) == {"zh-CN", "en"}
    for language in texts.values():
        assert len(language) >= 2
        for text in language:
            assert text.count(URL) == 1
            assert "\n" not in text
            assert ("Leaf" in text) or channel != "sms"


def test_texts_promise_nothing() -> None:
    for kind in TargetKind:
        said = str(share_texts(replace(SHARED, kind=kind), "wechat")).lower()
        for word in ("红包", "优惠", "奖", "券", "reward", "coupon", "free", "gift"):
            assert word not in said


def test_texts_name_what_is_shared_as_it_was_written() -> None:
    texts = share_texts(replace(SHARED, kind=TargetKind.PRODUCT, product="{0} %s 茶"), "copy")
    assert all("{0} %s 茶" in text for language in texts.values() for text in language)
    texts = share_texts(replace(SHARED, kind=TargetKind.COMMENT), "copy")
    assert all("so good" in text for language in texts.values() for text in language)


@pytest.mark.parametrize("kind", TargetKind)
def test_nobody_can_put_the_place_of_the_address_into_a_text(kind: TargetKind) -> None:
    people = Shared("Leaf", "tea {url}", kind, "{url} mug", "A*", "see {url} or {{url}}")
    for language in share_texts(people, "copy").values():
        for text in language:
            assert text.count(URL) == 1
            assert text.endswith(URL)


def test_a_long_quote_is_cut_and_says_so() -> None:
    assert shortened("a" * QUOTE_CHARS_MAX) == "a" * QUOTE_CHARS_MAX
    cut = shortened("a" * (QUOTE_CHARS_MAX + 1))
    assert len(cut) == QUOTE_CHARS_MAX
    assert cut.endswith("a…")
