"""Seats of an audience against a server that does what real ones seldom do."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from loadtest.rehearsal import seats as seats_module
from loadtest.rehearsal.records import Sample
from loadtest.rehearsal.seats import Door, Seat, Seats
from loadtest.rehearsal.witnesses import RoomWitness, Story
from tests.support.wait import wait_until

WITHIN_S = 30.0
Handler = Callable[[ServerConnection], Awaitable[None]]


def opened(offset: int, *, recovered: bool = False, missed: str = "", ping: int = 25) -> str:
    """The answers to an opening."""
    resumed = ',"recovered":true' if recovered else ""
    joined = f'"epoch":"e","offset":{offset}{resumed},"publications":[{missed}]'
    return f'{{"id":1,"connect":{{"ping":{ping}}}}}\n{{"id":2,"subscribe":{{{joined}}}}}'


def event(offset: int) -> str:
    data = f'{{"t":"notice","id":"{offset}","at_ms":1}}'
    return f'{{"push":{{"channel":"room:r","pub":{{"data":{data},"offset":{offset}}}}}}}'


def missed(offset: int) -> str:
    return f'{{"data":{{"t":"notice","id":"{offset}","at_ms":1}},"offset":{offset}}}'


class Playing:
    """Seats that are being kept, and what they told."""

    def __init__(self, count: int, port: int, *, sockets_max: int = 100) -> None:
        self.told: list[Sample] = []
        story, now_us = Story(), time.time_ns() // 1_000
        self.witness = RoomWitness("u0", story, lambda *_: None)
        each = [Seat(number, f"u{number}", "token", now_us) for number in range(count)]
        each[0].witness = self.witness
        self.seats = Seats(
            Door("127.0.0.1", port, "/", "r"),
            each,
            self.told.append,
            connect_per_s=1_000,
            sockets_max=sockets_max,
        )


@asynccontextmanager
async def playing(count: int, room: Handler, **terms: int) -> AsyncIterator[Playing]:
    async with serve(room, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        found = Playing(count, port, **terms)
        keeping = asyncio.create_task(found.seats.keep())
        try:
            yield found
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping
            await found.seats.leave(5)


async def asked_for(connection: ServerConnection) -> dict[str, Any]:
    """The subscription in the next message of a viewer."""
    line = str(await connection.recv()).splitlines()[-1]
    asked: dict[str, Any] = json.loads(line)["subscribe"]
    return asked


async def test_a_viewer_that_is_put_out_of_the_room_takes_it_up_where_it_was() -> None:
    asked: list[dict[str, Any]] = []

    async def room(connection: ServerConnection) -> None:
        asked.append(await asked_for(connection))
        await connection.send(opened(5))
        await connection.send(event(6))
        put_out = {"channel": "room:r", "unsubscribe": {"code": 2500, "reason": "x"}}
        await connection.send(json.dumps({"push": put_out}, separators=(",", ":")))
        asked.append(await asked_for(connection))
        again = f'"epoch":"e","offset":6,"recovered":true,"publications":[{missed(7)}]'
        await connection.send(f'{{"id":2,"subscribe":{{{again}}}}}')
        await connection.send(event(8))
        await connection.wait_closed()

    async with playing(1, room) as audience:
        witness = audience.witness
        await wait_until(lambda: witness.offset == 8, WITHIN_S, "it heard the last event")
        assert asked[1] == {"channel": "room:r", "recover": True, "offset": 6, "epoch": "e"}
        assert (witness.missing, witness.repeated, witness.resumed) == (0, 0, 1)
        assert (audience.seats.joined, audience.seats.tally.skips) == (1, 0)


@pytest.mark.parametrize(("code", "comes_back"), [(3001, True), (3500, False), (4500, False)])
async def test_who_is_sent_away_for_good_does_not_come_back(code: int, comes_back: bool) -> None:
    comings: list[dict[str, Any]] = []

    async def room(connection: ServerConnection) -> None:
        comings.append(await asked_for(connection))
        await connection.send(opened(5, recovered=len(comings) > 2))
        if len(comings) <= 2:
            await connection.close(code, "go")
        await connection.wait_closed()

    async with playing(2, room) as audience:
        seats = audience.seats
        await wait_until(lambda: sum(seats.losses.values()) == 2, WITHIN_S, "both were closed")
        if not comes_back:
            assert all(seat.is_away for seat in seats.seats)
            assert len(comings) == 2
            return
        await wait_until(lambda: seats.joined == 2, WITHIN_S, "both are back")
        assert {asked.get("offset") for asked in comings[2:]} == {5}
        names = [sample.name for sample in audience.told]
        assert sorted(names) == ["connect", "connect", "reconnect", "reconnect"]


async def test_a_connection_on_which_not_even_pings_come_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(seats_module, "SILENCE_GRACE_S", 0.0)
    comings: list[ServerConnection] = []

    async def room(connection: ServerConnection) -> None:
        comings.append(connection)
        await connection.recv()
        await connection.send(opened(5, recovered=len(comings) > 1, ping=1))
        await connection.wait_closed()

    async with playing(1, room) as audience:
        seats = audience.seats

        def is_back() -> bool:
            seats.drop_silent()
            return len(comings) >= 2

        await wait_until(is_back, WITHIN_S, "it came back")
        assert seats.losses["silent"] >= 1


async def test_more_viewers_than_open_files_are_its_own_fault_and_those_inside_stay() -> None:
    async def room(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(opened(5))
        await connection.wait_closed()

    async with playing(5, room, sockets_max=3) as audience:
        seats = audience.seats
        await wait_until(
            lambda: seats.joined == 3 and seats.own_errors >= 2, WITHIN_S, "three are in"
        )
        (why,) = seats.refused
        assert "more than 3 sockets" in why
        assert {sample.outcome for sample in audience.told} == {"ok", "unknown"}


async def test_an_event_that_a_viewer_does_not_get_is_a_skip_though_it_is_no_witness() -> None:
    lines: list[ServerConnection] = []

    async def room(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(opened(5))
        lines.append(connection)
        await connection.wait_closed()

    async with playing(3, room) as audience:
        seats = audience.seats
        await wait_until(lambda: seats.joined == 3 and len(lines) == 3, WITHIN_S, "all are in")
        for line in lines:
            await line.send(event(6))
        await wait_until(lambda: seats.tally.events == 3, WITHIN_S, "all heard it")
        assert (seats.tally.skips, seats.behind()) == (0, 0)
        for line in lines[:2]:
            await line.send(event(7))
        await wait_until(lambda: seats.tally.events == 5, WITHIN_S, "two heard it")
        assert (seats.tally.skips, seats.behind()) == (0, 1)
        for line in lines:
            await line.send(event(8))
        await wait_until(lambda: seats.tally.events == 8, WITHIN_S, "all heard it")
        assert (seats.tally.skips, seats.behind()) == (1, 0)


async def test_who_waits_for_a_slow_server_is_not_late_by_the_generators_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(seats_module, "IN_FLIGHT_MAX", 1)
    answer = asyncio.Event()

    async def room(connection: ServerConnection) -> None:
        await connection.recv()
        await answer.wait()
        await connection.send(opened(5))
        await connection.wait_closed()

    async with playing(2, room) as audience:
        due_us = [seat.next_us for seat in audience.seats.seats]
        waits_us = 1_000_000
        await wait_until(
            lambda: time.time_ns() // 1_000 > max(due_us) + waits_us, WITHIN_S, "it takes a second"
        )
        answer.set()
        await wait_until(lambda: audience.seats.joined == 2, WITHIN_S, "both are in")
        second = audience.told[1]
        assert second.took_us > waits_us
        assert second.late_us < second.took_us - waits_us
