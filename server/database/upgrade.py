"""Applies the migrations that a database lacks. Imported only where one does: it takes a while."""

from __future__ import annotations

from importlib import resources

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from server.database.errors import UnknownSchema


def upgrade(connection: sa.Connection) -> None:
    """Apply them in the connection's transaction. Raises `UnknownSchema` before any change."""
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
