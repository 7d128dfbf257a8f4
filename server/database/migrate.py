"""Brings a database to the shape this version needs, without a configuration file."""

from __future__ import annotations

from importlib import resources

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import exc

from server.database.dialects import make_engine
from server.database.errors import DatabaseUnavailable, UnknownSchema, unavailable_because

MIGRATE_WITHIN_S = 60
_ATTEMPT = "bring the database up to date"
_POSTGRES_LOCK = 0x6F6E616972  # any number that nobody else uses for an advisory lock


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
            _upgrade(connection)
    except (exc.DBAPIError, exc.TimeoutError) as error:
        why = unavailable_because(error)
        if why is None:
            raise
        raise DatabaseUnavailable(_ATTEMPT, why) from error
    finally:
        engine.dispose()


def _upgrade(connection: sa.Connection) -> None:
    config = Config()
    steps = str(resources.files("server.database") / "migrations")
    config.set_main_option("script_location", steps.replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
    found = MigrationContext.configure(connection).get_current_heads()
    unknown = sorted(set(found) - known)
    if unknown:
        raise UnknownSchema(
            f"the database is at revision {', '.join(unknown)}, which this version does not know;"
            " a newer version made it"
        )
    command.upgrade(config, "head")
