"""What may wait a moment travels with what comes next to the same reader."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from server.codec.wire_frames import JSON_PLAIN
from server.gateway import Gateway
from server.settings import Limits
from server.soon import Soon
from server.viewer import Viewer
from tests.support.wait import wait_until


class Wire(asyncio.Transport):
    """A socket that keeps what is written, one item per write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data)[2:])  # without the head of a short frame

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False


class Bounds:
    """The part of a gateway that a viewer asks."""

    limits = Limits()


def viewer_on(wire: Wire) -> Viewer:
    bounds = cast(Gateway, Bounds())
    return Viewer(bounds, wire, cast(Any, None), JSON_PLAIN, native_ping=False)


async def test_a_reply_takes_along_what_waits_in_one_write_and_in_order() -> None:
    wire, soon = Wire(), Soon()
    viewer = viewer_on(wire)
    soon.send(viewer, [b"1"])
    soon.send(viewer, [b"2"])
    assert wire.writes == []
    viewer.send([b"3"])
    assert wire.writes == [b"1\n2\n3"]


async def test_without_a_reply_it_is_sent_by_itself_and_once() -> None:
    first, second, soon = Wire(), Wire(), Soon()
    with_reply, without = viewer_on(first), viewer_on(second)
    soon.send(with_reply, [b"1"])
    soon.send(without, [b"2"])
    with_reply.send([b"reply"])
    await wait_until(lambda: second.writes, 20, "the message is sent")
    assert (first.writes, second.writes) == ([b"1\nreply"], [b"2"])
    soon.send(without, [b"3"])
    await wait_until(lambda: len(second.writes) == 2, 20, "the next one is sent")


async def test_to_a_reader_who_left_nothing_is_sent() -> None:
    wire, soon = Wire(), Soon()
    viewer = viewer_on(wire)
    soon.send(viewer, [b"1"])
    viewer.closing = True
    stays = viewer_on(other := Wire())
    soon.send(stays, [b"2"])
    await wait_until(lambda: other.writes, 20, "the neighbour's message is sent")
    assert wire.writes == []
