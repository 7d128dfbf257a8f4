"""Time that passes only while nobody has anything to do: hours in a moment, the same every run.

For code that never leaves the process. While a `VirtualTime` runs something, the event loop's time
and `time.monotonic` are its own.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar
from unittest.mock import patch

T = TypeVar("T")


class VirtualTime:
    """Runs coroutines one after the other on a loop of its own, as `asyncio.Runner` does."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0
        self._runner = asyncio.Runner(loop_factory=lambda: _Loop(self))

    def monotonic(self) -> float:
        return self.now_s

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        with patch("time.monotonic", self.monotonic):
            return self._runner.run(work)

    def close(self) -> None:
        self._runner.close()


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualTime) -> None:
        super().__init__(_JumpingSelector(clock))
        self._clock = clock

    def time(self) -> float:
        return self._clock.now_s


class _JumpingSelector(selectors.SelectSelector):
    """Instead of waiting for the next timer it lets that much time pass."""

    def __init__(self, clock: VirtualTime) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout:
            self._clock.now_s += timeout
        return ready
