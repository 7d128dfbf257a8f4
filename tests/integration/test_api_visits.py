"""Visits through the HTTP API: listed, step by step, counted; what is personal is masked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rooms.sharing.sources import Source
from rooms.sharing.visits import Seen, Told
from server.api import Services
from server.database import visit_store
from server.database.visit_store import VisitStore
from tests.support.asgi_client import AsgiClient, check_error
from tests.support.visit_parts import BEGAN_MS, GAP_MS, arrival, event, piece

pytest_plugins = ["tests.support.databases", "tests.support.api_fixtures"]

Bearer = Callable[..., AsgiClient]
DEVICE = "b61f08c2-0000-4000-8000-000000000000"
DAY = "2025-06-15"  # of BEGAN_MS


@pytest.fixture
async def stored(services: Services) -> VisitStore:
    """Three visits: a guest's by alice's link, a member's by a campaign, one of another room."""
    store = VisitStore(services.database, beat_gap_ms=GAP_MS)
    origin: dict[str, Any] = {"net": "203.0.113.0/24", "agent": "0011223344556677"}
    spring = Source("sms", "spring", "lin")
    for pieces in (
        arrival("visit-of-a-guest", user="guest-1", device=DEVICE, **origin),
        arrival("visit-of-bob-000", at_ms=1_000, user="bob", device=DEVICE, source=spring),
        arrival("visit-elsewhere0", at_ms=2_000, room="two"),
    ):
        await store.write(pieces, ())
    return store


async def ids(client: AsgiClient, query: str = "") -> list[str]:
    answer = await client.call("GET", f"/api/v1/visits{query}")
    assert answer.status == 200, answer.body
    return [visit["id"] for visit in answer.json["visits"]]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["elsewhere0", "of-bob-000", "of-a-guest"]),
        ("?room=demo", ["of-bob-000", "of-a-guest"]),
        ("?inviter=alice&room=demo", ["of-a-guest"]),
        ("?channel=sms", ["of-bob-000"]),
        ("?campaign=spring&staff=lin", ["of-bob-000"]),
        ("?link=link-of-alice", ["elsewhere0", "of-a-guest"]),
        ("?person=bob", ["of-bob-000", "of-a-guest"]),
        ("?person=guest-1", ["of-a-guest"]),
        ("?device=b61f08c2", ["of-bob-000", "of-a-guest"]),
        ("?device=b61f08c3", []),
        (f"?from_ms={BEGAN_MS + 1_000}&to_ms={BEGAN_MS + 2_000}", ["of-bob-000"]),
        ("?person=nobody%00", []),
    ],
)
async def test_filters_leave_the_visits_that_were_asked_for(
    stored: VisitStore, key: AsgiClient, query: str, names: list[str]
) -> None:
    assert await ids(key, query) == [f"visit-{name}" for name in names]


async def test_a_visit_says_where_it_came_from_and_nothing_that_names_a_device_or_address(
    stored: VisitStore, key: AsgiClient
) -> None:
    answer = await key.call("GET", "/api/v1/visits?inviter=alice&room=demo")
    visit = answer.json["visits"][0]
    assert visit["source"] == {
        "channel": "wechat",
        "campaign": "",
        "staff": "",
        "inviter": "alice",
        "link": "link-of-alice",
    }
    assert (visit["visible_ms"], visit["comments"], visit["left"]) == (60_000, 1, True)
    assert visit["device"] == DEVICE[:8]
    detail = await key.call("GET", "/api/v1/visits/visit-of-a-guest")
    for body in (answer.body, detail.body):
        assert DEVICE.encode() not in body
        assert b"203.0.113" not in body
        assert b"0011223344556677" not in body


@pytest.mark.parametrize(("pieces_max", "orders_max", "pages"), [(7, 20, 5), (50, 4, 4)])
async def test_a_long_visit_comes_in_pages_without_a_gap(
    services: Services,
    key: AsgiClient,
    monkeypatch: pytest.MonkeyPatch,
    pieces_max: int,
    orders_max: int,
    pages: int,
) -> None:
    monkeypatch.setattr(visit_store, "STEPS_PIECES_MAX", pieces_max)
    monkeypatch.setattr(visit_store, "STEPS_ORDERS_MAX", orders_max)
    ordered = {n: event(Seen.ORDER, n, order=f"s.{n}", outcome="reserved") for n in range(2, 30, 2)}
    told = [piece(f"p{n}", ordered.get(n, event(Told.BEAT, n)), at_ms=n) for n in range(30)]
    await VisitStore(services.database, beat_gap_ms=GAP_MS).write(told, ())
    steps: list[dict[str, Any]] = []
    after, asked = 0, 0
    while after is not None:
        page = (await key.call("GET", f"/api/v1/visits/visit-0000000000?after={after}")).json
        asked += 1
        assert len(page["steps"]) <= pieces_max
        assert sum(step["t"] == "order" for step in page["steps"]) <= orders_max
        steps += page["steps"]
        after = page["next"]
    assert [step["at_ms"] for step in steps] == [BEGAN_MS + n for n in range(30)]
    assert asked == pages


async def test_a_visit_comes_back_step_by_step(services: Services, key: AsgiClient) -> None:
    store = VisitStore(services.database, beat_gap_ms=GAP_MS)
    await store.write(
        [
            piece(
                "p1",
                event(Told.ENTER, 10, referrer="shop.example"),
                event(Told.CARD_OPEN, 900, product="tea"),
                at_ms=1_000,
                explaining="tea",
            ),
            piece(
                "order.x", event(Seen.ORDER, 1_500, order="s.1", outcome="reserved"), at_ms=1_500
            ),
            piece("p2", event(Told.BEAT, 2_000), at_ms=2_100, user="bob"),
        ],
        (),
    )
    answer = await key.call("GET", "/api/v1/visits/visit-0000000000")
    assert answer.status == 200

    def step(t: str, at_ms: int, received_ms: int, user: str, explaining: str, **facts: Any) -> Any:
        return {
            "t": t,
            "at_ms": BEGAN_MS + at_ms,
            "received_at_ms": BEGAN_MS + received_ms,
            "user": user,
            "explaining": explaining,
            "facts": facts,
        }

    assert answer.json["steps"] == [
        step("enter", 10, 1_000, "", "tea", referrer="shop.example"),
        step("card_open", 900, 1_000, "", "tea", product="tea"),
        step("order", 1_500, 1_500, "", "", order="s.1", outcome="reserved"),
        step("signed_in", 2_100, 2_100, "bob", ""),
        step("beat", 2_000, 2_100, "bob", ""),
    ]
    assert answer.json["person"] == "bob"
    assert answer.json["placed"] == []  # the ledger does not know this order


async def test_pages_follow_each_other(services: Services, key: AsgiClient) -> None:
    store = VisitStore(services.database, beat_gap_ms=GAP_MS)
    for number in range(6):
        await store.write(arrival(f"visit-{number:010}", at_ms=number), ())
    first = (await key.call("GET", "/api/v1/visits")).json
    assert len(first["visits"]) == 4
    second = (await key.call("GET", f"/api/v1/visits?after={first['next']}")).json
    found = [visit["id"] for visit in first["visits"] + second["visits"]]
    assert found == [f"visit-{number:010}" for number in range(5, -1, -1)]
    assert second["next"] is None


async def test_a_persons_visits_are_those_of_the_person(
    stored: VisitStore, key: AsgiClient
) -> None:
    answer = await key.call("GET", "/api/v1/people/bob/visits")
    assert [visit["id"] for visit in answer.json["visits"]] == [
        "visit-of-bob-000",
        "visit-of-a-guest",
    ]


async def test_counters_are_by_day_room_and_source(stored: VisitStore, key: AsgiClient) -> None:
    answer = await key.call("GET", f"/api/v1/visits/counters?from_day={DAY}&to_day={DAY}")
    assert answer.status == 200
    rows = [
        (one["room"], one["day"], one["channel"], one["visits"], one["members"], one["comments"])
        for one in answer.json["counters"]
    ]
    assert rows == [
        ("demo", DAY, "sms", 1, 1, 1),
        ("demo", DAY, "wechat", 1, 0, 1),
        ("two", DAY, "wechat", 1, 0, 1),
    ]
    other = await key.call("GET", "/api/v1/visits/counters?to_day=2025-06-14&from_day=2025-06-14")
    assert other.json == {"counters": []}


@pytest.mark.parametrize("query", ["?from_day=2025-01-01&to_day=2025-03-01", "?from_day=tuesday"])
async def test_too_many_days_and_no_days_are_refused(key: AsgiClient, query: str) -> None:
    check_error(await key.call("GET", f"/api/v1/visits/counters{query}"), 400, "from_day")


async def test_a_merchant_sees_the_visits_of_its_rooms(stored: VisitStore, bearer: Bearer) -> None:
    merchant = bearer("two")
    assert await ids(merchant) == ["visit-elsewhere0"]
    assert (await merchant.call("GET", "/api/v1/visits?room=demo")).status == 403
    assert (await merchant.call("GET", "/api/v1/visits/visit-of-bob-000")).status == 404
    assert (await merchant.call("GET", "/api/v1/visits/visit-elsewhere0")).status == 200
    person = await merchant.call("GET", "/api/v1/people/bob/visits")
    assert person.json["visits"] == []
    counted = await merchant.call("GET", f"/api/v1/visits/counters?from_day={DAY}&to_day={DAY}")
    assert {one["room"] for one in counted.json["counters"]} == {"two"}


async def test_an_unknown_visit_is_not_found(key: AsgiClient) -> None:
    check_error(await key.call("GET", "/api/v1/visits/visit-of-nobody-0"), 404, "id")
