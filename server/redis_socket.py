"""The private Unix sockets of a data directory: where they are, that of the embedded Redis first;
asking it, and who else is on it.

Speaks just enough of the protocol to ask a server that is starting or was left behind; everything
else uses `server.redis_client`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import socket
import stat
import struct
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

from server.settings import BadSetting

SOCKET_NAME = "redis.sock"
# The kernel's limit is 108 bytes on Linux and 104 on macOS, with the closing zero byte.
SOCKET_PATH_BYTES_MAX = 100


def socket_path(data_dir: Path, name: str = SOCKET_NAME) -> Path:
    """Where a socket of this data directory is; the same answer for the same directory.

    Below the directory when its path is short enough, else in a short private directory of this
    user, made here.
    """
    direct = data_dir.absolute() / name
    if len(os.fsencode(direct)) <= SOCKET_PATH_BYTES_MAX:
        return direct
    digest = hashlib.sha256(os.fsencode(direct.resolve())).hexdigest()[:16]
    directory = f"onair-{os.getuid()}-{digest}"
    for parent in (Path(tempfile.gettempdir()), Path("/tmp")):
        path = parent / directory / name
        if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
            _make_private(path.parent)
            return path
    raise BadSetting("ONAIR_DATA_DIR", f"{data_dir} is too long a path for a socket")


def _make_private(directory: Path) -> None:
    """Make the directory, or refuse one that somebody else could have put there."""
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise BadSetting("ONAIR_DATA_DIR", f"{directory} is not a private directory of this user")


def socket_url(path: Path) -> str:
    """The URL that `server.redis_client.connect` takes for this socket."""
    return f"unix://{quote(str(path))}"


async def ask(path: Path, command: str, within_s: float) -> bytes:
    """Send one inline command, return the reply's text. `OSError` or `EOFError`: no answer."""
    async with asyncio.timeout(within_s):
        reader, writer = await asyncio.open_unix_connection(path)
        try:
            writer.write(command.encode() + b"\r\n")
            line = await reader.readline()
            if line.startswith(b"$"):
                return await reader.readexactly(int(line[1:]))
            if not line:
                raise EOFError("the server closed the connection")
            return line.rstrip()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def stop_leftover(path: Path, within_s: float) -> int | None:
    """Stop the server that still listens on the socket, if any, and return its pid.

    The caller holds the data directory's lock, so whoever listens there has lost its parent. It is
    asked to shut down, which keeps its data; after half the time it is told by signal, and killed
    at the end of it. A pid of 0 stands for one that the system would not tell.
    """
    pid = _listener_pid(path)
    if pid is None:
        return None
    with contextlib.suppress(OSError, EOFError):
        await ask(path, "SHUTDOWN NOSAVE", within_s / 2)
    for last_word in (signal.SIGTERM, signal.SIGKILL):
        if await _gone(path, pid, within_s / 4):
            return pid
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, last_word)
    if not await _gone(path, pid, within_s / 4):
        raise BadSetting("ONAIR_DATA_DIR", f"a Redis left behind on {path} (pid {pid}) stays up")
    return pid


async def _gone(path: Path, pid: int, within_s: float) -> bool:
    """Wait until nobody listens on the socket any more and the process has ended."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + within_s
    while loop.time() < deadline_s:
        if _listener_pid(path) is None and not (pid and _is_running(pid)):
            return True
        await asyncio.sleep(0.02)
    # A process that has ended but that nobody has waited for yet counts as gone.
    return _listener_pid(path) is None


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _listener_pid(path: Path) -> int | None:
    """The process that listens on the socket: None if there is none, 0 if it cannot be known."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except OSError:
            return 0  # it is there, but does not accept
        if sys.platform == "linux":
            size = struct.calcsize("3i")
            credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
            return int(struct.unpack("3i", credentials)[0])
        if sys.platform == "darwin":
            local_peerpid = 2  # <sys/un.h>: SOL_LOCAL is 0, LOCAL_PEERPID is 2
            return probe.getsockopt(0, local_peerpid)
    return 0
