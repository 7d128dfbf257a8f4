"""Migrations, and the schema they lead to, on both real engines."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from importlib import import_module, resources
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

import server.database
from server.database.engine import Database, DatabaseUnavailable, UnknownSchema
from server.database.migrate import migrate, newest_revision
from server.database.tables import METADATA
from tests.support.product_rows import insert, stored_ids
from tests.support.sql import open_engine

pytest_plugins = ["tests.support.databases"]

for module in pkgutil.iter_modules(server.database.__path__):  # each adds its tables
    if module.name.endswith("tables"):
        import_module(f"server.database.{module.name}")


async def test_the_schema_is_exactly_what_the_queries_expect(database_url: str) -> None:
    engine = open_engine(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
    engine.dispose()


async def test_every_check_constraint_of_the_tables_is_in_the_database(database_url: str) -> None:
    engine = open_engine(database_url)
    inspector = sa.inspect(engine)
    for table in METADATA.sorted_tables:
        stored = {constraint["name"] for constraint in inspector.get_check_constraints(table.name)}
        expected = {c.name for c in table.constraints if isinstance(c, sa.CheckConstraint)}
        assert stored == expected, table.name
    engine.dispose()


def test_every_migration_has_its_revision_in_its_name_and_follows_the_one_before() -> None:
    config = Config()
    config.set_main_option(
        "script_location", str(resources.files("server.database") / "migrations")
    )
    steps = list(ScriptDirectory.from_config(config).walk_revisions())
    assert steps[0].revision == newest_revision()
    assert [Path(step.path).name.partition("_")[0] for step in steps] == [
        f"{number:04}" for number in range(len(steps), 0, -1)
    ]


def test_a_database_that_is_up_to_date_costs_no_machinery_of_migrations(
    empty_database_url: str,
) -> None:
    program = (
        "import sys; from server.database.migrate import migrate; migrate(sys.argv[1]);"
        "print('alembic' in sys.modules)"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", program, empty_database_url],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for _ in range(2)
    ]
    assert said == ["True", "False"]


def test_migrating_again_changes_nothing(database_url: str) -> None:
    engine = open_engine(database_url)
    with engine.begin() as connection:
        insert("kept", connection)
    migrate(database_url)
    assert stored_ids(database_url) == ["kept"]
    engine.dispose()


def test_a_database_of_the_version_before_keeps_what_it_holds(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    with engine.begin() as connection:
        config = Config()
        steps = resources.files("server.database") / "migrations"
        config.set_main_option("script_location", str(steps).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        insert("kept", connection)
    migrate(empty_database_url)
    assert stored_ids(empty_database_url) == ["kept"]
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
    engine.dispose()


def test_processes_that_start_together_all_find_the_schema(empty_database_url: str) -> None:
    program = "import sys; from server.database.migrate import migrate; migrate(sys.argv[1])"
    command = [sys.executable, "-c", program, empty_database_url]
    together = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    answers = [process.communicate(timeout=60) for process in together]
    assert [process.returncode for process in together] == [0, 0, 0], answers
    assert stored_ids(empty_database_url) == []


def test_a_database_of_a_newer_version_is_refused_and_left_alone(database_url: str) -> None:
    engine = open_engine(database_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(UnknownSchema, match="revision 9999"):
        migrate(database_url)
    with engine.connect() as connection:
        revision = connection.execute(sa.text("SELECT version_num FROM alembic_version"))
        assert revision.scalar_one() == "9999"
    engine.dispose()


async def test_ping_of_a_database_without_tables_says_to_migrate_it(
    empty_database_url: str,
) -> None:
    database = Database(empty_database_url, threads_max=1, within_s=2)
    with pytest.raises(DatabaseUnavailable, match="its tables are not there, migrate it first"):
        await database.ping()
    await database.close()
