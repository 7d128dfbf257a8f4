"""Who brought whom, in SQL: touches, and the bindings that follow from them.

Follows the writer of visits, in its transactions and so in their order: what it is told twice
changes nothing. The rules are `rooms.sharing.sources.bind`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from rooms.sharing.sources import Binding, Touch, bind
from rooms.sharing.visits import Visit, VisitChange, is_guest
from server.database.bulk import Bulk
from server.database.share_tables import bindings, touches
from server.database.visit_tables import visit_devices

DAY_MS = 86_400_000
NAMELESS = "anonymous-"  # ids of connections; nobody comes back under one

_TOUCHES = Bulk(
    touches,
    ("visit", "device", "inviter", "link", "app", "at_ms", "person"),
    conflict="ON CONFLICT DO NOTHING",
)
_TAKEN = Bulk(
    touches,
    ("visit", "device", "inviter", "link", "app", "at_ms", "person"),
    conflict="ON CONFLICT (visit) DO UPDATE SET person = excluded.person WHERE touches.person = ''",
)
_BINDINGS = Bulk(
    bindings, ("user_id", "number", "inviter", "link", "visit", "app", "bound_at_ms", "until_ms")
)


class Bindings:
    """Binds people to who brought them, for `protected_days` from the touch on.

    Touches are forgotten after `kept_days`, as visits are; bindings never.
    """

    def __init__(self, protected_days: int, kept_days: int) -> None:
        self._protected_ms = protected_days * DAY_MS
        self._kept_ms = kept_days * DAY_MS

    def follow(self, connection: sa.Connection, changes: Sequence[VisitChange]) -> None:
        """Take in what newly stored pieces made of visits, in the transaction that stores them.

        Visits that come by a link with an inviter are touches. Whoever a visit turns out to be is
        bound by the touches of that visit and of its device that no other member has had.
        """
        _store_touches(connection, changes, self._kept_ms)
        found = {change.after.id: change.after for change in changes if _turned_out(change)}
        if found:
            self._bind(connection, list(found.values()))

    def _bind(self, connection: sa.Connection, visits: Sequence[Visit]) -> None:
        stored = _touches_of(connection, visits)
        if not stored:
            return
        owners = _owners(connection, stored)
        by_visit = {one.visit: one for one in stored}
        by_device: dict[str, list[_Stored]] = {}
        for one in stored:
            by_device.setdefault(one.device, []).append(one)
        last = _last_bindings(connection, {visit.user for visit in visits})
        taken: dict[str, str] = {}  # touches count for the first member only: visit -> member
        rows: list[tuple[Any, ...]] = []
        for visit in visits:
            member = not is_guest(visit.user)
            near = {one.visit: one for one in by_device.get(visit.device, ()) if visit.device}
            if visit.id in by_visit:
                near[visit.id] = by_visit[visit.id]
            allowed = ("", visit.user)
            own = [one for one in near.values() if taken.get(one.visit, one.person) in allowed]
            if member:
                taken.update({one.visit: visit.user for one in own if not one.person})
            number, standing = last.get(visit.user, (0, None))
            found = [one.touch((one.device, one.inviter) in owners) for one in own]
            for touch, binding in bind(visit.user, found, standing, self._protected_ms):
                number += 1
                last[visit.user] = (number, binding)
                rows.append(_row(number, touch, binding))
        _BINDINGS.store(connection, rows)
        _TAKEN.store(
            connection, [by_visit[visit]._replace(person=user) for visit, user in taken.items()]
        )


def inviter_of(connection: sa.Connection, user: str, at_ms: int) -> Binding | None:
    """The binding of a user that stands at an instant, or None."""
    query = (
        sa.select(bindings)
        .where(
            bindings.c.user_id == user, bindings.c.bound_at_ms <= at_ms, bindings.c.until_ms > at_ms
        )
        .order_by(bindings.c.number.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _binding(row)


class _Stored(NamedTuple):
    """A touch as the table has it."""

    visit: str
    device: str
    inviter: str
    link: str
    app: str
    at_ms: int
    person: str

    def touch(self, own_device: bool) -> Touch:
        return Touch(self.visit, self.inviter, self.link, self.at_ms, own_device, self.app)


def _turned_out(change: VisitChange) -> bool:
    """Whether it is newly known who a visit is, or on which device a known person is."""
    before, after = change.before, change.after
    if not after.user or after.user.startswith(NAMELESS):
        return False
    return before is None or (before.user, before.device) != (after.user, after.device)


def _store_touches(connection: sa.Connection, changes: Sequence[VisitChange], kept_ms: int) -> None:
    invited = [change for change in changes if change.after.source.inviter]
    rows = {
        visit.id: (
            *(visit.id, visit.device, visit.source.inviter, visit.source.link),
            *(visit.app, visit.entered_at_ms, ""),
        )
        for visit in (change.after for change in invited if change.before is None)
    }
    if rows:
        _TOUCHES.store(connection, list(rows.values()))
        newest_ms = max(change.after.last_at_ms for change in invited)
        connection.execute(sa.delete(touches).where(touches.c.at_ms < newest_ms - kept_ms))
    for change in invited:
        before, after = change.before, change.after
        if before is not None and not before.device and after.device:
            connection.execute(
                sa.update(touches).where(touches.c.visit == after.id).values(device=after.device)
            )


def _touches_of(connection: sa.Connection, visits: Sequence[Visit]) -> list[_Stored]:
    """The touches of these visits, and those of their devices."""
    devices = {visit.device for visit in visits if visit.device}
    query = sa.select(touches).where(
        sa.or_(touches.c.visit.in_([visit.id for visit in visits]), touches.c.device.in_(devices))
    )
    return [_Stored(*row) for row in connection.execute(query)]


def _owners(connection: sa.Connection, stored: Iterable[_Stored]) -> set[tuple[str, str]]:
    """(device, inviter) of those touches whose inviter has used the device."""
    pairs = {(one.device, one.inviter) for one in stored if one.device}
    if not pairs:
        return set()
    query = sa.select(visit_devices.c.device, visit_devices.c.user_id).where(
        visit_devices.c.device.in_({device for device, _ in pairs}),
        visit_devices.c.user_id.in_({inviter for _, inviter in pairs}),
    )
    return {(device, user) for device, user in connection.execute(query)}


def _last_bindings(
    connection: sa.Connection, users: Iterable[str]
) -> dict[str, tuple[int, Binding | None]]:
    """The newest binding of each user who has one, and its number."""
    query = sa.select(bindings).where(bindings.c.user_id.in_(set(users)))
    rows = connection.execute(query.order_by(bindings.c.number))
    return {row.user_id: (row.number, _binding(row)) for row in rows}


def _binding(row: Any) -> Binding:
    return Binding(row.user_id, row.inviter, row.link, row.bound_at_ms, row.until_ms, row.app)


def _row(number: int, touch: Touch, binding: Binding) -> tuple[Any, ...]:
    return (
        binding.user,
        number,
        binding.inviter,
        binding.link,
        touch.visit,
        binding.app,
        binding.bound_at_ms,
        binding.until_ms,
    )
