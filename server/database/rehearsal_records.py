"""Rehearsals in SQL: which there were, how each stands, what it found, who did what.

There is one shadow shop: a second rehearsal is stored only when the data of the first is gone.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import exc

from server.database.engine import Database
from server.database.rehearsal_tables import rehearsal_acts, rehearsal_reports, rehearsals
from server.database.rehearsal_words import NEXT, Occupied, Run, RunAct, RunEvent, RunState

ACTS_MAX = 200  # that are read of one rehearsal
_ENDS_ONCE = frozenset({RunEvent.FAIL, RunEvent.STOP})
_JSON = ("plan", "progress", "sentence")


class RehearsalRecords:
    """Every call is one transaction; all raise `DatabaseUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, run: Run, act: RunAct) -> Run:
        """Store a new one, with the next number. Raises `Occupied`, naming the one there is."""

        def work(connection: sa.Connection) -> Run:
            there = _occupying(connection)
            if there is not None:
                raise Occupied(there)
            top = connection.execute(sa.select(sa.func.max(rehearsals.c.number))).scalar_one()
            row = _row(run) | {"number": (top or 0) + 1, "occupies": 1}
            connection.execute(sa.insert(rehearsals), row)
            _log(connection, run.id, act)
            return _found(connection, run.id)

        try:
            return await self._database.run(work, attempt="open a rehearsal")
        except exc.IntegrityError as error:  # another one was quicker
            there = await self.current()
            raise Occupied("" if there is None else there.id) from error

    async def find(self, run_id: str) -> Run | None:
        return await self._one(rehearsals.c.id == run_id)

    async def current(self) -> Run | None:
        """The one whose data is there, if there is one."""
        return await self._one(rehearsals.c.occupies == 1)

    async def page(self, before: int | None, limit: int) -> list[Run]:
        """Up to `limit` of them, newest first, those before that number; None: from the newest."""
        query = sa.select(rehearsals).order_by(rehearsals.c.number.desc()).limit(limit)
        query = query if before is None else query.where(rehearsals.c.number < before)

        def work(connection: sa.Connection) -> list[Run]:
            rows = connection.execute(query).all()
            kept = _kept(connection, [row.id for row in rows])
            return [_run(row, kept) for row in rows]

        return await self._database.run(work, attempt="list rehearsals", reads_only=True)

    async def move(
        self,
        run_id: str,
        event: RunEvent | None,
        at_ms: int,
        act: RunAct | None = None,
        **changes: Any,
    ) -> Run | None:
        """Let something happen to a rehearsal; None if there is none of this id.

        `changes` are columns; those that are instants (`..._at_ms`) keep what they have, but for
        `heard_at_ms`. One that is over can neither fail nor be stopped: then nothing changes, and
        no act is logged.
        """

        def work(connection: sa.Connection) -> Run | None:
            row = _locked(connection, run_id)
            if row is None:
                return None
            if event in _ENDS_ONCE and RunState(row.state).is_over:
                return _found(connection, run_id)
            _move(connection, row, event, at_ms, changes)
            if act is not None:
                _log(connection, run_id, act)
            return _found(connection, run_id)

        return await self._database.run(work, attempt=f"change rehearsal {run_id}")

    async def purged(self, run_id: str, at_ms: int, act: RunAct) -> Run | None:
        """Nothing of its data is left: another one may be opened. Repeated, it changes nothing."""

        def work(connection: sa.Connection) -> Run | None:
            row = _locked(connection, run_id)
            if row is None:
                return None
            if row.purged_at_ms is None:
                gone = {"purged_at_ms": at_ms, "shut_at_ms": at_ms, "occupies": None}
                _move(connection, row, RunEvent.PURGE, at_ms, gone)
                _log(connection, run_id, act)
            return _found(connection, run_id)

        return await self._database.run(work, attempt=f"purge rehearsal {run_id}")

    async def keep_report(
        self, run_id: str, kind: str, body: bytes, at_ms: int, *, kept_max: int
    ) -> None:
        """Store a report in the place of one that is there; those of old rehearsals go.

        Reports of the newest `kept_max` rehearsals that have any are kept.
        """
        of_it = (rehearsal_reports.c.rehearsal_id == run_id) & (rehearsal_reports.c.kind == kind)
        with_any = sa.select(rehearsal_reports.c.rehearsal_id).distinct().scalar_subquery()
        newest = (
            sa.select(rehearsals.c.number)
            .where(rehearsals.c.id.in_(with_any))
            .order_by(rehearsals.c.number.desc())
            .offset(kept_max - 1)
            .limit(1)
        )

        def work(connection: sa.Connection) -> None:
            connection.execute(sa.delete(rehearsal_reports).where(of_it))
            packed = zlib.compress(body, 6)  # here: it takes a while, and this is a thread
            row = {"rehearsal_id": run_id, "kind": kind, "body": packed, "at_ms": at_ms}
            connection.execute(sa.insert(rehearsal_reports), row)
            least = connection.execute(newest).scalar_one_or_none()
            if least is not None:
                old = sa.select(rehearsals.c.id).where(rehearsals.c.number < least)
                which = rehearsal_reports.c.rehearsal_id.in_(old)
                connection.execute(sa.delete(rehearsal_reports).where(which))

        await self._database.run(work, attempt=f"store the report of rehearsal {run_id}")

    async def report(self, run_id: str, kind: str) -> bytes | None:
        """A report as it was stored, or None."""
        query = sa.select(rehearsal_reports.c.body).where(
            rehearsal_reports.c.rehearsal_id == run_id, rehearsal_reports.c.kind == kind
        )

        def work(connection: sa.Connection) -> bytes | None:
            packed = connection.execute(query).scalar_one_or_none()
            return None if packed is None else zlib.decompress(packed)

        attempt = f"read the report of rehearsal {run_id}"
        return await self._database.run(work, attempt=attempt, reads_only=True)

    async def acts(self, run_id: str) -> list[RunAct]:
        """Who did what to it, oldest first; at most `ACTS_MAX`."""
        table = rehearsal_acts.c
        query = sa.select(rehearsal_acts).where(table.rehearsal_id == run_id)
        query = query.order_by(table.number).limit(ACTS_MAX)

        def work(connection: sa.Connection) -> list[RunAct]:
            return [
                RunAct(row.at_ms, row.actor, row.kind, orjson.loads(row.detail))
                for row in connection.execute(query)
            ]

        attempt = f"read the acts of rehearsal {run_id}"
        return await self._database.run(work, attempt=attempt, reads_only=True)

    async def purge_of(self, run_id: str) -> dict[str, Any]:
        """What the purge of a rehearsal has deleted; empty as long as there was none."""
        table = rehearsal_acts.c
        query = sa.select(table.detail).where(table.rehearsal_id == run_id, table.kind == "purge")
        query = query.order_by(table.number).limit(1)

        def work(connection: sa.Connection) -> dict[str, Any]:
            detail = connection.execute(query).scalar_one_or_none()
            found: dict[str, Any] = {} if detail is None else orjson.loads(detail)
            return found

        attempt = f"read the purge of rehearsal {run_id}"
        return await self._database.run(work, attempt=attempt, reads_only=True)

    async def _one(self, which: sa.ColumnElement[bool]) -> Run | None:
        def work(connection: sa.Connection) -> Run | None:
            row = connection.execute(sa.select(rehearsals).where(which)).one_or_none()
            return None if row is None else _run(row, _kept(connection, [row.id]))

        return await self._database.run(work, attempt="read a rehearsal", reads_only=True)


def _occupying(connection: sa.Connection) -> str | None:
    query = sa.select(rehearsals.c.id).where(rehearsals.c.occupies == 1)
    return connection.execute(query).scalar_one_or_none()


def _locked(connection: sa.Connection, run_id: str) -> Any:
    query = sa.select(rehearsals).where(rehearsals.c.id == run_id).with_for_update()
    return connection.execute(query).one_or_none()


def _found(connection: sa.Connection, run_id: str) -> Run:
    row = connection.execute(sa.select(rehearsals).where(rehearsals.c.id == run_id)).one()
    return _run(row, _kept(connection, [run_id]))


def _move(
    connection: sa.Connection,
    row: Any,
    event: RunEvent | None,
    at_ms: int,
    changes: Mapping[str, Any],
) -> None:
    state = RunState(row.state)
    after = state if event is None else NEXT[state][event]
    values = {name: _stored(name, value) for name, value in changes.items()}
    for name in values.keys() - {"heard_at_ms"}:
        if name.endswith("_at_ms") and getattr(row, name) is not None:
            values[name] = getattr(row, name)
    values["state"] = after.value
    if after.is_over and not state.is_over:
        values["ended_at_ms"] = at_ms
    connection.execute(sa.update(rehearsals).where(rehearsals.c.id == row.id).values(values))


def _log(connection: sa.Connection, run_id: str, act: RunAct) -> None:
    of_it = sa.select(sa.func.count()).where(rehearsal_acts.c.rehearsal_id == run_id)
    row = {
        "rehearsal_id": run_id,
        "number": connection.execute(of_it).scalar_one() + 1,
        "at_ms": act.at_ms,
        "actor": act.actor,
        "kind": act.kind,
        "detail": orjson.dumps(act.detail).decode(),
    }
    connection.execute(sa.insert(rehearsal_acts), row)


def _kept(connection: sa.Connection, ids: list[str]) -> dict[str, frozenset[str]]:
    table = rehearsal_reports.c
    query = sa.select(table.rehearsal_id, table.kind).where(table.rehearsal_id.in_(ids))
    found: dict[str, frozenset[str]] = {}
    for row in connection.execute(query):
        found[row.rehearsal_id] = found.get(row.rehearsal_id, frozenset()) | {row.kind}
    return found


def _stored(name: str, value: Any) -> Any:
    if name not in _JSON:
        return value
    return "" if value is None else orjson.dumps(value).decode()


def _row(run: Run) -> dict[str, Any]:
    names = [column.name for column in rehearsals.columns if column.name != "occupies"]
    return {name: _stored(name, getattr(run, name)) for name in names}


def _run(row: Any, kept: Mapping[str, frozenset[str]]) -> Run:
    values = {column.name: getattr(row, column.name) for column in rehearsals.columns}
    del values["occupies"]
    for name in _JSON:
        values[name] = orjson.loads(values[name]) if values[name] else None
    values["state"] = RunState(row.state)
    return Run(**values, reports=kept.get(row.id, frozenset()))
