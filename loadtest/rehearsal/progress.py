"""How far a rehearsal is, for whoever watches the terminal: one line, renewed or now and then.

On a terminal the line is renewed where it stands; elsewhere, in a log of CI, a plain line is
written every few seconds, with the most orders a second since the last one.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from typing import Final, TextIO

PLAIN_EVERY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a rehearsal stands. `to_t0_s` counts down to T0, below 0 after it; None: not yet."""

    phase: str
    to_t0_s: float | None = None
    viewers: int = 0  # connections, those of the buyers too
    wanted: int = 0
    orders_per_s: float = 0.0
    sold: int = 0  # units that are paid for or held
    stock: int = 0
    lag_ms: int = 0
    books: str = ""  # ok, catching up, or what is wrong
    unreachable: bool = False

    @property
    def line(self) -> str:
        clock = "" if self.to_t0_s is None else f"T{-self.to_t0_s:+.0f} s"
        parts = [
            f"{self.phase:<8} {clock:>8}",
            f"people {self.viewers}/{self.wanted}",
            f"orders/s {self.orders_per_s:.0f}",
            f"sold {self.sold}/{self.stock}",
            f"lag {self.lag_ms} ms",
            f"books {self.books or '-'}",
        ]
        if self.unreachable:
            parts.append("the server does not answer")
        return " · ".join(parts)


class Display:
    """Writes standings and lines to a stream; a terminal's line is renewed in place."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._renews = stream.isatty()
        self._shown = ""
        self._last = (float("-inf"), "")  # when a plain line was written, and of which phase
        self._most_per_s = 0.0  # since then

    def show(self, standing: Standing) -> None:
        """Show where it stands now."""
        if self._renews:
            columns = shutil.get_terminal_size().columns - 1
            self._write(f"\r\x1b[K{standing.line[:columns]}")
            self._shown = standing.line
            return
        at_s, phase = self._last
        self._most_per_s = max(self._most_per_s, standing.orders_per_s)
        if standing.phase != phase or time.monotonic() - at_s >= PLAIN_EVERY_S:
            self._last = (time.monotonic(), standing.phase)
            self._write(replace(standing, orders_per_s=self._most_per_s).line + "\n")
            self._most_per_s = 0.0

    def say(self, text: str) -> None:
        """A line that stays."""
        self._write(f"\r\x1b[K{text}\n" if self._shown else f"{text}\n")
        self._shown = ""

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
