"""One ledger worker, as its supervisor starts it, in a process that a test may kill and stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from server.parentage import Inheritance
from tests.support.processes import REPOSITORY
from tests.support.wait import wait_until_sync
from tests.support.worker_app import API_KEY, SECRET


class LedgerApp:
    """`limits` are the server's settings of that name. It can be started again after its end."""

    def __init__(
        self,
        directory: Path,
        redis_url: str,
        database_url: str,
        *,
        number: int = 1,
        **limits: int | str,
    ) -> None:
        self._errors_path = directory / f"ledger-{number}-{os.urandom(4).hex()}.log"
        self._redis_url = redis_url
        self._database_url = database_url
        self._number = number
        self._environ = {
            **os.environ,
            "PYTHONWARNINGS": "error",
            "ONAIR_TOKEN_SECRET": SECRET,
            "ONAIR_API_KEY": API_KEY,
            "ONAIR_LOG_LEVEL": "warning",
            "ONAIR_DATA_DIR": str(directory),
            **{f"ONAIR_{name.upper()}": str(value) for name, value in limits.items()},
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._life_fd = -1

    def start(self, module: str = "server.ledger.process", *arguments: str) -> Self:
        """Start it and wait until it says that it is ready. `arguments` come before its own."""
        self.end()
        ready_read, ready_write = os.pipe()
        life_read, self._life_fd = os.pipe()
        inheritance = Inheritance(
            listen_fd=None,
            ready_fd=ready_write,
            life_fd=life_read,
            redis_url=self._redis_url,
            database_url=self._database_url,
            number=self._number,
        )
        with self._errors_path.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments, *inheritance.to_arguments()],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                cwd=REPOSITORY,
                env=self._environ,
                pass_fds=(ready_write, life_read),
                start_new_session=True,
            )
        os.close(ready_write)
        os.close(life_read)
        with os.fdopen(ready_read, "rb") as ready:  # its end of file means that it has ended
            assert ready.readline() == b"ready\n", self.errors
        return self

    @property
    def errors(self) -> str:
        """What all its lives wrote to the log: warnings and worse."""
        return self._errors_path.read_text()

    @property
    def code(self) -> int | None:
        """How it has ended; None while it runs."""
        return None if self._process is None else self._process.poll()

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def freeze(self) -> None:
        """SIGSTOP; returns when every thread of it stands still."""
        assert self._process is not None
        self.send(signal.SIGSTOP)
        tasks = Path(f"/proc/{self._process.pid}/task")
        wait_until_sync(
            lambda: all(_state(task) == "T" for task in tasks.iterdir()), 10, "it stands still"
        )

    def wait(self, timeout_s: float = 30) -> int:
        """Its exit code."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    def lose_parent(self) -> None:
        """What it sees when its supervisor is killed."""
        os.close(self._life_fd)
        self._life_fd = -1

    def end(self) -> None:
        """Kill it in whatever state it is."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGCONT)
                self._process.kill()
            self._process.wait(10)
            self._process = None
        if self._life_fd >= 0:
            self.lose_parent()


def _state(task: Path) -> str:
    """Of a thread in /proc, as `ps` shows it."""
    return (task / "stat").read_text().rpartition(")")[2].split()[0]
