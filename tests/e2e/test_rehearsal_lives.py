"""Rehearsals when their server's processes die, end or are full."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import urllib.error
from http.client import IncompleteRead
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from server.rehearsal.abandoned import WHY
from server.rehearsal.hall_client import hall_path
from tests.e2e.conftest import StartServer
from tests.support.processes import below, is_running
from tests.support.rehearsal_town import (
    PAYMENT_SECRET,
    PLAN,
    Shopfront,
    open_rehearsal,
    real_shop,
)
from tests.support.wait import wait_until
from tests.support.ws_client import WireClient

GUEST = "rh-u000001"
OTHER = "rh-u000002"


async def started(start_server: StartServer, **settings: str) -> Shopfront:
    secret = {"ONAIR_PAYMENT_PROVIDER": "webhook", "ONAIR_PAYMENT_SECRET": PAYMENT_SECRET}
    return real_shop(await asyncio.to_thread(start_server, command="serve", **secret | settings))


async def told_of(shop: Shopfront, run: str) -> Any:
    return await shop.call("GET", f"/api/v1/rehearsals/{run}")


async def workers_of(counter: Shopfront) -> set[str]:
    """The names of the workers that answer just now; one look finds one of them."""
    text = await counter.text("/metrics")
    return set(re.findall(r'onair_connections\{worker="(\w+)"\}', text))


async def test_a_worker_that_was_killed_has_its_wing_again(start_server: StartServer) -> None:
    shop = await started(start_server, ONAIR_WORKERS="2")
    _run, shadow = await open_rehearsal(shop)
    await shadow.furnish()
    seen: set[str] = set()

    async def all_seen(number: int) -> bool:
        # Whoever waited at the socket of a worker that was killed is reset, and comes again.
        with contextlib.suppress(ConnectionError, urllib.error.URLError, IncompleteRead):
            seen.update(*await asyncio.gather(*(workers_of(shadow) for _ in range(8))))
        return len(seen) >= number

    await wait_until(lambda: all_seen(2), 60, "both workers serve the shadow shop")
    buyer = await shadow.enter(GUEST)
    order = (await shadow.buy(buyer))["order"]
    shop.server.kill_worker(shop.server.worker_of(buyer.port))
    await wait_until(lambda: all_seen(3), 60, "the new worker serves it too")
    await shadow.leave()

    again = await shadow.enter(GUEST)
    held = (await again.rpc("order.get", {"order": order["id"]}))["order"]
    assert held["state"] == "reserved"
    await shadow.pay(order)
    await shadow.leave()


async def test_with_a_killed_supervisor_all_ends_and_the_next_one_clears_its_run(
    start_server: StartServer,
) -> None:
    shop = await started(start_server)
    run, shadow = await open_rehearsal(shop)
    await shadow.furnish()
    everything = below(shop.server.program.pid)
    os.kill(shop.server.program.pid, signal.SIGKILL)
    await asyncio.to_thread(shop.server.program.wait)
    await wait_until(lambda: not any(map(is_running, everything)), 60, "all of it has ended")
    left = shop.server.data_dir / "rehearsal" / run
    assert left.exists()

    await asyncio.to_thread(shop.server.start)
    assert not left.parent.exists()
    told = await told_of(shop, run)
    assert (told["state"], told["why"]) == ("failed", WHY)
    assert told["purged_at_ms"] is not None
    assert (await shadow.ask("GET", "/readyz")).status == 404
    next_run, _ = await open_rehearsal(shop)
    assert next_run != run


async def test_a_server_that_ends_shows_visitors_out_and_leaves_no_data(
    start_server: StartServer,
) -> None:
    shop = await started(start_server)
    run, shadow = await open_rehearsal(shop)
    await shadow.furnish()
    buyer = await shadow.enter(GUEST)
    assert await asyncio.to_thread(shop.server.stop, signal.SIGTERM) == 0
    assert await buyer.closed() == (3001, "shutdown")
    assert not (shop.server.data_dir / "rehearsal").exists()
    await shadow.leave()

    await asyncio.to_thread(shop.server.start)
    assert (await told_of(shop, run))["state"] == "failed"


async def test_the_last_places_of_a_worker_are_the_shops(start_server: StartServer) -> None:
    limits = {"ONAIR_VIEWERS_MAX": "6", "ONAIR_REHEARSAL_SPARE_PERCENT": "34"}
    shop = await started(start_server, **limits)
    _run, shadow = await open_rehearsal(shop)
    guests = [await WireClient.open(shadow.ws_url) for _ in range(4)]
    with pytest.raises(InvalidStatus) as full:
        await WireClient.open(shadow.ws_url)
    assert full.value.response.status_code == 503
    viewers = [await WireClient.open(shop.ws_url) for _ in range(2)]
    with pytest.raises(InvalidStatus):  # together they have all the places that there are
        await WireClient.open(shop.ws_url)
    for client in (*guests, *viewers):
        await client.close()


async def test_drills_hit_the_shadow_and_the_shop_goes_on(start_server: StartServer) -> None:
    shop = await started(start_server, ONAIR_REHEARSAL_DRILLS="1")
    await shop.furnish()
    run, shadow = await open_rehearsal(shop)
    await shadow.furnish()
    buyer, guest = await shop.enter("ann"), await shadow.enter(GUEST)
    drill = f"/api/v1/rehearsals/{run}/drills"
    await shop.call("POST", drill, {"kind": "restart_redis", "seconds": 1})
    await shop.pay((await shop.buy(buyer))["order"])

    async def sells() -> bool:
        answer = await shadow.ask("GET", "/readyz")
        return answer.status == 200

    await wait_until(sells, 60, "the shadow's Redis is back")
    await shadow.pay((await shadow.buy(guest))["order"])
    assert not buyer.is_closed
    assert (await shop.ask("GET", "/readyz")).status == 200

    # In the middle of drills it can be ended as at any other time.
    await shop.call("POST", drill, {"kind": "stop_ledger", "seconds": 60})
    await shop.call("POST", drill, {"kind": "restart_redis", "seconds": 1})
    await shop.call("DELETE", f"/api/v1/rehearsals/{run}/data")
    assert not (shop.server.data_dir / "rehearsal").exists()
    await shop.pay((await shop.buy(buyer))["order"])
    await shop.leave()
    await shadow.leave()


async def test_one_rehearsal_at_a_time_and_the_next_one_finds_everything_empty(
    start_server: StartServer,
) -> None:
    shop = await started(start_server)
    run, shadow = await open_rehearsal(shop)
    await shadow.furnish()
    asked = {"title": "A second one", "plan": PLAN, "drive": False}
    busy = await shop.ask("POST", "/api/v1/rehearsals", asked)
    assert busy.status == 409
    assert run in busy.json["error"]["message"]
    await shop.call("DELETE", f"/api/v1/rehearsals/{run}/data")
    _run, empty = await open_rehearsal(shop)
    assert (await empty.call("GET", "/api/v1/rooms"))["rooms"] == []
    assert (await shadow.ask("GET", "/api/v1/rooms")).status == 401  # its key was of the first
    client = await WireClient.open(empty.ws_url)
    with pytest.raises(AssertionError, match="closed with 3500"):
        await client.connect(shadow.token_of(OTHER))
    await client.close()


async def test_a_shop_whose_directory_takes_no_socket_sells_but_does_not_rehearse(
    start_server: StartServer,
) -> None:
    shop = await started(start_server)
    assert await asyncio.to_thread(shop.server.stop) == 0
    hall_path(shop.server.data_dir).mkdir()
    await asyncio.to_thread(shop.server.start)
    await shop.furnish()
    buyer = await shop.enter("ann")
    await shop.pay((await shop.buy(buyer))["order"])
    asked = {"title": "An evening", "plan": PLAN, "drive": False}
    refused = await shop.ask("POST", "/api/v1/rehearsals", asked)
    assert refused.status == 503
    assert "no hall" in refused.json["error"]["message"]
    assert (await shop.call("GET", "/api/v1/rehearsals"))["rehearsals"][0]["state"] == "failed"
    await shop.leave()
