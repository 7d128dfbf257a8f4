"""Brings a database to the shape this version needs, without a configuration file."""

from __future__ import annotations

from importlib import resources

import sqlalchemy as sa
from sqlalchemy import exc

from server.database.dialects import make_engine
from server.database.errors import DatabaseUnavailable, unavailable_because

MIGRATE_WITHIN_S = 60
_ATTEMPT = "bring the database up to date"
_POSTGRES_LOCK = 0x6F6E616972  # any number that nobody else uses for an advisory lock
_MARK = sa.table("alembic_version", sa.column("version_num"))


def migrate(url: str) -> None:
    """Apply the missing migrations in one transaction. Doing it again changes nothing.

    Processes that start together wait for each other. Raises `DatabaseUnavailable` if it cannot
    be reached, `UnknownSchema` if a newer version made it; in both cases nothing is changed.
    """
    engine = make_engine(url, connections_max=1, within_s=MIGRATE_WITHIN_S)
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_POSTGRES_LOCK)))
            if not _is_current(connection):
                from server.database.upgrade import upgrade  # most starts have nothing to apply

                upgrade(connection)
    except (exc.DBAPIError, exc.TimeoutError) as error:
        why = unavailable_because(error)
        if why is None:
            raise
        raise DatabaseUnavailable(_ATTEMPT, why) from error
    finally:
        engine.dispose()


def newest_revision() -> str:
    """The number that the file of the last migration begins with; it is its revision."""
    files = (resources.files("server.database") / "migrations" / "versions").iterdir()
    return max(file.name.partition("_")[0] for file in files if file.name[:1].isdigit())


def _is_current(connection: sa.Connection) -> bool:
    """Whether the last migration was applied, and nothing that this version does not know."""
    if not sa.inspect(connection).has_table(_MARK.name):
        return False
    return connection.scalars(sa.select(_MARK.c.version_num)).all() == [newest_revision()]
