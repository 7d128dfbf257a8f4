"""Names of sources that pages say by themselves: as many as people make up, not as machines can.

Nobody has signed them, and what is counted by them is kept for ever.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from time import monotonic

from rooms.sharing.policy import OTHER
from rooms.sharing.sources import DIRECT, Source
from server.rates import Rate, RateTable
from server.sharing.notes import API_CHANNEL

NEW_BURST = 200  # new names of one room at once
NEW_PER_S = 1 / 60
KNOWN_MAX = 20_000
ROOMS_MAX = 4_096


class Labels:
    """The names that one worker has heard. Beyond the rate a new one counts as OTHER."""

    def __init__(self, now_s: Callable[[], float] = monotonic) -> None:
        self._known: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._new = RateTable(Rate(NEW_PER_S, NEW_BURST, now_s), ROOMS_MAX)

    def heard(self, room: str, source: Source) -> Source:
        """An unsigned source as it is recorded; nobody's page is a back end."""
        if source.channel == API_CHANNEL:
            source = replace(source, channel=OTHER)
        label = (room, source.channel, source.campaign)
        if label[1:] == (DIRECT, ""):
            return source
        if label not in self._known and self._new.take(room):
            return replace(source, channel=OTHER, campaign="")
        self._known[label] = None
        self._known.move_to_end(label)
        if len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
        return source
