"""What an audience decides before it connects: who comes when, who watches, what is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.rehearsal.audience import CannotRun, Part, arrivals, chosen, read_files
from loadtest.rehearsal.notes import HELD_MAX, SHOWN_MAX, Notes, thinned
from loadtest.rehearsal.plan import Item, Phases, Plan, Promise
from loadtest.rehearsal.records import OK, Sample
from loadtest.rehearsal.seats import Door, _outcome

PLAN = Plan(
    title="Big day",
    items=(Item("mug", "Mug", 1, 1),),
    promise=Promise(arrive_s=20),
    phases=Phases(warm_s=10),
)
T0_US = 1_000_000_000
BEGIN_US, LAST_US = T0_US - 30_000_000, T0_US - 10_000_000


def test_viewers_come_one_in_each_equal_part_of_the_arrival() -> None:
    instants = arrivals(PLAN, T0_US, "audience-1", 100, now_us=0)
    each_us = (LAST_US - BEGIN_US) / 100
    assert [int((us - BEGIN_US) / each_us) for us in instants] == list(range(100))
    assert instants == arrivals(PLAN, T0_US, "audience-1", 100, now_us=0)
    assert instants != arrivals(PLAN, T0_US, "audience-2", 100, now_us=0)


def test_an_audience_that_starts_late_uses_what_is_left_of_the_arrival() -> None:
    now_us = BEGIN_US + 15_000_000
    instants = arrivals(PLAN, T0_US, "audience-1", 50, now_us)
    assert now_us < instants[0] <= instants[-1] <= LAST_US


def test_an_audience_that_starts_after_the_arrival_comes_at_once() -> None:
    now_us = T0_US + 5_000_000
    instants = arrivals(PLAN, T0_US, "audience-1", 50, now_us)
    assert now_us < min(instants) <= max(instants) <= now_us + 1_000_000


@pytest.mark.parametrize(("count", "wanted"), [(10, 3), (10, 10), (3, 10), (5, 0), (0, 2)])
def test_witnesses_are_spread_over_those_who_come(count: int, wanted: int) -> None:
    places = sorted(chosen(count, wanted))
    assert len(places) == min(count, wanted)
    assert all(0 <= place < count for place in places)
    assert not places or places[0] == 0


@pytest.mark.parametrize(
    ("url", "door"),
    [
        ("ws://127.0.0.1:8000/rehearsal/connection/websocket", ("127.0.0.1", 8000, False)),
        ("ws://shop.example/rehearsal/connection/websocket", ("shop.example", 80, False)),
        ("wss://shop.example/rehearsal/connection/websocket", ("shop.example", 443, True)),
    ],
)
def test_an_address_names_host_port_and_path(url: str, door: tuple[str, int, bool]) -> None:
    found = Door.of(url, "r")
    assert (found.host, found.port, found.is_secure) == door
    assert found.path == "/rehearsal/connection/websocket"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/", "ws:///path", "127.0.0.1:8000"])
def test_what_is_no_address_of_a_websocket_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no address of a WebSocket"):
        Door.of(url, "r")


@pytest.mark.parametrize(
    ("why", "outcome"),
    [
        ("FramingError: 503 Service Unavailable", "error 503"),
        ("Refused: 103 permission denied", "error 103"),
        ("3500 invalid token", "error 3500"),
        ("3001", "error 3001"),
        ("ConnectionRefusedError: [Errno 111] Connect call failed", "unknown"),
        ("lost", "unknown"),
        ("TimeoutError", "unknown"),
    ],
)
def test_an_attempt_that_failed_is_named_by_the_servers_answer(why: str, outcome: str) -> None:
    assert _outcome(why) == outcome


def test_a_run_without_its_files_says_which_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match=r"plan\.json"):
        read_files(Part(tmp_path, "audience-1", 0, 1, 0))


def test_a_second_is_shown_once_with_its_latencies_and_its_samples_are_handed_on() -> None:
    notes = Notes()
    notes.push("comment", 1_000, 3_500, "u1")
    notes.sample(Sample("connect", "connect", 0, 0, 7_000, OK, "u1"))
    notes.sample(Sample("connect", "connect", 0, 60_000, 7_000, "error 503", "u2"))
    samples = notes.taken()
    assert [(each.kind, each.took_us) for each in samples] == [
        ("push", 2_500),
        ("connect", 7_000),
        ("connect", 7_000),
    ]
    assert notes.seconds[0] == {
        "number": 1,
        "pushes": {"comment": [2.5]},
        "connects": [7.0],
        "refused": ["error 503"],
    }
    assert notes.taken() == []
    assert notes.seconds[1]["pushes"] == {}


def test_what_does_not_fit_is_counted_and_a_busy_second_is_shown_thinned() -> None:
    notes = Notes()
    for _ in range(HELD_MAX + 3):
        notes.push("comment", 0, 1_000, "u1")
    assert (len(notes.samples), notes.lost) == (HELD_MAX, 3)
    notes.taken()
    assert len(notes.seconds[0]["pushes"]["comment"]) <= SHOWN_MAX


@pytest.mark.parametrize("count", [0, 1, SHOWN_MAX, SHOWN_MAX + 1, 5 * SHOWN_MAX])
def test_thinning_keeps_order_and_bound(count: int) -> None:
    kept = thinned(list(range(count)))
    assert len(kept) <= SHOWN_MAX
    assert kept == sorted(kept)
    assert bool(kept) == bool(count)
