"""Claims of coupons whose orders never came to be: found, made sure of, and given back.

A web worker that dies between claiming coupons and asking the store leaves a claim without an
order; one whose database was away could not give a claim back. The store is told first never to
make such an order, then asked whether it has: so exactly one of the two holds, whoever else
still tries.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from flash_sale.errors import NotOnSale, SaleFrozen, SaleStoreUnavailable, StaleEpoch
from flash_sale.model import Order, OrderId, SaleId
from flash_sale.store import Stock
from server.database.claim_records import ClaimRecords, HeldClaim
from server.database.errors import DatabaseUnavailable
from server.database.order_records import OrderRecords
from server.database.sale_records import SaleRecords

_LOG = logging.getLogger("onair.coupons")

AT_ONCE = 100


class OrderFinder(Protocol):
    """What this needs of `flash_sale.store.Sales`."""

    async def order(self, order: OrderId) -> Order | None: ...


class Lapses:
    """`look` again and again. Two may look at once: giving back twice changes nothing."""

    def __init__(
        self,
        claims: ClaimRecords,
        orders: OrderRecords,
        records: SaleRecords,
        stock: Stock,
        sales: OrderFinder,
        *,
        after_ms: int,
        now_ms: Callable[[], int],
    ) -> None:
        self._claims = claims
        self._orders = orders
        self._records = records
        self._stock = stock
        self._sales = sales
        self._after_ms = after_ms
        self._now_ms = now_ms
        self._behind = ""  # the order id where the next look goes on

    async def look(self) -> int:
        """Look at some old claims; how many were given back. Raises `DatabaseUnavailable`."""
        before_ms = self._now_ms() - self._after_ms
        some = await self._claims.held_since(before_ms, self._behind, AT_ONCE)
        self._behind = some[-1].purchase.order_id if len(some) == AT_ONCE else ""
        gone = [claim.purchase.order_id for claim in some if await self._may_go(claim)]
        if gone:
            await self._claims.give_back(gone, self._now_ms())
            _LOG.info("coupons of %d orders that never came to be are given back", len(gone))
        return len(gone)

    async def _may_go(self, claim: HeldClaim) -> bool:
        """`_is_gone`; a claim that nobody can look at holds up no other."""
        try:
            return await self._is_gone(claim)
        except DatabaseUnavailable:
            raise
        except Exception:
            _LOG.exception("the coupons of order %s cannot be looked at", claim.purchase.order_id)
            return False

    async def _is_gone(self, claim: HeldClaim) -> bool:
        """True: there is no such order, and there never will be."""
        order = claim.purchase.order_id
        row = await self._orders.find(order)
        if row is not None and row.order.coupons != claim.purchase.coupons:
            return True  # the id is an order's of another request, which the store has refused
        if row is not None:  # it ended, and whoever stored that did not know of coupons
            await self._claims.settle(order, row.order.state, self._now_ms())
            return False
        try:
            await self._stock.remember_sold_out(claim.sale, [claim.purchase])
            return await self._sales.order(order) is None
        except NotOnSale:
            return await self._is_over(claim.sale)
        except (SaleStoreUnavailable, SaleFrozen, StaleEpoch) as error:
            _LOG.warning("the coupons of order %s wait: %s", order, error)
            return False

    async def _is_over(self, sale: SaleId) -> bool:
        """The store has nothing of the sale: was it settled, so that SQL has all of it?"""
        record = await self._records.find(sale)
        return record is None or record.settled_at_ms is not None
