"""Names of sources that pages say by themselves: as many as people make up, not as machines can.

Nobody has signed them, and what is counted by them is kept for ever. Channels are those of the
policies, and of campaigns only so many are new in a room and a day.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Container
from dataclasses import replace

from rooms.sharing.policy import OTHER
from rooms.sharing.sources import DIRECT, Source

DAY_MS = 86_400_000
KNOWN_MAX = 20_000


class Labels:
    """The names that one worker has heard. `channels` are those that a policy names."""

    def __init__(
        self, channels: Container[str], new_per_day_max: int, now_ms: Callable[[], int]
    ) -> None:
        self._channels = channels
        self._new_per_day_max = new_per_day_max
        self._now_ms = now_ms
        self._known: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._day = 0
        self._new: Counter[str] = Counter()  # of this day, by room

    def heard(self, room: str, source: Source) -> Source:
        """An unsigned source as it is recorded.

        A channel that no policy names is OTHER, so nobody's page is a back end; beyond
        `new_per_day_max` of the room and day (UTC) a campaign that is not known is OTHER without
        one.
        """
        if source.channel != DIRECT and source.channel not in self._channels:
            source = replace(source, channel=OTHER)
        if not source.campaign:
            return source
        label = (room, source.channel, source.campaign)
        if label not in self._known and not self._take(room):
            return replace(source, channel=OTHER, campaign="")
        self._known[label] = None
        self._known.move_to_end(label)
        if len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
        return source

    def _take(self, room: str) -> bool:
        day = self._now_ms() // DAY_MS
        if day != self._day:
            self._day = day
            self._new.clear()
        if self._new[room] >= self._new_per_day_max:
            return False
        self._new[room] += 1
        return True
