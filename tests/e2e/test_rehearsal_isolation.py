"""A rehearsal beside a live room: nothing of the shop sees it, and nothing of it is left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sqlite3
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest
from redis.asyncio import Redis

from server.redis_socket import socket_path, socket_url
from tests.e2e.conftest import keep_errors_of_failures
from tests.support.live_server import API_KEY, LiveServer
from tests.support.processes import below
from tests.support.rehearsal_town import (
    CHANNEL,
    PAYMENT_SECRET,
    ROOM,
    SKU,
    STOCK,
    Shopfront,
    open_rehearsal,
    purge_all,
    real_shop,
)
from tests.support.wait import wait_until
from tests.support.ws_client import WireClient, WireError

GUESTS = tuple(f"rh-u{number:06d}" for number in range(1, 5))


class Provider:
    """Counts who comes to the payment provider's address; it answers nobody."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.port = int(self.listener.getsockname()[1])

    def was_asked(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            connection, _ = self.listener.accept()
            connection.close()
            return True
        return False


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.listener.close()


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, provider: Provider
) -> Iterator[LiveServer]:
    """A shop with a live room and a sale that is open, for all of these tests."""
    failed_before = request.session.testsfailed
    made = LiveServer(
        tmp_path_factory.mktemp("rehearsal"),
        command="serve",
        ONAIR_VISIT_IDLE_S="1",
        ONAIR_FIRST_ACTION_AFTER_MS="0",
        ONAIR_PAYMENT_PROVIDER="webhook",
        ONAIR_PAYMENT_SECRET=PAYMENT_SECRET,
        ONAIR_PAYMENT_REFUND_URL=f"https://127.0.0.1:{provider.port}/refunds",
    )
    try:
        made.start()
        asyncio.run(real_shop(made).furnish())
        yield made
    finally:
        keep_errors_of_failures(request, [made], failed_before)
        made.end()


@pytest.fixture
async def shop(server: LiveServer) -> AsyncIterator[Shopfront]:
    """The shop of the server. Whatever rehearsal there was, it is purged after the test."""
    opened = real_shop(server)
    yield opened
    await opened.leave()
    await purge_all(opened)


def is_available(sale: str) -> int:
    """Units of the one item that can be bought, in the text of a sale."""
    return int(json.loads(sale)["items"][0]["available"])


async def test_a_live_shop_sees_nothing_of_a_rehearsal_and_sells_on(shop: Shopfront) -> None:
    await shop.liven("ann", "bob", "cy")
    await wait_until(shop.invited, 60, "all arrivals are judged")
    before = await shop.settled()
    run, shadow = await open_rehearsal(shop)
    await shadow.furnish()
    await shadow.liven(*GUESTS)
    await wait_until(shadow.invited, 60, "those in the shadow are judged")
    rehearsed = await shadow.settled()
    assert is_available(rehearsed["sale"]) == STOCK - len(GUESTS)
    assert await shop.settled() == before

    # The same sale, the same sku, the same sort of buyer: in each shop one more.
    buyer = shop.clients[0]
    await shop.pay((await shop.buy(buyer))["order"])
    sold = await shop.settled()
    assert is_available(sold["sale"]) == is_available(before["sale"]) - 1
    assert sold["export"] != before["export"]
    assert await shadow.settled() == rehearsed

    assert GUESTS[0] in rehearsed["export"]
    assert run not in sold["export"]
    assert "rh-" not in "".join(sold.values())
    seen = json.dumps([client.messages for client in shop.clients])
    assert "hello from bob" in seen
    assert "rh-" not in seen

    await shadow.leave()
    await shop.call("DELETE", f"/api/v1/rehearsals/{run}/data")
    assert await shop.settled() == sold
    assert all(not client.is_closed for client in shop.clients)


async def test_a_purge_leaves_no_file_no_key_no_row_and_no_process(shop: Shopfront) -> None:
    server = shop.server
    processes = len(below(server.program.pid))
    run, shadow = await open_rehearsal(shop)
    assert len(below(server.program.pid)) > processes
    await shadow.furnish()
    await shadow.liven(*GUESTS)
    gone = (await shop.call("DELETE", f"/api/v1/rehearsals/{run}/data"))["purged"]
    assert gone["keys"] > 10
    assert gone["tables"] > 10
    assert gone["files"] > 2

    assert [await client.closed() for client in shadow.clients] == [(3001, "shutdown")] * 4
    assert (await shadow.ask("GET", "/readyz")).status == 404
    assert [path for path in files_below(server.data_dir) if "rehears" in path] == []
    await wait_until(lambda: len(below(server.program.pid)) == processes, 10, "they have ended")
    async with Redis.from_url(socket_url(socket_path(server.data_dir))) as redis:
        keys = [key async for key in redis.scan_iter()]
        assert keys
        assert [key for key in keys if b"rh-" in key or b"rehears" in key] == []
    assert tables_with(server.data_dir / "onair.db", "rh-") == {"rehearsals", "rehearsal_acts"}


def files_below(directory: Path) -> list[str]:
    return [str(path.relative_to(directory)) for path in directory.rglob("*")]


def tables_with(database: Path, words: str) -> set[str]:
    """The tables in which some value has these words."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        names = "SELECT name FROM sqlite_master WHERE type = 'table'"
        tables = [name for (name,) in opened.execute(names)]
        return {
            name
            for name in tables
            if any(words in str(row) for row in opened.execute(f'SELECT * FROM "{name}"'))
        }


async def test_what_opens_one_shop_does_not_open_the_other(shop: Shopfront) -> None:
    _run, shadow = await open_rehearsal(shop)
    real_token, shadow_token = shop.token_of("ann"), shadow.token_of(GUESTS[0])
    for counter, token in ((shop, shadow_token), (shadow, real_token)):
        client = await WireClient.open(counter.ws_url)
        with pytest.raises(AssertionError, match="closed with 3500"):
            await client.connect(token)
        await client.close()
        for headers in ({"Authorization": f"Bearer {token}"}, {"X-API-Key": other_key(counter)}):
            answer = await counter.ask("GET", "/api/v1/rooms", headers=headers)
            assert answer.status == 401, headers

    await shadow.furnish()
    for counter, guest in ((shop, "dee"), (shadow, GUESTS[0])):
        client = await counter.enter(guest)
        order = (await counter.buy(client))["order"]
        wrong = PAYMENT_SECRET if counter is shadow else shadow.key
        assert (await counter.pay(order, secret=wrong)).status == 401
        await counter.pay(order)

    link = (await shop.clients[-1].rpc("share.create", {"room": ROOM}))["code"]
    with pytest.raises(WireError, match="404"):
        await shadow.clients[0].rpc("share.open", {"code": link})
    assert (await shop.ask("GET", f"/s/{link}")).status == 200
    assert (await shadow.ask("GET", f"/s/{link}")).status == 404
    await shadow.leave()


def other_key(counter: Shopfront) -> str:
    """The key of the other shop: of a rehearsal nobody can tell it from any text."""
    return API_KEY if counter.base else "0" * 64


async def test_the_key_of_a_run_opens_its_rehearsal_and_nothing_else_of_the_shop(
    shop: Shopfront,
) -> None:
    run, shadow = await open_rehearsal(shop)
    key = {"X-API-Key": shadow.key}
    assert (await shop.ask("GET", f"/api/v1/rehearsals/{run}", headers=key)).status == 200
    for path in ("/api/v1/rooms", "/api/v1/export", "/api/v1/orders", "/api/v1/rehearsals"):
        assert (await shop.ask("GET", path, headers=key)).status == 401, path
    for path in ("/api/v1/rehearsals", f"/api/v1/rehearsals/{run}"):
        assert (await shadow.ask("GET", path)).status == 404


async def test_a_refund_of_a_rehearsal_asks_nobody_for_money(
    shop: Shopfront, provider: Provider
) -> None:
    _run, shadow = await open_rehearsal(shop)
    await shadow.furnish()
    for counter, guest in ((shadow, GUESTS[0]), (shop, "ann")):
        client = await counter.enter(guest)
        order = (await counter.buy(client))["order"]
        await counter.pay(order)
        path = f"/api/v1/orders/{order['id']}"
        await wait_until(partial(is_paid, counter, path), 30, "the ledger has it")
        await counter.call("POST", f"{path}/refund", {"restock": True, "reason": "a test"})
        if counter is shadow:
            await wait_until(partial(is_refunded, shadow, path), 30, "it is given back")
            assert not provider.was_asked()
    await wait_until(provider.was_asked, 30, "the shop asks its provider")
    await shadow.leave()


async def is_paid(counter: Shopfront, path: str) -> bool:
    answer = await counter.ask("GET", path)
    return answer.status == 200 and answer.json["state"] == "paid"


async def is_refunded(counter: Shopfront, path: str) -> bool:
    refunds = (await counter.call("GET", path))["refunds"]
    return [refund["state"] for refund in refunds] == ["done"]


async def test_buyers_of_a_rehearsal_may_also_pay_by_the_button(shop: Shopfront) -> None:
    _run, shadow = await open_rehearsal(shop)
    await shadow.furnish()
    client = await shadow.enter(GUESTS[0])
    order = (await shadow.buy(client))["order"]
    paid = (await client.rpc("order.pay", {"order": order["id"]}))["order"]
    assert paid["state"] == "paid"
    await shadow.leave()


async def test_every_answer_of_a_rehearsal_names_it_and_no_other_does(shop: Shopfront) -> None:
    run, shadow = await open_rehearsal(shop)
    await shadow.furnish()
    paths = ("/readyz", "/metrics", f"/r/{ROOM}", "/nothing", "/static/base.css", "/api/v1/rooms")
    for path in paths:
        assert (await shadow.ask("GET", path)).headers["x-onair-rehearsal"] == run, path
        assert "x-onair-rehearsal" not in (await shop.ask("GET", path)).headers, path
    assert (await shadow.ask("GET", "/api/v1/rooms", headers={})).headers[
        "x-onair-rehearsal"
    ] == run
    page = await shadow.text(f"/r/{ROOM}")
    assert f'data-base="/rehearsal" data-rehearsal="{run}"' in page
    assert "data-rehearsal" not in await shop.text(f"/r/{ROOM}")
    for counter, flag in ((shadow, run), (shop, None)):
        client, joined = await WireClient.join(counter.ws_url, CHANNEL)
        assert joined["data"].get("rehearsal") == flag
        await client.close()


async def test_pages_of_a_rehearsal_lead_to_its_own_addresses(shop: Shopfront) -> None:
    _run, shadow = await open_rehearsal(shop)
    await shadow.furnish()
    client = await shadow.enter(GUESTS[0])
    made = await client.rpc("share.create", {"room": ROOM, "product": SKU})
    assert made["url"] == f"/rehearsal/s/{made['code']}"
    page = await shop.text(made["url"])
    assert f"{shop.server.base_url}/rehearsal/s/{made['code']}" in page
    assert (await shop.ask("GET", made["qr"])).status == 200
    await shadow.leave()


@pytest.mark.parametrize("path", ["/rehearsal/readyz", "/rehearsal/api/v1/rooms", "/rehearsal/"])
async def test_without_a_rehearsal_there_is_nothing_below_its_path(
    shop: Shopfront, path: str
) -> None:
    answer = await shop.ask("GET", path)
    assert answer.status == 404
    assert answer.json["error"]["message"] == "no rehearsal is on"


async def test_people_who_open_a_room_of_no_rehearsal_get_a_page_in_their_language(
    shop: Shopfront,
) -> None:
    for language, words in (("zh-CN", "这里没有直播间"), ("en", "There is no room here")):
        headers = {"Accept": "text/html", "Accept-Language": language}
        answer = await shop.ask("GET", f"/rehearsal/r/{ROOM}", headers=headers)
        assert answer.status == 404
        assert words in answer.body.decode()


async def test_ids_of_rehearsals_are_not_given_to_the_shop(shop: Shopfront) -> None:
    room = await shop.ask("POST", "/api/v1/rooms", {"id": "rh-room", "title": "A room"})
    person = {"user": GUESTS[0], "role": "viewer", "rooms": ["*"], "name": "A", "ttl_seconds": 60}
    token = await shop.ask("POST", "/api/v1/tokens", person)
    assert {room.status, token.status} <= {409, 422}
    assert (room.json["error"]["field"], token.json["error"]["field"]) == ("id", "user")
