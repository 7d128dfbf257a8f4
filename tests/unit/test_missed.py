"""What returning viewers missed is encoded once, and it is always what the replica has."""

from __future__ import annotations

from collections.abc import Iterable

from rooms.log import Batch, Entry, Loaded, Position
from rooms.model import Lane, RoomId
from rooms.replica import Replica
from server.codec.json_v2 import JsonCodec
from server.missed import Missed

EPOCH = "e1"


class CountingCodec(JsonCodec):
    """Counts how often something was encoded."""

    def __init__(self) -> None:
        self.encoded = 0

    def entries(self, entries: Iterable[Entry]) -> bytes:
        self.encoded += 1
        return super().entries(entries)


def comment(offset: int) -> Entry:
    return Entry(offset, Lane.CHAT, "comment", b'{"t":"comment","n":%d}' % offset, f"c{offset}")


def replica_of(top: int, room: str = "garden") -> Replica:
    entries = [comment(offset) for offset in range(1, top + 1)]
    loaded = Loaded(EPOCH, top, {}, entries, 0, {}, frozenset(), 0)
    return Replica(RoomId(room), loaded, events_max=50)


def test_all_who_missed_the_same_get_the_same_bytes_built_once() -> None:
    missed, codec, replica = Missed(100_000), CountingCodec(), replica_of(20)
    answers = [missed.since(replica, Position(5, epoch), codec) for epoch in (EPOCH, "", EPOCH)]
    assert answers == [JsonCodec().entries(comment(offset) for offset in range(6, 21))] * 3
    assert codec.encoded == 1
    assert missed.since(replica, Position(20, EPOCH), codec) == b""


def test_when_the_room_goes_on_or_takes_a_comment_back_so_does_the_answer() -> None:
    missed, codec, replica = Missed(100_000), CountingCodec(), replica_of(3)
    before = missed.since(replica, Position(1, EPOCH), codec)
    removal = Entry(4, Lane.STATE, "comment.removed", b'{"t":"comment.removed"}', "c2")
    replica.apply(Batch(EPOCH, 4, [removal]))
    after = missed.since(replica, Position(1, EPOCH), codec)
    assert before is not None
    assert b'"n":2' in before
    assert after == codec.entries(replica.after(1) or ())
    assert b'"n":2' not in after


def test_what_is_kept_no_more_or_is_of_another_history_cannot_be_recovered() -> None:
    missed, codec, replica = Missed(100_000), CountingCodec(), replica_of(80)
    assert missed.since(replica, Position(29, EPOCH), codec) is None  # the room keeps 50
    assert missed.since(replica, Position(30, EPOCH), codec)
    assert missed.since(replica, Position(30, "another"), codec) is None
    assert missed.since(replica, Position(81, EPOCH), codec) is None


def test_rooms_and_pages_of_history_are_told_apart() -> None:
    missed, codec = Missed(100_000), CountingCodec()
    garden, attic = replica_of(5), replica_of(6, "attic")
    for replica in (garden, attic, garden, attic):
        since = missed.since(replica, Position(2, EPOCH), codec)
        assert since == codec.entries(replica.after(2) or ())
        for reverse in (False, True):
            page = missed.history(
                replica, codec, limit=2, since=Position(3, EPOCH), reverse=reverse
            )
            history = replica.history(limit=2, since=Position(3, EPOCH), reverse=reverse)
            assert page == codec.entries(history or ())
    elsewhere = Position(3, "another")
    assert missed.history(garden, codec, limit=2, since=elsewhere, reverse=False) is None


def test_memory_is_bounded_and_what_is_used_stays() -> None:
    missed, codec, replica = Missed(5_000), CountingCodec(), replica_of(50)
    for offset in range(1, 45):
        missed.since(replica, Position(44, EPOCH), codec)
        missed.since(replica, Position(offset, EPOCH), codec)
    assert missed.kept_bytes <= 5_000
    encoded = codec.encoded
    missed.since(replica, Position(44, EPOCH), codec)
    assert codec.encoded == encoded, "asked for often: still there"
    missed.since(replica, Position(1, EPOCH), codec)
    assert codec.encoded == encoded + 1, "long unused: gone"
