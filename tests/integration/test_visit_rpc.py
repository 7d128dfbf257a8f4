"""Visits over the WebSocket of two real workers, written by a real ledger worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import redis

from tests.support.ledger_app import LedgerApp
from tests.support.sale_rpc import Denied, Estate, Stage
from tests.support.wait import wait_until
from tests.support.ws_client import WireClient

pytest_plugins = ["tests.support.sale_rpc_fixtures"]

VISIT = "visit-of-the-page"
DEVICE = "device-of-the-page"


@pytest.fixture(scope="module")
def ledger(estate: Estate) -> Iterator[LedgerApp]:
    app = LedgerApp(estate.directory, estate.redis_url, estate.database_url)
    app.start()
    yield app
    app.end()


class Page:
    """A page that tells of its visit to one room."""

    def __init__(self, stage: Stage, client: WireClient, visit: str = "") -> None:
        self.visit = visit or f"visit-in-{stage.room:-<10}"
        self._stage = stage
        self._client = client

    def batch(self, seq: int, *events: Any) -> dict[str, Any]:
        now_ms = time.time_ns() // 1_000_000
        told = [
            {"at_ms": now_ms, **({"t": one} if isinstance(one, str) else one)} for one in events
        ]
        batch = {"room": self._stage.room, "visit": self.visit, "seq": seq, "device": DEVICE}
        return batch | {"events": told}

    async def tell(self, seq: int, *events: Any) -> Any:
        return await self.send(self.batch(seq, *events))

    async def send(self, batch: dict[str, Any]) -> Any:
        return await self._client.rpc("visit.track", batch)


@pytest.fixture
async def page(stage: Stage) -> AsyncIterator[Page]:
    async with await stage.entered("guest-1") as client:
        yield Page(stage, client)


async def call(stage: Stage, path: str) -> Any:
    return await asyncio.to_thread(stage.estate.workers[0].call, "GET", path)


async def settled(stage: Stage, visit: str, *kinds: str) -> dict[str, Any]:
    """The visit as the API has it, once all these steps are there."""
    found: dict[str, Any] = {}

    async def is_there() -> bool:
        with suppress(OSError):
            found.update(await call(stage, f"/api/v1/visits/{visit}"))
        steps = [step["t"] for step in found.get("steps", ())]
        return all(steps.count(kind) >= kinds.count(kind) for kind in kinds)

    await wait_until(is_there, 15, f"{kinds} of {visit}")
    return found


async def steps_of(stage: Stage, visit: str, count: int) -> list[dict[str, Any]]:
    """The steps of a visit, once there are so many."""
    found: dict[str, Any] = {}

    async def are_there() -> bool:
        with suppress(OSError):
            found.update(await call(stage, f"/api/v1/visits/{visit}"))
        return len(found.get("steps", ())) >= count

    await wait_until(are_there, 15, f"{count} steps of {visit}")
    steps: list[dict[str, Any]] = found["steps"]
    return steps


async def source_of(stage: Stage, placed: dict[str, Any]) -> Any:
    """Where an order came from, as the ledger has it."""
    found = await call(stage, f"/api/v1/orders/{placed['order']['id']}")
    return found.get("source")


async def test_a_visit_comes_back_step_by_step_with_what_the_server_saw(
    ledger: LedgerApp, stage: Stage
) -> None:
    await stage.open_sale(tea=5)
    worker = stage.estate.workers[0]
    shelf = f"/api/v1/rooms/{stage.room}/shelf"
    product = (await call(stage, "/api/v1/products"))["products"][0]["id"]
    await asyncio.to_thread(worker.call, "PUT", shelf, {"products": [product]})
    async with (
        await stage.entered("hana", "host") as host,
        await stage.entered("guest-1") as client,
    ):
        page = Page(stage, client)
        entered = {"t": "enter", "channel": "sms", "campaign": "spring"}
        referrer = {"referrer": "https://blog.example/a/private/path?q=1"}
        assert await page.tell(1, entered | referrer, "visible") == {}
        await host.rpc("product.pin", {"room": stage.room, "product": product})
        await client.event(
            stage.channel, lambda one: one["t"] == "product.pinned", "the product is pinned"
        )
        await page.tell(2, {"t": "card_open", "product": product})
        comment = await client.rpc("comment.send", {"room": stage.room, "text": "hello"})
        await client.rpc("comment.like", {"room": stage.room, "id": comment["id"]})
        for _ in range(3):
            await client.rpc("like.add", {"room": stage.room, "n": 5})
        link = await client.rpc("share.create", {"room": stage.room})
        placed = await client.rpc("order.place", stage.purchase())
        order = placed["order"]["id"]
        await client.rpc("order.pay", {"order": order})
    kinds = ("enter", "card_open", "comment", "comment_like", "like", "share", "order", "paid")
    visit = await settled(stage, page.visit, *kinds, "gone")
    facts = {step["t"]: step["facts"] for step in visit["steps"]}
    assert [step["t"] for step in visit["steps"]][:3] == ["enter", "visible", "card_open"]
    assert facts["enter"]["referrer"] == "blog.example"
    assert facts["card_open"] == {"product": product}
    assert facts["comment"] == {"id": comment["id"]}
    assert sum(step["facts"].get("n", 0) for step in visit["steps"]) == 15
    assert facts["order"] == {"order": order, "outcome": "reserved"}
    assert facts["paid"] == {"order": order}
    assert facts["share"]["link"]
    assert link["code"]
    explained = {step["t"]: step["explaining"] for step in visit["steps"]}
    assert (explained["enter"], explained["card_open"]) == ("", product)
    assert visit["source"]["channel"] == "sms"
    assert visit["source"]["campaign"] == "spring"
    assert (visit["orders"], visit["comments"], visit["likes"]) == (1, 1, 16)
    assert (visit["user"], visit["person"], visit["left"]) == ("guest-1", "", True)
    assert visit["device"] == DEVICE[:8]


async def test_a_batch_counts_once_however_often_and_wherever_it_is_sent(
    ledger: LedgerApp, stage: Stage
) -> None:
    async with await stage.entered("") as one, await stage.entered("", worker=1) as other:
        page, elsewhere = Page(stage, one), Page(stage, other)
        await page.tell(1, "enter")
        seen = page.batch(2, {"t": "card_seen", "product": "tea"})
        for client in (one, one, other):
            assert await client.rpc("visit.track", seen) == {}
        await elsewhere.tell(3, "leave")
    visit = await settled(stage, page.visit, "enter", "card_seen", "leave", "gone", "gone")
    assert visit["cards_seen"] == 1
    assert (visit["user"], visit["person"]) == ("", "")


async def test_a_visit_goes_on_under_the_member_who_signs_in(
    ledger: LedgerApp, stage: Stage
) -> None:
    async with await stage.entered("guest-7") as client:
        page = Page(stage, client)
        await page.tell(1, "enter", "visible")
    async with await stage.entered("bob", worker=1) as client:
        await Page(stage, client).tell(2, "beat")
    visit = await settled(stage, page.visit, "enter", "signed_in", "beat")
    assert (visit["user"], visit["person"]) == ("bob", "bob")
    found = await call(stage, "/api/v1/people/bob/visits")
    assert page.visit in [one["id"] for one in found["visits"]]


async def test_a_signed_code_says_who_invited_and_a_bad_one_says_nothing(
    ledger: LedgerApp, stage: Stage
) -> None:
    async with await stage.entered("alice") as alice:
        link = await alice.rpc("share.create", {"room": stage.room, "channel": "weibo"})
    async with await stage.entered("") as one, await stage.entered("") as other:
        invited = Page(stage, one, f"visit-invited-{stage.room}")
        await invited.tell(1, {"t": "enter", "share": link["code"]})
        forged = Page(stage, other, f"visit-forged--{stage.room}")
        code = "A" * 16
        await forged.tell(1, {"t": "enter", "share": code, "channel": "sms"})
    visit = await settled(stage, invited.visit, "enter", "gone")
    assert visit["source"]["inviter"] == "alice"
    assert visit["source"]["channel"] == "weibo"
    assert visit["source"]["link"]
    visit = await settled(stage, forged.visit, "enter", "gone")
    assert (visit["source"]["inviter"], visit["source"]["link"]) == ("", "")
    assert visit["source"]["channel"] == "sms"


async def test_without_a_name_the_connection_is_the_visit(ledger: LedgerApp, stage: Stage) -> None:
    now_ms = time.time_ns() // 1_000_000
    async with await stage.entered("") as client:
        told = {"room": stage.room, "events": [{"t": "enter", "at_ms": now_ms}]}
        await client.rpc("visit.track", told)
        await client.rpc("visit.track", told | {"events": [{"t": "leave", "at_ms": now_ms}]})
    rows: list[Any] = []

    async def is_there() -> bool:
        found = await call(stage, f"/api/v1/visits?room={stage.room}")
        rows[:] = found["visits"]
        return bool(rows) and rows[0]["left"]

    await wait_until(is_there, 15, "the visit of the connection")
    assert len(rows) == 1
    async with await stage.entered("") as other:  # ids of connections are no secret
        with Denied(400, "visit:"):
            await Page(stage, other, rows[0]["id"]).tell(1, "enter")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"events": [{"t": "dance", "at_ms": 1}]}, "events.0.t"),
        ({"events": [{"t": "enter", "at_ms": 1}, {"at_ms": 1}]}, "events.1.t"),
        ({"events": [{"t": "comment", "at_ms": 1, "id": "c"}]}, "events.0.t"),
        ({"events": [{"t": "beat"}]}, "events.0.at_ms"),
        ({"events": [{"t": "beat", "at_ms": -1}]}, "events.0.at_ms"),
        ({"events": [{"t": "beat", "at_ms": "1"}]}, "events.0.at_ms"),
        ({"events": [{"t": "beat", "at_ms": 8_640_000_000_000_001}]}, "events.0.at_ms"),
        ({"events": [{"t": "beat", "at_ms": 1, "sku": "x"}]}, "events.0.sku"),
        ({"events": [{"t": "card_open", "at_ms": 1}]}, "events.0.product"),
        ({"events": [{"t": "card_open", "at_ms": 1, "product": 7}]}, "events.0.product"),
        ({"events": [{"t": "card_open", "at_ms": 1, "product": "a b"}]}, "events.0.product"),
        ({"events": [{"t": "enter", "at_ms": 1, "channel": "x" * 65}]}, "events.0.channel"),
        ({"events": []}, "events"),
        ({"events": [{"t": "beat", "at_ms": 1}] * 51}, "events"),
        ({"visit": "short"}, "visit"),
        ({"seq": 0}, "seq"),
        ({"seq": None}, "seq"),
        ({"device": "a b"}, "device"),
        ({"who": "me"}, "who"),
    ],
)
async def test_what_is_wrong_is_refused_by_its_name(
    page: Page, change: dict[str, Any], field: str
) -> None:
    with Denied(400, f"{field}:"):
        await page.send(page.batch(1, "enter") | change)


async def test_only_who_is_in_the_room_tells_of_a_visit(stage: Stage) -> None:
    app = stage.estate.workers[0]
    async with await WireClient.open(app.ws_url) as client:
        await client.connect("")
        with Denied(404, "room"):
            await Page(stage, client).tell(1, "enter")


async def test_a_connection_does_not_open_visits_without_end(stage: Stage) -> None:
    async with await stage.entered("") as client:
        for number in range(20):
            await Page(stage, client, f"visit-{stage.room}-{number:010}").tell(1, "enter")
        with Denied(429):
            await Page(stage, client, f"visit-{stage.room}-and-one-more").tell(1, "enter")


async def test_a_connection_tells_of_its_rooms_in_turn(ledger: LedgerApp, stage: Stage) -> None:
    worker, aside = stage.estate.workers[0], f"{stage.room}-aside"
    await asyncio.to_thread(worker.call, "POST", "/api/v1/rooms", {"id": aside, "title": "Aside"})
    async with await stage.entered("guest-1") as client:
        await client.subscribe(f"room:{aside}")
        here = Page(stage, client)
        there = Page(replace(stage, room=aside), client, f"visit-{aside:-<20}")
        for seq in range(1, 13):
            await here.tell(seq, "beat")
            await there.tell(seq, "beat")
        for page in (here, there):
            assert "gone" not in [step["t"] for step in await steps_of(stage, page.visit, 12)]
    for page in (here, there):
        assert (await settled(stage, page.visit, "gone"))["steps"][-1]["t"] == "gone"


async def test_an_order_has_no_source_of_a_visit_to_another_room(
    ledger: LedgerApp, stage: Stage
) -> None:
    worker, aside = stage.estate.workers[0], f"{stage.room}-aside"
    await stage.open_sale(tea=10)
    await asyncio.to_thread(worker.call, "POST", "/api/v1/rooms", {"id": aside, "title": "Aside"})
    sent = {"t": "enter", "channel": "sms"}
    async with await stage.entered("bob") as client:
        await client.subscribe(f"room:{aside}")
        await Page(replace(stage, room=aside), client, f"visit-{aside:-<20}").tell(1, sent)
        placed = await client.rpc("order.place", stage.purchase())
        assert await source_of(stage, placed) is None
        await Page(stage, client).tell(1, sent | {"channel": "poster"})
        placed = await client.rpc("order.place", stage.purchase())
        assert (await source_of(stage, placed))["channel"] == "poster"


async def test_nobody_fills_the_record_from_one_connection(stage: Stage) -> None:
    async with await stage.entered("") as client, await stage.entered("") as other:
        loud = Page(stage, client)
        with Denied(429):
            for seq in range(1, 40):  # another visit does not help
                loud.visit = f"visit-{stage.room}-{seq // 8:010}"
                await loud.tell(seq, *["beat"] * 50)
        assert 20 <= seq < 30
        assert await Page(stage, other, f"visit-{stage.room}-calm").tell(1, "enter") == {}


async def test_while_the_log_is_full_pages_are_told_to_try_again(
    ledger: LedgerApp, page: Page, estate: Estate
) -> None:
    with redis.Redis.from_url(estate.redis_url) as client:
        ledger.end()
        try:
            for _ in range(20):
                client.execute_command("EVAL", FILL, 1, "{visits}:log", 10_000)
            with Denied(503, "too many visits"):
                await page.tell(1, "enter")
        finally:
            client.delete("{visits}:log")
            ledger.start()
    assert await page.tell(1, "enter") == {}


FILL = "for i = 1, tonumber(ARGV[1]) do redis.call('XADD', KEYS[1], '*', 'p', '{}') end"


async def test_the_metrics_say_how_far_the_writing_is(
    ledger: LedgerApp, page: Page, estate: Estate
) -> None:
    await page.tell(1, "enter", "visible")
    worker = estate.workers[0]

    async def shows() -> bool:
        text = await asyncio.to_thread(worker.text, "/metrics")
        return "onair_visits_written_total" in text and "onair_visits_lag 0.0" in text

    await wait_until(shows, 15, "the figures of visits")
