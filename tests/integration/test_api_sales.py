"""Sales through the HTTP API: prepared, armed, steered by those who may, shown and compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flash_sale.adapters.script import key_of
from flash_sale.model import SaleId
from server.api import Services, build_api
from server.redis_client import Client
from tests.support.api_parts import API_KEY, MemoryRealtime
from tests.support.api_sales import (
    DRAFT,
    ITEM,
    PRICE_MINOR,
    SALE,
    SALES,
    counters,
    furnish,
    open_sale,
    paid,
    prepare,
    product,
    reserved,
    steer,
)
from tests.support.api_stage import impatient, opened_services, tell_nobody
from tests.support.asgi_client import AsgiClient, check_error
from tests.support.redis_server import free_port
from tests.support.shop import Shop

pytest_plugins = ["tests.support.databases", "tests.support.api_fixtures"]

Bearer = Callable[..., AsgiClient]
ACTS = ["arm", "open", "pause", "resume", "close"]


@pytest.fixture(autouse=True)
async def furnished(key: AsgiClient) -> None:
    await furnish(key)


async def test_a_draft_is_prepared_read_and_listed_with_what_was_left_out(key: AsgiClient) -> None:
    sale = await prepare(key)
    assert sale == {
        "id": SALE,
        "room": "demo",
        "state": "draft",
        "starts_at_ms": None,
        "ends_at_ms": None,
        "hold_seconds": 600,
        "offer_seconds": 600,
        "currency": "CNY",
        "reason": "",
        "version": 0,
        "source": "draft",
        "items": [
            {
                "sku": "tea-s",
                "product": "tea",
                "title": "Tea · Small",
                "price_minor": PRICE_MINOR,
                "per_user_max": 1,
                "floor_minor": 1,
                "markup_max_minor": 0,
                "stock": 3,
                "available": 3,
                "waiting": 0,
            }
        ],
    }
    assert (await key.call("GET", f"{SALES}/{SALE}")).json == sale
    assert (await key.call("GET", SALES)).json == {"sales": [sale], "next": None}


async def test_preparing_the_same_sale_again_changes_nothing(key: AsgiClient) -> None:
    first = await prepare(key)
    again = await key.call("POST", SALES, DRAFT)
    assert (again.status, again.json) == (200, first)
    other = await key.call("POST", SALES, DRAFT | {"hold_seconds": 60})
    check_error(other, 409, "id", "exists and is different")
    ids = {(await prepare(key, id=None))["id"] for _ in range(2)}
    assert len(ids | {SALE}) == 3


@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        ({"room": "nowhere"}, 404, "room"),
        ({"room": None}, 400, "room"),
        ({"id": "a b"}, 400, "id"),
        ({"currency": "yuan"}, 400, "currency"),
        ({"currency": "USD"}, 400, "items.0.sku"),
        ({"hold_seconds": 0}, 400, "hold_seconds"),
        ({"hold_seconds": 86_401}, 400, "hold_seconds"),
        ({"hold_seconds": "60"}, 400, "hold_seconds"),
        ({"offer_seconds": 86_401}, 400, "offer_seconds"),
        ({"starts_at_ms": -1}, 400, "starts_at_ms"),
        ({"starts_at_ms": 2**60}, 400, "starts_at_ms"),
        ({"starts_at_ms": 2_000, "ends_at_ms": 2_000}, 400, "ends_at_ms"),
        ({"items": []}, 400, "items"),
        ({"items": [ITEM, ITEM]}, 400, "items.1.sku"),
        ({"items": [ITEM | {"sku": "none"}]}, 404, "items.0.sku"),
        ({"items": [ITEM | {"sku": "a b"}]}, 400, "items.0.sku"),
        ({"items": [ITEM | {"product": "mug"}]}, 404, "items.0.product"),
        ({"items": [ITEM | {"stock": 0}]}, 400, "items.0.stock"),
        ({"items": [ITEM | {"stock": 10**10}]}, 400, "items.0.stock"),
        ({"items": [ITEM | {"price_minor": -1}]}, 400, "items.0.price_minor"),
        ({"items": [ITEM | {"per_user_max": 0}]}, 400, "items.0.per_user_max"),
        ({"items": [ITEM | {"price_minor": 10**12, "per_user_max": 10**4}]}, 400, "items"),
        ({"items": [{"sku": f"s{number}", "stock": 1} for number in range(51)]}, 400, "items"),
        ({"state": "open"}, 400, "state"),
    ],
)
async def test_a_sale_that_makes_no_sense_is_refused_by_its_field(
    key: AsgiClient, changes: dict[str, Any], status: int, field: str
) -> None:
    check_error(await key.call("POST", SALES, DRAFT | changes), status, field)
    assert (await key.call("GET", SALES)).json["sales"] == []


async def test_a_sku_of_several_products_needs_its_product(key: AsgiClient) -> None:
    await product(key, "tin", skus=[{"sku": "tea-s", "title": "In a tin", "price_minor": 1}])
    check_error(await key.call("POST", SALES, DRAFT), 400, "items.0.product", "say which")
    sale = await prepare(key, items=[ITEM | {"product": "tin"}])
    assert (sale["items"][0]["product"], sale["items"][0]["price_minor"]) == ("tin", 1)


async def test_a_draft_can_be_changed_until_it_is_armed(key: AsgiClient) -> None:
    before = await prepare(key)
    changes = {"hold_seconds": 60, "ends_at_ms": 4_000_000_000_000}
    changed = await key.call("PATCH", f"{SALES}/{SALE}", changes)
    assert (changed.status, changed.json) == (200, before | changes)
    items = [{"sku": "mug", "stock": 5, "price_minor": 1, "per_user_max": 2}]
    goods = (await key.call("PATCH", f"{SALES}/{SALE}", {"items": items})).json["items"]
    assert [(item["sku"], item["stock"], item["per_user_max"]) for item in goods] == [("mug", 5, 2)]
    dropped = (await key.call("PATCH", f"{SALES}/{SALE}", {"ends_at_ms": None})).json
    assert (dropped["ends_at_ms"], dropped["hold_seconds"]) == (None, 60)
    assert (await steer(key, "arm")).status == 200
    late = await key.call("PATCH", f"{SALES}/{SALE}", {"hold_seconds": 90})
    check_error(late, 409, "id", "not a draft any more")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"room": "other"}, "room"),
        ({"hold_seconds": None}, "hold_seconds"),
        ({"items": []}, "items"),
        ({"starts_at_ms": 5_000_000_000_000}, "ends_at_ms"),
    ],
)
async def test_a_change_that_makes_no_sense_changes_nothing(
    key: AsgiClient, body: dict[str, Any], field: str
) -> None:
    before = await prepare(key, ends_at_ms=4_000_000_000_000)
    check_error(await key.call("PATCH", f"{SALES}/{SALE}", body), 400, field)
    assert (await key.call("GET", f"{SALES}/{SALE}")).json == before


async def test_a_sale_lives_from_draft_to_its_end(key: AsgiClient) -> None:
    await prepare(key)
    states = []
    for word in ("arm", "open", "pause", "resume", "close"):
        body = {"reason": "because"} if word in {"pause", "close"} else {}
        answer = await steer(key, word, body)
        assert answer.status == 200, answer.body
        shown = (await key.call("GET", f"{SALES}/{SALE}")).json
        assert shown == answer.json
        assert shown["source"] == "store"
        states.append((shown["state"], shown["reason"]))
    assert states == [
        ("armed", ""),
        ("open", ""),
        ("paused", "because"),
        ("open", ""),
        ("closed", "because"),
    ]
    check_error(await steer(key, "open"), 409, "sale", "closed")


async def test_a_countdown_is_shown_with_its_instant(key: AsgiClient) -> None:
    await prepare(key)
    counting = (await steer(key, "arm", {"countdown_seconds": 600})).json
    assert counting["state"] == "countdown"
    assert counting["starts_at_ms"] > 1_600_000_000_000
    await prepare(key, id="later")
    at = 4_000_000_000_000
    later = (await steer(key, "arm", {"starts_at_ms": at}, sale="later")).json
    assert (later["state"], later["starts_at_ms"]) == ("countdown", at)
    await prepare(key, id="both")
    both = await steer(key, "arm", {"starts_at_ms": at, "countdown_seconds": 5}, sale="both")
    check_error(both, 400, "countdown_seconds", "not both")
    check_error(
        await steer(key, "arm", {"countdown_seconds": 3_601}, sale="both"), 400, "countdown_seconds"
    )


async def test_an_act_with_a_request_id_takes_effect_once(key: AsgiClient) -> None:
    await prepare(key)
    for _ in range(2):
        assert (await steer(key, "arm", {"request_id": "1"})).json["state"] == "armed"
    check_error(await steer(key, "arm", {"request_id": "2"}), 409, "sale")
    for _ in range(2):
        assert (await steer(key, "open", {"request_id": "1"})).json["state"] == "open"
    for _ in range(3):
        restock = {"sku": "tea-s", "units": 5, "request_id": "1"}
        assert (await steer(key, "restock", restock)).json["items"][0]["stock"] == 8
    check_error(await steer(key, "restock", restock | {"units": 6}), 409, "request_id")
    assert await counters(key) == (8, 8, 0, 0)


async def test_a_host_spends_within_the_allocation_and_a_merchant_beyond(
    key: AsgiClient, bearer: Bearer
) -> None:
    await prepare(key)
    host, merchant = bearer("demo", role="host", user="h-1"), bearer("demo")
    armed = await steer(host, "arm", {"on_sale": {"tea-s": 1}})
    assert (armed.status, armed.json["items"][0]["stock"]) == (200, 1)
    assert (await steer(host, "open")).json["state"] == "open"
    assert (await steer(host, "restock", {"sku": "tea-s", "units": 2})).json["items"][0][
        "stock"
    ] == 3
    beyond = {"sku": "tea-s", "units": 1}
    check_error(await steer(host, "restock", beyond), 422, "units", "allocated")
    assert await counters(key) == (3, 3, 0, 0)
    assert (await steer(merchant, "restock", beyond)).json["items"][0]["stock"] == 4
    check_error(await steer(host, "restock", {"sku": "mug", "units": 1}), 404, "sku")


async def test_a_host_steers_the_own_room_only_and_prepares_nothing(
    key: AsgiClient, bearer: Bearer
) -> None:
    await prepare(key)
    host = bearer("demo", role="host")
    assert (await host.call("GET", f"{SALES}/{SALE}")).status == 200
    drafts = (await host.call("GET", f"{SALES}?room=demo&state=draft")).json["sales"]
    assert [(sale["id"], sale["items"][0]["stock"]) for sale in drafts] == [(SALE, 3)]
    check_error(await host.call("GET", f"{SALES}?room=other"), 403, None, "not for room 'other'")
    for method, path in (
        ("POST", SALES),
        ("PATCH", f"{SALES}/{SALE}"),
        ("GET", f"{SALES}/{SALE}/books"),
        ("GET", f"{SALES}/{SALE}/orders.csv"),
        ("GET", "/api/v1/orders"),
        ("GET", "/api/v1/export"),
    ):
        check_error(await host.call(method, path, DRAFT), 403, None, "role merchant")
    other = bearer("other", role="host")
    assert (await other.call("GET", SALES)).json["sales"] == []
    for word in ACTS:
        check_error(await steer(other, word), 404, "id", f"there is no sale {SALE!r}")


@pytest.mark.parametrize("role", ["viewer", "moderator"])
async def test_viewers_and_moderators_steer_nothing(
    key: AsgiClient, bearer: Bearer, role: str
) -> None:
    await prepare(key)
    for word in [*ACTS, "restock"]:
        answer = await steer(bearer("*", role=role), word)
        check_error(answer, 403, None, "role merchant or host")


async def test_a_merchant_learns_nothing_of_sales_in_other_rooms(
    key: AsgiClient, bearer: Bearer
) -> None:
    merchant = bearer("other")
    targets = [
        ("GET", f"{SALES}/{SALE}", None),
        ("PATCH", f"{SALES}/{SALE}", {"hold_seconds": 1}),
        ("POST", f"{SALES}/{SALE}/arm", {}),
        ("GET", f"{SALES}/{SALE}/books", None),
        ("GET", f"{SALES}/{SALE}/orders.csv", None),
    ]
    before = [await merchant.call(*target) for target in targets]
    await prepare(key)
    after = [await merchant.call(*target) for target in targets]
    for answer in after:
        check_error(answer, 404, "id", "there is no sale")
    assert [answer.body for answer in after] == [answer.body for answer in before]
    check_error(await merchant.call("POST", SALES, DRAFT), 403, None, "not for room 'demo'")
    taken = await merchant.call("POST", SALES, DRAFT | {"room": "other"})
    check_error(taken, 409, "id", "exists and is different")
    assert (await merchant.call("GET", SALES)).json["sales"] == []
    check_error(await merchant.call("GET", f"{SALES}?room=demo"), 403, None)


async def test_sales_are_listed_in_pages_by_room_and_state(key: AsgiClient, bearer: Bearer) -> None:
    for name in ("e", "c", "a", "d", "b"):
        await prepare(key, id=name, room="other" if name == "c" else "demo")
    await steer(key, "arm", sale="d")
    first = (await key.call("GET", f"{SALES}?limit=3")).json
    rest = (await key.call("GET", f"{SALES}?limit=3&after={first['next']}")).json
    assert [sale["id"] for sale in first["sales"] + rest["sales"]] == ["a", "b", "c", "d", "e"]
    assert rest["next"] is None
    of_room = (await key.call("GET", f"{SALES}?room=other")).json["sales"]
    assert [sale["id"] for sale in of_room] == ["c"]
    armed = (await key.call("GET", f"{SALES}?state=armed")).json["sales"]
    assert [(sale["id"], sale["state"], sale["source"]) for sale in armed] == [
        ("d", "armed", "store")
    ]
    merchant = (await bearer("other").call("GET", SALES)).json["sales"]
    assert [sale["id"] for sale in merchant] == ["c"]
    check_error(await key.call("GET", f"{SALES}?limit=5"), 400, "limit")
    check_error(await key.call("GET", f"{SALES}?after=a%20b"), 400, "after")
    check_error(await key.call("GET", f"{SALES}?state=sold"), 400, "state")


async def test_what_the_state_of_a_sale_does_not_allow_is_a_conflict(key: AsgiClient) -> None:
    check_error(await steer(key, "open"), 404, "id", "there is no sale")
    await prepare(key)
    for word in ACTS[1:]:
        check_error(await steer(key, word), 409, "id", "arm it first")
    await steer(key, "arm")
    check_error(await steer(key, "resume"), 409, "sale", "armed")
    check_error(await steer(key, "arm"), 409, "sale", "armed")
    check_error(await steer(key, "pause", {"reason": "x" * 201}), 413, "reason")
    check_error(await steer(key, "pause", {"reason": "a\u202eb"}), 400, "reason")
    check_error(await steer(key, "pause", {"request_id": "x" * 65}), 400, "request_id")
    check_error(await steer(key, "arm", {"on_sale": {"tea-s": -1}}), 400, "on_sale.tea-s")


async def test_books_agree_once_everything_is_in_the_ledger(key: AsgiClient, shop: Shop) -> None:
    await open_sale(key)
    await paid(key, "alice")
    await reserved(key, "bob")
    path = f"{SALES}/{SALE}/books"
    before = (await key.call("GET", path)).json
    assert before["agree"] is None
    assert before["lag"] > 0
    assert "on their way" in before["why"]
    await shop.drain(SaleId(SALE))
    books = (await key.call("GET", path)).json
    assert (books["sale"], books["lag"], books["agree"], books["why"]) == (SALE, 0, True, "")
    expected = {
        "sku": "tea-s",
        "initial": 3,
        "available": 1,
        "reserved": 1,
        "sold": 1,
        "refunded": 0,
        "written_off": 0,
        "waiting": 0,
        "balanced": True,
    }
    assert books["redis"]["items"] == books["ledger"]["items"] == [expected]
    assert books["redis"]["state"] == "open"


async def test_books_that_differ_are_named(
    key: AsgiClient, shop: Shop, redis_client: Client
) -> None:
    await open_sale(key)
    await shop.drain(SaleId(SALE))
    stock = key_of(SaleId(SALE), "stock")
    stored = await redis_client.hget(stock, "tea-s")
    assert isinstance(stored, bytes)
    initial, available, reserved_units, *rest = stored.decode().split()
    forged = " ".join([initial, str(int(available) - 1), str(int(reserved_units) + 1), *rest])
    await redis_client.hset(stock, "tea-s", forged)
    books = (await key.call("GET", f"{SALES}/{SALE}/books")).json
    assert books["agree"] is False
    assert "tea-s reserved: store 1, ledger 0" in books["why"]


async def test_while_the_store_is_away_sales_are_shown_from_the_ledger_and_not_steered(
    key: AsgiClient, services: Services, shop: Shop
) -> None:
    await open_sale(key)
    await paid(key)
    await shop.drain(SaleId(SALE))
    nowhere = f"redis://127.0.0.1:{free_port()}"
    async with opened_services(
        impatient(services.settings), services.database, nowhere, MemoryRealtime(), tell_nobody
    ) as cut_off:
        client = AsgiClient(build_api(cut_off), {"x-api-key": API_KEY})
        shown = (await client.call("GET", f"{SALES}/{SALE}")).json
        assert (shown["source"], shown["state"], shown["items"][0]["available"]) == (
            "ledger",
            "open",
            2,
        )
        assert (await client.call("GET", SALES)).json["sales"] == [shown]
        books = (await client.call("GET", f"{SALES}/{SALE}/books")).json
        assert (books["redis"], books["agree"], books["lag"]) == (None, None, None)
        assert books["why"] == "the store cannot be reached"
        assert books["ledger"]["items"][0]["sold"] == 1
        answer = await steer(client, "pause")
        check_error(answer, 503, None, "again")
        assert int(answer.headers["retry-after"]) >= 1
