"""The audience against real sockets: counting, pings, closes, split frames, refusals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Frame, Opcode

from loadtest import frames
from loadtest.dialects import Centrifuge, Plain
from loadtest.swarm import Crowd, Swarm
from loadtest.waiting import until

MARKER = b"bench-event"
WITHIN_S = 10.0
OPENED = (
    '{"id":1,"connect":{"client":"c"}}\n{"id":2,"subscribe":{"epoch":"e","offset":5,"data":{}}}'
)


def publication(number: int, offset: int) -> str:
    data = f'{{"t":"bench-event","n":{number},"sent_us":1}}'
    return f'{{"push":{{"channel":"room:r","pub":{{"data":{data},"offset":{offset}}}}}}}'


@asynccontextmanager
async def serving(
    handler: Callable[[ServerConnection], Awaitable[None]],
) -> AsyncIterator[int]:
    async with serve(handler, "127.0.0.1", 0, compression=None) as server:
        yield next(iter(server.sockets)).getsockname()[1]


async def test_every_viewer_counts_what_it_receives_and_witnesses_check_it() -> None:
    joined: set[ServerConnection] = set()

    async def room(connection: ServerConnection) -> None:
        assert len((await connection.recv()).splitlines()) == 2
        await connection.send(OPENED)
        joined.add(connection)
        await connection.wait_closed()

    async with serving(room) as port:
        swarm = Swarm(Crowd(port, Centrifuge("r"), MARKER, sources=3))
        await swarm.join(30, witnesses=5)
        assert (swarm.tally.sockets_open, swarm.errors) == (30, 0)
        assert len({connection.remote_address[0] for connection in joined}) == 3
        batches = ["\n".join((publication(1, 6), publication(2, 7))), publication(3, 8)]
        for batch in batches:
            await asyncio.gather(*(connection.send(batch) for connection in joined))
        assert await until(lambda: swarm.tally.events == 90, WITHIN_S)
        assert {viewer.events for viewer in swarm.viewers} == {3}
        assert swarm.tally.messages == 60 + 30  # with the answers to the opening
        assert [list(witness.numbers) for witness in swarm.witnesses] == [[1, 2, 3]] * 5
        assert [witness.gaps for witness in swarm.witnesses] == [0] * 5
        await swarm.leave()
        assert swarm.tally.closes == {"left": 30}


async def test_both_kinds_of_ping_are_answered_and_a_close_is_recorded() -> None:
    pongs: asyncio.Queue[str | bytes] = asyncio.Queue()

    async def room(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(OPENED)
        await connection.send("{}")
        pongs.put_nowait(await connection.recv())
        await (await connection.ping())
        pongs.put_nowait("native")
        await connection.close(3001, "shutdown")

    async with serving(room) as port:
        swarm = Swarm(Crowd(port, Centrifuge("r"), MARKER))
        await swarm.join(1)
        async with asyncio.timeout(WITHIN_S):
            assert [await pongs.get(), await pongs.get()] == ["{}", "native"]
        assert await until(lambda: swarm.tally.sockets_open == 0, WITHIN_S)
        assert swarm.tally.closes == {"3001 shutdown": 1}
        assert swarm.errors == 0


async def test_frames_split_anywhere_are_counted_once() -> None:
    event = Frame(Opcode.TEXT, b'{"t":"bench-event","n":1,"sent_us":1}').serialize(mask=False)
    has_gone = asyncio.Event()

    async def room(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        accept = frames.accept_value(frames.UPGRADE_KEY)
        hello = Frame(Opcode.TEXT, b'{"hello":"viewer"}').serialize(mask=False)
        head = b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: %s\r\n\r\n" % accept
        for byte in head + hello + event * 4:
            writer.write(bytes((byte,)))
            await writer.drain()
        writer.write(event * 3)
        await writer.drain()
        await reader.read()
        writer.close()
        await writer.wait_closed()
        has_gone.set()

    server = await asyncio.start_server(room, "127.0.0.1", 0)
    async with server:
        swarm = Swarm(Crowd(server.sockets[0].getsockname()[1], Plain(), MARKER))
        await swarm.join(1, witnesses=1)
        assert await until(lambda: swarm.tally.events == 7, WITHIN_S)
        assert list(swarm.witnesses[0].numbers) == [1] * 7
        await swarm.leave()
        async with asyncio.timeout(WITHIN_S):
            await has_gone.wait()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ('{"id":1,"error":{"code":109,"message":"token expired"}}', "109 token expired"),
        ("not json", "JSONDecodeError"),
    ],
)
async def test_a_viewer_that_is_not_let_in_is_an_error_with_its_reason(
    answer: str, why: str
) -> None:
    async def room(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(answer)
        await connection.wait_closed()

    async with serving(room) as port:
        swarm = Swarm(Crowd(port, Centrifuge("r"), MARKER))
        await swarm.join(2)
        assert await until(lambda: swarm.tally.sockets_open == 0, WITHIN_S)
        [(error, times)] = swarm.tally.errors.items()
        assert why in error
        assert times == 2


async def test_a_server_that_never_answers_is_given_up_on() -> None:
    async def room(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with serving(room) as port:
        swarm = Swarm(Crowd(port, Centrifuge("r"), MARKER, open_within_s=0.2))
        await swarm.join(1)
        assert await until(lambda: swarm.tally.sockets_open == 0, WITHIN_S)
        assert [error.split(":")[0] for error in swarm.tally.errors] == ["opening"]


async def test_nobody_listening_is_an_error_for_every_viewer(unused_tcp_port: int) -> None:
    swarm = Swarm(Crowd(unused_tcp_port, Plain(), MARKER))
    await swarm.join(3)
    assert swarm.errors == 3
    assert swarm.tally.sockets_open == 0
