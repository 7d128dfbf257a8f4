"""What a command says on standard error while it works; its result goes to standard output."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_EVERY_S = 1.0


class Progress:
    """Lines for whoever waits. `tick` is quiet for a second after anything was said."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._said_at_s = time.monotonic()

    def say(self, text: str) -> None:
        """One line, now."""
        print(text, file=self._stream, flush=True)
        self._said_at_s = time.monotonic()

    def tick(self, text: str) -> None:
        """One line, unless there was one a moment ago: call it as often as you like."""
        if time.monotonic() - self._said_at_s >= _EVERY_S:
            self.say(text)
