"""Many rows in one statement, in the way that is quick on each engine.

SQLite takes prepared rows one by one inside the process; PostgreSQL takes one array per column.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

Row = tuple[Any, ...]


class Bulk:
    """Stores rows of one table. Values stand in the order of `columns`; build it once."""

    def __init__(
        self,
        table: sa.Table,
        columns: Sequence[str],
        *,
        conflict: str = "",
        unless_there: Sequence[str] = (),
    ) -> None:
        """`conflict` is an ON CONFLICT clause.

        `unless_there` names a key instead: a row is left out if one with the same key is stored.
        An append-only table needs that, because its triggers on SQLite come before any conflict.
        """
        names = ", ".join(columns)
        into = f"INSERT INTO {table.name} ({names})"
        numbered = {name: f"?{number}" for number, name in enumerate(columns, 1)}
        marks = ", ".join(numbered.values())
        there = f"SELECT 1 FROM {table.name} WHERE "
        if unless_there:
            same = " AND ".join(f"{name} = {numbered[name]}" for name in unless_there)
            self._sqlite = f"{into} SELECT {marks} WHERE NOT EXISTS ({there}{same})"
        else:
            self._sqlite = f"{into} VALUES ({marks}) {conflict}"
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        kinds = [table.c[name].type.compile(dialect).split(" COLLATE")[0] for name in columns]
        arrays = ", ".join(f"%s::{kind}[]" for kind in kinds)
        given = f"SELECT {names} FROM unnest({arrays}) AS given ({names})"
        if unless_there:
            same = " AND ".join(f"{table.name}.{name} = given.{name}" for name in unless_there)
            given = f"{given} WHERE NOT EXISTS ({there}{same})"
        self._postgres = f"{into} {given} {conflict}"

    def store(self, connection: sa.Connection, rows: Sequence[Row]) -> None:
        """Store all rows, or raise `IntegrityError`. No key may stand twice among them."""
        if not rows:
            return
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(self._sqlite, list(rows))
        else:
            connection.exec_driver_sql(self._postgres, tuple(map(list, zip(*rows, strict=True))))
