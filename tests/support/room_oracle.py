"""The in-memory twin of the room log: same calls, same answers. The oracle of property tests.

Written from `rooms.log`, not from the Lua. It has the clock and the epochs of its `OracleStore`, so
that a test that runs both can give the twin the instant and the epoch of the real one. Nothing
expires here but attendance: a test is over before anything else would.
"""

from __future__ import annotations

from collections.abc import Sequence

from rooms.adapters.redis_log import Announcing, LogLimits, channel_of
from rooms.errors import RoomLogUnavailable
from rooms.log import (
    NOWHERE,
    Append,
    Appended,
    Attendance,
    Batch,
    CommentLike,
    Entry,
    Loaded,
    NewBuyers,
    NewComment,
    NewEvent,
    NewPulse,
    Outcome,
    Position,
    Seed,
    Verdict,
    Vitals,
)
from rooms.model import CommentId, Lane, RoomId, UserId
from tests.support.oracle_store import OracleStore, StoredRoom
from tests.support.room_shares import overlooked_of

_SEPARATOR = b"\x1f"


class OracleLog:
    """`rooms.log.RoomLog` of one worker on an `OracleStore`."""

    def __init__(self, store: OracleStore, worker: str, limits: LogLimits) -> None:
        self._store = store
        self._worker = worker
        self._limits = limits

    async def append(
        self,
        room_id: RoomId,
        seq: int,
        entries: Sequence[Append],
        likes: int,
        known: Position = NOWHERE,
    ) -> Appended:
        answer, number = self._decided(room_id, seq, entries, likes, known)
        await self._store.confirmed()
        if number:
            await self._store.publish(room_id, number)
        return answer

    def _decided(
        self, room_id: RoomId, seq: int, entries: Sequence[Append], likes: int, known: Position
    ) -> tuple[Appended, int]:
        """The answer, and the number of the message that is announced later, or 0."""
        room = self._store.begun(room_id)
        known_seq, first_answer, number = room.receipts.get(self._worker, (0, None, 0))
        if first_answer is not None and known_seq == seq:
            return first_answer, number
        if known_seq > seq:
            raise RoomLogUnavailable("a later batch of this worker was stored")
        self._compare(room, known)
        if self._store.announcing is Announcing.WATCHED and room.line != self._store.line:
            self._store.begin(room)
        deciding = _Deciding(room, self._limits, max(self._store.clock_ms(), room.now_ms))
        outcomes = deciding.decide_all(entries)
        batch = deciding.done(likes)
        answer = Appended(outcomes, room.likes, room.now_ms, room.epoch, room.top)
        number = self._announce(room_id, batch) if _says_something(batch, likes) else 0
        room.receipts[self._worker] = (seq, answer, number)
        return answer, number

    def _compare(self, room: StoredRoom, known: Position) -> None:
        """Another epoch, if what somebody has seen is not there."""
        if room.epoch == known.epoch and room.top < known.offset:
            self._store.begin(room)

    def _announce(self, room_id: RoomId, batch: Batch) -> int:
        room = self._store.room(room_id)
        if self._store.announcing is not Announcing.LATER:
            self._store.announce(channel_of(room_id), batch)
            return 0
        room.messages += 1
        room.queue.append((room.messages, batch))
        return room.messages

    async def load(self, room_id: RoomId, seed: Seed, known: Position = NOWHERE) -> Loaded:
        room = self._store.begun(room_id)
        self._compare(room, known)
        for name, value in seed.fields.items():
            if room.field_versions.get(name, 0) <= seed.version:
                room.fields[name] = value
        self._replace_sanctions(room, seed)
        loaded = Loaded(
            epoch=room.epoch,
            top=room.top,
            fields=dict(room.fields),
            entries=list(room.entries),
            likes_total=room.likes,
            comment_likes={one: len(people) for one, people in room.likers.items()},
            banned=frozenset(room.bans),
            sanctions_version=room.sanctions,
        )
        await self._store.confirmed()
        return loaded

    async def read_after(self, room_id: RoomId, offset: int) -> list[Entry]:
        found = [one for one in self._store.room(room_id).entries if one.offset > offset]
        await self._store.confirmed()
        return found

    async def sanction(self, room_id: RoomId, seed: Seed) -> None:
        self._replace_sanctions(self._store.room(room_id), seed)
        await self._store.confirmed()

    def _replace_sanctions(self, room: StoredRoom, seed: Seed) -> None:
        if room.sanctions > seed.version:
            return
        room.mutes, room.bans, room.sanctions = dict(seed.mutes), set(seed.bans), seed.version

    async def report(self, room_id: RoomId, attendance: Attendance) -> Vitals:
        room = self._store.room(room_id)
        now_ms = self._store.clock_ms()
        if attendance.clients:
            room.present[self._worker] = (attendance, now_ms)
        else:
            room.present.pop(self._worker, None)
        for worker, (_, at_ms) in list(room.present.items()):
            if now_ms - at_ms > self._limits.part_lapses_ms:
                del room.present[worker]
        parts = [part for part, _ in room.present.values()]
        return Vitals(
            clients=sum(part.clients for part in parts),
            users=sum(part.users for part in parts),
            epoch=room.epoch,
            top=room.top,
            likes_total=room.likes,
            sanctions_version=max(room.sanctions, 0),
        )

    async def members(self, room_id: RoomId) -> list[bytes]:
        present = self._store.room(room_id).present
        return [part.members for worker, (part, _) in present.items() if worker != self._worker]


class _Deciding:
    """One batch on its way into a room, entry after entry."""

    def __init__(self, room: StoredRoom, limits: LogLimits, now_ms: int) -> None:
        self._room = room
        self._limits = limits
        self._now_ms = now_ms
        self._stored: list[Entry] = []
        self._pulses: dict[str, bytes] = {}
        self._comment_likes: dict[CommentId, int] = {}
        self._bought: dict[UserId, int] = {}
        room.tokens = self._tokens_now()

    def _tokens_now(self) -> float:
        room, burst = self._room, float(self._limits.chat_burst)
        if room.tokens is None:
            return burst
        passed_ms = self._now_ms - room.tokens_at_ms
        return min(burst, room.tokens + passed_ms * self._limits.chat_per_s / 1000)

    def decide_all(self, entries: Sequence[Append]) -> list[Outcome]:
        """Who may speak; of them who is shown; then the offsets, in order."""
        decided = [self._decide(entry) for entry in entries]
        asking = [
            (index, entry)
            for index, entry in enumerate(entries)
            if decided[index] is None and isinstance(entry, NewComment) and entry.interval_ms
        ]
        overlooked = overlooked_of(self._room, self._limits, self._now_ms, asking)
        return [
            Outcome(Verdict.SAMPLED) if index in overlooked else outcome or self._store(entry)
            for index, (entry, outcome) in enumerate(zip(entries, decided, strict=True))
        ]

    def _decide(self, entry: Append) -> Outcome | None:
        """The answer, or None for what is stored if it is shown."""
        match entry:
            case NewEvent():
                return self._event(entry)
            case NewComment():
                return self._comment(entry)
            case CommentLike():
                return self._like(entry)
            case NewPulse():
                self._pulses[entry.name] = entry.payload
            case NewBuyers():
                self._bought |= dict.fromkeys(entry.users, self._now_ms)
        return Outcome(Verdict.SENT)

    def done(self, likes: int) -> Batch:
        """Write what is left, and say what is announced."""
        room = self._room
        room.entries = room.entries[-self._limits.events_max :]
        room.likes += likes
        room.bought_ms |= self._bought
        room.now_ms = room.tokens_at_ms = self._now_ms
        assert room.tokens is not None
        room.tokens = float(f"{room.tokens:.14g}")  # how Lua writes a number
        return Batch(
            epoch=room.epoch,
            first=room.top - len(self._stored) + 1,
            entries=self._stored,
            likes_total=room.likes,
            comment_likes=self._comment_likes,
            pulses=self._pulses,
        )

    def _event(self, event: NewEvent) -> Outcome | None:
        room = self._room
        if event.field:
            if event.version < room.field_versions.get(event.field, 0):
                return Outcome(Verdict.SUPERSEDED)
            room.fields[event.field] = event.value
            room.field_versions[event.field] = event.version
        return None

    def _comment(self, comment: NewComment) -> Outcome | None:
        cids, key = self._room.cids, (comment.author, comment.cid)
        if comment.cid and key in cids:
            fingerprint, earlier_id = cids[key]
            if fingerprint != comment.fingerprint:
                return Outcome(Verdict.CONFLICT)
            return Outcome(Verdict.REPLAYED, text=earlier_id)
        refusal = self._refusal(comment)
        if refusal is not None:
            return refusal
        if comment.cid:
            cids[key] = (comment.fingerprint, comment.comment_id)
        return None

    def _refusal(self, comment: NewComment) -> Outcome | None:
        room = self._room
        if comment.author in room.bans:
            return Outcome(Verdict.BANNED)
        muted_until_ms = room.mutes.get(comment.author, 0)
        if muted_until_ms > self._now_ms:
            return Outcome(Verdict.MUTED, muted_until_ms)
        if comment.interval_ms:
            due_ms = max(room.due_ms.get(comment.author, 0), self._now_ms)
            early_ms = due_ms - self._now_ms - (comment.burst - 1) * comment.interval_ms
            if early_ms > 0:
                return Outcome(Verdict.TOO_FAST, early_ms)
            room.due_ms[comment.author] = due_ms + comment.interval_ms
        return None

    def _like(self, like: CommentLike) -> Outcome:
        if like.author in self._room.bans:
            return Outcome(Verdict.BANNED)
        people = self._room.likers.setdefault(like.comment_id, set())
        if like.author not in people:
            people.add(like.author)
            self._comment_likes[like.comment_id] = len(people)
        return Outcome(Verdict.LIKED, len(people))

    def _store(self, entry: Append) -> Outcome:
        room = self._room
        room.top += 1
        if isinstance(entry, NewComment):
            payload = self._stamped(entry.payload)
            author = entry.author
            stored = Entry(room.top, Lane.CHAT, "comment", payload, entry.comment_id, author)
        else:
            assert isinstance(entry, NewEvent)
            payload = self._stamped(entry.payload) if entry.stamp else entry.payload
            stored = Entry(
                room.top, entry.lane, entry.name, payload, entry.subject, entry.author,
                entry.field, entry.value,
            )  # fmt: skip
        room.entries.append(stored)
        self._stored.append(stored)
        return Outcome(Verdict.STORED, room.top)

    def _stamped(self, payload: bytes) -> bytes:
        comma = b"" if payload == b"{}" else b","
        return b'%s%s"at_ms":%d}' % (payload[:-1], comma, self._now_ms)


def _says_something(batch: Batch, likes: int) -> bool:
    return bool(batch.entries or batch.pulses or batch.comment_likes or likes)


def message_of(batch: Batch) -> bytes:
    """An announcement as it travels; `rooms.adapters.wire.parse_batch` reads it."""
    counts = ",".join(f"{one}={count}" for one, count in batch.comment_likes.items())
    head = (batch.epoch, batch.first, len(batch.entries), batch.likes_total, counts)
    lines = [_SEPARATOR.join(str(part).encode() for part in head)]
    for one in batch.entries:
        facts = (str(int(one.lane)), one.name, one.subject, one.author)
        texts = [fact.encode() for fact in facts]
        lines.append(_SEPARATOR.join([*texts, one.payload, one.field.encode(), one.value]))
    lines += [name.encode() + _SEPARATOR + payload for name, payload in batch.pulses.items()]
    return b"\n".join(lines)
