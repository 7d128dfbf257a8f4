"""A room on several workers in one process: the real parts of a server without its sockets.

Gateways, rooms, channels and procedures are the product's own. The log is any `RoomLog`; the feed
between log and workers is in the hands of the test, which may drop and hold announcements. SQL is
stood in for by a `Ledger` that decides as the acts' transactions do.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import orjson

from rooms.adapters.redis_feed import RedisFeed
from rooms.adapters.redis_log import channel_of
from rooms.adapters.wire import parse_batch
from rooms.errors import RoomLogUnavailable
from rooms.log import Append, Appended, Entry, NewEvent, Position, RoomLog, Seed
from rooms.model import RoomId, UserId
from rooms.text_filter import TextFilter
from server import room_json
from server.channels import Channels
from server.gateway import Gateway
from server.live_rooms import LiveRooms
from server.rpc import Procedures, Talk
from server.settings import Limits
from server.tokens import Tokens

ROOM = RoomId("garden")
CHANNEL = f"room:{ROOM}"
FOR_EVER_MS = 2**53 - 1
Deliver = Callable[[str, bytes], None]


class TamperedFeed:
    """What stands between the announcements and one worker. It keeps their order."""

    def __init__(self) -> None:
        self.deliver: Deliver = lambda channel, message: None
        self.to_drop = 0
        self.holding = False
        self.dropped = 0
        self._held: deque[tuple[str, bytes]] = deque()

    def __call__(self, channel: str, message: bytes) -> None:
        if self.to_drop:
            self.to_drop -= 1
            self.dropped += 1
        elif self.holding:
            self._held.append((channel, message))
        else:
            self.deliver(channel, message)

    @property
    def is_behind(self) -> bool:
        return bool(self._held)

    def release(self) -> None:
        self.holding = False
        while self._held:
            self.deliver(*self._held.popleft())


class MemoryFeed:
    """A feed without Redis: takes the place of `RedisFeed` for one worker."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._channels: set[str] = set()

    async def subscribe(self, channel: str) -> None:
        await asyncio.sleep(0)
        self._channels.add(channel)

    async def unsubscribe(self, channel: str) -> None:
        self._channels.discard(channel)

    def publish(self, channel: str, message: bytes) -> None:
        """Arrives a turn of the loop later, in order."""
        if channel in self._channels:
            asyncio.get_running_loop().call_soon(self._deliver, channel, message)


@dataclass(slots=True)
class FailingLog:
    """A log whose next appends fail: before they are carried out, or after (the reply is lost)."""

    log: RoomLog
    fail_before: int = 0
    fail_after: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.log, name)

    async def append(
        self, room_id: RoomId, seq: int, entries: list[Append], likes: int, known: Position
    ) -> Appended:
        if self.fail_before:
            self.fail_before -= 1
            raise RoomLogUnavailable("the test says: not reached")
        answer = await self.log.append(room_id, seq, entries, likes, known)
        if self.fail_after:
            self.fail_after -= 1
            raise RoomLogUnavailable("the test says: reply lost")
        return answer


@dataclass(slots=True)
class Ledger:
    """The room in SQL: every act takes the next version, in the order of their transactions."""

    version: int = 0
    pinned: dict[str, Any] | None = None
    notice: str | None = None
    pinned_comment: dict[str, Any] | None = None
    removed: set[str] = field(default_factory=set)
    muted: set[UserId] = field(default_factory=set)
    banned: set[UserId] = field(default_factory=set)

    async def seed(self, room_id: RoomId) -> Seed:
        await asyncio.sleep(0)
        return self.now()

    def now(self) -> Seed:
        return Seed(
            self.version,
            {name: orjson.dumps(value) for name, value in self.fields().items()},
            dict.fromkeys(self.muted, FOR_EVER_MS),
            sorted(self.banned),
        )

    def fields(self) -> dict[str, Any]:
        notice = None if self.notice is None else {"text": self.notice}
        return {"pinned": self.pinned, "notice": notice, "pinned_comment": self.pinned_comment}

    # acts: each returns what is announced

    def pin_product(self, product: dict[str, Any] | None) -> list[NewEvent]:
        self.version += 1
        self.pinned = product
        name = "product.unpinned" if product is None else "product.pinned"
        facts = {} if product is None else {"product": product}
        return [
            room_json.state_event(
                name, facts, version=self.version, field="pinned", value=product
            )
        ]  # fmt: skip

    def put_notice(self, text: str | None) -> list[NewEvent]:
        self.version += 1
        self.notice = text
        return [room_json.notice_changed(text, self.version)]

    def pin_comment(self, entry: Entry) -> list[NewEvent]:
        if entry.subject in self.removed:
            return []
        self.version += 1
        self.pinned_comment = orjson.loads(entry.payload)
        return [room_json.comment_pinned(self.pinned_comment, self.version)]

    def remove_comment(self, entry: Entry) -> list[NewEvent]:
        self.version += 1
        self.removed.add(entry.subject)
        events = [room_json.comment_removed(entry.subject, entry.author, "rude", self.version)]
        if self.pinned_comment is not None and self.pinned_comment["id"] == entry.subject:
            self.pinned_comment = None
            events.append(room_json.comment_pinned(None, self.version))
        return events


class StageWorker:
    """One worker: `feed` tampers with what it hears, `log` fails when told to."""

    def __init__(
        self, log: RoomLog, ledger: Ledger, tokens: Tokens, text_filter: TextFilter, limits: Limits
    ) -> None:
        self.log = FailingLog(log)
        self.limits = limits
        self.ledger = ledger
        self.feed = TamperedFeed()
        self.rooms = LiveRooms(cast(RoomLog, self.log), ledger.seed, limits)
        self.feed.deliver = self.rooms.announced
        self.gateway = Gateway(limits, tokens, self.rooms, insecure=False, now_ms=lambda: 0)
        channels = Channels(self.gateway, self.rooms, tokens, limits, cast(RoomLog, self.log))
        self.gateway.handle(channels.handlers())
        talk = Talk(self.rooms, text_filter, limits, lambda: 0)
        self.gateway.handle(Procedures(talk.procedures()).handlers())

    def listen_with(self, feed: Any) -> None:
        self.rooms.feed = cast(RedisFeed, feed)

    async def announce(self, events: list[NewEvent]) -> None:
        """As `server.acts` does it after the transaction; by somebody who asks again if need be."""
        room = None
        while room is None:
            with contextlib.suppress(RoomLogUnavailable):
                room = await self.rooms.open(ROOM)
        for answer in [room.outbox.put(event) for event in events]:
            await answer

    async def sanctioned(self) -> None:
        """Mutes and bans changed: tell the log, as `server.acts` does."""
        await self.log.sanction(ROOM, self.ledger.now())

    def bans_changed(self) -> None:
        """The word from the control channel arrived."""
        room = self.rooms.loaded(ROOM)
        if room is not None:
            self.rooms.apply_bans(room, frozenset(self.ledger.banned))

    def comment(self, comment_id: str) -> Entry | None:
        """A comment as this worker's moderators see it."""
        room = self.rooms.loaded(ROOM)
        return None if room is None else room.replica.comment(cast(Any, comment_id))

    async def close(self) -> None:
        room = self.rooms.loaded(ROOM)
        if room is not None:
            await room.outbox.drained()
        await self.gateway.close()
        await self.rooms.close()


class Archive:
    """Everything that was ever announced, from a feed that loses nothing."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._epoch = ""
        self._begun_with: dict[str, tuple[str, int]] = {}  # epoch -> another one, and how far
        self.events: dict[tuple[str, int], Entry] = {}
        self.comments: dict[str, list[tuple[str, int]]] = {}  # id -> (epoch, offset)
        self.removals: dict[str, tuple[str, int]] = {}

    def __call__(self, channel: str, message: bytes) -> None:
        assert channel == channel_of(ROOM)
        batch = parse_batch(message)
        if batch.epoch != self._epoch and batch.epoch not in self._begun_with:
            self._begun_with[batch.epoch] = (self._epoch, batch.first - 1)
            self._epoch = batch.epoch
        for entry in batch.entries:
            key = (batch.epoch, entry.offset)
            if self.events.setdefault(key, entry) is not entry:
                if self.events[key] != entry:
                    self.problems.append(f"two events under one offset: {key}")
                continue  # announced, and the server died before it noted that
            if entry.name == "comment":
                self.comments.setdefault(entry.subject, []).append(key)
            elif entry.name == "comment.removed":
                self.removals.setdefault(entry.subject, key)

    def of_epoch(self, epoch: str) -> list[Entry]:
        """The history of an epoch, what it was begun with included."""
        own = [entry for (one, _), entry in sorted(self.events.items()) if one == epoch]
        earlier, top = self._begun_with.get(epoch, ("", 0))
        before = self.of_epoch(earlier) if earlier else []
        return [entry for entry in before if entry.offset <= top] + own

    def forget_after(self, epoch: str, top: int) -> None:
        """The store lost what came later: nobody is asked to remember it."""
        for one, places in list(self.comments.items()):
            if places[-1] > (epoch, top) and places[-1][0] == epoch:
                del self.comments[one]
        for one, place in list(self.removals.items()):
            if place > (epoch, top) and place[0] == epoch:
                del self.removals[one]
