"""Putting a draft into the store, so that neither a crash nor a repetition sells it twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flash_sale.catalog import SkuId
from flash_sale.errors import NotOnSale, SteeringRefused
from flash_sale.model import Act, SaleId, SaleView
from flash_sale.store import Sales
from server.database.sale_records import SaleRecords
from server.replies import unknown


class Arming:
    """SQL first, then the store."""

    def __init__(self, sales: Sales, records: SaleRecords) -> None:
        self._sales = sales
        self._records = records

    async def arm(
        self,
        sale: SaleId,
        act: Act,
        on_sale: Mapping[SkuId, int],
        starts_at_ms: int | None,
    ) -> SaleView:
        """The terms are frozen in SQL first: from then on the ledger reads the sale's moves.

        Error 404 for an unknown sale or sku. Raises what the stores raise; ask again.
        """
        before = await self._records.find(sale)
        if before is None:
            raise unknown("sale", sale)
        for sku in on_sale:
            if all(item.sku != sku for item in before.terms.items):
                raise unknown("sku", sku)
        terms = (await self._records.arming(sale)).terms
        if starts_at_ms is not None:
            terms = replace(terms, starts_at_ms=starts_at_ms)
        if before.seq or terms.epoch > 1:
            await self._sales.view(sale)  # a sale that the store has lost is not armed again
        try:
            return await self._sales.arm(terms, act, on_sale)
        except SteeringRefused:
            await self._draft_again(sale)
            raise

    async def _draft_again(self, sale: SaleId) -> None:
        """The store refused to take the sale in; unless it has it, by another act."""
        try:
            await self._sales.view(sale)
        except NotOnSale:
            await self._records.not_armed(sale)
