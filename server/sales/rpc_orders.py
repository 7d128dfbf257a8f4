"""The remote procedures of buyers, and of staff who steer a sale on air."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable
from typing import Any

from flash_sale.catalog import SkuId
from flash_sale.model import Act, Line, OrderId, Payment, PaymentOutcome, SaleId, Steering
from rooms.errors import Overloaded, RoomLogUnavailable
from rooms.model import Role, RoomId
from server import rpc_requests as ask
from server.database.errors import DatabaseUnavailable
from server.live_room import LiveRoom
from server.live_rooms import LiveRooms
from server.replies import bad_field, conflict, not_allowed, overloaded, sign_in_first
from server.rpc import Decided, Result, Rpc, managed
from server.rpc_text import cleaned
from server.sales.answers import ASK_AGAIN
from server.sales.desk import SalesDesk
from server.sales.live_sale import Answer, LiveSale
from server.sales.purchases import answer_to, decided_answer
from server.settings import Limits
from server.sharing.notes import note_of
from server.sharing.till import Basket, Till
from server.viewer import Viewer

DEMO = "demo"


class Orders:
    """What buyers do. `order.place` waits only if the sale's store has to decide."""

    def __init__(self, desk: SalesDesk, till: Till, rooms: LiveRooms, provider: str) -> None:
        self._desk = desk
        self._till = till
        self._rooms = rooms
        self._provider = provider

    def procedures(self) -> dict[str, Rpc]:
        return {
            "order.place": Rpc(ask.OrderPlace, self._place),
            "order.quote": Rpc(ask.OrderQuote, self._quote),
            "order.pay": Rpc(ask.OrderNamed, self._pay),
            "order.cancel": Rpc(ask.OrderNamed, self._cancel),
            "order.get": Rpc(ask.OrderNamed, self._get),
            "order.list": Rpc(ask.Nothing, self._list),
        }

    def _place(
        self, viewer: Viewer, request: ask.OrderPlace
    ) -> Result | Decided | Awaitable[Result]:
        if viewer.identity.is_anonymous:
            raise sign_in_first("buy")
        lines = _lines(request)
        if request.coupons or request.share:
            return self._place_priced(viewer, request, lines)
        sale = self._desk.live.loaded(SaleId(request.sale))
        room = None if sale is None else self._rooms.loaded(RoomId(sale.terms.room))
        if sale is None or room is None:
            return self._place_later(viewer, request, lines)
        placing = self._placing(viewer, request, lines, sale, room)
        return placing if isinstance(placing, bytes) else Decided(placing, decided_answer)

    async def _place_later(
        self, viewer: Viewer, request: ask.OrderPlace, lines: list[Line]
    ) -> Result:
        """The sale or its room is not open on this worker yet."""
        opened = await self._desk.open_to_buyers(request.sale)
        if isinstance(opened, bytes):
            return opened
        room = await self._room(opened.terms.room)
        placing = self._placing(viewer, request, lines, opened, room)
        return placing if isinstance(placing, bytes) else await answer_to(placing)

    async def _place_priced(
        self, viewer: Viewer, request: ask.OrderPlace, lines: list[Line]
    ) -> Result:
        """With coupons, or by a link: what it costs is found out first."""
        opened = await self._desk.open_to_buyers(request.sale)
        if isinstance(opened, bytes):
            return opened
        room = await self._room(opened.terms.room)
        if room.replica.is_banned(viewer.user_id):
            raise not_allowed("banned from this room")
        return await self._till.place(
            _basket(request, lines),
            user=viewer.user_id,
            name=viewer.identity.name,
            request_id=request.request_id,
            waitlist=request.waitlist,
            visit=viewer.visits.of(opened.terms.room),
        )

    async def _quote(self, viewer: Viewer, request: ask.OrderQuote) -> Result:
        user = "" if viewer.identity.is_anonymous else viewer.user_id
        return await self._till.quote(_basket(request, _lines(request)), user=user)

    def _placing(
        self,
        viewer: Viewer,
        request: ask.OrderPlace,
        lines: list[Line],
        sale: LiveSale,
        room: LiveRoom,
    ) -> bytes | asyncio.Future[Answer]:
        if room.replica.is_banned(viewer.user_id):
            raise not_allowed("banned from this room")
        return self._desk.placing(
            sale,
            user=viewer.user_id,
            name=viewer.identity.name,
            lines=lines,
            request_id=request.request_id,
            waitlist=request.waitlist,
            note=note_of(viewer.visits.of(room.room_id), None),
        )

    async def _room(self, room_id: str) -> LiveRoom:
        try:
            room = await self._rooms.open(RoomId(room_id))
        except (Overloaded, RoomLogUnavailable, DatabaseUnavailable):
            raise overloaded(f"the room's store cannot be reached: {ASK_AGAIN}") from None
        assert room is not None  # a sale is always one of a room, and rooms stay
        return room

    async def _pay(self, viewer: Viewer, request: ask.OrderNamed) -> Result:
        if viewer.identity.is_anonymous:
            raise sign_in_first("pay")
        if self._provider != DEMO:
            raise not_allowed("order.pay is for the demo's payments only")
        order = await self._desk.order(request.order, user=viewer.user_id)
        payment = Payment(
            id=f"{DEMO}:{request.order}",
            order_id=OrderId(request.order),
            amount_minor=order["amount_minor"],
            currency=order["currency"],
            provider=DEMO,
        )
        paid = await self._desk.pay(payment)
        if paid.outcome is not PaymentOutcome.ACCEPTED:
            raise conflict(f"order: the payment was {paid.outcome} and will be returned")
        return {"order": await self._desk.order(request.order, user=viewer.user_id)}

    async def _cancel(self, viewer: Viewer, request: ask.OrderNamed) -> Result:
        if viewer.identity.is_anonymous:
            raise sign_in_first("cancel orders")
        return {"order": await self._desk.cancel(request.order, user=viewer.user_id)}

    async def _get(self, viewer: Viewer, request: ask.OrderNamed) -> Result:
        if viewer.identity.is_anonymous:
            raise sign_in_first("see orders")
        return {"order": await self._desk.order(request.order, user=viewer.user_id)}

    async def _list(self, viewer: Viewer, request: ask.Nothing) -> Result:
        if viewer.identity.is_anonymous:
            raise sign_in_first("see orders")
        return {"orders": await self._desk.of_user(viewer.user_id)}


class Steerings:
    """What hosts do to the sales of their room, within what the merchant allocated."""

    def __init__(self, desk: SalesDesk, limits: Limits) -> None:
        self._desk = desk
        self._limits = limits

    def procedures(self) -> dict[str, Rpc]:
        return {
            "sale.arm": Rpc(ask.SaleArm, self._arm),
            "sale.open": Rpc(ask.SaleOpen, self._open),
            "sale.pause": Rpc(ask.SaleWithReason, self._pause),
            "sale.resume": Rpc(ask.SaleWithReason, self._resume),
            "sale.close": Rpc(ask.SaleClose, self._close),
            "sale.restock": Rpc(ask.SaleRestock, self._restock),
        }

    async def _arm(self, viewer: Viewer, request: ask.SaleArm) -> Result:
        _role, act = await self._allowed(viewer, request, "sale.arm")
        on_sale = {SkuId(sku): units for sku, units in (request.on_sale or {}).items()}
        sale = await self._desk.arm(
            request.sale, act, on_sale=on_sale, countdown_seconds=request.countdown_seconds
        )
        return {"sale": sale}

    async def _open(self, viewer: Viewer, request: ask.SaleOpen) -> Result:
        return await self._steer(
            viewer, request, "sale.open", Steering.OPEN, countdown_seconds=request.countdown_seconds
        )

    async def _pause(self, viewer: Viewer, request: ask.SaleWithReason) -> Result:
        return await self._steer(viewer, request, "sale.pause", Steering.PAUSE)

    async def _resume(self, viewer: Viewer, request: ask.SaleWithReason) -> Result:
        return await self._steer(viewer, request, "sale.resume", Steering.RESUME)

    async def _close(self, viewer: Viewer, request: ask.SaleClose) -> Result:
        return await self._steer(
            viewer, request, "sale.close", Steering.CLOSE, cancel_holds=request.cancel_holds
        )

    async def _restock(self, viewer: Viewer, request: ask.SaleRestock) -> Result:
        units = {SkuId(request.sku): request.units}
        return await self._steer(viewer, request, "sale.restock", Steering.RESTOCK, units=units)

    async def _steer(
        self,
        viewer: Viewer,
        request: ask.SaleAct,
        what: str,
        steering: Steering,
        **how: Any,
    ) -> Result:
        role, act = await self._allowed(viewer, request, what)
        allocate = role is Role.MERCHANT
        return {
            "sale": await self._desk.steer(request.sale, steering, act, allocate=allocate, **how)
        }

    async def _allowed(self, viewer: Viewer, request: ask.SaleAct, what: str) -> tuple[Role, Act]:
        """The caller's role in the sale's room and the act; 401, 403 or 404 otherwise."""
        if viewer.identity.is_anonymous:
            raise sign_in_first(what)
        role = viewer.identity.role_in(RoomId(await self._desk.room_of(request.sale)))
        managed(role, Role.HOST, what)
        reason = getattr(request, "reason", "")
        if reason.strip():
            reason = cleaned("reason", reason, self._limits.reason_chars_max)
        # An id is the caller's own, for this procedure: to pause is never taken for to resume.
        act_id = f"{what}:{viewer.user_id}:{request.request_id or secrets.token_urlsafe(12)}"
        return role, Act(act_id, viewer.user_id, role, reason)


def _basket(request: ask.Basket, lines: list[Line]) -> Basket:
    return Basket(request.sale, tuple(lines), tuple(request.coupons or ()), request.share or "")


def _lines(request: ask.Basket) -> list[Line]:
    """What is asked for, whichever way it was said."""
    if request.items is not None:
        if request.sku is not None or request.qty is not None:
            raise bad_field("items", "comes instead of sku and qty")
        return [Line(SkuId(item.sku), item.qty) for item in request.items]
    if request.sku is None:
        raise bad_field("sku", "is missing")
    if request.qty is None:
        raise bad_field("qty", "is missing")
    return [Line(SkuId(request.sku), request.qty)]
