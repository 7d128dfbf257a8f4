"""Looking after running sales: what the clock makes due, what rooms must hear, whether books agree.

One ledger worker keeps at a time (`server.ledger.lease`); the others stand by. Each running sale
has a watch of its own, so that a room hears of a turn at once, whatever goes on elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass, field
from typing import Any

import orjson

from flash_sale.adapters.redis_retirement import RedisRetirement
from flash_sale.adapters.script import heads_channel_of, sale_of_channel
from flash_sale.adapters.wire import Told, Unreadable, parse_message
from flash_sale.errors import NotOnSale, SaleFrozen, SaleStoreUnavailable
from flash_sale.model import SaleId, SaleState, SaleView, Swept
from flash_sale.store import LedgerStream, Sales, Stock
from rooms.adapters.redis_feed import RedisFeed
from rooms.adapters.script import RedisClient
from rooms.errors import RoomLogUnavailable
from server.control import CHANNEL
from server.database.engine import Database
from server.database.errors import DatabaseUnavailable
from server.database.order_records import OrderRecords
from server.database.sale_records import SaleRecords
from server.database.sale_words import SaleRecord
from server.endings import end_tasks
from server.ledger.announcer import Announcer
from server.ledger.audit import Audit, Auditor
from server.ledger.lease import Lease, holder
from server.ledger.report import Audits
from server.room_log import room_log
from server.sale_cards import SaleCards, has_run
from server.settings import Limits, Settings

_LOG = logging.getLogger("onair.keeper")
_FAULTS = (SaleStoreUnavailable, RoomLogUnavailable, DatabaseUnavailable)

RENEW_S = 1.0  # of the lease; well within its life
DISCOVER_S = 1.0  # how often the list of running sales is read; a hint on CHANNEL is quicker
QUIET_S = 1.0  # how often a sale is looked at in which nothing is due and nothing is heard
FROZEN_S = 2.0  # how often a sale is looked at that waits for its rebuild
FAULT_PAUSE_S = 0.5


@dataclass(slots=True)
class _Kept:
    """One running sale: its watch, and what that knows."""

    record: SaleRecord
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    view: SaleView | None = None
    task: asyncio.Task[None] | None = None
    complained: str = ""
    disagreed: str = ""
    over_at: tuple[int, int] | None = None  # epoch and seq at which the last audit found it over

    @property
    def sale(self) -> SaleId:
        return self.record.terms.id


class Keeper:
    """Made by `open_keeper`. Start it with `run`; `heard` and `resumed` are its feed's."""

    def __init__(
        self,
        *,
        stock: Stock,
        cards: SaleCards,
        records: SaleRecords,
        announcer: Announcer,
        auditor: Auditor,
        audits: Audits,
        lease: Lease,
        retirement: RedisRetirement,
        limits: Limits,
        now_ms: Callable[[], int],
    ) -> None:
        self._stock = stock
        self._cards = cards
        self._records = records
        self._announcer = announcer
        self._auditor = auditor
        self._audits = audits
        self._lease = lease
        self._retirement = retirement
        self._limits = limits
        self._now_ms = now_ms
        self._kept: dict[SaleId, _Kept] = {}
        self._look_around = asyncio.Event()
        self.keeps = False  # whether this is the worker that keeps
        self.feed: RedisFeed | None = None

    async def run(self) -> None:
        """Keep whenever the lease is ours, until cancelled. Raises only what is a bug."""
        assert self.feed is not None
        tasks = [
            asyncio.create_task(work, name=label)
            for label, work in (
                ("keeper feed", self.feed.run()),
                ("keeper lease", self._renew_all()),
                ("keeper sales", self._discover_all()),
                ("keeper books", self._audit_all()),
            )
        ]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            await _whole(self._end(tasks))

    async def _end(self, tasks: list[asyncio.Task[None]]) -> None:
        await end_tasks(tasks)
        await end_tasks(one.task for one in self._kept.values() if one.task is not None)
        self._kept.clear()
        if self.keeps:
            await self._lease.release()

    def heard(self, channel: str, message: bytes) -> None:
        """A message of the feed: a sale did something, or somebody says that one is new."""
        if channel == CHANNEL:
            if b'"sale"' in message and orjson.loads(message).get("kind") == "sale":
                self._look_around.set()
            return
        sale = sale_of_channel(channel)
        kept = None if sale is None else self._kept.get(sale)
        if kept is None:
            return
        try:  # the head says whether the sale itself turned
            told: Told | None = parse_message(kept.sale, message)
        except Unreadable as error:
            _LOG.warning("%s", error)
            told = None
        if told is None or not self._announcer.has_told(kept.sale, told.at.epoch, told.version):
            kept.wake.set()

    async def resumed(self, _channels: Collection[str]) -> None:
        """The feed was broken: messages may be missing."""
        self._look_around.set()
        for kept in self._kept.values():
            kept.wake.set()

    # which sales there are

    async def _renew_all(self) -> None:
        while True:
            await self._renew()
            await asyncio.sleep(RENEW_S)

    async def _renew(self) -> None:
        keeps = await self._lease.hold()
        if keeps and not self.keeps:
            try:
                await self._announcer.load()
            except RoomLogUnavailable as error:
                _LOG.warning("%s", error)
                return
            _LOG.info("this worker keeps the running sales now")
        elif self.keeps and not keeps:
            _LOG.warning("another worker keeps the running sales, or the store is away")
        if keeps != self.keeps:
            self.keeps = keeps
            self._look_around.set()

    async def _discover_all(self) -> None:
        assert self.feed is not None
        subscribed = False
        while True:
            try:
                if not subscribed:
                    await self.feed.subscribe(CHANNEL)
                    subscribed = True
                await self._discover()
            except _FAULTS as error:  # go on with what is known
                _LOG.warning("%s", error)
            await _wait(self._look_around, DISCOVER_S)

    async def _discover(self) -> None:
        """Take up sales that began to run, let go of those that ended, or of all."""
        records = await self._records.running() if self.keeps else []
        running = {record.terms.id: record for record in records}
        await self._let_go(set(self._kept) - set(running))
        for sale, record in running.items():
            # The ledger has no move that the store had not: after a restart it knows what was lost.
            self._stock.expect(sale, record.terms.epoch, record.seq)
            kept = self._kept.get(sale)
            if kept is None:
                kept = self._kept[sale] = _Kept(record)
                kept.task = asyncio.create_task(self._watch(kept), name=f"watch {sale}")
            else:
                kept.record = record
        self._audits.keep_only(running)

    async def _let_go(self, sales: set[SaleId]) -> None:
        assert self.feed is not None
        for sale in sales & set(self._kept):
            kept = self._kept[sale]
            if kept.task is not None:
                await end_tasks([kept.task])
            if self._kept.pop(sale, None) is not None:
                await self.feed.unsubscribe(heads_channel_of(sale))

    # one sale

    async def _watch(self, kept: _Kept) -> None:
        assert self.feed is not None
        subscribed = False
        while True:
            kept.wake.clear()
            try:
                if not subscribed:
                    await self.feed.subscribe(heads_channel_of(kept.sale))
                    subscribed = True
                pause_s = await self._look(kept)
            except _FAULTS as error:
                self._complain(kept, str(error))
                pause_s = FAULT_PAUSE_S
            except Exception:  # a bug with one sale must not end the watch of it
                _LOG.exception("the watch of sale %s stumbled", kept.sale)
                pause_s = QUIET_S
            await _wait(kept.wake, pause_s)

    def _complain(self, kept: _Kept, why: str) -> None:
        if why != kept.complained:  # once, not five times a second
            _LOG.warning("sale %s: %s", kept.sale, why)
            kept.complained = why

    async def _look(self, kept: _Kept) -> float:
        """Sweep, announce; returns how long nothing will be due by the clock."""
        swept = await self._sweep(kept)
        if swept is None or self._has_moved(kept, swept):
            seen = await self._cards.view(kept.record)
            await self._announcer.announce(kept.sale, self._sales_of(kept.record.terms.room))
            kept.view = seen  # not before: what could not be told is told at the next look
        view = kept.view
        assert view is not None
        if swept is None:
            return FROZEN_S
        kept.complained = ""
        busy = any(item.reserved or item.waiting for item in view.items)
        pause_s = self._limits.sweep_interval_ms / 1000 if busy else QUIET_S
        if view.state is SaleState.CLOSED:
            return pause_s
        turns = (view.starts_at_ms, view.ends_at_ms)
        ahead_ms = [at - swept.at.now_ms for at in turns if at is not None and at > swept.at.now_ms]
        return min([pause_s, *(ms / 1000 for ms in ahead_ms)])

    async def _sweep(self, kept: _Kept) -> Swept | None:
        """None: the store cannot decide anything in this sale, it is frozen or lost."""
        try:
            swept = await self._stock.sweep(kept.sale, self._limits.sweep_holds_max)
            while swept.more:
                swept = await self._stock.sweep(kept.sale, self._limits.sweep_holds_max)
        except (SaleFrozen, NotOnSale) as error:
            if has_run(kept.record):
                self._complain(kept, f"{error}: nothing is sold until it is rebuilt")
            return None
        return swept

    def _has_moved(self, kept: _Kept, swept: Swept) -> bool:
        if kept.view is None:
            return True
        at = kept.view.at
        return (at.epoch, at.seq) != (swept.at.epoch, swept.at.seq)

    def _sales_of(self, room: str) -> list[SaleRecord]:
        return [one.record for one in self._kept.values() if one.record.terms.room == room]

    # books

    async def _audit_all(self) -> None:
        """Compare the books of every running sale, again and again; settle what is over."""
        while True:
            began_s = time.monotonic()
            for kept in list(self._kept.values()):
                try:
                    await self._audit(kept)
                except _FAULTS as error:
                    view = kept.view
                    self._audits.audited(kept.sale, None, view.items if view else (), str(error))
                except Exception:  # a bug with one sale must not end the audits of the others
                    _LOG.exception("the audit of sale %s stumbled", kept.sale)
            spent_s = time.monotonic() - began_s
            await asyncio.sleep(max(self._limits.audit_interval_s - spent_s, 0.05))

    async def _audit(self, kept: _Kept) -> None:
        audit = await self._auditor.audit(kept.sale)
        if audit is None or kept.sale not in self._kept:
            return
        items = audit.view.items if audit.view is not None else ()
        self._audits.audited(kept.sale, audit.agree, items, audit.why)
        if audit.agree is False and audit.why != kept.disagreed:
            _LOG.error("the books of sale %s do not agree: %s", kept.sale, audit.why)
        kept.disagreed = audit.why if audit.agree is False else ""
        over_at = _over_at(audit)
        if over_at is not None and over_at == kept.over_at:
            await self._settle(kept)
        kept.over_at = over_at

    async def _settle(self, kept: _Kept) -> None:
        """The sale is over and the ledger has all of it: it leaves its room.

        It was over one audit before, too: a refund that has stirred it has had its time.
        """
        await self._announcer.farewell(kept.sale, self._sales_of(kept.record.terms.room))
        await self._retirement.retire(kept.sale)
        if await self._records.settle(kept.sale, self._now_ms()):
            await self._let_go({kept.sale})
            _LOG.info("sale %s is settled", kept.sale)


def _over_at(audit: Audit) -> tuple[int, int] | None:
    """Where a sale stands that is closed, without holds and waiters, and whole in the ledger."""
    view = audit.view
    if view is None or view.state is not SaleState.CLOSED or not audit.agree:
        return None
    if any(item.reserved or item.waiting for item in view.items):
        return None
    return view.at.epoch, view.at.seq


async def _whole(work: Coroutine[Any, Any, None]) -> None:
    """Do it to its end, also when the caller is cancelled meanwhile, even more than once."""
    doing = asyncio.create_task(work)
    while not doing.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(doing)
    doing.result()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Until the event or the time, whichever is first; the event is then cleared."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
    event.clear()


def open_keeper(
    settings: Settings,
    *,
    commands: RedisClient,
    listener: RedisClient,
    database: Database,
    stock: Stock,
    sales: Sales,
    stream: LedgerStream,
    audits: Audits,
    name: str,
    now_ms: Callable[[], int],
) -> Keeper:
    """A keeper with its parts. `name` is the ledger worker's stable name, here on this machine.

    The clients and the database are the caller's to close, after `run` has ended.
    """
    limits = settings.limits
    records, orders = SaleRecords(database), OrderRecords(database)
    cards = SaleCards(records, orders, sales)
    log = room_log(commands, f"keeper-{secrets.token_hex(6)}", settings)
    keeper = Keeper(
        stock=stock,
        cards=cards,
        records=records,
        announcer=Announcer(commands, log, cards),
        auditor=Auditor(sales, stream, records, orders),
        audits=audits,
        lease=Lease(commands, holder(name)),
        retirement=RedisRetirement(commands, limits.settled_sale_kept_s),
        limits=limits,
        now_ms=now_ms,
    )
    keeper.feed = RedisFeed(
        listener,
        on_message=keeper.heard,
        on_resumed=keeper.resumed,
        subscribe_within_s=limits.append_within_s,
    )
    return keeper
