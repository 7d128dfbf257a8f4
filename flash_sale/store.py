"""The store of running sales, as three narrow protocols: buyers', staff's and the rebuild's.

Every method raises `SaleStoreUnavailable` when the store cannot be reached in time, `NotOnSale`
and `SaleFrozen`. Every method may be called again with the same ids: it takes effect once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from flash_sale.catalog import SkuId
from flash_sale.model import (
    Act,
    Changed,
    Decided,
    Move,
    Order,
    OrderId,
    Paid,
    Payment,
    Purchase,
    SaleId,
    SaleView,
    Steering,
    Swept,
    Terms,
)


class Stock(Protocol):
    """What happens to units: every change is one step, decided by the store's own clock."""

    def expect(self, sale: SaleId, epoch: int, seq: int, *, confirmed: bool = True) -> None:
        """Somebody, such as the ledger, has seen the sale stand there: a store that turns out to
        stand before it has lost moves, and freezes with the next call (`SaleFrozen`).

        `confirmed` False: it was announced, and may not be as safe yet as an answer would be.
        """

    async def reserve(self, sale: SaleId, purchases: Sequence[Purchase]) -> Decided:
        """Decide a batch of purchases in order; decision i answers purchase i.

        An order id takes effect at most once: a retry gets its first answer again. A refusal
        changes nothing for its neighbours.
        """

    async def remember_sold_out(self, sale: SaleId, purchases: Sequence[Purchase]) -> None:
        """Keep answers `sold_out` that were given without the store, unless it knows better."""

    async def pay(self, sale: SaleId, payments: Sequence[Payment]) -> list[Paid]:
        """Take payments. A payment id takes effect once; an order is paid at most once."""

    async def cancel(self, order: OrderId, user: str | None, reason: str) -> Changed:
        """Give up a hold or a place in the waitlist. `user` None: staff, for anybody."""

    async def refund(self, order: OrderId, act: Act, *, restock: bool) -> Changed:
        """A paid order's money goes back; its units return to stock or are written off."""

    async def sweep(self, sale: SaleId, most: int) -> Swept:
        """Open and close by the clock, end up to `most` overdue holds, serve the waitlist."""


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """One entry of a sale's stream: the moves of one step, or why they cannot be read."""

    id: str
    moves: tuple[Move, ...]
    unreadable: str = ""
    raw: bytes = b""


class Sales(Protocol):
    """What staff do, and what anybody may read."""

    async def arm(self, terms: Terms, act: Act, on_sale: Mapping[SkuId, int]) -> SaleView:
        """Put a draft into the store. `on_sale` may hold back units of the allocation.

        Armed already under the same act: its view. Raises `SteeringRefused`.
        """

    async def steer(
        self,
        sale: SaleId,
        steering: Steering,
        act: Act,
        *,
        countdown_ms: int = 0,
        units: Mapping[SkuId, int] | None = None,
        allocate: bool = False,
        ends_at_ms: int | None = None,
        cancel_holds: bool = False,
    ) -> SaleView:
        """Open, pause, resume, close, restock or freeze. Raises `SteeringRefused`.

        An act is the same with the same arguments only; to freeze is done whatever its id is.
        `units` (RESTOCK) are added; beyond the allocation only with `allocate`.
        """

    async def view(self, sale: SaleId) -> SaleView:
        """The sale and all its counters at one instant."""

    async def order(self, order: OrderId) -> Order | None:
        """One order as it is now."""

    async def orders(self, sale: SaleId, cursor: int, most: int) -> tuple[list[Order], int]:
        """All orders of a sale in pieces; cursor 0 starts and, returned, ends. For audits."""

    async def decided_ids(self, sale: SaleId, cursor: int, most: int) -> tuple[list[OrderId], int]:
        """Ids of all orders, and of refusals other than sold_out that are kept, in pieces.

        Each at least once; cursor 0 starts and, returned, ends.
        """


class LedgerStream(Protocol):
    """The stream of a sale's moves, for one group of ledger writers."""

    async def read(self, sale: SaleId, consumer: str, most: int) -> list[StreamEntry]:
        """Entries that were given to this consumer and not committed, then those of nobody yet.

        At most `most` of each. Asked again after a lost reply, it gives the same entries again.
        """

    async def claim(
        self, sale: SaleId, consumer: str, most: int, idle_ms: int
    ) -> list[StreamEntry]:
        """Take over entries that were given to anybody and lay idle so long."""

    async def committed(self, sale: SaleId, entry_ids: Sequence[str]) -> None:
        """Forget entries whose moves the ledger holds, and trim the stream below them."""

    async def lag(self, sale: SaleId) -> int:
        """Entries that are not committed yet."""


class Rebuild(Protocol):
    """Making a sale anew from the ledger, under a new epoch."""

    async def begin(self, terms: Terms) -> None:
        """Throw away what the store has of the sale; it is frozen under `terms.epoch`."""

    async def load(self, terms: Terms, orders: Sequence[Order]) -> None:
        """Add orders in any number of pieces. Repeating a piece changes nothing."""

    async def finish(self, terms: Terms, state: SaleView) -> SaleView:
        """Put counters, state and times in place. From here on purchases are decided again."""
