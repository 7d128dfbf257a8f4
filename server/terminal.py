"""Tells a terminal that was closed from a request that came by the same signal."""

from __future__ import annotations

import os
from collections.abc import Callable


def terminal_watch() -> Callable[[], bool]:
    """To be called on SIGHUP: whether the terminal of this process went away since now.

    The kernel sends SIGHUP when a terminal closes, after taking it from its processes.
    """
    had_one = _has_terminal()
    return lambda: had_one and not _has_terminal()


def _has_terminal() -> bool:
    try:
        descriptor = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    os.close(descriptor)
    return True
