"""The addresses the server listens on, and those it shows."""

from __future__ import annotations

import socket

import pytest

from server.listening import base_url, bind, listen, network_url
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
