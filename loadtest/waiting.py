"""Waiting for a condition, with a bound."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


async def until(condition: Callable[[], bool], within_s: float, *, every_s: float = 0.005) -> bool:
    """Look every `every_s` until the condition holds; False if it does not within `within_s`."""
    deadline = time.perf_counter() + within_s
    while True:
        if condition():
            return True
        if time.perf_counter() >= deadline:
            return False
        await asyncio.sleep(every_s)
