"""From the log of visits into SQL: everything once, nothing dropped, in the order it was received.

One ledger worker at a time keeps the visits, under a lease of its own. Entries leave the log after
they are committed, and writing a piece again changes nothing: a crash at any moment, or two
keepers for a moment, cost a repetition and no more. What is no piece is set aside with an alarm.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from rooms.adapters.redis_visits import Standing, VisitEntry
from rooms.adapters.script import RedisClient
from rooms.errors import VisitLogUnavailable
from rooms.sharing.visits import Piece, VisitChange
from server.database.engine import Database
from server.database.errors import DatabaseUnavailable
from server.database.visit_records import DAY_MS, Follow
from server.database.visit_store import VisitStore
from server.ledger.figures import Figures
from server.ledger.lease import Lease, holder
from server.ledger.pace import Pace
from server.restart_pace import RestartPace
from server.settings import Limits
from server.sharing.visit_wire import UnreadablePiece, parse_piece

_LOG = logging.getLogger("onair.visits")

LEASE_KEY = "onair:visits-keeper"
RENEW_S = 1.0  # of the lease; well within its life
QUIET_PAUSE_S_MAX = 0.5
ENTRIES_AT_ONCE = 1_000
FORGET_EVERY_S = 60.0
FORGOTTEN_AT_ONCE = 500
FAULT_PAUSE_S = 0.5


class VisitsToWrite(Protocol):
    """What the keeper needs of `rooms.adapters.redis_visits.RedisVisitLog`."""

    async def read(self, most: int) -> list[VisitEntry]: ...

    async def committed(self, last_id: str) -> None: ...

    async def standing(self) -> Standing: ...


class VisitBooks(Protocol):
    """What the keeper needs of `server.database.visit_store.VisitStore`."""

    async def write(
        self, pieces: Sequence[Piece], follow: Sequence[Follow]
    ) -> list[VisitChange]: ...

    async def set_aside(self, entry_id: str, raw: bytes, error: str, now_ms: int) -> None: ...

    async def forget(self, before_ms: int, most: int) -> int: ...


class VisitKeeper:
    """Start it with `run`. `follow` is called in the transaction of every write."""

    def __init__(
        self,
        log: VisitsToWrite,
        books: VisitBooks,
        lease: Lease,
        limits: Limits,
        figures: Figures,
        *,
        follow: Sequence[Follow] = (),
        now_ms: Callable[[], int],
    ) -> None:
        self._log = log
        self._books = books
        self._lease = lease
        self._limits = limits
        self._figures = figures
        self._follow = follow
        self._now_ms = now_ms
        self._pace = Pace(limits.ledger_idle_ms / 1000, QUIET_PAUSE_S_MAX)
        self._pauses = RestartPace()
        self._most = ENTRIES_AT_ONCE
        self._renewed_at_s = float("-inf")
        self._forget_at_s = 0.0
        self._attempts: Counter[str] = Counter()  # by entry, of those that failed alone
        self.keeps = False
        self.waiting_for = ""  # why nothing can be written now

    async def run(self) -> None:
        """Keep whenever the lease is ours, until cancelled. Waits out every fault."""
        try:
            while True:
                pause_s = await self._turn()
                await asyncio.sleep(pause_s)
        finally:
            if self.keeps:
                await self._lease.release()

    async def _turn(self) -> float:
        """One look; returns the pause after it."""
        if not await self._holds():
            return RENEW_S
        try:
            await self._round()
        except DatabaseUnavailable as error:
            self._complain(str(error))
            self._most = max(1, self._most // 2)  # it may have been too much for the time
            return min(self._pauses.delay_s(0), RENEW_S)
        except VisitLogUnavailable as error:
            self._complain(str(error))
            return FAULT_PAUSE_S
        except Exception:  # a bug with visits must not end the ledger of sales
            _LOG.exception("the keeping of visits stumbled")
            return FAULT_PAUSE_S
        if self.waiting_for:
            _LOG.warning("visits are written again")
            self.waiting_for, self._pauses = "", RestartPace()
        return max(0.0, self._pace.due_s - time.monotonic())

    async def _holds(self) -> bool:
        now_s = time.monotonic()
        if self.keeps and now_s < self._renewed_at_s + RENEW_S:
            return True
        keeps = await self._lease.hold()
        if keeps and not self.keeps:
            _LOG.info("this worker keeps the visits now")
        elif self.keeps and not keeps:
            _LOG.warning("another worker keeps the visits, or the store is away")
            self._figures.set("onair_visits_lag", 0)
            self._figures.set("onair_visits_oldest_ms", 0)
        if keeps:
            self._renewed_at_s = now_s
        self.keeps = keeps
        return keeps

    def _complain(self, why: str) -> None:
        if not self.waiting_for:
            _LOG.error("visits are not written: %s", why)
        self.waiting_for = why

    async def _round(self) -> None:
        """Write one hand of entries, and now and then remove what is over its time."""
        standing = await self._log.standing()
        oldest_ms = standing.now_ms - (standing.oldest_ms or standing.now_ms)
        self._figures.set("onair_visits_lag", standing.lag)
        self._figures.set("onair_visits_oldest_ms", max(0, oldest_ms))
        if time.monotonic() >= self._forget_at_s:
            await self._forget(min(standing.now_ms, self._now_ms()))
        if not standing.lag:
            self._pace.found_nothing(time.monotonic())
            return
        entries = await self._log.read(self._most)
        done = await self._write(entries)
        if done:
            await self._log.committed(done[-1].id)
            self._figures.count("onair_visits_written_total", len(done))
        if len(done) < len(entries):
            self._pace.found_nothing(time.monotonic())
        else:
            self._most = min(self._most * 2, ENTRIES_AT_ONCE)
            more = standing.lag > len(entries)
            self._pace.found(time.monotonic(), all_that_fit=more)

    async def _write(self, entries: Sequence[VisitEntry]) -> list[VisitEntry]:
        """Write as many entries as can be written, from the first on; returns them.

        Order is kept: behind an entry that may still pass nothing is written.
        """
        pieces: list[tuple[VisitEntry, Piece]] = []
        for entry in entries:
            try:
                pieces.append((entry, parse_piece(entry.piece, entry.received_at_ms)))
            except UnreadablePiece as error:
                await self._set_aside(entry, f"unreadable: {error}")
        stuck = await self._write_all(pieces)
        if stuck is None:
            return list(entries)
        return [entry for entry in entries if _number(entry.id) < _number(stuck.id)]

    async def _write_all(self, pieces: Sequence[tuple[VisitEntry, Piece]]) -> VisitEntry | None:
        """Write pieces in one transaction; if that fails, each half in its own.

        Returns the first entry that has failed alone and may still pass.
        """
        if not pieces:
            return None
        try:
            await self._books.write([piece for _, piece in pieces], self._follow)
            return None
        except DatabaseUnavailable:
            raise
        except Exception as error:  # whatever it is: the others must not wait for it
            if len(pieces) == 1:
                return await self._failed(pieces[0][0], error)
            _LOG.warning("%d pieces of visits are written in halves: %r", len(pieces), error)
        middle = len(pieces) // 2
        stuck = await self._write_all(pieces[:middle])
        return stuck or await self._write_all(pieces[middle:])

    async def _failed(self, entry: VisitEntry, error: Exception) -> VisitEntry | None:
        self._attempts[entry.id] += 1
        if self._attempts[entry.id] < self._limits.ledger_poison_attempts_max:
            return entry
        del self._attempts[entry.id]
        await self._set_aside(entry, f"{type(error).__name__}: {error}", error)
        return None

    async def _set_aside(self, entry: VisitEntry, why: str, error: Exception | None = None) -> None:
        await self._books.set_aside(entry.id, entry.piece, why, self._now_ms())
        self._figures.count("onair_visits_set_aside_total")
        _LOG.critical(
            "ALARM: entry %s of the log of visits is set aside: %s", entry.id, why, exc_info=error
        )

    async def _forget(self, now_ms: int) -> None:
        """Remove one slice; the next one at once if there may be more. `now_ms` is the earlier of
        two clocks: what one that runs ahead has removed would be gone, and what follows with it.
        """
        before_ms = now_ms - self._limits.visit_retention_days * DAY_MS
        gone = await self._books.forget(before_ms, FORGOTTEN_AT_ONCE)
        if gone < FORGOTTEN_AT_ONCE:
            self._forget_at_s = time.monotonic() + FORGET_EVERY_S
        if gone:
            _LOG.info("%d visits are over their time and removed", gone)


def open_visit_keeper(
    log: VisitsToWrite,
    client: RedisClient,
    database: Database,
    limits: Limits,
    figures: Figures,
    *,
    name: str,
    follow: Sequence[Follow],
    now_ms: Callable[[], int],
) -> VisitKeeper:
    """A keeper with its parts. `name` is the ledger worker's stable name.

    The client and the database are the caller's to close, after `run` has ended.
    """
    return VisitKeeper(
        log,
        VisitStore(database, beat_gap_ms=limits.visit_beat_gap_ms),
        Lease(client, holder(name), LEASE_KEY),
        limits,
        figures,
        follow=follow,
        now_ms=now_ms,
    )


def _number(entry_id: str) -> tuple[int, int]:
    ms, _, number = entry_id.partition("-")
    return int(ms), int(number)
