"""The record of visits in SQL: written once, followed, made anew, forgotten in time."""

from __future__ import annotations

import asyncio
import random
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from rooms.sharing.sources import Source
from rooms.sharing.visits import Piece, Seen, Told, VisitChange
from server.database.engine import Database
from server.database.visit_records import DAY_MS
from server.database.visit_store import VisitFilters, VisitStore
from server.database.visit_tables import (
    visit_counters,
    visit_devices,
    visit_people,
    visit_pieces,
    visits,
)
from tests.support.visit_parts import BEGAN_MS, BY_ALICE, GAP_MS, arrival, event, piece

pytest_plugins = ["tests.support.databases"]

DERIVED = (visits, visit_counters, visit_people, visit_devices)


@pytest.fixture
def store(database: Database) -> VisitStore:
    return VisitStore(database, beat_gap_ms=GAP_MS)


async def content(database: Database, *tables: sa.Table) -> dict[str, list[Any]]:
    """The rows of tables, sorted."""

    def work(connection: sa.Connection) -> dict[str, list[Any]]:
        return {
            table.name: sorted(
                (tuple(row) for row in connection.execute(sa.select(table))), key=repr
            )
            for table in tables
        }

    return await database.run(work, reads_only=True)


def _execute(statement: str, connection: sa.Connection) -> None:
    connection.execute(sa.text(statement))


async def clear(database: Database, *tables: sa.Table) -> None:
    def work(connection: sa.Connection) -> None:
        for table in tables:
            connection.execute(sa.delete(table))

    await database.run(work)


def crowd(count: int, seed: int = 1) -> list[Piece]:
    """Many visits of some people on some devices, mixed as they would come."""
    chance = random.Random(seed)
    pieces: list[Piece] = []
    for number in range(count):
        member = f"user-{chance.randrange(count // 2 + 1)}" if chance.random() < 0.5 else ""
        guest = f"guest-{number}" if chance.random() < 0.5 else ""
        source = chance.choice([BY_ALICE, Source("sms", "spring", "s1"), Source()])
        told = arrival(
            f"visit-{number:010}",
            at_ms=chance.randrange(3 * DAY_MS),
            source=source,
            comment=f"c{number}",
            device=f"device-{chance.randrange(count):09}",
            user=guest or member,
        )
        if guest and member:  # signed in half way
            told[3:] = [
                Piece(**{**_fields(one), "user": member, "guest": False}) for one in told[3:]
            ]
        pieces += told
    return sorted(pieces, key=lambda one: one.received_at_ms)


def _fields(one: Piece) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Piece.__slots__}


async def test_a_visit_is_what_its_pieces_come_to(store: VisitStore) -> None:
    await store.write(arrival(device="device-0000000001", user="guest-b"), ())
    visit = await store.find("visit-0000000000")
    assert visit is not None
    assert (visit.source, visit.visible_ms, visit.comments) == (BY_ALICE, 60_000, 1)
    assert (visit.device, visit.user, visit.person) == ("device-0000000001", "guest-b", "")
    assert visit.left
    assert await store.find("visit-of-nobody-0") is None


async def test_a_piece_that_comes_again_changes_nothing(
    store: VisitStore, database: Database
) -> None:
    pieces = crowd(20)
    await store.write(pieces, ())
    before = await content(database, visit_pieces, *DERIVED)
    assert await store.write(pieces, ()) == []
    assert await store.write([*pieces[:7], *pieces[:7]], ()) == []
    assert await content(database, visit_pieces, *DERIVED) == before


async def test_portions_of_any_size_come_to_the_same(store: VisitStore, database: Database) -> None:
    pieces = crowd(30)
    await store.write(pieces, ())
    at_once = await content(database, *DERIVED)
    other = [Piece(**{**_fields(one), "visit": "x" + one.visit[1:]}) for one in pieces]
    await clear(database, *DERIVED)
    for start in range(0, len(other), 7):
        await store.write(other[start : start + 7], ())
    in_portions = await content(database, *DERIVED)
    assert repr(in_portions).replace("'xisit-", "'visit-") == repr(at_once)


async def test_visits_counters_people_and_devices_are_made_anew_identical(
    store: VisitStore, database: Database
) -> None:
    pieces = crowd(60)
    for start in range(0, len(pieces), 50):
        await store.write(pieces[start : start + 50], ())
    before = await content(database, *DERIVED)
    assert all(before.values())
    await clear(database, *DERIVED)
    assert not any((await content(database, *DERIVED)).values())
    assert await store.rebuild() == len(pieces)
    assert await content(database, *DERIVED) == before
    assert await store.rebuild() == len(pieces)  # also when nothing was missing
    assert await content(database, *DERIVED) == before


async def test_counters_are_the_sums_of_the_visits(store: VisitStore, database: Database) -> None:
    await store.write(crowd(50), ())
    counted = await store.counters({"demo"}, 0, 2**31, 1_000)
    rows = (await content(database, visits))["visits"]
    names = [column.name for column in visits.columns]
    for name in ("visible_ms", "comments", "likes", "cards_seen"):
        assert sum(one.counts[name] for one in counted) == sum(
            row[names.index(name)] for row in rows
        )
    assert sum(one.counts["visits"] for one in counted) == 50
    members = sum(1 for row in rows if row[names.index("person")])
    assert sum(one.counts["members"] for one in counted) == members
    assert {one.channel for one in counted} == {"wechat", "sms", "direct"}


async def test_followers_see_each_visit_once_before_and_after(store: VisitStore) -> None:
    seen: list[VisitChange] = []

    def follow(connection: sa.Connection, changes: list[VisitChange]) -> None:
        stored = connection.execute(sa.select(sa.func.count()).select_from(visit_pieces))
        assert stored.scalar_one() > 0  # in the same transaction, after the pieces
        seen.extend(changes)

    pieces = arrival()
    await store.write(pieces[:2], [follow])
    await store.write(pieces, [follow])
    await store.write(pieces, [follow])
    assert [change.before for change in seen] == [None, seen[0].after]
    assert seen[1].after == await store.find("visit-0000000000")


async def test_a_follower_that_fails_undoes_the_pieces(
    store: VisitStore, database: Database
) -> None:
    def follow(_connection: sa.Connection, _changes: list[VisitChange]) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        await store.write(arrival(), [follow])
    assert not any((await content(database, visit_pieces, *DERIVED)).values())


async def test_two_writers_at_once_store_everything_once(
    store: VisitStore, database: Database, database_url: str
) -> None:
    pieces = crowd(40)
    other = Database(database_url, threads_max=2, within_s=20)
    second = VisitStore(other, beat_gap_ms=GAP_MS)
    for start in range(0, len(pieces), 60):
        hand = pieces[start : start + 60]
        await asyncio.gather(store.write(hand, ()), second.write(hand, ()))
    await other.close()
    both = await content(database, *DERIVED)
    assert len((await content(database, visit_pieces))["visit_pieces"]) == len(pieces)
    await store.rebuild()
    assert await content(database, *DERIVED) == both


async def test_pieces_cannot_be_changed_or_removed_before_their_time(
    store: VisitStore, database: Database
) -> None:
    await store.write(arrival(), ())
    for statement in (
        "UPDATE visit_pieces SET user_id = 'mallory'",
        "DELETE FROM visit_pieces",
        "UPDATE visit_pieces SET received_at_ms = 0",
    ):
        with pytest.raises(exc.DBAPIError, match="append-only"):
            await database.run(partial(_execute, statement))
    assert len((await content(database, visit_pieces))["visit_pieces"]) == len(arrival())


async def test_what_is_over_its_time_goes_in_slices_and_the_counters_stay(
    store: VisitStore, database: Database
) -> None:
    old = [one for n in range(5) for one in arrival(f"visit-old-{n:06}", user=f"user-{n}")]
    new = arrival("visit-new-000000", at_ms=10 * DAY_MS, user="user-0", comment="c9")
    await store.write(old, ())
    await store.write(new, ())
    counters = await content(database, visit_counters)
    cut_ms = BEGAN_MS + 5 * DAY_MS
    assert [await store.forget(cut_ms, 2) for _ in range(3)] == [2, 2, 1]
    assert await content(database, visit_counters) == counters
    left = await content(database, visits, visit_pieces, visit_people)
    assert [row[0] for row in left["visits"]] == ["visit-new-000000"]
    assert len(left["visit_pieces"]) == len(new)
    assert [row[0] for row in left["visit_people"]] == ["user-0"]  # who came again is known


async def test_people_are_looked_through_when_the_horizon_moves_and_not_again(
    store: VisitStore, database: Database
) -> None:
    await store.write(arrival("visit-old-000000", user="bob", device="d" * 16), ())
    asked: list[str] = []

    def note(_one: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        asked.append(statement.split(" WHERE")[0])

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        for _ in range(3):
            await store.forget(BEGAN_MS + 2 * DAY_MS, 10)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    for table in (visit_people, visit_devices):
        assert asked.count(f"DELETE FROM {table.name}") == 1
        assert (await content(database, table))[table.name] == []


async def test_after_forgetting_a_rebuild_is_identical_too(
    store: VisitStore, database: Database
) -> None:
    long = [
        piece("p1", event(Told.ENTER), visit="visit-long-00000", user="guest-7", device="d" * 16),
        piece(
            "p2",
            event(Told.BEAT, 4 * DAY_MS),
            at_ms=4 * DAY_MS,
            visit="visit-long-00000",
            user="user-1",
            device="d" * 16,
        ),
    ]
    pieces = sorted([*crowd(40), *long], key=lambda one: one.received_at_ms)
    await store.write(pieces, ())
    while await store.forget(BEGAN_MS + 2 * DAY_MS, 10) == 10:
        continue
    before = await content(database, *DERIVED)
    assert 0 < len(before["visits"]) < 41
    assert any(row[0] == "visit-long-00000" for row in before["visits"])
    await store.rebuild()
    assert await content(database, *DERIVED) == before


async def test_a_piece_from_before_the_horizon_is_passed_over(
    store: VisitStore, database: Database
) -> None:
    await store.forget(BEGAN_MS + 2 * DAY_MS, 10)
    assert await store.write(arrival(), ()) == []
    assert (await content(database, visit_pieces))["visit_pieces"] == []


async def test_the_steps_come_back_in_order_with_what_was_seen_and_told(store: VisitStore) -> None:
    told = [
        piece(
            "p1",
            event(Told.ENTER, 10, referrer="shop.example"),
            event(Told.CARD_OPEN, 900, product="tea"),
            at_ms=1_000,
            user="guest-1",
            source=BY_ALICE,
            explaining="tea",
        ),
        piece("p2", event(Told.SKU_PICK, 2_000, sku="tea-100"), at_ms=2_100, user="bob"),
    ]
    await store.write(told, ())
    found = await store.whole("visit-0000000000")
    assert found is not None
    steps = found.pieces
    assert [one.t for stored in steps for one in stored.events] == [
        *(Told.ENTER, Told.CARD_OPEN, Seen.SIGNED_IN, Told.SKU_PICK)
    ]
    assert steps[0] == told[0]
    assert steps[1].events[1] == told[1].events[0]


async def test_visits_are_listed_newest_first_in_pages(store: VisitStore) -> None:
    pieces = [one for n in range(7) for one in arrival(f"visit-{n:010}", at_ms=n * 1_000)]
    await store.write(pieces, ())
    seen: list[str] = []
    after = None
    while page := await store.page(after, 3, VisitFilters()):
        seen += [visit.id for visit in page]
        after = page[-1].id
    assert seen == [f"visit-{n:010}" for n in range(6, -1, -1)]
    assert await store.page("visit-of-nobody-0", 3, VisitFilters()) == []


async def test_filters_leave_only_what_was_asked_for(store: VisitStore) -> None:
    await store.write(arrival("visit-by-alice-0", device="d" * 16), ())
    other: dict[str, Any] = {
        "source": Source("sms", "spring", "staff-1"),
        "room": "other",
        "user": "bob",
    }
    await store.write(arrival("visit-by-sms-000", at_ms=60_000, **other), ())

    async def ids(**wanted: Any) -> list[str]:
        return [visit.id for visit in await store.page(None, 10, VisitFilters(**wanted))]

    assert await ids(inviter="alice") == ["visit-by-alice-0"]
    assert await ids(link=BY_ALICE.link) == ["visit-by-alice-0"]
    assert await ids(device="d" * 16) == ["visit-by-alice-0"]
    assert await ids(channel="sms", campaign="spring", staff="staff-1") == ["visit-by-sms-000"]
    assert await ids(person="bob") == ["visit-by-sms-000"]
    assert await ids(rooms=frozenset({"other"})) == ["visit-by-sms-000"]
    assert await ids(rooms=frozenset()) == []
    assert await ids(from_ms=BEGAN_MS + 1) == ["visit-by-sms-000"]
    assert await ids(to_ms=BEGAN_MS + 1) == ["visit-by-alice-0"]
    assert await ids(person="\0") == []


async def test_visits_of_a_guest_belong_to_the_only_member_of_the_device(
    store: VisitStore,
) -> None:
    device = "device-of-bob-01"
    await store.write(arrival("visit-of-a-guest", device=device, user="guest-1"), ())
    await store.write(arrival("visit-anonymous0", device=device, at_ms=1_000), ())
    await store.write(arrival("visit-of-bob-000", device=device, user="bob", at_ms=2_000), ())

    async def of(person: str) -> list[str]:
        found = await store.page(None, 10, VisitFilters(person=person))
        return [visit.id for visit in found]

    assert await of("bob") == ["visit-of-bob-000", "visit-anonymous0", "visit-of-a-guest"]
    assert await of("guest-1") == ["visit-of-a-guest"]
    await store.write(arrival("visit-of-carol-0", device=device, user="carol", at_ms=3_000), ())
    assert await of("bob") == ["visit-of-bob-000"]  # a device of two members belongs to nobody
    assert await of("carol") == ["visit-of-carol-0"]


async def test_what_is_set_aside_is_kept_once(store: VisitStore) -> None:
    for _ in range(2):
        await store.set_aside("1-1", b"\xff\0", "no piece", BEGAN_MS)
    assert await store.set_aside_count() == 1
    await store.forget(BEGAN_MS, 10)
    assert await store.set_aside_count() == 1
    await store.forget(BEGAN_MS + DAY_MS, 10)  # it may name people, too
    assert await store.set_aside_count() == 0
