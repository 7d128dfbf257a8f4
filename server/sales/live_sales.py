"""All sales this worker has open: loading, listening, looking again, unloading.

A sale is opened by whoever first asks for it, or because a room that is open here shows it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, Protocol

from flash_sale.adapters.script import channel_of, sale_of_channel
from flash_sale.adapters.wire import Told, parse_message
from flash_sale.errors import NotOnSale, SaleBusy, SaleStoreUnavailable
from flash_sale.model import Outcome, SaleId, SaleState, SaleView
from flash_sale.store import Sales, Stock
from rooms.errors import RoomLogUnavailable
from server.database.errors import UnknownSale
from server.database.sale_records import SaleRecords
from server.endings import end_tasks
from server.sales.live_sale import Clocks, LiveSale
from server.settings import Limits

_LOG = logging.getLogger("onair.sales")
UNKNOWN_FOR_S = 2.0  # an id that is no sale is not looked for again so soon
UNKNOWN_MAX = 10_000
SCAN_IDS = 1_000
_PAUSE_FIRST_S = 0.1
_PAUSE_MAX_S = 2.0


class SaleOver(Exception):
    """The sale has ended and the store holds nothing of it any more."""


class Feed(Protocol):
    """Where announcements come from; `rooms.adapters.redis_feed.RedisFeed`."""

    async def subscribe(self, channel: str) -> None:
        """Return once messages of the channel arrive. Raises `RoomLogUnavailable`."""

    async def unsubscribe(self, channel: str) -> None:
        """Stop listening."""


OnTold = Callable[[LiveSale, Told], None]


class LiveSales:
    """`on_told` gets every announcement of every sale that is open here, in order.

    `tell_ledger` hints to ledger workers that a sale has moves to read; they look by themselves
    too, only later. It raises `RoomLogUnavailable`.
    """

    def __init__(
        self,
        stock: Stock,
        sales: Sales,
        records: SaleRecords,
        limits: Limits,
        clocks: Clocks,
        on_told: OnTold,
        tell_ledger: Callable[[str], Awaitable[None]],
    ) -> None:
        self._stock = stock
        self._store = sales
        self._records = records
        self._limits = limits
        self._clocks = clocks
        self._on_told = on_told
        self._tell_ledger = tell_ledger
        self.outcomes: Counter[Outcome] = Counter()  # answers to purchases, for the metrics
        self._sales: dict[SaleId, LiveSale] = {}
        self._opening: dict[SaleId, asyncio.Future[LiveSale]] = {}
        self._listening: dict[SaleId, LiveSale] = {}  # those of `_sales` and on their way in
        self._unknown: dict[SaleId, float] = {}  # id -> until when
        self._tasks: set[asyncio.Task[Any]] = set()
        self.feed: Feed | None = None

    def __iter__(self) -> Iterator[LiveSale]:
        return iter(list(self._sales.values()))

    def loaded(self, sale_id: SaleId) -> LiveSale | None:
        """The sale, if this worker has it open; without waiting."""
        return self._sales.get(sale_id)

    async def armed(self, sale_id: SaleId) -> None:
        """The sale was put into the store just now."""
        self.forget_unknown(sale_id)
        with contextlib.suppress(RoomLogUnavailable):
            await self._tell_ledger(sale_id)

    async def stirred(self, sale_id: SaleId) -> None:
        """There are moves of a sale that the ledger may read no more: it is to go on."""
        if await self._records.stir(sale_id):
            with contextlib.suppress(RoomLogUnavailable):
                await self._tell_ledger(sale_id)

    def forget_unknown(self, sale_id: SaleId) -> None:
        """The sale may exist now."""
        self._unknown.pop(sale_id, None)

    async def open(self, sale_id: SaleId) -> LiveSale:
        """The sale, loaded if need be.

        Raises `UnknownSale`, `SaleOver`, `NotOnSale` (the store has lost it), `SaleBusy` when too
        many are open, `SaleStoreUnavailable` and `DatabaseUnavailable`.
        """
        sale = self._sales.get(sale_id)
        if sale is not None:
            return sale
        if self._unknown.get(sale_id, 0.0) > self._clocks.steady_s():
            raise UnknownSale(sale_id)
        opening = self._opening.get(sale_id)
        if opening is None:
            self._make_place()
            opening = asyncio.get_running_loop().create_future()
            self._opening[sale_id] = opening
            self.spawn(self._open(sale_id, opening))
        return await asyncio.shield(opening)

    async def _open(self, sale_id: SaleId, opening: asyncio.Future[LiveSale]) -> None:
        try:
            opening.set_result(await self._load(sale_id))
        except Exception as error:
            opening.set_exception(error)
            opening.exception()  # retrieved: nobody may be waiting any more
            if isinstance(error, UnknownSale):
                self._remember_unknown(sale_id)
        finally:
            if not opening.done():
                opening.cancel()
            del self._opening[sale_id]

    async def _load(self, sale_id: SaleId) -> LiveSale:
        assert self.feed is not None
        record = await self._records.find(sale_id)
        if record is None:
            raise UnknownSale(sale_id)
        sale = LiveSale(
            record.terms,
            self._stock,
            self._limits,
            self._clocks,
            on_late=self.stirred,
            on_unsure=self.look,
            outcomes=self.outcomes,
        )
        self._listening[sale_id] = sale
        # The ledger has no move that the store had not: after a restart it knows what was lost.
        self._stock.expect(sale_id, record.terms.epoch, record.seq)
        try:
            await self.feed.subscribe(channel_of(sale_id))
            view = await self._store.view(sale_id)
        except BaseException as error:
            del self._listening[sale_id]
            await self.feed.unsubscribe(channel_of(sale_id))
            if isinstance(error, NotOnSale):
                raise _absence(sale_id, record.state) from None
            if isinstance(error, RoomLogUnavailable):
                raise SaleStoreUnavailable(str(error)) from error
            raise
        sale.viewed(view)
        self._sales[sale_id] = sale
        self.look(sale)
        return sale

    def _make_place(self) -> None:
        """At the bound the sale that lay idle longest goes. Raises `SaleBusy` if none is idle."""
        if len(self._sales) + len(self._opening) < self._limits.sales_loaded_max:
            return
        idle = [sale for sale in self._sales.values() if sale.idle and not sale.looking]
        if not idle:
            raise SaleBusy("sales_loaded_max")
        self.unload(min(idle, key=lambda sale: sale.used_at_s))

    def _remember_unknown(self, sale_id: SaleId) -> None:
        self._unknown[sale_id] = self._clocks.steady_s() + UNKNOWN_FOR_S
        if len(self._unknown) > UNKNOWN_MAX:
            del self._unknown[next(iter(self._unknown))]

    # what the feed brings

    def announced(self, channel: str, message: bytes) -> None:
        """A message of a sale's channel."""
        sale_id = sale_of_channel(channel)
        sale = None if sale_id is None else self._listening.get(sale_id)
        if sale is None:
            return
        told = parse_message(sale.id, message)
        if not sale.heard(told):
            self.look(sale)
        elif sale.changed_times(told):
            self.spawn(self._refresh(sale))
        self._on_told(sale, told)

    def resumed(self) -> None:
        """The feed was broken and works again: announcements were missed."""
        for sale in self:
            sale.missed()
            self.look(sale)

    def look(self, sale: LiveSale) -> None:
        """Make the sale's picture anew; its flags rest from now on until that is done."""
        sale.flags.begin()
        if sale.looking:
            sale.look_again = True
            return
        sale.looking = True
        self.spawn(self._look(sale))

    async def _look(self, sale: LiveSale) -> None:
        pause_s = _PAUSE_FIRST_S
        try:
            while self._sales.get(sale.id) is sale:
                sale.look_again = False
                try:
                    made = await self._picture(sale)
                except NotOnSale:
                    _LOG.warning("sale %s: the store has lost it", sale.id)
                    return  # whoever hears of it, or buys in it, looks again
                if made and not sale.look_again:
                    return
                sale.flags.begin()
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _PAUSE_MAX_S)
        finally:
            sale.looking = False

    async def _picture(self, sale: LiveSale) -> bool:
        """View the sale, then mark what was decided before. False: try again."""
        try:
            await sale.show()
            view = await self._store.view(sale.id)
            cursor = 0
            while True:
                ids, cursor = await self._store.decided_ids(sale.id, cursor, SCAN_IDS)
                sale.flags.mark(ids)
                if not cursor:
                    break
        except SaleStoreUnavailable as error:
            _LOG.warning("sale %s is not seen: %s", sale.id, error)
            return False
        sale.viewed(view)
        return sale.flags.settle(view)

    async def _refresh(self, sale: LiveSale) -> None:
        """The sale's times may have changed, which announcements do not carry."""
        view = await self._viewed(sale)
        if view is not None:
            sale.viewed(view)

    async def _viewed(self, sale: LiveSale) -> SaleView | None:
        try:
            return await self._store.view(sale.id)
        except (SaleStoreUnavailable, NotOnSale):
            return None  # asked again soon

    # care

    async def check(self, sale: LiveSale) -> None:
        """Below the store in two checks with the same `told`: an announcement was lost."""
        told = sale.flags.told
        view = await self._viewed(sale)
        if view is None or not sale.flags.settled:
            return
        sale.viewed(view)
        behind = view.at.told > sale.flags.told or view.at.epoch != sale.flags.epoch
        if behind and sale.behind_at == told == sale.flags.told:
            self.look(sale)
        sale.behind_at = told if behind else None

    def unload(self, sale: LiveSale) -> None:
        """Forget the sale and stop listening. It must be idle."""
        assert self.feed is not None
        del self._sales[sale.id]
        del self._listening[sale.id]
        self.spawn(self.feed.unsubscribe(channel_of(sale.id)))

    async def drain(self, within_s: float) -> None:
        """Wait until everybody is answered and every answer is in the store, but not for ever."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                for sale in self:
                    await sale.drained()

    async def close(self) -> None:
        """Let go of everything that still runs."""
        for sale in self:
            await sale.close()
        await end_tasks([*self._tasks, *(task for sale in self for task in sale.tasks())])

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run background work of a sale; a bug in it is logged."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def keep(self, task: asyncio.Task[Any]) -> None:
        """A call that somebody waits for; it is ended with the worker. Its errors are theirs."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _LOG.error("a task of a sale failed", exc_info=task.exception())


def _absence(sale_id: SaleId, state: SaleState) -> Exception:
    """What it means that the store does not have a sale which SQL has."""
    if state is SaleState.DRAFT:
        return UnknownSale(sale_id)
    if state is SaleState.CLOSED:
        return SaleOver(sale_id)
    return NotOnSale(f"the store has lost sale {sale_id}")
