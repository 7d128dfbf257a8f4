"""The settings of share links, and the keys that follow from the secrets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from server.settings import BadSetting, Settings
from server.sharing.keys import derived_key

SECRET = "0123456789abcdefghijklmnopqrstuv"
OTHER = "vutsrqponmlkjihgfedcba9876543210"
SETTINGS = Settings(token_secret=SECRET, api_key=OTHER)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://shop.example", "https://shop.example"),
        (" https://shop.example:8443/ ", "https://shop.example:8443"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
    ],
)
def test_a_public_address_is_an_origin(text: str, url: str) -> None:
    assert Settings.from_env({"ONAIR_PUBLIC_URL": text}).public_url == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "shop.example",
        "ftp://shop.example",
        "https://shop.example/live",
        "https://shop.example/?a=1",
        "https://user@shop.example",
        "https://[shop",
        "https://",
    ],
)
def test_what_is_no_origin_is_refused_by_name(text: str) -> None:
    with pytest.raises(BadSetting, match="ONAIR_PUBLIC_URL"):
        Settings.from_env({"ONAIR_PUBLIC_URL": text})


def test_a_weak_share_secret_is_refused() -> None:
    with pytest.raises(BadSetting, match="ONAIR_SHARE_SECRET"):
        replace(SETTINGS, share_secret="short").check_secrets()
    replace(SETTINGS, share_secret=OTHER).check_secrets()
    SETTINGS.check_secrets()


def test_a_key_is_for_one_purpose_of_one_shop() -> None:
    key = derived_key(SETTINGS, "share links")
    assert key == derived_key(replace(SETTINGS, api_key="another"), "share links")
    others = {
        derived_key(SETTINGS, "vouchers"),
        derived_key(replace(SETTINGS, token_secret=OTHER), "share links"),
        derived_key(replace(SETTINGS, share_secret=OTHER), "share links"),
    }
    assert key not in others
    assert len(key) == 32


def test_codes_outlive_a_new_token_secret_if_they_have_a_secret_of_their_own() -> None:
    shop = replace(SETTINGS, share_secret=OTHER)
    later = replace(shop, token_secret="another " * 5)
    assert derived_key(shop, "share links") == derived_key(later, "share links")


def test_a_shop_whose_tokens_come_from_elsewhere_signs_with_its_api_key() -> None:
    shop = replace(SETTINGS, token_secret="", token_jwks="https://id.example/keys")
    assert derived_key(shop, "share links") != derived_key(replace(shop, api_key=SECRET), "links")
