"""What a connection leaves behind when it is gone: nothing, not even work for the collector."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import uvicorn
import uvloop
from websockets.protocol import Protocol

from server.app import App, create_app
from server.codec.wire_frames import text_frame
from server.connection import HandshakeProtocol
from server.database.engine import Database, sqlite_url
from server.database.migrate import migrate
from server.database.records import RoomRecords
from server.http_door import HttpDoor
from server.settings import Settings
from server.viewer import Viewer
from server.worker import config_of
from tests.support.wait import wait_until

WITHIN_S = 90
PARTS = (Viewer, HandshakeProtocol, HttpDoor, Protocol)
SECRET = "a secret of more than thirty-two bytes"
UPGRADE = (
    b"GET /connection/websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n"
)
JOIN = b'{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"room:show"}}'


def masked(payload: bytes) -> bytes:
    """A client's text frame with the mask 0, which changes nothing."""
    frame = text_frame(payload)
    head = len(frame) - len(payload)
    return frame[:1] + bytes((frame[1] | 0x80,)) + frame[2:head] + bytes(4) + payload


def alive() -> Counter[str]:
    """How many parts of connections there are in this process."""
    return Counter(
        type(thing).__qualname__ for thing in gc.get_objects() if isinstance(thing, PARTS)
    )


def come_and_go(port: int, times: int) -> int:
    """Join the room and hang up, again and again; returns how often the room was seen."""
    seen = 0
    for _ in range(times):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(UPGRADE)
            assert b" 101 " in connection.recv(4_096)
            connection.sendall(masked(JOIN))
            answered = b""  # the two replies may come one after the other
            while b'"recoverable":true' not in answered and (more := connection.recv(65_536)):
                answered += more
            seen += b'"recoverable":true' in answered
    return seen


def test_a_closed_connection_leaves_no_reference_cycle(redis_url: str, tmp_path: Path) -> None:
    """In a process of its own: what other tests and pytest itself hold on to is not counted."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.test_connection_end", redis_url, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {}


async def left_behind_by_connections(redis_url: str, tmp_path: Path) -> Counter[str]:
    """The parts of a hundred closed connections that are still in memory, by type."""
    database_url = sqlite_url(tmp_path / "onair.db")
    migrate(database_url)
    database = Database(database_url, threads_max=1, within_s=10)
    await RoomRecords(database).create("show", "Show", "")
    await database.close()
    settings = Settings(token_secret=SECRET, api_key=SECRET, log_level="warning")
    app = create_app(settings, redis_url=redis_url, database_url=database_url)
    config = config_of(app, settings)
    config.port = 0
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        left_behind = await hundred_connections(app, server)
        worker = app.worker
    finally:  # also when it failed: what serves does not end by being cancelled
        gc.enable()
        server.should_exit = True
        await serving
    assert worker is not None
    assert len(worker.gateway.wheel) == 0
    return left_behind


async def hundred_connections(app: App, server: uvicorn.Server) -> Counter[str]:
    """Let a hundred come and go while nothing is collected; what is left of them, by type."""
    await wait_until(lambda: server.started, 20, "the server is up")
    worker = app.worker
    assert worker is not None
    port = server.servers[0].sockets[0].getsockname()[1]
    await asyncio.to_thread(come_and_go, port, 20)  # what is made once is made by now
    await wait_until(lambda: not worker.gateway.viewers, 10, "all have gone")
    await wait_until(lambda: gc.collect() >= 0 and not alive(), 10, "nothing is left of them")
    gc.disable()  # from here on only reference counts free anything
    assert await asyncio.to_thread(come_and_go, port, 100) == 100
    await wait_until(lambda: not worker.gateway.viewers, 10, "all have gone")
    with contextlib.suppress(AssertionError):  # what is left then is told by type
        await wait_until(lambda: not alive(), 10, "nothing is left of them")
    return alive()


if __name__ == "__main__":
    print(json.dumps(uvloop.run(left_behind_by_connections(sys.argv[1], Path(sys.argv[2])))))
