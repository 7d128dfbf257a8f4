"""A server for the hostile tests, and the rule that none of them may harm it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.hostile import CONNECT_WITHIN_S, REQUEST_WITHIN_S, complaints
from tests.support.live_server import LiveServer


@pytest.fixture(scope="session")
def hostile_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """`onair demo` with short waits, for all hostile tests of a run; take a room of your own."""
    failed_before = request.session.testsfailed
    server = LiveServer(
        tmp_path_factory.mktemp("hostile"),
        ONAIR_CONNECT_WITHIN_S=str(CONNECT_WITHIN_S),
        ONAIR_REQUEST_WITHIN_S=str(REQUEST_WITHIN_S),
    )
    try:
        server.start()
        yield server
        if request.session.testsfailed > failed_before:
            server.keep_errors("hostile")
    finally:
        server.end()


@pytest.fixture
def unharmed(hostile_server: LiveServer) -> Iterator[LiveServer]:
    """The hostile server; after the test the same worker runs and its log tells of no bug."""
    pids = hostile_server.worker_pids()
    before = len(complaints(hostile_server))
    yield hostile_server
    assert hostile_server.worker_pids() == pids
    assert complaints(hostile_server)[before:] == []
