"""The client protocol of one worker: who is connected, and what each command means.

Commands of one connection are handled strictly in order. One that has to wait holds back the
next ones of its own connection and nobody else's; only while it waits is there a task for it, and
none if it waits for a future that somebody else completes.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from websockets.protocol import Protocol

from rooms.model import ANONYMOUS, GUEST, Identity, UserId
from server.codec import PONG, Command, Malformed, Method
from server.codec.wire_frames import codec_of, encoding_of
from server.command_fields import text_of
from server.endings import end_tasks
from server.handlers import Handler, Promised, Reply
from server.live_room import LiveRoom
from server.live_rooms import LiveRooms
from server.rates import Rate
from server.replies import (
    Close,
    Closing,
    Fatal,
    Refused,
    Unsubscribed,
    bad_command,
    internal,
    not_available,
    permission_denied,
    token_expired,
    too_many_requests,
)
from server.settings import Limits
from server.sharing.open_visit import NOWHERE, Origin, forget_visits
from server.tokens import KeyNotLoaded, TokenExpired, TokenInvalid, Tokens
from server.viewer import Viewer
from server.waves import close_in_waves
from server.wheel import Wheel

_LOG = logging.getLogger("onair.gateway")
VERSION = "onair/0.1"


@dataclass(slots=True)
class Counts:
    """What this worker did since its start, for the metrics."""

    connections: int = 0
    commands: int = 0
    errors: int = 0
    closed: Counter[int] = field(default_factory=Counter)  # by close code


class Gateway:
    """One per worker. `handlers` adds the commands that other modules answer."""

    def __init__(
        self,
        limits: Limits,
        tokens: Tokens,
        rooms: LiveRooms,
        *,
        insecure: bool,
        now_ms: Callable[[], int],
    ) -> None:
        self.limits = limits
        self.rooms = rooms
        self.wheel = Wheel(
            ping_interval_s=limits.ping_interval_s,
            pong_within_s=limits.pong_within_s,
            connect_within_s=limits.connect_within_s,
            close_within_s=limits.close_within_s,
        )
        self.viewers: set[Viewer] = set()
        self.counts, self.draining = Counts(), False
        self.leaving = False  # it will drain: load balancers may know already
        self.visit_ends: Callable[[Viewer], None] = forget_visits
        self._tokens, self._insecure, self._now_ms = tokens, insecure, now_ms
        self._users: dict[UserId, set[Viewer]] = {}
        self._rate = Rate(limits.commands_per_s, limits.commands_burst)
        self._errors_rate = Rate(limits.errors_per_s, limits.errors_burst)
        self._tasks: set[asyncio.Task[None]] = set()
        self._handlers: dict[Method, Handler] = {
            Method.CONNECT: self._connect,
            Method.REFRESH: self._refresh,
        }

    def handle(self, handlers: dict[Method, Handler]) -> None:
        """Let other modules answer some commands; each command has one handler."""
        assert not self._handlers.keys() & handlers.keys()
        self._handlers.update(handlers)

    # connections

    def attach(
        self,
        transport: asyncio.Transport,
        stream: Protocol,
        early: bytes,
        *,
        native_ping: bool,
        origin: Origin = NOWHERE,
        quiet: bool = False,
    ) -> Viewer:
        """Make a viewer of an accepted socket; `early` is what it sent before that."""
        encoding = encoding_of(deflated=bool(stream.extensions), quiet=quiet)
        viewer = Viewer(self, transport, stream, encoding, origin, native_ping=native_ping)
        self.viewers.add(viewer)
        self.counts.connections += 1
        self.wheel.accepted(viewer)
        if early:
            viewer.data_received(early)
        return viewer

    def departed(self, viewer: Viewer) -> None:
        """A connection is closing: no room and no user knows it any more."""
        self.visit_ends(viewer)
        for room in viewer.rooms:
            room.leave(viewer)
        viewer.rooms = ()
        same_user = self._users.get(viewer.user_id)
        if same_user is not None:
            same_user.discard(viewer)
            if not same_user:
                del self._users[viewer.user_id]

    def lost(self, viewer: Viewer) -> None:
        """The socket of a connection is gone."""
        self.departed(viewer)
        self.wheel.lost(viewer)
        self.viewers.discard(viewer)

    def connections_of(self, user_id: UserId) -> list[Viewer]:
        """A signed-in person's connections on this worker."""
        return list(self._users.get(user_id, ()))

    def unsubscribe(self, viewer: Viewer, room: LiveRoom, why: Close) -> None:
        """End a subscription from this side and say why."""
        room.leave(viewer)
        viewer.rooms = tuple(one for one in viewer.rooms if one is not room)
        viewer.send([viewer.codec.unsubscribed(room.channel, why.code, why.reason)])

    def ping_due(self, viewer: Viewer) -> None:
        """Before each ping: close what has expired."""
        grace_s = self.limits.expired_token_grace_s
        now_s = self._now_ms() // 1000
        expires_at_s = viewer.identity.expires_at_s
        if expires_at_s is not None and expires_at_s + grace_s < now_s:
            viewer.close(Closing.CONNECTION_EXPIRED)
            return
        for channel, at_s in list((viewer.subscription_expiry_s or {}).items()):
            if at_s + grace_s < now_s:
                assert viewer.subscription_expiry_s is not None
                del viewer.subscription_expiry_s[channel]
                for room in viewer.rooms:
                    if room.channel == channel:
                        self.unsubscribe(viewer, room, Unsubscribed.EXPIRED)

    async def drain(
        self, seconds: float, close: Close = Closing.SHUTDOWN, *, answers_within_s: float = 0
    ) -> None:
        """Close everybody, see `close_in_waves`; from now on new ones are refused."""
        self.leaving = self.draining = True
        await close_in_waves(self.viewers, close, seconds, answers_within_s)

    async def close(self) -> None:
        """Let go of commands that still wait for a store."""
        await end_tasks(self._tasks)

    # inbound messages

    def received(self, viewer: Viewer, message: bytes) -> None:
        """One message of a client. UnicodeDecodeError: its bytes are not UTF-8."""
        if viewer.ignoring:
            return
        try:
            commands = codec_of(viewer.encoding).decode(message)
        except Malformed:
            message.decode()  # broken UTF-8 has a close code of its own, RFC 6455 section 8.1
            viewer.close(Closing.BAD_REQUEST)
            return
        if viewer.backlog is not None:
            viewer.backlog.extend(self._commands_only(viewer, commands))
            if len(viewer.backlog) > self.limits.viewer_backlog_commands_max:
                viewer.transport.pause_reading()
            return
        self._run(viewer, commands)

    def _commands_only(self, viewer: Viewer, commands: list[Command]) -> Iterator[Command]:
        """Pongs are taken at once: they must not wait behind a command that waits for Redis."""
        for command in commands:
            if command is PONG:
                self._pong(viewer)
            else:
                yield command

    def _run(self, viewer: Viewer, commands: Iterable[Command]) -> None:
        """Handle commands in order until one has to wait; replies share one frame."""
        queue = deque(commands)
        replies: list[bytes] = []
        while queue and not viewer.closing and not viewer.ignoring:
            command = queue.popleft()
            answer = self._answer(viewer, command)
            if isinstance(answer, bytes):
                replies.append(answer)
            elif answer is not None:
                viewer.send(replies)
                viewer.backlog = queue
                if isinstance(answer, Promised):
                    arrived = partial(self._arrived, viewer, command, answer)
                    answer.future.add_done_callback(arrived)
                else:
                    self._spawn(self._wait(viewer, command, answer))
                return
        viewer.send(replies)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _wait(self, viewer: Viewer, command: Command, answer: Awaitable[Reply]) -> None:
        try:
            reply = await answer
        except Exception as error:
            reply = self._failed(viewer, command, error)
        self._go_on(viewer, reply)

    def _arrived(
        self, viewer: Viewer, command: Command, promised: Promised, future: asyncio.Future[Any]
    ) -> None:
        if future.cancelled():  # the worker ends
            return
        try:
            reply = promised.reply(future)
        except Exception as error:
            reply = self._failed(viewer, command, error)
        self._go_on(viewer, reply)

    def _failed(self, viewer: Viewer, command: Command, error: Exception) -> Reply:
        if isinstance(error, Refused):
            return self._refuse(viewer, command, error)
        if isinstance(error, Fatal):
            viewer.close(error.close)
            return None
        _LOG.error("%s of connection %s failed", command.method, viewer.client_id, exc_info=error)
        return self._refuse(viewer, command, internal())

    def _go_on(self, viewer: Viewer, reply: Reply) -> None:
        """A command that waited is answered: now those behind it."""
        if reply is not None:
            viewer.send([reply])
        waiting, viewer.backlog = viewer.backlog, None
        if not viewer.closing and not viewer.transport.is_closing():
            viewer.transport.resume_reading()
        if waiting and not viewer.closing:
            try:
                self._run(viewer, waiting)
            except Exception:
                viewer.failed()

    def _answer(self, viewer: Viewer, command: Command) -> Reply | Promised | Awaitable[Reply]:
        if command is PONG:
            self._pong(viewer)
            return None
        self.counts.commands += 1
        if not viewer.client_id and command.method is not Method.CONNECT:
            viewer.close(Closing.BAD_REQUEST)
            return None
        try:
            taken = self._rate.take(viewer.commands_due_s, 1)
            viewer.commands_due_s = taken.due_s
            if taken.wait_ms:
                raise too_many_requests()
            handler = self._handlers.get(command.method)
            if handler is None:
                raise not_available(command.method or "this command")
            return handler(viewer, command)
        except Refused as refused:
            return self._refuse(viewer, command, refused)
        except Fatal as fatal:
            viewer.close(fatal.close)
            return None

    def _refuse(self, viewer: Viewer, command: Command, refused: Refused) -> Reply:
        """An error reply; a connection that collects too many of them is closed."""
        self.counts.errors += 1
        taken = self._errors_rate.take(viewer.errors_due_s, 1)
        viewer.errors_due_s = taken.due_s
        if taken.wait_ms:
            viewer.close(Closing.TOO_MANY_ERRORS)
            return None
        if not command.id:
            return None  # `send` has no reply
        return viewer.codec.error(
            command.id, refused.code, refused.message, temporary=refused.temporary
        )

    def _pong(self, viewer: Viewer) -> None:
        """Exactly one pong per ping; others count as a broken client."""
        if not viewer.awaiting_pong:
            viewer.close(Closing.BAD_REQUEST)
        viewer.awaiting_pong = False

    # connect and refresh

    def _connect(self, viewer: Viewer, command: Command) -> Reply:
        if viewer.client_id:
            raise Fatal(Closing.BAD_REQUEST)
        request = command.request
        token = text_of(request, "token", most=8_192)
        text_of(request, "name", most=64)
        text_of(request, "version", most=64)
        subscriptions = request.get("subs")
        if subscriptions is not None and not isinstance(subscriptions, dict):
            raise bad_command("subs", "must be an object")
        client_id = secrets.token_urlsafe(12)
        try:
            identity = self._identity_of(token, client_id)
        except Refused:
            viewer.ignoring = True  # unusable after an error to connect; the client hangs up
            raise
        viewer.client_id = client_id
        self._identify(viewer, identity)
        self.wheel.introduced(viewer)
        result = self._connect_facts(viewer)
        return viewer.codec.result(command.id, Method.CONNECT, viewer.codec.encode(result))

    def _identity_of(self, token: str, client_id: str) -> Identity:
        if not token:
            if not self._insecure:
                return GUEST
            return Identity(user_id=UserId(f"anonymous-{client_id}"))
        return self.verify(token)

    def verify(self, token: str) -> Identity:
        """Who a connection token speaks for. Expired: error 109; anything else: close 3500."""
        try:
            return self._tokens.verify(token)
        except TokenExpired:
            raise token_expired() from None
        except KeyNotLoaded:
            raise internal() from None  # the key is on its way: come back soon
        except TokenInvalid:
            raise Fatal(Closing.INVALID_TOKEN) from None

    def _identify(self, viewer: Viewer, identity: Identity) -> None:
        viewer.identity = identity
        viewer.user_id = identity.user_id
        if identity.user_id != ANONYMOUS:
            self._users.setdefault(identity.user_id, set()).add(viewer)

    def _connect_facts(self, viewer: Viewer) -> dict[str, Any]:
        identity = viewer.identity
        facts: dict[str, Any] = {
            "client": viewer.client_id,
            "version": VERSION,
            "ping": self.limits.ping_interval_s,
            "pong": not viewer.native_ping,
            "time": self._now_ms(),
            "data": {
                "user": identity.user_id,
                "name": identity.name,
                "role": identity.role,
                "rooms": sorted(identity.rooms),
            },
        }
        if not identity.is_anonymous:
            facts["subs"] = {f"#{identity.user_id}": {}}
        return facts | self.expiry(identity.expires_at_s)

    def expiry(self, expires_at_s: int | None) -> dict[str, Any]:
        """`expires` and `ttl` of a result, if what it speaks of ends."""
        if expires_at_s is None:
            return {}
        return {"expires": True, "ttl": max(1, expires_at_s - self._now_ms() // 1000)}

    def _refresh(self, viewer: Viewer, command: Command) -> Reply:
        identity = self.verify(text_of(command.request, "token", most=8_192, least=1))
        if identity.user_id != viewer.user_id:
            raise permission_denied("the token is another user's")
        viewer.identity = identity
        result = {"client": viewer.client_id, "version": VERSION}
        result |= self.expiry(identity.expires_at_s)
        return viewer.codec.result(command.id, Method.REFRESH, viewer.codec.encode(result))
