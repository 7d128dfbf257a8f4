"""One room on one worker: its replica, its audience, and the flushes between them.

Batches come in from the feed, in the same order on every worker. They are applied and written
when the room's tick is due, so the replica always stands where the viewers stand.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import cast

import orjson

from rooms.errors import Gap
from rooms.hub import Audience, Member
from rooms.log import Batch, Entry, Position
from rooms.model import Lane, RoomId, UserId
from rooms.outbox import Outbox
from rooms.pacing import Pacing
from rooms.replica import Replica
from server.codec import Pulse
from server.codec.wire_frames import FrameBuilder
from server.courier import Courier, Turns
from server.replies import Closing
from server.settings import Limits
from server.viewer import Viewer


class LiveRoom:
    """Viewers of this worker see `replica.top`, all of them, at any moment between flushes."""

    def __init__(
        self,
        replica: Replica,
        outbox: Outbox,
        *,
        builder: FrameBuilder,
        pacing: Pacing,
        turns: Turns,
        limits: Limits,
        on_gap: Callable[[LiveRoom], None],
    ) -> None:
        self.room_id: RoomId = replica.room_id
        self.channel = f"room:{replica.room_id}"
        self.replica = replica
        self.outbox = outbox
        outbox.known = lambda: self.known
        self.audience = Audience()
        self.viewers_count = 0
        self._elsewhere = (0, 0)  # clients and users on other workers
        self.idle_since_s = time.monotonic()
        self.catching_up = False
        self.reporting = False  # a report of its attendance is on its way
        self.behind_at: int | None = None  # its top when it last was below the stream's
        self._builder = builder
        self._pacing = pacing
        self._pace = pacing.room()
        self._limits = limits
        self._on_gap = on_gap
        self._pending: list[Batch] = []
        self._pulses: dict[str, bytes] = {}
        self._likes_delta = 0
        self._pulsed_at_s = float("-inf")
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._consulted = False  # the stream was asked since the last flush
        self._timer: asyncio.Handle | None = None
        self._flush_at_s = 0.0  # when it fires; uvloop's handle of a short wait does not say
        self._courier = Courier(
            self.audience,
            turns,
            slice_viewers=limits.fanout_slice_viewers,
            on_slow=_hang_up,
            on_paid=self._pace.paid,
        )
        self._snapshot: bytes | None = None

    # who is here

    def join(self, viewer: Viewer) -> None:
        """From the next flush on this viewer gets every frame."""
        self.audience.add(viewer)

    def leave(self, viewer: Viewer) -> None:
        self.audience.discard(viewer)
        self._courier.tidy()
        if not len(self.audience):
            self.idle_since_s = time.monotonic()

    # what comes in

    def announced(self, batch: Batch) -> None:
        """A batch from the feed: State goes out at once, the rest when the tick is due."""
        self._pending.append(batch)
        if not self.catching_up:
            self._schedule(now=any(entry.lane is Lane.STATE for entry in batch.entries))
        if batch.entries and len(self.audience):
            self._pace.asks(time.monotonic(), len(batch.entries))

    def pulse(self, name: str, payload: bytes) -> None:
        """A value of which only the newest matters."""
        self._pulses[name] = payload
        self._schedule(now=False)

    def presence_stats(self) -> tuple[int, int]:
        """(clients, users) over all workers: others' parts as last reported, our own now."""
        return (
            self._elsewhere[0] + len(self.audience),
            self._elsewhere[1] + self.audience.users,
        )

    def set_attendance(self, clients: int, users: int, own: tuple[int, int]) -> None:
        """The room over all workers; `own` is what this worker had reported of it."""
        self._elsewhere = (max(0, clients - own[0]), max(0, users - own[1]))
        count, _ = self.presence_stats()
        if count != self.viewers_count:
            self.viewers_count = count
            self.pulse("viewers", b'{"t":"viewers","count":%d}' % count)

    @property
    def known(self) -> Position:
        """How far the log had come, for all that is known here: what somebody may have seen."""
        ends = [
            batch.first + len(batch.entries) - 1
            for batch in self._pending
            if batch.epoch == self.replica.epoch
        ]
        return Position(max([self.replica.top, *ends]), self.replica.epoch)

    @property
    def has_pending(self) -> bool:
        """Batches wait for the tick, or a flush is on its way."""
        return bool(self._pending) or self._courier.is_under_way

    def caught_up(self, replica: Replica | None = None) -> None:
        """Missed entries are in `_pending` again, or the whole replica was made anew."""
        self.catching_up = False
        if replica is not None:
            self.replica = replica
            self._snapshot = None
        self._pending = [one for one in self._pending if one.epoch == self.replica.epoch]
        self._consulted = True
        self._schedule(now=True)
        if not self.has_pending:
            self._release_waiters()

    def reach(self, offset: int) -> asyncio.Future[None] | None:
        """Get to an offset that somebody has seen elsewhere. None: it is there already.

        The future is done when the room stands there, or when the stream itself does not.
        """
        if self.replica.top < offset:
            self._schedule(now=True)
        if self.replica.top >= offset:
            return None
        there: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((offset, there))
        return there

    def _release_waiters(self) -> None:
        """Those whose offset is reached; all of them once the stream was asked."""
        kept = []
        for offset, there in self._waiters:
            if there.done():
                continue
            if self._consulted or offset <= self.replica.top:
                there.set_result(None)
            else:
                kept.append((offset, there))
        self._waiters = kept
        self._consulted = False

    def likes_missed(self, total: int) -> None:
        """Likes were stored but never announced here."""
        if total > self.replica.likes_total:
            self.announced(Batch(self.replica.epoch, self.replica.top + 1, [], total))

    def missed(self, entries: list[Entry]) -> None:
        """Entries that were stored but never announced here; they precede what is pending."""
        batch = Batch(self.replica.epoch, entries[0].offset, entries, self.replica.likes_total)
        self._pending.insert(0, batch)

    def close(self) -> None:
        """The room is being unloaded: nobody is here."""
        if self._timer is not None:
            self._timer.cancel()
        self._courier.close()
        self._pacing.forget(self._pace)

    # what goes out

    def _schedule(self, *, now: bool) -> None:
        if self.catching_up:
            return  # looked at again when that is done
        wait_s = 0.0 if now or not len(self.audience) else self._wait_s()
        if wait_s <= 0:
            self._flush()
            return
        flush_at_s = time.monotonic() + wait_s
        if self._timer is not None:
            if self._flush_at_s <= flush_at_s:
                return
            self._timer.cancel()  # it was set for something that can wait longer
        self._flush_at_s = flush_at_s
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._flush)

    def _wait_s(self) -> float:
        now_s = time.monotonic()
        if self._pending and any(batch.entries for batch in self._pending):
            return self._pace.wait_s(now_s)
        return max(self._pace.wait_s(now_s), self._pulse_due_s() - now_s)

    def _pulse_due_s(self) -> float:
        return self._pulsed_at_s + self._limits.pulse_interval_ms / 1000

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.catching_up:
            return
        entries = self._apply_pending()
        if not len(self.audience):
            self._pulses.clear()
            self._likes_delta = 0
            return
        now_s = time.monotonic()
        pulses = self._take_pulses(now_s, along=bool(entries))
        if entries or pulses:
            spent_s = time.thread_time()
            frame = self._builder.build(self.channel, entries, pulses, self.audience.encodings)
            if not entries:
                self._pace.asks(now_s, 1)
            self._pace.flushes(now_s)
            self._pace.paid(time.thread_time() - spent_s, 0.0)
            self._courier.carry(frame)
        if self._pulses:
            self._schedule(now=False)

    def _apply_pending(self) -> list[Entry]:
        """Apply in order; at a gap keep the rest and ask for what is missing."""
        entries: list[Entry] = []
        pending, self._pending = self._pending, []
        for index, batch in enumerate(pending):
            likes_before = self.replica.likes_total
            try:
                entries += self.replica.apply(batch)
            except Gap:
                self._pending = pending[index:]
                self.catching_up = True
                self._on_gap(self)
                break
            self._take_in(batch, self.replica.likes_total - likes_before)
        if entries:
            self._snapshot = None
        if self._waiters and not self.catching_up:
            self._release_waiters()
        return entries

    def _take_in(self, batch: Batch, new_likes: int) -> None:
        """What a batch carries beside its stored entries becomes pulse.

        `new_likes` are those since the batch before, also if an announcement between was lost.
        """
        if new_likes:
            self._likes_delta += new_likes
            self._pulses["likes"] = b'{"t":"likes","total":%d,"delta":%d}' % (
                self.replica.likes_total,
                self._likes_delta,
            )
            self._snapshot = None
        if batch.comment_likes:
            earlier = self._pulses.get("comment.likes")
            counts = orjson.loads(earlier)["counts"] if earlier else {}
            counts.update(batch.comment_likes)
            self._pulses["comment.likes"] = orjson.dumps({"t": "comment.likes", "counts": counts})
            self._snapshot = None
        self._pulses.update(batch.pulses)

    def _take_pulses(self, now_s: float, *, along: bool) -> list[Pulse]:
        """What is due; `along` with entries also what is not far from it, for one write less."""
        early_s = self._limits.pulse_interval_ms / 2_000 if along else 0.0
        if not self._pulses or now_s < self._pulse_due_s() - early_s:
            return []
        pulses = [Pulse(payload, name in _INCENTIVES) for name, payload in self._pulses.items()]
        self._pulses.clear()
        self._likes_delta = 0
        self._pulsed_at_s = now_s
        return pulses

    # the first picture

    def snapshot(self) -> bytes:
        """The room as a newcomer sees it; built once for all who come between two changes.

        Only the count of viewers is always that of this moment.
        """
        if self._snapshot is None:
            self._snapshot = self._build_snapshot()
        return b'%s,"viewers":{"count":%d}}' % (self._snapshot, self.presence_stats()[0])

    def _build_snapshot(self) -> bytes:
        fields = self.replica.fields
        comments = self.replica.recent_comments(self._limits.join_comments_max)
        parts = [
            b'"%s":%s' % (name.encode(), fields.get(name, absent))
            for name, absent in _SNAPSHOT_FIELDS.items()
        ]
        # fields of other features, such as sales, travel as they are
        parts += [
            b"%s:%s" % (orjson.dumps(name), value)
            for name, value in fields.items()
            if name not in _SNAPSHOT_FIELDS
        ]
        parts.append(b'"likes":{"total":%d}' % self.replica.likes_total)
        parts.append(b'"comments":[%s]' % b",".join(entry.payload for entry in comments))
        likes = cast(dict[str, int], self.replica.comment_likes(comments))
        parts.append(b'"comment_likes":%s' % orjson.dumps(likes))
        return b"{" + b",".join(parts)  # left open for the count of viewers

    @property
    def slow_seconds(self) -> int:
        """How long a viewer must wait between two comments, if the room is in slow mode."""
        mode = self.replica.fields.get("mode")
        return int(orjson.loads(mode)["slow_seconds"]) if mode else 0

    def connections_of(self, user_id: UserId) -> list[Viewer]:
        """A person's connections in this room on this worker."""
        return [cast(Viewer, member) for member in self.audience.of_user(user_id)]


RANKING = "share.ranking"  # the pulse that tells a room of its newest ranking
_INCENTIVES = frozenset({RANKING})  # pulses that quiet encodings leave out

_SNAPSHOT_FIELDS = {
    "room": b"null",
    "pinned": b"null",
    "pinned_comment": b"null",
    "notice": b"null",
    "mode": b'{"slow_seconds":0}',
    "shelf": b"[]",
}


def _hang_up(slow: list[Member]) -> None:
    for member in slow:
        cast(Viewer, member).close(Closing.SLOW)
