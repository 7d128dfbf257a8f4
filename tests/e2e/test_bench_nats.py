"""Viewers and the publisher of NATS against scripted servers on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from loadtest.bench.launch import MARKER, Contender
from loadtest.bench.publisher import Publisher
from loadtest.dialects import Nats, Silent
from loadtest.swarm import Crowd, Swarm
from loadtest.waiting import until

WITHIN_S = 10.0
EVENT = b'{"t":"bench-event","n":%d,"sent_us":1}'


def msg(number: int) -> bytes:
    event = EVENT % number
    return b"MSG bench 1 %d\r\n%s\r\n" % (len(event), event)


async def test_a_viewer_of_nats_joins_counts_and_answers_pings() -> None:
    heard: list[str | bytes] = []

    async def room(connection: ServerConnection) -> None:
        await connection.send(b'INFO {"server_id":"x"}\r\n')
        heard.append(await connection.recv())
        await connection.send(b"PONG\r\n" + msg(1))
        await connection.send(msg(2) + b"PING\r\n" + msg(3))
        heard.append(await connection.recv())
        await connection.wait_closed()

    async with serve(room, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        swarm = Swarm(Crowd(port, Nats("bench"), MARKER.encode()))
        await swarm.join(1, witnesses=1)
        assert await until(lambda: len(heard) == 2, WITHIN_S)
        assert await until(lambda: swarm.tally.events == 3, WITHIN_S)
        assert heard == [Nats("bench").opening, b"PONG\r\n"]  # bytes: binary frames
        assert list(swarm.witnesses[0].numbers) == [1, 2, 3]
        assert swarm.errors == 0
        await swarm.leave()


async def test_where_nobody_greets_the_upgrade_lets_in() -> None:
    async def room(connection: ServerConnection) -> None:
        await connection.send((EVENT % 1).decode())
        await connection.wait_closed()

    async with serve(room, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        swarm = Swarm(Crowd(port, Silent(), MARKER.encode()))
        await swarm.join(2, witnesses=1)
        assert await until(lambda: swarm.tally.events == 2, WITHIN_S)
        assert list(swarm.witnesses[0].numbers) == [1]
        await swarm.leave()


@asynccontextmanager
async def nats_server(verdict: bytes) -> AsyncIterator[tuple[Contender, list[bytes]]]:
    """Takes everything; the second ping, which ends a round, is answered with `verdict`."""
    taken: list[bytes] = []

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x"}\r\n')
        answers = [b"PONG\r\n", verdict]
        while line := await reader.readline():
            taken.append(line)
            if line == b"PING\r\n":
                writer.write(answers.pop(0))
        writer.close()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        ways: dict[str, Any] = {"is_bare": True, "published_by": "nats"}
        yield Contender("nats", Nats("bench"), 1, port, "bench", (), (), (), **ways), taken


async def test_events_go_to_nats_by_tcp_and_a_pong_shows_that_all_were_taken() -> None:
    async with nats_server(b"PONG\r\n") as (contender, taken):
        published = await Publisher(contender).publish(3, 1_000)
    assert (published.answered, published.refused) == (3, {})
    assert taken[0].startswith(b"CONNECT ")
    sizes = [int(line.split()[2]) for line in taken if line.startswith(b"PUB bench ")]
    events = [line for line in taken if MARKER.encode() in line]
    assert sizes == [len(event) - 2 for event in events]
    assert len(sizes) == 3


async def test_what_nats_refuses_is_told() -> None:
    async with nats_server(b"-ERR 'Permissions Violation'\r\n") as (contender, _taken):
        published = await Publisher(contender).publish(2, 1_000)
    assert published.refused == {"-ERR 'Permissions Violation'": 1}


async def test_a_nats_server_that_is_gone_is_a_refusal_of_every_event(
    unused_tcp_port: int,
) -> None:
    contender = Contender(
        "nats", Nats("bench"), 1, unused_tcp_port, "bench", (), (), (), published_by="nats"
    )
    published = await Publisher(contender).publish(2, 1_000)
    assert published.answered == 0
    assert published.refused
