"""Who somebody is, from a signed token; and the tokens this server signs itself.

Knows JWT and the claims of the contract; refuses to know connections and HTTP. Verifying is
plain, quick code without waiting, so it may be called on the event loop for every connection.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
import orjson
from jwt import PyJWK, PyJWS

from flash_sale.catalog import is_displayable, is_id, is_web_address
from rooms.model import EVERY_ROOM, Identity, Role, UserId
from server.jwks import KeySet

SECRET_BYTES_MIN = 32
TOKEN_CHARS_MAX = 8_192
USER_CHARS_MAX = 255
NAME_CHARS_MAX = 64
AVATAR_CHARS_MAX = 1_000
ROOMS_MAX = 1_000
CHANNEL_CHARS_MAX = 255
NOT_BEFORE_LEEWAY_S = 10  # how far the issuer's clock may be ahead of ours
INSTANT_S_MAX = 2**53

# Verified tokens are remembered, because a herd that reconnects shows the same ones again.
REMEMBERED_MAX = 4_096
REMEMBERED_CHARS_MAX = 1_024  # together at most 4 MB of tokens
HEADERS_REMEMBERED_MAX = 64  # one issuer writes the same header into all of its tokens


class TokenError(Exception):
    """A token does not let anybody in."""


class TokenExpired(TokenError):
    """The token was good and is over: the client should fetch a new one."""

    def __init__(self) -> None:
        super().__init__("token expired")


class TokenInvalid(TokenError):
    """The token is not acceptable, and asking again will not help. `why` is fit for its owner."""

    def __init__(self, why: str) -> None:
        super().__init__(f"invalid token: {why}")
        self.why = why


class KeyNotLoaded(TokenInvalid):
    """The token's key is being fetched: the same token may be good in a second or two."""

    def __init__(self) -> None:
        super().__init__("its key is not known yet")


@dataclass(frozen=True, slots=True)
class SubscriptionGrant:
    """A user may subscribe to one channel; with a `client`, only that connection may."""

    user: UserId
    channel: str
    expires_at_s: int | None
    client: str = ""


class Tokens:
    """Signs and verifies tokens. HS256 with `secret`, RS256 and ES256 with the keys of `jwks`.

    Either may be empty; then its algorithms are refused. `ValueError`: a secret shorter than 32
    bytes, or a key set file that cannot be used.
    """

    def __init__(
        self,
        secret: str,
        jwks: str | None = None,
        *,
        now_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        if secret and len(secret.encode()) < SECRET_BYTES_MIN:
            raise ValueError(f"the token secret must have at least {SECRET_BYTES_MIN} bytes")
        self._secret = secret
        self._now_s = now_s
        self._jws = PyJWS(algorithms=["HS256", "RS256", "ES256"])
        self._headers: dict[str, tuple[str, str | None]] = {}
        self._remembered: OrderedDict[str, Identity] = OrderedDict()
        self.keys: KeySet | None = None
        if jwks:
            self.keys = KeySet(jwks, on_change=self._forget, monotonic_s=monotonic_s)

    @property
    def can_issue(self) -> bool:
        """False if there is no secret: tokens then come from the other issuer only."""
        return bool(self._secret)

    def issue(
        self,
        user: str,
        role: Role | str,
        rooms: Sequence[str],
        name: str,
        ttl_seconds: int,
        avatar: str = "",
    ) -> str:
        """A token for `ttl_seconds` from now, which `verify` accepts.

        `ValueError` names the first argument that could not be verified again.
        """
        if not self._secret:
            raise ValueError("secret: this server has none, it can only verify tokens")
        expires_at_s = math.ceil(self._now_s()) + ttl_seconds
        if not 1 <= ttl_seconds <= expires_at_s <= INSTANT_S_MAX:
            raise ValueError("ttl_seconds: must be at least 1, and end at an instant")
        claims = {
            "sub": user,
            "exp": expires_at_s,
            "info": {"name": name, "avatar": avatar},
            "role": str(role),
            "rooms": list(rooms),
        }
        try:
            _identity(claims, None)
            payload = orjson.dumps(claims)
        except TokenInvalid as error:
            raise ValueError(error.why) from error
        except TypeError as error:  # half of a surrogate pair
            raise ValueError(f"name or avatar: {error}") from error
        token = self._jws.encode(payload, self._secret, algorithm="HS256")
        if len(token) > TOKEN_CHARS_MAX:
            raise ValueError("rooms: too many for one token")
        return token

    def verify(self, token: str) -> Identity:
        """Who the token speaks for. Raises `TokenExpired`, `TokenInvalid` or `KeyNotLoaded`."""
        remembered = self._remembered  # a changed key set puts a new one in its place
        known = remembered.get(token)
        if known is not None:
            if known.expires_at_s is not None and known.expires_at_s <= self._now_s():
                del remembered[token]
                raise TokenExpired
            return known
        claims = self._claims(token)
        if "channel" in claims:
            raise TokenInvalid("channel: a token for one channel cannot open a connection")
        identity = _identity(claims, self._valid_until(claims))
        if len(token) <= REMEMBERED_CHARS_MAX:
            remembered[token] = identity
            if len(remembered) > REMEMBERED_MAX:
                remembered.popitem(last=False)
        return identity

    def verify_subscription(self, token: str) -> SubscriptionGrant:
        """Which channel the token opens, and for whom. Raises as `verify` does.

        The caller compares user, channel and (if it is not empty) client with the connection's.
        """
        claims = self._claims(token)
        channel = _text(claims, "channel", CHANNEL_CHARS_MAX)
        if not channel:
            raise TokenInvalid("channel: is missing")
        client = _text(claims, "client", CHANNEL_CHARS_MAX)
        until_s = self._valid_until(claims)
        return SubscriptionGrant(_user(claims), channel, until_s, client)

    def _claims(self, token: str) -> dict[str, Any]:
        """What a token with a good signature claims; nothing is checked but that."""
        if not isinstance(token, str) or len(token) > TOKEN_CHARS_MAX or not token.isascii():
            raise TokenInvalid(f"must be text of at most {TOKEN_CHARS_MAX} plain characters")
        try:
            algorithm, key_id = self._header(token)
            key = self._key(algorithm, key_id)
            answer = self._jws.decode_complete(token, key, algorithms=[algorithm])
            claims = orjson.loads(answer["payload"])
        except jwt.InvalidSignatureError:
            raise TokenInvalid("its signature does not match") from None
        except (jwt.PyJWTError, orjson.JSONDecodeError, ValueError, TypeError):
            raise TokenInvalid("is not a readable JWT") from None
        if not isinstance(claims, dict):
            raise TokenInvalid("its claims must be an object")
        return claims

    def _header(self, token: str) -> tuple[str, str | None]:
        segment = token.partition(".")[0]
        known = self._headers.get(segment)
        if known is None:
            header = self._jws.get_unverified_header(token)
            algorithm, key_id = header.get("alg"), header.get("kid")
            if algorithm not in {"HS256", "RS256", "ES256"}:
                raise TokenInvalid("its algorithm must be HS256, RS256 or ES256")
            if key_id is not None and not isinstance(key_id, str):
                raise TokenInvalid("its key id must be text")
            known = (algorithm, key_id)
            if len(self._headers) >= HEADERS_REMEMBERED_MAX:
                self._headers.clear()
            self._headers[segment] = known
        return known

    def _key(self, algorithm: str, key_id: str | None) -> str | PyJWK:
        """The one key an algorithm may be checked with: never a public key as an HMAC secret."""
        if algorithm == "HS256":
            if not self._secret:
                raise TokenInvalid("HS256 is not accepted by this server")
            return self._secret
        if self.keys is None:
            raise TokenInvalid(f"{algorithm} is not accepted by this server")
        key = self.keys.find(algorithm, key_id)
        if key is None:
            if self.keys.is_refreshing:
                raise KeyNotLoaded
            raise TokenInvalid("its key is not known")
        return key

    def _valid_until(self, claims: dict[str, Any]) -> int | None:
        """Check `nbf`, `exp` and `expire_at` against the clock; None is a token without end."""
        now_s = self._now_s()
        begins_s = _instant(claims, "nbf")
        if begins_s is not None and begins_s > now_s + NOT_BEFORE_LEEWAY_S:
            raise TokenInvalid("nbf: it is not valid yet")
        until_s = _instant(claims, "exp")
        if claims.get("expire_at") is not None:
            until_s = _instant(claims, "expire_at")
            if until_s is not None and until_s <= 0:
                return None
        if until_s is not None and until_s <= now_s:
            raise TokenExpired
        return until_s

    def _forget(self) -> None:
        self._remembered = OrderedDict()


def _identity(claims: dict[str, Any], until_s: int | None) -> Identity:
    info = claims.get("info")
    if info is None:
        info = {}
    if not isinstance(info, dict):
        raise TokenInvalid("info: must be an object with name and avatar")
    role = claims.get("role", Role.VIEWER)
    if not isinstance(role, str) or role not in set(Role):
        raise TokenInvalid("role: must be one of viewer, moderator, host, merchant")
    rooms = claims.get("rooms", [])
    if not isinstance(rooms, list) or len(rooms) > ROOMS_MAX:
        raise TokenInvalid(f"rooms: must be a list of at most {ROOMS_MAX} room ids")
    for room in rooms:
        if not isinstance(room, str) or not (room == EVERY_ROOM or is_id(room)):
            raise TokenInvalid('rooms: each must be a room id or "*"')
    return Identity(
        user_id=_user(claims),
        name=_name(info),
        avatar=_avatar(info),
        role=Role(role),
        rooms=frozenset(rooms),
        expires_at_s=until_s,
    )


def _user(claims: dict[str, Any]) -> UserId:
    return UserId(_text(claims, "sub", USER_CHARS_MAX))


def _text(claims: dict[str, Any], name: str, chars_max: int) -> str:
    value = _none_is_empty(claims.get(name))
    if not isinstance(value, str) or len(value) > chars_max:
        raise TokenInvalid(f"{name}: must be text of at most {chars_max} characters")
    if not is_displayable(value):
        raise TokenInvalid(f"{name}: must not contain control or direction characters")
    return value


def _name(info: dict[str, Any]) -> str:
    """The name as others see it. A shop's old customer names are tidied, not refused."""
    value = _none_is_empty(info.get("name"))
    if not isinstance(value, str):
        raise TokenInvalid("info.name: must be text")
    if not is_displayable(value):
        value = "".join(c if is_displayable(c) else " " for c in value)
    return " ".join(value.split())[:NAME_CHARS_MAX].rstrip()


def _avatar(info: dict[str, Any]) -> str:
    value = _none_is_empty(info.get("avatar"))
    if not isinstance(value, str):
        raise TokenInvalid("info.avatar: must be text")
    return value if len(value) <= AVATAR_CHARS_MAX and is_web_address(value) else ""


def _none_is_empty(value: Any) -> Any:
    return "" if value is None else value


def _instant(claims: dict[str, Any], name: str) -> int | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenInvalid(f"{name}: must be a number of seconds")
    if not math.isfinite(value) or abs(value) > INSTANT_S_MAX:
        raise TokenInvalid(f"{name}: is no instant")
    return math.floor(value)
