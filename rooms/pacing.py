"""How long a busy room gathers before it writes: the tick follows what a flush costs.

What is asked of a worker is counted: the processor time it would take to send every event at once.
Up to a fixed share of the loop it is sent at once, so a quiet room never waits. Above that rooms
gather, and the more is asked the more a flush has to carry: asked for twice the share, half of it
is used, so that a tick is worth its wait. The longest tick is shorter where a flush itself takes
long: who is written to last has waited for both.
"""

from __future__ import annotations

import math

_LARGE_SHARE = 0.75  # of the loop is the most that shorter ticks for large rooms may take
_SMOOTHING = 0.3
_FORGET_AFTER_S = 1.0
_ASKED_WITHIN_S = 0.25  # over which what is asked is averaged
_SERVED = 0.999  # of an audience, in parts that do not quite add up to one


class Pacing:
    """One object per worker, one `RoomPace` per room.

    Costs are seconds of processor time: other programs on the machine do not inflate the tick.
    `burst_ms` is what may be asked at once of a worker that was idle. No room waits longer than
    `tick_ms_max`.
    """

    def __init__(self, *, loop_percent: int, tick_ms_max: int, burst_ms: int) -> None:
        self._share = loop_percent / 100
        self._tick_max_s = tick_ms_max / 1000
        self._burst_s = burst_ms / 1000
        self._debt_max_s = self._share * self._tick_max_s
        self._left_s = self._burst_s  # the allowance; below zero: a debt
        self._asked = 0.0  # seconds of cost a second, lately
        self._counted_at_s = float("-inf")
        self._busy: dict[RoomPace, float] = {}  # by time of flush, with the cost that counts
        self._busy_cost_s = 0.0

    def room(self) -> RoomPace:
        return RoomPace(self)

    def forget(self, pace: RoomPace) -> None:
        self._busy_cost_s -= self._busy.pop(pace, 0.0)

    def tick_s(self, now_s: float) -> float:
        """The tick of every busy room: what all flushes cost, over the share they may take."""
        while self._busy:
            oldest = next(iter(self._busy))
            if now_s - oldest.flushed_at_s < _FORGET_AFTER_S:
                break
            self.forget(oldest)
        if not self._busy:
            self._busy_cost_s = 0.0  # not what rounding left of it
        self._pass_time(now_s)
        share = self._share * min(1.0, self._share / max(self._asked, 1e-9))
        cost_s = max(0.0, self._busy_cost_s)
        longest_s = max(self._tick_max_s - cost_s / 2, cost_s / _LARGE_SHARE)
        return min(cost_s / share, longest_s, self._tick_max_s)

    def allowance_s(self, now_s: float) -> float:
        """What may still be asked without a wait for anybody; below zero: a debt."""
        self._pass_time(now_s)
        return self._left_s

    def ask(self, now_s: float, cost_s: float) -> None:
        """So much more is to be sent, if it is sent at once."""
        self._pass_time(now_s)
        self._left_s = max(self._left_s - cost_s, -self._debt_max_s)
        self._asked += cost_s / _ASKED_WITHIN_S

    def _pass_time(self, now_s: float) -> None:
        passed_s = now_s - self._counted_at_s
        if passed_s > 0:
            self._left_s = min(self._burst_s, self._left_s + self._share * passed_s)
            self._asked *= math.exp(-passed_s / _ASKED_WITHIN_S)
            self._counted_at_s = now_s

    def count(self, pace: RoomPace) -> None:
        """A room is busy, at the cost that it is known for."""
        self.forget(pace)
        self._busy[pace] = pace.cost_s
        self._busy_cost_s += pace.cost_s


class RoomPace:
    """One room: `asks` counts what comes in, `flushes` begins a flush, `paid` tells its cost.

    The next flush may begin before the last one is delivered.
    """

    __slots__ = ("_is_known", "_pacing", "_served", "_spent_s", "cost_s", "flushed_at_s")

    def __init__(self, pacing: Pacing) -> None:
        self._pacing = pacing
        self._spent_s = 0.0  # since a whole audience was served last
        self._served = 0.0  # audiences, since then
        self._is_known = False
        self.cost_s = 0.0  # of one flush
        self.flushed_at_s = float("-inf")

    def asks(self, now_s: float, events: int) -> None:
        """Events came in; each would be a flush if it were sent at once."""
        self._pacing.ask(now_s, events * self.cost_s)

    def flushes(self, now_s: float) -> None:
        self.flushed_at_s = now_s
        self._pacing.count(self)

    def paid(self, cost_s: float, served: float) -> None:
        """A part of a flush took so much; `served` of the audience, 0 to 1, was written to."""
        self._spent_s += cost_s
        self._served += served
        if self._served <= 0:
            return
        cost_s = self._spent_s / self._served
        if self._served >= _SERVED:
            self.cost_s += (_SMOOTHING if self._is_known else 1.0) * (cost_s - self.cost_s)
            self._is_known = True
            self._spent_s = self._served = 0.0
        elif not self._is_known:
            self.cost_s = cost_s  # the first flush of a large room is on its way
        self._pacing.count(self)

    def wait_s(self, now_s: float) -> float:
        """How long the next flush should still gather; 0 while there is allowance left."""
        if self._pacing.allowance_s(now_s) >= 0:
            return 0.0
        due = self.flushed_at_s + self._pacing.tick_s(now_s)
        return max(0.0, due - now_s)
