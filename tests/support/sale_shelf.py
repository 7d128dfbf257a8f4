"""What the twin of the sale store keeps of one sale: orders and what staff said, and no counters.

What is available, held, sold and waited for is counted from the orders whenever somebody asks, so
that the books of the twin cannot drift.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flash_sale.catalog import SkuId
from flash_sale.model import (
    Decision,
    Item,
    Move,
    MoveKind,
    Order,
    OrderId,
    OrderState,
    Payment,
    PaymentOutcome,
    Position,
    Purchase,
    SaleState,
    SaleView,
    SkuBooks,
    Terms,
)

ALIVE = {SaleState.ARMED, SaleState.COUNTDOWN, SaleState.OPEN, SaleState.PAUSED}


@dataclass(slots=True)
class Goods:
    """What staff decided about one sku; all else follows from the orders."""

    item: Item
    initial: int
    allocated: int
    refunded: int = 0
    written_off: int = 0


@dataclass(slots=True)
class StoredSale:
    """Everything the twin knows of one sale."""

    terms: Terms
    goods: dict[SkuId, Goods]
    starts_at_ms: int | None
    ends_at_ms: int | None
    now_ms: int
    state: SaleState = SaleState.DRAFT
    reason: str = ""
    cancels_holds: bool = False
    version: int = 0
    told: int = 0
    marks: int = 0  # refusals of this step that everybody is told
    seq_before: int = 0
    orders: dict[OrderId, Order] = field(default_factory=dict)
    waitlist: list[OrderId] = field(default_factory=list)  # of all skus, in order of arrival
    asked: dict[OrderId, tuple[Purchase, Decision]] = field(default_factory=dict)
    payments: dict[str, tuple[OrderId, PaymentOutcome]] = field(default_factory=dict)
    acts: dict[str, object] = field(default_factory=dict)  # act id -> what it did
    moves: list[Move] = field(default_factory=list)

    @property
    def seq(self) -> int:
        return len(self.moves)

    @property
    def at(self) -> Position:
        return Position(self.terms.epoch, self.seq, self.told, self.now_ms)

    def units(self, sku: SkuId, *states: OrderState, user: str | None = None) -> int:
        """Units of a sku in orders of these states, of everybody or of one user."""
        return sum(
            line.qty
            for order in self.orders.values()
            if order.state in states and (user is None or order.user == user)
            for line in order.lines
            if line.sku == sku
        )

    def available(self, sku: SkuId) -> int:
        taken = self.units(sku, OrderState.RESERVED, OrderState.PAID)
        return self.goods[sku].initial - taken

    def waiting(self, sku: SkuId) -> list[OrderId]:
        return [one for one in self.waitlist if self.orders[one].lines[0].sku == sku]

    def move(self, kind: MoveKind, order: Order | None = None, **what: Any) -> None:
        """Write one line of the ledger."""
        move = Move(
            self.terms.epoch, self.seq + 1, self.now_ms, kind, order,
            what.get("payment"), what.get("outcome"), what.get("actor", ""),
            what.get("facts", {}),
        )  # fmt: skip
        self.moves.append(move)

    def change(
        self,
        order: Order,
        kind: MoveKind,
        state: OrderState,
        *,
        payment: Payment | None = None,
        outcome: PaymentOutcome | None = None,
        actor: str = "",
        facts: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> Order:
        """Give an order its next state; it leaves the waitlist by that."""
        order = replace(order, state=state, changed_at_ms=self.now_ms, **fields)
        self.orders[order.id] = order
        if order.id in self.waitlist:
            self.waitlist.remove(order.id)
        self.move(kind, order, payment=payment, outcome=outcome, actor=actor, facts=facts or {})
        return order

    def become(self, state: SaleState, actor: str = "", reason: str = "") -> None:
        """Give the sale its next state."""
        self.state, self.reason = state, reason
        facts = {
            "state": state.value,
            "starts_at_ms": str(self.starts_at_ms or 0),
            "ends_at_ms": str(self.ends_at_ms or 0),
            "reason": reason,
        }
        self.move(MoveKind.SALE, actor=actor, facts=facts)
        self.version = self.seq

    def cancel(self, order: Order, actor: str, reason: str) -> Order:
        state, facts = OrderState.CANCELLED, {"reason": reason}
        order = self.change(order, MoveKind.CANCELLED, state, actor=actor, facts=facts)
        self.serve(*(line.sku for line in order.lines))
        return order

    def expire(self, order: Order) -> Order:
        order = self.change(order, MoveKind.EXPIRED, OrderState.EXPIRED)
        self.serve(*(line.sku for line in order.lines))
        return order

    def serve(self, *skus: SkuId) -> None:
        """Give what is available to those who wait, in the order in which they came."""
        for sku in skus:
            for order_id in self.waiting(sku):
                if self.state is SaleState.OPEN and self.available(sku) > 0:
                    self.change(
                        self.orders[order_id], MoveKind.OFFERED, OrderState.RESERVED,
                        reserved_at_ms=self.now_ms,
                        expires_at_ms=self.now_ms + self.terms.offer_ms,
                    )  # fmt: skip

    def turn(self) -> None:
        """What the clock has decided since the last step."""
        if self.state is SaleState.COUNTDOWN and self.now_ms >= (self.starts_at_ms or 0):
            self.become(SaleState.OPEN)
        is_ended = self.ends_at_ms is not None and self.now_ms >= self.ends_at_ms
        if is_ended and self.state in ALIVE - {SaleState.COUNTDOWN}:
            self.become(SaleState.CLOSED, reason="ended")

    def rebuilt(self, terms: Terms, state: SaleState, reason: str, *, forgotten: bool) -> None:
        """A new epoch: orders are as they were.

        `forgotten`: refusals are not known any more, nor acts, nor payments that no order shows.
        """
        self.terms, self.moves, self.cancels_holds, self.told = terms, [], False, 1
        if forgotten:
            self.asked = {one: first for one, first in self.asked.items() if first[1].order}
            accepted = {order.payment_id for order in self.orders.values()}
            self.payments = {one: what for one, what in self.payments.items() if one in accepted}
            self.acts = {}
        self.become(state, reason=reason)

    def books(self, goods: Goods) -> SkuBooks:
        sku = goods.item.sku
        return SkuBooks(
            sku=sku,
            initial=goods.initial,
            available=self.available(sku),
            reserved=self.units(sku, OrderState.RESERVED),
            sold=self.units(sku, OrderState.PAID),
            refunded=goods.refunded,
            written_off=goods.written_off,
            allocated=goods.allocated,
            waiting=len(self.waiting(sku)),
            price_minor=goods.item.price_minor,
            per_user_max=goods.item.per_user_max,
        )

    def view(self) -> SaleView:
        items = tuple(self.books(goods) for goods in self.goods.values())
        is_out = self.state is SaleState.OPEN and not any(item.available for item in items)
        return SaleView(
            id=self.terms.id,
            room=self.terms.room,
            currency=self.terms.currency,
            state=SaleState.SOLD_OUT if is_out else self.state,
            starts_at_ms=self.starts_at_ms,
            ends_at_ms=self.ends_at_ms,
            hold_ms=self.terms.hold_ms,
            version=self.version,
            at=self.at,
            items=items,
            reason=self.reason,
        )
