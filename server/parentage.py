"""Nobody outlives its parent: how `onair`'s processes notice that the one above them is gone.

A pipe whose only write end the parent holds reaches its end of file when the parent ends, however
that happens. `Watcher` does this for a program that knows nothing of it (Redis); `Inheritance` is
what a worker gets from its supervisor.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

# To a web worker: another one stands at your entrance; take nobody in any more, drain, and end.
HAND_OVER = signal.SIGHUP

# The first line tells whom to watch. End of file before the word "ended" means that the parent is
# gone. One that was stopped hears the request to end when it goes on. A kill follows if the program
# ignores it for 20 s.
_WATCH = """
trap '' HUP INT TERM
read -r pid || exit 0
read -r ended && exit 0
kill -TERM "$pid" 2>/dev/null || exit 0
kill -CONT "$pid" 2>/dev/null
seconds=0
while kill -0 "$pid" 2>/dev/null; do
  [ "$seconds" -lt 20 ] || { kill -KILL "$pid" 2>/dev/null; exit 0; }
  sleep 1
  seconds=$((seconds + 1))
done
"""


class Watcher:
    """A tiny shell process that ends a program if this process goes first.

    Make it, start the program so that it waits for a word, `watch` its pid, then give the word:
    there is no moment at which the program runs unwatched. Call `dismiss` when the program has
    ended.
    """

    def __init__(self) -> None:
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", _WATCH],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def watch(self, pid: int) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"{pid}\n".encode())
        self._shell.stdin.flush()

    def dismiss(self) -> None:
        """Let the shell go, and wait for it. It does nothing more."""
        with contextlib.suppress(BrokenPipeError):
            self._shell.communicate(b"ended\n")


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What a worker is given by its supervisor, beside the environment with the settings.

    `python -m server.worker --ready-fd 4 --life-fd 5 [--listen-fd 3] [--number 1]
    [--redis-url URL] [--database-url URL] [--rehearsal RUN]`; a ledger worker has no socket. The
    URLs are given only where the settings have none: for the embedded Redis and the SQLite file of
    the data directory. They hold no password, so that none stands on a command line.
    """

    listen_fd: int | None
    ready_fd: int
    life_fd: int
    redis_url: str | None = None
    database_url: str | None = None
    number: int = 1  # among the workers of its kind, from 1; a restarted one keeps it
    rehearsal: str = ""  # it works for the shadow shop of this run

    @classmethod
    def from_arguments(cls, arguments: Sequence[str]) -> Self:
        """Parse `sys.argv[1:]` of a worker; ends the program with a message if it is wrong."""
        parser = argparse.ArgumentParser(
            prog="python -m server.worker",
            description="One worker. `onair serve` starts it; it is not for the command line.",
        )
        for name in ("--ready-fd", "--life-fd"):
            parser.add_argument(name, type=int, required=True)
        parser.add_argument("--listen-fd", type=int)
        parser.add_argument("--number", type=int, default=1)
        parser.add_argument("--redis-url")
        parser.add_argument("--database-url")
        parser.add_argument("--rehearsal", default="")
        return cls(**vars(parser.parse_args(arguments)))

    def to_arguments(self) -> list[str]:
        """The command line that `from_arguments` reads."""
        arguments = [
            *("--ready-fd", str(self.ready_fd)),
            *("--life-fd", str(self.life_fd)),
            *("--number", str(self.number)),
        ]
        if self.listen_fd is not None:
            arguments += ["--listen-fd", str(self.listen_fd)]
        if self.redis_url is not None:
            arguments += ["--redis-url", self.redis_url]
        if self.database_url is not None:
            arguments += ["--database-url", self.database_url]
        if self.rehearsal:
            arguments += ["--rehearsal", self.rehearsal]
        return arguments

    def listening_socket(self) -> socket.socket:
        """The socket to accept on. All workers share it; closing it here does not close it."""
        assert self.listen_fd is not None, "this worker has no socket"
        return socket.socket(fileno=self.listen_fd)

    def report_ready(self) -> None:
        """Tell the supervisor that this worker does its work. Call it once."""
        with contextlib.suppress(BrokenPipeError):  # the parent is gone: `parent_gone` tells
            os.write(self.ready_fd, b"ready\n")
        os.close(self.ready_fd)


def parent_gone(life_fd: int) -> asyncio.Future[None]:
    """A future of the running loop that is done when the parent has ended.

    The worker then shuts down as on SIGTERM. Cancel the future to stop looking.
    """
    loop = asyncio.get_running_loop()
    gone: asyncio.Future[None] = loop.create_future()

    def end_of_file() -> None:
        # Nothing is ever written to this pipe: readable means that the write end is closed.
        loop.remove_reader(life_fd)
        if not gone.done():
            gone.set_result(None)

    loop.add_reader(life_fd, end_of_file)
    gone.add_done_callback(lambda _: loop.remove_reader(life_fd))
    return gone
