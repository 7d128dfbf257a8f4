"""How many connections are closed without making a herd of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection

from server.replies import Close
from server.viewer import Viewer

WAVE_S = 0.1
WAVE_VIEWERS_MIN = 50  # a small audience need not wait for the whole drain


async def close_in_waves(
    viewers: Collection[Viewer], close: Close, seconds: float, answers_within_s: float
) -> None:
    """Close all of now in even waves over at most `seconds`.

    Who waits for an answer, to a purchase say, gets it first, if it comes within the time for
    answers after the last wave.
    """
    waves = max(1, int(seconds / WAVE_S))
    everybody = list(viewers)
    asking: list[Viewer] = []
    size = max(WAVE_VIEWERS_MIN, -(-len(everybody) // waves))
    for start in range(0, len(everybody), size):
        asking = _close_idle([*asking, *everybody[start : start + size]], close)
        await asyncio.sleep(WAVE_S)
    until_s = time.monotonic() + answers_within_s
    while asking and time.monotonic() < until_s:
        asking = _close_idle(asking, close)
        await asyncio.sleep(WAVE_S)
    for viewer in list(viewers):  # and whoever was just being let in
        viewer.close(close)


def _close_idle(viewers: list[Viewer], close: Close) -> list[Viewer]:
    """Close those whose commands are all answered; returns the others."""
    asking = []
    for viewer in viewers:
        if viewer.backlog is None:
            viewer.close(close)
        else:
            asking.append(viewer)
    return asking
