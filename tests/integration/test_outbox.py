"""The outbox of a room on a real Redis, through a network that loses, holds and cuts."""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rooms.adapters.redis_log import LogLimits, RedisRoomLog
from rooms.errors import Overloaded, RoomLogUnavailable
from rooms.log import Appended, NewComment, NewEvent, Verdict
from rooms.model import CommentId, Lane, RoomId, UserId
from rooms.outbox import Outbox, OutboxLimits
from server.redis_client import Client, connect
from server.settings import Limits
from tests.support.proxy import UnixProxy

ROOM = RoomId("garden")
ROOMY = LogLimits(events_max=10_000)
LONG_MS = 5_000
VERY_LONG_MS = 5_000
PATIENT = OutboxLimits(gap_ms=1)


class Bench:
    """An outbox, the log it writes to, and the network between the log and Redis."""

    def __init__(self, proxy: UnixProxy, log: RedisRoomLog) -> None:
        self.proxy = proxy
        self.log = log
        self._numbers: Iterator[int] = itertools.count(1)
        self._outboxes: list[Outbox] = []

    def outbox(self, limits: OutboxLimits = PATIENT) -> Outbox:
        outbox = Outbox(ROOM, self.log, limits, numbers=self._numbers, now_s=time.monotonic)
        self._outboxes.append(outbox)
        return outbox

    async def end(self) -> None:
        for outbox in self._outboxes:
            await outbox.drained()

    async def stored(self) -> list[str]:
        return [entry.subject for entry in await self.log.read_after(ROOM, 0)]


@pytest.fixture
async def bench(redis_url: str, tmp_path: Path) -> AsyncIterator[Bench]:
    async with opened(redis_url, tmp_path) as one:
        yield one


@asynccontextmanager
async def opened(redis_url: str, directory: Path) -> AsyncIterator[Bench]:
    target = Path(redis_url.removeprefix("unix://"))
    async with UnixProxy(directory, target) as proxy:
        client = connect(proxy.url, Limits(redis_within_ms=200))
        bench = Bench(proxy, RedisRoomLog(client, "one", ROOMY))
        yield bench
        await bench.end()
        await client.aclose()


def comment(name: str, *, cid: str = "") -> NewComment:
    return NewComment(CommentId(name), UserId("ann"), b'{"t":"comment"}', 0, 1, cid, "same")


def state(name: str) -> NewEvent:
    return NewEvent(Lane.STATE, "notice", b'{"t":"notice"}', subject=name)


async def test_entries_are_stored_in_the_order_they_were_put(bench):
    outbox = bench.outbox()
    names = [f"c{number}" for number in range(1_000)]
    answers = await asyncio.gather(*(outbox.put(comment(name)) for name in names))
    assert await bench.stored() == names
    assert [answer.outcome.number for answer in answers] == list(range(1, 1_001))


async def test_a_quiet_room_does_not_wait_and_a_busy_one_waits_for_the_gap(bench):
    outbox = bench.outbox(OutboxLimits(gap_ms=LONG_MS))
    began_s = time.monotonic()
    await outbox.put(comment("first"))
    await asyncio.gather(outbox.put(comment("second")), outbox.put(state("urgent")))
    assert await bench.stored() == ["first", "second", "urgent"]
    late = outbox.put(comment("late"))
    done, _ = await asyncio.wait([late], timeout=0.2)
    assert not done
    outbox.put(state("urgent again"))
    assert (await late).outcome.number == 4
    assert time.monotonic() - began_s < LONG_MS / 1000  # nobody waited for the gap to end


async def test_a_batch_is_never_larger_than_its_bound_and_a_full_one_does_not_wait(bench):
    outbox = bench.outbox(OutboxLimits(gap_ms=VERY_LONG_MS, batch_events_max=10))
    waiting = [outbox.put(comment(f"c{number}")) for number in range(40)]
    async with asyncio.timeout(VERY_LONG_MS / 1000):  # all before a single gap has ended
        for last in (9, 19, 29):
            await waiting[last]
            assert not waiting[last + 1].done()
        await waiting[39]


async def test_the_queue_is_bounded_and_what_is_refused_is_not_stored(bench):
    outbox = bench.outbox(OutboxLimits(events_max=5, gap_ms=1))
    waiting = [outbox.put(comment(f"c{number}")) for number in range(5)]
    with pytest.raises(Overloaded, match="outbox_events_max"):
        outbox.put(comment("too many"))
    await asyncio.gather(*waiting)
    assert await bench.stored() == ["c0", "c1", "c2", "c3", "c4"]


async def test_a_flood_of_comments_leaves_room_for_state(bench):
    outbox = bench.outbox(OutboxLimits(events_max=5, comments_max=3, gap_ms=1))
    waiting = [outbox.put(comment(f"c{number}")) for number in range(3)]
    for refused in (outbox.check_comments, lambda: outbox.put(comment("too many"))):
        with pytest.raises(Overloaded, match="outbox_comments_max"):
            refused()
    waiting.append(outbox.put(state("urgent")))
    await asyncio.gather(*waiting)
    assert await bench.stored() == ["c0", "c1", "c2", "urgent"]
    outbox.check_comments()  # there is room again


async def test_all_likes_of_a_batch_share_one_answer(bench):
    outbox = bench.outbox()
    bench.proxy.hold()
    first = outbox.like(1)
    await asyncio.sleep(0)  # the first batch is on its way
    later = [outbox.like(2) for _ in range(1_000)]
    assert {id(future) for future in later} == {id(later[0])}
    bench.proxy.flow()
    assert [await first, await later[0]] == [1, 2_001]


async def test_likes_of_many_are_added_in_few_batches_and_the_total_is_exact(bench):
    outbox = bench.outbox()
    totals = await asyncio.gather(*(outbox.like(n % 50 + 1) for n in range(500)))
    assert max(totals) == sum(n % 50 + 1 for n in range(500))
    assert await outbox.like(1) == max(totals) + 1


async def test_a_sender_who_gives_up_cancels_nothing(bench):
    outbox = bench.outbox()
    bench.proxy.hold()
    given_up, patient = outbox.put(comment("given up")), outbox.put(comment("patient"))
    given_up.cancel()
    bench.proxy.flow()
    assert (await patient).outcome.number == 2
    assert await bench.stored() == ["given up", "patient"]


@pytest.mark.parametrize("losses", [1, 3, 7])
async def test_lost_replies_store_nothing_twice_and_lose_nothing(bench, losses):
    outbox = bench.outbox()
    await outbox.put(comment("before"))
    bench.proxy.lose_replies(losses, to=b"EVALSHA")
    waiting = [outbox.put(comment(f"c{number}", cid=f"k{number}")) for number in range(20)]
    likes = [outbox.like(7) for _ in range(10)]
    answers = await asyncio.gather(*waiting)
    assert max(await asyncio.gather(*likes)) == 70
    assert {answer.outcome.verdict for answer in answers} == {Verdict.STORED}
    assert await bench.stored() == ["before", *(f"c{number}" for number in range(20))]
    assert bench.proxy.replies_lost == losses


async def test_a_network_that_breaks_again_and_again_stores_each_entry_once(bench):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    outbox = bench.outbox()
    waiting = []
    for number in range(60):
        waiting.append(outbox.put(comment(f"c{number}")))
        if dice.random() < 0.2:
            bench.proxy.lose_replies(1, to=b"EVALSHA")
        if dice.random() < 0.3:
            await bench.proxy.cut()
        if dice.random() < 0.5:
            await waiting[dice.randrange(len(waiting))]
    answers = await asyncio.gather(*waiting)
    assert await bench.stored() == [f"c{number}" for number in range(60)]
    assert [answer.outcome.number for answer in answers] == list(range(1, 61))


async def test_when_the_store_stays_away_senders_are_told_in_time_and_the_next_ones_get_through(
    bench,
):
    outbox = bench.outbox(OutboxLimits(gap_ms=1, within_s=3))
    await outbox.put(comment("before"))
    bench.proxy.hold()
    began_s = time.monotonic()
    waiting = [outbox.put(comment("lost")), outbox.like(3)]
    for waiter in waiting:
        with pytest.raises(RoomLogUnavailable):
            await waiter
    assert time.monotonic() - began_s < OutboxLimits().within_s  # its own bound, not the usual
    bench.proxy.flow()
    assert (await outbox.put(comment("after"))).outcome.verdict is Verdict.STORED
    assert await outbox.like(1) in {1, 4}  # those who were told no may have been counted, once
    assert [name for name in await bench.stored() if name != "lost"] == ["before", "after"]


async def test_drained_means_that_everything_has_its_answer(bench):
    outbox = bench.outbox()
    waiting = [outbox.put(comment("one")), outbox.put(state("two"))]
    await outbox.drained()
    assert all(answer.done() for answer in waiting)
    assert outbox.idle


class Stumbles(RedisRoomLog):
    """Its first call is a bug."""

    stumbled = False

    async def append(self, *args: Any, **kwargs: Any) -> Appended:
        if not self.stumbled:
            self.stumbled = True
            await asyncio.sleep(0)
            raise AssertionError("a bug")
        return await super().append(*args, **kwargs)


async def test_a_bug_with_one_batch_is_told_to_its_senders_and_the_next_batch_leaves(
    redis_client: Client,
) -> None:
    bugs: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: bugs.append(context))
    limits = OutboxLimits(gap_ms=1, batch_events_max=1)
    log = Stumbles(redis_client, "one", ROOMY)
    outbox = Outbox(ROOM, log, limits, numbers=itertools.count(1), now_s=time.monotonic)
    first, second = outbox.put(comment("a")), outbox.put(comment("b"))
    with pytest.raises(AssertionError, match="a bug"):
        await first
    async with asyncio.timeout(5):
        assert (await second).outcome.number == 1
        await outbox.drained()
    gc.collect()
    assert len(bugs) == 1, "and the log of the worker has it"
