"""Finished bytes: built once per flush, and the same object written to every member."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """One flush, ready for the wire, per encoding (an index into both tuples).

    `whole` holds everything; `lasting` leaves the pulse out, for a reader who is behind.
    Either may be empty bytes: nothing to write.
    """

    whole: tuple[bytes, ...]
    lasting: tuple[bytes, ...]

    def then(self, later: Frame) -> Frame:
        """Both, in one write."""
        return Frame(
            tuple(map(bytes.__add__, self.whole, later.whole)),
            tuple(map(bytes.__add__, self.lasting, later.lasting)),
        )
