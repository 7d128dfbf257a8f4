"""Tokens of another issuer: real RSA and EC keys, from files and from a real HTTP server."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.utils import base64url_encode

from server.jwks import REFRESH_AGE_S, REFRESH_GAP_S, KeySet
from server.tokens import KeyNotLoaded, TokenInvalid, Tokens

SECRET = "a secret that is long enough: 0123456789"


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public_jwk(key: Any, kid: str | None, **extra: Any) -> dict[str, Any]:
    kind = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    entry: dict[str, Any] = kind.to_jwk(key.public_key(), as_dict=True)
    return entry | ({} if kid is None else {"kid": kid}) | extra


def signed(key: Any, algorithm: str, kid: str | None = None, **claims: Any) -> str:
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode({"sub": "alice"} | claims, key, algorithm=algorithm, headers=headers)


def write(path: Path, *keys: object) -> str:
    path.write_text(json.dumps({"keys": keys}))
    return str(path)


class Issuer:
    """A real HTTP server that hands out a key set, and counts how often."""

    def __init__(self) -> None:
        self.body = b'{"keys": []}'
        self.status = 200
        self.headers: dict[str, str] = {}
        self.asked = 0
        self.go_on = threading.Event()
        self.go_on.set()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                issuer.go_on.wait(5)
                self.send_response(issuer.status)
                for name, value in issuer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(issuer.body)

            def log_message(self, format: str, *args: Any) -> None:
                """The test run's output stays readable."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/keys.json"

    def serves(self, *keys: object) -> None:
        self.body = json.dumps({"keys": keys}).encode()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    thread = threading.Thread(target=issuer.server.serve_forever, args=(0.02,))
    thread.start()
    yield issuer
    issuer.go_on.set()
    issuer.server.shutdown()
    thread.join()
    issuer.server.server_close()


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_tokens_of_both_algorithms_are_accepted_by_a_key_file(
    tmp_path: Path, rsa_key: rsa.RSAPrivateKey, ec_key: ec.EllipticCurvePrivateKey
) -> None:
    path = write(tmp_path / "keys.json", public_jwk(rsa_key, "r1"), public_jwk(ec_key, "e1"))
    tokens = Tokens("", path)
    assert tokens.verify(signed(rsa_key, "RS256", "r1")).user_id == "alice"
    assert tokens.verify(signed(ec_key, "ES256", "e1")).user_id == "alice"
    assert tokens.verify(signed(ec_key, "ES256")).user_id == "alice"  # the only key of its kind


def test_a_token_signed_by_somebody_elses_key_is_refused(
    tmp_path: Path, rsa_key: rsa.RSAPrivateKey
) -> None:
    tokens = Tokens("", write(tmp_path / "keys.json", public_jwk(rsa_key, "r1")))
    stranger = rsa.generate_private_key(65537, 2048)
    with pytest.raises(TokenInvalid, match="signature does not match"):
        tokens.verify(signed(stranger, "RS256", "r1"))


def test_a_public_key_is_never_taken_for_a_shared_secret(
    tmp_path: Path, rsa_key: rsa.RSAPrivateKey
) -> None:
    path = write(tmp_path / "keys.json", public_jwk(rsa_key, "r1"))
    pem = rsa_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header = base64url_encode(json.dumps({"alg": "HS256", "kid": "r1"}).encode())
    claims = base64url_encode(json.dumps({"sub": "a", "role": "merchant"}).encode())
    digest = hmac.new(pem, header + b"." + claims, hashlib.sha256).digest()
    forged = b".".join((header, claims, base64url_encode(digest))).decode()
    with pytest.raises(TokenInvalid, match="HS256 is not accepted"):
        Tokens("", path).verify(forged)
    with pytest.raises(TokenInvalid, match="signature does not match"):
        Tokens(SECRET, path).verify(forged)


def test_a_key_is_used_with_its_own_algorithm_only(
    tmp_path: Path, rsa_key: rsa.RSAPrivateKey, ec_key: ec.EllipticCurvePrivateKey
) -> None:
    path = write(tmp_path / "keys.json", public_jwk(rsa_key, "r1"), public_jwk(ec_key, "e1"))
    tokens = Tokens("", path)
    for forged in (signed(rsa_key, "RS256", "e1"), signed(rsa_key, "PS256", "r1")):
        with pytest.raises(TokenInvalid):
            tokens.verify(forged)


def test_keys_that_are_weak_private_or_for_something_else_are_passed_over(
    tmp_path: Path, rsa_key: rsa.RSAPrivateKey, ec_key: ec.EllipticCurvePrivateKey
) -> None:
    weak = rsa.generate_private_key(65537, 1024)
    other_curve = ec.generate_private_key(ec.SECP384R1())
    path = write(
        tmp_path / "keys.json",
        public_jwk(weak, "weak"),
        public_jwk(other_curve, "p384"),
        public_jwk(rsa_key, "enc", use="enc"),
        RSAAlgorithm.to_jwk(rsa_key, as_dict=True) | {"kid": "private"},
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"},
        {"kty": "RSA", "kid": "broken"},
        {"kty": "EC", "kid": "off-curve", "crv": "P-256", "x": "AAAA", "y": "AAAA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "ed"},
        "no object",
        {"kty": "EC", "kid": 7},
        public_jwk(ec_key, "good"),
    )
    tokens = Tokens("", path)
    assert tokens.verify(signed(ec_key, "ES256", "good")).user_id == "alice"
    for kid in ("enc", "private", "weak", "secret"):
        with pytest.raises(TokenInvalid):
            tokens.verify(signed(rsa_key, "RS256", kid))


@pytest.mark.parametrize(
    "content", ["", "no json", "[]", "{}", '{"keys": {}}', '{"keys": []}', '{"keys": [{}]}']
)
def test_a_key_file_that_cannot_be_used_stops_the_start(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"key set .*keys\.json: "):
        Tokens("", str(path))


def test_a_key_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No such file"):
        Tokens("", str(tmp_path / "missing.json"))


@pytest.mark.parametrize(
    "address", ["http://keys.example/jwks", "ftp://keys.example/jwks", "file:///etc/keys"]
)
def test_an_address_that_others_could_tamper_with_stops_the_start(address: str) -> None:
    with pytest.raises(ValueError, match="must be a file or an https:// address"):
        Tokens("", address)


def test_a_key_file_that_changed_is_read_again_for_an_unknown_key(
    tmp_path: Path, rsa_key: rsa.RSAPrivateKey, ec_key: ec.EllipticCurvePrivateKey
) -> None:
    clock = Clock()
    path = write(tmp_path / "keys.json", public_jwk(rsa_key, "old"))
    keys = KeySet(path, monotonic_s=clock)
    assert keys.find("ES256", "new") is None
    assert not keys.is_refreshing  # it was read a moment ago
    write(tmp_path / "keys.json", public_jwk(ec_key, "new"))
    clock.now_s += REFRESH_GAP_S + 1
    assert keys.find("ES256", "new") is None
    keys.wait_for_refresh(5)
    assert keys.find("ES256", "new") is not None
    assert keys.find("RS256", "old") is None


def test_keys_by_address_are_fetched_in_the_background(
    issuer: Issuer, rsa_key: rsa.RSAPrivateKey
) -> None:
    issuer.serves(public_jwk(rsa_key, "r1"))
    issuer.go_on.clear()
    tokens = Tokens("", issuer.url)
    with pytest.raises(KeyNotLoaded):  # at once, although the issuer has not answered
        tokens.verify(signed(rsa_key, "RS256", "r1"))
    issuer.go_on.set()
    assert tokens.keys is not None
    tokens.keys.wait_for_refresh(5)
    assert tokens.verify(signed(rsa_key, "RS256", "r1")).user_id == "alice"
    assert issuer.asked == 1


def test_a_flood_of_unknown_key_ids_costs_one_fetch_in_a_while(
    issuer: Issuer, rsa_key: rsa.RSAPrivateKey
) -> None:
    clock = Clock()
    issuer.serves(public_jwk(rsa_key, "r1"))
    keys = KeySet(issuer.url, monotonic_s=clock)
    keys.wait_for_refresh(5)
    for number in range(500):
        assert keys.find("RS256", f"made-up-{number}") is None
    assert issuer.asked == 1
    clock.now_s += REFRESH_GAP_S + 1
    for number in range(500):
        assert keys.find("RS256", f"made-up-{number}") is None
    keys.wait_for_refresh(5)
    assert issuer.asked == 2


def test_a_withdrawn_key_is_forgotten_with_the_tokens_it_signed(
    issuer: Issuer, rsa_key: rsa.RSAPrivateKey, ec_key: ec.EllipticCurvePrivateKey
) -> None:
    clock = Clock()
    issuer.serves(public_jwk(rsa_key, "r1"), public_jwk(ec_key, "e1"))
    tokens = Tokens("", issuer.url, monotonic_s=clock)
    assert tokens.keys is not None
    tokens.keys.wait_for_refresh(5)
    withdrawn = signed(rsa_key, "RS256", "r1")
    assert tokens.verify(withdrawn).user_id == "alice"
    issuer.serves(public_jwk(ec_key, "e1"))
    clock.now_s += REFRESH_AGE_S + 1
    assert tokens.verify(signed(ec_key, "ES256", "e1")).user_id == "alice"
    tokens.keys.wait_for_refresh(5)
    with pytest.raises(TokenInvalid, match="its key is not known"):
        tokens.verify(withdrawn)


@pytest.mark.parametrize("trouble", ["error", "nonsense", "too large", "redirect"])
def test_when_the_issuer_is_in_trouble_the_known_keys_stay_in_use(
    issuer: Issuer, rsa_key: rsa.RSAPrivateKey, trouble: str
) -> None:
    clock = Clock()
    issuer.serves(public_jwk(rsa_key, "r1"))
    keys = KeySet(issuer.url, monotonic_s=clock)
    keys.wait_for_refresh(5)
    assert keys.problem is None
    issuer.status = {"error": 500, "redirect": 302}.get(trouble, 200)
    issuer.headers = {"Location": issuer.url + "?again"} if trouble == "redirect" else {}
    if trouble in {"nonsense", "too large"}:
        issuer.body = b"x" * 2_000_000 if trouble == "too large" else b"<html>"
    clock.now_s += REFRESH_AGE_S + 1
    assert keys.find("RS256", "r1") is not None
    keys.wait_for_refresh(5)
    assert keys.problem is not None
    assert keys.find("RS256", "r1") is not None
    assert issuer.asked == 2  # the redirect was not followed
    issuer.status, issuer.headers = 200, {}
    issuer.serves(public_jwk(rsa_key, "r2"))
    clock.now_s += REFRESH_AGE_S + 1
    keys.find("RS256", "r2")
    keys.wait_for_refresh(5)
    assert keys.problem is None
    assert keys.find("RS256", "r2") is not None
