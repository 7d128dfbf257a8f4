"""What is done for open sales every few moments: found in rooms, checked, shown again, unloaded."""

from __future__ import annotations

import asyncio
import logging
import time

import orjson

from flash_sale.errors import NotOnSale, SaleBusy, SaleStoreUnavailable
from flash_sale.model import SaleId
from rooms.model import RoomId
from server.database.errors import DatabaseUnavailable, UnknownSale
from server.live_room import LiveRoom
from server.live_rooms import LiveRooms
from server.sales.announce import SaleNews
from server.sales.live_sale import LiveSale
from server.sales.live_sales import LiveSales, SaleOver
from server.settings import Limits

_LOG = logging.getLogger("onair.sales")
_SHOWN_FIELD = "sales"  # of a room's snapshot


class SaleCare:
    """Run `keep` until cancelled."""

    def __init__(self, live: LiveSales, rooms: LiveRooms, news: SaleNews, limits: Limits) -> None:
        self._live = live
        self._rooms = rooms
        self._news = news
        self._limits = limits
        self._seen: dict[RoomId, bytes] = {}  # what each room showed when its sales were opened

    async def keep(self) -> None:
        """Open what rooms show twice a second; look after all of it every few seconds."""
        due_s = time.monotonic()
        while True:
            await asyncio.sleep(self._limits.pulse_interval_ms / 1000)
            self._open_shown()
            if time.monotonic() >= due_s:
                due_s = time.monotonic() + self._limits.vitals_interval_s
                self._look_after()

    def _open_shown(self) -> None:
        """Viewers hear of stock, and buyers of their orders, before the first one buys here."""
        shown: dict[RoomId, bytes] = {}
        for room in self._rooms:
            if len(room.audience):
                shown[room.room_id] = room.replica.fields.get(_SHOWN_FIELD, b"[]")
                if shown[room.room_id] != self._seen.get(room.room_id):
                    self._live.spawn(self._open_all(room))
        self._seen = shown

    async def _open_all(self, room: LiveRoom) -> None:
        for sale in orjson.loads(room.replica.fields.get(_SHOWN_FIELD, b"[]")):
            try:
                await self._live.open(SaleId(sale["id"]))
            except (UnknownSale, SaleOver, NotOnSale):
                continue
            except (SaleBusy, SaleStoreUnavailable, DatabaseUnavailable) as error:
                _LOG.warning("sale %s is not open here yet: %s", sale["id"], error)
                self._seen.pop(room.room_id, None)  # again, half a second later

    def _look_after(self) -> None:
        for sale in self._live:
            self._news.remind(sale)
            if self._is_unused(sale):
                self._live.unload(sale)
            elif sale.flags.settled and 0 in sale.flags.available.values():
                self._live.spawn(self._live.check(sale))

    def _is_unused(self, sale: LiveSale) -> bool:
        idle_s = time.monotonic() - sale.used_at_s
        return (
            idle_s > self._limits.room_idle_unload_s
            and sale.idle
            and not sale.looking
            and self._news.audience_of(sale) is None
        )
