"""The remote procedures of viewers and staff: comments, likes, pins and moderation.

Checks come in this order: the request's shape, who asks, the room, what is known here of the
budgets, the rules of the room; the text filter is the last. A comment is answered when it is
stored, not before.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

import orjson

from rooms.errors import Overloaded, RoomLogUnavailable
from rooms.log import CommentLike, Entry, NewComment, Outcome, Verdict
from rooms.model import CommentId, Role
from rooms.outbox import Answer
from rooms.text_filter import TextFilter
from server import rpc_requests as ask
from server.codec import Command, Method, Pulse
from server.command_fields import text_of
from server.database.records import DatabaseUnavailable
from server.handlers import Handler, Promised, Reply
from server.live_room import LiveRoom
from server.live_rooms import LiveRooms
from server.people import Pace
from server.ports import RealtimeUnavailable
from server.rates import Rate
from server.replies import (
    Closing,
    Fatal,
    Refused,
    conflict,
    not_allowed,
    not_available,
    overloaded,
    sign_in_first,
    too_fast,
    unknown,
)
from server.rpc_text import cleaned, judged
from server.settings import Limits
from server.viewer import Viewer

T = TypeVar("T")
A = TypeVar("A")
Result = dict[str, Any] | bytes  # bytes: the JSON of an object, ready


class Decided(NamedTuple):
    """A result that the future of a batch brings; `result` makes it and may raise `Refused`."""

    future: asyncio.Future[Any]
    result: Callable[[asyncio.Future[Any]], Result]


Procedure = Callable[[Viewer, Any], "Result | Decided | Awaitable[Result]"]


class Rpc(NamedTuple):
    """A procedure: what it takes, and what answers it."""

    request: type[ask.Request]
    answer: Procedure


class Talk:
    """What viewers do: comment, like, ask the time. Staff procedures are in `server.rpc_staff`."""

    def __init__(
        self,
        rooms: LiveRooms,
        text_filter: TextFilter,
        limits: Limits,
        now_ms: Callable[[], int],
    ) -> None:
        self._rooms = rooms
        self._filter = text_filter
        self._limits = limits
        self._now_ms = now_ms
        self._likes_rate = Rate(limits.likes_per_s, limits.likes_burst)

    def procedures(self) -> dict[str, Rpc]:
        return {
            "comment.send": Rpc(ask.CommentSend, self._send),
            "comment.like": Rpc(ask.CommentNamed, self._like_comment),
            "like.add": Rpc(ask.LikeAdd, self._like),
            "time.now": Rpc(ask.Nothing, self._now),
        }

    def _now(self, viewer: Viewer, request: ask.Nothing) -> Result:
        return {"now_ms": self._now_ms()}

    def _send(self, viewer: Viewer, request: ask.CommentSend) -> Result | Decided:
        if viewer.identity.is_anonymous:
            raise sign_in_first("comment")
        room = joined(viewer, request.room)
        role = viewer.identity.role_in(room.room_id)
        text = cleaned("text", request.text, self._limits.text_chars_max)
        pace = self._pace(room, role)
        hold_back(viewer, room, request.cid, pace)
        if not role.is_staff:
            judged("text", text, self._filter)
        if request.reply_to is not None:
            existing_comment(room, "reply_to", request.reply_to)
        comment_id = CommentId(secrets.token_urlsafe(9))
        payload = orjson.dumps(
            {
                "t": "comment",
                "id": comment_id,
                "user": viewer.user_id,
                "name": viewer.identity.name or viewer.user_id,
                "role": role,
                "text": text,
                **({} if request.reply_to is None else {"reply_to": request.reply_to}),
            }
        )
        fingerprint = hashlib.sha256(f"{request.reply_to}\0{text}".encode()).hexdigest()[:16]
        entry = NewComment(
            comment_id, viewer.user_id, payload, *pace, request.cid or "", fingerprint
        )
        return decided(
            room.outbox.put, entry, lambda answer: self._sent(viewer, room, entry, answer)
        )

    def _pace(self, room: LiveRoom, role: Role) -> Pace:
        """For one person; staff speak freely."""
        if role.is_staff:
            return Pace(0, 1)
        slow_ms = room.slow_seconds * 1000
        if slow_ms > self._limits.comment_interval_ms:
            return Pace(slow_ms, 1)
        return Pace(self._limits.comment_interval_ms, self._limits.comment_burst)

    def _sent(self, viewer: Viewer, room: LiveRoom, entry: NewComment, answer: Answer) -> Result:
        match answer.outcome:
            case Outcome(Verdict.STORED):
                return {"id": entry.comment_id}
            case Outcome(Verdict.REPLAYED, text=earlier_id):
                return {"id": earlier_id}
            case Outcome(Verdict.SAMPLED):
                # the sender always sees its own; without offset, so nobody's position moves
                own = b'%s,"at_ms":%d,"sampled":true}' % (entry.payload[:-1], answer.now_ms)
                if room in viewer.rooms:
                    viewer.send(viewer.codec.pulses(room.channel, [Pulse(own)]))
                return {"id": entry.comment_id}
            case outcome:
                if outcome.verdict is Verdict.TOO_FAST and viewer.person is not None:
                    pace = Pace(entry.interval_ms, entry.burst)
                    viewer.person.hold(room.room_id, outcome.number, pace)
                raise refusal(outcome, answer.now_ms)

    def _like_comment(self, viewer: Viewer, request: ask.CommentNamed) -> Result | Decided:
        if viewer.identity.is_anonymous:
            raise sign_in_first("like comments")
        room = joined(viewer, request.room)
        existing_comment(room, "id", request.id)
        self._spend_likes(viewer, 1)
        entry = CommentLike(CommentId(request.id), viewer.user_id)
        return decided(room.outbox.put, entry, _comment_liked)

    def _like(self, viewer: Viewer, request: ask.LikeAdd) -> Result | Decided:
        room = joined(viewer, request.room)
        self._spend_likes(viewer, request.n)
        return decided(room.outbox.like, request.n, _liked)

    def _spend_likes(self, viewer: Viewer, count: int) -> None:
        """Of the person's budget, whichever of their connections it comes from; or a guest's."""
        spender = viewer.person or viewer
        taken = self._likes_rate.take(spender.likes_due_s, count)
        if taken.wait_ms:
            raise too_fast(taken.wait_ms)
        spender.likes_due_s = taken.due_s


def _liked(total: int) -> Result:
    return b'{"total":%d}' % total


def _comment_liked(answer: Answer) -> Result:
    if answer.outcome.verdict is not Verdict.LIKED:
        raise refusal(answer.outcome, answer.now_ms)
    return {"likes": answer.outcome.number}


class Procedures:
    """Routes the rpc and send commands of one worker."""

    ONE_WAY = frozenset({"like.add"})  # may also come as `send`, which has no reply

    def __init__(self, *tables: dict[str, Rpc]) -> None:
        self._methods: dict[str, Rpc] = {}
        for table in tables:
            assert not self._methods.keys() & table.keys()
            self._methods.update(table)

    def handlers(self) -> dict[Method, Handler]:
        return {Method.RPC: self._rpc, Method.SEND: self._one_way}

    def _rpc(self, viewer: Viewer, command: Command) -> Reply | Promised | Awaitable[Reply]:
        name = text_of(command.request, "method", most=64)
        method = self._methods.get(name)
        if method is None:
            raise not_available(f"method {name}")
        result = method.answer(viewer, ask.parse(method.request, command.request.get("data")))
        if isinstance(result, bytes | dict):
            return _encoded(viewer, command, result)
        if isinstance(result, Decided):
            waiting = result
            if not command.id:  # nobody waits for a reply, so nothing has to wait behind it
                waiting.future.add_done_callback(partial(_unanswered, waiting))
                return None
            return Promised(
                waiting.future,
                lambda future: _encoded(viewer, command, waiting.result(future)),
            )
        return self._later(viewer, command, result)

    async def _later(self, viewer: Viewer, command: Command, result: Awaitable[Result]) -> Reply:
        try:
            return _encoded(viewer, command, await result)
        except (DatabaseUnavailable, RealtimeUnavailable):
            raise overloaded("the room's store cannot be reached") from None

    def _one_way(self, viewer: Viewer, command: Command) -> Reply | Promised | Awaitable[Reply]:
        data = command.request.get("data")
        name = data.get("method") if isinstance(data, dict) else None
        if not isinstance(name, str) or name not in self.ONE_WAY:
            raise Fatal(Closing.NOT_AVAILABLE)
        assert isinstance(data, dict)
        request = {"method": name, "data": data.get("data")}
        return self._rpc(viewer, command._replace(request=request))


def _encoded(viewer: Viewer, command: Command, result: Result) -> Reply:
    if not command.id:
        return None
    data = result if isinstance(result, bytes) else orjson.dumps(result)
    return viewer.codec.result(command.id, Method.RPC, b'{"data":%s}' % data)


def joined(viewer: Viewer, room_id: str) -> LiveRoom:
    """The room, which the viewer must be in; error 404 otherwise."""
    for room in viewer.rooms:
        if room.room_id == room_id:
            return room
    raise unknown("room", f"or not joined: {room_id}")


def existing_comment(room: LiveRoom, field: str, comment_id: str) -> Entry:
    """A comment that is still in the room's window; error 404 names the field."""
    entry = room.replica.comment(CommentId(comment_id))
    if entry is None:
        raise unknown(field, f"or removed comment {comment_id}")
    return entry


def decided(
    put: Callable[[T], asyncio.Future[A]], entry: T, result: Callable[[A], Result]
) -> Decided:
    """What the log answers; error 503 when it is out of reach or the room at its bound."""

    def outcome(future: asyncio.Future[A]) -> Result:
        try:
            answer = future.result()
        except RoomLogUnavailable:
            raise overloaded("the room's store cannot be reached") from None
        return result(answer)

    try:
        return Decided(put(entry), outcome)
    except Overloaded:
        raise overloaded("the room is too busy") from None


def hold_back(viewer: Viewer, room: LiveRoom, cid: str | None, pace: Pace) -> None:
    """Refuse what the room's log would refuse: error 429, or 503 where comments pile up."""
    wait_ms = 0 if viewer.person is None else viewer.person.held_ms(room.room_id, cid, pace)
    if wait_ms:
        raise too_fast(wait_ms)
    try:
        room.outbox.check_comments()
    except Overloaded:
        raise overloaded("the room is too busy") from None


def _unanswered(waiting: Decided, future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        with suppress(Refused):
            waiting.result(future)


def refusal(outcome: Outcome, now_ms: int) -> Refused:
    """The log's no as an error of the protocol."""
    match outcome.verdict:
        case Verdict.MUTED:
            left_s = max(1, -(-(outcome.number - now_ms) // 1000))
            return not_allowed(f"muted: {left_s} s left")
        case Verdict.BANNED:
            return not_allowed("banned from this room")
        case Verdict.TOO_FAST:
            return too_fast(outcome.number)
        case Verdict.CONFLICT:
            return conflict("cid: already used for another comment")
        case verdict:
            raise AssertionError(f"{verdict} is no refusal")


def managed(role: Role, least: Role, what: str) -> None:
    """Error 403 unless the role includes what is needed."""
    order = list(Role)
    if order.index(role) < order.index(least):
        raise not_allowed(f"{what} needs the role {least} in this room")
