"""Carries frames to audiences a slice at a time; what else the loop has to do goes between.

A slice has two bounds, members and processor time; the time is that of all rooms of a worker
together. After it the rest of the loop goes first, until it has nothing to do or has had as long:
so a reply waits behind one slice and never behind thousands of writes, to one room or to many, and
a flood of commands cannot stop the frames.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from rooms.frame import Frame
from rooms.hub import Audience, Delivery, Member

_STRIDE = 64  # members between two looks at the clock
_QUIET_S = 0.000_05  # a turn of the loop that took less had nothing to do


class Turns:
    """One per worker: whose slice is next. Couriers take turns; who came first is first."""

    def __init__(self, slice_ms: int, spent_s: Callable[[], float] = time.thread_time) -> None:
        self.spent_s = spent_s
        self._slice_s = slice_ms / 1000
        self._left_s = 0.0  # of this slice
        self._waiting: deque[Courier] = deque()
        self._next: asyncio.Handle | None = None  # set from a slice on until nobody waits
        self._slice_ended_s = 0.0
        self._turn_began_s = 0.0

    def take(self, courier: Courier) -> None:
        """A courier has something to carry: now, if there is time left, or when its turn comes."""
        self._waiting.append(courier)
        if self._next is None:
            self._left_s = self._slice_s
            self._next = asyncio.get_running_loop().call_soon(self._go_on)
        self._serve()

    def _serve(self) -> None:
        """Let couriers go on for what is left of the slice."""
        while self._waiting and self._left_s > 0:
            courier = self._waiting.popleft()
            began_s = self.spent_s()
            try:
                courier.go_on(self._left_s)
            finally:
                if courier.has_turn:
                    self._waiting.append(courier)
                    self._left_s = 0.0
                ended_s = self.spent_s()
                self._left_s -= ended_s - began_s
                self._slice_ended_s = self._turn_began_s = ended_s

    def _go_on(self) -> None:
        """The loop went round once: was there anything else to do?"""
        self._next = None
        if not self._waiting:
            return
        self._next = asyncio.get_running_loop().call_soon(self._go_on)
        now_s = self.spent_s()
        quiet = now_s - self._turn_began_s < _QUIET_S
        if quiet or now_s - self._slice_ended_s >= self._slice_s:
            self._left_s = self._slice_s
            self._serve()
        else:
            self._turn_began_s = self.spent_s()


class Courier:
    """One per room. `on_slow` closes the members at their bound.

    `on_paid` hears of every slice what it cost, in seconds of processor time, and for which part
    of the audience.
    """

    def __init__(
        self,
        audience: Audience,
        turns: Turns,
        *,
        slice_viewers: int,
        on_slow: Callable[[list[Member]], None],
        on_paid: Callable[[float, float], None],
    ) -> None:
        self._audience = audience
        self._delivery = Delivery(audience)
        self._turns = turns
        self._slice_viewers = slice_viewers
        self._on_slow = on_slow
        self._on_paid = on_paid
        self.has_turn = False  # now, or one will come
        self._closed = False

    @property
    def is_under_way(self) -> bool:
        return self._delivery.is_under_way

    def carry(self, frame: Frame) -> None:
        """Take a frame along. Unless others have used up the time the first slice goes out now."""
        self._delivery.board(frame)
        if not self.has_turn:
            self.has_turn = True
            self._turns.take(self)

    def tidy(self) -> None:
        """To be called when somebody left the audience."""
        self._delivery.tidy()

    def close(self) -> None:
        """Nobody is here any more."""
        self._closed = True

    def go_on(self, within_s: float) -> None:
        """One slice, of about so much processor time at most. `has_turn` tells if more is left."""
        if self._closed:
            self.has_turn = False
            return
        delivery, spent_s = self._delivery, self._turns.spent_s
        began_s = spent_s()
        places, passed = len(self._audience.places), delivery.passed
        left, cost_s = self._slice_viewers, 0.0
        while left > 0 and cost_s < within_s and delivery.is_under_way:
            slow = delivery.step(min(_STRIDE, left))
            if slow:
                self._on_slow(slow)
            left -= _STRIDE
            cost_s = spent_s() - began_s
        self.has_turn = delivery.is_under_way
        self._on_paid(cost_s, (delivery.passed - passed) / max(1, places))
