"""One room, several workers, several people: what was asked for, and the verdict on what was seen.

`RoomWorld` knows no Redis and no Hypothesis: a `Backend` gives it logs and feeds, a state machine
drives it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import orjson

from rooms.adapters.redis_log import channel_of
from rooms.log import Attendance, Entry, NewEvent, RoomLog, Vitals
from rooms.text_filter import TextFilter
from server.settings import Limits
from server.tokens import Tokens
from tests.support.room_client import Seen, Shown, StageClient
from tests.support.room_stage import ROOM, Archive, Deliver, Ledger, StageWorker

EVENTS_MAX = 20
JOIN_COMMENTS_MAX = 5
TOKENS = Tokens("a secret of tests, of 32 bytes or more", None)
FILTER = TextFilter([])
NOBODY = Attendance(0, 0)


class Backend(Protocol):
    """Where the log of the workers lives, and how it reaches them."""

    def log(self, worker: str, limits: Limits) -> RoomLog: ...

    def feed(self, worker: str, deliver: Deliver) -> Any:
        """What `LiveRooms` needs of a feed: `subscribe` and `unsubscribe`."""

    async def lose_everything(self) -> None: ...

    async def replicate(self) -> None:
        """The replica has everything at this moment."""

    async def fail_over(self) -> None:
        """The replica takes over."""

    @property
    def keeps_all(self) -> bool:
        """Whether a failover loses nothing that anybody has seen."""

    async def close(self) -> None: ...


def stage_limits(*, slice_viewers: int, chat_burst: int) -> Limits:
    return Limits(
        history_events_max=EVENTS_MAX,
        join_comments_max=JOIN_COMMENTS_MAX,
        fanout_slice_viewers=slice_viewers,
        chat_per_s=1,
        chat_burst=chat_burst,
        append_gap_ms=1,
        pulse_interval_ms=2,
        tick_ms_max=2,
        comment_interval_ms=1,
        comment_burst=1_000_000,
        likes_per_s=1_000_000,
        likes_burst=1_000_000,
        commands_per_s=1_000_000,
        commands_burst=1_000_000,
        errors_burst=1_000_000,
        room_idle_unload_s=cast(int, 0.05),
        vitals_interval_s=cast(int, 0.02),  # whole seconds in life; here the test does not wait
    )


@dataclass(slots=True)
class Said:
    """A comment that somebody sent, perhaps more than once under the same cid."""

    client: StageClient
    text: str
    cid: str
    ids: set[str] = field(default_factory=set)  # as answered


class RoomWorld:
    def __init__(
        self,
        backend: Backend,
        *,
        workers: int,
        people: int,
        limits: Limits,
        settled_within_s: float,
    ) -> None:
        self.backend = backend
        self.settled_within_s = settled_within_s
        self.limits = limits
        self.ledger = Ledger()
        self.archive = Archive()
        self.archive_feed = backend.feed("archive", self.archive)
        self.observer = backend.log("observer", limits)
        self.workers = [self._worker(f"w{number}") for number in range(workers)]
        self.people = [
            StageClient(f"user{number}", token_of(f"user{number}"), deflated=bool(number % 2))
            for number in range(people)
        ]
        self.said: list[Said] = []
        self.likes_answered = 0
        self.likes_unknown = 0
        self.disturbed: set[StageWorker] = set()
        self.tasks: set[asyncio.Task[None]] = set()

    def _worker(self, name: str) -> StageWorker:
        log = self.backend.log(name, self.limits)
        worker = StageWorker(log, self.ledger, TOKENS, FILTER, self.limits)
        worker.listen_with(self.backend.feed(name, worker.feed))
        return worker

    async def begin(self) -> None:
        await self.archive_feed.subscribe(channel_of(ROOM))

    # what people and moderators do

    def say(self, client: StageClient, said: Said) -> None:
        def answered(reply: dict[str, Any]) -> None:
            if "rpc" in reply:
                said.ids.add(reply["rpc"]["data"]["id"])

        client.rpc("comment.send", {"text": said.text, "cid": said.cid}, answered)

    def like(self, client: StageClient, count: int) -> None:
        self.likes_unknown += count

        def answered(reply: dict[str, Any]) -> None:
            if "rpc" in reply:
                self.likes_answered += count
            self.likes_unknown -= count

        client.rpc("like.add", {"n": count}, answered)

    def act(self, worker: StageWorker, events: list[NewEvent]) -> None:
        if events:
            self.spawn(worker.announce(events))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    # waiting until nothing moves any more

    async def truth(self) -> Vitals:
        return await self.observer.report(ROOM, NOBODY)

    async def settle(self, *, healed: bool = False) -> None:
        """Every command has its answer, and everybody stands where the log stands.

        `healed`: so do all rooms in which nobody is, and everybody is counted.
        """
        deadline_s = time.monotonic() + self.settled_within_s
        while True:
            truth = await self.truth()
            why = self._unsettled(truth) or (healed and self._unhealed(truth))
            if not why:
                break
            assert time.monotonic() < deadline_s, f"does not settle: {why}"
            await asyncio.sleep(0.005)
        await self.judge(truth)

    async def heal(self) -> None:
        """What was held arrives, and the workers look after their rooms as they always do."""
        for worker in self.workers:
            worker.feed.to_drop = 0
            worker.feed.release()
        keepers = [asyncio.create_task(worker.rooms.keep()) for worker in self.workers]
        self.disturbed.clear()
        try:
            await self.settle(healed=True)
        finally:
            await cancel_all(keepers)

    def _unsettled(self, truth: Vitals) -> str:
        if self.tasks:
            return f"acts on their way: {self.tasks}"
        if truth.top and (truth.epoch, truth.top) not in self.archive.events:
            return "the archive has not heard everything"
        rooms = [worker.rooms.loaded(ROOM) for worker in self.workers]
        if not all(room is None or room.outbox.idle for room in rooms):
            return "an outbox is not empty"
        for client in self.people:
            if client.is_waiting:
                return f"{client.user} waits for an answer"
            assert client.worker is not None or not client.joined
            if client.joined and client.worker not in self.disturbed:
                why = _behind(client, truth)
                if why:
                    return why
        return ""

    def _unhealed(self, truth: Vitals) -> str:
        present = sum(client.joined for client in self.people)
        for client in self.people:
            if client.joined and client.user in self.ledger.banned:
                return f"{client.user} is banned, and inside"
        for worker in self.workers:
            room = worker.rooms.loaded(ROOM)
            if room is None:
                continue
            here = (room.replica.epoch, room.replica.top)
            if here != (truth.epoch, truth.top):
                return f"a room stands at {here}, not at {truth}"
            if room.replica.likes_total != truth.likes_total:
                return f"a room counts {room.replica.likes_total} likes, not {truth}"
            if (room.viewers_count, room.presence_stats()[0]) != (present, present):
                return f"{room.viewers_count} are counted, {present} are here"
        return ""

    # the verdict

    async def judge(self, truth: Vitals) -> None:
        assert not self.archive.problems, self.archive.problems
        for client in self.people:
            assert not client.problems, client.problems
            for seen in client.seen:
                self._judge_event(client, seen)
            self._judge_redaction(client, client.shown)
            self._judge_recoveries(client)
            client.seen.clear()
            client.shown.clear()
        self._judge_comments(truth.epoch)
        most = self.likes_answered + self.likes_unknown
        assert self.likes_answered <= truth.likes_total <= most, (truth, self.likes_answered, most)

    def _judge_event(self, client: StageClient, seen: Seen) -> None:
        """Everybody sees the same events in the same order, but for removed text."""
        entry = self.archive.events.get((seen.epoch, seen.offset))
        assert entry is not None, f"{client.user} saw {seen}, which was never stored"
        if seen.data == orjson.loads(entry.payload):
            return
        assert entry.subject in self.archive.removals, f"{client.user} saw {seen}, not {entry}"
        gone = {"id": entry.subject, "removed": True}
        redacted = {
            "comment": {"t": "comment", **gone},
            "comment.pinned": {"t": "comment.pinned", "comment": gone},
        }
        assert seen.data == redacted[entry.name]

    def _judge_redaction(self, client: StageClient, shown: list[Shown]) -> None:
        """Who stands behind a removal is not told the text again."""
        for comment_id, (epoch, offset) in self.archive.removals.items():
            (where, *_) = self.archive.comments[comment_id]
            text = orjson.loads(self.archive.events[where].payload)["text"].encode()
            for message in shown:
                if message.epoch == epoch and message.offset >= offset:
                    assert text not in message.raw, f"{client.user} was told {message} again"

    def _judge_recoveries(self, client: StageClient) -> None:
        for asked, recovered, given in client.recoveries:
            if asked.epoch != given.epoch:
                assert not recovered, f"{client.user} recovered from another epoch: {asked}"
            elif asked.offset >= len(self.archive.of_epoch(asked.epoch)) - EVENTS_MAX:
                assert recovered, f"{client.user} asked for {asked}, was given {given}"
        client.recoveries.clear()

    def _judge_comments(self, epoch: str) -> None:
        """What was answered is stored once, or was sampled; nothing is stored twice."""
        stored: dict[str, list[str]] = {}
        for entry in self.archive.of_epoch(epoch):
            if entry.name == "comment":
                stored.setdefault(orjson.loads(entry.payload)["text"], []).append(entry.subject)
        for said in self.said:
            found = stored.get(said.text, [])
            assert len(found) <= 1, f"{said.text} was stored {len(found)} times"
            assert len(said.ids) <= 1, f"{said.text} was answered with {said.ids}"
            if said.ids and not said.ids & said.client.sampled:
                assert set(found) == said.ids or self.may_be_sampled, f"{said} is not stored"

    @property
    def may_be_sampled(self) -> bool:
        return self.limits.chat_burst < 1_000

    # the first picture

    async def newcomer(self, worker: StageWorker) -> None:
        """Somebody new is shown the room as it is."""
        await self.heal()
        truth = await self.truth()
        client = StageClient("newcomer", token_of("newcomer"), deflated=False)
        self.people.append(client)
        client.connect(worker)
        await self.settle()
        snapshot = client.snapshot
        for name, value in self.ledger.fields().items():
            assert snapshot[name] == value, f"{name} is {snapshot[name]}, not {value}"
        events = self.archive.of_epoch(truth.epoch)[-EVENTS_MAX:]
        expected = [orjson.loads(entry.payload) for entry in events if self._is_shown(entry)]
        assert snapshot["comments"] == expected[-JOIN_COMMENTS_MAX:]
        assert snapshot["likes"] == {"total": truth.likes_total}
        client.hang_up()
        self.people.remove(client)

    def _is_shown(self, entry: Entry) -> bool:
        return entry.name == "comment" and entry.subject not in self.archive.removals

    # faults

    async def lose_everything(self) -> None:
        """The store comes back empty; SQL has what moderators did."""
        await self.heal()
        await self.backend.lose_everything()
        self.likes_answered = self.likes_unknown = 0
        self.said.clear()
        self.disturbed.update(self.workers)

    async def fail_over(self, teller: StageWorker, *, is_told: bool) -> None:
        """A replica takes over. `is_told`: the feeds notice that their connections are gone."""
        if not self.backend.keeps_all:
            await self.settle()
        await self.backend.fail_over()
        if not self.backend.keeps_all:
            await self._forget_what_was_lost(teller)
        self.disturbed.update(self.workers)
        if is_told:
            for worker in self.workers:
                await worker.rooms.resumed([channel_of(ROOM)])

    async def _forget_what_was_lost(self, teller: StageWorker) -> None:
        """Nobody is judged by what the replica did not have. The next act, by one who may
        know less than others, is seen by all.
        """
        truth = await self.truth()
        self.archive.forget_after(truth.epoch, truth.top)
        self.said.clear()
        self.likes_answered, self.likes_unknown = truth.likes_total, 0
        await teller.announce(self.ledger.put_notice("failed over"))

    async def close(self) -> None:
        for client in self.people:
            client.hang_up()
        await asyncio.gather(*self.tasks)
        for worker in self.workers:
            await worker.close()
        await self.backend.close()


async def cancel_all(tasks: Iterable[asyncio.Task[None]]) -> None:
    """End tasks. `wait_for` of Python 3.11 swallows a cancellation that comes with its result."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=1)


def _behind(client: StageClient, truth: Vitals) -> str:
    assert client.position is not None
    here = (client.position.epoch, client.position.offset)
    if here != (truth.epoch, truth.top):
        return f"{client.user} stands at {here}, not at {truth}"
    if client.likes_total != truth.likes_total and not client.may_miss_pulses:
        return f"{client.user} saw {client.likes_total} likes, not {truth.likes_total}"
    return ""


_TOKENS: dict[str, str] = {}


def token_of(user: str) -> str:
    if user not in _TOKENS:
        _TOKENS[user] = TOKENS.issue(user, "viewer", [], user, 3_600)
    return _TOKENS[user]
