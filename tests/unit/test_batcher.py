"""The batcher: what gathers, what is bounded, and who is told what when the store is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from flash_sale.batcher import Batcher, BatchLimits
from flash_sale.errors import SaleBusy, SaleStoreUnavailable


class Store:
    """Answers with the number it was asked; `gate` holds a batch back, `away` lets calls fail."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.away = 0

    async def decide(self, batch: Sequence[int]) -> list[int]:
        self.batches.append(list(batch))
        await self.gate.wait()
        if self.away:
            self.away -= 1
            raise SaleStoreUnavailable("away")
        if -1 in batch:
            raise ValueError("a bug")
        return [number * 10 for number in batch]


async def test_an_idle_batcher_sends_at_once_and_a_busy_one_sends_all_that_gathered() -> None:
    store = Store()
    batcher = Batcher(store.decide, BatchLimits())
    store.gate.clear()
    first = batcher.put(1)
    await asyncio.sleep(0)
    others = [batcher.put(number) for number in (2, 3, 4)]
    store.gate.set()
    assert await asyncio.gather(first, *others) == [10, 20, 30, 40]
    assert store.batches == [[1], [2, 3, 4]]
    await batcher.drained()
    assert batcher.idle


async def test_a_batch_is_never_larger_than_its_bound() -> None:
    store = Store()
    batcher = Batcher(store.decide, BatchLimits(batch_max=2))
    assert await asyncio.gather(*map(batcher.put, range(5))) == [0, 10, 20, 30, 40]
    assert store.batches == [[0, 1], [2, 3], [4]]


async def test_at_the_bound_of_the_queue_nothing_is_queued() -> None:
    store = Store()
    batcher = Batcher(store.decide, BatchLimits(waiting_max=2))
    answers = [batcher.put(1), batcher.put(2)]
    with pytest.raises(SaleBusy, match="orders_waiting_max"):
        batcher.put(3)
    assert await asyncio.gather(*answers) == [10, 20]
    assert store.batches == [[1, 2]]


async def test_a_batch_whose_fate_is_unknown_is_sent_again_as_it_was() -> None:
    store = Store()
    store.away = 2
    batcher = Batcher(store.decide, BatchLimits())
    assert list(await asyncio.gather(batcher.put(1), batcher.put(2))) == [10, 20]
    assert store.batches == [[1, 2], [1, 2], [1, 2]]


async def test_who_waited_behind_a_batch_that_failed_by_time_fails_with_it() -> None:
    store = Store()
    store.away = 1_000
    batcher = Batcher(store.decide, BatchLimits(batch_max=2, within_s=0.2))
    answers = [batcher.put(number) for number in range(9)]
    results = await asyncio.gather(*answers, return_exceptions=True)
    assert all(isinstance(result, SaleStoreUnavailable) for result in results)
    assert all(batch == [0, 1] for batch in store.batches), "the others were tried too"


async def test_an_error_of_one_batch_is_told_to_its_askers_only() -> None:
    store = Store()
    batcher = Batcher(store.decide, BatchLimits(batch_max=2))
    results = await asyncio.gather(*map(batcher.put, (1, -1, 3)), return_exceptions=True)
    assert isinstance(results[0], ValueError)
    assert isinstance(results[1], ValueError)
    assert results[2] == 30


async def test_who_goes_away_takes_nobody_else_along() -> None:
    store = Store()
    store.gate.clear()
    batcher = Batcher(store.decide, BatchLimits())
    answers = [batcher.put(number) for number in (1, 2, 3)]
    await asyncio.sleep(0)
    answers[1].cancel()
    store.gate.set()
    assert await answers[0] == 10
    assert await answers[2] == 30


async def test_closing_ends_the_task_and_tells_all_who_wait() -> None:
    store = Store()
    store.gate.clear()
    batcher = Batcher(store.decide, BatchLimits(batch_max=1))
    answers = [batcher.put(1), batcher.put(2)]
    await asyncio.sleep(0)
    await batcher.close()
    for answer in answers:
        with pytest.raises(SaleStoreUnavailable, match="stopping"):
            await answer
    assert batcher.idle
