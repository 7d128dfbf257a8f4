"""When to look at a stream again: often while entries come, ever less while none do."""

from __future__ import annotations


class Pace:
    """The times of the looks at one stream, on a monotonic clock in seconds.

    Looks are at least `least_s` apart while they do not find a full hand: entries gather
    meanwhile, and many in one transaction cost little more than one.
    """

    def __init__(self, least_s: float, most_s: float) -> None:
        self._least_s = least_s
        self._most_s = most_s
        self._pause_s = least_s
        self._looked_s = float("-inf")
        self.due_s = float("-inf")

    def found(self, now_s: float, *, all_that_fit: bool) -> None:
        """There were entries; with `all_that_fit` more of them may wait already."""
        self._looked_s = now_s
        self._pause_s = self._least_s
        self.due_s = now_s if all_that_fit else now_s + self._least_s

    def found_nothing(self, now_s: float) -> None:
        """There was nothing, or nothing could be done: the next pause is twice as long."""
        self._looked_s = now_s
        self.due_s = now_s + self._pause_s
        self._pause_s = min(self._pause_s * 2, self._most_s)

    def hurry(self, now_s: float) -> None:
        """Something is there now."""
        self._pause_s = self._least_s
        self.due_s = min(self.due_s, max(now_s, self._looked_s + self._least_s))
