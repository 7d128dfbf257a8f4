"""Settings: read once, checked at once, and every complaint names its variable."""

from __future__ import annotations

import resource
from dataclasses import fields
from pathlib import Path

import pytest

from server.settings import BadSetting, Limits, Settings, is_loopback

STRONG = "0123456789abcdefghijklmnopqrstuv"


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    settings = Settings.from_env({"PATH": "/bin"})
    assert settings == Settings()
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8000, 1)
    assert settings.data_dir == Path(".onair")
    assert settings.redis_url is None
    assert settings.database_url is None
    assert settings.durability == "always"


def test_each_setting_is_read_from_its_variable() -> None:
    settings = Settings.from_env(
        {
            "ONAIR_HOST": " 0.0.0.0 ",
            "ONAIR_PORT": "0",
            "ONAIR_WORKERS": "4",
            "ONAIR_DATA_DIR": "/var/lib/onair",
            "ONAIR_REDIS_URL": "redis+sentinel://a:1,b:2/shop/0",
            "ONAIR_DATABASE_URL": "postgresql+psycopg://db/shop",
            "ONAIR_TOKEN_SECRET": STRONG,
            "ONAIR_TOKEN_JWKS": "https://id.example/jwks.json",
            "ONAIR_API_KEY": STRONG[::-1],
            "ONAIR_DURABILITY": "Everysec",
            "ONAIR_ALLOWED_ORIGINS": "https://shop.example/, http://localhost:3000",
            "ONAIR_TRUSTED_PROXIES": "10.0.0.1, 10.0.0.2",
            "ONAIR_GUESTS_MAY_SPEAK": "yes",
            "ONAIR_BRAND_NAME": "瓷器铺",
            "ONAIR_BRAND_COLOR": "#0A0b0C",
            "ONAIR_BRAND_LOGO_URL": "/static/logo.svg",
            "ONAIR_LOG_LEVEL": "WARNING",
            "ONAIR_BLOCKED_WORDS_FILE": "/etc/onair/words.txt",
        }
    )
    assert settings == Settings(
        host="0.0.0.0",
        port=0,
        workers=4,
        data_dir=Path("/var/lib/onair"),
        redis_url="redis+sentinel://a:1,b:2/shop/0",
        database_url="postgresql+psycopg://db/shop",
        token_secret=STRONG,
        token_jwks="https://id.example/jwks.json",
        api_key=STRONG[::-1],
        durability="everysec",
        allowed_origins=("https://shop.example", "http://localhost:3000"),
        trusted_proxies=("10.0.0.1", "10.0.0.2"),
        guests_may_speak=True,
        brand_name="瓷器铺",
        brand_color="#0A0b0C",
        brand_logo_url="/static/logo.svg",
        log_level="warning",
        blocked_words_file=Path("/etc/onair/words.txt"),
    )


@pytest.mark.parametrize("name", [spec.name for spec in fields(Limits)])
def test_each_limit_has_a_variable_of_its_own_and_refuses_nonsense(name: str) -> None:
    variable = f"ONAIR_{name.upper()}"
    chosen = getattr(Limits(), name) + 1
    assert getattr(Settings.from_env({variable: str(chosen)}).limits, name) == chosen
    for nonsense in ("-1", "many", "1.5", ""):
        with pytest.raises(BadSetting, match=variable):
            Settings.from_env({variable: nonsense})


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("ONAIR_PORT", "65536"),
        ("ONAIR_PORT", "http"),
        ("ONAIR_WORKERS", "0"),
        ("ONAIR_BATCH_ORDERS_MAX", "1001"),
        ("ONAIR_SKUS_PER_SALE_MAX", "1001"),
        ("ONAIR_REQUEST_ID_CHARS_MAX", "256"),
        ("ONAIR_HOST", "  "),
        ("ONAIR_DATA_DIR", ""),
        ("ONAIR_REDIS_URL", "http://localhost"),
        ("ONAIR_REDIS_URL", "redis://[::1"),
        ("ONAIR_DATABASE_URL", "mysql://localhost/shop"),
        ("ONAIR_DURABILITY", "sometimes"),
        ("ONAIR_ALLOWED_ORIGINS", "shop.example"),
        ("ONAIR_ALLOWED_ORIGINS", "https://shop.example/path"),
        ("ONAIR_INSECURE", "maybe"),
        ("ONAIR_BRAND_COLOR", "red"),
        ("ONAIR_BRAND_LOGO_URL", "http://shop.example/logo.png"),
        ("ONAIR_LOG_LEVEL", "loud"),
        ("ONAIR_MESAGE_BYTES_MAX", "1000"),
    ],
)
def test_a_bad_value_is_refused_with_the_name_of_its_variable(variable: str, text: str) -> None:
    with pytest.raises(BadSetting, match=f"^{variable}: ") as caught:
        Settings.from_env({variable: text})
    assert caught.value.variable == variable


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_without_security_only_this_machine_may_connect(host: str) -> None:
    assert is_loopback(host)
    assert Settings.from_env({"ONAIR_INSECURE": "1", "ONAIR_HOST": host}).insecure


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "shop.example"])
def test_insecure_is_refused_on_an_address_that_others_reach(host: str) -> None:
    with pytest.raises(BadSetting, match="ONAIR_INSECURE"):
        Settings.from_env({"ONAIR_INSECURE": "1", "ONAIR_HOST": host})


def test_bounds_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(BadSetting, match="ONAIR_PULSE_SKIP_BYTES"):
        Settings.from_env({"ONAIR_VIEWER_BUFFER_BYTES_MAX": "1000"})
    with pytest.raises(BadSetting, match="ONAIR_PONG_WITHIN_S"):
        Settings.from_env({"ONAIR_PING_INTERVAL_S": "8", "ONAIR_PONG_WITHIN_S": "8"})


def test_strong_secrets_are_accepted() -> None:
    Settings(token_secret=STRONG, api_key=STRONG).check_secrets()
    Settings(token_jwks="/etc/keys.json", api_key=STRONG).check_secrets()


@pytest.mark.parametrize(
    ("token_secret", "api_key", "variable"),
    [
        ("", STRONG, "ONAIR_TOKEN_SECRET"),
        (STRONG[:31], STRONG, "ONAIR_TOKEN_SECRET"),
        ("a" * 64, STRONG, "ONAIR_TOKEN_SECRET"),
        (STRONG, "", "ONAIR_API_KEY"),
        (STRONG, STRONG[:31], "ONAIR_API_KEY"),
        (STRONG, "abc" * 20, "ONAIR_API_KEY"),
    ],
)
def test_missing_and_weak_secrets_are_refused_by_name_and_not_shown(
    token_secret: str, api_key: str, variable: str
) -> None:
    with pytest.raises(BadSetting, match=f"^{variable}: ") as caught:
        Settings(token_secret=token_secret, api_key=api_key).check_secrets()
    for secret in (token_secret, api_key):
        assert not secret or secret not in str(caught.value)


def test_a_worker_takes_no_more_viewers_than_it_may_open_files() -> None:
    files, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert Settings().viewers_max == max(64, files - 256)
    assert Settings(limits=Limits(viewers_max=10)).viewers_max == 10
    assert Settings(limits=Limits(viewers_max=files * 2)).viewers_max == max(64, files - 256)
