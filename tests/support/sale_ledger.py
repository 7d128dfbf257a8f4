"""What the moves of a sale say, read one after the other: a ledger in memory, and a strict reader.

It believes nothing: every move must be allowed by the one before it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Self

from flash_sale.catalog import SkuId
from flash_sale.model import (
    Move,
    MoveKind,
    Order,
    OrderId,
    OrderState,
    PaymentOutcome,
    Position,
    SaleState,
    SaleView,
    SkuBooks,
    Terms,
)

BEGINS = {MoveKind.RESERVED: OrderState.RESERVED, MoveKind.QUEUED: OrderState.QUEUED}
ALLOWED = {
    MoveKind.OFFERED: ({OrderState.QUEUED}, OrderState.RESERVED),
    MoveKind.PAID: ({OrderState.RESERVED}, OrderState.PAID),
    MoveKind.CANCELLED: ({OrderState.QUEUED, OrderState.RESERVED}, OrderState.CANCELLED),
    MoveKind.EXPIRED: ({OrderState.QUEUED, OrderState.RESERVED}, OrderState.EXPIRED),
    MoveKind.REFUNDED: ({OrderState.PAID}, OrderState.REFUNDED),
}
CHANGING = {  # what a move may change of an order, beside its state and when that changed
    MoveKind.OFFERED: {"reserved_at_ms", "expires_at_ms"},
    MoveKind.PAID: {"paid_at_ms", "payment_id"},
}


@dataclass(slots=True)
class Stocked:
    """What the moves say of one sku, beside its orders."""

    initial: int = 0
    allocated: int = 0
    refunded: int = 0
    written_off: int = 0
    queue: list[OrderId] = field(default_factory=list)


@dataclass(slots=True)
class MemoryLedger:
    """Apply moves in order; `AssertionError` says which one cannot be."""

    seq: int = 0
    at_ms: int = 0
    state: SaleState = SaleState.DRAFT  # before it was frozen
    times: tuple[int, int] = (0, 0)
    orders: dict[OrderId, Order] = field(default_factory=dict)
    skus: dict[SkuId, Stocked] = field(default_factory=dict)
    payments: dict[str, PaymentOutcome] = field(default_factory=dict)
    kinds: set[MoveKind] = field(default_factory=set)

    @classmethod
    def of(cls, terms: Terms) -> Self:
        """An empty ledger of a sale that is about to be armed."""
        return cls(skus={item.sku: Stocked(allocated=item.stock) for item in terms.items})

    def begin_epoch(self, *, forgotten: bool) -> None:
        """Moves are counted anew. `forgotten`: so are payments that no order shows."""
        self.seq = 0
        if forgotten:
            accepted = {order.payment_id for order in self.orders.values()}
            self.payments = {one: what for one, what in self.payments.items() if one in accepted}

    def apply(self, move: Move) -> None:
        assert move.seq == self.seq + 1, f"move {move.seq} follows {self.seq}"
        assert move.at_ms >= self.at_ms, f"{move} is older than the move before"
        self.seq, self.at_ms = move.seq, move.at_ms
        self.kinds.add(move.kind)
        if move.kind is MoveKind.SALE:
            if move.facts["state"] != SaleState.FROZEN:
                self.state = SaleState(move.facts["state"])
            self.times = int(move.facts["starts_at_ms"]), int(move.facts["ends_at_ms"])
        elif move.kind is MoveKind.STOCK:
            sku, _, delta = move.facts["units"].partition("=")
            stocked = self.skus[SkuId(sku)]
            if move.facts["kind"] == "allocate":
                stocked.allocated += int(delta)
            else:
                stocked.initial += int(delta)
        else:
            assert move.order is not None, move
            self._order(move, move.order)

    def _order(self, move: Move, order: Order) -> None:
        before = self.orders.get(order.id)
        if move.payment is not None:
            assert move.payment.id not in self.payments, f"{move.payment} was taken twice"
            assert move.payment_outcome is not None
            assert (move.payment_outcome is PaymentOutcome.ACCEPTED) == (move.kind is MoveKind.PAID)
            self.payments[move.payment.id] = move.payment_outcome
            is_exact = move.payment.amount_minor == order.amount_minor
            assert is_exact or move.payment_outcome is PaymentOutcome.MISMATCH, move
        if move.kind is MoveKind.PAYMENT:
            assert order == before, f"{move} changes its order, which was {before}"
            return
        if move.kind in BEGINS:
            assert before is None, f"{order.id} begins twice"
            assert order.state is BEGINS[move.kind], move
            lines_minor = sum(line.qty * line.price_minor for line in order.lines)
            assert order.amount_minor == lines_minor - order.discount_minor, move
            assert order.amount_minor > 0, move
        else:
            self._changed(move, before, order)
        self._queue(move, order)
        if move.kind is MoveKind.REFUNDED:
            self._refunded(order, restock=move.facts["restock"] == "1")
        self.orders[order.id] = order

    def _changed(self, move: Move, before: Order | None, order: Order) -> None:
        states, state = ALLOWED[move.kind]
        assert before is not None, f"{move} of an order that never began"
        assert before.state in states, f"{move} of an order that was {before.state}"
        assert order.state is state, move
        assert order.changed_at_ms == move.at_ms, move
        names = {"state", "changed_at_ms", *CHANGING.get(move.kind, ())}
        same = replace(before, **{name: getattr(order, name) for name in names})
        assert order == same, f"{move} changes more than it may of {before}"

    def _queue(self, move: Move, order: Order) -> None:
        """Whoever is offered a unit must have waited longest."""
        queue = self.skus[order.lines[0].sku].queue
        if move.kind is MoveKind.QUEUED:
            queue.append(order.id)
            assert order.position == len(queue), f"{order.id} is number {len(queue)}"
        elif move.kind is MoveKind.OFFERED:
            assert queue[0] == order.id, f"{queue[0]} waits longer than {order.id}"
        if move.kind not in BEGINS and order.id in queue:
            queue.remove(order.id)

    def _refunded(self, order: Order, *, restock: bool) -> None:
        for line in order.lines:
            stocked = self.skus[line.sku]
            stocked.refunded += line.qty
            if not restock:
                stocked.initial -= line.qty
                stocked.written_off += line.qty

    def units(self, *states: OrderState) -> Counter[tuple[SkuId, str]]:
        """Units in orders of these states, by sku and user."""
        units: Counter[tuple[SkuId, str]] = Counter()
        for order in self.orders.values():
            if order.state in states:
                for line in order.lines:
                    units[line.sku, order.user] += line.qty
        return units

    def picture(self, terms: Terms) -> SaleView:
        """The sale as its moves alone tell it."""
        reserved, sold = self.units(OrderState.RESERVED), self.units(OrderState.PAID)
        starts_at_ms, ends_at_ms = self.times
        items = []
        for item in terms.items:
            stocked = self.skus[item.sku]
            held, gone = _of(item.sku, reserved), _of(item.sku, sold)
            items.append(
                SkuBooks(
                    item.sku, stocked.initial, stocked.initial - held - gone, held, gone,
                    stocked.refunded, stocked.written_off, stocked.allocated, len(stocked.queue),
                    item.price_minor, item.per_user_max,
                )
            )  # fmt: skip
        return SaleView(
            terms.id, terms.room, terms.currency, self.state, starts_at_ms or None,
            ends_at_ms or None, terms.hold_ms, 0, Position(terms.epoch, 0, 0, self.at_ms),
            tuple(items), "rebuilt",
        )  # fmt: skip

    def agrees(self, view: SaleView) -> None:
        """The store shows what its moves say, and the books balance. `AssertionError` if not."""
        assert view.at.seq == self.seq, f"the store stands at {view.at}, its moves at {self.seq}"
        reserved, sold = self.units(OrderState.RESERVED), self.units(OrderState.PAID)
        has = reserved + sold + self.units(OrderState.QUEUED)
        for books in view.items:
            stocked = self.skus[books.sku]
            assert books.balanced, books
            assert books.initial == stocked.initial, books
            assert books.allocated == stocked.allocated, books
            assert books.refunded == stocked.refunded, books
            assert books.written_off == stocked.written_off, books
            assert books.reserved == _of(books.sku, reserved), books
            assert books.sold == _of(books.sku, sold), books
            assert books.waiting == len(stocked.queue), books
            for (sku, user), units in has.items():
                assert sku != books.sku or units <= books.per_user_max, f"{user}: {units} {books}"
            if view.state in {SaleState.OPEN, SaleState.SOLD_OUT}:
                assert not (books.waiting and books.available), books


def _of(sku: SkuId, units: Counter[tuple[SkuId, str]]) -> int:
    return sum(count for (one, _), count in units.items() if one == sku)
