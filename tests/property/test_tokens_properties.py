"""Whatever a stranger sends as a token, the answer is an identity or a documented refusal."""

from __future__ import annotations

import json
from typing import Any

import jwt
from hypothesis import given
from hypothesis import strategies as st

from rooms.model import Identity, Role
from server.tokens import SubscriptionGrant, TokenError, TokenInvalid, Tokens

SECRET = "a secret that is long enough: 0123456789"
TOKENS = Tokens(SECRET, now_s=lambda: 1_800_000_000.0)

IDS = st.text("abcXYZ019_-", min_size=1, max_size=64)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Co", "Zl", "Zp"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
CLAIM_NAMES = st.sampled_from(
    ["sub", "exp", "expire_at", "nbf", "info", "role", "rooms", "channel", "client", "aud", "iat"]
)


def sign(claims: Any) -> str:
    return jwt.PyJWS().encode(json.dumps(claims).encode(), SECRET, algorithm="HS256")


@given(st.text() | st.text("eyJhbGciOiJIUzI1NiJ9.-_="))
def test_any_text_is_refused_in_words(text: str) -> None:
    for verify in (TOKENS.verify, TOKENS.verify_subscription):
        try:
            verify(text)
        except TokenInvalid:
            continue
        raise AssertionError(f"accepted {text!r}")


@given(st.dictionaries(CLAIM_NAMES, JSON, max_size=8))
def test_any_signed_claims_give_an_identity_or_a_refusal(claims: dict[str, Any]) -> None:
    token = sign(claims)
    for verify in (TOKENS.verify, TOKENS.verify_subscription):
        try:
            answer = verify(token)
        except TokenError:
            continue
        assert isinstance(answer, Identity | SubscriptionGrant)
        if isinstance(answer, Identity):
            assert "channel" not in claims
            assert isinstance(answer.user_id, str)
            assert isinstance(answer.role, Role)


@given(
    user=NAMES.filter(lambda text: len(text) <= 255),
    role=st.sampled_from(Role),
    rooms=st.lists(IDS | st.just("*"), max_size=20),
    name=NAMES,
    ttl=st.integers(1, 10**9),
)
def test_what_was_issued_is_what_is_verified(
    user: str, role: Role, rooms: list[str], name: str, ttl: int
) -> None:
    identity = TOKENS.verify(TOKENS.issue(user, role, rooms, name, ttl))
    assert identity.user_id == user
    assert identity.role is role
    assert identity.rooms == frozenset(rooms)
    assert identity.expires_at_s == 1_800_000_000 + ttl
    assert identity.name == " ".join(name.split())[:64].rstrip()


@given(st.data())
def test_a_token_with_any_one_character_changed_is_refused(data: st.DataObject) -> None:
    token = TOKENS.issue("alice", "viewer", ["demo"], "Alice", 60)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda character: character != token[place]))
    changed = token[:place] + other + token[place + 1 :]
    try:
        TOKENS.verify(changed)
    except TokenInvalid:
        return
    raise AssertionError(f"accepted {changed!r}")
