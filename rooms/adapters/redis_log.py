"""The room log in Redis: one Lua call per batch appends, gives offsets and publishes.

Where it is replicated nothing is shown, and no append is answered, before a replica has it.

All keys of a room carry the hash tag `{room:<id>}`, so that they share a cluster slot.
Permanent keys: meta, stream, fields, mutes, bans. All others expire.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from rooms.adapters.confirmed import Confirmed
from rooms.adapters.script import RedisClient, Script
from rooms.adapters.wire import SEPARATOR, parse_entry
from rooms.errors import RoomLogUnavailable
from rooms.log import (
    NOWHERE,
    Append,
    Appended,
    Attendance,
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
from rooms.model import CommentId, RoomId, UserId

_OUTAGES = (RedisConnectionError, RedisTimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class LogLimits:
    """Bounds of one room's log. `part_lapses_ms`: when a silent worker no longer counts.

    Of the chat budget, `chat_buyers_percent` of the burst is left to buyers for `chat_buyers_ms`
    after a comment of theirs. Who waits for `chat_overlooked_ms` to be shown comes as first.
    """

    events_max: int = 1_000
    chat_per_s: int = 40
    chat_burst: int = 80
    chat_buyers_percent: int = 25
    chat_buyers_ms: int = 2_000
    chat_overlooked_ms: int = 10_000
    buyer_rank_s: int = 3_600
    buyers_max: int = 100_000
    cid_ttl_s: int = 600
    comment_likes_ttl_s: int = 604_800
    part_lapses_ms: int = 10_000
    replicas: int = 1  # that confirm, where nothing is announced before
    replica_within_ms: int = 800


class Announcing(StrEnum):
    """When others hear of a batch. Every value is a word of append.lua."""

    AT_ONCE = "at_once"  # one server, whose disk keeps what it has answered
    WATCHED = "watched"  # at once; a server that was promoted begins another epoch
    LATER = "later"  # when a replica has it


def room_key(room_id: RoomId, part: str) -> str:
    """The name of one of a room's keys; no other place builds them."""
    return f"{{room:{room_id}}}:{part}"


def channel_of(room_id: RoomId) -> str:
    """The sharded pub/sub channel that announces a room's batches."""
    return room_key(room_id, "events")


class RedisRoomLog:
    """`rooms.log.RoomLog` on redis.asyncio, for one worker named `worker`."""

    def __init__(
        self,
        client: RedisClient,
        worker: str,
        limits: LogLimits,
        announcing: Announcing = Announcing.AT_ONCE,
    ) -> None:
        self._client = client
        self._worker = worker
        self._limits = limits
        self._announcing = announcing
        self._confirmed: Confirmed | None = None
        if announcing is Announcing.LATER:
            self._confirmed = Confirmed(limits.replicas, limits.replica_within_ms)
        self._append = Script("append")
        self._load = Script("load")
        self._publish = Script("publish")
        self._report = Script("report")
        self._sanction = Script("sanction")

    async def append(
        self,
        room_id: RoomId,
        seq: int,
        entries: Sequence[Append],
        likes: int,
        known: Position = NOWHERE,
    ) -> Appended:
        keys = [
            room_key(room_id, part)
            for part in ("meta", "stream", "fields", "mutes", "bans", "pace")
        ]
        keys.append(room_key(room_id, f"receipt:{self._worker}"))
        keys += [room_key(room_id, part) for part in ("comment_likes", "buyers", "turns")]
        args: list[str | bytes | int] = [
            channel_of(room_id),
            seq,
            self._history(known),
            self._limits.events_max,
            self._limits.cid_ttl_s,
            self._limits.comment_likes_ttl_s,
            self._limits.chat_per_s,
            self._limits.chat_burst,
            likes,
            self._limits.chat_buyers_percent,
            self._limits.chat_buyers_ms,
            self._limits.chat_overlooked_ms,
            self._limits.buyer_rank_s,
            self._limits.buyers_max,
        ]
        for entry in entries:
            args += _arguments(entry)
            if isinstance(entry, CommentLike):
                keys.append(room_key(room_id, f"likers:{entry.comment_id}"))
            elif isinstance(entry, NewComment) and entry.cid:
                keys.append(room_key(room_id, f"cid:{entry.author}:{entry.cid}"))
        keys.append(room_key(room_id, "queue"))
        attempted = f"append to room {room_id}"
        answer = await self._run(self._append, attempted, keys, args, confirm=room_id)
        epoch, top, now_ms, likes_total, message = answer[:5]
        if int(message):
            announced: list[str | bytes | int] = [channel_of(room_id), int(message)]
            await self._run(self._publish, f"announce in room {room_id}", keys[-1:], announced)
        return Appended(
            outcomes=[_outcome(word) for word in answer[5:]],
            likes_total=int(likes_total),
            now_ms=int(now_ms),
            epoch=epoch.decode(),
            top=int(top),
        )

    async def load(self, room_id: RoomId, seed: Seed, known: Position = NOWHERE) -> Loaded:
        keys = [
            room_key(room_id, part)
            for part in ("meta", "stream", "fields", "mutes", "bans", "comment_likes")
        ]
        args: list[str | bytes | int] = [self._history(known), self._limits.events_max]
        args.append(seed.version)
        args.append(len(seed.fields))
        for name, value in seed.fields.items():
            args += (name, value)
        args += _sanctions(seed)
        attempted = f"load room {room_id}"
        answer = await self._run(self._load, attempted, keys, args, confirm=room_id)
        epoch, top, likes, sanctions_version, fields, flat, counts, bans = answer
        entries = [
            parse_entry(_offset(flat[index]), flat[index + 1])
            for index in range(len(flat) - 2, -1, -2)
        ]
        return Loaded(
            epoch=epoch.decode(),
            top=int(top),
            fields={
                fields[index].decode(): fields[index + 1]
                for index in range(0, len(fields), 2)
                if not fields[index].startswith(b"version:")
            },
            entries=entries,
            likes_total=int(likes),
            comment_likes={
                CommentId(counts[index].decode()): int(counts[index + 1])
                for index in range(0, len(counts), 2)
            },
            banned=frozenset(UserId(user.decode()) for user in bans),
            sanctions_version=int(sanctions_version),
        )

    async def read_after(self, room_id: RoomId, offset: int) -> list[Entry]:
        stream, most = room_key(room_id, "stream"), self._limits.events_max
        command = ("XRANGE", stream, f"{offset + 1}-0", "+", "COUNT", most)
        try:
            if self._confirmed is None:
                rows = await self._client.execute_command(*command)
            else:
                mark = room_key(room_id, "mark")
                rows = await self._confirmed.command(self._client, mark, command)
        except _OUTAGES as error:
            raise RoomLogUnavailable(f"read room {room_id} after {offset}: {error}") from error
        return [parse_entry(_offset(row_id), fields[b"e"]) for row_id, fields in _pairs(rows)]

    async def sanction(self, room_id: RoomId, seed: Seed) -> None:
        keys = [room_key(room_id, part) for part in ("meta", "mutes", "bans")]
        args: list[str | bytes | int] = [seed.version, *_sanctions(seed)]
        attempted = f"set the sanctions of room {room_id}"
        await self._run(self._sanction, attempted, keys, args, confirm=room_id)

    async def report(self, room_id: RoomId, attendance: Attendance) -> Vitals:
        keys = [room_key(room_id, part) for part in ("attendance", "members", "meta")]
        answer = await self._run(
            self._report,
            f"report attendance of room {room_id}",
            keys,
            [
                self._worker,
                attendance.clients,
                attendance.users,
                attendance.members,
                self._limits.part_lapses_ms,
                self._limits.part_lapses_ms // 1000 + 60,
            ],
        )
        clients, users, epoch, top, likes, sanctions_version = answer
        return Vitals(
            clients=int(clients),
            users=int(users),
            epoch=epoch.decode(),
            top=int(top),
            likes_total=int(likes),
            sanctions_version=int(sanctions_version),
        )

    async def members(self, room_id: RoomId) -> list[bytes]:
        try:
            parts: Any = await self._client.hgetall(room_key(room_id, "members"))
        except _OUTAGES as error:
            raise RoomLogUnavailable(f"read members of room {room_id}: {error}") from error
        own = self._worker.encode()
        return [part for worker, part in parts.items() if worker != own]

    def _history(self, known: Position) -> str:
        """The epoch for a new one, how far the worker knows the one it sees, when to announce."""
        return f"{secrets.token_hex(4)} {known.epoch} {known.offset} {self._announcing}"

    async def _run(
        self,
        script: Script,
        attempted: str,
        keys: list[str],
        args: list[str | bytes | int],
        *,
        confirm: RoomId | None = None,
    ) -> Any:
        """Run a script; where the log is replicated, a replica has the room `confirm` then."""
        try:
            if self._confirmed is None or confirm is None:
                return await script(self._client, keys, args)
            mark = room_key(confirm, "mark")
            return await self._confirmed.script(self._client, mark, script, keys, args)
        except _OUTAGES as error:
            raise RoomLogUnavailable(f"{attempted}: {error}") from error
        except RedisError as error:
            # LOADING, READONLY, OOM, CLUSTERDOWN ...: the server answers but cannot serve now
            raise RoomLogUnavailable(f"{attempted}: Redis refused: {error}") from error


def _offset(row_id: bytes) -> int:
    return int(row_id.split(b"-", 1)[0])


def _pairs(rows: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """XRANGE rows as (id, fields), whichever shape the reply protocol gives the fields."""
    return [
        (
            row_id,
            fields if isinstance(fields, dict) else dict(zip(*[iter(fields)] * 2, strict=True)),
        )
        for row_id, fields in rows
    ]


def _sanctions(seed: Seed) -> list[str | bytes | int]:
    args: list[str | bytes | int] = [len(seed.mutes)]
    for user, until_ms in seed.mutes.items():
        args += (user, until_ms)
    return [*args, len(seed.bans), *seed.bans]


def _arguments(entry: Append) -> list[str | bytes | int]:
    match entry:
        case NewEvent():
            return [
                "event", int(entry.lane), entry.name, entry.subject, entry.author, entry.payload,
                entry.field, entry.value, entry.version, int(entry.stamp), 0, "",
            ]  # fmt: skip
        case NewComment():
            return [
                "comment", 1, "comment", entry.comment_id, entry.author, entry.payload,
                "", "", 0, entry.interval_ms, entry.burst, entry.fingerprint if entry.cid else "",
            ]  # fmt: skip
        case CommentLike():
            return ["like", 2, "", entry.comment_id, entry.author, "", "", "", 0, 0, 0, ""]
        case NewPulse():
            return ["pulse", 2, entry.name, "", "", entry.payload, "", "", 0, 0, 0, ""]
        case NewBuyers():
            users = SEPARATOR.decode().join(entry.users)
            return ["buyers", 2, "", "", "", users, "", "", 0, 0, 0, ""]


def _outcome(word: bytes) -> Outcome:
    verdict, _, argument = word.decode().partition(":")
    if verdict == Verdict.REPLAYED:
        return Outcome(Verdict.REPLAYED, text=argument)
    return Outcome(Verdict(verdict), number=int(argument or 0))
