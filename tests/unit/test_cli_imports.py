"""What a command imports: the quick ones nothing of the server's libraries. Counted, not timed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SECRET = "0123456789abcdefghijklmnopqrstuv"
HEAVY = {
    *("alembic", "fastapi", "pydantic", "redis", "sqlalchemy", "starlette", "uvicorn"),
    *("opentelemetry", "psycopg", "websockets"),
}
GENERATOR = {"flask", "gevent", "loadtest", "locust", "psutil", "requests", "websocket", "zmq"}
PROGRAM = """
import sys
from server.__main__ import main
try:
    main(sys.argv[1:])
finally:
    print("imported", *sorted(sys.modules), file=sys.stderr)
"""


def imported_by(data_dir: Path, *arguments: str) -> set[str]:
    """The packages, not of the standard library only, that a command has imported at its end."""
    secrets = {"ONAIR_TOKEN_SECRET": SECRET, "ONAIR_API_KEY": SECRET}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "ONAIR_DATA_DIR": str(data_dir), **secrets},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    said, _, names = ended.stderr.partition("imported ")
    assert names, said
    return {name.partition(".")[0] for name in names.split()}


@pytest.mark.parametrize("arguments", [["--help"], ["rebuild", "--help"], ["key"]])
def test_help_and_key_import_no_library_of_the_server(arguments: list[str], data_dir: Path) -> None:
    assert imported_by(data_dir, *arguments) & (HEAVY | {"cryptography", "jwt", "orjson"}) == set()


def test_a_token_takes_the_libraries_of_tokens_and_no_other(data_dir: Path) -> None:
    imported = imported_by(data_dir, "token", "--user", "alice", "--room", "demo")
    assert imported & (HEAVY | {"jwt"}) == {"jwt"}


def test_a_command_that_works_on_sales_does_import_them(data_dir: Path) -> None:
    imported = imported_by(data_dir / "nowhere", "reconcile")
    assert imported >= {"redis", "sqlalchemy"}


@pytest.mark.parametrize("module", ["server.serving", "server.worker", "server.ledger.process"])
def test_no_process_of_the_server_imports_anything_of_the_load_generator(module: str) -> None:
    program = f"import sys, {module}; print(*sorted(sys.modules))"
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    imported = {name.partition(".")[0] for name in ended.stdout.split()}
    assert imported & GENERATOR == set()
    assert "server" in imported
