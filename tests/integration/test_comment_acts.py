"""Pinning and removing one comment at the same moment: the log decides, on both engines."""

from __future__ import annotations

import asyncio

import pytest

from server.database.engine import Database
from server.database.records import Act, CommentRemoved, RoomRecords, UnknownRoom

pytest_plugins = ["tests.support.databases"]


def act(kind: str, comment: str = "c1") -> Act:
    return Act("show", "mo", "moderator", kind, target_comment=comment, reason="spam", at_ms=1)


@pytest.fixture
async def records(database: Database) -> RoomRecords:
    records = RoomRecords(database)
    await records.create("show", "Show", "")
    return records


async def test_removing_a_pinned_comment_unpins_it_in_the_same_act(records: RoomRecords) -> None:
    assert await records.pin_comment(act("comment.pin"), {"id": "c1", "text": "hi"}) == 1
    assert await records.remove_comment(act("comment.remove")) == (2, True)
    room = await records.find("show")
    assert room is not None
    assert (room.pinned_comment, room.version) == (None, 2)


async def test_removing_another_comment_leaves_the_pin(records: RoomRecords) -> None:
    await records.pin_comment(act("comment.pin"), {"id": "c1", "text": "hi"})
    assert await records.remove_comment(act("comment.remove", "c2")) == (2, False)
    room = await records.find("show")
    assert room is not None
    assert room.pinned_comment == {"id": "c1", "text": "hi"}


async def test_a_removed_comment_cannot_be_pinned(records: RoomRecords) -> None:
    await records.remove_comment(act("comment.remove"))
    with pytest.raises(CommentRemoved, match="c1"):
        await records.pin_comment(act("comment.pin"), {"id": "c1", "text": "hi"})
    room = await records.find("show")
    assert room is not None
    assert (room.pinned_comment, room.version) == (None, 1)
    assert [stored.act.kind for stored in await records.acts("show", None, 10)] == [
        "comment.remove"
    ]


async def test_whoever_comes_first_a_removed_comment_is_never_left_pinned(
    records: RoomRecords,
) -> None:
    for number in range(20):
        comment = f"c{number}"
        await asyncio.gather(
            records.pin_comment(act("comment.pin", comment), {"id": comment}),
            records.remove_comment(act("comment.remove", comment)),
            return_exceptions=True,
        )
        room = await records.find("show")
        assert room is not None
        assert room.pinned_comment is None


async def test_acts_on_comments_of_an_unknown_room_are_refused(records: RoomRecords) -> None:
    for room_id in ("nowhere", "no such id!"):
        lost = Act(room_id, "mo", "moderator", "comment.remove", target_comment="c1", at_ms=1)
        with pytest.raises(UnknownRoom):
            await records.remove_comment(lost)
