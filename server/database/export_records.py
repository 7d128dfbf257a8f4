"""Reading the tables of an export, a piece at a time and in the order of their keys."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from server.database.engine import Database
from server.database.exported_tables import DEVICE, DEVICE_CHARS_SHOWN, Exported

_MINE = "is_of_the_rooms"
Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows by the names of an export. `last`: the key to go on behind; None: there is no more."""

    rows: list[dict[str, Any]]
    last: Key | None


class ExportRecords:
    """Every call is one transaction that looks at no more rows than it is told, whosever they are.

    All raise `DatabaseUnavailable`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def piece(
        self,
        exported: Exported,
        after: Key | None,
        limit: int,
        *,
        among: Collection[str] | None = None,
    ) -> Piece:
        """Those of the next `limit` rows that belong to the rooms `among`; None: all of them.

        Rows are as they are stored, but for devices, of which the beginning is given.
        """
        keys = list(exported.table.primary_key.columns)
        mine = sa.true() if among is None else exported.is_of(among)
        query = sa.select(exported.table, mine.label(_MINE)).order_by(*keys).limit(limit)
        if after is not None:
            values = [sa.literal(value, key.type) for key, value in zip(keys, after, strict=True)]
            query = query.where(sa.tuple_(*keys) > sa.tuple_(*values))
        rows = await self._database.run(
            lambda connection: connection.execute(query).mappings().all(),
            attempt=f"export {exported.table.name}",
            reads_only=True,
        )
        last = tuple(rows[-1][key.name] for key in keys) if len(rows) == limit else None
        return Piece([_told(exported, row) for row in rows if row[_MINE]], last)


def _told(exported: Exported, row: sa.RowMapping) -> dict[str, Any]:
    told = {outside: row[name] for name, outside in exported.names.items()}
    if DEVICE in told:
        told[DEVICE] = told[DEVICE][:DEVICE_CHARS_SHOWN]
    return told


def parsed(exported: Exported, told: dict[str, Any]) -> dict[str, Any]:
    """The same row with the values that its JSON columns hold."""
    values = {name: json.loads(told[name]) for name in exported.json if told[name] is not None}
    return told | values
