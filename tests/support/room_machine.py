"""The rules by which Hypothesis plays with a `RoomWorld`; its verdicts are the invariants."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from rooms.adapters.redis_log import Announcing
from rooms.log import NewEvent
from rooms.model import UserId
from tests.support.room_client import StageClient
from tests.support.room_stage import CHANNEL, StageWorker
from tests.support.room_world import Backend, RoomWorld, Said, stage_limits

T = TypeVar("T")

which = st.integers(0, 11)
turns = st.integers(
    0, 4
)  # of the loop after a step; none: the next step falls into the same moment


def unique_text(number: int) -> str:
    letters = "".join("abcde"[number // 5**place % 5] for place in range(5))
    return f"hello <{letters}>"


class RoomMachine(RuleBasedStateMachine):
    """Subclasses say where the log lives."""

    world: RoomWorld | None = None
    settled_within_s = 1.0

    async def backend(self, announcing: Announcing) -> Backend:
        raise NotImplementedError

    def make_runner(self) -> Any:
        """Something with `run` and `close`."""
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.runner = self.make_runner()
        self.texts = (unique_text(number) for number in itertools.count())

    @initialize(
        workers=st.integers(1, 3),
        people=st.integers(2, 5),
        slice_viewers=st.sampled_from([1, 500]),
        chat_burst=st.sampled_from([3, 1_000_000]),
        announcing=st.sampled_from([Announcing.WATCHED, Announcing.LATER]),
    )
    def open(
        self,
        workers: int,
        people: int,
        slice_viewers: int,
        chat_burst: int,
        announcing: Announcing = Announcing.AT_ONCE,
    ) -> None:
        limits = stage_limits(slice_viewers=slice_viewers, chat_burst=chat_burst)

        async def begin() -> None:
            self.world = RoomWorld(
                await self.backend(announcing),
                workers=workers,
                people=people,
                limits=limits,
                settled_within_s=self.settled_within_s,
            )
            await self.world.begin()

        self.run(begin())

    def teardown(self) -> None:
        try:
            if self.world is not None:
                self.run(self.world.heal())
        finally:
            if self.world is not None:
                self.run(self.world.close())
            self.runner.close()

    # people come and go

    @rule(one=which, where=which, recover=st.booleans(), after=turns)
    def join(self, one: int, where: int, recover: bool, after: int) -> None:
        client = self.person(one)

        def come() -> None:
            if client.line is None:
                client.connect(self.worker(where), recover=recover)
            elif not client.joined and not client.is_waiting:
                client.subscribe(recover=recover)

        self.step(after, come)

    @rule(one=which, after=turns)
    def lose_socket(self, one: int, after: int) -> None:
        self.step(after, self.person(one).hang_up)

    @rule(one=which, where=which, after=turns)
    def change_network(self, one: int, where: int, after: int) -> None:
        """The socket is lost, and the client is back at once, on whichever worker."""
        client = self.person(one)

        def reconnect() -> None:
            client.hang_up()
            client.connect(self.worker(where))

        self.step(after, reconnect)

    @rule(one=which, after=turns)
    def leave(self, one: int, after: int) -> None:
        client = self.person(one)
        if not client.is_waiting:
            self.step(after, client.unsubscribe, inside=client)

    @rule(one=which, behind=st.sampled_from([0, 70_000, 600_000]), after=turns)
    def read_slowly(self, one: int, behind: int, after: int) -> None:
        """Above the first bound a reader misses pulses, above the second it is closed."""
        client = self.person(one)

        def slow_down() -> None:
            assert client.line is not None
            client.line.behind_bytes = behind
            client.may_miss_pulses |= behind > 0

        self.step(after, slow_down, inside=client)

    # people talk

    @rule(one=which, after=turns)
    def say(self, one: int, after: int) -> None:
        client = self.person(one)
        if client.joined:
            text = next(self.texts)
            said = Said(client, text, f"cid-{text[7:12]}")
            self.here.said.append(said)
            self.step(after, lambda: self.here.say(client, said), inside=client)

    @rule(which_one=which, after=turns)
    def say_again(self, which_one: int, after: int) -> None:
        """The same cid: the sender never heard whether it got through."""
        mine = [said for said in self.here.said if said.client.joined]
        if mine:
            said = mine[which_one % len(mine)]
            self.step(after, lambda: self.here.say(said.client, said), inside=said.client)

    @rule(one=which, count=st.integers(1, 50), after=turns)
    def like(self, one: int, count: int, after: int) -> None:
        client = self.person(one)
        self.step(after, lambda: self.here.like(client, count), inside=client)

    @rule(one=which, number=which, after=turns)
    def like_comment(self, one: int, number: int, after: int) -> None:
        client = self.person(one)
        ids = list(self.here.archive.comments)
        if ids:
            request = {"id": ids[-1 - number % len(ids)]}
            like = partial(client.rpc, "comment.like", request, lambda reply: None)
            self.step(after, like, inside=client)

    @rule(one=which, limit=st.sampled_from([-1, 3]), reverse=st.booleans())
    def ask_history(self, one: int, limit: int, reverse: bool) -> None:
        client = self.person(one)
        request = {"channel": CHANNEL, "limit": limit, "reverse": reverse}

        def told(reply: dict[str, Any]) -> None:
            if "error" in reply:
                return  # not in the room any more
            offsets = [one["offset"] for one in reply["history"].get("publications", [])]
            first = min(offsets, default=0)
            if sorted(offsets, reverse=reverse) != offsets or set(offsets) != set(
                range(first, first + len(offsets))
            ):
                client.problems.append(f"history has the offsets {offsets}")

        self.step(1, lambda: client.ask("history", request, told), inside=client)

    # moderators act

    @rule(where=which, product=st.sampled_from([None, {"id": "tea"}, {"id": "oil"}]), after=turns)
    def pin_product(self, where: int, product: dict[str, Any] | None, after: int) -> None:
        self.act(where, after, lambda: self.here.ledger.pin_product(product))

    @rule(where=which, text=st.sampled_from([None, "one", "two"]), after=turns)
    def put_notice(self, where: int, text: str | None, after: int) -> None:
        self.act(where, after, lambda: self.here.ledger.put_notice(text))

    @rule(where=which, number=which, remove=st.booleans(), after=turns)
    def moderate_comment(self, where: int, number: int, remove: bool, after: int) -> None:
        ids = list(self.here.archive.comments)
        entry = self.worker(where).comment(ids[-1 - number % len(ids)]) if ids else None
        if entry is not None:
            ledger = self.here.ledger
            work = ledger.remove_comment if remove else ledger.pin_comment
            self.act(where, after, lambda: work(entry))

    @rule(where=which, one=which, word_lost=st.booleans(), mute=st.booleans())
    def sanction(self, where: int, one: int, word_lost: bool, mute: bool) -> None:
        """Put somebody under a mute or ban, or lift it: at the latest when healed, it holds."""
        ledger, user = self.here.ledger, UserId(self.person(one).user)
        people = ledger.muted if mute else ledger.banned
        people ^= {user}
        ledger.version += 1

        async def work() -> None:
            await self.worker(where).sanctioned()
            for worker in self.here.workers:
                if not word_lost:
                    worker.bans_changed()
            await self.here.heal()

        self.run(work())
        self.refused_if_muted(self.person(one))

    def refused_if_muted(self, client: StageClient) -> None:
        if not client.joined or client.user not in self.here.ledger.muted:
            return
        assert client.line is not None
        client.line.behind_bytes = 0
        replies: list[dict[str, Any]] = []

        async def work() -> None:
            client.rpc("comment.send", {"text": "hello"}, replies.append)
            await self.here.settle()

        self.run(work())
        assert [reply["error"]["code"] for reply in replies] == [403]

    # things break

    @rule(where=which, after=turns)
    def lose_announcement(self, where: int, after: int) -> None:
        worker = self.worker(where)
        worker.feed.to_drop += 1
        self.here.disturbed.add(worker)
        self.run(self.pause(after))

    @rule(where=which)
    def hold_announcements(self, where: int) -> None:
        worker = self.worker(where)
        worker.feed.holding = True
        self.here.disturbed.add(worker)

    @rule(where=which, after=turns)
    def release_announcements(self, where: int, after: int) -> None:
        self.step(after, self.worker(where).feed.release)

    @rule(where=which, before=st.integers(0, 1), reply=st.integers(0, 1))
    def break_store(self, where: int, before: int, reply: int) -> None:
        """The next appends do not get through, or their answers do not."""
        log = self.worker(where).log
        log.fail_before, log.fail_after = before, reply

    @rule()
    def lose_store(self) -> None:
        if len(self.here.archive.events) > 2:
            self.run(self.here.lose_everything())
            self.run(self.here.heal())

    @rule()
    def replicate(self) -> None:
        """The replica has everything; where it does not matter to anybody, it lags from here on."""
        self.run(self.here.backend.replicate())

    @rule(where=which, is_told=st.booleans(), after=turns)
    def fail_over(self, where: int, is_told: bool, after: int) -> None:
        self.run(self.here.fail_over(self.worker(where), is_told=is_told))
        self.run(self.pause(after))

    # and heal

    @rule(after=st.integers(1, 30))
    def breathe(self, after: int) -> None:
        self.run(self.pause(after))

    @rule()
    def settle(self) -> None:
        self.run(self.here.settle())

    @rule()
    def heal(self) -> None:
        self.run(self.here.heal())

    @rule(where=which)
    def newcomer(self, where: int) -> None:
        self.run(self.here.newcomer(self.worker(where)))

    # how it is done

    @property
    def here(self) -> RoomWorld:
        assert self.world is not None
        return self.world

    def person(self, number: int) -> StageClient:
        return self.here.people[number % len(self.here.people)]

    def worker(self, number: int) -> StageWorker:
        return self.here.workers[number % len(self.here.workers)]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        result: T = self.runner.run(work)
        return result

    def step(
        self, after: int, work: Callable[[], None], *, inside: StageClient | None = None
    ) -> None:
        """Do it in a turn of the loop, and let `after` more pass. Nothing unless `inside` is in."""

        async def do() -> None:
            if inside is None or inside.joined:
                work()
            await self.pause(after)

        self.run(do())

    def act(self, where: int, after: int, work: Callable[[], list[NewEvent]]) -> None:
        self.step(after, lambda: self.here.act(self.worker(where), work()))

    async def pause(self, count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(0)
