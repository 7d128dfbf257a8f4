"""Starting servers, waiting until they take calls, stopping them with all they started.

Knows processes and doors; refuses to know which server it is.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any, Literal, TypeVar

import orjson

from loadtest.bench import processes
from loadtest.dialects import Dialect

ROOM = "bench"
MARKER = "bench-event"  # every measured event contains it, and nothing else does
START_WITHIN_S = 60.0
STOP_WITHIN_S = 20.0
PR_SET_PDEATHSIG = 1

T = TypeVar("T")
Started = tuple[subprocess.Popen[bytes], IO[bytes]]  # a process and what it writes


class ContenderFailed(Exception):
    """A server did not start, or died; the text ends with what it last wrote."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A running server: its doors, and its processes by what they do."""

    name: str
    dialect: Dialect
    port: int
    publish_port: int
    publish_path: str  # of an HTTP endpoint; with NATS, the subject
    publish_headers: tuple[tuple[str, str], ...]
    envelope: tuple[tuple[str, str], ...]  # what stands beside `data` in a publish request
    web: tuple[int, ...]
    redis: tuple[int, ...] = ()
    others: tuple[int, ...] = ()
    is_bare: bool = False  # an event is published as it is: no `data`, nothing beside it
    published_by: Literal["http", "nats"] = "http"
    gathers: bool = True  # when behind, it gives a viewer several events with one write
    version: str = ""  # what the program says of itself

    def body(self, event: Mapping[str, Any]) -> bytes:
        """A publish request's body for one event."""
        if self.is_bare:
            return orjson.dumps(event)
        return orjson.dumps({**dict(self.envelope), "data": event})


@contextmanager
def process(
    name: str, command: list[str], environment: Mapping[str, str], core: int | None = None
) -> Iterator[Started]:
    """A child in a session of its own, on one core if one is named.

    It, and all it started if it does not stop, is ended.
    """

    def prepare() -> None:
        """In the child: end when the benchmark does, even if it is killed."""
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if core is not None:
            os.sched_setaffinity(0, {core})

    with tempfile.TemporaryFile(prefix=f"bench-{name}-") as log:
        child = subprocess.Popen(
            command,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=prepare,
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


def await_http(started: Started, url: str) -> str:
    """Wait for a good answer and return its text. Raises `ContenderFailed` with the log's end."""

    def ask() -> str:
        with direct().open(url, timeout=2) as answer:
            text: str = answer.read().decode(errors="replace")
            return text

    return _await(started, ask)


def await_greeting(started: Started, port: int) -> bytes:
    """Wait until a server that speaks first does so. Raises `ContenderFailed`."""

    def listen() -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as line:
            if greeting := line.recv(4096):
                return greeting
        raise OSError("closed without a word")

    return _await(started, listen)


def _await(started: Started, attempt: Callable[[], T]) -> T:
    child, log = started
    deadline = time.monotonic() + START_WITHIN_S
    while True:
        try:
            return attempt()
        except OSError as error:  # refused, or 503 while it gets ready
            if child.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                tail = log.read()[-2000:].decode(errors="replace")
                raise ContenderFailed(f"{child.args!r}: {error}\n{tail}") from None
        time.sleep(0.05)


def direct() -> urllib.request.OpenerDirector:
    """HTTP without proxies: servers are on this machine."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def workers(family: list[int], port: int) -> tuple[int, ...]:
    """The processes that serve `port`: of a parent and child that share the socket, the child."""
    holders = processes.listeners(family, port)
    parents = {pid for pid in holders if set(processes.family(pid)[1:]) & set(holders)}
    found = tuple(pid for pid in holders if pid not in parents)
    if not found:
        raise ContenderFailed(f"no process of {family} listens on port {port}")
    return found


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
