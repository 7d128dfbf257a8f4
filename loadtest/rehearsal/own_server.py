"""A server for one rehearsal: `onair serve` on a data directory of its own, ended afterwards.

Its data lies beside the report, so that the disk that is measured is the one that is used. Nothing
of another server's settings reaches it, but how it works: see `KEPT`.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtest.rehearsal.children import Child, Children
from loadtest.rehearsal.trouble import Trouble

READY: Final = "onair ready "
START_WITHIN_S: Final = 60.0
KEPT: Final = ("ONAIR_WORKERS", "ONAIR_LEDGER_WORKERS", "ONAIR_DURABILITY")
ACCEPTS_PER_S: Final = 100_000  # everybody comes from one address here
_LOOK_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class OwnServer:
    """Where it listens, the key of its API, and its process."""

    base_url: str
    key: str
    child: Child


@contextmanager
def own_server(directory: Path) -> Iterator[OwnServer]:
    """Start it and wait until it takes traffic. Raises `Trouble` with what it said last."""
    data_dir, key = directory / "server-data", secrets.token_hex(24)
    settings = {
        **{name: os.environ[name] for name in KEPT if name in os.environ},
        "ONAIR_HOST": "127.0.0.1",
        "ONAIR_PORT": "0",
        "ONAIR_DATA_DIR": str(data_dir),
        "ONAIR_TOKEN_SECRET": secrets.token_hex(32),
        "ONAIR_API_KEY": key,
        "ONAIR_LOG_LEVEL": "warning",
        "ONAIR_ACCEPTS_PER_ADDRESS_PER_S": str(ACCEPTS_PER_S),
        "ONAIR_REHEARSAL_DRILLS": "1",
    }
    try:
        with Children() as children:
            child = children.add(Child.module("server", ["server", "serve"], directory, settings))
            yield OwnServer(_ready(child), key, child)
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)


def _ready(child: Child) -> str:
    """The address that it says when it takes traffic."""
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline:
        ended = child.code is not None
        for line in child.log.read_text("utf-8", "replace").splitlines():
            if line.startswith(READY):
                return line.removeprefix(READY).strip()
        if ended:
            break
        time.sleep(_LOOK_S)
    last = child.tail.splitlines()[-1:] or ["it said nothing"]
    raise Trouble(f"the server did not start; {child.log} ends with: {last[0]}")
