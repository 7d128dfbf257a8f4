"""Looking into databases beside the code under test."""

from __future__ import annotations

import sqlalchemy as sa


def url_of(server_url: str, name: str) -> str:
    """The URL of another database on the same server."""
    url = sa.make_url(server_url).set(database=name)
    return url.render_as_string(hide_password=False)


def open_engine(url: str) -> sa.Engine:
    """A plain engine beside the one under test, for a test to look and to interfere with."""
    target = sa.make_url(url)
    if target.get_backend_name() == "postgresql":
        target = target.set(drivername="postgresql+psycopg")
    return sa.create_engine(target, poolclass=sa.NullPool)


def on_server(server_url: str, statement: str) -> None:
    """Run one statement outside any transaction, such as CREATE DATABASE."""
    engine = open_engine(server_url).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()
