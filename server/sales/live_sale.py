"""One sale on one worker: its terms, what gathers for the store, and what is known without it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from flash_sale.adapters.wire import Told, asked_by
from flash_sale.batcher import Batcher, BatchLimits
from flash_sale.errors import NotOnSale, SaleFrozen, SaleStoreUnavailable, StaleEpoch
from flash_sale.model import (
    MoveKind,
    Order,
    OrderId,
    Outcome,
    Paid,
    Payment,
    PaymentOutcome,
    Purchase,
    SaleId,
    SaleView,
    Terms,
)
from flash_sale.store import Stock
from server.replies import Refused
from server.sales.answers import REUSED, again, placed, sold_out
from server.sales.flags import SaleFlags
from server.sales.waiting import Waiting
from server.settings import Limits

_LOG = logging.getLogger("onair.sales")
HEARD_MAX = 10_000  # announcements kept while the picture of a sale is made
RECENT_MAX = 2_000  # changes of orders that are kept for those who list theirs
ENDS_MARGIN_MS = 1_000  # so long before its end only the store says what a sale still takes
_OWED_BACK = frozenset({PaymentOutcome.LATE, PaymentOutcome.SURPLUS, PaymentOutcome.MISMATCH})
_RETRY_FIRST_S = 0.1
_RETRY_MAX_S = 2.0

T = TypeVar("T")
Answer = bytes | Refused


@dataclass(frozen=True, slots=True)
class Clocks:
    """Unix milliseconds and a steady clock in seconds; tests have their own."""

    now_ms: Callable[[], int]
    steady_s: Callable[[], float] = time.monotonic


def batch_limits(limits: Limits) -> BatchLimits:
    """How much waits for one store, and for how long."""
    return BatchLimits(
        waiting_max=limits.orders_waiting_max,
        batch_max=limits.batch_orders_max,
        within_s=limits.decide_within_s,
    )


class LiveSale:
    """Purchases and payments go to the store in batches, made by tasks of the batchers.

    Answers given by a flag are written to the store afterwards (`drained`), so that the same
    request gets the same answer elsewhere and later. `on_late` is awaited when a payment is
    owed back, which may be long after the sale; `on_unsure` is told when the picture of the sale
    must be made anew. `outcomes` counts the answers to purchases.
    """

    def __init__(
        self,
        terms: Terms,
        stock: Stock,
        limits: Limits,
        clocks: Clocks,
        *,
        on_late: Callable[[SaleId], Awaitable[object]],
        on_unsure: Callable[[LiveSale], None],
        outcomes: Counter[Outcome],
    ) -> None:
        self.id: SaleId = terms.id
        self.terms = terms
        self.skus = frozenset(item.sku for item in terms.items)
        self.flags = SaleFlags(limits.order_marks_max, HEARD_MAX)
        self.looking = False  # its picture is being made
        self.look_again = False  # something was missed meanwhile
        self.behind_at: int | None = None  # its `told` when it last was below the store's
        self.used_at_s = clocks.steady_s()
        self.ends_at_ms: int | None = terms.ends_at_ms
        self._stock = stock
        self._limits = limits
        self._clocks = clocks
        self._on_late = on_late
        self._on_unsure = on_unsure
        self._outcomes = outcomes
        self._ahead_ms = 0  # the store's clock against ours
        bounds = batch_limits(limits)
        self._purchases: Batcher[Purchase, Answer] = Batcher(self._decide, bounds)
        self._payments: Batcher[Payment, Paid] = Batcher(self._pay, bounds)
        self._recent: deque[Order] = deque(maxlen=RECENT_MAX)
        self._waiting = Waiting()
        self._has_missed = False
        self._complained = ""
        self._unwritten: dict[OrderId, Purchase] = {}
        self._writer: asyncio.Task[None] | None = None

    # buyers

    def place(self, purchase: Purchase) -> Answer | asyncio.Future[Answer]:
        """The answer at once if a flag gives it, else when the store has decided.

        Raises `SaleBusy`; the future raises what the store raises. It may be cancelled.
        """
        self.used_at_s = self._clocks.steady_s()
        flagged = self._flagged(purchase)
        return self._purchases.put(purchase) if flagged is None else flagged

    def ask(self, purchase: Purchase) -> asyncio.Future[Answer]:
        """As `place`, but only the store answers: no flag does, so what it says is final."""
        self.used_at_s = self._clocks.steady_s()
        return self._purchases.put(purchase)

    def pay(self, payment: Payment) -> asyncio.Future[Paid]:
        """Raises `SaleBusy`; the future raises what the store raises. It may be cancelled."""
        self.used_at_s = self._clocks.steady_s()
        return self._payments.put(payment)

    def _flagged(self, purchase: Purchase) -> Answer | None:
        order_id = purchase.order_id
        earlier = self._unwritten.get(order_id)
        if earlier is not None:
            same = asked_by(earlier) == asked_by(purchase)  # one line, as all that are in there
            return sold_out(purchase.lines[0].sku) if same else REUSED
        if purchase.waitlist or len(purchase.lines) != 1:
            return None
        sku = purchase.lines[0].sku
        if not self.flags.says_sold_out(sku) or self.flags.knows(order_id) or self._ends_soon():
            return None
        if len(self._unwritten) >= self._limits.refusals_kept_max:
            return None
        self._unwritten[order_id] = purchase
        self._outcomes[Outcome.SOLD_OUT] += 1
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write())
        return sold_out(sku)

    def _ends_soon(self) -> bool:
        ends_at_ms = self.ends_at_ms
        if ends_at_ms is None:
            return False
        return self._clocks.now_ms() + self._ahead_ms >= ends_at_ms - ENDS_MARGIN_MS

    # what the batchers do

    async def _decide(self, purchases: Sequence[Purchase]) -> list[Answer]:
        try:
            decided = await self._now(self._stock.reserve(self.id, purchases))
        except SaleStoreUnavailable:  # they may have been decided: only the store may answer them
            self.flags.mark(purchase.order_id for purchase in purchases)
            raise
        self.flags.answered(decided.at, decided.available)
        self.flags.mark(
            purchase.order_id
            for purchase, decision in zip(purchases, decided.decisions, strict=True)
            if decision.outcome is not Outcome.SOLD_OUT
        )
        if not (self.flags.settled or self.looking):
            self._on_unsure(self)
        self._outcomes.update(decision.outcome for decision in decided.decisions)
        room, currency = self.terms.room, self.terms.currency
        return [
            placed(purchase, decision, room, currency)
            for purchase, decision in zip(purchases, decided.decisions, strict=True)
        ]

    async def _pay(self, payments: Sequence[Payment]) -> list[Paid]:
        paid = await self._now(self._stock.pay(self.id, payments))
        if any(one.outcome in _OWED_BACK for one in paid):
            await self._on_late(self.id)
        return paid

    async def _now(self, call: Awaitable[T]) -> T:
        """What the store answers; a frozen sale is looked at until it is rebuilt."""
        try:
            return await call
        except SaleFrozen as error:
            if str(error) != self._complained:  # once, not with every batch
                _LOG.warning("%s", error)
                self._complained = str(error)
            self._on_unsure(self)
            raise

    async def _write(self) -> None:
        """Hand over the answers that flags gave, in the order they were given."""
        pause_s = _RETRY_FIRST_S
        try:
            while self._unwritten:
                some = list(islice(self._unwritten.values(), self._limits.batch_orders_max))
                try:
                    await self._remember(some)
                    pause_s = _RETRY_FIRST_S
                except NotOnSale:
                    self._unwritten.clear()
                except (SaleStoreUnavailable, SaleFrozen, StaleEpoch):
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 2, _RETRY_MAX_S)
        finally:
            self._writer = None

    async def _remember(self, some: list[Purchase]) -> None:
        await self._now(self._stock.remember_sold_out(self.id, some))
        for purchase in some:
            del self._unwritten[purchase.order_id]

    # what is told

    def heard(self, told: Told) -> bool:
        """An announcement of the sale. False: others are missing, its picture must be made anew."""
        self._stock.expect(self.id, told.at.epoch, told.at.seq, confirmed=False)
        self._ahead_ms = told.at.now_ms - self._clocks.now_ms()
        self.flags.mark(told.refused)
        orders = [move.order for move in told.moves if move.order is not None]
        self.flags.mark(order.id for order in orders)
        self._recent.extend(orders)
        self._waiting.heard(told)
        return self.flags.hear(told.at, told.state, told.available)

    def changed_times(self, told: Told) -> bool:
        """The announcement may speak of another end of the sale."""
        return any(move.kind is MoveKind.SALE for move in told.moves)

    def viewed(self, view: SaleView) -> None:
        """The sale was read from the store."""
        self._ahead_ms = view.at.now_ms - self._clocks.now_ms()
        self.ends_at_ms = view.ends_at_ms
        available = {books.sku: books.available for books in view.items}
        self.flags.answered(view.at, available, view.state)
        self._waiting.viewed(view, anew=self._has_missed)
        self._has_missed = False

    def stock(self) -> list[dict[str, Any]]:
        """Units of each sku and who waits for one, as last heard, in the order of the terms."""
        known = self.flags.available
        return [
            {
                "sku": item.sku,
                "available": known[item.sku],
                "waiting": self._waiting.counts.get(item.sku, 0),
            }
            for item in self.terms.items
            if item.sku in known
        ]

    def missed(self) -> None:
        """Announcements were missed, maybe by a failover: what was heard last may not have been
        kept. The ledger has what was, and its moves are announced no more.
        """
        self._recent.clear()
        self._has_missed = True

    async def show(self) -> None:
        """Let the store know how far the sale was seen from here; it may stand before that."""
        with suppress(SaleFrozen, StaleEpoch, SaleStoreUnavailable):
            await self._stock.remember_sold_out(self.id, ())

    def recent_of(self, user: str) -> list[Order]:
        """A buyer's orders among the last changes, each as last heard."""
        return list({one.id: one for one in self._recent if one.user == user}.values())

    # its end

    @property
    def idle(self) -> bool:
        """Nobody waits for an answer, and every answer is in the store."""
        return self._purchases.idle and self._payments.idle and not self._unwritten

    async def drained(self) -> None:
        """Return when everybody is answered and the answers that flags gave are written."""
        await self._purchases.drained()
        await self._payments.drained()
        while self._writer is not None:
            await asyncio.wait([self._writer])

    async def close(self) -> None:
        """Ask the store nothing more; who still waits is told to ask again."""
        await self._purchases.close()
        await self._payments.close()

    def tasks(self) -> list[asyncio.Task[None]]:
        """What still runs for the sale, to be ended with the worker."""
        return [] if self._writer is None else [self._writer]


def answer_of(answer: Answer) -> bytes:
    """The bytes, or the refusal raised."""
    if isinstance(answer, bytes):
        return answer
    raise again(answer)
