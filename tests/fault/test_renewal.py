"""SIGHUP: new processes in the place of all workers, and nobody notices. The web is a stand-in."""

from __future__ import annotations

import os
import pty
import signal
import sys
import threading
from pathlib import Path

import pytest

from tests.support.processes import REPOSITORY, Program, below, is_running
from tests.support.supervised import (
    Start,
    accepts_connections,
    ledger_workers,
    visit,
    wait_until_ready,
    workers,
)
from tests.support.wait import wait_until_sync


class Visits:
    """`with Visits(port):` somebody comes in again and again; none may be turned away."""

    def __init__(self, port: int) -> None:
        self.served_by: set[int] = set()
        self.failures: list[OSError | ValueError] = []
        self._port = port
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, name="visits")

    def __enter__(self) -> Visits:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._enough.is_set():
            try:
                self.served_by.add(visit(self._port)[0])
            except (OSError, ValueError) as error:
                self.failures.append(error)


def renew(server: Program) -> None:
    """Ask for it, and wait until it is done."""
    done = server.errors.count("all workers are renewed")
    os.kill(server.pid, signal.SIGHUP)
    wait_until_sync(
        lambda: server.errors.count("all workers are renewed") > done, 60, "all are renewed"
    )


def test_all_workers_are_succeeded_and_nobody_who_comes_meanwhile_is_turned_away(
    start: Start,
) -> None:
    server = start(ONAIR_WORKERS="2", ONAIR_LEDGER_WORKERS="1")
    port = wait_until_ready(server)
    before, kept_before = workers(server), ledger_workers(server)
    with Visits(port) as visits:
        renew(server)
    assert visits.failures == []
    assert visits.served_by >= set(before)
    after = workers(server)
    assert len(after) == 2
    assert not set(after) & set(before)
    assert len(ledger_workers(server)) == 1
    assert ledger_workers(server) != kept_before
    assert visit(port)[0] in after
    assert server.output.count("onair ready") == 1
    assert "ended with" not in server.errors


def test_what_workers_could_not_start_with_renews_nothing(start: Start, tmp_path: Path) -> None:
    words = tmp_path / "words"
    words.write_text("rude\n")
    server = start(ONAIR_BLOCKED_WORDS_FILE=str(words))
    port = wait_until_ready(server)
    before = workers(server)
    words.unlink()
    os.kill(server.pid, signal.SIGHUP)
    wait_until_sync(lambda: "nothing is renewed" in server.errors, 60, "it is refused")
    assert f"onair: ONAIR_BLOCKED_WORDS_FILE: {words} cannot be read" in server.errors
    assert visit(port)[0] in before
    words.write_text("rude\nruder\n")
    renew(server)
    assert not set(workers(server)) & set(before)


def test_a_stop_in_the_middle_of_a_renewal_ends_everything_in_order(start: Start) -> None:
    server = start(ONAIR_WORKERS="2", STAND_IN="deaf", ONAIR_DRAIN_SECONDS="300")
    wait_until_ready(server)
    before = workers(server)
    os.kill(server.pid, signal.SIGHUP)
    wait_until_sync(lambda: len(workers(server)) == 3, 60, "the first one has a successor")
    everything = below(server.pid)
    assert set(before) < set(workers(server))  # it is deaf: it does not go
    os.kill(server.pid, signal.SIGTERM)
    wait_until_sync(lambda: not accepts_connections(server), 10, "the first signal has arrived")
    os.kill(server.pid, signal.SIGTERM)
    assert server.wait() == 0
    assert [pid for pid in everything if is_running(pid)] == []


WATCHER = """
import signal, sys
from server.terminal import terminal_watch
went_away = terminal_watch()
signal.signal(signal.SIGHUP, lambda *_: sys.exit(7 if went_away() else 8))
print("watching", flush=True)
signal.pause()
"""


@pytest.mark.parametrize(("closes", "code"), [(True, 7), (False, 8)])
def test_a_closed_terminal_is_told_from_a_request_to_renew(closes: bool, code: int) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(REPOSITORY)
        os.execv(sys.executable, [sys.executable, "-c", WATCHER])
    try:
        assert b"watching" in os.read(terminal, 100)
        if closes:
            os.close(terminal)
        else:
            os.kill(pid, signal.SIGHUP)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == code
    finally:
        if not closes:
            os.close(terminal)
