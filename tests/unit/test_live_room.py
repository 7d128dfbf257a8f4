"""When a room flushes, on the event loop of production."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import cast

import uvloop

from rooms.frame import Frame
from rooms.log import Loaded, RoomLog
from rooms.model import RoomId, UserId
from rooms.outbox import Outbox, OutboxLimits
from rooms.pacing import Pacing
from rooms.replica import Replica
from server.codec.wire_frames import FrameBuilder
from server.live_room import LiveRoom
from server.settings import Limits
from server.viewer import Viewer

ROOM = RoomId("show")


class Reader:
    """Somebody in the room, always quick enough."""

    user_id = UserId("ann")
    encoding = 0

    def __init__(self) -> None:
        self.frames = 0

    def offer(self, frame: Frame) -> bool:
        self.frames += 1
        return True


def room_of(limits: Limits) -> LiveRoom:
    replica = Replica(ROOM, Loaded("e1", 0, {}, [], 0, {}, frozenset(), 0), events_max=10)
    unused_log = cast(RoomLog, None)  # nobody in these tests says anything
    outbox = Outbox(
        ROOM, unused_log, OutboxLimits(), numbers=itertools.count(), now_s=time.monotonic
    )
    return LiveRoom(
        replica,
        outbox,
        builder=FrameBuilder(64),
        pacing=Pacing(loop_percent=30, tick_ms_max=250, burst_ms=50),
        limits=limits,
        on_gap=lambda _room: None,
    )


def test_values_that_come_within_half_a_millisecond_of_the_tick_are_taken_in() -> None:
    """uvloop gives a plain handle, without an instant, for so short a wait."""

    async def many() -> int:
        room, reader = room_of(Limits(pulse_interval_ms=1)), Reader()
        room.join(cast(Viewer, reader))
        until_s = time.monotonic() + 5
        while reader.frames < 50 and time.monotonic() < until_s:
            room.pulse("orders", b"{}")
            room.pulse("orders", b"{}")
            await asyncio.sleep(0)
        room.close()
        return reader.frames

    assert uvloop.run(many()) >= 50
