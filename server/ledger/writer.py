"""From the streams of running sales into SQL: everything once, nothing dropped.

An entry is acknowledged after its moves are committed, and applying moves again changes nothing:
so a crash at any moment, or two writers with the same entry, cost a repetition and no more. What
SQL refuses for good is set aside with an alarm; while SQL is away the streams grow.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import orjson

from flash_sale.errors import SaleStoreUnavailable
from flash_sale.model import Move, SaleId, SaleState
from flash_sale.store import LedgerStream, StreamEntry
from server.database.errors import DatabaseUnavailable, Diverged, OldEpoch
from server.database.sale_words import Applied, SaleRecord
from server.ledger.pace import Pace
from server.restart_pace import RestartPace
from server.settings import Limits

_LOG = logging.getLogger("onair.ledger")

DISCOVER_EVERY_S = 1.0
QUIET_PAUSE_S_MAX = 1.0  # how long a sale in which nothing happens is left alone
STRAYS_EVERY_S = 5.0  # how often a page of closed sales is looked at
STRAYS_PAGE = 100
ERROR_CHARS_MAX = 1_000


class SalesToFollow(Protocol):
    """What the writer needs of `server.database.sale_records.SaleRecords`."""

    async def running(self) -> list[SaleRecord]: ...

    async def page(
        self, after_id: str | None, limit: int, *, state: SaleState | None
    ) -> list[SaleRecord]: ...


class Books(Protocol):
    """What the writer needs of `server.database.ledger_records.Ledger`."""

    async def apply(self, sale_id: SaleId, batches: Sequence[Sequence[Move]]) -> Applied: ...

    async def set_aside(
        self,
        sale_id: SaleId,
        entry_id: str,
        raw: bytes,
        error: str,
        now_ms: int,
        *,
        epoch: int = 0,
    ) -> None: ...


@dataclass(slots=True)
class _Followed:
    """One sale whose stream is read."""

    sale: SaleId
    pace: Pace
    runs: bool  # False: it is settled, or unknown; it is let go once its stream is empty
    most: int  # entries that are read at once
    claim_at_s: float = 0.0  # when to look for entries that another worker left lying
    empty: bool = False  # the last look found nothing
    oldest_at_ms: int | None = None  # of the entries in hand, which are not committed yet
    attempts: Counter[str] = field(default_factory=Counter)  # by entry, of those that failed
    complaint: str = ""


class Writer:
    """One consumer of the group. `run` it once; `finish` lets it come to an end."""

    def __init__(
        self,
        stream: LedgerStream,
        sales: SalesToFollow,
        books: Books,
        limits: Limits,
        consumer: str,
        *,
        now_ms: Callable[[], int],
    ) -> None:
        self._stream = stream
        self._sales = sales
        self._books = books
        self._limits = limits
        self._consumer = consumer
        self._now_ms = now_ms
        self._followed: dict[SaleId, _Followed] = {}
        self._wake = asyncio.Event()
        self._finishing = False
        self._discover_at_s = 0.0
        self._strays_at_s = 0.0
        self._stray_after: str | None = None
        self._pauses = RestartPace()
        self.waiting_for = ""  # why nothing can be written now

    # what others ask and tell

    @property
    def followed(self) -> list[SaleId]:
        return list(self._followed)

    def oldest_ms(self, sale: SaleId) -> int:
        """For how long the oldest entry in hand has waited to be committed; 0: none is."""
        followed = self._followed.get(sale)
        if followed is None or followed.oldest_at_ms is None:
            return 0
        return max(0, self._now_ms() - followed.oldest_at_ms)

    def hint(self, sale: SaleId) -> None:
        """Something happens in a sale: look there soon. A hint that is lost costs a second."""
        followed = self._followed.get(sale)
        if followed is None:
            followed = self._follow(sale, runs=False)
            self._discover_at_s = 0.0
        followed.pace.hurry(time.monotonic())
        self._wake.set()

    def finish(self) -> None:
        """Let `run` return once all streams are written."""
        self._finishing = True
        self._discover_at_s = 0.0
        for followed in self._followed.values():
            followed.empty = False
            followed.pace.hurry(time.monotonic())
        self._wake.set()

    # the loop

    async def run(self) -> None:
        """Write until cancelled, or until `finish` and nothing is left. Waits out every fault."""
        while True:
            self._wake.clear()
            try:
                await self._round()
            except DatabaseUnavailable as error:
                if not self.waiting_for:
                    _LOG.error("nothing can be written to the ledger: %s", error)
                self.waiting_for = str(error)
                await asyncio.sleep(self._pauses.delay_s(0))
                continue
            if self.waiting_for:
                _LOG.warning("the ledger is written again")
                self.waiting_for, self._pauses = "", RestartPace()
            if self._finishing and all(one.empty for one in self._followed.values()):
                return
            await self._rest()

    async def _round(self) -> None:
        """Look once at every sale that is due."""
        now_s = time.monotonic()
        if now_s >= self._discover_at_s:
            self._discover_at_s = now_s + DISCOVER_EVERY_S
            await self._discover()
        if now_s >= self._strays_at_s:
            self._strays_at_s = now_s + STRAYS_EVERY_S
            await self._find_strays()
        for followed in list(self._followed.values()):
            if followed.pace.due_s <= time.monotonic():
                await self._advance(followed)

    async def _rest(self) -> None:
        """Until the next sale is due or somebody gives a hint."""
        dues_s = [one.pace.due_s for one in self._followed.values()]
        until_s = min(self._discover_at_s, self._strays_at_s, *dues_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until_s - time.monotonic())):
                await self._wake.wait()

    # which sales there are

    async def _discover(self) -> None:
        running = {record.terms.id for record in await self._sales.running()}
        for sale in running - self._followed.keys():
            self._follow(sale, runs=True)
        for followed in self._followed.values():
            followed.runs = followed.sale in running

    async def _find_strays(self) -> None:
        """Follow settled sales whose stream got entries all the same, a page at a time.

        A refund makes its sale run again, and the keeper may settle it before the refund is done.
        """
        page = await self._sales.page(self._stray_after, STRAYS_PAGE, state=SaleState.CLOSED)
        self._stray_after = page[-1].terms.id if len(page) == STRAYS_PAGE else None
        for record in page:
            sale = record.terms.id
            if record.settled_at_ms is None or sale in self._followed:
                continue
            try:
                lag = await self._stream.lag(sale)
            except SaleStoreUnavailable:  # its turn comes again
                continue
            if lag:
                self._follow(sale, runs=False)

    def _follow(self, sale: SaleId, *, runs: bool) -> _Followed:
        pace = Pace(self._limits.ledger_idle_ms / 1000, QUIET_PAUSE_S_MAX)
        followed = self._followed[sale] = _Followed(
            sale, pace, runs, self._limits.ledger_entries_max
        )
        return followed

    # one sale

    async def _advance(self, followed: _Followed) -> None:
        """Write one hand of entries. A sale whose stream is out of reach holds up no other."""
        try:
            entries = await self._next_entries(followed)
            followed.empty = not entries
            if entries:
                await self._write(followed, entries)
                followed.oldest_at_ms = None
        except DatabaseUnavailable:
            followed.most = max(1, followed.most // 2)  # it may have been too much for the time
            followed.pace.found_nothing(time.monotonic())  # the other sales come first
            raise
        except SaleStoreUnavailable as error:
            followed.empty = False
            if str(error) != followed.complaint:
                _LOG.warning("the stream of sale %s waits: %s", followed.sale, error)
            followed.complaint = str(error)
            followed.pace.found_nothing(time.monotonic())
            return
        followed.complaint = ""
        if followed.empty:
            followed.pace.found_nothing(time.monotonic())
            if not followed.runs:
                del self._followed[followed.sale]

    async def _next_entries(self, followed: _Followed) -> list[StreamEntry]:
        """What was given and not committed, and what is new; now and then what others left."""
        sale, most, now_s = followed.sale, followed.most, time.monotonic()
        if now_s >= followed.claim_at_s:
            idle_s = self._limits.ledger_claim_idle_s
            if entries := await self._stream.claim(sale, self._consumer, most, idle_s * 1000):
                return entries
            followed.claim_at_s = now_s + idle_s / 2
        return await self._stream.read(sale, self._consumer, most)

    async def _write(self, followed: _Followed, entries: Sequence[StreamEntry]) -> None:
        """Commit entries, then acknowledge them; what is refused for good is set aside first."""
        sale = followed.sale
        followed.oldest_at_ms = int(entries[0].id.partition("-")[0])
        refused = await self._apply(sale, [entry for entry in entries if not entry.unreadable])
        left: set[str] = set()
        for entry in entries:
            error = refused.get(entry.id)
            if entry.unreadable or error is not None:
                if error is not None and self._may_still_pass(followed, entry, error):
                    left.add(entry.id)
                else:
                    await self._set_aside(sale, entry, error)
        done = [entry.id for entry in entries if entry.id not in left]
        await self._stream.committed(sale, done)
        for entry_id in done:
            followed.attempts.pop(entry_id, None)
        now_s = time.monotonic()
        if left:
            followed.pace.found_nothing(now_s)
        else:
            full = len(entries) >= followed.most
            followed.most = min(followed.most * 2, self._limits.ledger_entries_max)
            followed.pace.found(now_s, all_that_fit=full)

    async def _apply(self, sale: SaleId, entries: Sequence[StreamEntry]) -> dict[str, Exception]:
        """Apply all entries in one transaction; if that fails, each in its own.

        Returns the errors of those that failed alone, too. Raises `DatabaseUnavailable`.
        """
        if not entries:
            return {}
        try:
            await self._books.apply(sale, [entry.moves for entry in entries])
            return {}
        except DatabaseUnavailable:
            raise
        except Exception as error:  # whatever it is: the others must not wait for it
            if len(entries) == 1:
                return {entries[0].id: error}
            _LOG.warning("sale %s: entries are applied one by one: %s", sale, _text(error))
        refused: dict[str, Exception] = {}
        for entry in entries:
            refused |= await self._apply(sale, [entry])
        return refused

    def _may_still_pass(self, followed: _Followed, entry: StreamEntry, error: Exception) -> bool:
        """Whether to try an entry again: not if SQL holds something else in its place."""
        if isinstance(error, Diverged | OldEpoch):
            return False
        followed.attempts[entry.id] += 1
        return followed.attempts[entry.id] < self._limits.ledger_poison_attempts_max

    async def _set_aside(self, sale: SaleId, entry: StreamEntry, error: Exception | None) -> None:
        why = f"unreadable: {entry.unreadable}" if error is None else _text(error)
        raw = entry.raw or orjson.dumps(entry.moves)
        epoch = entry.moves[0].epoch if entry.moves else 0
        await self._books.set_aside(sale, entry.id, raw, why, self._now_ms(), epoch=epoch)
        _LOG.critical(
            "ALARM: entry %s of sale %s is set aside: %s", entry.id, sale, why, exc_info=error
        )


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:ERROR_CHARS_MAX]
