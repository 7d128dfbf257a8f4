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

    def __init__(self, table: sa.Table, columns: Sequence[str], *, conflict: str = "") -> None:
        """`conflict` is an ON CONFLICT clause. Append-only tables take none: their triggers on
        SQLite refuse a repeated key before any conflict is seen."""
        names = ", ".join(columns)
        marks = ", ".join("?" for _ in columns)
        self._sqlite = f"INSERT INTO {table.name} ({names}) VALUES ({marks}) {conflict}"
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        kinds = [table.c[name].type.compile(dialect).split(" COLLATE")[0] for name in columns]
        # %b: binary arrays. As text every quote of the JSON would be escaped in Python.
        arrays = ", ".join(f"%b::{kind}[]" for kind in kinds)
        self._postgres = (
            f"INSERT INTO {table.name} ({names}) SELECT * FROM unnest({arrays}) {conflict}"
        )

    def store(self, connection: sa.Connection, rows: Sequence[Row]) -> None:
        """Store all rows, or raise `IntegrityError`. No key may stand twice among them."""
        if not rows:
            return
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(self._sqlite, list(rows))
        else:
            connection.exec_driver_sql(self._postgres, tuple(map(list, zip(*rows, strict=True))))
