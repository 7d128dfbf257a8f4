"""Bindings follow from stored visits, on both engines: who is bound when somebody turns out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from rooms.sharing.sources import Source
from rooms.sharing.visits import Event, Piece, Told
from server.database.binding_records import DAY_MS, Bindings, inviter_of
from server.database.engine import Database
from server.database.share_tables import bindings, touches
from server.database.visit_records import write_pieces
from server.database.visit_store import VisitStore

pytest_plugins = ["tests.support.databases"]

DAY_0 = 1_800_000_000_000
PROTECTED_DAYS = 30
KEPT_DAYS = 90


class Record:
    """Visits told in pieces, with bindings following; every piece is told twice."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bindings = Bindings(PROTECTED_DAYS, KEPT_DAYS)
        self._keys = 0

    async def seen(
        self,
        visit: str,
        day: int = 0,
        *,
        by: str = "",
        user: str = "",
        device: str = "",
        channel: str = "copy",
    ) -> None:
        """A visit goes on at the start of a day; `by` is the inviter of its link."""
        self._keys += 1
        at_ms = DAY_0 + day * DAY_MS + self._keys
        source = Source(channel, inviter=by, link=f"link-of-{by}" if by else "")
        piece = Piece(
            visit,
            f"k{self._keys}",
            "show",
            at_ms,
            (Event(Told.VISIBLE, at_ms),),
            device=device,
            user=user,
            guest=not user,
            source=source,
        )
        for _ in range(2):
            await self.write(piece)

    async def write(self, *pieces: Piece) -> None:
        def work(connection: sa.Connection) -> None:
            write_pieces(connection, list(pieces), 20_000, [self._bindings.follow])

        await self._database.run(work)

    async def inviter(self, user: str, day: int = 0) -> str | None:
        """Who is the inviter of a user at the end of a day."""

        def work(connection: sa.Connection) -> str | None:
            found = inviter_of(connection, user, DAY_0 + (day + 1) * DAY_MS - 1)
            return None if found is None else found.inviter

        return await self._database.run(work, reads_only=True)

    async def count(self, table: sa.Table) -> int:
        query = sa.select(sa.func.count()).select_from(table)
        return int(await self._database.run(lambda c: c.execute(query).scalar_one()))


@pytest.fixture
async def record(database: Database) -> Record:
    return Record(database)


async def test_a_member_is_bound_by_the_link_they_came_by(record: Record) -> None:
    await record.seen("v1", by="ann", user="cat")
    assert await record.inviter("cat") == "ann"
    assert await record.inviter("ann") is None
    assert await record.count(bindings) == 1


async def test_a_visit_without_an_inviter_binds_nobody(record: Record) -> None:
    await record.seen("v1", user="cat")
    assert await record.inviter("cat") is None
    assert await record.count(touches) == 0


async def test_a_visit_binds_whoever_signs_in_during_it(record: Record) -> None:
    await record.seen("v1", by="ann")
    await record.seen("v1", user="cat")
    assert await record.inviter("cat") == "ann"


async def test_the_protection_ends_and_the_next_touch_binds_anew(record: Record) -> None:
    await record.seen("v1", 0, by="ann", user="cat")
    await record.seen("v2", 10, by="bob", user="cat")
    assert [await record.inviter("cat", day) for day in (0, 10, 29, 31)] == [
        "ann",
        "ann",
        "ann",
        None,
    ]
    await record.seen("v3", 31, by="bob", user="cat")
    assert [await record.inviter("cat", day) for day in (29, 31, 60, 62)] == [
        "ann",
        "bob",
        "bob",
        None,
    ]
    assert await record.count(bindings) == 2


async def test_a_devices_touch_counts_when_somebody_signs_in_on_it_later(record: Record) -> None:
    await record.seen("v1", 0, by="ann", device="phone")
    await record.seen("v2", 3, user="cat", device="phone")
    assert await record.inviter("cat", 3) == "ann"
    assert await record.inviter("cat", 29) == "ann"
    assert await record.inviter("cat", 31) is None  # the protection counts from the touch on


async def test_a_devices_touch_counts_for_the_first_member_only(record: Record) -> None:
    await record.seen("v1", 0, by="ann", device="phone")
    await record.seen("v2", 1, user="cat", device="phone")
    await record.seen("v3", 1, user="dan", device="phone")
    assert await record.inviter("cat", 1) == "ann"
    assert await record.inviter("dan", 1) is None


async def test_what_a_member_touched_never_counts_for_another(record: Record) -> None:
    await record.seen("v1", 0, by="ann", user="cat", device="phone")
    await record.seen("v2", 1, user="dan", device="phone")
    assert await record.inviter("dan", 1) is None


async def test_a_guest_is_bound_and_so_is_the_member_they_become(record: Record) -> None:
    await record.seen("v1", 0, by="ann", user="guest-1", device="phone")
    assert await record.inviter("guest-1") == "ann"
    await record.seen("v2", 1, user="cat", device="phone")
    assert await record.inviter("cat", 1) == "ann"


async def test_a_connection_without_a_name_is_bound_to_nobody(record: Record) -> None:
    await record.seen("v1", by="ann", user="anonymous-17")
    assert await record.inviter("anonymous-17") is None
    assert await record.count(touches) == 1


async def test_nobody_brings_themselves(record: Record) -> None:
    await record.seen("v1", by="cat", user="cat")
    assert await record.inviter("cat") is None


async def test_nobody_is_brought_on_the_inviters_own_device(record: Record) -> None:
    await record.seen("v0", user="ann", device="phone")
    await record.seen("v1", by="ann", device="phone")
    await record.seen("v2", user="second-account", device="phone")
    assert await record.inviter("second-account") is None


async def test_a_link_shared_in_wechat_binds_like_any_other(record: Record) -> None:
    await record.seen("v1", by="ann", user="cat", channel="wechat")
    assert await record.inviter("cat") == "ann"


async def test_a_device_that_is_told_later_brings_its_touch(record: Record) -> None:
    await record.seen("v1", by="ann")
    await record.seen("v1", device="phone")
    await record.seen("v2", user="cat", device="phone")
    assert await record.inviter("cat") == "ann"


async def test_many_visits_in_one_transaction_come_to_the_same(record: Record) -> None:
    def piece(number: int, **facts: str) -> Piece:
        source = Source("copy", inviter=facts.pop("by", ""), link="l")
        at_ms = DAY_0 + number
        told = (Event(Told.VISIBLE, at_ms),)
        guest = not facts.get("user")
        return replace(
            Piece(f"v{number}", "k", "show", at_ms, told, guest=guest, source=source),
            **facts,  # type: ignore[arg-type]
        )

    await record.write(
        piece(1, by="ann", device="phone"),
        piece(2, by="bob", device="phone"),
        piece(3, by="eve", user="dan", device="tablet"),
        piece(4, user="cat", device="phone"),
        piece(5, user="dan", device="phone"),
        piece(6, by="bob", user="cat"),
    )
    assert await record.inviter("cat") == "ann"
    assert await record.inviter("dan") == "eve"
    assert await record.count(bindings) == 2


async def test_touches_are_forgotten_with_the_visits_and_bindings_are_not(record: Record) -> None:
    await record.seen("v1", 0, by="ann", user="cat", device="phone")
    await record.seen("v2", 80, by="bob", device="tablet")
    assert await record.count(touches) == 2
    await record.seen("v3", 91, by="bob")
    assert await record.count(touches) == 2
    assert await record.inviter("cat", 1) == "ann"
    await record.seen("v4", 92, user="dan", device="tablet")
    assert await record.inviter("dan", 92) == "bob"


async def test_touches_go_in_time_where_nobody_comes_any_more(
    record: Record, database: Database
) -> None:
    await record.seen("v1", 0, by="ann", user="cat", device="phone")
    store = VisitStore(database, beat_gap_ms=20_000)
    await store.forget(DAY_0, 10)
    assert await record.count(touches) == 1
    await store.forget(DAY_0 + 2 * DAY_MS, 10)
    assert await record.count(touches) == 0
    assert await record.inviter("cat", 1) == "ann"


async def test_bindings_can_neither_be_changed_nor_removed(
    record: Record, database: Database
) -> None:
    await record.seen("v1", by="ann", user="cat")
    for statement in (sa.update(bindings).values(inviter="bob"), sa.delete(bindings)):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"):
            await database.run(lambda connection, one=statement: connection.execute(one))  # type: ignore[misc]
