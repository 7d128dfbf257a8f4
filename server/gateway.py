"""The client protocol of one worker: who is connected, and what each command means.

How the commands of many connections are taken in order and in turns is `server.inbound`'s.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from websockets.protocol import Protocol

from rooms.model import ANONYMOUS, GUEST, Identity, UserId
from server.codec import Command, Method
from server.codec.wire_frames import encoding_of
from server.command_fields import text_of
from server.handlers import Handler, Reply
from server.inbound import Inbound
from server.live_room import LiveRoom
from server.live_rooms import LiveRooms
from server.people import Person
from server.replies import (
    Close,
    Closing,
    Fatal,
    Refused,
    Unsubscribed,
    bad_command,
    internal,
    permission_denied,
    token_expired,
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
    rests: int = 0  # turns after which a connection had more to be handled
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
        self._people: dict[UserId, Person] = {}
        self.inbound = Inbound(limits, self.counts)
        self.handle({Method.CONNECT: self._connect, Method.REFRESH: self._refresh})

    def handle(self, handlers: dict[Method, Handler]) -> None:
        """Let other modules answer some commands; each command has one handler."""
        self.inbound.handle(handlers)

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
        person = viewer.person
        if person is not None:
            person.viewers.discard(viewer)
            if not person.viewers:
                self._people.pop(viewer.user_id, None)

    def lost(self, viewer: Viewer) -> None:
        """The socket of a connection is gone."""
        self.departed(viewer)
        self.wheel.lost(viewer)
        self.viewers.discard(viewer)

    def connections_of(self, user_id: UserId) -> list[Viewer]:
        """A signed-in person's connections on this worker."""
        person = self._people.get(user_id)
        return [] if person is None else list(person.viewers)

    def is_here(self, user_id: UserId) -> bool:
        """Whether a signed-in person is connected to this worker."""
        return user_id in self._people

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
        await self.inbound.close()

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
            person = self._people.setdefault(identity.user_id, Person())
            person.viewers.add(viewer)
            viewer.person = person

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
