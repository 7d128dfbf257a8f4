"""Runs the migrations on the connection, and inside the transaction, of `engine.migrate`."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    # SQLite can roll DDL back too, once BEGIN is sent by us and not by its driver.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
