"""The processes that make the load of a rehearsal: Locust, on one or more machines, and audiences.

They find what they need in the directory of the run, and leave there what they saw.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtest.rehearsal.children import Child, Children
from loadtest.rehearsal.people import People
from loadtest.rehearsal.plan import Plan

LOCUSTFILE: Final = Path(__file__).with_name("locustfile.py")
DIRECTORY: Final = "ONAIR_REHEARSAL_DIR"  # tells Locust where the run's files are
EXPECT_WITHIN_S: Final = 60
AUTOQUIT_S: Final = 3
LOOPBACK: Final = "127.0.0.1"
PORT: Final = 5557  # where Locust's master listens for other machines


@dataclass(frozen=True, slots=True)
class Load:
    """How Locust is started. `elsewhere`: workers that other machines bring."""

    workers: int = 1
    elsewhere: int = 0
    bind: str = LOOPBACK
    port: int = 0  # 0: PORT with other machines, else any that is free
    web_port: int = 0  # 0: no page of Locust's own


def start_audiences(plan: Plan, people: People, directory: Path, children: Children) -> list[Child]:
    """Audiences, each with its share of the silent viewers and of the witnesses."""
    places, count = people.places("audience"), plan.generator.audience_processes
    viewers = shares(len(places), count)
    watching = shares(min(plan.generator.witnesses, len(places)), count)
    started, first = [], places.start
    for number, (mine, witnesses) in enumerate(zip(viewers, watching, strict=True), 1):
        who = f"audience-{number}"
        arguments = ["--dir", str(directory), "--who", who, "--first", str(first)]
        arguments += ["--count", str(mine), "--witnesses", str(witnesses)]
        if mine:
            module = ["loadtest.rehearsal.audience", *arguments]
            started.append(children.add(Child.module(who, module, directory)))
        first += mine
    return started


def start_locust(load: Load, directory: Path, children: Children) -> list[Child]:
    """Locust: one process, or a master with its workers. The first one ends when all is done."""
    if load.workers == 1 and not load.elsewhere:
        return [_locust("locust-1", _front(load), directory, children)]
    port = load.port or (PORT if load.elsewhere else free_port())
    master = ["--master", "--master-bind-host", load.bind, "--master-bind-port", str(port)]
    master += ["--expect-workers", str(load.workers + load.elsewhere)]
    master += ["--expect-workers-max-wait", str(EXPECT_WITHIN_S)]
    started = [_locust("locust-master", [*_front(load), *master], directory, children)]
    host = LOOPBACK if load.bind in ("0.0.0.0", "*") else load.bind
    for number in range(1, load.workers + 1):
        arguments = ["--worker", "--master-host", host, "--master-port", str(port)]
        started.append(_locust(f"locust-{number}", arguments, directory, children))
    return started


def join(host: str, port: int, number: int, directory: Path, children: Children) -> Child:
    """A worker for the master of a rehearsal on another machine, which sends it what it needs."""
    arguments = ["--worker", "--master-host", host, "--master-port", str(port or PORT)]
    name = f"locust-{socket.gethostname()}-{os.getpid()}-{number}"
    return _locust(name, arguments, directory, children)


def shares(count: int, parts: int) -> list[int]:
    """`count` in as many parts, which differ by one at most."""
    return [count // parts + (number < count % parts) for number in range(parts)]


def free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _front(load: Load) -> list[str]:
    """With Locust's page, or without any."""
    if not load.web_port:
        return ["--headless", "--only-summary"]
    page = ["--web-host", LOOPBACK, "--web-port", str(load.web_port)]
    return [*page, "--autostart", "--autoquit", str(AUTOQUIT_S)]


def _locust(name: str, arguments: Sequence[str], directory: Path, children: Children) -> Child:
    module = ["locust", "-f", str(LOCUSTFILE), "--loglevel", "WARNING", *arguments]
    settings = {DIRECTORY: str(directory), "LOCUST_WHO": name}
    return children.add(Child.module(name, module, directory, settings))
