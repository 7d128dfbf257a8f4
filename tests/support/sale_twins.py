"""A real store of sales and its in-memory twin side by side: every call goes to both.

The clock of the real store is stopped, and moved by the test: both decide at the same instant, so
every answer, order, counter and move must be equal, to the millisecond.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from flash_sale.catalog import SkuId
from flash_sale.errors import NotOnSale, SaleFrozen, StaleEpoch, SteeringRefused
from flash_sale.model import (
    Act,
    Changed,
    Decided,
    Move,
    OrderId,
    OrderState,
    Paid,
    Payment,
    Purchase,
    SaleId,
    SaleView,
    Steering,
    Swept,
    Terms,
)
from flash_sale.store import Rebuild, Sales, Stock
from tests.support.sale_ledger import MemoryLedger
from tests.support.sale_oracle import OracleSales

T = TypeVar("T")

GRACE_MS = 3_000
WAITLIST_MAX = 4
DURABILITY = "always"


class Store(Stock, Sales, Protocol):
    """Both protocols of a store."""


class Backend(Protocol):
    """Where the real store lives."""

    @property
    def sales(self) -> Store: ...

    async def set_clock(self, sale: SaleId, now_ms: int) -> None:
        """From now on it is this instant for the sale, until it is set again."""

    async def now_ms(self) -> int:
        """What the clock says before it is first set."""

    async def moves(self, sale: SaleId) -> list[Move]:
        """The moves of a sale that were not read yet, from its stream."""

    async def held(self, sale: SaleId) -> set[OrderId]:
        """The orders whose holds will end by themselves."""

    async def disturb(self) -> None:
        """Do to the store what it must survive unnoticed."""

    async def close(self) -> None: ...


class Twins:
    """One sale in a real store and in its twin. A difference is an `AssertionError`."""

    def __init__(self, backend: Backend, terms: Terms) -> None:
        self.backend = backend
        self.sale = terms.id
        self.terms = terms
        self.now_ms = 0
        self.words: Counter[str] = Counter()  # which answers were met, and how often
        self.ledger = MemoryLedger.of(terms)
        self.twin = OracleSales(
            lambda: self.now_ms,
            grace_ms=GRACE_MS,
            waitlist_max=WAITLIST_MAX,
            durability=DURABILITY,
        )
        self._moves_compared = 0

    # every call

    async def arm(self, act: Act, on_sale: Mapping[SkuId, int] | None = None) -> SaleView | None:
        first = self.sale not in self.twin.sales
        real = await _answer(self.backend.sales.arm(self.terms, act, on_sale or {}))
        if first and isinstance(real, SaleView):
            self.now_ms = real.at.now_ms
            await self.backend.set_clock(self.sale, self.now_ms)
        twin = await _answer(self.twin.arm(self.terms, act, on_sale or {}))
        view: SaleView | None = self._same("arm", real, twin)
        return view

    async def reserve(self, *purchases: Purchase) -> Decided | None:
        decided: Decided | None = await self._ask("reserve", self.sale, purchases)
        if decided is not None:
            self.words.update(f"reserve {one.outcome}" for one in decided.decisions)
        return decided

    async def remember_sold_out(self, *purchases: Purchase) -> None:
        await self._ask("remember_sold_out", self.sale, purchases)

    async def pay(self, *payments: Payment) -> list[Paid] | None:
        paid: list[Paid] | None = await self._ask("pay", self.sale, payments)
        self.words.update(f"pay {one.outcome}" for one in paid or ())
        return paid

    async def cancel(self, order: OrderId, user: str | None, reason: str = "") -> Changed | None:
        changed: Changed | None = await self._ask("cancel", order, user, reason)
        self.words.update(f"cancel {one.change}" for one in [changed] if one)
        return changed

    async def refund(self, order: OrderId, act: Act, *, restock: bool) -> Changed | None:
        changed: Changed | None = await self._ask("refund", order, act, restock=restock)
        self.words.update(f"refund {one.change}" for one in [changed] if one)
        return changed

    async def sweep(self, most: int) -> Swept | None:
        swept: Swept | None = await self._ask("sweep", self.sale, most)
        return swept

    async def steer(self, steering: Steering, act: Act, **how: Any) -> SaleView | None:
        view: SaleView | None = await self._ask("steer", self.sale, steering, act, **how)
        return view

    async def pass_time(self, ms: int) -> None:
        self.now_ms += ms
        await self.backend.set_clock(self.sale, self.now_ms)

    async def rebuild(self, rebuild: Rebuild, *, pieces: int, lost: bool) -> None:
        """Make the real sale anew from its moves alone; the caller has frozen it, or lost it."""
        stored, ledger = self.twin.sales[self.sale], self.ledger
        self.terms = replace(self.terms, epoch=self.terms.epoch + 1)
        await rebuild.begin(self.terms)
        await self.backend.set_clock(self.sale, self.now_ms)
        queued = [order for stock in ledger.skus.values() for order in stock.queue]
        others = [order for order in ledger.orders if order not in queued]
        orders = [ledger.orders[one] for one in others[::-1] + queued]
        for first in range(0, len(orders), pieces):
            piece = orders[first : first + pieces]
            await rebuild.load(self.terms, piece)
            await rebuild.load(self.terms, piece)  # repeated, as after a lost answer
        await rebuild.begin(self.terms)
        await rebuild.finish(self.terms, ledger.picture(self.terms))
        stored.now_ms = self.now_ms
        stored.rebuilt(self.terms, ledger.state, "rebuilt", forgotten=lost)
        ledger.begin_epoch(forgotten=lost)
        self._moves_compared = 0

    # and after every call

    async def check(self) -> SaleView:
        """Views, orders and moves are equal, and the moves alone tell the same story."""
        view = await self.backend.sales.view(self.sale)
        expected_view = await self.twin.view(self.sale)
        assert view == expected_view, f"the store shows {view}, its twin {expected_view}"
        stored = self.twin.sales[self.sale]
        orders = {one.id: one for one in await self._all(self.backend.sales.orders)}
        assert orders == stored.orders, f"the store has {orders}, its twin {stored.orders}"
        decided = set(await self._all(self.backend.sales.decided_ids))
        expected_ids = set(await self._all(self.twin.decided_ids))
        assert decided == expected_ids, f"decided by one of both: {decided ^ expected_ids}"
        reserved = {one.id for one in orders.values() if one.state is OrderState.RESERVED}
        held = await self.backend.held(self.sale)
        assert held == reserved, f"reserved or held, not both: {held ^ reserved}"
        for move in await self.backend.moves(self.sale):
            expected = stored.moves[self._moves_compared]
            assert move == expected, f"the store wrote {move}, its twin {expected}"
            self._moves_compared += 1
            self.ledger.apply(move)
        self.ledger.agrees(view)
        assert self.ledger.orders == stored.orders
        return view

    async def _all(
        self, pieces: Callable[[SaleId, int, int], Awaitable[tuple[list[T], int]]]
    ) -> list[T]:
        found: list[T] = []
        cursor = 0
        while True:
            some, cursor = await pieces(self.sale, cursor, 10)
            found += some
            if cursor == 0:
                return found

    async def _ask(self, name: str, *args: Any, **how: Any) -> Any:
        real = await _answer(getattr(self.backend.sales, name)(*args, **how))
        twin = await _answer(getattr(self.twin, name)(*args, **how))
        return self._same(name, real, twin)

    def _same(self, name: str, real: Any, twin: Any) -> Any:
        if isinstance(real, _Refused) and isinstance(twin, _Refused):
            assert real.why == twin.why
            self.words[f"{name} {real.why}"] += 1
            return None
        assert real == twin, f"{name}: the store says {real}, its twin {twin}"
        return real


class _Refused:
    """An answer by exception. What its text says beside the word is for people."""

    def __init__(self, error: Exception) -> None:
        self.why = type(error).__name__
        if isinstance(error, SteeringRefused):
            self.why = str(error.refusal)

    def __repr__(self) -> str:
        return f"refused: {self.why}"


async def _answer(call: Any) -> Any:
    try:
        return await call
    except (SteeringRefused, NotOnSale, SaleFrozen, StaleEpoch) as error:
        return _Refused(error)
