"""Any interleaving of joins, comments, likes, moderation, reconnects and losses, on the twin."""

from __future__ import annotations

import time
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from rooms.adapters.redis_log import Announcing, LogLimits
from rooms.log import Batch, RoomLog
from server.settings import Limits
from tests.support.oracle_store import OracleStore
from tests.support.room_machine import RoomMachine
from tests.support.room_oracle import OracleLog, message_of
from tests.support.room_stage import Deliver, MemoryFeed
from tests.support.room_world import Backend
from tests.support.virtual_time import VirtualTime


class MemoryBackend:
    """The twin of the log, and feeds that hear it a turn of the loop later."""

    def __init__(self, announcing: Announcing) -> None:
        self.keeps_all = announcing is Announcing.LATER
        self._store = OracleStore(
            lambda: int(time.monotonic() * 1_000), announce=self._announce, announcing=announcing
        )
        self._feeds: list[MemoryFeed] = []

    def log(self, worker: str, limits: Limits) -> RoomLog:
        return OracleLog(
            self._store,
            worker,
            LogLimits(
                events_max=limits.history_events_max,
                chat_per_s=limits.chat_per_s,
                chat_burst=limits.chat_burst,
            ),
        )

    def feed(self, worker: str, deliver: Deliver) -> Any:
        feed = MemoryFeed(deliver)
        self._feeds.append(feed)
        return feed

    async def lose_everything(self) -> None:
        self._store.rooms.clear()
        self._store.replicate()

    async def replicate(self) -> None:
        self._store.replicate()

    async def fail_over(self) -> None:
        self._store.fail_over()

    async def close(self) -> None: ...

    def _announce(self, channel: str, batch: Batch) -> None:
        message = message_of(batch)
        for feed in self._feeds:
            feed.publish(channel, message)


class MachineOnTheTwin(RoomMachine):
    """Nothing leaves the process and time is virtual, so every run of a seed is the same."""

    def make_runner(self) -> VirtualTime:
        return VirtualTime()

    async def backend(self, announcing: Announcing) -> Backend:
        return MemoryBackend(announcing)


def test_everybody_sees_the_same_room_whatever_happens():
    run_state_machine_as_test(
        MachineOnTheTwin,
        settings=settings(
            max_examples=150,
            stateful_step_count=60,
            deadline=None,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
