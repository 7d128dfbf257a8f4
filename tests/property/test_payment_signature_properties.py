"""No change of a signed message, however small, is believed; nothing makes the check fail badly."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from server.payments.signature import BadSignature, sign, verify

SECRET = "a payment secret of enough bytes: 0123456789"
NOW_S = 1_800_000_000
BODIES = st.binary(max_size=200)
AT_S = st.integers(NOW_S - 300, NOW_S + 300)


@given(body=BODIES, at_s=AT_S)
def test_what_was_signed_in_time_is_believed(body: bytes, at_s: int) -> None:
    verify(SECRET, sign(SECRET, body, at_s), body, NOW_S, 300)


@given(body=BODIES, at_s=AT_S, place=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_changed_byte_anywhere_in_the_body_is_noticed(
    body: bytes, at_s: int, place: int, flip: int
) -> None:
    assume(body)
    changed = bytearray(body)
    changed[place % len(body)] ^= flip
    with pytest.raises(BadSignature, match="does not match"):
        verify(SECRET, sign(SECRET, body, at_s), bytes(changed), NOW_S, 300)


@given(body=BODIES, at_s=AT_S, place=st.integers(0, 10_000), character=st.characters())
def test_a_changed_character_anywhere_in_the_header_is_noticed(
    body: bytes, at_s: int, place: int, character: str
) -> None:
    header = sign(SECRET, body, at_s)
    place %= len(header)
    assume(character != header[place])
    with pytest.raises(BadSignature):
        verify(SECRET, header[:place] + character + header[place + 1 :], body, NOW_S, 300)


@given(body=BODIES, at_s=st.integers(0, 10**12 - 1), now_s=st.floats(0, 1e12))
def test_a_message_is_good_exactly_within_the_tolerance(
    body: bytes, at_s: int, now_s: float
) -> None:
    header = sign(SECRET, body, at_s)
    if abs(now_s - at_s) <= 300:
        verify(SECRET, header, body, now_s, 300)
        return
    with pytest.raises(BadSignature, match=r"too (old|early)"):
        verify(SECRET, header, body, now_s, 300)


@settings(max_examples=500)
@given(header=st.text(st.sampled_from("tv10=,. abcdef\u0661é\x00"), max_size=120), body=BODIES)
def test_any_text_as_a_header_is_refused_in_order(header: str, body: bytes) -> None:
    with pytest.raises(BadSignature):
        verify(SECRET, header, body, NOW_S, 300)
