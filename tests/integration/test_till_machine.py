"""Coupons under everything at once: two workers, deaths in between, repeats, and a ledger behind.

At the end every coupon is where its orders say: held by one open order, spent by one paid order,
or free; and no two orders that stand have the same coupon.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from flash_sale.model import Order, OrderState
from server.database.claim_records import ClaimRecords
from server.database.errors import DatabaseUnavailable
from server.replies import Refused
from server.sales.live_sale import LiveSale
from tests.support.sale_desk import SALE, Desk
from tests.support.shop import Shop
from tests.support.shop_fixtures import furnished_shop
from tests.support.till import TillStage

pytest_plugins = ["tests.support.databases", "tests.support.sale_desk_fixtures"]
shop = furnished_shop

USERS = ("ann", "bob", "eve")
STEPS = 80
_STANDS = frozenset({OrderState.QUEUED, OrderState.RESERVED, OrderState.PAID})


@pytest.fixture
async def stage(shop: Shop, one: Desk, other: Desk) -> AsyncIterator[TillStage]:
    stage = TillStage(shop, (one, other))
    await stage.batch()
    await stage.open_sale({"tea": 40})
    yield stage
    await stage.close()


class Died(Exception):
    """A worker is gone."""


class Crowd:
    """Buyers who lose workers, and come again with the same request or with another one."""

    def __init__(self, stage: TillStage, seed: int, patch: pytest.MonkeyPatch) -> None:
        self.stage = stage
        self.chance = random.Random(seed)
        self.coupons: dict[str, list[str]] = {}
        self.answers: dict[tuple[str, str], set[bytes]] = {}
        self.asked: list[tuple[str, str, tuple[str, ...], int]] = []
        self.lost: list[tuple[str, str, tuple[str, ...], int]] = []  # whose worker died
        self.dying = 0.0
        ask, give_back = LiveSale.ask, ClaimRecords.give_back

        def dying_ask(sale: LiveSale, purchase: Any) -> Any:
            return self._dies() or ask(sale, purchase)

        async def dying_give_back(records: ClaimRecords, gone: Any, now_ms: int) -> None:
            if self.chance.random() < self.dying:
                raise DatabaseUnavailable("give coupons back", "it is away")
            await give_back(records, gone, now_ms)

        patch.setattr(LiveSale, "ask", dying_ask)
        patch.setattr(ClaimRecords, "give_back", dying_give_back)

    def _dies(self) -> asyncio.Future[Any] | None:
        if self.chance.random() >= self.dying:
            return None
        gone = asyncio.get_running_loop().create_future()
        gone.set_exception(Died())
        return gone

    async def step(self, number: int) -> None:
        match self.chance.choice(("new", "new", "again", "again", "pay", "end", "drain", "lapse")):
            case "new":
                user = self.chance.choice(USERS)
                mine = tuple(self.chance.sample(self.coupons[user], 1))
                self.asked.append((user, f"r{number}", mine, self.chance.choice((1, 1, 3))))
                await self._together(self.asked[-1])
            case "again" if self.asked:
                unlucky = self.lost if self.lost and self.chance.random() < 0.7 else self.asked
                await self._together(self.chance.choice(unlucky))
            case "pay":
                for order in await self._orders(OrderState.RESERVED):
                    await self.stage.pay({"id": order.id, "amount_minor": order.amount_minor})
            case "end":
                for order in await self._orders(OrderState.RESERVED):
                    await self.stage.cancel({"id": order.id})
                for order in await self._orders(OrderState.PAID):
                    await self.stage.refund({"id": order.id})
            case "drain":
                await self.stage.drain(self.chance.choice((1, 100)))
            case "lapse":
                self.stage.ahead_ms += 61_000
                await self._lapse()

    async def _orders(self, state: OrderState) -> list[Order]:
        """One order that stands so, or none."""
        found, _ = await self.stage.shop.store.orders(SALE, 0, 1_000)
        mine = [order for order in found if order.state is state]
        return self.chance.sample(mine, min(1, len(mine)))

    async def _lapse(self) -> None:
        try:
            await self.stage.lapses().look()
        except DatabaseUnavailable:
            return

    async def _together(self, asked: tuple[str, str, tuple[str, ...], int]) -> None:
        """The same request once, or on both workers at the same moment."""
        workers = self.chance.choice(((0,), (1,), (0, 1)))
        await asyncio.gather(*(self._place(asked, worker) for worker in workers))

    async def _place(self, asked: tuple[str, str, tuple[str, ...], int], worker: int) -> None:
        user, request_id, coupons, qty = asked
        try:
            answer = await self.stage.place(
                user, *coupons, request_id=request_id, worker=worker, qty=qty
            )
        except Died:
            self.lost.append(asked)
            return
        except Refused:
            return
        self.answers.setdefault((user, request_id), set()).add(answer)


@pytest.mark.parametrize("seed", range(4))
async def test_a_coupon_is_where_its_orders_say_whatever_dies_in_between(
    stage: TillStage, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = Crowd(stage, seed, monkeypatch)
    for user in USERS:
        crowd.coupons[user] = [await stage.granted(user) for _ in range(6)]
    crowd.dying = 0.3
    for number in range(STEPS):
        await crowd.step(number)
    crowd.dying = 0.0
    await stage.drain()
    stage.ahead_ms += 61_000
    while await stage.lapses().look():
        pass
    found, _ = await stage.shop.store.orders(SALE, 0, 1_000)
    standing = {
        coupon: order for order in found if order.state in _STANDS for coupon in order.coupons
    }
    assert len(standing) == sum(order.state in _STANDS for order in found), "one order each"
    for user in USERS:
        for coupon, state in (await stage.states(user)).items():
            order = standing.get(coupon)
            expected = "granted" if order is None else "held"
            if order is not None and order.state is OrderState.PAID:
                expected = "spent"
            assert state == expected, (coupon, order)
    for answers in crowd.answers.values():
        assert len(answers) == 1, answers
    assert any(b'"reserved"' in one for answers in crowd.answers.values() for one in answers)
    assert all(
        orjson.loads(one)["outcome"] for answers in crowd.answers.values() for one in answers
    )
