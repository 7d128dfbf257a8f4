"""Buying and steering over the WebSocket of a real worker, and what everybody else sees of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flash_sale.model import Steering
from rooms.adapters.redis_log import room_key
from rooms.model import RoomId
from server.redis_client import connect
from server.settings import Limits
from tests.support.sale_rpc import Denied, Estate, Stage
from tests.support.shop import PRICE_MINOR
from tests.support.wait import wait_until
from tests.support.worker_app import WorkerApp
from tests.support.ws_client import WireClient

pytest_plugins = ["tests.support.sale_rpc_fixtures"]


# buyers


async def test_a_buyer_orders_pays_and_lists_and_all_their_devices_hear_of_it(stage: Stage) -> None:
    await stage.open_sale(tea=5)
    async with await stage.entered("ann") as phone, await stage.entered("ann", worker=1) as desk:
        await stage.sees_stock(desk)
        answer = await phone.rpc("order.place", stage.purchase())
        order = answer["order"]
        assert (answer["outcome"], order["state"], order["amount_minor"]) == (
            "reserved",
            "reserved",
            PRICE_MINOR,
        )
        assert order["durability"] == "always"
        for _ in range(2):
            paid = await phone.rpc("order.pay", {"order": order["id"]})
            assert paid["order"]["state"] == "paid"
        for device in (phone, desk):
            for state in ("reserved", "paid"):
                await device.event(
                    "#ann",
                    lambda event, state=state: (  # type: ignore[misc]
                        event["t"] == "order" and event["order"]["state"] == state
                    ),
                    f"the order is {state}",
                )
        assert await desk.rpc("order.get", {"order": order["id"]}) == paid
        assert await desk.rpc("order.list", {}) == {"orders": [paid["order"]]}
        with Denied(409, "paid"):
            await phone.rpc("order.cancel", {"order": order["id"]})


async def test_the_same_request_is_answered_alike_by_every_worker(stage: Stage) -> None:
    await stage.open_sale(tea=5)
    asked = stage.purchase()
    async with await stage.entered("ann") as one, await stage.entered("ann", worker=1) as other:
        first = await one.rpc("order.place", asked)
        assert await other.rpc("order.place", asked) == first
        await one.rpc("order.cancel", {"order": first["order"]["id"]})
        assert await one.rpc("order.place", asked) == first
        with Denied(409, "request_id"):
            await other.rpc("order.place", {**asked, "qty": 2})


async def test_a_basket_is_asked_for_by_its_items(stage: Stage) -> None:
    await stage.open_sale(tea=5, mug=5)
    items = [{"sku": "tea", "qty": 2}, {"sku": "mug", "qty": 1}]
    async with await stage.entered("ann") as ann:
        basket = {"sale": stage.sale, "items": items, "request_id": "r1"}
        order = (await ann.rpc("order.place", basket))["order"]
        assert (order["sku"], order["qty"], order["amount_minor"]) == (None, 3, 3 * PRICE_MINOR)


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        ({"sku": "tea", "qty": 1}, 400, "request_id: is missing"),
        ({"qty": 1, "request_id": "r"}, 400, "sku: is missing"),
        ({"sku": "tea", "request_id": "r"}, 400, "qty: is missing"),
        ({"sku": "tea", "qty": 0, "request_id": "r"}, 400, "qty: "),
        ({"sku": "tea", "qty": 1.0, "request_id": "r"}, 400, "qty: "),
        ({"sku": "tea", "qty": 1, "request_id": ""}, 400, "request_id: "),
        ({"sku": "tea", "qty": 1, "request_id": "r" * 65}, 413, "request_id: "),
        ({"items": [], "request_id": "r"}, 400, "items: "),
        ({"items": [{"sku": "tea"}], "request_id": "r"}, 400, "items.0.qty: "),
        (
            {"sku": "tea", "items": [{"sku": "tea", "qty": 1}], "request_id": "r"},
            400,
            "items: ",
        ),
        ({"sku": "tea", "qty": 2, "waitlist": True, "request_id": "r"}, 400, ""),
        ({"sku": "gold", "qty": 1, "request_id": "r"}, 404, "sku: "),
        ({"sale": "autumn", "sku": "tea", "qty": 1, "request_id": "r"}, 404, "sale: "),
        ({"sku": "tea", "qty": 1, "request_id": "r", "price": 1}, 400, "price: "),
    ],
)
async def test_a_request_that_makes_no_sense_is_told_why(
    stage: Stage, request_: dict[str, Any], code: int, text: str
) -> None:
    await stage.open_sale(tea=5)
    async with await stage.entered("ann") as ann:
        with Denied(code, text):
            await ann.rpc("order.place", {"sale": stage.sale, **request_})


async def test_guests_may_look_but_not_buy(stage: Stage) -> None:
    await stage.open_sale(tea=5)
    named = {"order": f"{stage.sale}.{'0' * 24}"}
    async with await stage.entered("") as guest:
        for method, data in (
            ("order.place", stage.purchase()),
            ("order.pay", named),
            ("order.cancel", named),
            ("order.get", named),
            ("order.list", {}),
        ):
            with Denied(401):
                await guest.rpc(method, data)


async def test_another_buyers_order_is_as_unknown_as_one_that_does_not_exist(stage: Stage) -> None:
    await stage.open_sale(tea=5)
    async with await stage.entered("ann") as ann, await stage.entered("bob") as bob:
        order = (await ann.rpc("order.place", stage.purchase()))["order"]["id"]
        for named in (order, f"{stage.sale}.{'0' * 24}", f"nowhere.{'0' * 24}"):
            for method in ("order.pay", "order.cancel", "order.get"):
                with Denied(404, "order: "):
                    await bob.rpc(method, {"order": named})
        assert (await ann.rpc("order.get", {"order": order}))["order"]["state"] == "reserved"


async def test_who_is_banned_from_the_room_cannot_buy_in_its_sales(stage: Stage) -> None:
    await stage.open_sale(tea=5)
    async with await stage.entered("eve") as eve, await stage.entered("mo", "moderator") as mo:
        await mo.rpc("room.ban", {"room": stage.room, "user": "eve", "reason": "rude"})
        await eve.unsubscribed(stage.channel)
        with Denied(403, "banned"):
            await eve.rpc("order.place", stage.purchase())
        assert (await mo.rpc("order.place", stage.purchase()))["outcome"] == "reserved"


async def test_only_the_demos_payments_are_made_over_the_socket(stage: Stage) -> None:
    await stage.open_sale(tea=5)
    estate = stage.estate
    worker = WorkerApp(estate.directory, estate.redis_url, estate.database_url)
    try:
        await asyncio.to_thread(worker.start)
        async with await WireClient.open(worker.ws_url) as ann:
            await ann.connect(worker.token("ann"))
            order = (await ann.rpc("order.place", stage.purchase()))["order"]["id"]
            with Denied(403, "demo"):
                await ann.rpc("order.pay", {"order": order})
    finally:
        worker.end()


async def test_commands_behind_an_order_are_answered_after_it(stage: Stage) -> None:
    await stage.open_sale(tea=5)
    async with await stage.entered("ann") as ann:
        commands = []
        for number in range(10):
            rpc = {"method": "order.place", "data": stage.purchase()}
            if number % 3 == 2:
                rpc = {"method": "time.now", "data": {}}
            commands.append(ann.command("rpc", rpc))
        await ann.send(*commands)
        await ann.reply(commands[-1]["id"])
        answered = [message["id"] for message in ann.messages if "rpc" in message]
        assert answered == [command["id"] for command in commands]


# the room


async def test_the_room_sees_the_stock_and_who_bought_without_their_names(stage: Stage) -> None:
    await stage.open_sale(tea=5)
    async with await stage.entered("小明") as buyer, await stage.entered("", worker=1) as watcher:
        await stage.sees_stock(watcher)  # which nobody has changed: it is shown to newcomers
        await buyer.rpc("order.place", stage.purchase(2))
        stock = await watcher.event(
            stage.channel,
            lambda event: event["t"] == "sale.stock" and event["items"][0]["available"] == 3,
            "the stock went down",
        )
        assert stock == {
            "t": "sale.stock",
            "sale": stage.sale,
            "items": [{"sku": "tea", "available": 3, "waiting": 0}],
        }
        ticker = await watcher.event(
            stage.channel, lambda event: event["t"] == "orders", "the ticker"
        )
        assert ticker == {"t": "orders", "sale": stage.sale, "count": 1, "names": ["小*"]}
        assert not [frame for frame in watcher.frames if "小明" in str(frame)]


async def test_who_bought_is_known_to_the_room_and_nobody_else_is(
    stage: Stage, estate: Estate
) -> None:
    """Above its budget a room shows the comments of buyers first."""
    await stage.open_sale(tea=5)
    client = connect(estate.redis_url)
    buyers = room_key(RoomId(stage.room), "buyers")

    async def known() -> set[Any]:
        return set(await client.zrange(buyers, 0, -1))

    async def both_are_known() -> bool:
        return await known() == {b"ann", b"bob"}

    async with await stage.entered("ann") as ann, await stage.entered("bob", worker=1) as bob:
        async with await stage.entered("cat") as cat:
            await ann.rpc("order.place", stage.purchase())
            await bob.rpc("order.place", stage.purchase())
            await cat.rpc("like.add", {"room": stage.room, "n": 1})
            await wait_until(both_are_known, 10, "the room knows its buyers")
        assert 0 < await client.ttl(buyers) <= Limits().buyer_rank_s
    await client.aclose()


async def test_orders_of_another_are_nobodys_business(stage: Stage) -> None:
    await stage.open_sale(tea=5)
    async with await stage.entered("ann") as ann, await stage.entered("bob") as bob:
        await ann.rpc("order.place", stage.purchase())
        await bob.event(stage.channel, lambda event: event["t"] == "orders", "the ticker")
        assert not [message for message in bob.messages if "order" in str(message.get("result"))]
        assert not bob.publications("#ann")
        assert not bob.publications("#bob")


# staff


async def test_a_host_steers_a_sale_of_their_room_from_arming_to_its_end(stage: Stage) -> None:
    await stage.shop.draft(stage.sale, {"tea": 5, "mug": 5}, room=stage.room)
    sale = {"sale": stage.sale}
    async with await stage.entered("ho", "host") as host, await stage.entered("ann") as ann:
        shown = await host.rpc("sale.arm", {**sale, "on_sale": {"tea": 2}})
        assert (shown["sale"]["state"], shown["sale"]["items"][0]["stock"]) == ("armed", 2)
        assert (await ann.rpc("order.place", stage.purchase()))["outcome"] == "not_started"
        shown = await host.rpc("sale.open", {**sale, "countdown_seconds": 60})
        assert shown["sale"]["state"] == "countdown"
        assert (await host.rpc("sale.open", sale))["sale"]["state"] == "open"
        shown = await host.rpc("sale.pause", {**sale, "reason": "one moment"})
        assert (shown["sale"]["state"], shown["sale"]["reason"]) == ("paused", "one moment")
        assert (await ann.rpc("order.place", stage.purchase()))["outcome"] == "paused"
        assert (await host.rpc("sale.resume", sale))["sale"]["state"] == "open"
        order = (await ann.rpc("order.place", stage.purchase()))["order"]["id"]
        restock = {**sale, "sku": "tea", "units": 3, "request_id": "more"}
        for _ in range(2):
            shown = await host.rpc("sale.restock", restock)
            assert shown["sale"]["items"][0]["stock"] == 5, "the same request adds once"
        with Denied(409, "already used for another act"):
            await host.rpc("sale.restock", restock | {"units": 4})
        shown = await host.rpc("sale.close", {**sale, "reason": "thanks", "cancel_holds": True})
        assert shown["sale"]["state"] == "closed"
        assert (await ann.rpc("order.place", stage.purchase()))["outcome"] == "ended"
        with Denied(409, "closed"):
            await host.rpc("sale.open", sale)
        await stage.shop.store.sweep(stage.sale, 10)
        assert (await ann.rpc("order.get", {"order": order}))["order"]["state"] == "cancelled"


async def test_a_request_id_means_one_act_of_each_procedure(stage: Stage) -> None:
    await stage.open_sale(tea=5)
    same = {"sale": stage.sale, "request_id": "mine"}
    async with await stage.entered("ho", "host") as host:
        for procedure, state in (("pause", "paused"), ("resume", "open"), ("pause", "open")):
            assert (await host.rpc(f"sale.{procedure}", same))["sale"]["state"] == state


async def test_only_a_merchant_goes_beyond_the_allocation(stage: Stage) -> None:
    await stage.open_sale(tea=5)
    restock = {"sale": stage.sale, "sku": "tea", "units": 1}
    async with (
        await stage.entered("ho", "host") as host,
        await stage.entered("me", "merchant") as merchant,
    ):
        with Denied(422, "units: "):
            await host.rpc("sale.restock", restock)
        shown = await merchant.rpc("sale.restock", restock)
        assert shown["sale"]["items"][0]["stock"] == 6


@pytest.mark.parametrize(
    ("user", "role", "code"), [("", "viewer", 401), ("vi", "viewer", 403), ("mo", "moderator", 403)]
)
async def test_whoever_is_no_host_steers_nothing(
    stage: Stage, user: str, role: str, code: int
) -> None:
    await stage.open_sale(tea=5)
    async with await stage.entered(user, role) as client:
        for method, more in (
            ("arm", {}),
            ("open", {}),
            ("pause", {}),
            ("resume", {}),
            ("close", {}),
            ("restock", {"sku": "tea", "units": 1}),
        ):
            with Denied(code):
                await client.rpc(f"sale.{method}", {"sale": stage.sale, **more})
    assert (await stage.shop.store.view(stage.sale)).state == "open"


async def test_a_host_of_another_room_steers_nothing_here(stage: Stage) -> None:
    await stage.open_sale(tea=5)
    worker = stage.estate.workers[0]
    async with await WireClient.open(worker.ws_url) as stranger:
        await stranger.connect(worker.token("ho", "host", ["elsewhere"]))
        with Denied(403):
            await stranger.rpc("sale.pause", {"sale": stage.sale})
        with Denied(404, "sale: "):
            await stranger.rpc("sale.pause", {"sale": "autumn"})


async def test_a_sale_is_sold_out_for_those_who_come_after_on_every_worker(stage: Stage) -> None:
    await stage.open_sale(tea=3)
    async with await stage.entered("ann") as ann, await stage.entered("bob", worker=1) as bob:
        assert (await ann.rpc("order.place", stage.purchase(3)))["outcome"] == "reserved"
        for buyer in (ann, bob):
            answer = await buyer.rpc("order.place", stage.purchase())
            assert answer == {"outcome": "sold_out", "sku": "tea"}
        await stage.shop.steer(stage.sale, Steering.RESTOCK, units={"tea": 1}, allocate=True)

        async def is_bought() -> bool:
            answer = await bob.rpc("order.place", stage.purchase())
            return bool(answer["outcome"] == "reserved")

        await wait_until(is_bought, 10, "the new unit can be bought")
