"""What goes between two slices of a flush, on the event loop of production."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine

import pytest
import uvloop

from rooms.frame import Frame
from rooms.hub import Audience, Member
from rooms.model import UserId
from server.courier import Courier, Turns
from tests.support.wait import wait_until

FRAME = Frame((b"x",), (b"x",))


class Processor:
    """A clock of processor time that stands still unless somebody works."""

    def __init__(self) -> None:
        self.spent_s = 0.0

    def work(self, seconds: float) -> None:
        self.spent_s += seconds

    def __call__(self) -> float:
        return self.spent_s


class Reader:
    user_id = UserId("")
    encoding = 0

    def __init__(self, scene: Scene, write_s: float) -> None:
        self.scene = scene
        self.write_s = write_s

    def offer(self, frame: Frame) -> bool:
        self.scene.offers += 1
        self.scene.processor.work(self.write_s)
        return True


class Scene:
    """An audience and its courier; a write takes `write_s` of the processor."""

    def __init__(
        self,
        viewers: int,
        *,
        write_s: float,
        slice_viewers: int = 500,
        beside: Scene | None = None,
    ) -> None:
        self.processor: Processor = Processor() if beside is None else beside.processor
        self.turns: Turns = Turns(5, self.processor) if beside is None else beside.turns
        self.offers = 0
        self.slices: list[float] = []
        self.served = 0.0
        self.slow: list[Member] = []
        audience = Audience()
        for _ in range(viewers):
            audience.add(Reader(self, write_s))
        self.courier = Courier(
            audience,
            self.turns,
            slice_viewers=slice_viewers,
            on_slow=self.slow.extend,
            on_paid=self.paid,
        )

    def paid(self, cost_s: float, served: float) -> None:
        self.slices.append(cost_s)
        self.served += served

    async def arrived(self) -> None:
        await wait_until(lambda: not self.courier.is_under_way, 10, "everything is delivered")


def run(work: Coroutine[None, None, None]) -> None:
    uvloop.run(asyncio.wait_for(work, 20))


def test_a_small_audience_is_served_before_anything_else_happens() -> None:
    async def scene() -> None:
        room = Scene(300, write_s=0.000_01)
        room.courier.carry(FRAME)
        assert (room.offers, room.courier.is_under_way) == (300, False)
        assert room.slices == [pytest.approx(0.003)]
        assert room.served == pytest.approx(1.0)

    run(scene())


@pytest.mark.parametrize(
    ("write_s", "in_a_slice"), [(0.000_001, 500), (0.000_01, 512), (0.000_05, 128), (0.001, 64)]
)
def test_a_slice_ends_at_its_bound_of_viewers_or_of_time(write_s: float, in_a_slice: int) -> None:
    async def scene() -> None:
        room = Scene(2_000, write_s=write_s, slice_viewers=500 if write_s < 0.000_01 else 2_000)
        room.courier.carry(FRAME)
        assert room.offers == in_a_slice
        await room.arrived()
        assert room.offers == 2_000
        assert room.served == pytest.approx(1.0)

    run(scene())


def test_a_reply_that_takes_many_turns_of_the_loop_waits_for_one_slice() -> None:
    async def scene() -> None:
        room = Scene(15_000, write_s=0.000_01)
        room.courier.carry(FRAME)
        first_slice = room.offers
        for _turn in range(12):
            room.processor.work(0.000_2)
            await asyncio.sleep(0)
        assert room.offers == first_slice
        await room.arrived()
        assert room.offers == 15_000

    run(scene())


def test_a_flood_of_other_work_does_not_stop_the_frames() -> None:
    async def scene() -> None:
        room = Scene(15_000, write_s=0.000_01)
        room.courier.carry(FRAME)
        turns = 0
        while room.courier.is_under_way:
            turns += 1
            room.processor.work(0.001)
            await asyncio.sleep(0)
        assert turns <= 7 * len(room.slices)

    run(scene())


def test_what_lies_in_a_socket_is_read_between_two_slices() -> None:
    class Ear(asyncio.Protocol):
        heard_after: int | None = None

        def data_received(self, data: bytes) -> None:
            self.heard_after = room.offers

    room = Scene(5_000, write_s=0.0, slice_viewers=100)

    async def scene() -> None:
        here, there = socket.socketpair()
        with there:
            transport, ear = await asyncio.get_running_loop().create_connection(Ear, sock=here)
            await asyncio.sleep(0)
            there.send(b"a purchase")
            room.courier.carry(FRAME)
            await room.arrived()
            assert ear.heard_after is not None
            assert ear.heard_after <= 200
            transport.close()
            await asyncio.sleep(0)

    run(scene())


def test_a_reply_waits_for_one_slice_of_all_rooms_together() -> None:
    async def scene() -> None:
        first = Scene(2_000, write_s=0.000_01)
        rooms = [first, *(Scene(2_000, write_s=0.000_01, beside=first) for _ in range(19))]
        spent_s = first.processor
        in_a_turn_s = [0.0]
        for room in rooms:
            room.courier.carry(FRAME)
        in_a_turn_s.append(spent_s())
        while any(room.courier.is_under_way for room in rooms):
            began_s = spent_s()
            await asyncio.sleep(0)
            in_a_turn_s.append(spent_s() - began_s)
        assert max(in_a_turn_s) <= 0.006
        assert {room.offers for room in rooms} == {2_000}
        assert all(room.served == pytest.approx(1.0) for room in rooms)

    run(scene())


def test_small_rooms_share_a_slice_and_a_large_one_does_not_starve_them() -> None:
    async def scene() -> None:
        large = Scene(15_000, write_s=0.000_01)
        small = [Scene(10, write_s=0.000_01, beside=large) for _ in range(40)]
        large.courier.carry(FRAME)
        for room in small:
            room.courier.carry(FRAME)
        turns = 0
        while any(room.courier.is_under_way for room in small):
            turns += 1
            await asyncio.sleep(0)
        assert turns <= 5
        assert large.courier.is_under_way
        await large.arrived()
        assert large.offers == 15_000

    run(scene())


def test_nothing_goes_on_after_the_end() -> None:
    async def scene() -> None:
        room = Scene(1_000, write_s=0.0, slice_viewers=100)
        room.courier.carry(FRAME)
        room.courier.close()
        for _ in range(20):
            await asyncio.sleep(0)
        assert room.offers == 100

    run(scene())
