"""Tokens: what is accepted, what is refused, and what a token says about its owner."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest

from rooms.model import Identity, Role, RoomId, UserId
from server.tokens import (
    NAME_CHARS_MAX,
    NOT_BEFORE_LEEWAY_S,
    REMEMBERED_MAX,
    TOKEN_CHARS_MAX,
    SubscriptionGrant,
    TokenExpired,
    TokenInvalid,
    Tokens,
)

SECRET = "a secret that is long enough: 0123456789"
NOW_S = 1_800_000_000


class Clock:
    def __init__(self) -> None:
        self.now_s = float(NOW_S)

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(clock: Clock) -> Tokens:
    return Tokens(SECRET, now_s=clock)


def sign(claims: Any, *, secret: str = SECRET, headers: dict[str, Any] | None = None) -> str:
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return jwt.PyJWS().encode(payload, secret, algorithm="HS256", headers=headers)


def segment(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_an_issued_token_says_who_its_owner_is(tokens: Tokens) -> None:
    token = tokens.issue("alice", Role.HOST, ["demo", "two"], "Alice 茶", 60, "/a.png")
    assert tokens.verify(token) == Identity(
        user_id=UserId("alice"),
        name="Alice 茶",
        avatar="/a.png",
        role=Role.HOST,
        rooms=frozenset({"demo", "two"}),
        expires_at_s=NOW_S + 60,
    )


def test_an_issued_token_holds_the_claims_of_the_contract(tokens: Tokens) -> None:
    token = tokens.issue("alice", "viewer", ["*"], "Alice", 60)
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_exp": False})
    assert claims == {
        "sub": "alice",
        "exp": NOW_S + 60,
        "info": {"name": "Alice", "avatar": ""},
        "role": "viewer",
        "rooms": ["*"],
    }


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"user": "x" * 256}, "sub"),
        ({"user": "a\nb"}, "sub"),
        ({"role": "king"}, "role"),
        ({"rooms": ["no such id!"]}, "rooms"),
        ({"rooms": ["r"] * 1001}, "rooms"),
        ({"rooms": ["r" * 60] * 500}, "rooms"),
        ({"name": "\ud800"}, "name"),
        ({"ttl_seconds": 0}, "ttl_seconds"),
        ({"ttl_seconds": -5}, "ttl_seconds"),
        ({"ttl_seconds": 2**60}, "ttl_seconds"),
    ],
)
def test_a_token_that_could_not_be_verified_is_not_issued(
    tokens: Tokens, changes: dict[str, Any], field: str
) -> None:
    given: dict[str, Any] = {
        "user": "a",
        "role": "viewer",
        "rooms": ["r"],
        "name": "A",
        "ttl_seconds": 60,
    }
    with pytest.raises(ValueError, match=f"^{field}"):
        tokens.issue(**(given | changes))


def test_without_a_secret_nothing_is_issued_and_hs256_is_refused() -> None:
    tokens = Tokens("")
    assert not tokens.can_issue
    with pytest.raises(ValueError, match="only verify"):
        tokens.issue("a", "viewer", [], "A", 60)
    with pytest.raises(TokenInvalid, match="HS256 is not accepted"):
        tokens.verify(sign({"sub": "a"}))


def test_a_short_secret_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        Tokens("short")


def test_a_token_is_good_until_its_second_and_over_from_then_on(
    tokens: Tokens, clock: Clock
) -> None:
    token = tokens.issue("alice", "viewer", [], "", 60)
    clock.now_s = NOW_S + 59.9
    assert tokens.verify(token).user_id == "alice"
    clock.now_s = NOW_S + 60
    for _ in range(2):  # remembered or not
        with pytest.raises(TokenExpired):
            tokens.verify(token)


@pytest.mark.parametrize(
    ("claims", "until_s"),
    [
        ({}, None),
        ({"exp": NOW_S + 5}, NOW_S + 5),
        ({"exp": NOW_S + 5.9}, NOW_S + 5),
        ({"exp": NOW_S - 5, "expire_at": NOW_S + 9}, NOW_S + 9),
        ({"exp": NOW_S - 5, "expire_at": 0}, None),
        ({"exp": NOW_S - 5, "expire_at": -1}, None),
        ({"exp": NOW_S + 5, "expire_at": None}, NOW_S + 5),
    ],
)
def test_expire_at_overrules_exp_and_nothing_positive_means_never(
    tokens: Tokens, claims: dict[str, Any], until_s: int | None
) -> None:
    assert tokens.verify(sign({"sub": "a"} | claims)).expires_at_s == until_s


@pytest.mark.parametrize(
    "claims", [{"exp": NOW_S}, {"exp": 0}, {"exp": -1}, {"exp": NOW_S + 5, "expire_at": NOW_S - 1}]
)
def test_a_token_that_is_over_says_so(tokens: Tokens, claims: dict[str, Any]) -> None:
    with pytest.raises(TokenExpired):
        tokens.verify(sign({"sub": "a"} | claims))
    with pytest.raises(TokenExpired):
        tokens.verify_subscription(sign({"sub": "a", "channel": "room:x"} | claims))


def test_a_token_that_begins_later_is_refused_until_then(tokens: Tokens, clock: Clock) -> None:
    token = sign({"sub": "a", "nbf": NOW_S + NOT_BEFORE_LEEWAY_S + 1})
    with pytest.raises(TokenInvalid, match="nbf"):
        tokens.verify(token)
    clock.now_s += 1
    assert tokens.verify(token).user_id == "a"


@pytest.mark.parametrize(
    ("claims", "field"),
    [
        ({"sub": 7}, "sub"),
        ({"sub": False}, "sub"),
        ({"sub": ["a"]}, "sub"),
        ({"sub": "x" * 256}, "sub"),
        ({"sub": "a\u202eb"}, "sub"),
        ({"exp": "soon"}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": [1]}, "exp"),
        ({"exp": 10**300}, "exp"),
        ({"expire_at": "never"}, "expire_at"),
        ({"nbf": "now"}, "nbf"),
        ({"nbf": {}}, "nbf"),
        ({"info": "Alice"}, "info"),
        ({"info": ""}, "info"),
        ({"info": {"name": 7}}, "info.name"),
        ({"info": {"avatar": []}}, "info.avatar"),
        ({"role": "king"}, "role"),
        ({"role": None}, "role"),
        ({"role": ["host"]}, "role"),
        ({"rooms": "demo"}, "rooms"),
        ({"rooms": {"demo": 1}}, "rooms"),
        ({"rooms": [7]}, "rooms"),
        ({"rooms": [["demo"]]}, "rooms"),
        ({"rooms": ["a b"]}, "rooms"),
        ({"rooms": ["r"] * 1001}, "rooms"),
        ({"channel": "room:demo"}, "channel"),
        ({"channel": None}, "channel"),
    ],
)
def test_a_claim_of_the_wrong_kind_is_refused_by_name(
    tokens: Tokens, claims: dict[str, Any], field: str
) -> None:
    with pytest.raises(TokenInvalid, match=f"^invalid token: {field}: "):
        tokens.verify(sign({"sub": "a"} | claims))


def test_a_token_without_claims_is_an_anonymous_viewer(tokens: Tokens) -> None:
    assert tokens.verify(sign({})) == Identity()


def test_a_role_holds_only_where_it_was_granted(tokens: Tokens) -> None:
    somebody = tokens.verify(sign({"sub": "a", "role": "host", "rooms": ["demo"]}))
    assert somebody.role_in(RoomId("demo")) is Role.HOST
    assert somebody.role_in(RoomId("other")) is Role.VIEWER
    without_rooms = tokens.verify(sign({"sub": "a", "role": "merchant"}))
    assert without_rooms.role_in(RoomId("demo")) is Role.VIEWER


def test_names_are_tidied_and_unusable_avatars_left_out(tokens: Tokens) -> None:
    info = {"name": " Ann\n\u202e\t Lee " + "x" * 99, "avatar": "javascript:alert(1)"}
    somebody = tokens.verify(sign({"sub": "a", "info": info}))
    assert somebody.name.startswith("Ann Lee xxx")
    assert len(somebody.name) == NAME_CHARS_MAX
    assert somebody.avatar == ""


def test_a_token_signed_with_another_secret_is_refused(tokens: Tokens) -> None:
    with pytest.raises(TokenInvalid, match="signature does not match"):
        tokens.verify(sign({"sub": "a"}, secret="another secret of sufficient length !!!!"))


def test_claims_cannot_be_exchanged_under_a_good_signature(tokens: Tokens) -> None:
    header, _claims, signature = sign({"sub": "a", "role": "viewer"}).split(".")
    forged = segment({"sub": "a", "role": "merchant", "rooms": ["*"]})
    with pytest.raises(TokenInvalid, match="signature does not match"):
        tokens.verify(f"{header}.{forged}.{signature}")


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, 7, ["HS256"]])
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_a_token_without_an_algorithm_is_refused(
    tokens: Tokens, algorithm: Any, signature: str
) -> None:
    forged = f"{segment({'alg': algorithm, 'typ': 'JWT'})}.{segment({'sub': 'a'})}.{signature}"
    with pytest.raises(TokenInvalid):
        tokens.verify(forged)


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_algorithms_that_are_not_of_the_contract_are_refused(
    tokens: Tokens, algorithm: str
) -> None:
    secret = SECRET * 4
    with pytest.raises(TokenInvalid, match="must be HS256, RS256 or ES256"):
        Tokens(secret).verify(jwt.encode({"sub": "a"}, secret, algorithm=algorithm))


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_public_key_algorithms_are_refused_without_a_key_set(
    tokens: Tokens, algorithm: str
) -> None:
    with pytest.raises(TokenInvalid, match=f"{algorithm} is not accepted"):
        tokens.verify(f"{segment({'alg': algorithm})}.{segment({'sub': 'a'})}.AAAA")


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "abc",
        "a.b.c",
        "\0.\0.\0",
        "茶.茶.茶",
        "\ud800.a.b",
        "e30.e30.e30",
        f"{segment([])}.{segment({})}.AAAA",
        f"{segment({'alg': 'HS256', 'crit': ['exp']})}.{segment({})}.AAAA",
        f"{segment({'alg': 'HS256', 'kid': 7})}.{segment({})}.AAAA",
        "x" * (TOKEN_CHARS_MAX + 1),
        "e" * TOKEN_CHARS_MAX,
        "[" * TOKEN_CHARS_MAX,
    ],
)
def test_what_is_no_token_is_refused(tokens: Tokens, token: str) -> None:
    with pytest.raises(TokenInvalid):
        tokens.verify(token)
    with pytest.raises(TokenInvalid):
        tokens.verify_subscription(token)


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b'"text"', b"7", b"null", b"{", b"\xff\xfe", b'{"exp": NaN}', b"[" * 3000],
)
def test_signed_claims_that_are_no_object_are_refused(tokens: Tokens, payload: bytes) -> None:
    with pytest.raises(TokenInvalid):
        tokens.verify(sign(payload))


def test_a_header_with_critical_extensions_is_refused_even_if_signed(tokens: Tokens) -> None:
    with pytest.raises(TokenInvalid):
        tokens.verify(_signed_with_header({"alg": "HS256", "crit": ["x"], "x": 1}))


def _signed_with_header(header: dict[str, Any]) -> str:
    body = f"{segment(header)}.{segment({'sub': 'a'})}"
    digest = hmac.new(SECRET.encode(), body.encode(), hashlib.sha256).digest()
    return f"{body}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def test_a_subscription_token_names_user_and_channel(tokens: Tokens) -> None:
    claims = {"sub": "alice", "channel": "room:vip", "exp": NOW_S + 9, "client": "c-1"}
    assert tokens.verify_subscription(sign(claims)) == SubscriptionGrant(
        UserId("alice"), "room:vip", NOW_S + 9, "c-1"
    )
    anonymous = tokens.verify_subscription(sign({"channel": "room:open"}))
    assert anonymous == SubscriptionGrant(UserId(""), "room:open", None)


@pytest.mark.parametrize("channel", [None, "", 7, ["room:x"], "x" * 256, "room:\n"])
def test_a_subscription_token_without_a_proper_channel_is_refused(
    tokens: Tokens, channel: Any
) -> None:
    with pytest.raises(TokenInvalid, match="channel: "):
        tokens.verify_subscription(sign({"sub": "a", "channel": channel}))


def test_a_connection_token_is_no_subscription_token(tokens: Tokens) -> None:
    with pytest.raises(TokenInvalid, match="channel: is missing"):
        tokens.verify_subscription(tokens.issue("a", "viewer", [], "", 60))


def test_a_remembered_connection_token_does_not_become_a_subscription_token(
    tokens: Tokens,
) -> None:
    token = sign({"sub": "a", "channel": "room:x"})
    assert tokens.verify_subscription(token).channel == "room:x"
    with pytest.raises(TokenInvalid, match="cannot open a connection"):
        tokens.verify(token)


def test_the_memory_of_tokens_and_headers_is_bounded(tokens: Tokens) -> None:
    for number in range(REMEMBERED_MAX + 50):
        tokens.verify(sign({"sub": str(number)}, headers={"kid": str(number % 200)}))
    assert len(tokens._remembered) == REMEMBERED_MAX
    assert len(tokens._headers) <= 64
    long_one = tokens.issue("a", "viewer", ["r" * 64] * 20, "A", 60)
    assert tokens.verify(long_one) == tokens.verify(long_one)
    assert long_one not in tokens._remembered


def test_a_remembered_token_is_checked_at_a_small_part_of_the_cost(tokens: Tokens) -> None:
    token = tokens.issue("alice", "viewer", ["demo"], "Alice", 60)
    fresh = [sign({"sub": f"u{number}", "exp": NOW_S + 60}) for number in range(500)]
    begin = time.perf_counter()
    for each in fresh:
        tokens.verify(each)
    first_time_s = time.perf_counter() - begin
    tokens.verify(token)
    begin = time.perf_counter()
    for _ in range(500):
        tokens.verify(token)
    again_s = time.perf_counter() - begin
    assert again_s < first_time_s / 5
