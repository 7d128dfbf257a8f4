"""The servers of a run: this one by its real command, and its peers. Starts and finds them.

A contender says where its viewers connect, how an event is published and which processes work for
it; the scenarios treat all contenders alike. Peers are in `loadtest.bench.peers`.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from loadtest.bench import peers, processes
from loadtest.bench.launch import (
    MARKER,
    ROOM,
    Contender,
    ContenderFailed,
    await_http,
    direct,
    free_port,
    process,
    workers,
)
from loadtest.bench.processes import Cores
from loadtest.dialects import Centrifuge

__all__ = ["MARKER", "ROOM", "STARTERS", "Contender", "ContenderFailed", "running"]


@contextmanager
def running(cores: Cores, *names: str) -> Iterator[list[Contender]]:
    """Start these contenders, pinned, and stop them with all their processes at the end."""
    with ExitStack() as stack:
        yield [stack.enter_context(STARTERS[name](cores)) for name in names]


# Connects are measured, not paced, where a scenario does not say otherwise.
UNPACED: Mapping[str, str] = {"ONAIR_ACCEPTS_PER_S": "100000"}


@contextmanager
def onair(cores: Cores, changed: Mapping[str, str] = UNPACED) -> Iterator[Contender]:
    """This project's server: `onair serve` with its embedded Redis and a fresh data directory.

    All its settings are at their defaults but those of `changed`.
    """
    api_key, port = secrets.token_hex(24), free_port()
    home = Path(tempfile.mkdtemp(prefix="onair-bench-"))
    environment = {
        **{name: text for name, text in os.environ.items() if not name.startswith("ONAIR_")},
        "ONAIR_DATA_DIR": str(home),
        "ONAIR_PORT": str(port),
        "ONAIR_TOKEN_SECRET": secrets.token_hex(32),
        "ONAIR_API_KEY": api_key,
        "ONAIR_LOG_LEVEL": "warning",
        **changed,
    }
    command = [str(Path(sys.executable).with_name("onair")), "serve"]
    try:
        with process("onair", command, environment) as started:
            await_http(started, f"http://127.0.0.1:{port}/readyz")
            key = (("X-API-Key", api_key),)
            _post(
                f"http://127.0.0.1:{port}/api/v1/rooms",
                {"id": ROOM, "title": "Bench", "stream_url": ""},
                key,
            )
            family = processes.family(started[0].pid)
            web = workers(family, port)
            redis = tuple(pid for pid in family if "redis" in processes.command(pid))
            cores.pin_web(web)
            yield Contender(
                name="onair",
                dialect=Centrifuge(ROOM),
                port=port,
                publish_port=port,
                publish_path="/api/publish",
                publish_headers=key,
                envelope=(("channel", f"room:{ROOM}"),),
                web=web,
                redis=redis,
                others=tuple(pid for pid in family if pid not in (*web, *redis)),
            )
    finally:
        shutil.rmtree(home, ignore_errors=True)


STARTERS: dict[str, peers.Starter] = {"onair": onair, **peers.STARTERS}


def _post(url: str, body: dict[str, Any], headers: tuple[tuple[str, str], ...]) -> None:
    request = urllib.request.Request(
        url,
        json.dumps(body).encode(),
        {"Content-Type": "application/json", **dict(headers)},
        method="POST",
    )
    try:
        with direct().open(request, timeout=10):
            return
    except urllib.error.HTTPError as error:
        raise ContenderFailed(f"{url}: {error.code} {error.read(500)!r}") from None
