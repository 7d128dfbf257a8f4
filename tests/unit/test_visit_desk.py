"""The desk of visits on a worker: gathered, bounded, never in anybody's way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from flash_sale.errors import SaleBusy
from rooms.errors import Overloaded, VisitLogUnavailable
from rooms.sharing.sources import Source
from rooms.sharing.visits import Event, Piece, Seen, Told
from server.settings import Limits
from server.sharing import visit_desk
from server.sharing.open_visit import OpenVisits, Origin
from server.sharing.visit_desk import VisitDesk
from server.sharing.visit_wire import parse_piece
from server.viewer import Viewer
from tests.support.wait import wait_until


class Log:
    """Takes pieces, or does not; `gate` closed: an append hangs."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.batches: list[int] = []
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def append(self, pieces: Sequence[bytes]) -> None:
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.batches.append(len(pieces))
        self.pieces += [parse_piece(one, 7) for one in pieces]


def room(pinned: bytes | None = None) -> Any:
    fields = {} if pinned is None else {"pinned": pinned}
    return SimpleNamespace(room_id="demo", replica=SimpleNamespace(fields=fields))


def viewer(here: Any, user: str = "guest-1") -> Viewer:
    facts = {"client_id": "c" * 16, "user_id": user, "rooms": (here,), "visits": OpenVisits()}
    origin = Origin("203.0.113.0/24", "aa", "wechat")
    return cast(Viewer, SimpleNamespace(**facts, origin=origin))


@pytest.fixture
def log() -> Log:
    return Log()


def desk_of(log: Log, **limits: int) -> VisitDesk:
    return VisitDesk(log, Limits(**limits), lambda: 1_000)


async def test_what_is_told_is_stored_with_who_where_and_what_is_explained(log: Log) -> None:
    desk, here = desk_of(log), room(b'{"id":"tea"}')
    one = viewer(here)
    desk.open(one, here, "v" * 16, "d" * 16, Source("sms"))
    await desk.told(one, here, "p1", (Event(Told.ENTER, 5),))
    assert log.pieces == [
        Piece(
            visit="v" * 16,
            key="p1",
            room="demo",
            received_at_ms=7,
            events=(Event(Told.ENTER, 5),),
            device="d" * 16,
            user="guest-1",
            guest=True,
            net="203.0.113.0/24",
            agent="aa",
            app="wechat",
            explaining="tea",
            source=Source("sms"),
        )
    ]
    await desk.told(one, here, "p2", (Event(Told.BEAT, 6),))
    assert log.pieces[1].source is None  # told once it is stored
    await desk.close()


async def test_pieces_gather_while_one_append_is_away(log: Log) -> None:
    desk, here = desk_of(log), room()
    one = viewer(here)
    desk.open(one, here, "v" * 16, "", Source())
    log.gate.clear()
    told = [desk.told(one, here, f"p{n}", (Event(Told.BEAT, n),)) for n in range(100)]
    await asyncio.sleep(0)
    log.gate.set()
    await asyncio.gather(*told)
    assert [piece.key for piece in log.pieces] == [f"p{n}" for n in range(100)]
    assert len(log.batches) <= 2
    await desk.close()


async def test_a_like_is_told_with_those_around_it(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visit_desk, "LIKES_GATHER_S", 0.01)
    desk, here = desk_of(log), room()
    one = viewer(here)
    desk.open(one, here, "v" * 16, "", Source())
    for _ in range(5):
        desk.saw(one, "demo", Seen.LIKE, n=3)
    await wait_until(lambda: log.pieces, 20, "the likes are told")
    assert [event.facts for piece in log.pieces for event in piece.events] == [{"n": 15}]
    desk.saw(one, "demo", Seen.LIKE, n=2)
    desk.gone(one)
    await desk.drain()
    assert [(event.t, dict(event.facts)) for event in log.pieces[-1].events] == [
        ("like", {"n": 2}),
        ("gone", {}),
    ]
    assert one.visits.by_room == {}
    await desk.close()


async def test_what_names_itself_has_a_key_that_counts_once(log: Log) -> None:
    desk, here = desk_of(log), room()
    one = viewer(here)
    desk.open(one, here, "v" * 16, "", Source())
    desk.saw(one, "demo", Seen.COMMENT, id="c1")
    desk.saw(one, "demo", Seen.ORDER, order="s.1", outcome="reserved")
    desk.saw(one, "demo", Seen.SHARE, link="abc")
    await desk.drain()
    assert [piece.key for piece in log.pieces] == ["comment.c1", "order.s.1", "share.abc"]
    await desk.close()


async def test_without_an_open_visit_in_the_room_nothing_is_told(log: Log) -> None:
    desk, here = desk_of(log), room()
    one = viewer(here)
    desk.saw(one, "demo", Seen.COMMENT, id="c1")
    desk.gone(one)
    desk.open(one, here, "v" * 16, "", Source())
    desk.saw(one, "another", Seen.COMMENT, id="c1")
    await desk.drain()
    assert log.pieces == []
    await desk.close()


async def test_at_the_bound_pages_are_refused_and_what_was_seen_is_counted_as_dropped(
    log: Log,
) -> None:
    desk, here = desk_of(log, visit_pieces_waiting_max=2), room()
    one = viewer(here)
    desk.open(one, here, "v" * 16, "", Source())
    log.gate.clear()
    waiting = [desk.told(one, here, "p1", (Event(Told.ENTER, 1),))]
    await asyncio.sleep(0)  # one batch is away; two more may wait
    waiting += [desk.told(one, here, f"p{n}", (Event(Told.BEAT, n),)) for n in (2, 3)]
    with pytest.raises(SaleBusy):
        desk.told(one, here, "p4", (Event(Told.BEAT, 4),))
    desk.saw(one, "demo", Seen.COMMENT, id="c1")
    assert desk.counts.dropped == 1
    log.gate.set()
    await asyncio.gather(*waiting)
    assert desk.counts.pieces == 3
    await desk.close()


async def test_a_full_log_is_the_pages_to_hear_and_never_the_servers_trouble(log: Log) -> None:
    desk, here = desk_of(log), room()
    one = viewer(here)
    log.error = Overloaded("visit_backlog_entries_max")
    visit = desk.open(one, here, "v" * 16, "", Source("sms"))
    with pytest.raises(Overloaded):
        await desk.told(one, here, "p1", (Event(Told.ENTER, 1),))
    desk.saw(one, "demo", Seen.COMMENT, id="c1")
    await desk.drain()
    assert desk.counts.dropped == 1
    log.error = None
    await desk.told(one, here, "p1", (Event(Told.ENTER, 1),))
    assert log.pieces[0].source == Source("sms")  # it was not stored the first time
    assert visit.is_stored
    await desk.close()


async def test_a_log_that_is_away_for_a_moment_costs_a_wait_and_nothing_else(log: Log) -> None:
    desk, here = desk_of(log), room()
    one = viewer(here)
    desk.open(one, here, "v" * 16, "", Source())
    log.error = VisitLogUnavailable("away")
    told = desk.told(one, here, "p1", (Event(Told.ENTER, 1),))
    await asyncio.sleep(0)
    log.error = None
    await told
    assert [piece.key for piece in log.pieces] == ["p1"]
    await desk.close()


async def test_a_visit_that_is_taken_up_again_on_its_connection_loses_nothing(log: Log) -> None:
    desk, here = desk_of(log), room()
    one = viewer(here)
    for number in range(3):
        visit = desk.open(one, here, "vw"[number % 2] * 16, "", Source())
        desk.saw(one, "demo", Seen.LIKE, n=1)
        assert visit.likes == 1
    desk.gone(one)
    await desk.drain()
    assert len({(piece.visit, piece.key) for piece in log.pieces}) == 3
