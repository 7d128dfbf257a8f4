"""The room log on a real Redis: every operation, each answer compared with its twin's."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from rooms.adapters.redis_feed import RedisFeed
from rooms.adapters.redis_log import LogLimits, RedisRoomLog, channel_of, room_key
from rooms.adapters.wire import parse_batch
from rooms.errors import RoomLogUnavailable
from rooms.log import (
    Appended,
    Attendance,
    Batch,
    CommentLike,
    NewBuyers,
    NewComment,
    NewEvent,
    NewPulse,
    Outcome,
    Seed,
    Verdict,
)
from rooms.model import CommentId, Lane, RoomId, UserId
from server.redis_client import Client, ClientRole, connect
from server.settings import Limits
from tests.support.proxy import UnixProxy
from tests.support.room_oracle import message_of
from tests.support.room_twins import Twins
from tests.support.wait import wait_until

ROOM = RoomId("garden")
LIMITS = LogLimits(events_max=5, chat_per_s=1, chat_burst=3)
EMPTY = Seed(0, {}, {}, [])
PERMANENT_PARTS = {"meta", "stream", "fields", "mutes", "bans"}
ANN, BEN, CAT = UserId("ann"), UserId("ben"), UserId("cat")


def comment(
    comment_id: str,
    author: UserId = ANN,
    *,
    cid: str = "",
    interval_ms: int = 0,
    burst: int = 1,
    fingerprint: str = "hello",
) -> NewComment:
    payload = b'{"t":"comment","id":"%s"}' % comment_id.encode()
    return NewComment(CommentId(comment_id), author, payload, interval_ms, burst, cid, fingerprint)


def pin(product: str, version: int) -> NewEvent:
    value = b'{"id":"%s"}' % product.encode()
    payload = b'{"t":"product.pinned","product":%s}' % value
    return NewEvent(
        Lane.STATE, "product.pinned", payload, field="pinned", value=value, version=version
    )


@pytest.fixture
def twins(redis_client: Client) -> Twins:
    return Twins(redis_client, LIMITS)


@pytest.fixture
async def heard(redis_url: str) -> AsyncIterator[list[Batch]]:
    """What the feed of the room brings."""
    async with listening(redis_url) as batches:
        yield batches


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[list[Batch]]:
    batches: list[Batch] = []
    client = connect(url, role=ClientRole.LISTENER)

    async def resumed(channels: Collection[str]) -> None:
        pass

    feed = RedisFeed(
        client,
        on_message=lambda channel, message: batches.append(parse_batch(message)),
        on_resumed=resumed,
        subscribe_within_s=5,
    )
    reading = asyncio.create_task(feed.run())
    try:
        await feed.subscribe(channel_of(ROOM))
        yield batches
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await client.aclose()


async def everything(twins: Twins) -> None:
    """A conversation that meets every verdict, and every operation at least once."""
    seed = Seed(
        4,
        {"pinned": b"null", "notice": b'{"text":"hi"}'},
        {BEN: 2**53 - 1, UserId("old"): 1},
        [CAT],
    )
    await twins.load(ROOM, seed)
    await twins.append(ROOM, 1, comment("c1", cid="x"), pin("tea", 5), likes=3)
    await twins.append(ROOM, 2, comment("c2", cid="x"), comment("c3", cid="x", fingerprint="other"))
    await twins.append(ROOM, 1, comment("b1", BEN), comment("b2", CAT), worker="two")
    await twins.append(ROOM, 3, pin("rice", 4), pin("oil", 5), NewPulse("viewers", b'{"n":1}'))
    paced = [comment(f"p{n}", UserId("eve"), interval_ms=60_000, burst=4) for n in range(5)]
    await twins.append(ROOM, 4, *paced)
    like = CommentLike(CommentId("c1"), BEN)
    await twins.append(ROOM, 2, like, like, replace(like, author=CAT), worker="two")
    await twins.append(ROOM, 5, CommentLike(CommentId("c1"), ANN), likes=50)
    await twins.sanction(ROOM, Seed(6, {}, {ANN: 2**53 - 1}, [BEN]))
    await twins.append(
        ROOM, 6, NewBuyers((ANN, CAT)), comment("c7"), comment("b3", BEN), comment("a1", CAT)
    )
    await twins.report(ROOM, Attendance(2, 1, b'{"a":{}}'))
    await twins.report(ROOM, Attendance(300, 250), worker="two")
    await twins.members(ROOM)
    await twins.members(ROOM, worker="two")
    await twins.report(ROOM, Attendance(0, 0))
    await twins.same_state(ROOM, seed)


# answers


async def test_a_conversation_gets_the_answers_of_the_twin_and_meets_every_verdict(twins):
    await everything(twins)
    assert set(twins.verdicts) == set(Verdict)


async def test_what_is_announced_is_what_the_twin_announces(twins, heard):
    await everything(twins)
    await wait_until(lambda: len(heard) == len(twins.announced), 20, "all announcements are heard")
    assert heard == twins.announced
    assert [parse_batch(message_of(batch)) for batch in twins.announced] == twins.announced


async def test_nothing_is_announced_when_nothing_changed(twins, heard):
    await twins.sanction(ROOM, Seed(1, {}, {}, [ANN]))
    await twins.append(ROOM, 1, comment("c1"), CommentLike(CommentId("c9"), ANN))
    await twins.append(ROOM, 2, comment("c2", BEN))
    await wait_until(lambda: heard, 20, "the stored comment is announced")
    assert [entry.subject for batch in heard for entry in batch.entries] == ["c2"]


async def test_the_stream_keeps_the_newest_events_only(twins):
    await twins.append(ROOM, 1, *(pin(f"p{n}", n) for n in range(1, 13)))
    loaded = await twins.load(ROOM, EMPTY)
    assert [entry.offset for entry in loaded.entries] == [8, 9, 10, 11, 12]
    assert [entry.offset for entry in await twins.read_after(ROOM, 3)] == [8, 9, 10, 11, 12]
    assert [entry.offset for entry in await twins.read_after(ROOM, 10)] == [11, 12]


async def test_a_muted_person_may_speak_again_when_the_time_is_over(twins):
    until_ms = (await twins.append(ROOM, 1)).now_ms + 300
    await twins.sanction(ROOM, Seed(1, {}, {ANN: until_ms}, []))
    numbers = iter(range(2, 1_000))

    async def stored() -> bool:
        answer = await twins.append(ROOM, next(numbers), comment("c1"))
        may_speak = answer.outcomes[0].verdict is Verdict.STORED
        assert may_speak == (answer.now_ms >= until_ms)
        return may_speak

    await wait_until(stored, 20, "the mute is over")


async def test_the_comment_budget_fills_up_again_with_time(twins):
    numbers = iter(range(1, 1_000))

    async def verdict() -> Verdict:
        entry = comment("c", UserId(f"u{next(numbers)}"), interval_ms=1)
        answer: Appended = await twins.append(ROOM, next(numbers), entry)
        return answer.outcomes[0].verdict

    assert [await verdict() for _ in range(4)] == [Verdict.STORED] * 3 + [Verdict.SAMPLED]

    async def stored() -> bool:
        return await verdict() is Verdict.STORED

    await wait_until(stored, 20, "a second later there is room for one more")


# the seed from SQL


async def test_a_lost_store_takes_all_of_the_seed_though_an_act_was_announced_first(twins):
    await twins.append(ROOM, 1, pin("tea", 7), comment("c1"))
    fields = {"pinned": b'{"id":"tea"}', "notice": b'{"text":"hi"}', "room": b'{"id":"garden"}'}
    loaded = await twins.load(ROOM, Seed(7, fields, {BEN: 2**53 - 1}, [CAT]))
    assert loaded.fields == fields
    assert loaded.banned == {CAT}
    answer = await twins.append(ROOM, 2, comment("b1", BEN), comment("b2", CAT))
    assert [one.verdict for one in answer.outcomes] == [Verdict.MUTED, Verdict.BANNED]


async def test_an_act_whose_announcement_was_lost_appears_when_the_room_is_loaded(twins):
    await twins.load(ROOM, Seed(4, {"pinned": b"null", "notice": b"null"}, {}, []))
    notice = replace(pin("x", 6), name="notice", field="notice", value=b'{"text":"6"}')
    await twins.append(ROOM, 1, notice)
    after_pin = Seed(6, {"pinned": b'{"id":"tea"}', "notice": b'{"text":"6"}'}, {}, [])
    loaded = await twins.load(ROOM, after_pin)
    assert loaded.fields["pinned"] == b'{"id":"tea"}'


async def test_an_old_seed_takes_back_neither_a_field_nor_a_ban(twins):
    await twins.load(ROOM, Seed(1, {"pinned": b"null"}, {}, []))
    await twins.append(ROOM, 1, pin("tea", 8))
    await twins.sanction(ROOM, Seed(9, {}, {BEN: 2**53 - 1}, [CAT]))
    loaded = await twins.load(ROOM, Seed(7, {"pinned": b'{"id":"rice"}'}, {}, [ANN]))
    assert loaded.fields == {"pinned": b'{"id":"tea"}'}
    assert loaded.banned == {CAT}
    await twins.sanction(ROOM, Seed(8, {}, {}, []))
    answer = await twins.append(ROOM, 2, comment("a"), comment("b", BEN), comment("c", CAT))
    assert [one.verdict for one in answer.outcomes] == [
        Verdict.STORED, Verdict.MUTED, Verdict.BANNED,
    ]  # fmt: skip


# attendance


async def test_the_part_of_a_silent_worker_lapses(redis_client):
    limits = replace(LIMITS, part_lapses_ms=200)
    alive = RedisRoomLog(redis_client, "alive", limits)
    dead = RedisRoomLog(redis_client, "dead", limits)

    async def both_count() -> bool:
        await dead.report(ROOM, Attendance(5, 4, b"{}"))
        vitals = await alive.report(ROOM, Attendance(2, 2, b"{}"))
        return (vitals.clients, vitals.users) == (7, 6)

    await wait_until(both_count, 20, "both count")

    async def lapsed() -> bool:
        vitals = await alive.report(ROOM, Attendance(2, 2, b"{}"))
        return (vitals.clients, vitals.users) == (2, 2)

    await wait_until(lapsed, 20, "the dead worker no longer counts")
    assert await alive.members(ROOM) == []


# keys and scripts


def test_the_words_of_the_script_are_the_verdicts():
    lua = files("rooms.adapters").joinpath("append.lua").read_text()
    words = set(re.findall(r"(?:return|and|or|=) '([a-z_]+):'", lua))
    assert words == set(Verdict)


async def test_every_key_expires_or_is_on_the_list_of_permanent_ones(twins, redis_client):
    await everything(twins)
    await twins.report(ROOM, Attendance(2, 1, b"{}"))
    ttls = {key.decode(): await redis_client.ttl(key) for key in await redis_client.keys("*")}
    permanent = {key for key, ttl in ttls.items() if ttl == -1}
    assert permanent <= {room_key(ROOM, part) for part in PERMANENT_PARTS}
    expiring = {
        key.removeprefix(room_key(ROOM, "")).split(":")[0] for key in ttls.keys() - permanent
    }
    assert expiring == {
        "attendance",
        "buyers",
        "cid",
        "comment_likes",
        "likers",
        "members",
        "pace",
        "receipt",
        "turns",
    }


async def test_all_keys_of_a_room_share_the_hash_tag(twins, redis_client):
    await everything(twins)
    keys = [key.decode() for key in await redis_client.keys("*")] + [channel_of(ROOM)]
    assert len(keys) > 10
    assert {key[: key.index("}") + 1] for key in keys} == {"{room:garden}"}


async def test_a_server_that_forgot_the_scripts_gets_them_again(twins, redis_client):
    await everything(twins)
    await redis_client.script_flush()
    await twins.append(ROOM, 90, comment("again", UserId("dan")))
    await redis_client.script_flush()
    await twins.load(ROOM, EMPTY)
    await redis_client.script_flush()
    await twins.sanction(ROOM, Seed(90, {}, {}, []))
    await redis_client.script_flush()
    assert (await twins.report(ROOM, Attendance(1, 1, b"{}"))).clients == 301


# repeated and lost


async def test_a_repeated_number_gets_the_first_answer_and_changes_nothing(twins, heard):
    like, pulse = CommentLike(CommentId("c1"), BEN), NewPulse("viewers", b"{}")
    batch = [comment("c1", cid="x"), pin("tea", 1), like, pulse]
    first = await twins.append(ROOM, 7, *batch, likes=5)
    before = await twins.load(ROOM, EMPTY)
    assert await twins.append(ROOM, 7, *batch, likes=5) == first
    assert await twins.append(ROOM, 7, comment("another"), likes=9) == first
    assert await twins.load(ROOM, EMPTY) == before
    await twins.append(ROOM, 8, comment("next", BEN))
    await wait_until(lambda: len(heard) == 2, 20, "both batches are announced")
    assert [batch.likes_total for batch in heard] == [5, 5]


async def test_a_number_that_comes_too_late_is_refused(redis_client):
    log = RedisRoomLog(redis_client, "one", LIMITS)
    await log.append(ROOM, 8, [comment("c1")], 0)
    with pytest.raises(RoomLogUnavailable, match="STALESEQ"):
        await log.append(ROOM, 7, [comment("c2")], 0)
    assert len(await log.read_after(ROOM, 0)) == 1


async def test_the_numbers_of_two_workers_are_their_own(twins):
    first = await twins.append(ROOM, 1, comment("c1"))
    second = await twins.append(ROOM, 1, comment("c2"), worker="two")
    assert [first.top, second.top] == [1, 2]


@pytest.mark.parametrize("losses", [1, 2, 5])
async def test_a_batch_whose_reply_was_lost_is_stored_once(
    redis_server, redis_url, tmp_path, losses
):
    limits = Limits(redis_within_ms=30_000)  # a lost reply ends the connection: no time is waited
    async with listening(redis_url) as heard, UnixProxy(tmp_path, unix_path(redis_url)) as proxy:
        client = connect(proxy.url, limits)
        log = RedisRoomLog(client, "one", LIMITS)
        await log.append(ROOM, 1, [comment("first")], 1)
        proxy.lose_replies(losses, to=b"EVALSHA")
        answer = None
        while answer is None:
            try:
                answer = await log.append(
                    ROOM, 2, [comment("second", BEN, cid="x"), pin("tea", 1)], 10
                )
            except RoomLogUnavailable:
                assert proxy.replies_lost >= 2  # the client library tries twice by itself
        assert proxy.replies_lost == losses
        assert answer.outcomes == [Outcome(Verdict.STORED, 2), Outcome(Verdict.STORED, 3)]
        assert (answer.likes_total, answer.top) == (11, 3)
        assert [entry.offset for entry in await log.read_after(ROOM, 0)] == [1, 2, 3]
        await log.append(ROOM, 3, [comment("third", CAT)], 0)
        await wait_until(lambda: len(heard) >= 3, 20, "all batches are announced")
        assert [entry.offset for batch in heard for entry in batch.entries] == [1, 2, 3, 4]
        await client.aclose()


async def test_a_store_that_does_not_answer_is_unavailable_by_name(redis_url, tmp_path):
    async with UnixProxy(tmp_path, unix_path(redis_url)) as proxy:
        client = connect(proxy.url, Limits(redis_within_ms=100))
        log = RedisRoomLog(client, "one", LIMITS)

        async def stored() -> bool:
            with suppress(RoomLogUnavailable):
                await log.append(ROOM, 1, [comment("first")], 0)  # the same number: once
                return True
            return False

        async def read() -> bool:
            with suppress(RoomLogUnavailable):
                return (await log.read_after(ROOM, 0))[0].subject == "first"
            return False

        await wait_until(stored, 20, "it is stored")
        proxy.hold()
        for work in (
            log.append(ROOM, 2, [comment("x")], 0),
            log.load(ROOM, EMPTY),
            log.read_after(ROOM, 0),
            log.sanction(ROOM, EMPTY),
            log.report(ROOM, Attendance(1, 1)),
            log.members(ROOM),
        ):
            with pytest.raises(RoomLogUnavailable, match="garden"):
                await work
        proxy.flow()
        await wait_until(read, 20, "the same client works again")
        await client.aclose()


def unix_path(url: str) -> Path:
    return Path(url.removeprefix("unix://"))
