"""How long a busy room gathers before it writes: the tick follows what a flush costs.

Fan-out of all rooms of a worker together takes at most a fixed share of its loop. A quiet
room does not wait; a flush that costs nothing is not delayed.
"""

from __future__ import annotations

_SMOOTHING = 0.3
_FORGET_AFTER_S = 1.0


class Pacing:
    """One object per worker, one `RoomPace` per room.

    Costs are seconds of processor time: other programs on the machine do not inflate the tick.
    """

    def __init__(self, *, loop_percent: int, tick_ms_max: int) -> None:
        self._share = loop_percent / 100
        self._tick_max_s = tick_ms_max / 1000
        self._paces: set[RoomPace] = set()

    def room(self) -> RoomPace:
        pace = RoomPace(self)
        self._paces.add(pace)
        return pace

    def forget(self, pace: RoomPace) -> None:
        self._paces.discard(pace)

    def tick_s(self, now_s: float) -> float:
        """The tick of every busy room: what all flushes cost, over the share they may take."""
        busy_cost = sum(
            pace.cost_s for pace in self._paces if now_s - pace.flushed_at_s < _FORGET_AFTER_S
        )
        return min(busy_cost / self._share, self._tick_max_s)


class RoomPace:
    __slots__ = ("_pacing", "cost_s", "flushed_at_s")

    def __init__(self, pacing: Pacing) -> None:
        self._pacing = pacing
        self.cost_s = 0.0
        self.flushed_at_s = float("-inf")

    def flushed(self, *, started_at_s: float, cost_s: float) -> None:
        """Record a flush: when it began and how much of the loop it took."""
        self.flushed_at_s = started_at_s
        self.cost_s += _SMOOTHING * (cost_s - self.cost_s)

    def wait_s(self, now_s: float) -> float:
        """How long the next flush should still gather; 0 in a quiet room."""
        due = self.flushed_at_s + self._pacing.tick_s(now_s)
        return max(0.0, due - now_s)
