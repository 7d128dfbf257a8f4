"""Faults of the room layer: what was attempted, and whether a retry is safe."""

from __future__ import annotations


class RoomLogUnavailable(Exception):
    """The shared log could not be reached in time; the text says what was attempted.

    Appends carry a batch number, so repeating one with the same number is always safe.
    """


class VisitLogUnavailable(Exception):
    """The log of visits could not be reached in time; the text says what was attempted.

    A piece has a key of its own, so that appending it again is always safe.
    """


class Overloaded(Exception):
    """A named bound was reached; the text names it. Nothing was done; try again later."""

    def __init__(self, bound: str, retry_after_ms: int = 1_000) -> None:
        super().__init__(f"at its bound: {bound}")
        self.bound = bound
        self.retry_after_ms = retry_after_ms


class Gap(Exception):
    """An event does not follow the last one: some were missed, or the stream began anew."""
