"""When the drills of a plan begin, through what the load comes, and that each leaves a line."""

from __future__ import annotations

import socket
import time
import urllib.parse
from pathlib import Path

import pytest

from loadtest.rehearsal.drilling import Drilling
from loadtest.rehearsal.http import Api
from loadtest.rehearsal.plan import Drill, Item, Plan
from loadtest.rehearsal.records import Brief, DrillReport, read_lines
from loadtest.rehearsal.shadow import Shadow
from tests.support.wait import wait_until_sync

NOWHERE = "http://127.0.0.1:9"  # nothing listens at this port
CUT = Drill("cut_network", 3_000)
STORM = Drill("webhook_storm", 3_000)


def shadow_of(*drills: Drill, base_url: str = NOWHERE) -> Shadow:
    plan = Plan("drills", (Item("mug", "Mug", 1, 100),), drills=drills)
    own, shop = Api(base_url), Api(f"{base_url}/rehearsal")
    return Shadow("rh-0a1b2c3d", plan, server=own, api=own, shop=shop)


def brief_of(shadow: Shadow) -> Brief:
    """T0 is now."""
    t0_ms = time.time_ns() // 1_000_000
    url = shadow.websocket_url
    return Brief(shadow.run, shadow.shop.base_url, url, "", "room", "sale", ("mug",), t0_ms)


def lines(directory: Path) -> list[DrillReport]:
    return list(read_lines(directory, "drills.jsonl", DrillReport))


@pytest.mark.parametrize(
    ("drills", "base_url", "alone"),
    [
        ((STORM,), NOWHERE, True),
        ((CUT,), NOWHERE, False),
        ((CUT,), "https://shop.example.com", True),
    ],
)
def test_load_comes_directly_where_nothing_is_cut_or_not_all_of_it_could_come_here(
    tmp_path: Path, drills: tuple[Drill, ...], base_url: str, alone: bool
) -> None:
    shadow = shadow_of(*drills, base_url=base_url)
    with Drilling(shadow, tmp_path, alone=alone) as drilling:
        assert drilling.through(shadow.websocket_url) == shadow.websocket_url


def test_load_comes_through_a_proxy_when_the_network_is_to_be_cut(tmp_path: Path) -> None:
    shadow = shadow_of(CUT, STORM)
    with Drilling(shadow, tmp_path) as drilling:
        through = drilling.through(shadow.websocket_url)
    assert through != shadow.websocket_url
    assert through.startswith("ws://127.0.0.1:")
    assert through.endswith("/rehearsal/connection/websocket")


def test_a_drill_whose_time_never_came_has_a_line_that_says_so(tmp_path: Path) -> None:
    shadow = shadow_of(STORM)
    with Drilling(shadow, tmp_path) as drilling:
        drilling.begin(brief_of(shadow))
        drilling.begin_due()
    (line,) = lines(tmp_path)
    assert (line.kind, line.refused) == ("webhook_storm", "the rehearsal was over before")


def test_each_drill_begins_once_and_one_that_cannot_be_done_says_why(tmp_path: Path) -> None:
    shadow = shadow_of(Drill("webhook_storm", -5), Drill("stop_ledger", 0))
    with Drilling(shadow, tmp_path) as drilling:
        drilling.begin_due()
        assert lines(tmp_path) == []  # T0 is not known yet
        drilling.begin(brief_of(shadow))
        drilling.begin_due()
        drilling.begin_due()
        wait_until_sync(drilling.is_over, 60, "both are over")
    found = lines(tmp_path)
    assert sorted(line.kind for line in found) == ["stop_ledger", "webhook_storm"]
    assert all("cannot be reached" in line.refused for line in found)


def test_a_drill_that_does_not_end_in_time_counts_as_not_recovered_from(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes a request and says nothing
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        shadow = shadow_of(Drill("stop_ledger", 0), base_url=url)
        with Drilling(shadow, tmp_path) as drilling:
            drilling.begin(brief_of(shadow))
            drilling.begin_due()
    (line,) = lines(tmp_path)
    assert (line.kind, line.refused, line.recovered_after_s) == ("stop_ledger", "", -1)
    wait_until_sync(drilling.is_over, 60, "its thread has ended")
    assert lines(tmp_path) == [line]


def test_the_proxy_ends_with_the_drills(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as target:
        target.settimeout(5)
        url = f"http://127.0.0.1:{target.getsockname()[1]}"
        with Drilling(shadow_of(CUT, base_url=url), tmp_path) as drilling:
            port = urllib.parse.urlsplit(drilling.through(url)).port
            with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
                client.sendall(b"hello")
                server_side, _ = target.accept()
                with server_side:
                    server_side.settimeout(5)
                    assert server_side.recv(5) == b"hello"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
