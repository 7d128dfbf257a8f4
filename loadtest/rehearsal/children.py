"""Processes that a rehearsal starts: each in a session of its own, with its output in a file.

All of them are ended by their process id, those that do not listen are killed, and none outlives
the process that started it (Linux: even if that one is killed).
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

STOP_WITHIN_S: Final = 20.0
KILLED_WITHIN_S: Final = 10.0
TAIL_BYTES: Final = 2_000
_LOOK_S: Final = 0.05
_PR_SET_PDEATHSIG: Final = 1


class Child:
    """One started process. `name` is such as `locust-1`; its output lies in `NAME.log`."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @classmethod
    def module(
        cls,
        name: str,
        arguments: Sequence[str],
        directory: Path,
        settings: Mapping[str, str] | None = None,
    ) -> Self:
        """Start `python -m ARGUMENTS` with these variables beside those of this process."""
        log = directory / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**clean_environment(), **(settings or {})},
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        return cls(name, process, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code, or None while it runs."""
        return self._process.poll()

    @property
    def tail(self) -> str:
        """What it wrote last."""
        with suppress(OSError):
            return self.log.read_bytes()[-TAIL_BYTES:].decode(errors="replace").strip()
        return ""

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Tell it something, if it still runs."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def wait(self, within_s: float) -> bool:
        """Whether it has ended by then."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(within_s)
        return self._process.poll() is not None

    def kill(self) -> None:
        """End it with all that runs in its session, and wait until it is gone."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self.wait(KILLED_WITHIN_S)


class Children:
    """All processes of a rehearsal. Leaving the context ends what still runs."""

    def __init__(self) -> None:
        self._all: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end(self._all)

    def add(self, child: Child) -> Child:
        self._all.append(child)
        return child

    @property
    def exits(self) -> dict[str, int | None]:
        """Exit codes by name; None of one that runs."""
        return {child.name: child.code for child in self._all}

    def end(self, some: Sequence[Child], within_s: float = STOP_WITHIN_S) -> list[str]:
        """Ask these to stop, all at once, and kill those that do not. Names of the killed."""
        for child in some:
            child.signal()
        deadline = time.monotonic() + within_s
        late = []
        for child in some:
            if not child.wait(max(_LOOK_S, deadline - time.monotonic())):
                child.kill()
                late.append(child.name)
        return late


def clean_environment() -> dict[str, str]:
    """The variables of this process without the server's: none of them is meant for a child."""
    return {name: text for name, text in os.environ.items() if not name.startswith("ONAIR_")}


def raise_open_files() -> int:
    """Allow as many open files as the system lets; children inherit it. Returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return soft


def _die_with_parent() -> None:
    """In the child: end when the process that started it does, however that ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
