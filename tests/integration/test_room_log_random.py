"""Any sequence of calls on the real room log gets the answers that its in-memory twin gives.

What the property tests prove with the twin therefore holds for the real one.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rooms.adapters.redis_log import LogLimits
from rooms.log import Attendance, CommentLike, NewBuyers, NewComment, NewEvent, NewPulse, Seed
from rooms.model import CommentId, Lane, RoomId, UserId
from server.redis_client import connect
from tests.support.room_twins import Twins

# a part for buyers, and waits as long as nothing, a moment and for ever
LIMITS = LogLimits(
    events_max=6,
    chat_per_s=1,
    chat_burst=4,
    chat_buyers_percent=50,
    chat_buyers_ms=3,
    chat_overlooked_ms=2,
)
FOR_EVER_MS = 2**53 - 1

users = st.sampled_from(["ann", "ben", "cat", "蔡"]).map(UserId)
comment_ids = st.sampled_from(["c1", "c2", "c3"]).map(CommentId)
fields = st.sampled_from(["", "pinned", "notice", "mode"])
payloads = st.sampled_from([b"{}", b'{"t":"x"}', '{"t":"好","n":[1,"\\n"]}'.encode()])
versions = st.integers(0, 9)
lanes = st.sampled_from([Lane.STATE, Lane.CHAT])
events = st.builds(
    NewEvent, lanes, st.sampled_from(["notice", "x.y"]), payloads, subject=comment_ids,
    author=users, field=fields, value=payloads, version=versions, stamp=st.booleans(),
)  # fmt: skip
comments = st.builds(
    NewComment, comment_ids, users, payloads,
    interval_ms=st.sampled_from([0, 1, 60_000]), burst=st.integers(1, 3),
    cid=st.sampled_from(["", "x", "y"]), fingerprint=st.sampled_from(["f1", "f2"]),
)  # fmt: skip
entries = st.lists(
    st.one_of(
        events,
        comments,
        st.builds(CommentLike, comment_ids, users),
        st.builds(NewPulse, st.sampled_from(["viewers", "orders"]), payloads),
        st.builds(NewBuyers, st.lists(users, max_size=2).map(tuple)),
    ),
    max_size=6,
) | st.lists(comments, min_size=4, max_size=12)
seeds = st.builds(
    Seed,
    versions,
    st.dictionaries(fields.filter(bool), payloads),
    st.dictionaries(users, st.sampled_from([1, FOR_EVER_MS])),
    st.lists(users, unique=True),
)
parts = st.builds(Attendance, st.integers(0, 3), st.integers(0, 3), st.sampled_from([b"", b"{}"]))
workers = st.sampled_from(["one", "two"])
calls = st.one_of(
    st.tuples(st.just("append"), workers, entries, st.sampled_from([0, 1, 50])),
    st.tuples(st.just("repeat"), workers, entries),
    st.tuples(st.just("load"), workers, seeds),
    st.tuples(st.just("sanction"), workers, seeds),
    st.tuples(st.just("report"), workers, parts),
    st.tuples(st.just("members"), workers),
    st.tuples(st.just("read_after"), workers, st.integers(0, 20)),
)


@settings(
    max_examples=80,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(script=st.lists(calls, max_size=15))
def test_any_sequence_of_calls_gets_the_answers_of_the_twin(redis_url: str, script: Any):
    asyncio.run(play(redis_url, script))


async def play(url: str, script: list[Any]) -> None:
    client = connect(url)
    twins = Twins(client, LIMITS)
    room = RoomId(uuid.uuid4().hex)
    numbers = {"one": 0, "two": 0}
    try:
        for name, worker, *rest in script:
            match name:
                case "append":
                    numbers[worker] += 1
                    batch, likes = rest
                    await twins.append(room, numbers[worker], *batch, likes=likes, worker=worker)
                case "repeat":
                    if numbers[worker]:
                        await twins.append(room, numbers[worker], *rest[0], worker=worker)
                case _:
                    await getattr(twins, name)(room, *rest, worker=worker)
        await twins.same_state(room, Seed(0, {}, {}, []))
    finally:
        await client.aclose()
