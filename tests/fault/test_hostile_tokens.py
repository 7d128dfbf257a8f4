"""Bad tokens: closed with 3500, or told 109 when they were good once; never let in."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt
import pytest

from tests.support.hostile import End, Hostile, command
from tests.support.live_server import TOKEN_SECRET, LiveServer

pytest_plugins = ["tests.support.hostile_fixtures"]

SOON_S = int(time.time()) + 3_600
CLAIMS: dict[str, Any] = {"sub": "mallory", "exp": SOON_S}


def part(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def signed(claims: Any, algorithm: str = "HS256", secret: str = TOKEN_SECRET) -> str:
    """A token as an issuer would sign it, whatever it claims."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return jwt.PyJWS().encode(payload, secret, algorithm=algorithm)


GOOD = signed(CLAIMS)
HEAD, BODY, SIGNATURE = GOOD.split(".")
FORGED = {
    "garbage": "garbage",
    "dots": "..",
    "many dots": "." * 100,
    "not ASCII": "é.é.é",
    "NUL": "\0",
    "spaces": "   ",
    "a token and a blank": GOOD + " ",
    "a wrong signature": signed(CLAIMS, secret="x" * 40),
    "a signature of zeros": f"{HEAD}.{BODY}.{'A' * 43}",
    "no signature": f"{HEAD}.{BODY}.",
    "no signature and no dot": f"{HEAD}.{BODY}",
    "half a signature": f"{HEAD}.{BODY}.{SIGNATURE[:-8]}",
    "other claims under the signature": f"{HEAD}.{part({**CLAIMS, 'role': 'host'})}.{SIGNATURE}",
    "alg none": f"{part({'alg': 'none', 'typ': 'JWT'})}.{BODY}.",
    "alg None in capitals": f"{part({'alg': 'NONE'})}.{BODY}.{SIGNATURE}",
    "alg empty": f"{part({'alg': ''})}.{BODY}.{SIGNATURE}",
    "alg null": f"{part({'alg': None})}.{BODY}.{SIGNATURE}",
    "alg as list": f"{part({'alg': ['HS256']})}.{BODY}.{SIGNATURE}",
    "alg as object": f"{part({'alg': {}})}.{BODY}.{SIGNATURE}",
    "alg RS256 without keys": f"{part({'alg': 'RS256', 'kid': 'x'})}.{BODY}.{SIGNATURE}",
    "alg HS512": signed(CLAIMS, "HS512", TOKEN_SECRET + "x" * 40),
    "alg HS384": signed(CLAIMS, "HS384"),
    "a header that is a list": f"{part([])}.{BODY}.{SIGNATURE}",
    "a header that is no JSON": f"{part(b'{')}.{BODY}.{SIGNATURE}",
    "a header that is deep": f"{part(b'[' * 3_000)}.{BODY}.{SIGNATURE}",
    "a key id that is no text": f"{part({'alg': 'HS256', 'kid': 7})}.{BODY}.{SIGNATURE}",
    "an unencoded payload": f"{part({'alg': 'HS256', 'b64': False})}.x.{SIGNATURE}",
    "claims that are no JSON": signed(b"{"),
    "claims that are a list": signed([1]),
    "claims that are a text": signed("mallory"),
    "claims that are deep": signed(b"[" * 2_000),
    "claims in broken UTF-8": signed(b'{"sub":"\xff"}'),
    "a channel": signed({**CLAIMS, "channel": "room:demo"}),
    "a channel that is null": signed({**CLAIMS, "channel": None}),
    "not valid yet": signed({**CLAIMS, "nbf": SOON_S}),
}
WRONG_TYPES: list[Any] = [True, 0, -1, 2**63, 1.5, [], ["x"], {}, {"a": 1}]
NO_INSTANTS: list[Any] = [True, "1", [], {}, 2**60]
NO_ROOMS: list[Any] = [True, 7, "x", {}, [1], [None], [[]], ["a b"], ["x" * 65]]
NO_INFO: list[Any] = [True, 7, "x", [], {"name": 1}, {"name": []}, {"avatar": {}}]
NO_ROLES: list[Any] = ["", "admin", "HOST", None]
CLAIMS_OF_TEXT = ("sub", "role")
BAD_CLAIMS: list[tuple[str, Any]] = [
    *[(name, value) for name in CLAIMS_OF_TEXT for value in WRONG_TYPES],
    *[("role", value) for value in NO_ROLES],
    *[("info", value) for value in NO_INFO],
    *[("rooms", value) for value in NO_ROOMS],
    ("rooms", ["x"] * 1_001),
    *[(name, value) for name in ("exp", "nbf", "expire_at") for value in NO_INSTANTS],
    ("sub", "x" * 256),
    ("sub", "line\nbreak"),
    ("sub", "\0"),
    ("sub", "\u202eright to left"),
]


async def answer(server: LiveServer, token: str) -> dict[str, Any] | End:
    async with await Hostile.open(server.port) as peer:
        await peer.say(command(1, "connect", {"token": token}))
        reply = await peer.reply(1)
        return await peer.ended() if isinstance(reply, End) else reply


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_token_closes_with_3500(unharmed: LiveServer, name: str) -> None:
    assert await answer(unharmed, FORGED[name]) == End(3500, "invalid token")


@pytest.mark.parametrize(("claim", "value"), BAD_CLAIMS, ids=repr)
async def test_a_claim_of_the_wrong_type_closes_with_3500(
    unharmed: LiveServer, claim: str, value: Any
) -> None:
    assert await answer(unharmed, signed({**CLAIMS, claim: value})) == End(3500, "invalid token")


@pytest.mark.parametrize("ends", [{"exp": 1}, {"exp": 1.5}, {"exp": -5}, {"expire_at": 1}])
async def test_an_expired_token_is_109_and_the_connection_is_of_no_use_after_that(
    unharmed: LiveServer, ends: dict[str, Any]
) -> None:
    async with await Hostile.open(unharmed.port) as peer:
        await peer.say(command(1, "connect", {"token": signed({**CLAIMS, **ends})}))
        reply = await peer.reply(1)
        assert isinstance(reply, dict)
        assert reply["error"]["code"] == 109
        await peer.say(command(2, "connect", {}), command(3, "rpc", {"method": "time.now"}))
        assert (await peer.ended()).code == 3502
        assert len(peer.messages) == 1


async def test_a_huge_token_is_refused_by_name_of_its_field(unharmed: LiveServer) -> None:
    for token in ("x" * 8_193, "x" * 60_000, signed({**CLAIMS, "info": {"name": "x" * 20_000}})):
        reply = await answer(unharmed, token)
        assert isinstance(reply, dict)
        assert reply["error"]["code"] == 107
        assert reply["error"]["message"].startswith("token:")


async def test_what_is_odd_but_good_is_let_in(unharmed: LiveServer) -> None:
    for claims in ({"exp": SOON_S}, {"exp": SOON_S + 0.5}, {"exp": SOON_S, "x": [[{}]]}, {}):
        reply = await answer(unharmed, signed({"sub": "odd", **claims}))
        assert isinstance(reply, dict)
        assert reply["connect"]["data"]["user"] == "odd"


async def test_a_refresh_cannot_change_who_somebody_is(unharmed: LiveServer) -> None:
    cases = {
        signed({"sub": "eve", "exp": SOON_S}): 103,
        signed({**CLAIMS, "exp": 1}): 109,
        FORGED["a wrong signature"]: 3500,
        FORGED["alg none"]: 3500,
        FORGED["a channel"]: 3500,
    }
    for token, expected in cases.items():
        async with await Hostile.open(unharmed.port) as peer:
            await peer.say(command(1, "connect", {"token": GOOD}))
            await peer.say(command(2, "refresh", {"token": token}))
            reply = await peer.reply(2)
            code = reply.code if isinstance(reply, End) else reply["error"]["code"]
            assert code == expected


async def test_a_subscription_token_of_somebody_else_opens_nothing(unharmed: LiveServer) -> None:
    room = await unharmed.new_room()
    channel = f"room:{room}"
    own = {"sub": "mallory", "exp": SOON_S}
    cases = {
        signed({**own, "channel": "room:other"}): 3500,
        signed({**own, "sub": "eve", "channel": channel}): 3500,
        signed({**own, "channel": channel, "client": "another"}): 3500,
        signed({**own, "channel": channel, "exp": 1}): 109,
        signed({**own, "channel": channel}, secret="x" * 40): 103,
        signed({**own, "channel": [channel]}): 103,
        signed({**own, "channel": channel, "client": []}): 103,
        GOOD: 103,
        "garbage": 103,
    }
    for token, expected in cases.items():
        async with await Hostile.open(unharmed.port) as peer:
            await peer.say(command(1, "connect", {"token": GOOD}))
            await peer.say(command(2, "subscribe", {"channel": channel, "token": token}))
            reply = await peer.reply(2)
            code = reply.code if isinstance(reply, End) else reply["error"]["code"]
            assert code == expected
