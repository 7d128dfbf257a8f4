"""The command line: what it prints, refuses and keeps. Starting servers is for tests/fault."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from server import secrets_file
from server.__main__ import main
from server.settings import BadSetting
from server.tokens import Tokens

STRONG = "0123456789abcdefghijklmnopqrstuv"


@pytest.fixture(autouse=True)
def environment(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONAIR_DATA_DIR", str(data_dir))


@pytest.mark.parametrize(
    "command",
    [[], ["serve"], ["demo"], ["token"], ["key"], ["reconcile"], ["rebuild"], ["export"]],
)
def test_every_command_explains_itself(command: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: {' '.join(['onair', *command])}")
    assert "ONAIR_PORT" in shown


@pytest.mark.parametrize(
    "command",
    [
        *([], ["sell"], ["token"], ["token", "--user", "a"], ["rebuild"], ["export"]),
        ["rebuild", "--all", "--sale", "s1"],
    ],
)
def test_a_wrong_command_line_is_exit_code_2(command: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 2
    assert "usage: onair" in capsys.readouterr().err


def test_token_prints_one_token_and_nothing_else(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("ONAIR_TOKEN_SECRET", STRONG)
    rooms = ["--room", "demo", "--room", "other"]
    assert main(["token", "--user", "alice", "--role", "host", *rooms, "--name", "爱丽丝"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.count("\n") == 1
    identity = Tokens(STRONG).verify(shown.out.strip())
    assert (identity.user_id, identity.role, identity.name) == ("alice", "host", "爱丽丝")
    assert identity.rooms == frozenset({"demo", "other"})


def test_the_secrets_of_a_demo_serve_token_and_key(data_dir: Path, capsys) -> None:
    kept = secrets_file.read_or_make(data_dir)
    assert main(["token", "--user", "bob", "--room", "demo"]) == 0
    assert Tokens(kept.token_secret).verify(capsys.readouterr().out.strip()).user_id == "bob"
    assert main(["key"]) == 0
    assert capsys.readouterr().out == f"{kept.api_key}\n"


def test_the_environment_goes_before_what_the_data_directory_keeps(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    secrets_file.read_or_make(data_dir)
    monkeypatch.setenv("ONAIR_API_KEY", STRONG)
    assert main(["key"]) == 0
    assert capsys.readouterr().out == f"{STRONG}\n"


@pytest.mark.parametrize(
    ("command", "settings", "complaint"),
    [
        (["serve"], {}, "ONAIR_TOKEN_SECRET: is missing"),
        (["serve"], {"ONAIR_TOKEN_SECRET": "short"}, "ONAIR_TOKEN_SECRET: is weak"),
        (["serve"], {"ONAIR_TOKEN_SECRET": STRONG}, "ONAIR_API_KEY: is weak"),
        (["serve"], {"ONAIR_PORT": "http"}, "ONAIR_PORT: must be a whole number"),
        (["demo"], {"ONAIR_COLOUR": "red"}, "ONAIR_COLOUR: is not a setting"),
        (["key"], {}, "ONAIR_API_KEY: is missing"),
        (["token", "--user", "a", "--room", "r"], {}, "ONAIR_TOKEN_SECRET: is missing"),
        (
            ["token", "--user", "a", "--room", "r", "--ttl", "0"],
            {"ONAIR_TOKEN_SECRET": STRONG},
            "ttl_seconds: must be at least 1",
        ),
        (
            ["token", "--user", "a", "--room", "r", "--ttl", "99999999"],
            {"ONAIR_TOKEN_SECRET": STRONG},
            "--ttl: at most 31536000 seconds",
        ),
    ],
)
def test_what_the_user_can_mend_is_one_line_that_says_what(
    command: list[str],
    settings: dict[str, str],
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys,
) -> None:
    for variable, text in settings.items():
        monkeypatch.setenv(variable, text)
    assert main(command) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"onair: {complaint}")
    assert shown.err.count("\n") == 1


def test_made_secrets_are_strong_private_and_kept(data_dir: Path) -> None:
    made = secrets_file.read_or_make(data_dir)
    assert secrets_file.read_or_make(data_dir) == made
    assert (data_dir / secrets_file.FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert made.token_secret != made.api_key
    assert min(len(made.token_secret), len(made.api_key)) >= 43


def test_secrets_that_others_can_read_are_not_used(data_dir: Path) -> None:
    secrets_file.read_or_make(data_dir)
    (data_dir / secrets_file.FILE_NAME).chmod(0o644)
    with pytest.raises(BadSetting, match="open to others"):
        secrets_file.read(data_dir)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"token_secret": "a"}', json.dumps({"token_secret": "", "api_key": 1})]
)
def test_a_spoilt_secrets_file_is_named_and_left_alone(data_dir: Path, text: str) -> None:
    path = data_dir / secrets_file.FILE_NAME
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(BadSetting, match=str(path)):
        secrets_file.read_or_make(data_dir)
    assert path.read_text() == text
