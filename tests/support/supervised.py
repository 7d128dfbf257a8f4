"""`onair serve` with stand-ins for its workers: what tests of the supervisor start and look at."""

from __future__ import annotations

import socket
from collections.abc import Callable

import psutil

from tests.support.processes import Program, below
from tests.support.wait import wait_until_sync

STRONG = {
    "ONAIR_TOKEN_SECRET": "0123456789abcdefghijklmnopqrstuv",
    "ONAIR_API_KEY": "vutsrqponmlkjihgfedcba9876543210",
}
Start = Callable[..., Program]


def wait_until_ready(program: Program) -> int:
    """Wait for the ready line; returns the port."""
    wait_until_sync(
        lambda: "onair ready" in program.output or program.process.poll() is not None,
        30,
        "the server is ready",
    )
    assert program.output.startswith("onair ready http://127.0.0.1:"), program.errors
    return int(program.output.split()[2].rpartition(":")[2])


def visit(port: int) -> tuple[int, int]:
    """Who answers, and the number of this visit by Redis, 0 if Redis did not answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        pid, number = connection.makefile().read().split()
        return int(pid), int(number)


def visit_after_a_death(port: int) -> tuple[int, int]:
    """As a client does: whoever waited at the dead worker's socket is reset, and comes again."""
    answers: list[tuple[int, int]] = []

    def come() -> bool:
        try:
            answers.append(visit(port))
        except ConnectionResetError:
            return False
        return True

    wait_until_sync(come, 10, "a worker that lives answers")
    return answers[0]


def workers(program: Program) -> list[int]:
    return below(program.pid, "stand_in_worker")


def ledger_workers(program: Program) -> list[int]:
    return below(program.pid, "stand_in_ledger")


def accepts_connections(program: Program) -> bool:
    """Whether the supervisor itself still holds a listening socket."""
    return any(
        connection.status == psutil.CONN_LISTEN
        for connection in psutil.Process(program.pid).net_connections()
    )
