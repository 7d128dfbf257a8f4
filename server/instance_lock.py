"""One server per data directory: the directory itself, and the lock on it.

Knows nothing of what is kept in the directory.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from server.settings import BadSetting

LOCK_NAME = "onair.lock"


class InstanceRunning(Exception):
    """Another server holds the data directory; the text names its pid and the directory."""


def prepare_data_dir(data_dir: Path) -> Path:
    """Make the data directory, private to its owner, and return its absolute path.

    `BadSetting` says why when it cannot be made or written to.
    """
    path = data_dir.absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = path / ".writable"
        probe.write_bytes(bytes(4096))
        probe.unlink()
    except OSError as error:
        raise BadSetting("ONAIR_DATA_DIR", f"cannot write to {path}: {_why(error)}") from error
    return path


class InstanceLock:
    """The exclusive hold on a data directory, from `acquire` to `release`.

    It is a lock of the operating system: it ends with this process, however that ends.
    """

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir.absolute() / LOCK_NAME
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock at once or raise `InstanceRunning`. The directory must exist."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError:
            owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise InstanceRunning(
                f"{self.path.parent} is in use by another onair (process {owner}); "
                "stop that one, or give this one another ONAIR_DATA_DIR"
            ) from None
        except OSError as error:
            os.close(descriptor)
            raise BadSetting("ONAIR_DATA_DIR", f"cannot lock {self.path}: {_why(error)}") from error
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the directory free. The file stays: removing it would race with the next owner."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _why(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "the disk is full"
    return error.strerror or str(error)
