"""The rules by which Hypothesis plays with a sale; its twin and its moves give the verdicts."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from flash_sale.catalog import ProductId, SkuId
from flash_sale.model import (
    Act,
    Item,
    Line,
    Order,
    OrderId,
    OrderState,
    Payment,
    Purchase,
    SaleId,
    Steering,
    Terms,
    order_id_of,
)
from tests.support.sale_twins import GRACE_MS, Backend, Twins

T = TypeVar("T")

SALE = SaleId("spring")
SKUS = [SkuId("tea"), SkuId("oil-1l"), SkuId("jam_2")]
HOLD_MS, OFFER_MS = 60_000, 20_000
ENDED = [OrderState.CANCELLED, OrderState.EXPIRED, OrderState.REFUNDED]


@dataclass(frozen=True, slots=True)
class Ask:
    """What somebody wants, before it has a request id."""

    user: str
    lines: tuple[Line, ...]
    waitlist: bool = False
    discount_minor: int = 0
    coupons: tuple[str, ...] = ()
    note: str = ""


which = st.integers(0, 999)
users = st.sampled_from(["ann", "ben", "cat", "蔡"])
quantities = st.sampled_from([1, 1, 2])
markups = st.sampled_from([0, 0, 0, 1, 50])
baskets = st.lists(st.sampled_from(SKUS), min_size=1, max_size=3, unique=True).flatmap(
    lambda skus: st.tuples(*(st.builds(Line, st.just(sku), quantities, markups) for sku in skus))
)
singles = st.tuples(st.builds(Line, st.sampled_from(SKUS), st.just(1), markups))
# Of the price of the cheapest sku, 199, nothing may be left but 1.
discounts = st.sampled_from([0, 0, 0, 1, 60, 198, 199, 1_000])
coupons = st.sampled_from([(), (), ("c1",), ("c1", "c_2"), ("tea-1", "x")])
notes = st.sampled_from(["", "", '{"price":[]}', '{"source":"朋友|a*1@2+"}'])
asks = st.one_of(
    st.builds(Ask, users, singles, st.booleans()),
    st.builds(Ask, users, singles, st.booleans(), discounts, coupons, notes),
    st.builds(Ask, users, singles, st.just(True)),
    st.builds(Ask, users, baskets),
    st.builds(Ask, users, baskets, st.just(False), discounts, coupons, notes),
)
spans = st.sampled_from(
    [
        1,
        500,
        OFFER_MS,
        OFFER_MS + GRACE_MS,
        OFFER_MS + GRACE_MS + 1,
        HOLD_MS,
        HOLD_MS + 2 * GRACE_MS,
    ]
)


def terms_of(
    stocks: list[int], limits: list[int], *, starts_at_ms: int | None, ends_at_ms: int | None
) -> Terms:
    items = tuple(
        Item(sku, ProductId(f"p-{sku}"), f"the {sku}", stock, 199 + 50 * number, limit)
        for number, (sku, stock, limit) in enumerate(zip(SKUS, stocks, limits, strict=True))
    )
    return Terms(SALE, "garden", "CNY", items, HOLD_MS, OFFER_MS, starts_at_ms, ends_at_ms)


class SaleMachine(RuleBasedStateMachine):
    """Subclasses say where the store lives."""

    twins: Twins | None = None

    async def backend(self) -> Backend:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.purchases: list[Purchase] = []
        self.payments: list[Payment] = []
        self.acts = 0
        self.steps = 0

    @initialize(
        stocks=st.lists(st.sampled_from([1, 1, 2, 4]), min_size=3, max_size=3),
        limits=st.lists(st.integers(1, 3), min_size=3, max_size=3),
        held_back=st.integers(0, 1),
        starts=st.sampled_from([None, 0, 30_000]),
        ends=st.sampled_from([None, None, None, 300_000]),
        opened=st.sampled_from([True, True, True, False]),
    )
    def begin(
        self,
        stocks: list[int],
        limits: list[int],
        held_back: int,
        starts: int | None,
        ends: int | None,
        opened: bool,
    ) -> None:
        async def work() -> None:
            backend = await self.backend()
            now_ms = await backend.now_ms()
            terms = terms_of(
                stocks,
                limits,
                starts_at_ms=None if starts is None else now_ms + starts,
                ends_at_ms=None if ends is None else now_ms + ends,
            )
            self.twins = Twins(backend, terms)
            await self.here.arm(self.act("arm"), {SKUS[0]: stocks[0] - held_back})
            if opened:
                await self.here.steer(Steering.OPEN, self.act())

        self.run(work())

    def teardown(self) -> None:
        try:
            if self.twins is not None:
                self.run(self.twins.backend.close())
        finally:
            self.runner.close()

    @invariant()
    def everything_agrees(self) -> None:
        if self.twins is not None:
            self.run(self.twins.check())

    # buyers

    @rule(batch=st.lists(asks, min_size=1, max_size=5))
    def buy(self, batch: list[Ask]) -> None:
        self.run(self.here.reserve(*(self.purchase(ask) for ask in batch)))

    @rule(user=users, number=which, count=st.integers(1, 4))
    def wait(self, user: str, number: int, count: int) -> None:
        """For something that is gone, if there is such a thing."""
        sale = self.here.twin.sales[SALE]
        gone = [sku for sku in SKUS if sale.available(sku) == 0] or SKUS
        lines = (Line(gone[number % len(gone)], 1),)
        people = [user, "dan", "fay", "gus"][:count]
        self.run(self.here.reserve(*(self.purchase(Ask(one, lines, True)) for one in people)))

    @rule(number=which, state=st.sampled_from(ENDED), waitlist=st.booleans())
    def buy_anew(self, number: int, state: OrderState, waitlist: bool) -> None:
        """What somebody had and has no more."""
        order = self.order(number, state)
        if order is not None:
            lines = tuple(Line(line.sku, line.qty) for line in order.lines)
            may_wait = waitlist and lines == (Line(lines[0].sku, 1),)
            self.run(self.here.reserve(self.purchase(Ask(order.user, lines, may_wait))))

    @rule(number=which, ask=asks, twice=st.booleans(), note=notes)
    def buy_again(self, number: int, ask: Ask, twice: bool, note: str) -> None:
        """A retry, alone or beside a new purchase that comes twice in one batch."""
        if self.purchases:
            again = self.purchases[number % len(self.purchases)]
            new = [self.purchase(ask)] * 2 if twice else []
            self.run(self.here.reserve(again, *new, replace(again, note=note)))

    @rule(number=which, ask=asks, same_goods=st.booleans())
    def buy_other(self, number: int, ask: Ask, same_goods: bool) -> None:
        """An old request id with what may be another request."""
        if self.purchases:
            earlier = self.purchases[number % len(self.purchases)]
            other: dict[str, Any] = {"discount_minor": ask.discount_minor, "coupons": ask.coupons}
            if not same_goods:
                other |= {"lines": ask.lines, "waitlist": ask.waitlist}
            self.run(self.here.reserve(replace(earlier, **other)))

    @rule(ask=asks, number=which)
    def answered_by_a_flag(self, ask: Ask, number: int) -> None:
        """A worker answered without the store and says so later."""
        known = self.purchases[number % len(self.purchases)] if self.purchases else None
        new = self.purchase(ask)
        told = [replace(new, waitlist=False), *([known] if known else [])]
        self.run(self.here.remember_sold_out(*told))

    # money

    @rule(
        number=which,
        wrong=st.sampled_from(["", "", "", "", "amount", "currency", "order"]),
        states=st.sampled_from([(), (OrderState.RESERVED,), (OrderState.RESERVED,)]),
    )
    def pay(self, number: int, wrong: str, states: tuple[OrderState, ...]) -> None:
        order = self.order(number, *states)
        if order is not None:
            self.run(self.here.pay(self.payment(order, wrong)))

    @rule(numbers=st.lists(which, min_size=2, max_size=6))
    def pay_many(self, numbers: list[int]) -> None:
        orders = [order for number in numbers if (order := self.order(number, OrderState.RESERVED))]
        if orders:
            self.run(self.here.pay(*(self.payment(order) for order in orders)))

    @rule(number=which, other=which)
    def pay_again(self, number: int, other: int) -> None:
        """The provider repeats itself, or says the same payment of another order."""
        order = self.order(other)
        if self.payments and order is not None:
            payment = self.payments[number % len(self.payments)]
            changed = replace(payment, order_id=order.id) if other % 3 == 0 else payment
            self.run(self.here.pay(changed, payment))

    @rule(
        number=which,
        by=st.sampled_from(["owner", "owner", "staff", "stranger"]),
        states=st.sampled_from([(), (OrderState.RESERVED,), (OrderState.QUEUED,)]),
    )
    def cancel(self, number: int, by: str, states: tuple[OrderState, ...]) -> None:
        order = self.order(number, *states)
        if order is not None:
            user = {"owner": order.user, "staff": None, "stranger": "eve"}[by]
            self.run(self.here.cancel(order.id, user, "changed my mind"))

    @rule(
        number=which,
        restock=st.booleans(),
        again=st.booleans(),
        any_state=st.sampled_from([False, False, True]),
    )
    def refund(self, number: int, restock: bool, again: bool, any_state: bool) -> None:
        order = self.order(number, *([] if any_state else [OrderState.PAID]))
        if order is not None:
            act = self.act(f"refund-{number % 3}") if again else self.act()
            self.run(self.here.refund(order.id, act, restock=restock))
            self.run(self.here.refund(order.id, act, restock=not restock))

    # time

    @rule(ms=spans)
    def pass_time(self, ms: int) -> None:
        self.run(self.here.pass_time(ms))

    @rule(number=which, beyond=st.sampled_from([-1, 0, 0, 1]))
    def pass_time_to_the_end_of_a_hold(self, number: int, beyond: int) -> None:
        order = self.order(number, OrderState.RESERVED, OrderState.PAID)
        if order is not None and order.expires_at_ms is not None:
            ms = order.expires_at_ms + GRACE_MS + beyond - self.here.now_ms
            self.run(self.here.pass_time(max(0, ms)))
            self.run(self.here.sweep(100))

    @rule(most=st.sampled_from([1, 2, 100]))
    def sweep(self, most: int) -> None:
        self.run(self.here.sweep(most))

    # staff

    @rule(
        steering=st.sampled_from([Steering.OPEN, Steering.PAUSE, Steering.RESUME, Steering.RESUME]),
        countdown_ms=st.sampled_from([0, 0, 5_000]),
        lasts_ms=st.sampled_from([None, None, None, 0, 1_000, 400_000]),
        again=st.booleans(),
    )
    def steer(
        self, steering: Steering, countdown_ms: int, lasts_ms: int | None, again: bool
    ) -> None:
        how: dict[str, Any] = {"countdown_ms": countdown_ms}
        if lasts_ms is not None:
            how["ends_at_ms"] = self.here.now_ms + lasts_ms
        self.steer_once_or_twice(steering, again, how if steering is Steering.OPEN else {})

    @rule(
        units=st.dictionaries(st.sampled_from(SKUS), st.integers(1, 3), min_size=1),
        allocate=st.booleans(),
        again=st.booleans(),
    )
    def restock(self, units: dict[SkuId, int], allocate: bool, again: bool) -> None:
        self.steer_once_or_twice(Steering.RESTOCK, again, {"units": units, "allocate": allocate})

    @rule(
        number=which,
        steering=st.sampled_from([Steering.PAUSE, Steering.RESUME, Steering.RESTOCK]),
        units=st.dictionaries(st.sampled_from(SKUS), st.integers(1, 2), min_size=1),
    )
    def steer_under_an_old_id(
        self, number: int, steering: Steering, units: dict[SkuId, int]
    ) -> None:
        act = Act(f"act-{number % (self.acts + 1)}", "hana", "host", "because")
        how = {"units": units} if steering is Steering.RESTOCK else {}
        self.run(self.here.steer(steering, act, **how))

    @precondition(lambda self: self.steps > 60)
    @rule(cancel_holds=st.booleans())
    def close(self, cancel_holds: bool) -> None:
        self.steer_once_or_twice(Steering.CLOSE, False, {"cancel_holds": cancel_holds})

    @rule(what=st.sampled_from(["arm", "arm again", "restock", "buy", "pay", "cancel", "refund"]))
    def ask_in_vain(self, what: str) -> None:
        """For what is there already, or is not there at all."""
        nobody = OrderId(f"{SALE}.{'0' * 24}")
        salt = SkuId("salt")
        match what:
            case "arm" | "arm again":
                self.run(self.here.arm(self.act("arm" if what == "arm again" else "")))
            case "restock":
                self.steer_once_or_twice(Steering.RESTOCK, False, {"units": {salt: 1}})
            case "buy":
                self.run(self.here.reserve(self.purchase(Ask("ann", (Line(salt, 1),)))))
            case "pay":
                self.run(self.here.pay(Payment("ghost", nobody, 1, "CNY", "demo")))
            case "cancel":
                self.run(self.here.cancel(nobody, None))
            case "refund":
                self.run(self.here.refund(nobody, self.act(), restock=True))

    # what must not be noticed

    @rule()
    def disturb(self) -> None:
        self.run(self.here.backend.disturb())

    # how it is done

    @property
    def here(self) -> Twins:
        assert self.twins is not None
        return self.twins

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        self.steps += 1
        return self.runner.run(work)

    def act(self, name: str = "") -> Act:
        self.acts += 1
        return Act(name or f"act-{self.acts}", "hana", "host", "because")

    def purchase(self, ask: Ask) -> Purchase:
        request_id = f"request-{len(self.purchases)}"
        purchase = Purchase(
            order_id_of(SALE, ask.user, request_id),
            ask.user,
            request_id,
            ask.lines,
            ask.waitlist,
            f"{ask.user}*",
            ask.discount_minor,
            ask.coupons,
            ask.note,
        )
        self.purchases.append(purchase)
        return purchase

    def payment(self, order: Order, wrong: str = "") -> Payment:
        payment = Payment(
            f"pay-{len(self.payments)}",
            OrderId(f"{SALE}.{'f' * 24}") if wrong == "order" else order.id,
            order.amount_minor + (wrong == "amount"),
            "EUR" if wrong == "currency" else "CNY",
            "demo",
        )
        self.payments.append(payment)
        return payment

    def order(self, number: int, *states: OrderState) -> Order | None:
        """One of the orders that there are, in one of the states if any are named."""
        orders = [
            order
            for order in self.here.ledger.orders.values()
            if not states or order.state in states
        ]
        return orders[-1 - number % len(orders)] if orders else None

    def steer_once_or_twice(self, steering: Steering, again: bool, how: dict[str, Any]) -> None:
        act = self.act()
        self.run(self.here.steer(steering, act, **how))
        if again:
            self.run(self.here.steer(steering, act, **how))
