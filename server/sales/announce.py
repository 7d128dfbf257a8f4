"""What a sale's announcements become for the people connected to this worker.

Every worker hears every announcement of the sales it has open, and tells its own viewers: the
stock and the orders of the last seconds to the room, each order's changes to its buyer.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import orjson

from flash_sale.adapters.wire import Told
from flash_sale.model import MoveKind, SaleId
from rooms.errors import Overloaded
from rooms.log import NewBuyers
from rooms.model import RoomId, UserId
from server.codec import Pulse
from server.gateway import Gateway
from server.live_room import LiveRoom
from server.live_rooms import LiveRooms
from server.sales.answers import order_bytes
from server.sales.flags import TAKES_ORDERS
from server.sales.live_sale import LiveSale
from server.soon import Soon

NAMES_MAX = 3
_BUYING = (MoveKind.RESERVED, MoveKind.OFFERED, MoveKind.PAID)


@dataclass(slots=True)
class _Ticker:
    """Orders of one sale since the room heard of the last ones."""

    count: int = 0
    names: list[str] = field(default_factory=list)
    buyers: set[UserId] = field(default_factory=set)  # who are connected here


class SaleNews:
    """`heard` is the `on_told` of `LiveSales`."""

    def __init__(self, rooms: LiveRooms, gateway: Gateway, orders_ticker_ms: int) -> None:
        self._rooms = rooms
        self._gateway = gateway
        self._soon = Soon()
        self._ticker_s = orders_ticker_ms / 1000
        self._tickers: dict[SaleId, _Ticker] = {}
        self._timers: dict[SaleId, asyncio.TimerHandle] = {}

    def heard(self, sale: LiveSale, told: Told) -> None:
        """Tell buyers of their orders now, and the room when its tick is due."""
        for move in told.moves:
            if move.order is not None:
                viewers = self._gateway.connections_of(UserId(move.order.user))
                if viewers:
                    terms = sale.terms
                    order = order_bytes(move.order, terms.room, terms.currency)
                    pulse = [Pulse(b'{"t":"order","order":%s}' % order)]
                    channel = f"#{move.order.user}"
                    for viewer in viewers:
                        self._soon.send(viewer, viewer.codec.pulses(channel, pulse))
        room = self.audience_of(sale)
        if room is None:
            return
        if told.available or told.moves:
            self.show_stock(sale)
        self._count(sale, told)

    def audience_of(self, sale: LiveSale) -> LiveRoom | None:
        """The sale's room, if somebody on this worker is in it."""
        room = self._rooms.loaded(RoomId(sale.terms.room))
        return room if room is not None and len(room.audience) else None

    def show_stock(self, sale: LiveSale) -> None:
        """What is left of each sku, to the room; those who came later need it too."""
        room = self.audience_of(sale)
        if room is None:
            return
        value = {"t": "sale.stock", "sale": sale.id, "items": sale.stock()}
        room.pulse(f"sale.stock:{sale.id}", orjson.dumps(value))

    def remind(self, sale: LiveSale) -> None:
        """Repeat the stock of a sale that takes orders, for whoever came since it changed."""
        if sale.flags.state in TAKES_ORDERS and sale.flags.settled:
            self.show_stock(sale)

    def _count(self, sale: LiveSale, told: Told) -> None:
        names, buyers = [], set()
        for move in told.moves:
            if move.order is not None and move.kind in _BUYING:
                if move.kind is MoveKind.RESERVED:
                    names.append(move.order.name)
                if self._gateway.is_here(UserId(move.order.user)):
                    buyers.add(UserId(move.order.user))
        if not names and not buyers:
            return
        ticker = self._tickers.setdefault(sale.id, _Ticker())
        ticker.count += len(names)
        ticker.names = (ticker.names + names)[-NAMES_MAX:]
        ticker.buyers |= buyers
        if sale.id not in self._timers:
            loop = asyncio.get_running_loop()
            self._timers[sale.id] = loop.call_later(self._ticker_s, self._tick, sale)

    def _tick(self, sale: LiveSale) -> None:
        del self._timers[sale.id]
        ticker = self._tickers.pop(sale.id)
        room = self.audience_of(sale)
        if room is None:
            return
        if ticker.buyers:
            with suppress(Overloaded):  # it only decides who is shown first
                room.outbox.put(NewBuyers(tuple(ticker.buyers)))
        if ticker.count:
            value = {
                "t": "orders",
                "sale": sale.id,
                "count": ticker.count,
                "names": ticker.names,
            }
            room.pulse(f"orders:{sale.id}", orjson.dumps(value))

    def close(self) -> None:
        """Tell nothing more."""
        for timer in self._timers.values():
            timer.cancel()
