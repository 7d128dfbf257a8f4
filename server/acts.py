"""What staff do to a room: logged in SQL first, then announced to everybody.

No change is ever visible without its line in the append-only log. If the announcement fails
the caller is told to try again; the change itself is in SQL and appears at the latest when a
worker opens the room.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson

from flash_sale.catalog import Product
from rooms.errors import Overloaded, RoomLogUnavailable
from rooms.log import Entry, NewEvent, RoomLog, Seed
from rooms.model import Identity, RoomId
from server import room_json
from server.control import Control
from server.database.records import (
    Act,
    CatalogRecords,
    RoomRecord,
    RoomRecords,
    Sanction,
    UnknownRoom,
)
from server.live_room import LiveRoom
from server.live_rooms import LiveRooms
from server.ports import RealtimeUnavailable

SalesOf = Callable[[str], Awaitable[list[dict[str, Any]]]]


async def no_sales(_room_id: str) -> list[dict[str, Any]]:
    """`SalesOf` of a server without sales."""
    return []


class RoomSeeds:
    """Reads a room from SQL as a `Seed`; None when there is no such room.

    `sales_of` gives the sales that the room shows (`server.sale_cards.SaleCards.of_room`);
    `rehearsal` is the run whose rooms these are, empty in the shop itself.
    """

    def __init__(
        self,
        records: RoomRecords,
        catalog: CatalogRecords,
        now_ms: Callable[[], int],
        sales_of: SalesOf = no_sales,
        rehearsal: str = "",
    ) -> None:
        self._records = records
        self._catalog = catalog
        self._now_ms = now_ms
        self._sales_of = sales_of
        self._rehearsal = rehearsal

    async def __call__(self, room_id: RoomId) -> Seed | None:
        record = await self._records.find(room_id)
        if record is None:
            return None
        pinned = None
        if record.pinned_product_id is not None:
            pinned = await self._catalog.find(record.pinned_product_id)
        shelf = await self._records.shelf(room_id)
        sanctions = await self._records.sanctions(room_id, self._now_ms())
        sales = await self._sales_of(room_id)
        return room_json.seed_of(record, pinned, shelf, sanctions, sales, self._rehearsal)


class Acts:
    """Implements `server.ports.RoomActs` and the moderation RPCs. Permissions are the caller's.

    Every method raises `DatabaseUnavailable` or `RealtimeUnavailable`; both may be retried.
    """

    def __init__(
        self,
        records: RoomRecords,
        rooms: LiveRooms,
        log: RoomLog,
        control: Control,
        seeds: RoomSeeds,
        now_ms: Callable[[], int],
    ) -> None:
        self._records = records
        self._rooms = rooms
        self._log = log
        self._control = control
        self._seeds = seeds
        self._now_ms = now_ms

    # rooms and shelves

    async def update_room(self, actor: Identity, room_id: RoomId, changes: dict[str, str]) -> None:
        """Change `title`, `stream_url` or `state`; viewers get `room.info` and `room.state`."""
        act = self._act(actor, room_id, "room.update", detail=dict(changes))
        version = await self._records.act(act, changes=changes)
        record = await self._found(room_id)
        await self._announce(room_id, room_json.room_changed(record, changes, version))

    async def set_shelf(self, actor: Identity, room_id: RoomId, product_ids: Sequence[str]) -> None:
        """Replace the shelf; viewers get `shelf`. Unknown products: `LookupError` names them."""
        record = await self._found(room_id)
        unpin = record.pinned_product_id is not None and record.pinned_product_id not in product_ids
        act = self._act(actor, room_id, "shelf", detail={"products": list(product_ids)})
        version = await self._records.act(
            act, shelf=product_ids, changes={"pinned_product_id": None} if unpin else {}
        )
        events = [room_json.shelf_changed(await self._records.shelf(room_id), version)]
        if unpin:
            events.append(room_json.product_pinned(None, version))
        await self._announce(room_id, events)

    async def pin_product(self, actor: Identity, room_id: RoomId, product: Product | None) -> None:
        """Show one product of the shelf, or none."""
        product_id = None if product is None else product.id
        act = self._act(actor, room_id, "product.pin", detail={"product": product_id})
        version = await self._records.act(act, changes={"pinned_product_id": product_id})
        await self._announce(room_id, [room_json.product_pinned(product, version)])

    async def set_mode(self, actor: Identity, room_id: RoomId, slow_seconds: int) -> None:
        """Viewers may speak once in so many seconds; 0 lifts it."""
        act = self._act(actor, room_id, "room.mode", detail={"slow_seconds": slow_seconds})
        version = await self._records.act(act, changes={"slow_seconds": slow_seconds})
        await self._announce(room_id, [room_json.mode_changed(slow_seconds, version)])

    async def set_notice(self, actor: Identity, room_id: RoomId, text: str | None) -> None:
        """Put up a notice, or take it down."""
        act = self._act(actor, room_id, "notice", detail={"text": text})
        version = await self._records.act(act, changes={"notice": text})
        await self._announce(room_id, [room_json.notice_changed(text, version)])

    # comments and people

    async def remove_comment(
        self, actor: Identity, room: LiveRoom, comment: str, entry: Entry | None, why: str
    ) -> None:
        """Take a comment away from everybody, also from those who join or return later, and from
        the links that quote it. Without an entry: one that only links still have.
        """
        author = "" if entry is None else entry.author
        said = {} if entry is None else {"comment": orjson.loads(entry.payload)}
        act = self._act(
            actor, room.room_id, "comment.remove", reason=why, comment=comment,
            user=author, detail=said,
        )  # fmt: skip
        version, was_pinned = await self._records.remove_comment(act)
        events = [room_json.comment_removed(comment, author, why, version)]
        if was_pinned:
            events.append(room_json.comment_pinned(None, version))
        await self._announce(room.room_id, events)

    async def pin_comment(self, actor: Identity, room_id: RoomId, entry: Entry | None) -> None:
        """Hold one comment up for everybody, or none. `CommentRemoved` if it is gone."""
        comment: dict[str, Any] | None = None
        if entry is not None:
            comment = orjson.loads(entry.payload)
            comment.pop("t", None)
        act = self._act(
            actor, room_id, "comment.pin",
            comment="" if entry is None else entry.subject,
            user="" if entry is None else entry.author,
        )  # fmt: skip
        if comment is None:
            version = await self._records.act(act, changes={"pinned_comment": None})
        else:
            version = await self._records.pin_comment(act, comment)
        await self._announce(room_id, [room_json.comment_pinned(comment, version)])

    async def mute(
        self, actor: Identity, room_id: RoomId, user_id: str, seconds: int, why: str
    ) -> None:
        """Silence somebody for a while; 0 seconds lifts it."""
        act = self._act(
            actor, room_id, "room.mute", reason=why, user=user_id, detail={"seconds": seconds}
        )
        if not seconds:
            await self._records.act(act, lift="mute")
            await self._sanctioned(room_id, user_id, "unmuted", None, why)
            return
        until_ms = act.at_ms + seconds * 1000
        await self._records.act(act, sanction=Sanction(user_id, "mute", until_ms, why))
        await self._sanctioned(room_id, user_id, "muted", until_ms, why)

    async def ban(self, actor: Identity, room_id: RoomId, user_id: str, why: str) -> None:
        """Put somebody out of the room until the ban is lifted."""
        act = self._act(actor, room_id, "room.ban", reason=why, user=user_id)
        await self._records.act(act, sanction=Sanction(user_id, "ban", None, why))
        await self._sanctioned(room_id, user_id, "banned", None, why)

    async def unban(self, actor: Identity, room_id: RoomId, user_id: str) -> None:
        """Let somebody in again."""
        act = self._act(actor, room_id, "room.unban", user=user_id)
        await self._records.act(act, lift="ban")
        await self._sanctioned(room_id, user_id, "unbanned", None, "")

    # how it is done

    def _act(
        self,
        actor: Identity,
        room_id: RoomId,
        kind: str,
        *,
        user: str = "",
        comment: str = "",
        reason: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> Act:
        return Act(
            room_id=room_id,
            actor_id=actor.user_id,
            actor_role=actor.role_in(room_id),
            kind=kind,
            target_user=user,
            target_comment=comment,
            reason=reason,
            detail=dict(detail or {}),
            at_ms=self._now_ms(),
        )

    async def _found(self, room_id: RoomId) -> RoomRecord:
        record = await self._records.find(room_id)
        if record is None:
            raise UnknownRoom(room_id)
        return record

    async def _announce(self, room_id: RoomId, events: list[NewEvent]) -> None:
        """Return when all workers have been told and the store has them."""
        try:
            room = await self._rooms.open(room_id)
            assert room is not None
            for answer in [room.outbox.put(event) for event in events]:
                await answer
        except (Overloaded, RoomLogUnavailable) as error:
            raise RealtimeUnavailable(str(error)) from error

    async def _sanctioned(
        self, room_id: RoomId, user_id: str, action: str, until_ms: int | None, why: str
    ) -> None:
        moderation = {
            "t": "moderation", "room": room_id, "action": action,
            "until_ms": until_ms, "reason": why,
        }  # fmt: skip
        seed = await self._seeds(room_id)
        assert seed is not None
        try:
            await self._log.sanction(room_id, seed)
            room = self._rooms.loaded(room_id)
            if room is not None and action == "unbanned":
                self._rooms.apply_bans(room, frozenset(seed.bans))  # before the answer, here
            await self._control.sanctioned(room_id, user_id, moderation)
        except RoomLogUnavailable as error:
            raise RealtimeUnavailable(str(error)) from error
