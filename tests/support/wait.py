"""Waiting for a condition, never for a time."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

POLL_S = 0.01


async def wait_until(
    predicate: Callable[[], object | Awaitable[object]],
    timeout_s: float,
    description: str,
    *,
    poll_s: float = POLL_S,
) -> None:
    """Return once `predicate()`, which may be async, is true; fail by name when the time is up.

    Looks are `poll_s` apart: where a look costs its maker something of a budget, further.
    """
    deadline_s = time.monotonic() + timeout_s
    while True:
        answer = predicate()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return
        if time.monotonic() >= deadline_s:
            raise AssertionError(f"not within {timeout_s} s: {description}")
        await asyncio.sleep(poll_s)


def wait_until_sync(predicate: Callable[[], object], timeout_s: float, description: str) -> None:
    """`wait_until` for tests without an event loop."""
    deadline_s = time.monotonic() + timeout_s
    while not predicate():
        if time.monotonic() >= deadline_s:
            raise AssertionError(f"not within {timeout_s} s: {description}")
        time.sleep(POLL_S)
