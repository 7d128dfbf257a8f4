"""The addresses the server listens on, and those it shows."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import pytest

from server.entrances import Entrances
from server.listening import SPREADS, base_url, bind, bound_unsent, listen, network_url
from server.settings import BadSetting


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("::1", "http://[::1]:8000"),
        ("shop.example", "http://shop.example:8000"),
    ],
)
def test_the_shown_address_can_be_opened_on_this_machine(host: str, url: str) -> None:
    assert base_url(host, 8000) == url


def test_only_a_server_that_others_reach_has_an_address_for_them() -> None:
    assert network_url("127.0.0.1", 8000) is None
    assert network_url("localhost", 8000) is None
    assert network_url("192.168.1.5", 8000) == "http://192.168.1.5:8000"
    shown = network_url("0.0.0.0", 8000)
    assert shown is None or "0.0.0.0" not in shown


def test_a_bound_socket_refuses_connections_until_it_listens() -> None:
    with bind("127.0.0.1", 0) as bound, socket.socket() as visitor:
        place = bound.getsockname()
        assert visitor.connect_ex(place) != 0
        listen(bound)
        with socket.create_connection(place, timeout=5):
            pass


def test_two_that_bind_before_either_listens_are_told_apart() -> None:
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with bind("127.0.0.1", port) as second:
            listen(first)
            with pytest.raises(BadSetting, match=f"ONAIR_PORT: {port} on 127.0.0.1 is in use"):
                listen(second)


def test_all_addresses_means_both_families_where_there_are_two() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with bind("::", 0) as bound:
        listen(bound)
        with socket.create_connection(("127.0.0.1", bound.getsockname()[1]), timeout=5):
            pass


needs_spreading = pytest.mark.skipif(not SPREADS, reason="this kernel does not spread newcomers")


@pytest.fixture
def entrances() -> Iterator[Entrances]:
    """Entrances for four workers, all of which were started."""
    entrances = Entrances("127.0.0.1", 0)
    entrances.open(4)
    for number in range(1, 5):
        entrances.for_worker(number)
    yield entrances
    entrances.close()


def arrivals(entrances: Entrances, newcomers: int) -> Counter[int]:
    """Who comes when so many connect at once: worker -> how many wait at its entrance."""
    guests = [socket.create_connection(("127.0.0.1", entrances.port)) for _ in range(newcomers)]
    came: Counter[int] = Counter()
    for number in range(1, 5):
        with socket.socket(fileno=os.dup(entrances.for_worker(number))) as listener:
            if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                continue
            listener.setblocking(False)
            with suppress(BlockingIOError):
                while True:
                    listener.accept()[0].close()
                    came[number] += 1
    for guest in guests:
        guest.close()
    return came


@needs_spreading
def test_newcomers_are_spread_evenly_over_the_workers(entrances: Entrances) -> None:
    came = arrivals(entrances, 400)
    assert came.total() == 400
    assert all(48 <= came[number] <= 152 for number in range(1, 5)), came  # 100 and 6 sigma


@needs_spreading
def test_nobody_is_sent_to_a_worker_that_died_until_its_next_process_listens(
    entrances: Entrances,
) -> None:
    entrances.abandoned(2)
    entrances.for_worker(2)  # for its next process, which is still starting
    came = arrivals(entrances, 100)
    assert came.total() == 100
    assert 2 not in came
    with socket.socket(fileno=os.dup(entrances.for_worker(2))) as second:
        second.listen()
    assert arrivals(entrances, 100)[2] > 0


@needs_spreading
def test_when_all_workers_died_newcomers_wait_at_the_entrance_of_the_last(
    entrances: Entrances,
) -> None:
    for number in range(1, 5):
        entrances.abandoned(number)
    assert arrivals(entrances, 10) == {4: 10}


def test_two_servers_never_share_an_address(entrances: Entrances) -> None:
    message = f"ONAIR_PORT: {entrances.port} on 127.0.0.1 is in use"
    with pytest.raises(BadSetting, match=message):
        Entrances("127.0.0.1", entrances.port)


@pytest.mark.skipif(not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="this kernel has no bound")
def test_what_a_reader_who_has_stopped_can_leave_in_the_kernel_is_bounded() -> None:
    with bind("127.0.0.1", 0) as entrance:
        bound_unsent(entrance, 65_536)
        listen(entrance)
        with socket.create_connection(entrance.getsockname()) as reader:
            served, _ = entrance.accept()
            with served:
                served.setblocking(False)
                left, piece = 0, bytes(65_536)
                with suppress(BlockingIOError):
                    while left < 8_000_000:
                        left += served.send(piece)
                # what the other end has taken, a window at most, and what may wait here
                taken = reader.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
                assert 65_536 <= left <= taken + 3 * 65_536
