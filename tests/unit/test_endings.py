"""Background tasks end, also those that miss the first request to."""

from __future__ import annotations

import asyncio

import pytest

from server import endings


async def test_tasks_are_cancelled_and_waited_for() -> None:
    tasks = [asyncio.create_task(asyncio.Event().wait()) for _ in range(3)]
    await endings.end_tasks(tasks)
    assert all(task.cancelled() for task in tasks)


async def test_a_task_that_swallows_a_cancellation_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(endings, "_ASK_AGAIN_S", 0.01)
    asked = 0

    async def stubborn() -> None:
        nonlocal asked
        while asked < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                asked += 1

    task = asyncio.create_task(stubborn())
    await asyncio.wait([task], timeout=0)
    await endings.end_tasks([task])
    assert (task.done(), asked) == (True, 3)


async def test_what_a_task_raises_does_not_stop_the_others_from_ending() -> None:
    async def failing() -> None:
        raise ValueError("on its way out")

    tasks = [asyncio.create_task(failing()), asyncio.create_task(asyncio.Event().wait())]
    await endings.end_tasks(tasks)
    assert all(task.done() for task in tasks)


async def test_nothing_to_end_is_no_wait() -> None:
    await endings.end_tasks([])
