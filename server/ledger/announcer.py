"""The only one who puts the State events of sales into rooms: `sale.state` and `sale.sold_out`.

What was announced last is remembered in Redis, so that a restart neither repeats nor forgets. An
event is told at least once: after a crash at the wrong moment the same news may come twice.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from redis.exceptions import RedisError

from flash_sale.catalog import SkuId
from flash_sale.model import SaleId, SaleState, SaleView
from rooms.adapters.script import RedisClient
from rooms.errors import RoomLogUnavailable
from rooms.log import NewEvent, RoomLog, Verdict
from rooms.model import RoomId
from server import room_json
from server.database.sale_words import SaleRecord
from server.sale_cards import SaleCards, card

KEY = "onair:announced"
_SELLING = (SaleState.OPEN, SaleState.SOLD_OUT)
_STEP_MS = 1_000  # how far to go beyond a version that another clock has put in place


@dataclass(frozen=True, slots=True)
class Announced:
    """What viewers were told of a sale. `at_ms` is the version of the room's list of sales."""

    epoch: int
    version: int
    state: str
    put_on_sale: int  # units, all skus, also those written off since: grows with every restock
    sold_out: tuple[SkuId, ...]
    at_ms: int

    def says(self, view: SaleView) -> bool:
        """Whether a view holds nothing that viewers were not told."""
        told = (self.epoch, self.version, self.state, self.put_on_sale)
        return told == (view.at.epoch, view.version, view.state, _put_on_sale(view))


class Announcer:
    """Tells rooms what their sales became. One at a time in the whole installation.

    `log` is a room log of its own worker name. Raises `RoomLogUnavailable`,
    `SaleStoreUnavailable` and `DatabaseUnavailable`; the caller asks again.
    """

    def __init__(self, client: RedisClient, log: RoomLog, cards: SaleCards) -> None:
        self._client = client
        self._log = log
        self._cards = cards
        self._numbers = itertools.count(1)
        self._announced: dict[SaleId, Announced] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # one per room

    async def load(self) -> None:
        """Learn what was announced before, by this process or by another."""
        try:
            found: Any = await self._client.hgetall(KEY)
        except (RedisError, OSError) as error:
            raise RoomLogUnavailable(f"read what was announced: {error}") from error
        self._announced = {SaleId(sale.decode()): _parse(text) for sale, text in found.items()}

    def has_told(self, sale: SaleId, epoch: int, version: int) -> bool:
        """Whether this turn of a sale was announced; for messages, which are hints."""
        told = self._announced.get(sale)
        return told is not None and (told.epoch, told.version) == (epoch, version)

    async def announce(self, sale: SaleId, of_room: Collection[SaleRecord]) -> None:
        """Tell the room what is new of one of its sales, if anything is.

        `of_room` are all sales that the room shows, this one among them.
        """
        room = _room_of(of_room)
        async with self._turns[room]:
            views = await self._views(of_room)
            view = next(one for one in views if one.id == sale)
            before = self._announced.get(sale)
            if before is None and view.state is SaleState.CLOSED:
                return  # nobody heard of it, or it was settled and a refund has stirred it
            if before is not None and before.says(view):
                return
            version = self._next_version(views)
            sold_out = _sold_out(view, before)
            events = [self._state_event(sale, of_room, views, version)]
            if view.state in _SELLING:
                fresh = [sku for sku in sold_out if before is None or sku not in before.sold_out]
                events += [room_json.sold_out(sale, sku, version) for sku in fresh]
            stored = await self._append(room, events)
            now = Announced(
                epoch=view.at.epoch,
                version=view.version,
                state=view.state,
                put_on_sale=_put_on_sale(view),
                sold_out=sold_out,
                at_ms=version,
            )
            if stored:
                await self._remember(sale, now)
            else:  # the clock of another node had been ahead, or nothing is known: go beyond it
                at_ms = max(version, time.time_ns() // 1_000_000) + _STEP_MS
                self._announced[sale] = _unsaid(now, at_ms)
                raise RoomLogUnavailable(f"room {room} has a newer list of sales than {version}")

    async def farewell(self, sale: SaleId, of_room: Collection[SaleRecord]) -> None:
        """Tell the room a last time that a sale is over: from now on its list is without it.

        `of_room` are the sales that the room shows, and this one.
        """
        room = _room_of(of_room)
        async with self._turns[room]:
            if sale not in self._announced:
                return
            views = await self._views(of_room)
            version = self._next_version(views)
            others = [view for view in views if view.id != sale]
            event = self._state_event(sale, of_room, views, version, listed=others)
            if not await self._append(room, [event]):
                raise RoomLogUnavailable(f"room {room} has a newer list of sales than {version}")
            try:
                await self._client.hdel(KEY, sale)
            except (RedisError, OSError) as error:
                raise RoomLogUnavailable(f"forget what was announced: {error}") from error
            self._announced.pop(sale, None)

    async def _views(self, of_room: Collection[SaleRecord]) -> list[SaleView]:
        ordered = sorted(of_room, key=lambda record: record.terms.id)
        return list(await asyncio.gather(*(self._cards.view(record) for record in ordered)))

    def _next_version(self, views: Sequence[SaleView]) -> int:
        """Grows in each room, also where its sales live on nodes whose clocks differ."""
        told = (self._announced.get(view.id) for view in views)
        least = max((one.at_ms + 1 for one in told if one is not None), default=1)
        return max(least, *(view.at.now_ms for view in views))

    def _state_event(
        self,
        sale: SaleId,
        of_room: Collection[SaleRecord],
        views: Sequence[SaleView],
        version: int,
        listed: Sequence[SaleView] | None = None,
    ) -> NewEvent:
        records = {record.terms.id: record for record in of_room}
        cards = {view.id: card(view, records[view.id]) for view in views}
        shown = [cards[view.id] for view in (views if listed is None else listed)]
        return room_json.sale_changed(cards[sale], shown, version)

    async def _append(self, room: str, events: list[NewEvent]) -> bool:
        """False: a newer list of sales is in place, and the event was not stored."""
        appended = await self._log.append(RoomId(room), next(self._numbers), events, 0)
        return appended.outcomes[0].verdict is Verdict.STORED

    async def _remember(self, sale: SaleId, now: Announced) -> None:
        try:
            await self._client.hset(KEY, sale, orjson.dumps(asdict(now)))
        except (RedisError, OSError) as error:
            raise RoomLogUnavailable(f"remember what was announced: {error}") from error
        self._announced[sale] = now


def _room_of(of_room: Collection[SaleRecord]) -> str:
    rooms = {record.terms.room for record in of_room}
    assert len(rooms) == 1, rooms
    return rooms.pop()


def _put_on_sale(view: SaleView) -> int:
    return sum(item.initial + item.written_off for item in view.items)


def _sold_out(view: SaleView, before: Announced | None) -> tuple[SkuId, ...]:
    """Skus of which nothing is left; those that were told before only while it stays so."""
    gone = tuple(item.sku for item in view.items if item.available <= 0)
    if view.state in _SELLING or before is None:
        return gone if view.state in _SELLING else ()
    return tuple(sku for sku in gone if sku in before.sold_out)


def _unsaid(announced: Announced, at_ms: int) -> Announced:
    """As if nothing had been told but the version."""
    return Announced(announced.epoch, -1, "", 0, (), at_ms)


def _parse(text: bytes) -> Announced:
    value = orjson.loads(text)
    return Announced(**(value | {"sold_out": tuple(value["sold_out"])}))
