"""The PostgreSQL that other tests stand on: it starts, and keeps what it committed when killed."""

from __future__ import annotations

import psycopg
import pytest

from tests.support.postgres_server import PostgresServer

pytestmark = pytest.mark.needs_postgres


def test_what_was_committed_survives_a_kill() -> None:
    server = PostgresServer()
    server.start()
    try:
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        server.kill()
        server.start()
        with psycopg.connect(server.url) as connection:
            row = connection.execute("SELECT answer FROM kept").fetchone()
        assert row == (42,)
    finally:
        server.stop()
    assert not server.directory.exists()
