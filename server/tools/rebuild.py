"""`onair rebuild`: a sale in the store made anew from the ledger, under a new epoch.

The sale is frozen first, and what its stream still holds is written into SQL; only then the store's
copy goes. Every step may be repeated: a rebuild that was cut short leaves the sale frozen, and the
next one begins anew. What the ledger lacks is counted and named.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import orjson
from redis.exceptions import RedisError

from flash_sale.adapters.wire import EPOCH_MAX
from flash_sale.catalog import SkuId
from flash_sale.errors import NotOnSale
from flash_sale.model import (
    Act,
    MoveKind,
    Order,
    OrderState,
    SaleId,
    SaleState,
    SaleView,
    Steering,
    Terms,
)
from server.control import CHANNEL
from server.database.sale_words import LedgerBooks, SaleRecord
from server.sale_cards import has_run, view_of_ledger
from server.tools.progress import Progress
from server.tools.stores import Stores

PIECE = 1_000
NO_PROGRESS_S = 30.0  # the stream is waited for as long as it gets shorter
GAPS_LISTED_MAX = 20
_POLL_S = 0.1
OPERATOR = "operator"


class NotRebuilt(Exception):
    """The sale was left as it is, or frozen; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Missing:
    """What the ledger is known to lack. All zero and empty: nothing."""

    moves: int = 0  # of the last epoch, below the highest it has
    gaps: tuple[tuple[int, int], ...] = ()  # their numbers, from and to; at most GAPS_LISTED_MAX
    beyond: int = 0  # moves that the store had made and the ledger never got
    set_aside: int = 0

    @property
    def nothing(self) -> bool:
        return not (self.moves or self.beyond or self.set_aside)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild brought back. `why` is what was wrong with the store's copy."""

    record: SaleRecord
    view: SaleView
    why: str
    was_lost: bool  # the store did not have it at all
    orders: Mapping[OrderState, int]
    missing: Missing


class Rebuilder:
    """Rebuilds sales. Raises `NotRebuilt`, `SaleStoreUnavailable` and `DatabaseUnavailable`."""

    def __init__(self, stores: Stores, progress: Progress) -> None:
        self._stores = stores
        self._sales = stores.sales
        self._rebuild = stores.rebuild
        self._progress = progress

    async def needs(self, record: SaleRecord) -> str | None:
        """Why a sale must be rebuilt; None: it is well."""
        try:
            view = await self._sales.view(record.terms.id)
        except NotOnSale:
            return "the store has lost it"
        if view.state is SaleState.FROZEN:
            return f"frozen: {view.reason}"
        if view.at.epoch != record.terms.epoch:
            return f"it is of epoch {view.at.epoch}, the ledger of {record.terms.epoch}"
        if view.at.seq < record.seq:  # the store was read later: it should be further
            return f"it stands at move {view.at.seq}, the ledger has {record.seq}"
        return None

    async def rebuild(self, record: SaleRecord, *, force: bool = False) -> Rebuilt:
        """Make one sale anew. With `force` also one that is well."""
        sale = record.terms.id
        if record.state is SaleState.DRAFT:
            raise NotRebuilt(f"sale {sale} is a draft: arm it instead")
        why = await self.needs(record)
        if why is None and not force:
            raise NotRebuilt(f"sale {sale} is well in the store; --force rebuilds it all the same")
        _check_epoch(sale, record.terms.epoch)
        last = await self._freeze(sale)
        if last is not None:
            _check_epoch(sale, last.at.epoch)
        await self._drain(sale)  # the stream may be there though the sale is not
        record = await self._found(sale)
        if last is None and not has_run(record):
            raise NotRebuilt(f"sale {sale}: {why}, and the ledger has no move of it: arm it again")
        missing = await self._missing(record, last)
        books = await self._stores.orders.books(sale)
        state, reason = await self._state_before(record)
        _check_books(sale, books)
        terms = await self._new_epoch(record, last)
        await self._stores.records.stir(sale)  # the ledger must read its stream again
        orders = await self._load(terms)
        record = replace(record, terms=terms)
        picture = view_of_ledger(record, books, state=state, reason=reason)
        view = await self._rebuild.finish(terms, picture)
        await self._tell(sale)
        return Rebuilt(record, view, why or "forced", last is None, orders, missing)

    async def _freeze(self, sale: SaleId) -> SaleView | None:
        """Nothing is decided from here on. None: the store does not have the sale."""
        act = Act(f"rebuild-{secrets.token_hex(8)}", OPERATOR, "merchant", "rebuild")
        try:
            view = await self._sales.view(sale)
            if view.state is not SaleState.FROZEN:
                self._progress.say(
                    f"sale {sale}: frozen, nothing is sold until the rebuild is done"
                )
                view = await self._sales.steer(sale, Steering.FREEZE, act)
        except NotOnSale:
            return None
        return view

    async def _drain(self, sale: SaleId) -> None:
        """Return when the ledger has everything that the stream holds."""
        lag = least = await self._stores.stream.lag(sale)
        until_s = time.monotonic() + NO_PROGRESS_S
        while lag:
            if lag < least:
                least, until_s = lag, time.monotonic() + NO_PROGRESS_S
            if time.monotonic() > until_s:
                raise NotRebuilt(
                    f"sale {sale} is frozen and {lag} entries of its stream do not get into the "
                    "ledger: does a ledger worker run, does SQL answer?"
                )
            self._progress.tick(f"sale {sale}: {lag} entries on their way to the ledger")
            await asyncio.sleep(_POLL_S)
            lag = await self._stores.stream.lag(sale)

    async def _found(self, sale: SaleId) -> SaleRecord:
        record = await self._stores.records.find(sale)
        assert record is not None  # sales are never removed
        return record

    async def _missing(self, record: SaleRecord, last: SaleView | None) -> Missing:
        sale = record.terms.id
        lacks = record.seq - record.moves
        beyond = 0
        if last is not None and last.at.epoch == record.terms.epoch:
            beyond = max(0, last.at.seq - record.seq)
        return Missing(
            moves=lacks,
            gaps=await self._gaps(record) if lacks else (),
            beyond=beyond,
            set_aside=await self._stores.ledger.set_aside_count(sale),
        )

    async def _gaps(self, record: SaleRecord) -> tuple[tuple[int, int], ...]:
        epoch = record.terms.epoch
        gaps: list[tuple[int, int]] = []
        expected, after = 1, (epoch, 0)
        while len(gaps) < GAPS_LISTED_MAX:
            moves = await self._stores.orders.moves(record.terms.id, after, PIECE)
            for move in moves:
                if move.seq > expected:
                    gaps.append((expected, move.seq - 1))
                expected = move.seq + 1
            if not moves:
                break
            after = (epoch, moves[-1].seq)
            self._progress.tick(f"sale {record.terms.id}: looking for missing moves, at {expected}")
        return tuple(gaps[:GAPS_LISTED_MAX])

    async def _state_before(self, record: SaleRecord) -> tuple[SaleState, str]:
        """The state, and its reason, that the sale goes on in: the last before it was frozen."""
        if record.state is not SaleState.FROZEN:
            return record.state, record.reason
        found, after = (SaleState.PAUSED, "rebuilt"), (0, 0)
        while moves := await self._stores.orders.moves(record.terms.id, after, PIECE):
            for move in moves:
                said = move.facts.get("state", "") if move.kind is MoveKind.SALE else ""
                if said and said != SaleState.FROZEN:
                    found = SaleState(said), move.facts.get("reason", "")
            after = (moves[-1].epoch, moves[-1].seq)
            self._progress.tick(f"sale {record.terms.id}: reading its history, at move {after[1]}")
        return found

    async def _new_epoch(self, record: SaleRecord, last: SaleView | None) -> Terms:
        """Above the ledger's, and above the store's when SQL came back from an older copy."""
        sale = record.terms.id
        epoch = await self._stores.records.bump_epoch(sale)
        while last is not None and epoch <= last.at.epoch:
            epoch = await self._stores.records.bump_epoch(sale)
        return replace(record.terms, epoch=epoch)

    async def _load(self, terms: Terms) -> Mapping[OrderState, int]:
        """Put all orders into the store; those who wait last, in the order in which they came."""
        sale = terms.id
        counts: Counter[OrderState] = Counter()
        waiting: list[tuple[tuple[int, int], Order]] = []
        await self._rebuild.begin(terms)
        after: str | None = None
        while rows := await self._stores.orders.rows(sale, after, PIECE):
            counts.update(row.order.state for row in rows)
            queued = [row for row in rows if row.order.state is OrderState.QUEUED]
            waiting += [((row.epoch, row.seq), row.order) for row in queued]
            others = [row.order for row in rows if row.order.state is not OrderState.QUEUED]
            await self._rebuild.load(terms, others)
            after = rows[-1].order.id
            self._progress.tick(f"sale {sale}: {counts.total()} orders loaded")
        waiting.sort(key=lambda one: one[0])
        await self._rebuild.load(terms, [order for _, order in waiting])
        return dict(counts)

    async def _tell(self, sale: SaleId) -> None:
        """A hint for those that keep and serve the sale; they look by themselves as well."""
        hint = orjson.dumps({"kind": "sale", "sale": sale})
        try:
            await self._stores.client.execute_command("SPUBLISH", CHANNEL, hint)
        except (RedisError, OSError) as error:
            self._progress.say(f"sale {sale} is rebuilt; telling the workers failed: {error}")


def _check_epoch(sale: SaleId, epoch: int) -> None:
    """Each rebuild is an epoch, and there is room for EPOCH_MAX of them in the waitlists."""
    if epoch >= EPOCH_MAX:
        raise NotRebuilt(
            f"sale {sale} is of epoch {epoch}, the last there can be (EPOCH_MAX {EPOCH_MAX}): it "
            "was rebuilt too often to be rebuilt again. Its orders stay in the ledger; sell what "
            "is left in a new sale"
        )


def _check_books(sale: SaleId, books: Mapping[SkuId, LedgerBooks]) -> None:
    """A store that begins with less than nothing would be wrong for ever."""
    for sku, one in books.items():
        if one.available < 0:
            raise NotRebuilt(
                f"sale {sale} stays as it is: by the ledger {sku} has {one.reserved} units held "
                f"and {one.sold} sold of {one.initial}. Find out why, before anything is sold"
            )
