"""The remote procedures of moderators, hosts and merchants."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from rooms.model import CommentId, Identity, Role, RoomId, UserId
from server import rpc_requests as ask
from server.acts import Acts
from server.channels import open_room
from server.database.records import CommentRemoved, RoomRecords
from server.live_room import LiveRoom
from server.live_rooms import LiveRooms
from server.replies import (
    UNKNOWN_CHANNEL,
    Refused,
    not_allowed,
    overloaded,
    rejected,
    sign_in_first,
    unknown,
)
from server.rpc import Result, Rpc, existing_comment, managed
from server.rpc_text import cleaned
from server.settings import Limits
from server.viewer import Viewer


class Staff:
    """Every procedure checks the caller's role in the room first, then logs, then announces."""

    def __init__(self, rooms: LiveRooms, acts: Acts, records: RoomRecords, limits: Limits) -> None:
        self._rooms = rooms
        self._acts = acts
        self._records = records
        self._limits = limits

    def procedures(self) -> dict[str, Rpc]:
        return {
            "comment.remove": Rpc(ask.CommentRemove, self._remove),
            "comment.pin": Rpc(ask.CommentPin, self._pin_comment),
            "product.pin": Rpc(ask.ProductPin, self._pin_product),
            "room.mode": Rpc(ask.RoomMode, self._mode),
            "room.notice": Rpc(ask.RoomNotice, self._notice),
            "room.mute": Rpc(ask.RoomMute, self._mute),
            "room.ban": Rpc(ask.RoomBan, self._ban),
            "room.unban": Rpc(ask.RoomUnban, self._unban),
        }

    async def _remove(self, viewer: Viewer, request: ask.CommentRemove) -> Result:
        room = await self._entered(viewer, request.room, Role.MODERATOR, "comment.remove")
        why = cleaned("reason", request.reason, self._limits.reason_chars_max)
        entry = room.replica.comment(CommentId(request.id))
        if entry is None and not await self._records.is_quoted(room.room_id, request.id):
            raise unknown("id", f"or removed comment {request.id}")
        await self._acts.remove_comment(viewer.identity, room, request.id, entry, why)
        return {}

    async def _pin_comment(self, viewer: Viewer, request: ask.CommentPin) -> Result:
        room = await self._entered(viewer, request.room, Role.MODERATOR, "comment.pin")
        entry = None if request.id is None else existing_comment(room, "id", request.id)
        try:
            await self._acts.pin_comment(viewer.identity, room.room_id, entry)
        except CommentRemoved:
            raise unknown("id", f"or removed comment {request.id}") from None
        return {}

    async def _pin_product(self, viewer: Viewer, request: ask.ProductPin) -> Result:
        room = await self._entered(viewer, request.room, Role.HOST, "product.pin")
        product = None
        if request.product is not None:
            shelf = {str(one.id): one for one in await self._records.shelf(room.room_id)}
            product = shelf.get(request.product)
            if product is None:
                raise unknown("product", f"or not on the shelf: {request.product}")
        await self._acts.pin_product(viewer.identity, room.room_id, product)
        return {}

    async def _mode(self, viewer: Viewer, request: ask.RoomMode) -> Result:
        room = await self._entered(viewer, request.room, Role.MODERATOR, "room.mode")
        self._at_most("slow_seconds", request.slow_seconds, self._limits.slow_seconds_max)
        await self._acts.set_mode(viewer.identity, room.room_id, request.slow_seconds)
        return {}

    async def _notice(self, viewer: Viewer, request: ask.RoomNotice) -> Result:
        room = await self._entered(viewer, request.room, Role.HOST, "room.notice")
        text = request.text
        if text is not None:
            text = cleaned("text", text, self._limits.notice_chars_max)
        await self._acts.set_notice(viewer.identity, room.room_id, text)
        return {}

    async def _mute(self, viewer: Viewer, request: ask.RoomMute) -> Result:
        self._at_most("seconds", request.seconds, self._limits.mute_seconds_max)
        return await self._sanction(
            viewer, request.room, request.user, request.reason, "room.mute",
            lambda who, room, why: self._acts.mute(who, room, request.user, request.seconds, why),
        )  # fmt: skip

    async def _ban(self, viewer: Viewer, request: ask.RoomBan) -> Result:
        return await self._sanction(
            viewer, request.room, request.user, request.reason, "room.ban",
            lambda who, room, why: self._acts.ban(who, room, request.user, why),
        )  # fmt: skip

    async def _unban(self, viewer: Viewer, request: ask.RoomUnban) -> Result:
        room = await self._entered(viewer, request.room, Role.MODERATOR, "room.unban")
        await self._acts.unban(viewer.identity, room.room_id, request.user)
        return {}

    async def _sanction(
        self,
        viewer: Viewer,
        room_id: str,
        user_id: str,
        reason: str,
        what: str,
        act: Callable[[Identity, RoomId, str], Awaitable[None]],
    ) -> Result:
        room = await self._entered(viewer, room_id, Role.MODERATOR, what)
        if user_id == viewer.user_id:
            raise rejected("user: nobody moderates themselves")
        if any(
            member.identity.role_in(room.room_id).is_staff
            for member in room.connections_of(UserId(user_id))
        ):
            raise not_allowed("user: staff of this room cannot be silenced")
        why = cleaned("reason", reason, self._limits.reason_chars_max) if reason.strip() else ""
        await act(viewer.identity, room.room_id, why)
        return {}

    async def _entered(self, viewer: Viewer, room_id: str, least: Role, what: str) -> LiveRoom:
        """The room, if the caller may act in it; 401, 403 or 404 otherwise."""
        if viewer.identity.is_anonymous:
            raise sign_in_first(what)
        managed(viewer.identity.role_in(RoomId(room_id)), least, what)
        try:
            return await open_room(self._rooms, RoomId(room_id))
        except Refused as refused:
            if refused.code == UNKNOWN_CHANNEL:
                raise unknown("room", room_id) from None
            raise overloaded("the room's store cannot be reached") from None

    def _at_most(self, field: str, value: int, most: int) -> None:
        if value > most:
            raise Refused(400, f"{field}: must be at most {most}")
