"""What one worker knows of a sale without asking the store: what is sold out, and what was decided.

Pure: no store, no clock. Announcements of a sale are numbered without gaps (`Position.told`); a
flag counts only while none is missing, because a missed one may have told of released units, or
decided the very order that is asked for again. What remains is the way of an announcement: an
order decided elsewhere less than that ago may be answered `sold_out` here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flash_sale.catalog import SkuId
from flash_sale.model import OrderId, Position, SaleState, SaleView

TAKES_ORDERS = frozenset({SaleState.OPEN, SaleState.SOLD_OUT})


class SaleFlags:
    """Make a picture (`begin`, `mark` what was decided, `settle`), then `hear` what is told.

    `marks_max` bounds the ids that are kept; beyond it no flag counts, for none may be forgotten.
    """

    def __init__(self, marks_max: int, heard_max: int) -> None:
        self.state = SaleState.DRAFT
        self.epoch = 0
        self.told = -1
        self.available: dict[SkuId, int] = {}
        self._as_of: dict[SkuId, int] = {}  # sku -> the `told` its count belongs to
        self._state_as_of = -1
        self._doubted: set[SkuId] = set()
        self._marks: set[int] = set()
        self._marks_max = marks_max
        self._heard: list[tuple[Position, SaleState, Mapping[SkuId, int]]] | None = []
        self._heard_max = heard_max

    @property
    def settled(self) -> bool:
        """Nothing is missing, as far as is known."""
        return self._heard is None

    def begin(self) -> None:
        """The picture is made anew: from now on flags rest and what is told is kept for it."""
        self._heard = []

    def settle(self, view: SaleView) -> bool:
        """Take a view that was read after `begin`, then what was told since.

        False: something is missing, begin again. Every id decided before the view must be marked.
        """
        heard = self._heard
        assert heard is not None
        if view.at.epoch != self.epoch:
            self.epoch = view.at.epoch
            self.told = -1
        self.state = view.state
        self.told = view.at.told
        self.available = {books.sku: books.available for books in view.items}
        self._as_of = dict.fromkeys(self.available, view.at.told)
        self._state_as_of = view.at.told
        self._doubted.clear()
        self._heard = None
        for index, (at, state, available) in enumerate(heard):
            if not self.hear(at, state, available):
                self._heard = heard[index:]
                return False
        if len(heard) >= self._heard_max:
            self._heard = []
            return False
        return True

    def hear(self, at: Position, state: SaleState, available: Mapping[SkuId, int]) -> bool:
        """An announcement arrived. False: others before it did not, begin again.

        While the picture is made it is only kept. Its ids must be marked before.
        """
        if self._heard is not None:
            if len(self._heard) < self._heard_max:
                self._heard.append((at, state, available))
            return True
        if at.epoch < self.epoch or (at.epoch == self.epoch and at.told <= self.told):
            return True  # the picture holds it already
        if at.epoch != self.epoch or at.told != self.told + 1:
            return False
        self.told = at.told
        if at.told > self._state_as_of:
            self.state = state
        for sku, count in available.items():
            if at.told > self._as_of.get(sku, -1):
                self.available[sku] = count
                self._as_of[sku] = at.told
                self._doubted.discard(sku)
        return True

    def answered(
        self, at: Position, available: Mapping[SkuId, int], state: SaleState | None = None
    ) -> None:
        """The store's own answer may be ahead of what was told: it takes flags away at once.

        It sets none then: what was decided before it may not have been told yet.
        """
        if at.epoch != self.epoch or at.told < self.told or self._heard is not None:
            return
        ahead = at.told > self.told
        for sku, count in available.items():
            if at.told >= self._as_of.get(sku, -1) and (count > 0 or not ahead):
                self.available[sku] = count
                self._as_of[sku] = at.told
                self._doubted.discard(sku)
        if state is not None and state not in TAKES_ORDERS:
            self.state = state
            self._state_as_of = at.told

    def doubt(self, skus: Iterable[SkuId]) -> None:
        """Units of these were given back a moment ago: the store is asked until it is told."""
        self._doubted.update(skus)

    def mark(self, order_ids: Iterable[OrderId]) -> None:
        """These were decided, and not as sold out: only the store may answer them again."""
        if len(self._marks) < self._marks_max:
            self._marks.update(map(hash, order_ids))

    @property
    def marks(self) -> int:
        return len(self._marks)

    def says_sold_out(self, sku: SkuId) -> bool:
        """A purchase of this sku alone, decided never before, would be refused by the store."""
        return (
            self._heard is None
            and self.available.get(sku) == 0
            and sku not in self._doubted
            and self.state in TAKES_ORDERS
            and len(self._marks) < self._marks_max
        )

    def knows(self, order_id: OrderId) -> bool:
        """True for every id that was marked; by rare chance for another one too."""
        return hash(order_id) in self._marks
