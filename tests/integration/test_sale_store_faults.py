"""The store of sales when something is wrong: all of a batch or nothing, and never twice."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from flash_sale.adapters.confirmed import Durable
from flash_sale.adapters.redis_rebuild import RedisRebuild
from flash_sale.adapters.redis_sales import RedisSales
from flash_sale.adapters.redis_stream import RedisLedgerStream
from flash_sale.adapters.script import key_of, keys_of
from flash_sale.errors import NotOnSale, SaleFrozen, SaleStoreUnavailable
from flash_sale.model import (
    Line,
    OrderId,
    OrderState,
    Outcome,
    PaymentOutcome,
    SaleState,
    Steering,
)
from server.endings import end_tasks
from server.redis_client import Client, connect
from server.settings import BadSetting, Settings
from tests.support.mortal_redis import MortalRedis
from tests.support.proxy import UnixProxy
from tests.support.sale_ledger import MemoryLedger
from tests.support.sale_machine import HOLD_MS, SALE, terms_of
from tests.support.sale_on_redis import STORE_LIMITS, sales_on, set_clock
from tests.support.sale_talk import (
    JAM,
    OIL,
    TEA,
    act,
    buying,
    calls,
    everything_stored,
    paying,
)
from tests.support.sale_twins import GRACE_MS

TERMS = terms_of([30, 2, 1], [3, 2, 1], starts_at_ms=None, ends_at_ms=None)
KEYS = [key.rpartition("}:")[2] for key in keys_of(SALE)]


async def open_sale(sales: RedisSales) -> None:
    await sales.arm(TERMS, act("arm"), {})
    await sales.steer(SALE, Steering.OPEN, act("open"))


async def busy_sale(sales: RedisSales) -> None:
    """A sale in which no key is empty: `calls` of tests.support.sale_talk meet ann's order."""
    await sales.arm(TERMS, act("arm"), {})
    await sales.reserve(SALE, [buying("early", 1)])
    await sales.steer(SALE, Steering.OPEN, act("open"))
    eve, fay = buying("eve", 1), buying("fay", 1, Line(JAM, 1), waitlist=True)
    await sales.reserve(SALE, [buying("ann", 1), eve, buying("eve", 2, Line(JAM, 1)), fay])
    await sales.pay(SALE, [paying(eve, "p0")])


@pytest.fixture
def mortal_redis(tmp_path: Path) -> Iterator[MortalRedis]:
    server = MortalRedis(tmp_path)
    server.start()
    yield server
    server.kill()


# a key that holds something else


@pytest.mark.parametrize("part", KEYS)
async def test_with_a_key_of_another_type_nothing_is_decided_and_nothing_is_written(
    redis_client: Client, part: str
):
    await busy_sale(sales_on(redis_client))
    await redis_client.delete(key_of(SALE, part))
    await redis_client.set(key_of(SALE, part), "spoilt")
    before = await everything_stored(redis_client)
    for call in calls(sales_on(redis_client)):
        with pytest.raises(SaleStoreUnavailable, match="WRONGTYPE"):
            await call()
    assert await everything_stored(redis_client) == before


# size


async def test_the_largest_batch_that_can_be_set_is_decided_and_paid(redis_client: Client):
    sales = sales_on(redis_client)
    most = 1_000
    with pytest.raises(BadSetting):
        Settings.from_env({"ONAIR_BATCH_ORDERS_MAX": str(most + 1)})
    terms = terms_of([most, 2, 1], [3, 2, 1], starts_at_ms=None, ends_at_ms=None)
    await sales.arm(terms, act("arm"), {})
    await sales.steer(SALE, Steering.OPEN, act("open"))
    batch = [buying(f"user-{number}", 1) for number in range(most)]
    decided = await sales.reserve(SALE, batch)
    paid = await sales.pay(SALE, [paying(one, f"pay-{one.user}") for one in batch])
    assert {one.outcome for one in decided.decisions} == {Outcome.RESERVED}
    assert {one.outcome for one in paid} == {PaymentOutcome.ACCEPTED}


async def test_units_that_come_back_for_very_many_are_offered_in_pieces_and_in_order(
    redis_client: Client,
):
    sales = sales_on(redis_client, replace(STORE_LIMITS, waitlist_max=300))
    terms = terms_of([250, 2, 1], [250, 2, 1], starts_at_ms=None, ends_at_ms=None)
    await sales.arm(terms, act("arm"), {})
    await sales.steer(SALE, Steering.OPEN, act("open"))
    shop = buying("shop", 1, Line(TEA, 250))
    waiting = [buying(f"user-{number}", 1, waitlist=True) for number in range(250)]
    await sales.reserve(SALE, [shop, *waiting])
    await sales.cancel(shop.order_id, None, "too many")
    states = [await state_of(sales, one.order_id) for one in waiting]
    assert states == [OrderState.RESERVED] * 100 + [OrderState.QUEUED] * 150
    late = await sales.reserve(SALE, [buying("late", 1)])
    assert (late.decisions[0].outcome, late.available[TEA]) == (Outcome.SOLD_OUT, 0)
    while (await sales.sweep(SALE, 100)).more:
        pass
    assert {await state_of(sales, one.order_id) for one in waiting} == {OrderState.RESERVED}


# memory


async def test_a_store_without_memory_refuses_whole_batches_and_goes_on_when_it_has_some(
    mortal_redis: MortalRedis,
):
    client = connect(mortal_redis.url)
    sales = sales_on(client)
    try:
        await busy_sale(sales)
        before = await everything_stored(client)
        await client.config_set("maxmemory", "1")
        for call in calls(sales):
            with pytest.raises(SaleStoreUnavailable, match=r"OutOfMemory|OOM"):
                await call()
        assert (await sales.view(SALE)).state is SaleState.OPEN  # reading needs no memory
        assert await everything_stored(client) == before
        await client.config_set("maxmemory", "0")
        decided = await sales.reserve(SALE, [buying("ann", 1), buying("new", 1)])
        assert [one.outcome for one in decided.decisions] == [Outcome.RESERVED] * 2
    finally:
        await client.aclose()


# scripts that are forgotten, replies that are lost


@pytest.mark.parametrize("server_syncs", [True, False])
async def test_nobody_notices_that_the_scripts_are_forgotten_all_the_time(
    redis_client: Client, server_syncs: bool
):
    durable = Durable("always", server_syncs=server_syncs, within_ms=1_000)
    sales = RedisSales(redis_client, STORE_LIMITS, durable)
    flushes = 0
    await open_sale(sales)

    async def forget() -> None:
        nonlocal flushes
        while True:
            await redis_client.script_flush()
            flushes += 1

    forgetting = asyncio.create_task(forget())
    try:
        for number in range(40):
            purchase = buying(f"user-{number}", 1)
            decided = await sales.reserve(SALE, [purchase])
            await sales.pay(SALE, [paying(purchase, f"p{number}")])
            assert (
                decided.decisions[0].outcome is [Outcome.RESERVED, Outcome.SOLD_OUT][number >= 30]
            )
    finally:
        await end_tasks([forgetting])
    assert flushes > 40
    assert (await sales.view(SALE)).items[0].sold == 30


async def test_a_batch_whose_reply_was_lost_is_sent_again_and_takes_effect_once(
    redis_client: Client, redis_url: str, tmp_path: Path
):
    await open_sale(sales_on(redis_client))
    socket = Path(redis_url.removeprefix("unix://"))
    async with UnixProxy(tmp_path, socket) as proxy:
        client = connect(proxy.url)
        sales = sales_on(client)
        purchases = [buying(f"user-{number}", 1) for number in range(40)]
        await sales.view(SALE)
        proxy.lose_replies(1, to=purchases[0].order_id.rpartition(".")[2].encode())
        decided = await sales.reserve(SALE, purchases)
        await client.aclose()
    assert proxy.replies_lost == 1
    assert Counter(one.outcome for one in decided.decisions) == {
        Outcome.RESERVED: 30,
        Outcome.SOLD_OUT: 10,
    }
    assert (await sales_on(redis_client).view(SALE)).items[0].reserved == 30


async def test_what_no_replica_has_confirmed_is_not_acknowledged_and_not_sold_twice(
    redis_client: Client,
):
    await open_sale(sales_on(redis_client))
    replicated = Durable("replicated", server_syncs=True, within_ms=50)
    with pytest.raises(SaleStoreUnavailable, match="0 replicas"):
        await RedisSales(redis_client, STORE_LIMITS, replicated).reserve(SALE, [buying("ann", 1)])
    sales = sales_on(redis_client)
    decided = await sales.reserve(SALE, [buying("ann", 1)])
    assert decided.decisions[0].outcome is Outcome.RESERVED
    assert (await sales.view(SALE)).items[0].reserved == 1


# clocks


async def test_a_clock_that_is_set_back_revives_no_hold_and_starts_no_sale_again(
    redis_client: Client,
):
    sales = sales_on(redis_client)
    await open_sale(sales)
    ann = buying("ann", 1)
    placed = await sales.reserve(SALE, [ann])
    later_ms = placed.at.now_ms + HOLD_MS + GRACE_MS + 1
    await set_clock(redis_client, SALE, later_ms)
    swept = await sales.sweep(SALE, 10)
    assert (swept.moves, swept.at.now_ms) == (1, later_ms)
    await redis_client.execute_command("HSET", key_of(SALE, "sale"), "skew_ms", -600_000)
    paid = await sales.pay(SALE, [paying(ann, "p1")])
    assert paid[0].outcome is PaymentOutcome.LATE
    assert (await sales.view(SALE)).at.now_ms == later_ms
    again = await sales.reserve(SALE, [ann, buying("ben", 1)])
    assert again.decisions[0] == placed.decisions[0]
    held = again.decisions[1].order
    assert held is not None
    assert held.expires_at_ms == later_ms + HOLD_MS


async def test_a_clock_that_jumps_forward_ends_the_holds_it_passes_and_no_other(
    redis_client: Client,
):
    sales = sales_on(redis_client)
    await open_sale(sales)
    ann, ben = buying("ann", 1), buying("ben", 1)
    await sales.reserve(SALE, [ann])
    await redis_client.execute_command("HSET", key_of(SALE, "sale"), "skew_ms", HOLD_MS)
    await sales.reserve(SALE, [ben])
    await redis_client.execute_command(
        "HSET", key_of(SALE, "sale"), "skew_ms", HOLD_MS + GRACE_MS + 1
    )
    await sales.sweep(SALE, 10)
    states = [await state_of(sales, one.order_id) for one in (ann, ben)]
    assert states == [OrderState.EXPIRED, OrderState.RESERVED]


async def state_of(sales: RedisSales, order_id: OrderId) -> OrderState:
    order = await sales.order(order_id)
    assert order is not None
    return order.state


# a store that has lost something


async def test_a_store_that_has_gone_back_in_time_freezes_and_sells_nothing_twice(
    mortal_redis: MortalRedis, tmp_path: Path
):
    client = connect(mortal_redis.url)
    sales = sales_on(client)
    try:
        await busy_sale(sales)
        mortal_redis.kill()
        shutil.copytree(tmp_path / "redis", tmp_path / "yesterday")
        mortal_redis.start()
        sold = await sales.reserve(SALE, [buying("ben", 1, Line(OIL, 2))])
        assert sold.decisions[0].outcome is Outcome.RESERVED
        mortal_redis.kill()
        shutil.rmtree(tmp_path / "redis")
        shutil.copytree(tmp_path / "yesterday", tmp_path / "redis")
        mortal_redis.start()
        another = sales_on(client)
        assert (await another.view(SALE)).state is SaleState.OPEN  # it has not seen what is lost
        with pytest.raises(SaleFrozen, match="lost"):
            await sales.reserve(SALE, [buying("cat", 1, Line(OIL, 2))])
        with pytest.raises(SaleFrozen):
            await another.reserve(SALE, [buying("cat", 2, Line(OIL, 2))])
        assert (await another.view(SALE)).state is SaleState.FROZEN
    finally:
        await client.aclose()


async def test_a_worker_that_heard_of_more_than_the_store_knows_freezes_it_too(
    redis_client: Client,
):
    await open_sale(sales_on(redis_client))
    at = (await sales_on(redis_client).view(SALE)).at
    exact, ahead = sales_on(redis_client), sales_on(redis_client)
    exact.expect(SALE, at.epoch, at.seq)
    decided = await exact.reserve(SALE, [buying("ann", 1)])
    assert decided.decisions[0].outcome is Outcome.RESERVED
    ahead.expect(SALE, decided.at.epoch, decided.at.seq + 1)
    with pytest.raises(SaleFrozen):
        await ahead.reserve(SALE, [buying("ben", 1)])


async def test_a_payment_that_a_rebuild_knows_nothing_of_is_taken_when_it_is_told_again(
    redis_client: Client,
):
    """The move was set aside or lost; what the store remembers of the payment pays no order."""
    sales, ann = sales_on(redis_client), buying("ann", 1)
    await open_sale(sales)
    await sales.reserve(SALE, [ann])
    order, view = await sales.order(ann.order_id), await sales.view(SALE)
    assert order is not None
    first = await sales.pay(SALE, [paying(ann, "p1")])
    assert first[0].outcome is PaymentOutcome.ACCEPTED
    making, terms = RedisRebuild(redis_client, GRACE_MS), replace(TERMS, epoch=2)
    await making.begin(terms)
    await making.load(terms, [order])
    await making.finish(terms, view)
    assert await state_of(sales, ann.order_id) is OrderState.RESERVED
    for _ in range(2):
        paid = await sales.pay(SALE, [paying(ann, "p1")])
        assert paid[0].outcome is PaymentOutcome.ACCEPTED
        assert await state_of(sales, ann.order_id) is OrderState.PAID
    assert (await sales.view(SALE)).items[0].sold == 1


async def test_what_was_refused_before_a_rebuild_is_refused_after_it(redis_client: Client):
    limits = replace(STORE_LIMITS, refusals_kept_max=2)  # some of them are in the older generation
    sales = sales_on(redis_client, limits)
    await open_sale(sales)
    late = [buying(f"user-{number}", 1, Line(OIL, 3)) for number in range(3)]
    for purchase in late:
        await sales.reserve(SALE, [purchase])
    view, terms = await sales.view(SALE), replace(TERMS, epoch=2)
    making = RedisRebuild(redis_client, GRACE_MS)
    await making.begin(terms)
    await making.finish(terms, view)
    await sales.steer(SALE, Steering.RESTOCK, act("more"), units={OIL: 9}, allocate=True)
    again = await sales.reserve(SALE, [*late, buying("new", 1, Line(OIL, 2))])
    assert [one.outcome for one in again.decisions] == [Outcome.SOLD_OUT] * 3 + [Outcome.RESERVED]


async def test_a_store_that_lost_everything_says_that_the_sale_is_not_there(
    redis_client: Client,
):
    sales = sales_on(redis_client)
    await busy_sale(sales)
    await redis_client.flushall()
    for call in calls(sales):
        with pytest.raises(NotOnSale):
            await call()


# the stream


async def test_the_stream_keeps_what_a_second_writer_has_read_but_not_committed(
    redis_client: Client,
):
    """However the writers' steps fall between each other."""
    sales = sales_on(redis_client)
    await open_sale(sales)
    stream = RedisLedgerStream(redis_client)
    for number in range(12):
        await sales.reserve(SALE, [buying(f"user-{number}", 1)])
    first = await stream.read(SALE, "ledger-1", 3)
    second = await stream.read(SALE, "ledger-2", 3)
    both = await stream.read(SALE, "ledger-1", 3)
    third = both[3:]
    assert both[:3] == first
    assert len(third) == 3
    await stream.committed(SALE, [entry.id for entry in both])
    assert await stream.claim(SALE, "ledger-1", 10, 60_000) == []
    assert await stream.claim(SALE, "ledger-1", 10, 0) == second
    await stream.committed(SALE, [entry.id for entry in second])
    rest = await stream.read(SALE, "ledger-1", 100)
    ledger = MemoryLedger.of(TERMS)
    for entry in [*first, *second, *third, *rest]:
        for move in entry.moves:
            ledger.apply(move)
    ledger.agrees(await sales.view(SALE))
    await stream.committed(SALE, [entry.id for entry in rest])
    assert await redis_client.xlen(key_of(SALE, "ledger")) == 0
    assert await stream.lag(SALE) == 0
    await sales.reserve(SALE, [buying("last", 1)])
    assert await stream.lag(SALE) == 1
    assert len(await stream.read(SALE, "ledger-2", 10)) == 1
