"""What SQL knows of arrivals that are to be judged: people, devices, bans, and what is alike.

A handful of queries for a whole batch of one ladder, whatever the size of a farm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from rooms.sharing.arrivals import Facts, Thresholds
from rooms.sharing.ladders import Ladder
from rooms.sharing.policy import ChannelPolicy, RewardTo
from server.database.ladder_tables import arrivals
from server.database.sale_tables import orders
from server.database.tables import sanctions
from server.database.visit_tables import visit_devices, visit_people, visits

PolicyOf = Callable[[str, str], ChannelPolicy]  # of a channel and an app
Row = Any  # of `arrivals`


@dataclass(slots=True)
class Known:
    """What the queries found; `counted` grows while a batch is judged."""

    banned: set[str]
    person_since: dict[str, int]  # user -> when first seen, or first buying
    device_since: dict[str, int]
    device_persons: dict[str, int]
    device_users: set[tuple[str, str]]  # device and inviter, where both are known
    at_home: set[str]  # visits with a browser as their inviter has, from a network of the inviter
    invited_at: dict[tuple[str, str, str], int]  # inviter, what, who -> first opening of a link
    alike: dict[str, tuple[int, int]]  # visit -> of its network, and with its browser
    counted: set[tuple[str, str]] = field(default_factory=set)  # what, who


def people_of(row: Row) -> set[str]:
    """The user ids of an arrival: as a guest and as a member, if it was both."""
    return {row.user_id, row.person} - {""}


def marks_of(row: Row) -> set[tuple[str, str]]:
    """What makes another arrival a repetition of this one."""
    marks = {("person", user) for user in people_of(row)}
    return marks | {("device", row.device)} if row.device else marks


def gather(connection: sa.Connection, ladder: Ladder, rows: Sequence[Row], now_ms: int) -> Known:
    """What is known of a batch of arrivals of one ladder."""
    people = sorted(set().union(*map(people_of, rows)))
    devices = sorted({row.device for row in rows} - {""})
    inviters = sorted({row.inviter for row in rows})
    visit_ids = [row.visit_id for row in rows]
    device_since, device_persons = _devices(connection, devices)
    known = Known(
        banned=_banned(connection, ladder.room, [*people, *inviters], now_ms),
        person_since=_people(connection, people),
        device_since=device_since,
        device_persons=device_persons,
        device_users=_used_by(connection, devices, inviters),
        at_home=_at_home(connection, ladder, visit_ids),
        invited_at={},
        alike=_alike(connection, ladder, visit_ids),
    )
    of_ladder = arrivals.c.ladder_id == ladder.id
    for what, column, wanted in (
        ("device", arrivals.c.device, devices),
        ("person", arrivals.c.user_id, people),
        ("person", arrivals.c.person, people),
    ):
        query = (
            sa.select(
                arrivals.c.inviter,
                column,
                sa.func.min(arrivals.c.entered_at_ms),
                sa.func.max(arrivals.c.rewarded),
            )
            .where(of_ladder, column.in_(wanted))
            .group_by(arrivals.c.inviter, column)
        )
        for inviter, who, at_ms, rewarded in connection.execute(query):
            key = (inviter, what, who)
            known.invited_at[key] = min(at_ms, known.invited_at.get(key, at_ms))
            if rewarded:
                known.counted.add((what, who))
    return known


def facts_of(row: Row, known: Known, ladder: Ladder, policy: ChannelPolicy) -> Facts:
    """The facts of one arrival of the batch. What its inviter may not have for the channel's
    sake still counts for the newcomer, if the policy says so."""
    people = people_of(row)
    net_arrivals, agent_arrivals = known.alike[row.visit_id]
    invited_at_ms = min(
        (known.invited_at.get((row.inviter, *mark), row.entered_at_ms) for mark in marks_of(row)),
        default=row.entered_at_ms,
    )
    return Facts(
        counts=policy.count_arrivals and policy.reward is not RewardTo.NOBODY,
        own=row.inviter in people or (row.device, row.inviter) in known.device_users,
        own_browser=row.visit_id in known.at_home,
        banned=bool(known.banned & (people | {row.inviter})),
        person_known=any(
            known.person_since.get(user, invited_at_ms) < invited_at_ms for user in people
        ),
        device_known=not row.device
        or known.device_since.get(row.device, invited_at_ms) < invited_at_ms,
        counted=bool(known.counted & marks_of(row)),
        faults=row.faults,
        entered_at_ms=row.entered_at_ms,
        first_action_at_ms=row.first_action_at_ms,
        device_persons=known.device_persons.get(row.device, 0),
        net_arrivals=net_arrivals,
        agent_arrivals=agent_arrivals,
        visible_ms=row.visible_ms,
        actions=row.actions,
        member=row.person != "",
        qualified_at_ms=row.qualified_at_ms,
        ends_at_ms=ladder.ends_at_ms,
    )


def _banned(connection: sa.Connection, room: str, users: Iterable[str], now_ms: int) -> set[str]:
    query = sa.select(sanctions.c.user_id).where(
        sanctions.c.room_id == room,
        sanctions.c.kind == "ban",
        sanctions.c.user_id.in_(sorted(set(users))),
        sa.or_(sanctions.c.until_ms.is_(None), sanctions.c.until_ms > now_ms),
    )
    return set(connection.execute(query).scalars())


def _people(connection: sa.Connection, users: Sequence[str]) -> dict[str, int]:
    """Since when each of these users has been known: by a visit, or by an order."""
    visited = sa.select(visit_people.c.user_id, visit_people.c.first_at_ms).where(
        visit_people.c.user_id.in_(users)
    )
    bought = (
        sa.select(orders.c.user_id, sa.func.min(orders.c.placed_at_ms))
        .where(orders.c.user_id.in_(users))
        .group_by(orders.c.user_id)
    )
    since: dict[str, int] = {}
    for query in (visited, bought):
        for user, at_ms in connection.execute(query):
            since[user] = min(at_ms, since.get(user, at_ms))
    return since


def _devices(
    connection: sa.Connection, devices: Sequence[str]
) -> tuple[dict[str, int], dict[str, int]]:
    """Since when each device is known, and how many persons it has: members, or guests if more."""
    members = sa.func.sum(sa.case((visit_devices.c.guest, 0), else_=1))
    guests = sa.func.sum(
        sa.case((sa.and_(visit_devices.c.guest, visit_devices.c.user_id != ""), 1), else_=0)
    )
    query = (
        sa.select(visit_devices.c.device, sa.func.min(visit_devices.c.first_at_ms), members, guests)
        .where(visit_devices.c.device.in_(devices))
        .group_by(visit_devices.c.device)
    )
    found = connection.execute(query).all()
    return {row[0]: row[1] for row in found}, {row[0]: max(row[2], row[3]) for row in found}


def _used_by(
    connection: sa.Connection, devices: Sequence[str], users: Sequence[str]
) -> set[tuple[str, str]]:
    query = sa.select(visit_devices.c.device, visit_devices.c.user_id).where(
        visit_devices.c.device.in_(devices), visit_devices.c.user_id.in_(users)
    )
    return {(row[0], row[1]) for row in connection.execute(query)}


def _at_home(connection: sa.Connection, ladder: Ladder, ids: Sequence[str]) -> set[str]:
    """Those whose inviter has visited, too, from the same network with an alike browser.

    By the visits that are kept; one look into an index for each, whoever has how many.
    """
    own = (
        sa.exists()
        .where(
            who == arrivals.c.inviter,
            visits.c.net == arrivals.c.net,
            visits.c.agent == arrivals.c.agent,
        )
        .correlate(arrivals)
        for who in (visits.c.user_id, visits.c.person)
    )
    query = sa.select(arrivals.c.visit_id).where(
        arrivals.c.ladder_id == ladder.id,
        arrivals.c.visit_id.in_(ids),
        arrivals.c.net != "",
        arrivals.c.agent != "",
        sa.or_(*own),
    )
    return set(connection.execute(query).scalars())


def _alike(
    connection: sa.Connection, ladder: Ladder, ids: Sequence[str]
) -> dict[str, tuple[int, int]]:
    """How many qualified arrivals are of the same network, and of the same browser there.

    Counted up to one more than may be: a farm of any size costs the same.
    """
    thresholds = ladder.thresholds
    one = arrivals.alias("one")
    query = sa.select(
        one.c.visit_id,
        _count(one, thresholds, thresholds.arrivals_per_net_max + 1),
        _count(one, thresholds, thresholds.arrivals_per_agent_max + 1, same_agent=True),
    ).where(one.c.ladder_id == ladder.id, one.c.visit_id.in_(ids))
    return {visit: (of_net, of_agent) for visit, of_net, of_agent in connection.execute(query)}


def _count(
    one: sa.FromClause, thresholds: Thresholds, most: int, *, same_agent: bool = False
) -> sa.ScalarSelect[int]:
    """Arrivals around `one`, before and after it, also those that are judged already."""
    other = arrivals.alias("other")
    at_ms = sa.func.coalesce(one.c.qualified_at_ms, one.c.last_at_ms)
    window_ms = thresholds.cluster_window_ms
    alike = (
        sa.select(sa.literal(1).label("one"))
        .select_from(other)
        .where(
            other.c.ladder_id == one.c.ladder_id,
            other.c.net == one.c.net,
            other.c.qualified_at_ms.between(at_ms - window_ms, at_ms + window_ms),
        )
        .limit(most)
        .correlate(one)
    )
    if same_agent:
        alike = alike.where(other.c.agent == one.c.agent)
    return sa.select(sa.func.count()).select_from(alike.subquery()).scalar_subquery()
