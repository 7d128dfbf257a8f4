"""Process trees of tests: what runs below a process, and what is left of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).parents[2]


def is_running(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits to be collected does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def below(pid: int, *words: str) -> list[int]:
    """The running processes below `pid` whose command line has all the words."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        try:
            line = " ".join(process.cmdline())
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        if all(word in line for word in words) and is_running(process.pid):
            found.append(process.pid)
    return found


class Program:
    """A Python module run as its own process, with its output in files below `directory`."""

    def __init__(self, module: str, *arguments: str, directory: Path, **settings: str) -> None:
        self.output_path = directory / "stdout"
        self.errors_path = directory / "stderr"
        with self.output_path.open("wb") as output, self.errors_path.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=_environment(settings),
                cwd=REPOSITORY,
                start_new_session=True,
            )
        self.pid = self.process.pid

    @property
    def output(self) -> str:
        return self.output_path.read_text()

    @property
    def errors(self) -> str:
        return self.errors_path.read_text()

    def wait(self, timeout_s: float = 30) -> int:
        """Its exit code."""
        return self.process.wait(timeout_s)

    def end(self) -> None:
        """Kill it and all below it, if it still runs; for the end of a test."""
        if self.process.poll() is None:
            children = psutil.Process(self.pid).children(recursive=True)
            for process in [psutil.Process(self.pid), *children]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        self.process.wait(10)


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, "PYTHONWARNINGS": "error", **settings}
