"""How much of what one connection sends is taken before it has its answers, on a real socket."""

from __future__ import annotations

import asyncio
import socket
from typing import cast

import pytest
import uvloop

from rooms.log import RoomLog
from server.codec import Command, Method
from server.connection import open_stream
from server.gateway import Gateway
from server.handlers import Promised
from server.live_rooms import LiveRooms, SeedOf
from server.settings import Limits
from server.tokens import Tokens
from server.viewer import Viewer
from tests.support.hostile import BINARY, TEXT, command, frame
from tests.support.wait import wait_until

LIMITS = Limits(commands_burst=10_000)
AT_ONCE = 8


async def viewer_on(connected: socket.socket, gateway: Gateway) -> Viewer:
    transport, _ = await asyncio.get_running_loop().create_connection(
        asyncio.Protocol, sock=connected
    )
    stream = open_stream([], LIMITS.message_bytes_max)
    viewer = gateway.attach(transport, stream, b"", native_ping=False)
    transport.set_protocol(viewer)
    return viewer


def gateway_that_answers(answers: asyncio.Future[None]) -> Gateway:
    """A gateway whose procedures all wait for one future."""
    rooms = LiveRooms(cast(RoomLog, None), cast(SeedOf, None), LIMITS)
    tokens = Tokens("x" * 32, None)
    gateway = Gateway(LIMITS, tokens, rooms, insecure=True, now_ms=lambda: 0)

    def later(viewer: Viewer, asked: Command) -> Promised:
        return Promised(answers, lambda _: viewer.codec.result(asked.id, Method.RPC, b"{}"))

    gateway.handle({Method.RPC: later})
    return gateway


async def read_so_far(viewer: Viewer, commands: int) -> bool:
    """True when so many commands were read, false when no more are read."""

    def taken() -> int:
        return viewer.gateway.counts.commands + len(viewer.backlog or ())

    reading = viewer.transport.is_reading
    await wait_until(lambda: taken() >= commands or not reading(), 10, "what was sent is read")
    return reading()


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_who_has_a_command_waiting_is_read_no_further_than_its_backlog(opcode: int) -> None:
    """However its commands lie in the reads; binary frames go through the full parser."""

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        answers: asyncio.Future[None] = loop.create_future()
        here, there = socket.socketpair()
        with there:
            viewer = await viewer_on(here, gateway_that_answers(answers))
            there.sendall(frame(command(1, "connect", {})))
            for first in range(2, 802, AT_ONCE):
                ids = range(first, first + AT_ONCE)
                together = [frame(command(one, "rpc", {"method": "x"}), opcode) for one in ids]
                there.sendall(b"".join(together))
                sent = first + AT_ONCE - 1
                if not await read_so_far(viewer, sent):
                    break
            waiting = 0 if viewer.backlog is None else len(viewer.backlog)
            is_reading = viewer.transport.is_reading()
            answers.set_result(None)
            await wait_until(lambda: viewer.backlog is None, 10, "everything is answered")
            answered = viewer.gateway.counts.commands
            viewer.transport.abort()
            await asyncio.sleep(0)
        most = LIMITS.viewer_backlog_commands_max
        assert most < waiting <= most + AT_ONCE
        assert not is_reading
        assert answered == sent

    uvloop.run(asyncio.wait_for(scene(), 20))
