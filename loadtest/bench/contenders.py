"""The servers of a run: this one by its real command, and its peers. Starts, finds, stops them.

A contender says where its viewers connect, how an event is published and which processes work for
it; the scenarios treat all contenders alike. A new peer is one more function in `STARTERS`.
"""

from __future__ import annotations

import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from loadtest.bench import processes
from loadtest.bench.processes import Cores
from loadtest.dialects import Centrifuge, Dialect, Plain

ROOM = "bench"
MARKER = "bench-event"  # every measured event contains it, and nothing else does
START_WITHIN_S = 60.0
STOP_WITHIN_S = 20.0
PR_SET_PDEATHSIG = 1


class ContenderFailed(Exception):
    """A server did not start, or died; the text ends with what it last wrote."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A running server: its doors, and its processes by what they do."""

    name: str
    dialect: Dialect
    port: int
    publish_port: int
    publish_path: str
    publish_headers: tuple[tuple[str, str], ...]
    envelope: tuple[tuple[str, str], ...]  # what stands beside `data` in a publish request
    web: tuple[int, ...]
    redis: tuple[int, ...] = ()
    others: tuple[int, ...] = ()

    def body(self, event: Mapping[str, Any]) -> bytes:
        """A publish request's body for one event."""
        return orjson.dumps({**dict(self.envelope), "data": event})


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
    api_key, port = secrets.token_hex(24), _free_port()
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
        with _process("onair", command, environment) as (child, log):
            _await_http(child, log, f"http://127.0.0.1:{port}/readyz")
            key = (("X-API-Key", api_key),)
            _post(
                f"http://127.0.0.1:{port}/api/v1/rooms",
                {"id": ROOM, "title": "Bench", "stream_url": ""},
                key,
            )
            family = processes.family(child.pid)
            web = _workers(family, port)
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


@contextmanager
def _naive(cores: Cores) -> Iterator[Contender]:
    port = _free_port()
    command = [sys.executable, "-m", "uvicorn", "loadtest.bench.naive_peer:app"]
    command += ["--port", str(port), "--loop", "uvloop", "--log-level", "warning"]
    with _peer(cores, "naive", [*command, "--no-access-log"], port, port) as contender:
        yield contender


@contextmanager
def _broadcast(cores: Cores) -> Iterator[Contender]:
    port, publish_port = _free_port(), _free_port()
    command = [sys.executable, "-m", "loadtest.bench.broadcast_peer", str(port), str(publish_port)]
    with _peer(cores, "broadcast", command, port, publish_port) as contender:
        yield contender


Starter = Callable[[Cores], AbstractContextManager[Contender]]
STARTERS: dict[str, Starter] = {"onair": onair, "naive": _naive, "broadcast": _broadcast}


@contextmanager
def _peer(
    cores: Cores, name: str, command: list[str], port: int, publish_port: int
) -> Iterator[Contender]:
    with _process(name, command, dict(os.environ)) as (child, log):
        _await_http(child, log, f"http://127.0.0.1:{publish_port}/readyz")
        web = (child.pid,)
        cores.pin_web(web)
        yield Contender(name, Plain(), port, publish_port, "/publish", (), (), web)


@contextmanager
def _process(
    name: str, command: list[str], environment: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """A child in a session of its own; it, and all it started if it does not stop, is ended."""
    with tempfile.TemporaryFile(prefix=f"bench-{name}-") as log:
        child = subprocess.Popen(
            command,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        try:
            yield child, log
        finally:
            family = processes.family(child.pid)
            child.terminate()
            try:
                child.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                print(f"{name} did not stop within {STOP_WITHIN_S:.0f} s: killed", file=sys.stderr)
                for pid in family:
                    with suppress(ProcessLookupError):  # some of it did stop
                        os.kill(pid, signal.SIGKILL)
                child.wait()


def _die_with_parent() -> None:
    """In the child: end when the benchmark does, even if it is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _await_http(child: subprocess.Popen[bytes], log: IO[bytes], url: str) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while True:
        try:
            with _direct().open(url, timeout=2):
                return
        except OSError as error:  # refused, or 503 while it gets ready
            if child.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                tail = log.read()[-2000:].decode(errors="replace")
                raise ContenderFailed(f"{child.args!r}: {error}\n{tail}") from None
        time.sleep(0.05)


def _post(url: str, body: dict[str, Any], headers: tuple[tuple[str, str], ...]) -> None:
    request = urllib.request.Request(
        url,
        json.dumps(body).encode(),
        {"Content-Type": "application/json", **dict(headers)},
        method="POST",
    )
    try:
        with _direct().open(request, timeout=10):
            return
    except urllib.error.HTTPError as error:
        raise ContenderFailed(f"{url}: {error.code} {error.read(500)!r}") from None


def _direct() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _workers(family: list[int], port: int) -> tuple[int, ...]:
    """The processes that serve `port`: of a parent and child that share the socket, the child."""
    holders = processes.listeners(family, port)
    parents = {pid for pid in holders if set(processes.family(pid)[1:]) & set(holders)}
    workers = tuple(pid for pid in holders if pid not in parents)
    if not workers:
        raise ContenderFailed(f"no process of {family} listens on port {port}")
    return workers


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
