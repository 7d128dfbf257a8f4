"""A sale in SQL, and histories of moves as a store would write them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from flash_sale.catalog import Product, ProductId, Sku, SkuId
from flash_sale.model import (
    Item,
    Move,
    MoveKind,
    Order,
    OrderId,
    OrderState,
    Payment,
    PaymentOutcome,
    PricedLine,
    SaleId,
    order_id_of,
)
from server.database.engine import Database
from server.database.records import (
    CatalogRecords,
    LedgerBooks,
    RoomRecords,
    SaleDraft,
    SaleRecord,
    SaleRecords,
)
from server.database.sale_tables import (
    order_lines,
    orders,
    payments,
    refunds,
    sale_moves,
    sales,
    stock_moves,
)
from tests.support.sql import open_engine

NOW_MS = 1_800_000_000_000
SKUS = (SkuId("red"), SkuId("blue"))
PRICES = {SKUS[0]: 100, SKUS[1]: 250}


def item(sku: str = "red", **changes: object) -> Item:
    """An item of the product that `make_goods` makes."""
    made = Item(SkuId(sku), ProductId("tea"), f"Tea {sku} 茶", 1_000, PRICES.get(SkuId(sku), 1), 5)
    return replace(made, **changes)  # type: ignore[arg-type]


def draft(sale_id: str = "s1", room: str = "demo", **changes: object) -> SaleDraft:
    """A draft of two skus."""
    made = SaleDraft(
        id=SaleId(sale_id),
        room=room,
        currency="CNY",
        items=(item("red"), item("blue")),
        hold_ms=600_000,
        offer_ms=60_000,
        created_at_ms=NOW_MS,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


async def make_goods(database: Database, *rooms: str) -> None:
    """The rooms, by default `demo`, and the product `tea` with its skus."""
    for room in rooms or ("demo",):
        await RoomRecords(database).create(room, "Room", "")
    skus = tuple(Sku(sku, f"Tea {sku}", PRICES[sku]) for sku in SKUS)
    await CatalogRecords(database).create(Product(ProductId("tea"), "Tea", 100, "CNY", "", skus))


async def make_sale(database: Database, *sale_ids: str) -> SaleRecord:
    """Sales that are armed, by default `s1`, with their room and goods; gives the last one."""
    await make_goods(database)
    records = SaleRecords(database)
    for sale_id in sale_ids or ("s1",):
        await records.create(draft(sale_id))
        record = await records.arming(sale_id)
    return record


def new_order(
    sale: str = "s1",
    user: str = "ann",
    request_id: str = "r1",
    *,
    qty: int = 1,
    at_ms: int = NOW_MS,
    state: OrderState = OrderState.RESERVED,
    sku: SkuId = SKUS[0],
) -> Order:
    """An order of one line as it was first answered."""
    waits = state is OrderState.QUEUED
    return Order(
        id=order_id_of(SaleId(sale), user, request_id),
        sale=SaleId(sale),
        user=user,
        request_id=request_id,
        lines=(PricedLine(sku, qty, PRICES[sku]),),
        amount_minor=qty * PRICES[sku],
        state=state,
        placed_at_ms=at_ms,
        reserved_at_ms=None if waits else at_ms,
        expires_at_ms=None if waits else at_ms + 600_000,
        paid_at_ms=None,
        changed_at_ms=at_ms,
        position=1 if waits else 0,
        durability="always",
        name=f"{user} 小",
    )


def paid(order: Order, payment_id: str, at_ms: int = NOW_MS + 1) -> Order:
    """The order after it was paid."""
    return replace(
        order,
        state=OrderState.PAID,
        payment_id=payment_id,
        paid_at_ms=at_ms,
        changed_at_ms=at_ms,
    )


def payment(order: Order, payment_id: str, **changes: object) -> Payment:
    """A payment of the right amount."""
    made = Payment(payment_id, order.id, order.amount_minor, "CNY", "demo")
    return replace(made, **changes)  # type: ignore[arg-type]


@dataclass
class History:
    """Makes moves of one sale in a store's order: seq from 1 without gaps, instants growing."""

    sale: str = "s1"
    epoch: int = 1
    seq: int = 0
    moves: list[Move] = field(default_factory=list)
    orders: dict[OrderId, Order] = field(default_factory=dict)

    def add(self, kind: MoveKind, order: Order | None = None, /, **facts: str) -> Move:
        """One more move."""
        return self.put(Move(0, 0, 0, kind, order, actor="host", facts=facts))

    def put(self, move: Move) -> Move:
        """One more move, with the next number and instant."""
        self.seq += 1
        made = replace(move, epoch=self.epoch, seq=self.seq, at_ms=NOW_MS + self.seq)
        self.moves.append(made)
        if made.order is not None:
            self.orders[made.order.id] = made.order
        return made

    def put_on_sale(self, units: int) -> Move:
        """So many units of every sku are on sale, and the sale is open."""
        given = ",".join(f"{sku}={units}" for sku in SKUS)
        self.add(MoveKind.SALE, state="armed", starts_at_ms="", ends_at_ms="", reason="")
        self.add(MoveKind.STOCK, kind="put_on_sale", units=given, reason="")
        return self.add(
            MoveKind.SALE, state="open", starts_at_ms=str(NOW_MS), ends_at_ms="", reason=""
        )

    def place(self, **changes: Any) -> Order:
        """An order of `new_order` is reserved."""
        order = new_order(self.sale, **changes)
        self.add(MoveKind.RESERVED, order)
        return order

    def pay(self, order: Order, payment_id: str) -> Move:
        """The order is paid."""
        after = paid(order, payment_id, NOW_MS + self.seq + 1)
        taken = payment(order, payment_id)
        outcome = PaymentOutcome.ACCEPTED
        return self.put(Move(0, 0, 0, MoveKind.PAID, after, taken, outcome))

    def owe(self, order: Order, payment_id: str, outcome: PaymentOutcome) -> Move:
        """A payment came that is owed back."""
        amount = order.amount_minor + (1 if outcome is PaymentOutcome.MISMATCH else 0)
        taken = payment(order, payment_id, amount_minor=amount)
        return self.put(Move(0, 0, 0, MoveKind.PAYMENT, order, taken, outcome))

    def become(self, order: Order, state: OrderState, kind: MoveKind, **facts: str) -> Move:
        """The order changes to another state."""
        after = replace(order, state=state, changed_at_ms=NOW_MS + self.seq + 1)
        if kind is MoveKind.OFFERED:
            now_ms = after.changed_at_ms
            after = replace(after, reserved_at_ms=now_ms, expires_at_ms=now_ms + 60_000)
        return self.add(kind, after, **facts)


_NEXT = {
    OrderState.QUEUED: ("offer", "cancel", "expire"),
    OrderState.RESERVED: ("pay", "pay", "cancel", "expire", "mismatch"),
    OrderState.PAID: ("refund", "surplus", "write off"),
    OrderState.CANCELLED: ("late",),
    OrderState.EXPIRED: ("late",),
    OrderState.REFUNDED: ("late",),
}


def random_history(seed: int, steps: int, sale: str = "s1") -> History:
    """A history of so many steps in which everything that can happen to orders happens."""
    chance = random.Random(seed)
    history = History(sale)
    history.put_on_sale(1_000)
    while history.seq < steps:
        known = list(history.orders.values())
        if not known or chance.random() < 0.4:
            _place(history, chance)
        elif chance.random() < 0.05:
            _staff(history, chance)
        else:
            _change(history, chance.choice(known), chance)
    return history


def _place(history: History, chance: random.Random) -> None:
    waits = chance.random() < 0.2
    order = new_order(
        history.sale,
        f"user-{chance.randrange(9)}",
        f"request-{history.seq}",
        qty=1 if waits else chance.randint(1, 3),
        at_ms=NOW_MS + history.seq + 1,
        state=OrderState.QUEUED if waits else OrderState.RESERVED,
        sku=chance.choice(SKUS),
    )
    if not waits and chance.random() < 0.3:  # a basket, its lines not in the order of their skus
        more = tuple(PricedLine(sku, 2, PRICES[sku]) for sku in SKUS)
        order = replace(order, lines=more, amount_minor=2 * sum(PRICES.values()))
    if chance.random() < 0.3:
        order = with_own_price(order, chance.choice(((), ("c1",), ("c-2", "tea_3"))))
    history.add(MoveKind.QUEUED if waits else MoveKind.RESERVED, order)


def with_own_price(order: Order, coupons: tuple[str, ...] = ("c1",)) -> Order:
    """The order through a reseller's link, with coupons, and with a note that says why."""
    lines = tuple(
        replace(line, price_minor=line.price_minor + 30, markup_minor=30) for line in order.lines
    )
    discount_minor = 40 * len(coupons)
    return replace(
        order,
        lines=lines,
        amount_minor=sum(line.qty * line.price_minor for line in lines) - discount_minor,
        discount_minor=discount_minor,
        coupons=coupons,
        note=f'{{"price":[],"source":"朋友圈 {order.user}"}}',
    )


def _staff(history: History, chance: random.Random) -> None:
    if chance.random() < 0.5:
        given = f"{chance.choice(SKUS)}={chance.randint(1, 9)}"
        kind = chance.choice(("restock", "allocate"))
        history.add(MoveKind.STOCK, kind=kind, units=given, reason="more")
    else:
        state = chance.choice(("open", "paused"))
        history.add(MoveKind.SALE, state=state, reason=f"because {history.seq}")


def _change(history: History, order: Order, chance: random.Random) -> None:
    payment_id = f"pay-{history.seq}"
    match chance.choice(_NEXT[order.state]):
        case "offer":
            history.become(order, OrderState.RESERVED, MoveKind.OFFERED)
        case "cancel":
            history.become(order, OrderState.CANCELLED, MoveKind.CANCELLED)
        case "expire":
            history.become(order, OrderState.EXPIRED, MoveKind.EXPIRED)
        case "pay":
            history.pay(order, payment_id)
        case "refund":
            history.become(order, OrderState.REFUNDED, MoveKind.REFUNDED, restock="1", reason="")
        case "write off":
            history.become(order, OrderState.REFUNDED, MoveKind.REFUNDED, restock="0", reason="")
        case word:
            history.owe(order, payment_id, PaymentOutcome(word))


def books_of(moves: Iterable[Move]) -> dict[str, LedgerBooks]:
    """The books that these moves come to, whatever their order, counted in the plainest way."""
    books = {str(sku): Counter[str](allocated=1_000) for sku in SKUS}
    latest: dict[OrderId, Move] = {}
    for move in moves:
        if move.kind is MoveKind.STOCK:
            for sku, delta in (part.split("=") for part in move.facts["units"].split(",")):
                kind = "allocated" if move.facts["kind"] == "allocate" else "initial"
                books[sku][kind] += int(delta)
        if move.order is None or move.kind is MoveKind.PAYMENT:
            continue
        before = latest.get(move.order.id)
        if before is None or (before.epoch, before.seq) < (move.epoch, move.seq):
            latest[move.order.id] = move
        if move.kind is MoveKind.REFUNDED and move.facts["restock"] == "0":
            for line in move.order.lines:
                books[line.sku]["initial"] -= line.qty
                books[line.sku]["written_off"] += line.qty
    for move in latest.values():
        assert move.order is not None
        for line in move.order.lines:
            books[line.sku][move.order.state] += line.qty
    return {
        sku: LedgerBooks(
            initial=count["initial"],
            reserved=count["reserved"],
            sold=count["paid"],
            refunded=count["refunded"],
            written_off=count["written_off"],
            waiting=count["queued"],
            allocated=count["allocated"],
        )
        for sku, count in books.items()
    }


LEDGER_TABLES = (
    sales,
    orders,
    order_lines,
    sale_moves,
    stock_moves,
    payments,
    refunds,
)
_HASHED = {("sale_moves", "digest"), ("refunds", "id")}  # they hash the sale's id


def ledger_rows(url: str, sale: str) -> dict[str, list[str]]:
    """Every row that the ledger keeps of a sale, by table, with the sale's id taken out."""
    engine = open_engine(url)
    found: dict[str, list[str]] = {}
    with engine.connect() as connection:
        for table in LEDGER_TABLES:
            columns = [c for c in table.columns if (table.name, c.name) not in _HASHED]
            (whose,) = [table.c[name] for name in ("sale_id", "order_id", "id") if name in table.c][
                :1
            ]
            its_own = sa.or_(whose == sale, whose.startswith(f"{sale}."))
            rows = connection.execute(sa.select(*columns).where(its_own))
            found[table.name] = sorted(str(tuple(row)).replace(sale, "S") for row in rows)
    engine.dispose()
    return found
