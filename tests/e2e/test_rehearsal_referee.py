"""The referee of a rehearsal on the real server: the same orders from Locust and from a driver."""

from __future__ import annotations

import time
from pathlib import Path
from uuid import uuid4

from loadtest.rehearsal import referee
from loadtest.rehearsal.records import Brief, Referee, record_of
from tests.support.live_server import LiveServer

PER_S = 40.0
SECONDS = 2
ORDERS = 80


def brief_of(server: LiveServer, sku: str) -> Brief:
    """A room and a product of its own."""
    run = f"run-{uuid4().hex[:8]}"
    product = {"id": sku, "title": "Mug", "price_minor": 100, "currency": "CNY"}
    server.call("POST", "/api/v1/products", product)
    server.call("POST", "/api/v1/rooms", {"id": run, "title": "Rehearsal"})
    server.call("PATCH", f"/api/v1/rooms/{run}", {"state": "live"})
    server.call("PUT", f"/api/v1/rooms/{run}/shelf", {"products": [sku]})
    return Brief(
        run=run,
        base_url=server.base_url,
        websocket_url=server.ws_url,
        key=server.settings["ONAIR_API_KEY"],
        room=run,
        sale=f"{run}-sale",
        skus=(sku,),
        t0_ms=round(time.time() * 1000),
    )


def test_both_generators_play_the_same_orders_in_turns_and_what_differs_is_explained(
    live_server: LiveServer, tmp_path: Path
) -> None:
    brief = brief_of(live_server, f"mug-{uuid4().hex[:8]}")
    tokens = [(f"u{number}", live_server.token(f"u{number}")) for number in range(50)]
    found = referee.run(brief, tokens, PER_S, SECONDS, tmp_path)
    assert found.rounds == 4, found.why
    assert record_of(Referee, (tmp_path / "referee.json").read_text()) == found
    assert min(found.locust_p50_ms, found.driver_p50_ms) > 0
    assert min(found.locust_cpu_us, found.driver_cpu_us) > 0
    apart = [
        abs(here - there) > referee.SAME_SHARE * there
        for here, there in (
            (found.locust_p50_ms, found.driver_p50_ms),
            (found.locust_p99_ms, found.driver_p99_ms),
        )
    ]
    assert bool(found.why) == any(apart), found
    for number, side in enumerate(referee.TURNS, 1):
        books = live_server.call("GET", f"/api/v1/sales/{brief.sale}-{number}-{side}/books")
        assert (books["agree"], books["ledger"]["items"][0]["reserved"]) == (True, ORDERS), side
    left = {path.name for path in (tmp_path / "referee").glob("*.json")}
    results = {f"{number}-{side}.out.json" for number, side in enumerate(referee.TURNS, 1)}
    assert left == results  # no file with tokens


def test_what_cannot_be_played_is_said(live_server: LiveServer, tmp_path: Path) -> None:
    brief = brief_of(live_server, f"mug-{uuid4().hex[:8]}")
    found = referee.run(brief, [("u1", "no token")], PER_S, SECONDS, tmp_path)
    assert found.rounds == 0
    assert found.why.startswith("round 1, driver: ")
