"""Shares of a room's comment budget: what everybody may rely on, whoever talks and how much.

On the twin of the room log, whose answers are those of the real one
(`tests/integration/test_room_log_random.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from rooms.adapters.redis_log import LogLimits
from rooms.log import Append, NewBuyers, NewComment, NewEvent, Outcome, Verdict
from rooms.model import CommentId, Lane, RoomId, UserId
from tests.support.oracle_store import OracleStore
from tests.support.room_oracle import OracleLog

ROOM = RoomId("garden")
PER_S = 10
BURST = 8
KEPT = 4
OVERLOOKED_MS = 1_000
TALKING_MS = 500
LIMITS = LogLimits(
    events_max=1_000_000,
    chat_per_s=PER_S,
    chat_burst=BURST,
    chat_buyers_percent=50,
    chat_buyers_ms=TALKING_MS,
    chat_overlooked_ms=OVERLOOKED_MS,
    buyer_rank_s=3_600,
)
people = st.integers(0, 9).map(lambda number: UserId(f"u{number}"))
batches = st.lists(
    st.tuples(st.sampled_from([0, 20, 100, 400, 2_000]), st.lists(people, max_size=14)), max_size=40
)


@dataclass
class Room:
    """A room whose clock is the test's; `said` counts comments, for their ids."""

    now_ms: int = 1_000_000
    said: int = 0
    shown_ms: dict[UserId, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = OracleStore(lambda: self.now_ms)
        self.log = OracleLog(self.store, "one", LIMITS)
        self.seq = 0

    def append(self, *entries: Append) -> list[Outcome]:
        self.seq += 1
        return asyncio.run(self.log.append(ROOM, self.seq, entries, 0)).outcomes

    def say(self, authors: Sequence[UserId]) -> list[tuple[UserId, bool]]:
        """Everybody says something in one batch; who of them was shown, in order."""
        answers = self.append(*[self.comment(author) for author in authors])
        told = [
            (author, answer.verdict is Verdict.STORED)
            for author, answer in zip(authors, answers, strict=True)
        ]
        assert {answer.verdict for answer in answers} <= {Verdict.STORED, Verdict.SAMPLED}
        self.shown_ms |= {author: self.now_ms for author, shown in told if shown}
        return told

    def comment(self, author: UserId, interval_ms: int = 1) -> NewComment:
        self.said += 1
        name = CommentId(f"c{self.said}")
        return NewComment(name, author, b'{"t":"comment"}', interval_ms, 1_000_000)

    def tokens(self) -> float:
        tokens = self.store.room(ROOM).tokens
        return BURST if tokens is None else tokens


def of(told: Iterable[tuple[UserId, bool]], *, shown: bool) -> list[UserId]:
    return [author for author, was_shown in told if was_shown is shown]


@settings(deadline=None)
@given(script=batches, buyers=st.frozensets(people, max_size=4))
def test_the_budget_is_never_exceeded_and_only_what_is_shown_has_an_offset(script, buyers):
    room = Room()
    room.append(NewBuyers(tuple(buyers)))
    began_ms, shown = room.now_ms, 0
    for pause_ms, authors in script:
        room.now_ms += pause_ms
        shown += len(of(room.say(authors), shown=True))
        assert shown <= BURST + (room.now_ms - began_ms) * PER_S / 1_000
    entries = asyncio.run(room.log.read_after(ROOM, 0))
    assert [entry.offset for entry in entries] == list(range(1, shown + 1))
    ids = [int(entry.subject.removeprefix("c")) for entry in entries]
    assert ids == sorted(ids)  # in order of arrival, whoever came first in the choice


@settings(deadline=None)
@given(script=batches, buyers=st.frozensets(people, max_size=4))
def test_nobody_is_shown_in_place_of_somebody_who_comes_before(script, buyers):
    """Of two in one batch: buyers first, then who was not shown for longest."""
    room = Room()
    room.append(NewBuyers(tuple(buyers)))
    for pause_ms, authors in script:
        room.now_ms += pause_ms
        stored = room.store.room(ROOM)
        before_ms, waiting_ms = dict(room.shown_ms), dict(stored.overlooked_ms)
        firsts = {
            one
            for one in authors
            if one in buyers or room.now_ms - waiting_ms.get(one, room.now_ms) >= OVERLOOKED_MS
        }
        told = room.say(authors)
        shown, sampled = of(told, shown=True), of(told, shown=False)
        for loser in set(sampled) - set(shown):
            for winner in shown:
                assert (winner in firsts) >= (loser in firsts), (winner, loser)
                if (winner in firsts) == (loser in firsts):
                    assert before_ms.get(winner, 0) <= before_ms.get(loser, 0), (winner, loser)
                assert shown.count(winner) == 1 or winner in buyers or loser not in firsts


@settings(deadline=None)
@given(script=batches, buyers=st.frozensets(people, max_size=4))
def test_nothing_is_sampled_while_there_is_budget_but_what_is_kept_for_buyers_who_talk(
    script, buyers
):
    room = Room()
    room.append(NewBuyers(tuple(buyers)))
    buyers_spoke_ms = -TALKING_MS
    for pause_ms, authors in script:
        room.now_ms += pause_ms
        if buyers & set(authors):
            buyers_spoke_ms = room.now_ms
        told = room.say(authors)
        talking = room.now_ms - buyers_spoke_ms < TALKING_MS
        for loser in of(told, shown=False):
            assert room.tokens() < 1 + (KEPT if talking and loser not in buyers else 0)


@settings(deadline=None, max_examples=30)
@given(
    others=st.integers(0, 20),
    buyers=st.integers(0, 20),
    each_says=st.integers(1, 3),
    pause_ms=st.sampled_from([20, 100, 300]),
)
def test_who_keeps_talking_is_shown_within_a_bound_however_much_others_and_buyers_talk(
    others, buyers, each_says, pause_ms
):
    """Once overlooked for long, everybody else comes before somebody at most once."""
    room = Room()
    quiet = UserId("quiet")
    crowd = [UserId(f"other{number}") for number in range(others)]
    rich = [UserId(f"buyer{number}") for number in range(buyers)]
    room.append(NewBuyers(tuple(rich)))
    loud = (rich + crowd) * each_says
    turns_ms = (len(crowd) + len(rich) + 1) * 1_000 / PER_S
    bound_ms = OVERLOOKED_MS + turns_ms + pause_ms * 2
    last_ms = room.now_ms
    for _ in range(int(3 * bound_ms / pause_ms)):
        room.now_ms += pause_ms
        if (quiet, True) in room.say([*loud, quiet]):
            last_ms = room.now_ms
        assert room.now_ms - last_ms <= bound_ms


def test_who_talks_ten_times_as_much_is_shown_no_more_often():
    room = Room()
    loud, quiet = [UserId("loud")], [UserId(f"u{number}") for number in range(20)]
    shown: dict[UserId, int] = dict.fromkeys([*loud, *quiet], 0)
    for _ in range(200):
        room.now_ms += 100
        for author in of(room.say([*loud * 10, *quiet]), shown=True):
            shown[author] += 1
    assert max(shown.values()) - min(shown.values()) <= 2, shown


def test_staff_speak_above_the_budget_and_cost_nobody_a_place():
    room = Room()
    staff = [room.comment(UserId("host"), interval_ms=0) for _ in range(50)]
    answers = room.append(*staff, *[room.comment(UserId(f"u{n}")) for n in range(BURST + 3)])
    stored = [answer.verdict is Verdict.STORED for answer in answers]
    assert stored == [True] * (50 + BURST) + [False] * 3


def test_state_is_stored_in_its_place_between_comments_that_are_sampled():
    room = Room()
    room.say([UserId(f"u{number}") for number in range(BURST)])
    notice = NewEvent(Lane.STATE, "notice", b'{"t":"notice"}')
    answers = room.append(room.comment(UserId("a")), notice, room.comment(UserId("b")))
    assert [answer.verdict for answer in answers] == [
        Verdict.SAMPLED, Verdict.STORED, Verdict.SAMPLED,
    ]  # fmt: skip


def test_who_bought_long_ago_is_no_buyer_any_more():
    room = Room()
    buyer, other = UserId("buyer"), UserId("other")
    room.append(NewBuyers((buyer,)))
    room.say([UserId(f"u{number}") for number in range(BURST)])
    room.now_ms += 1_000 // PER_S
    assert room.say([other, buyer]) == [(other, False), (buyer, True)]
    room.now_ms += LIMITS.buyer_rank_s * 1_000
    room.say([UserId(f"u{number}") for number in range(BURST)])
    room.now_ms += 1_000 // PER_S
    assert room.say([other, buyer]) == [(other, True), (buyer, False)]
