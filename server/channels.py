"""The channel commands of the client protocol: subscribe, history, presence and their kin.

A viewer subscribes to `room:<id>`. `#<user>` belongs to its user from connect on and is never
asked for. Map and shared-poll subscriptions are not available (error 108).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import Any

import orjson

from rooms.errors import Overloaded, RoomLogUnavailable
from rooms.log import NewEvent, Position, RoomLog
from rooms.model import Lane, RoomId
from server.codec import Codec, Command, Method
from server.command_fields import flag_of, text_of, whole_of
from server.database.records import DatabaseUnavailable
from server.gateway import Gateway
from server.handlers import Handler, Reply
from server.live_room import LiveRoom
from server.live_rooms import LiveRooms, presence_of
from server.missed import Missed
from server.replies import (
    Closing,
    Fatal,
    already_subscribed,
    bad_command,
    internal,
    limit_exceeded,
    not_allowed,
    not_available,
    permission_denied,
    token_expired,
    too_many_requests,
    unknown_channel,
    unrecoverable_position,
)
from server.settings import Limits
from server.tokens import KeyNotLoaded, TokenExpired, TokenInvalid, Tokens
from server.viewer import Viewer

CHANNEL_CHARS_MAX = 255
OFFSET_MAX = 2**53
_ROOM_CHANNEL = re.compile(r"room:([A-Za-z0-9_-]{1,64})\Z")
_REJECT_UNRECOVERED = 2
_UNSUPPORTED_SUBSCRIPTION = ("type", "phase", "cursor")


def room_of(channel: str) -> RoomId:
    """The room a channel stands for; error 102 for any other channel."""
    match = _ROOM_CHANNEL.match(channel)
    if match is None:
        raise unknown_channel(channel)
    return RoomId(match.group(1))


class Channels:
    """Answers the channel commands of one worker."""

    def __init__(
        self, gateway: Gateway, rooms: LiveRooms, tokens: Tokens, limits: Limits, log: RoomLog
    ) -> None:
        self._gateway = gateway
        self._rooms = rooms
        self._tokens = tokens
        self._limits = limits
        self._log = log
        self._missed = Missed(limits.missed_cache_bytes_max)

    def handlers(self) -> dict[Method, Handler]:
        return {
            Method.SUBSCRIBE: self._subscribe,
            Method.UNSUBSCRIBE: self._unsubscribe,
            Method.PUBLISH: self._publish,
            Method.PRESENCE: self._presence,
            Method.PRESENCE_STATS: self._presence_stats,
            Method.HISTORY: self._history,
            Method.SUB_REFRESH: self._sub_refresh,
        }

    # subscribe

    def _subscribe(self, viewer: Viewer, command: Command) -> Reply | Awaitable[Reply]:
        request = command.request
        channel = text_of(request, "channel", most=CHANNEL_CHARS_MAX, least=1)
        for field in _UNSUPPORTED_SUBSCRIPTION:
            if request.get(field):
                raise not_available(f"{field} of a subscription")
        if request.get("tf"):
            raise bad_command("tf", "filters are not allowed")
        if request.get("delta") not in (None, "", "fossil"):
            raise Fatal(Closing.BAD_REQUEST)
        if any(room.channel == channel for room in viewer.rooms):
            raise already_subscribed()
        if channel.startswith("#"):
            raise permission_denied("this channel comes with the connection")
        if len(viewer.rooms) >= self._limits.channels_per_viewer_max:
            raise limit_exceeded("channels_per_viewer_max")
        room_id = room_of(channel)
        room = self._rooms.loaded(room_id)
        if room is not None and not self._is_ahead(request, room):
            return self._join(viewer, command, room)
        return self._join_later(viewer, command, room_id)

    def _is_ahead(self, request: dict[str, Any], room: LiveRoom) -> bool:
        """A returning client may have seen more, on another worker, than this one has yet."""
        same_history = text_of(request, "epoch", most=64) in ("", room.replica.epoch)
        offset = whole_of(request, "offset", most=OFFSET_MAX)
        return flag_of(request, "recover") and same_history and offset > room.replica.top

    async def _join_later(self, viewer: Viewer, command: Command, room_id: RoomId) -> Reply:
        room = await open_room(self._rooms, room_id)
        while self._is_ahead(command.request, room):
            try:
                await self._rooms.reach(room, command.request["offset"])
            except RoomLogUnavailable:
                raise internal() from None
            reached, room = room, await open_room(self._rooms, room_id)
            if room is reached:  # else it was unloaded meanwhile: nobody was in it
                break
        if viewer.closing:
            return None
        return self._join(viewer, command, room)

    def _join(self, viewer: Viewer, command: Command, room: LiveRoom) -> Reply:
        """Everything is decided without waiting, so no flush falls between answer and joining."""
        request = command.request
        expires_at_s = self._grant(viewer, request, room.channel)
        if not viewer.identity.is_anonymous and room.replica.is_banned(viewer.user_id):
            raise not_allowed("banned from this room")
        codec = viewer.codec
        facts, missed = self._position_facts(request, room, codec)
        if expires_at_s is not None:
            facts |= self._gateway.expiry(expires_at_s)
            viewer.subscription_expiry_s = viewer.subscription_expiry_s or {}
            viewer.subscription_expiry_s[room.channel] = expires_at_s
        result = codec.subscribe_result(facts, room.snapshot(), missed)
        room.join(viewer)
        viewer.rooms = (*viewer.rooms, room)
        return codec.result(command.id, Method.SUBSCRIBE, result)

    def _position_facts(
        self, request: dict[str, Any], room: LiveRoom, codec: Codec
    ) -> tuple[dict[str, Any], bytes]:
        """Where the subscriber stands, and what it missed if it can be recovered."""
        replica = room.replica
        facts: dict[str, Any] = {
            "recoverable": True,
            "positioned": True,
            "epoch": replica.epoch,
            "offset": replica.top,
        }
        flags = whole_of(request, "flag", most=2**31)
        if not flag_of(request, "recover"):
            return facts, b""
        position = Position(
            offset=whole_of(request, "offset", most=OFFSET_MAX),
            epoch=text_of(request, "epoch", most=64),
        )
        missed = self._missed.since(replica, position, codec)
        facts["was_recovering"] = True
        if missed is not None:
            facts["recovered"] = True
            facts["offset"] = position.offset
            return facts, missed
        if flags & _REJECT_UNRECOVERED:
            raise unrecoverable_position()
        return facts, b""

    def _grant(self, viewer: Viewer, request: dict[str, Any], channel: str) -> int | None:
        """Check a subscription token, if one came; returns when it ends (Unix seconds)."""
        token = text_of(request, "token", most=8_192)
        if not token:
            return None
        try:
            grant = self._tokens.verify_subscription(token)
        except TokenExpired:
            raise token_expired() from None
        except KeyNotLoaded:
            raise internal() from None  # the key is on its way: come back soon
        except TokenInvalid:
            raise permission_denied("the subscription token is not valid") from None
        if grant.channel != channel or grant.user != viewer.user_id:
            raise Fatal(Closing.INVALID_TOKEN)
        if grant.client and grant.client != viewer.client_id:
            raise Fatal(Closing.INVALID_TOKEN)
        return grant.expires_at_s

    def _unsubscribe(self, viewer: Viewer, command: Command) -> Reply:
        channel = text_of(command.request, "channel", most=CHANNEL_CHARS_MAX, least=1)
        for room in viewer.rooms:
            if room.channel == channel:
                room.leave(viewer)
                viewer.rooms = tuple(one for one in viewer.rooms if one is not room)
        if viewer.subscription_expiry_s is not None:
            viewer.subscription_expiry_s.pop(channel, None)
        return viewer.codec.result(command.id, Method.UNSUBSCRIBE, b"{}")

    def _sub_refresh(self, viewer: Viewer, command: Command) -> Reply:
        """The Python SDK leaves the channel out; the token names it as well."""
        token = text_of(command.request, "token", most=8_192, least=1)
        channel = text_of(command.request, "channel", most=CHANNEL_CHARS_MAX)
        if not channel:
            try:
                channel = self._tokens.verify_subscription(token).channel
            except TokenExpired:
                raise token_expired() from None
            except TokenInvalid:
                raise permission_denied("the subscription token is not valid") from None
        self._subscribed(viewer, channel)
        expires_at_s = self._grant(viewer, {"token": token}, channel)
        if expires_at_s is not None:
            viewer.subscription_expiry_s = viewer.subscription_expiry_s or {}
            viewer.subscription_expiry_s[channel] = expires_at_s
        result = viewer.codec.encode(self._gateway.expiry(expires_at_s))
        return viewer.codec.result(command.id, Method.SUB_REFRESH, result)

    # what a subscriber may ask about its room

    def _subscribed(self, viewer: Viewer, channel: str) -> LiveRoom:
        for room in viewer.rooms:
            if room.channel == channel:
                return room
        raise permission_denied(f"not subscribed to {channel}")

    def _named_room(self, viewer: Viewer, request: dict[str, Any]) -> LiveRoom:
        channel = text_of(request, "channel", most=CHANNEL_CHARS_MAX, least=1)
        return self._subscribed(viewer, channel)

    def _publish(self, viewer: Viewer, command: Command) -> Reply | Awaitable[Reply]:
        request = command.request
        channel = text_of(request, "channel", most=CHANNEL_CHARS_MAX, least=1)
        if not viewer.identity.role_in(room_of(channel)).is_staff:
            raise permission_denied("viewers send comments with the rpc comment.send")
        room = self._subscribed(viewer, channel)
        if "data" not in request:
            raise bad_command("data", "is missing")
        try:
            payload = orjson.dumps(request["data"])
        except TypeError:
            raise bad_command("data", "is nested too deeply") from None
        return self._store(viewer, command, room, payload)

    async def _store(
        self, viewer: Viewer, command: Command, room: LiveRoom, payload: bytes
    ) -> Reply:
        event = NewEvent(Lane.CHAT, "", payload, author=viewer.user_id, stamp=False)
        try:
            await room.outbox.put(event)
        except (Overloaded, RoomLogUnavailable):
            raise too_many_requests() from None
        return viewer.codec.result(command.id, Method.PUBLISH, b"{}")

    def _history(self, viewer: Viewer, command: Command) -> Reply:
        request = command.request
        room = self._named_room(viewer, request)
        since = request.get("since")
        if since is not None and not isinstance(since, dict):
            raise bad_command("since", "must be an object")
        position = None
        if since is not None:
            position = Position(
                offset=whole_of(since, "offset", most=OFFSET_MAX),
                epoch=text_of(since, "epoch", most=64),
            )
        most = self._limits.history_reply_events_max
        limit = whole_of(request, "limit", most=2**31 - 1, least=-(2**31))
        entries = self._missed.history(
            room.replica,
            viewer.codec,
            limit=most if limit < 0 else min(limit, most),
            since=position,
            reverse=flag_of(request, "reverse"),
        )
        if entries is None:
            raise unrecoverable_position()
        facts = {"epoch": room.replica.epoch, "offset": room.replica.top}
        result = viewer.codec.subscribe_result(facts, b"", entries)
        return viewer.codec.result(command.id, Method.HISTORY, result)

    def _presence(self, viewer: Viewer, command: Command) -> Awaitable[Reply]:
        room = self._named_room(viewer, command.request)
        return self._presence_list(viewer, command, room)

    async def _presence_list(self, viewer: Viewer, command: Command, room: LiveRoom) -> Reply:
        most = self._limits.presence_clients_max
        if max(room.viewers_count, len(room.audience)) > most:
            raise not_available(f"presence above presence_clients_max ({most})")
        try:
            others = await self._log.members(room.room_id)
        except RoomLogUnavailable:
            raise internal() from None
        presence: dict[str, Any] = {}
        for part in others:
            presence |= orjson.loads(part or b"{}")
        presence |= presence_of(room)
        result = viewer.codec.encode({"presence": presence})
        return viewer.codec.result(command.id, Method.PRESENCE, result)

    def _presence_stats(self, viewer: Viewer, command: Command) -> Reply:
        room = self._named_room(viewer, command.request)
        clients, users = room.presence_stats()
        result = viewer.codec.encode({"num_clients": clients, "num_users": users})
        return viewer.codec.result(command.id, Method.PRESENCE_STATS, result)


async def open_room(rooms: LiveRooms, room_id: RoomId) -> LiveRoom:
    """A room, loaded if need be, or the protocol's error for why not."""
    try:
        room = await rooms.open(room_id)
    except Overloaded:
        raise too_many_requests() from None
    except (RoomLogUnavailable, DatabaseUnavailable):
        raise internal() from None
    if room is None:
        raise unknown_channel(f"room:{room_id}")
    return room
