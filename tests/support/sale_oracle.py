"""The in-memory twin of the store of sales: same calls, same answers. The oracle of the tests.

Written from `flash_sale.store`, not from the Lua. Everything is decided in plain sight, one order
after the other; the clock is the test's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from flash_sale.catalog import SkuId
from flash_sale.errors import NotOnSale, SaleFrozen
from flash_sale.model import (
    Act,
    Change,
    Changed,
    Decided,
    Decision,
    Line,
    MoveKind,
    Order,
    OrderId,
    OrderState,
    Outcome,
    Paid,
    Payment,
    PaymentOutcome,
    PricedLine,
    Purchase,
    SaleId,
    SaleState,
    SaleView,
    Steering,
    Swept,
    Terms,
    sale_of,
)
from tests.support.sale_shelf import StoredSale
from tests.support.sale_steering import arm_again, armed, demand_same, steer

REFUSED_BY_STATE = {
    SaleState.ARMED: Outcome.NOT_STARTED,
    SaleState.COUNTDOWN: Outcome.NOT_STARTED,
    SaleState.PAUSED: Outcome.PAUSED,
    SaleState.CLOSED: Outcome.ENDED,
}
TOLD_REFUSALS = {*REFUSED_BY_STATE.values(), Outcome.LIMIT_REACHED}


class OracleSales:
    """`flash_sale.store.Stock` and `Sales` in memory. `grace_ms` and `waitlist_max` are limits."""

    def __init__(
        self, clock_ms: Callable[[], int], *, grace_ms: int, waitlist_max: int, durability: str
    ) -> None:
        self.clock_ms = clock_ms
        self.sales: dict[SaleId, StoredSale] = {}
        self._grace_ms = grace_ms
        self._waitlist_max = waitlist_max
        self._durability = durability

    # buyers

    async def reserve(self, sale: SaleId, purchases: Sequence[Purchase]) -> Decided:
        skus = {line.sku for purchase in purchases for line in purchase.lines}
        with self._step(sale) as stored:
            decisions = [self._decide(stored, purchase) for purchase in purchases]
        available = {
            sku: 0 if stored.waiting(sku) else stored.available(sku)
            for sku in skus
            if sku in stored.goods
        }
        return Decided(stored.at, decisions, available)

    def _decide(self, sale: StoredSale, purchase: Purchase) -> Decision:
        if purchase.order_id in sale.asked:
            earlier, answer = sale.asked[purchase.order_id]
            # Whether somebody would wait is no part of an order; of a refusal it is.
            waits = earlier.waitlist if answer.order else purchase.waitlist
            is_same = (_asked(purchase), waits) == (_asked(earlier), earlier.waitlist)
            return answer if is_same else Decision(Outcome.REUSED)
        outcome = self._outcome(sale, purchase)
        order = None
        if outcome in {Outcome.RESERVED, Outcome.QUEUED}:
            order = self._place(sale, purchase, outcome)
        sale.marks += outcome in TOLD_REFUSALS
        if outcome not in {Outcome.UNKNOWN_SKU, Outcome.BAD_PRICE}:
            sale.asked[purchase.order_id] = (purchase, Decision(outcome, order))
        return Decision(outcome, order)

    def _outcome(self, sale: StoredSale, purchase: Purchase) -> Outcome:
        if any(line.sku not in sale.goods for line in purchase.lines):
            return Outcome.UNKNOWN_SKU
        if purchase.discount_minor and _amount_minor(sale, purchase) < 1:
            return Outcome.BAD_PRICE
        if sale.state in REFUSED_BY_STATE:
            return REFUSED_BY_STATE[sale.state]
        is_out = any(
            sale.available(line.sku) < line.qty or sale.waiting(line.sku) for line in purchase.lines
        )
        if is_out and not purchase.waitlist:
            return Outcome.SOLD_OUT
        for line in purchase.lines:
            states = (OrderState.QUEUED, OrderState.RESERVED, OrderState.PAID)
            has = sale.units(line.sku, *states, user=purchase.user)
            if has + line.qty > sale.goods[line.sku].item.per_user_max:
                return Outcome.LIMIT_REACHED
        if is_out and len(sale.waitlist) >= self._waitlist_max:
            return Outcome.SOLD_OUT
        return Outcome.QUEUED if is_out else Outcome.RESERVED

    def _place(self, sale: StoredSale, purchase: Purchase, outcome: Outcome) -> Order:
        lines = tuple(
            PricedLine(line.sku, line.qty, _price_minor(sale, line), line.markup_minor)
            for line in _sorted(purchase)
        )
        is_held = outcome is Outcome.RESERVED
        order = Order(
            id=purchase.order_id,
            sale=sale.terms.id,
            user=purchase.user,
            request_id=purchase.request_id,
            lines=lines,
            amount_minor=_amount_minor(sale, purchase),
            state=OrderState.RESERVED if is_held else OrderState.QUEUED,
            placed_at_ms=sale.now_ms,
            reserved_at_ms=sale.now_ms if is_held else None,
            expires_at_ms=sale.now_ms + sale.terms.hold_ms if is_held else None,
            paid_at_ms=None,
            changed_at_ms=sale.now_ms,
            position=0 if is_held else len(sale.waiting(lines[0].sku)) + 1,
            durability=self._durability,
            name=purchase.name,
            discount_minor=purchase.discount_minor,
            coupons=purchase.coupons,
            note=purchase.note,
        )
        sale.orders[order.id] = order
        if not is_held:
            sale.waitlist.append(order.id)
        sale.move(MoveKind(outcome), order)
        return order

    def expect(self, sale: SaleId, epoch: int, seq: int, *, confirmed: bool = True) -> None:
        """It never loses a move."""

    async def remember_sold_out(self, sale: SaleId, purchases: Sequence[Purchase]) -> None:
        with self._step(sale) as stored:
            for purchase in purchases:
                answer = Decision(Outcome.SOLD_OUT)
                stored.asked.setdefault(purchase.order_id, (purchase, answer))

    async def pay(self, sale: SaleId, payments: Sequence[Payment]) -> list[Paid]:
        with self._step(sale) as stored:
            return [self._take(stored, payment) for payment in payments]

    def _take(self, sale: StoredSale, payment: Payment) -> Paid:
        order = sale.orders.get(payment.order_id)
        if order is None:
            return Paid(PaymentOutcome.UNKNOWN_ORDER, None)
        if payment.id in sale.payments:
            payer, outcome = sale.payments[payment.id]
            return Paid(outcome if payer == order.id else PaymentOutcome.MISMATCH, order)
        if self._is_over(sale, order):
            order = sale.expire(order)
        outcome = PaymentOutcome.ACCEPTED
        if (payment.amount_minor, payment.currency) != (order.amount_minor, sale.terms.currency):
            outcome = PaymentOutcome.MISMATCH
        elif order.state is OrderState.PAID:
            outcome = PaymentOutcome.SURPLUS
        elif order.state is not OrderState.RESERVED:
            outcome = PaymentOutcome.LATE
        sale.payments[payment.id] = (order.id, outcome)
        if outcome is PaymentOutcome.ACCEPTED:
            order = sale.change(
                order, MoveKind.PAID, OrderState.PAID, payment=payment, outcome=outcome,
                paid_at_ms=sale.now_ms, payment_id=payment.id,
            )  # fmt: skip
        else:
            sale.move(MoveKind.PAYMENT, order, payment=payment, outcome=outcome)
        return Paid(outcome, order)

    async def cancel(self, order: OrderId, user: str | None, reason: str) -> Changed:
        with self._step(sale_of(order)) as sale:
            known = sale.orders.get(order)
            if known is None or user not in {None, known.user}:
                return Changed(Change.UNKNOWN_ORDER, None)
            if known.state is OrderState.CANCELLED:
                return Changed(Change.ALREADY, known)
            if known.state not in {OrderState.QUEUED, OrderState.RESERVED}:
                return Changed(Change.REFUSED, known)
            return Changed(Change.DONE, sale.cancel(known, user or "staff", reason))

    async def refund(self, order: OrderId, act: Act, *, restock: bool) -> Changed:
        with self._step(sale_of(order)) as sale:
            known = sale.orders.get(order)
            if known is None:
                return Changed(Change.UNKNOWN_ORDER, None)
            if known.state is OrderState.REFUNDED and sale.acts.get(act.id) == order:
                return Changed(Change.ALREADY, known)
            if known.state is not OrderState.PAID or act.id in sale.acts:
                return Changed(Change.REFUSED, known)
            sale.acts[act.id] = order
            facts = {"reason": act.reason, "restock": str(int(restock)), "act": act.id}
            facts["role"] = act.role
            known = sale.change(
                known, MoveKind.REFUNDED, OrderState.REFUNDED, actor=act.actor, facts=facts
            )
            for line in known.lines:
                goods = sale.goods[line.sku]
                goods.refunded += line.qty
                if not restock:
                    goods.initial -= line.qty
                    goods.written_off += line.qty
                sale.serve(line.sku)
            return Changed(Change.DONE, known)

    # the clock

    async def sweep(self, sale: SaleId, most: int) -> Swept:
        with self._step(sale) as stored:
            left, ending = most, self._to_end(stored)[:most]
            for order in ending:
                if stored.state is SaleState.CLOSED and stored.cancels_holds:
                    stored.cancel(order, "", "the sale was stopped")
                else:
                    stored.expire(order)
            left -= len(ending)
            if stored.state is SaleState.CLOSED:
                waiting = [one for sku in stored.goods for one in stored.waiting(sku)][:left]
                for order_id in waiting:
                    stored.expire(stored.orders[order_id])
                left -= len(waiting)
            moved = stored.seq - stored.seq_before
        return Swept(stored.at, moved, left == 0)

    def _to_end(self, sale: StoredSale) -> list[Order]:
        """The holds that a sweep ends, those that are due first first."""
        holds = [one for one in sale.orders.values() if one.state is OrderState.RESERVED]
        if not (sale.state is SaleState.CLOSED and sale.cancels_holds):
            holds = [one for one in holds if self._is_over(sale, one)]
        return sorted(holds, key=lambda one: (one.expires_at_ms or 0, one.id))

    def _is_over(self, sale: StoredSale, order: Order) -> bool:
        if order.state is not OrderState.RESERVED:
            return False
        assert order.expires_at_ms is not None
        return sale.now_ms > order.expires_at_ms + self._grace_ms

    # staff

    async def arm(self, terms: Terms, act: Act, on_sale: Mapping[SkuId, int]) -> SaleView:
        known = self.sales.get(terms.id)
        if known is not None:
            arm_again(known, terms, act, on_sale)
        else:
            self.sales[terms.id] = armed(terms, act, on_sale, self.clock_ms())
        return await self.view(terms.id)

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
        if steering is Steering.FREEZE:
            self._freeze(self._stored(sale), act)
            return await self.view(sale)
        goods = sorted((units or {}).items())
        what = (steering, act.reason, countdown_ms, ends_at_ms, cancel_holds, allocate, goods)
        with self._step(sale) as stored:
            if act.id in stored.acts:
                demand_same(stored, act, what)
            else:
                steer(
                    stored, steering, act, countdown_ms=countdown_ms, units=units or {},
                    allocate=allocate, ends_at_ms=ends_at_ms, cancel_holds=cancel_holds,
                )  # fmt: skip
                stored.acts[act.id] = what
        return await self.view(sale)

    def _freeze(self, sale: StoredSale, act: Act) -> None:
        """Nothing more is decided, also not what the clock would have."""
        if sale.state is not SaleState.FROZEN:
            sale.now_ms = self._now_ms(sale)
            sale.become(SaleState.FROZEN, act.actor, act.reason)
            sale.told += 1

    # anybody

    async def view(self, sale: SaleId) -> SaleView:
        stored = self._stored(sale)
        shown = replace(stored, moves=list(stored.moves), now_ms=self._now_ms(stored))
        if shown.state is not SaleState.FROZEN:
            shown.turn()
        return replace(shown.view(), at=replace(stored.at, now_ms=shown.now_ms))

    async def order(self, order: OrderId) -> Order | None:
        return self._stored(sale_of(order)).orders.get(order)

    async def orders(self, sale: SaleId, cursor: int, most: int) -> tuple[list[Order], int]:
        return list(self._stored(sale).orders.values()), 0

    async def decided_ids(self, sale: SaleId, cursor: int, most: int) -> tuple[list[OrderId], int]:
        asked = self._stored(sale).asked
        return [one for one, (_, told) in asked.items() if told.outcome != Outcome.SOLD_OUT], 0

    # how it is done

    def _stored(self, sale: SaleId) -> StoredSale:
        if sale not in self.sales:
            raise NotOnSale(sale)
        return self.sales[sale]

    def _now_ms(self, sale: StoredSale) -> int:
        return max(self.clock_ms(), sale.now_ms)

    @contextmanager
    def _step(self, sale: SaleId) -> Iterator[StoredSale]:
        """One script: first what the clock has decided, at last one announcement for all."""
        stored = self._stored(sale)
        if stored.state is SaleState.FROZEN:
            raise SaleFrozen(stored.reason)
        stored.now_ms, stored.seq_before, stored.marks = self._now_ms(stored), stored.seq, 0
        out_before = [sku for sku in stored.goods if stored.available(sku) == 0]
        try:
            stored.turn()
            yield stored
        finally:
            if out_before != [sku for sku in stored.goods if stored.available(sku) == 0]:
                stored.version = stored.seq
            stored.told += stored.seq > stored.seq_before or stored.marks > 0


def _price_minor(sale: StoredSale, line: Line) -> int:
    return sale.goods[line.sku].item.price_minor + line.markup_minor


def _amount_minor(sale: StoredSale, purchase: Purchase) -> int:
    sums = [line.qty * _price_minor(sale, line) for line in purchase.lines]
    return sum(sums) - purchase.discount_minor


def _asked(purchase: Purchase) -> object:
    """What a request is, beside whether it would wait. A note is no part of it."""
    return (_sorted(purchase), purchase.discount_minor, purchase.coupons)


def _sorted(purchase: Purchase) -> list[Line]:
    """The lines of a basket mean the same in any order."""
    return sorted(purchase.lines, key=lambda line: line.sku)
