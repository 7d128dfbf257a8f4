"""What people say to a store of sales in its tests, and what the store has said and kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

from flash_sale.adapters.script import channel_of, keys_of
from flash_sale.adapters.wire import Told, parse_message
from flash_sale.catalog import SkuId
from flash_sale.errors import SaleStoreUnavailable
from flash_sale.model import Act, Line, OrderId, Payment, Purchase, Steering, order_id_of
from rooms.adapters.redis_feed import RedisFeed
from server.endings import end_tasks
from server.redis_client import Client, ClientRole, connect
from tests.support.sale_machine import OFFER_MS, SALE, SKUS
from tests.support.sale_twins import GRACE_MS, Store, Twins
from tests.support.wait import wait_until

T = TypeVar("T")

TEA, OIL, JAM = SKUS
SALT = SkuId("salt")  # is in no sale
REACHED_WITHIN_S = 30
NOBODY = OrderId(f"{SALE}.{'0' * 24}")


def buying(user: str, number: int, *lines: Line, waitlist: bool = False) -> Purchase:
    request_id = f"r{number}"
    order_id = order_id_of(SALE, user, request_id)
    return Purchase(order_id, user, request_id, lines or (Line(TEA, 1),), waitlist, f"{user}*")


def paying(purchase: Purchase, payment_id: str, amount_minor: int = 199) -> Payment:
    return Payment(payment_id, purchase.order_id, amount_minor, "CNY", "demo")


def act(name: str) -> Act:
    return Act(name, "hana", "host", "because")


async def opened(twins: Twins) -> Twins:
    await twins.arm(act("arm"))
    await twins.steer(Steering.OPEN, act("open"))
    return twins


async def everything(twins: Twins) -> None:
    """A sale that meets every answer of every operation at least once."""
    ann, ben = buying("ann", 1), buying("ben", 1, Line(TEA, 2))
    await twins.arm(act("arm"))
    await twins.arm(act("arm"))
    await twins.arm(act("arm again"))
    await twins.arm(act("arm"), {TEA: 1})
    await twins.reserve(buying("ann", 0))
    await twins.steer(Steering.OPEN, act("never"), ends_at_ms=twins.now_ms)
    await twins.steer(Steering.OPEN, act("open"), countdown_ms=1_000)
    await twins.reserve(buying("cat", 0))
    await twins.pass_time(1_000)
    await twins.reserve(ann, ben, buying("cat", 1), buying("ann", 2, Line(TEA, 2)))
    await twins.reserve(ann, replace(ann, lines=(Line(OIL, 1),)), buying("ann", 3, Line(OIL, 3)))
    await twins.reserve(replace(buying("ann", 5), discount_minor=199, coupons=("c1",)))
    await twins.reserve(
        buying("ann", 4, Line(OIL, 1), Line(JAM, 1)), buying("dan", 1, Line(OIL, 2))
    )
    await twins.reserve(buying("dan", 2, Line(OIL, 1)), buying("dan", 3, Line(SALT, 1)))
    waiting = [buying(user, 9, waitlist=True) for user in ("eve", "fay", "ben", "gus", "hal")]
    await twins.reserve(*waiting, buying("ivy", 9, waitlist=True))
    await twins.pay(paying(ann, "p1", 1), paying(ann, "p2"), paying(ann, "p2"), paying(ann, "p3"))
    await twins.pay(replace(paying(ann, "p4"), order_id=NOBODY))
    await twins.cancel(ben.order_id, "ann")
    await twins.cancel(ben.order_id, "ben", "too dear")
    await twins.cancel(ben.order_id, "ben", "too dear")
    await twins.cancel(ann.order_id, None)
    await twins.cancel(NOBODY, None)
    await twins.refund(waiting[0].order_id, act("refund 0"), restock=True)
    await twins.refund(ann.order_id, act("refund 1"), restock=True)
    await twins.refund(ann.order_id, act("refund 1"), restock=True)
    await twins.refund(NOBODY, act("refund 2"), restock=False)
    await twins.pass_time(OFFER_MS + GRACE_MS + 1)
    await twins.pay(paying(waiting[0], "p5"))
    await twins.sweep(10)
    await twins.steer(Steering.RESTOCK, act("salt"), units={SALT: 1})
    await twins.steer(Steering.RESTOCK, act("more"), units={OIL: 1})
    await twins.steer(Steering.RESTOCK, act("more"), units={OIL: 1}, allocate=True)
    await twins.steer(Steering.PAUSE, act("pause"))
    await twins.steer(Steering.PAUSE, act("pause twice"))
    await twins.steer(Steering.RESUME, act("pause"))
    await twins.reserve(buying("kim", 1))
    await twins.steer(Steering.RESUME, act("resume"))
    await twins.steer(Steering.CLOSE, act("close"), cancel_holds=True)
    await twins.sweep(10)
    await twins.reserve(buying("kim", 2))
    await twins.check()


def calls(sales: Store) -> list[Callable[[], Awaitable[Any]]]:
    """Every operation of a store on a sale that is armed, once."""
    ann = buying("ann", 1)
    return [
        lambda: sales.reserve(SALE, [ann, buying("ben", 1, waitlist=True)]),
        lambda: sales.remember_sold_out(SALE, [buying("cat", 1)]),
        lambda: sales.pay(SALE, [paying(ann, "p1")]),
        lambda: sales.cancel(ann.order_id, "ann", "no"),
        lambda: sales.refund(ann.order_id, act("refund"), restock=True),
        lambda: sales.sweep(SALE, 10),
        lambda: sales.steer(SALE, Steering.PAUSE, act("pause")),
        lambda: sales.steer(SALE, Steering.RESTOCK, act("more"), units={TEA: 1}, allocate=True),
    ]


async def everything_stored(client: Client) -> dict[bytes, bytes | None]:
    """All keys of the sale, as they lie in the store."""
    return {key.encode(): await client.dump(key) for key in keys_of(SALE)}


@asynccontextmanager
async def hearing(url: str) -> AsyncIterator[list[Told]]:
    """What the sale announces from here on."""
    told: list[Told] = []
    client = connect(url, role=ClientRole.LISTENER)

    async def resumed(channels: Collection[str]) -> None: ...

    feed = RedisFeed(
        client,
        on_message=lambda channel, message: told.append(parse_message(SALE, message)),
        on_resumed=resumed,
        subscribe_within_s=5,
    )
    reading = asyncio.create_task(feed.run())
    try:
        await feed.subscribe(channel_of(SALE))
        yield told
    finally:
        await end_tasks([reading])
        await client.aclose()


async def reached(call: Callable[[], Awaitable[T]]) -> T:
    """Ask again with the same ids while the store is away or confirms nothing, as callers do."""
    answers: list[T] = []

    async def answered() -> bool:
        try:
            answers.append(await call())
        except SaleStoreUnavailable:
            return False
        return True

    await wait_until(answered, REACHED_WITHIN_S, "the store answers")
    return answers[0]
