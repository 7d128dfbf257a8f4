"""One clock hand for all connections of a worker: pings, pongs, late connects, late closes.

No connection has a timer of its own. The hand moves once a second and looks at one slot.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Protocol


class Spoke(Protocol):
    """What the wheel turns: a connection."""

    slot: int

    def ping(self) -> None:
        """Send a ping and remember that an answer is due."""

    def check_pong(self) -> None:
        """Close if the answer to the last ping did not come."""

    def connect_overdue(self) -> None:
        """Close: the client never introduced itself."""

    def abort(self) -> None:
        """Cut the connection: the peer did not finish closing."""


class Wheel:
    """`now_s` is monotonic. A stalled loop catches up: no slot is skipped."""

    def __init__(
        self,
        *,
        ping_interval_s: int,
        pong_within_s: int,
        connect_within_s: int,
        close_within_s: int,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ping_interval_s = ping_interval_s
        self._pong_within_s = pong_within_s
        self._connect_within_s = connect_within_s
        self._close_within_s = close_within_s
        self._now_s = now_s
        self._second = int(now_s())
        self._slots: list[dict[Spoke, None]] = [{} for _ in range(ping_interval_s)]
        self._silent: dict[Spoke, int] = {}  # not yet introduced -> second it is due
        self._closing: dict[Spoke, int] = {}

    def __len__(self) -> int:
        """All connections the wheel still knows."""
        return sum(map(len, self._slots)) + len(self._silent) + len(self._closing)

    def accepted(self, spoke: Spoke) -> None:
        """A new connection: it must introduce itself in time."""
        self._silent[spoke] = self._second + self._connect_within_s

    def introduced(self, spoke: Spoke) -> None:
        """Its first ping comes at a random second of the interval: whoever came in a herd is pinged
        no more as one.
        """
        self._silent.pop(spoke, None)
        spoke.slot = (self._second + random.randint(1, self.ping_interval_s)) % self.ping_interval_s
        self._slots[spoke.slot][spoke] = None

    def closing(self, spoke: Spoke) -> None:
        """The close frame is sent: the peer must answer in time."""
        self._forget(spoke)
        self._closing[spoke] = self._second + self._close_within_s

    def lost(self, spoke: Spoke) -> None:
        """The socket is gone."""
        self._forget(spoke)
        self._closing.pop(spoke, None)

    def _forget(self, spoke: Spoke) -> None:
        self._silent.pop(spoke, None)
        if spoke.slot >= 0:
            self._slots[spoke.slot].pop(spoke, None)
            spoke.slot = -1

    async def run(self) -> None:
        """Turn until cancelled."""
        while True:
            # uvloop cuts a wait to whole milliseconds: too early it would turn again and again
            await asyncio.sleep(1.001 - self._now_s() % 1)
            self.turn()

    def turn(self) -> None:
        """Do what is due up to now.

        After a stall the answers may lie unread in the sockets: nobody is closed for a pong that
        is missing now. Whoever has not answered by its next ping is.
        """
        stalled = int(self._now_s()) - self._second > 1
        while self._second < int(self._now_s()):
            self._second += 1
            self._tick(self._second, check_pongs=not stalled)

    def _tick(self, second: int, *, check_pongs: bool) -> None:
        for spoke in _due(self._silent, second):
            spoke.connect_overdue()
        for spoke in _due(self._closing, second):
            del self._closing[spoke]
            spoke.abort()
        if check_pongs:
            for spoke in list(self._slots[(second - self._pong_within_s) % self.ping_interval_s]):
                spoke.check_pong()
        for spoke in list(self._slots[second % self.ping_interval_s]):
            spoke.ping()


def _due(table: dict[Spoke, int], second: int) -> list[Spoke]:
    """The entries whose time has come; a table is in order of its times."""
    due = []
    for spoke, at in table.items():
        if at > second:
            break
        due.append(spoke)
    return due
