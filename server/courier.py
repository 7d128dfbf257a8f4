"""Carries frames to an audience a slice at a time; what else the loop has to do goes between.

A slice has two bounds, members and processor time. After it the rest of the loop goes first, until
it has nothing to do or has had as long as the slice: so a reply waits behind one slice and never
behind thousands of writes, and a flood of commands cannot stop the frames.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from rooms.frame import Frame
from rooms.hub import Audience, Delivery, Member

_STRIDE = 64  # members between two looks at the clock
_QUIET_S = 0.000_05  # a turn of the loop that took less had nothing to do


class Courier:
    """One per room. `on_slow` closes the members at their bound.

    `on_paid` hears of every slice what it cost, in seconds of processor time, and for which part
    of the audience.
    """

    def __init__(
        self,
        audience: Audience,
        *,
        slice_viewers: int,
        slice_ms: int,
        on_slow: Callable[[list[Member]], None],
        on_paid: Callable[[float, float], None],
        spent_s: Callable[[], float] = time.thread_time,
    ) -> None:
        self._audience = audience
        self._delivery = Delivery(audience)
        self._slice_viewers = slice_viewers
        self._slice_s = slice_ms / 1000
        self._on_slow = on_slow
        self._on_paid = on_paid
        self._spent_s = spent_s
        self._next: asyncio.Handle | None = None  # set while anything is under way
        self._slice_ended_s = 0.0
        self._turn_began_s = 0.0

    @property
    def is_under_way(self) -> bool:
        return self._delivery.is_under_way

    def carry(self, frame: Frame) -> None:
        """Take a frame along. If nothing is under way the first slice of it goes out now."""
        self._delivery.board(frame)
        if self._next is None:
            self._slice()

    def tidy(self) -> None:
        """To be called when somebody left the audience."""
        self._delivery.tidy()

    def close(self) -> None:
        """Nobody is here any more."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _slice(self) -> None:
        delivery, began_s = self._delivery, self._spent_s()
        places, passed = len(self._audience.places), delivery.passed
        left, cost_s = self._slice_viewers, 0.0
        self._next = asyncio.get_running_loop().call_soon(self._go_on)
        while left > 0 and cost_s < self._slice_s and delivery.is_under_way:
            slow = delivery.step(min(_STRIDE, left))
            if slow:
                self._on_slow(slow)
            left -= _STRIDE
            cost_s = self._spent_s() - began_s
        self._on_paid(cost_s, (delivery.passed - passed) / max(1, places))
        self._slice_ended_s = self._turn_began_s = began_s + cost_s
        if not delivery.is_under_way:
            self.close()

    def _go_on(self) -> None:
        """The loop went round once: was there anything else to do?"""
        now_s = self._spent_s()
        quiet = now_s - self._turn_began_s < _QUIET_S
        if quiet or now_s - self._slice_ended_s >= self._slice_s:
            self._slice()
            return
        self._turn_began_s = self._spent_s()
        self._next = asyncio.get_running_loop().call_soon(self._go_on)
