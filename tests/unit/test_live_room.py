"""When a room flushes, on the event loop of production."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from typing import cast

import uvloop

from rooms.frame import Frame
from rooms.log import Batch, Entry, Loaded, RoomLog
from rooms.model import Lane, RoomId, UserId
from rooms.outbox import Outbox, OutboxLimits
from rooms.pacing import Pacing
from rooms.replica import Replica
from server.codec.wire_frames import FrameBuilder
from server.courier import Turns
from server.live_room import LiveRoom
from server.settings import Limits
from server.viewer import Viewer
from tests.support.virtual_time import VirtualTime
from tests.support.wait import wait_until

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
        turns=Turns(limits.fanout_slice_ms),
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


class Scribe(Reader):
    """Keeps what it reads; writing to it takes `write_s` of the processor."""

    def __init__(self, write_s: float = 0.0) -> None:
        super().__init__()
        self.read = b""
        self.write_s = write_s

    def offer(self, frame: Frame) -> bool:
        self.read += frame.whole[0]
        until_s = time.thread_time() + self.write_s
        while time.thread_time() < until_s:
            pass
        return super().offer(frame)

    @property
    def order(self) -> list[str]:
        return re.findall(r'"t":"(\w+)"', self.read.decode("latin-1"))


def batch(offset: int, lane: Lane, name: str) -> Batch:
    entry = Entry(offset, lane, name, b'{"t":"%s"}' % name.encode())
    return Batch("e1", offset, [entry], 0)


def test_a_state_event_boards_a_flush_that_is_on_its_way() -> None:
    """The last viewer has it after one more round, and everybody in the same order."""

    async def scene() -> None:
        room = room_of(Limits(fanout_slice_viewers=64))
        scribes = [Scribe() for _ in range(640)]
        for scribe in scribes:
            room.join(cast(Viewer, scribe))
        room.announced(batch(1, Lane.CHAT, "comment"))
        assert sum(scribe.frames for scribe in scribes) == 64
        room.announced(batch(2, Lane.STATE, "sold_out"))
        await wait_until(lambda: not room.has_pending, 20, "all is delivered")
        assert {tuple(scribe.order) for scribe in scribes} == {("comment", "sold_out")}
        assert sum(scribe.frames for scribe in scribes) == 640 + 64
        room.close()

    uvloop.run(scene())


def test_chat_gathers_behind_a_flush_that_costs_more_than_the_share() -> None:
    """It leaves when its tick is due, with all that came meanwhile, and nobody misses any."""

    async def scene() -> None:
        room, scribe = room_of(Limits()), Scribe(write_s=0.06)
        room.join(cast(Viewer, scribe))
        room.announced(batch(1, Lane.CHAT, "first"))
        for offset, name in enumerate(("second", "third", "fourth"), 2):
            room.announced(batch(offset, Lane.CHAT, name))
        assert (scribe.frames, scribe.order) == (1, ["first"])
        await wait_until(lambda: len(scribe.order) == 4, 20, "the tick is due")
        assert (scribe.frames, scribe.order) == (2, ["first", "second", "third", "fourth"])
        room.close()

    clock = VirtualTime()  # a busy machine does not make the tick due
    clock.run(scene())
    clock.close()
