"""Newcomers are taken from a real listening socket, so many in a turn of the loop."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, cast

import pytest
import uvloop

from server.porter import Porter
from tests.support.wait import wait_until


class Guest(asyncio.Protocol):
    """Greets, and remembers in which turn of the loop it was let in."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)
        self._hall.let_in[self._hall.turn] = self._hall.let_in.get(self._hall.turn, 0) + 1
        self._hall.transports.append(transport)
        transport.write(b"hello")

    def connection_lost(self, exc: Exception | None) -> None:
        self._hall.gone += 1


class Hall:
    def __init__(self) -> None:
        self.turn = 0
        self.let_in: dict[int, int] = {}  # turn -> how many
        self.transports: list[asyncio.Transport] = []
        self.gone = 0

    @property
    def guests(self) -> int:
        return len(self.transports)

    def count_turns(self) -> None:
        self.turn += 1
        self._next = asyncio.get_running_loop().call_soon(self.count_turns)

    async def close(self) -> None:
        self._next.cancel()
        for transport in self.transports:
            transport.abort()
        await wait_until(lambda: self.gone == self.guests, 10, "all are gone")


@contextmanager
def crowd(place: Any, count: int) -> Iterator[list[socket.socket]]:
    """So many who have knocked, by the time this is entered."""
    visitors = [socket.create_connection(place, timeout=10) for _ in range(count)]
    try:
        yield visitors
    finally:
        for visitor in visitors:
            visitor.close()


@pytest.fixture
def entrance() -> Iterator[socket.socket]:
    with closing(socket.create_server(("127.0.0.1", 0), backlog=512)) as listening:
        yield listening


@pytest.fixture
def hall() -> Hall:
    return Hall()


def in_uvloop(work: Any) -> None:
    """The loop that workers run on: the standard one accepts in another way."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


def test_a_herd_is_let_in_a_few_a_turn_and_nobody_is_left_out(
    entrance: socket.socket, hall: Hall
) -> None:
    async def story() -> None:
        with crowd(entrance.getsockname(), 100) as visitors:
            hall.count_turns()
            porter = Porter(entrance, lambda: Guest(hall), per_turn_max=8, backlog=512)
            await wait_until(lambda: hall.guests == 100, 10, "all are in")
            assert max(hall.let_in.values()) <= 8, hall.let_in
            assert len(hall.let_in) >= 100 / 8
            loop = asyncio.get_running_loop()
            for visitor in visitors:
                visitor.setblocking(False)
                assert await loop.sock_recv(visitor, 5) == b"hello"
            porter.close()
            await porter.wait_closed()
            await hall.close()

    in_uvloop(story())


def test_who_waits_when_the_entrance_closes_is_let_in_and_nobody_after(
    entrance: socket.socket, hall: Hall
) -> None:
    async def story() -> None:
        place = entrance.getsockname()
        with crowd(place, 50):
            hall.count_turns()
            porter = Porter(entrance, lambda: Guest(hall), per_turn_max=1, backlog=512)
            porter.close()
            porter.close()
            await porter.wait_closed()
            assert hall.guests == 50
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(place, timeout=1)
            await hall.close()

    in_uvloop(story())


def test_who_waits_when_the_entrance_is_handed_over_is_left_to_the_successor(
    entrance: socket.socket, hall: Hall
) -> None:
    async def story() -> None:
        successors = entrance.dup()
        with crowd(entrance.getsockname(), 50):
            hall.count_turns()
            porter = Porter(entrance, lambda: Guest(hall), per_turn_max=1, backlog=512)
            porter.hand_over()
            porter.close()
            await porter.wait_closed()
            assert hall.guests == 0
            successor = Porter(successors, lambda: Guest(hall), per_turn_max=8, backlog=512)
            await wait_until(lambda: hall.guests == 50, 10, "all are in")
            successor.close()
            await hall.close()

    in_uvloop(story())


def test_a_socket_that_is_only_bound_begins_to_listen(hall: Hall) -> None:
    async def story() -> None:
        hall.count_turns()
        bound = socket.socket()
        bound.bind(("127.0.0.1", 0))
        porter = Porter(bound, lambda: Guest(hall), per_turn_max=8, backlog=512)
        with crowd(bound.getsockname(), 1):
            await wait_until(lambda: hall.guests == 1, 10, "the guest is in")
            porter.close()
            await hall.close()

    in_uvloop(story())


def test_without_open_files_the_porter_rests_says_so_and_then_goes_on(
    entrance: socket.socket, hall: Hall, caplog: pytest.LogCaptureFixture
) -> None:
    class Short(socket.socket):
        """A socket whose machine has run out of open files, until it has some again."""

        failures = 0

        def accept(self) -> Any:
            if self.failures < 1:
                self.failures += 1
                raise OSError(errno.EMFILE, "Too many open files")
            return super().accept()

    async def story() -> None:
        hall.count_turns()
        short = Short(fileno=entrance.detach())
        with crowd(short.getsockname(), 1), caplog.at_level(logging.ERROR, "onair.porter"):
            porter = Porter(short, lambda: Guest(hall), per_turn_max=8, backlog=512)
            await wait_until(lambda: short.failures == 1, 10, "it was short")
            await wait_until(lambda: hall.guests == 1, 10, "the guest is in")
            assert "nobody can be let in for 1 s: [Errno 24]" in caplog.text
            porter.close()
            await porter.wait_closed()
            await hall.close()

    in_uvloop(story())
