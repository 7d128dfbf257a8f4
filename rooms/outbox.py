"""What one worker has to say in one room: gathered while a batch is in flight, then sent whole.

No timer delays a quiet room: the first entry leaves at once. While a batch is away, and for a
named gap after it, the next one gathers. The queue is bounded; at the bound it says so.
A batch that could not be sent is repeated under the same number until a deadline, so it is
stored at most once; then its senders are told that the room is unavailable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from rooms.errors import Overloaded, RoomLogUnavailable
from rooms.log import (
    NOWHERE,
    Append,
    Appended,
    NewComment,
    NewEvent,
    Outcome,
    Position,
    RoomLog,
)
from rooms.model import Lane, RoomId

_RETRY_FIRST_S = 0.05
_RETRY_MAX_S = 0.5


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """Bounds: entries waiting, entries per batch, gap between batches, time to get one through.

    Of those waiting at most `comments_max` are comments: a flood of them leaves room for the rest.
    """

    events_max: int = 2_000
    comments_max: int = 1_000
    batch_events_max: int = 256
    gap_ms: int = 20
    within_s: int = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one entry, and the room's clock when it was decided."""

    outcome: Outcome
    now_ms: int


class Outbox:
    """One per room and worker. Its futures end with an answer or `RoomLogUnavailable`."""

    def __init__(
        self,
        room_id: RoomId,
        log: RoomLog,
        limits: OutboxLimits,
        *,
        numbers: Iterator[int],
        now_s: Callable[[], float],
    ) -> None:
        self._room_id = room_id
        self._log = log
        self._limits = limits
        self._now_s = now_s
        self._numbers = numbers  # grows over all outboxes of the worker
        self._waiting: list[tuple[Append, asyncio.Future[Answer]]] = []
        self._likes = 0
        self._likers: asyncio.Future[int] | None = None  # of all who liked since the last batch
        self._comments = 0
        self._sender: asyncio.Task[None] | None = None
        self._urgent = asyncio.Event()
        self.known: Callable[[], Position] = lambda: NOWHERE  # what people of this worker saw
        self._answered = NOWHERE

    @property
    def idle(self) -> bool:
        return self._sender is None

    def put(self, entry: Append) -> asyncio.Future[Answer]:
        """Add an entry; State leaves without waiting for the gap. Raises `Overloaded`."""
        if len(self._waiting) >= self._limits.events_max:
            raise Overloaded("outbox_events_max")
        if isinstance(entry, NewComment):
            self.check_comments()
            self._comments += 1
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, answer))
        if isinstance(entry, NewEvent) and entry.lane is Lane.STATE:
            self._urgent.set()
        self._start()
        return answer

    def check_comments(self) -> None:
        """Raises `Overloaded` when no further comment is taken now."""
        if self._comments >= self._limits.comments_max:
            raise Overloaded("outbox_comments_max")

    def like(self, count: int) -> asyncio.Future[int]:
        """Add likes; the answer is the room's total after them.

        All who like before the next batch leaves share one future: nobody may cancel it.
        """
        if self._likers is None:
            self._likers = asyncio.get_running_loop().create_future()
            self._start()
        self._likes += count
        return self._likers

    async def drained(self) -> None:
        """Return when everything handed in so far has its answer."""
        while self._sender is not None:
            await asyncio.wait([self._sender])

    def _start(self) -> None:
        if self._sender is None:
            self._sender = asyncio.get_running_loop().create_task(self._send_all())

    async def _send_all(self) -> None:
        try:
            while self._waiting or self._likers is not None:
                await self._send_batch()
                await self._gather()
        except Exception:  # a bug with one batch; those behind it do not wait for the next entry
            self._sender = None
            if self._waiting or self._likers is not None:
                self._start()
            raise
        finally:
            if self._sender is asyncio.current_task():
                self._sender = None

    async def _gather(self) -> None:
        """Let the next batch grow for the gap; a State event ends the wait."""
        if len(self._waiting) >= self._limits.batch_events_max:
            return
        try:
            async with asyncio.timeout(self._limits.gap_ms / 1000):
                await self._urgent.wait()
        except TimeoutError:
            pass

    async def _send_batch(self) -> None:
        most = self._limits.batch_events_max
        batch, self._waiting = self._waiting[:most], self._waiting[most:]
        likes, self._likes = self._likes, 0
        likers, self._likers = self._likers, None
        if not self._waiting:
            self._urgent.clear()
        self._comments -= sum(isinstance(entry, NewComment) for entry, _ in batch)
        answers = [answer for _, answer in batch]
        try:
            appended = await self._append([entry for entry, _ in batch], likes)
        except Exception as error:
            waiters: list[asyncio.Future[Any]] = answers if likers is None else [*answers, likers]
            for waiter in waiters:
                _fail(waiter, error)
            if not isinstance(error, RoomLogUnavailable):
                raise
            return
        for answer, outcome in zip(answers, appended.outcomes, strict=True):
            if not answer.done():
                answer.set_result(Answer(outcome, appended.now_ms))
        if likers is not None and not likers.done():
            likers.set_result(appended.likes_total)

    async def _append(self, entries: list[Append], likes: int) -> Appended:
        deadline = self._now_s() + self._limits.within_s
        pause_s = _RETRY_FIRST_S
        number = next(self._numbers)
        while True:
            try:
                appended = await self._log.append(
                    self._room_id, number, entries, likes, self._known()
                )
                self._answered = Position(appended.top, appended.epoch)
                return appended
            except RoomLogUnavailable:
                if self._now_s() + pause_s > deadline:
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _RETRY_MAX_S)

    def _known(self) -> Position:
        """The furthest that is known to have been stored in the epoch that people see."""
        seen, answered = self.known(), self._answered
        further = answered.epoch == seen.epoch and answered.offset > seen.offset
        return answered if further else seen


def _fail(waiter: asyncio.Future[Any], error: Exception) -> None:
    if not waiter.done():
        waiter.set_exception(error)
        waiter.exception()  # retrieved: of likes without a reply nobody asks
