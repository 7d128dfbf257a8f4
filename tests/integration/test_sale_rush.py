"""Everybody at once: 1,000 units against 50,000 attempts of 20,000 buyers, decided by the store."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict

from flash_sale.adapters.redis_sales import StoreLimits
from flash_sale.adapters.redis_stream import RedisLedgerStream
from flash_sale.model import (
    Decision,
    Line,
    Order,
    OrderId,
    Outcome,
    Payment,
    PaymentOutcome,
    Purchase,
    SaleState,
    Steering,
)
from server.redis_client import Client
from tests.support.sale_ledger import MemoryLedger
from tests.support.sale_machine import SALE, terms_of
from tests.support.sale_on_redis import sales_on
from tests.support.sale_talk import TEA, act, buying
from tests.support.sale_twins import GRACE_MS

UNITS, BUYERS, ATTEMPTS, EACH = 1_000, 20_000, 50_000, 2
CROWD = terms_of([UNITS, 1, 1], [EACH, 1, 1], starts_at_ms=None, ends_at_ms=None)


class Worker:
    """One of several processes that decide batches on the same store."""

    def __init__(self, client: Client, answers: dict[OrderId, list[Decision]]) -> None:
        self._sales = sales_on(client, StoreLimits(grace_ms=GRACE_MS))
        self._answers = answers

    async def work(self, batches: asyncio.Queue[list[Purchase]]) -> None:
        while not batches.empty():
            batch = batches.get_nowait()
            decided = await self._sales.reserve(SALE, batch)
            for purchase, decision in zip(batch, decided.decisions, strict=True):
                self._answers[purchase.order_id].append(decision)


def attempts(dice: random.Random) -> list[Purchase]:
    """What 20,000 buyers send: most of them more than once, a third of it retries."""
    first = [buying(f"user-{number}", 0) for number in range(BUYERS)]
    more = [
        buying(f"user-{dice.randrange(BUYERS)}", number, Line(TEA, dice.choice([1, 1, 2, 3])))
        for number in range(1, 13_001)
    ]
    asked = first + more
    dice.shuffle(asked)
    asked += [dice.choice(asked) for _ in range(ATTEMPTS - len(asked))]
    for number in range(BUYERS, ATTEMPTS):  # retries come soon after, and much later
        other = dice.randrange(number)
        asked[number], asked[other] = asked[other], asked[number]
    return asked


async def test_a_thousand_units_against_fifty_thousand_attempts(redis_client: Client):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    asked = attempts(random.Random(seed))
    assert len(asked) == ATTEMPTS
    assert len({purchase.user for purchase in asked}) == BUYERS
    sales = sales_on(redis_client)
    await sales.arm(CROWD, act("arm"), {})
    await sales.steer(SALE, Steering.OPEN, act("open"))
    batches: asyncio.Queue[list[Purchase]] = asyncio.Queue()
    for first in range(0, ATTEMPTS, 256):
        batches.put_nowait(asked[first : first + 256])
    answers: dict[OrderId, list[Decision]] = defaultdict(list)
    await asyncio.gather(*(Worker(redis_client, answers).work(batches) for _ in range(4)))

    assert all(one == first for first, *others in answers.values() for one in others)
    assert sum(len(all_of_one) for all_of_one in answers.values()) == ATTEMPTS
    told = Counter(all_of_one[0].outcome for all_of_one in answers.values())
    assert set(told) == {Outcome.RESERVED, Outcome.SOLD_OUT, Outcome.LIMIT_REACHED}
    orders = [first.order for first, *_ in answers.values() if first.order is not None]
    assert len(orders) == told[Outcome.RESERVED]
    assert sum(units_of(order) for order in orders) == UNITS
    by_user: Counter[str] = Counter()
    for order in orders:
        by_user[order.user] += units_of(order)
    assert max(by_user.values()) == EACH
    for purchase in asked:
        if answers[purchase.order_id][0].outcome is Outcome.LIMIT_REACHED:
            assert by_user[purchase.user] + purchase.lines[0].qty > EACH

    for first in range(0, len(orders), 256):
        paid = await sales.pay(SALE, [payment_of(one) for one in orders[first : first + 256]])
        assert {one.outcome for one in paid} == {PaymentOutcome.ACCEPTED}
    await the_stream_agrees(redis_client)


def units_of(order: Order) -> int:
    return sum(line.qty for line in order.lines)


def payment_of(order: Order) -> Payment:
    return Payment(f"pay-{order.id}", order.id, order.amount_minor, "CNY", "demo")


async def the_stream_agrees(client: Client) -> None:
    """The stream tells of all that was sold, once, and the books of the store balance."""
    ledger, stream = MemoryLedger.of(CROWD), RedisLedgerStream(client)
    while entries := await stream.read(SALE, "ledger-1", 64):
        for entry in entries:
            for move in entry.moves:
                ledger.apply(move)
        await stream.committed(SALE, [entry.id for entry in entries])
    view = await sales_on(client).view(SALE)
    assert view.state is SaleState.OPEN  # of the other skus there is enough
    assert [(books.available, books.sold) for books in view.items[:1]] == [(0, UNITS)]
    ledger.agrees(view)
