"""How many wait for each sku of a sale, as last seen and heard. For show: nothing rests on it."""

from __future__ import annotations

from flash_sale.adapters.wire import Told
from flash_sale.catalog import SkuId
from flash_sale.model import Move, MoveKind, SaleView


class Waiting:
    """Follows views and announcements, whichever comes; a missed one is mended by the next view."""

    def __init__(self) -> None:
        self.counts: dict[SkuId, int] = {}
        self._as_of = (0, 0)  # epoch, told

    def viewed(self, view: SaleView, *, anew: bool = False) -> None:
        """`anew`: also if the sale stands before what was heard, as a failover may leave it."""
        as_of = (view.at.epoch, view.at.told)
        if anew or as_of >= self._as_of:
            self._as_of = as_of
            self.counts = {books.sku: books.waiting for books in view.items}

    def heard(self, told: Told) -> None:
        as_of = (told.at.epoch, told.at.told)
        if as_of > self._as_of:
            self._as_of = as_of
            for move in told.moves:
                self._count(move)

    def _count(self, move: Move) -> None:
        order = move.order
        if order is None:
            return
        never_left = order.reserved_at_ms is None
        if move.kind is MoveKind.QUEUED:
            step = 1
        elif move.kind is MoveKind.OFFERED or (move.kind in _ENDS and never_left):
            step = -1
        else:
            return
        sku = order.lines[0].sku
        self.counts[sku] = max(0, self.counts.get(sku, 0) + step)


_ENDS = frozenset({MoveKind.CANCELLED, MoveKind.EXPIRED})
