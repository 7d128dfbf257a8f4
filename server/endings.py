"""How background tasks end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

_ASK_AGAIN_S = 1.0


async def end_tasks(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and return when all of them have ended; what they raise is dropped.

    Asks again every second: on Python 3.11 `asyncio.wait_for` swallows a cancellation that
    comes in the same turn as its result (python/cpython#86296), and redis-py sends with it.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        ended, pending = await asyncio.wait(pending, timeout=_ASK_AGAIN_S)
        for task in ended:
            if not task.cancelled():
                task.exception()
