"""Rooms on a server with a replica: what is shown, and when, and what a promotion does to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import cast

import pytest

from rooms.adapters.confirmed import Confirmed
from rooms.adapters.redis_feed import RedisFeed
from rooms.adapters.redis_log import Announcing, LogLimits, RedisRoomLog, channel_of
from rooms.adapters.redis_visits import RedisVisitLog
from rooms.adapters.wire import parse_batch
from rooms.errors import RoomLogUnavailable, VisitLogUnavailable
from rooms.log import (
    NOWHERE,
    Appended,
    Attendance,
    Batch,
    Entry,
    NewComment,
    NewPulse,
    Position,
    Seed,
)
from rooms.model import CommentId, RoomId, UserId
from server.live_rooms import LiveRooms
from server.redis_client import Client, ClientRole, connect
from server.settings import Limits
from tests.support.redis_server import plain_redis
from tests.support.room_stage import MemoryFeed
from tests.support.wait import wait_until

ROOM = RoomId("garden")
EMPTY = Seed(0, {}, {}, [])
NOBODY = Attendance(0, 0)
LIMITS = LogLimits(replica_within_ms=200)
QUICK = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")


def comment(number: int) -> NewComment:
    payload = b'{"t":"comment","id":"c%d"}' % number
    return NewComment(CommentId(f"c{number}"), UserId("ann"), payload, 0, 1, f"cid-{number}", "x")


@dataclass
class Primary:
    """A server, and what is announced in the room there."""

    port: int
    client: Client
    heard: list[Batch] = field(default_factory=list)

    def log(self, worker: str, announcing: Announcing) -> RedisRoomLog:
        return RedisRoomLog(self.client, worker, LIMITS, announcing)

    @contextmanager
    def replica(self) -> Iterator[int]:
        with plain_redis(*QUICK, "--replicaof", "127.0.0.1", str(self.port)) as port:
            yield port

    async def has_replica(self) -> bool:
        facts = await self.client.info("replication")
        return int(facts["connected_slaves"]) == 1 and facts["slave0"]["state"] == "online"

    @property
    def offsets(self) -> list[int]:
        return [entry.offset for batch in self.heard for entry in batch.entries]


@asynccontextmanager
async def listening(port: int) -> AsyncIterator[Primary]:
    url = f"redis://127.0.0.1:{port}"
    clients = [connect(url), connect(url, role=ClientRole.LISTENER)]
    primary = Primary(port, clients[0])

    async def resumed(channels: Collection[str]) -> None:
        pass

    feed = RedisFeed(
        clients[1],
        on_message=lambda _, message: primary.heard.append(parse_batch(message)),
        on_resumed=resumed,
        subscribe_within_s=20,
    )
    reading = asyncio.create_task(feed.run())
    try:
        await feed.subscribe(channel_of(ROOM))
        yield primary
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        for client in clients:
            await client.aclose()


@pytest.fixture
async def primary() -> AsyncIterator[Primary]:
    with plain_redis(*QUICK) as port:
        async with listening(port) as one:
            yield one


async def stored(log: RedisRoomLog, seq: int, *numbers: int, known: Position = NOWHERE) -> Appended:
    """Repeat it as an outbox does, until it has an answer."""
    answers: list[Appended] = []

    async def answered() -> bool:
        try:
            entries = [comment(number) for number in numbers]
            answers.append(await log.append(ROOM, seq, entries, 0, known))
        except RoomLogUnavailable:
            return False
        return True

    await wait_until(answered, 20, "it is confirmed")
    return answers[0]


async def test_nobody_sees_or_reads_an_event_before_a_replica_has_it(primary: Primary) -> None:
    one, two = (primary.log(name, Announcing.LATER) for name in ("one", "two"))
    with pytest.raises(RoomLogUnavailable, match="confirmed by 0 replicas"):
        await one.append(ROOM, 1, [comment(1)], 0)
    for reading in (two.read_after(ROOM, 0), two.load(ROOM, EMPTY)):
        with pytest.raises(RoomLogUnavailable, match="confirmed by 0 replicas"):
            await reading
    assert (await two.report(ROOM, NOBODY)).top == 1  # it is there, and not shown
    assert primary.heard == []
    with primary.replica() as replica_port:
        again = await stored(one, 1, 1)
        assert again.top == 1, "the same batch was stored once"
        await wait_until(lambda: primary.offsets == [1], 20, "it is announced once")
        assert [entry.offset for entry in await two.read_after(ROOM, 0)] == [1]
        there = connect(f"redis://127.0.0.1:{replica_port}")
        assert await there.xlen(f"{{room:{ROOM}}}:stream") == 1
        await there.aclose()


async def test_what_a_worker_could_not_announce_any_more_is_announced_with_the_next_batch(
    primary: Primary,
) -> None:
    dead, alive = (primary.log(name, Announcing.LATER) for name in ("dead", "alive"))
    for seq in (1, 2):
        with pytest.raises(RoomLogUnavailable):
            await dead.append(ROOM, seq, [comment(seq), NewPulse("n", b'{"n":%d}' % seq)], 3)
    with primary.replica():
        await stored(alive, 1, 3)
        await wait_until(lambda: primary.offsets == [1, 2, 3], 20, "all are heard, in order")
        assert [batch.likes_total for batch in primary.heard] == [3, 6, 6]
        await stored(alive, 2, 4)
        await wait_until(lambda: primary.offsets == [1, 2, 3, 4], 20, "and each once")


async def test_a_store_that_is_behind_what_was_seen_begins_another_epoch(primary: Primary) -> None:
    log = primary.log("one", Announcing.AT_ONCE)
    first = await log.append(ROOM, 1, [comment(1), comment(2)], 0)
    seen = Position(first.top + 3, first.epoch)
    later = await log.append(ROOM, 2, [comment(3)], 0, seen)
    assert later.epoch != first.epoch
    assert later.top == 3, "what it still has keeps its place"
    assert (await log.append(ROOM, 3, [comment(4)], 0, seen)).epoch == later.epoch
    at_its_top = Position(4, later.epoch)
    assert (await log.load(ROOM, EMPTY, at_its_top)).epoch == later.epoch
    anew = await log.load(ROOM, EMPTY, Position(5, later.epoch))
    assert anew.epoch not in {first.epoch, later.epoch}
    assert [entry.offset for entry in anew.entries] == [1, 2, 3, 4]
    assert (await log.report(ROOM, NOBODY)).epoch == anew.epoch


@pytest.mark.parametrize("announcing", [Announcing.WATCHED, Announcing.LATER])
async def test_a_promoted_replica_goes_on_only_where_nothing_was_shown_that_it_may_lack(
    primary: Primary, announcing: Announcing
) -> None:
    with primary.replica() as port:
        before = await stored(primary.log("one", announcing), 1, 1)
        await wait_until(primary.has_replica, 10, "the replica follows")
        async with listening(port) as promoted:
            await promoted.client.execute_command("REPLICAOF", "NO", "ONE")
            with promoted.replica():
                log = promoted.log("one", announcing)
                repeated = await stored(log, 1, 1)
                assert (repeated.epoch, repeated.top) == (before.epoch, before.top)
                after = await stored(log, 2, 2)
                assert (after.epoch == before.epoch) == (announcing is Announcing.LATER)
                assert after.top == 2
                assert (await stored(log, 3, 3)).epoch == after.epoch, "once for each promotion"


async def test_visits_are_answered_when_a_replica_has_them(primary: Primary) -> None:
    log = RedisVisitLog(primary.client, entries_max=10, confirmed=Confirmed(1, 200))
    with pytest.raises(VisitLogUnavailable, match="confirmed by 0 replicas"):
        await log.append([b"one"])
    with primary.replica():
        await wait_until(primary.has_replica, 10, "the replica follows")
        await log.append([b"one", b"two"])
    assert [entry.piece for entry in await log.read(10)] == [b"one", b"one", b"two"]


class ReadsLate(RedisRoomLog):
    """Another worker's batch comes between the look at the room and the reading of its stream."""

    between: tuple[RedisRoomLog, Position] | None = None

    async def read_after(self, room_id: RoomId, offset: int) -> list[Entry]:
        if self.between is not None:
            log, known = self.between
            self.between = None
            await log.append(room_id, 2, [comment(2)], 0, known)
        return await super().read_after(room_id, offset)


async def test_who_catches_up_while_another_epoch_begins_shows_nothing_of_it_under_the_old_one(
    primary: Primary,
) -> None:
    log = ReadsLate(primary.client, "one", LIMITS)
    other = primary.log("two", Announcing.AT_ONCE)
    first = await other.append(ROOM, 1, [comment(1)], 0)

    async def seed(_: RoomId) -> Seed:
        return EMPTY

    rooms = LiveRooms(log, seed, Limits())
    rooms.feed = cast(RedisFeed, MemoryFeed(lambda channel, message: None))
    room = await rooms.open(ROOM)
    assert room is not None
    log.between = other, Position(first.top + 5, first.epoch)
    rooms.look(room)
    await wait_until(lambda: room.replica.top == 2 and not room.catching_up, 20, "it is there")
    assert room.replica.epoch == (await other.report(ROOM, NOBODY)).epoch != first.epoch
    await rooms.close()
