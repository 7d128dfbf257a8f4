"""Rooms, products, shelves and logs through the HTTP API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from server.api import Services
from server.database.records import Act
from tests.support.asgi_client import AsgiClient, check_error

pytest_plugins = ["tests.support.databases", "tests.support.api_fixtures"]

TEA = {
    "id": "tea",
    "title": "Spring tea 春茶",
    "price_minor": 9900,
    "currency": "CNY",
    "image_url": "/tea.png",
    "skus": [
        {"sku": "tea-s", "title": "Small", "price_minor": 9900},
        {"sku": "tea-l", "title": "Large", "price_minor": 18900},
    ],
}


async def make_room(key: AsgiClient, room_id: str = "demo") -> None:
    answer = await key.call("POST", "/api/v1/rooms", {"id": room_id, "title": "Tea"})
    assert answer.status == 201


async def make_products(key: AsgiClient, *ids: str) -> None:
    for product_id in ids:
        body = {"id": product_id, "title": product_id, "price_minor": 1, "currency": "CNY"}
        assert (await key.call("POST", "/api/v1/products", body)).status == 201


async def test_a_room_is_created_read_and_listed(key: AsgiClient) -> None:
    body = {"id": "demo", "title": " 春茶 live ", "stream_url": "https://cdn.example/x.m3u8"}
    room = body | {"title": "春茶 live", "state": "scheduled"}
    created = await key.call("POST", "/api/v1/rooms", body)
    assert (created.status, created.json) == (201, room)
    assert (await key.call("GET", "/api/v1/rooms/demo")).json == room
    assert (await key.call("GET", "/api/v1/rooms")).json == {"rooms": [room], "next": None}


async def test_a_room_without_an_id_gets_one(key: AsgiClient) -> None:
    first = (await key.call("POST", "/api/v1/rooms", {"title": "Tea"})).json
    second = (await key.call("POST", "/api/v1/rooms", {"title": "Tea", "id": None})).json
    assert first["id"] != second["id"]
    assert (await key.call("GET", f"/api/v1/rooms/{first['id']}")).json == first


async def test_creating_the_same_room_again_changes_nothing(key: AsgiClient) -> None:
    await make_room(key)
    again = await key.call("POST", "/api/v1/rooms", {"id": "demo", "title": "Tea"})
    assert (again.status, again.json["title"]) == (200, "Tea")
    other = await key.call("POST", "/api/v1/rooms", {"id": "demo", "title": "Coffee"})
    check_error(other, 409, "id", "exists and is different")
    assert (await key.call("GET", "/api/v1/rooms/demo")).json["title"] == "Tea"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"id": "a b"}, "id"),
        ({"id": ""}, "id"),
        ({"id": "x" * 65}, "id"),
        ({"id": "a/b"}, "id"),
        ({"id": "*"}, "id"),
        ({"id": 7}, "id"),
        ({"title": ""}, "title"),
        ({"title": "  "}, "title"),
        ({"title": None}, "title"),
        ({"title": 7}, "title"),
        ({"title": "x" * 121}, "title"),
        ({"title": "two\nlines"}, "title"),
        ({"title": "turned\u202e"}, "title"),
        ({"stream_url": "rtmp://x/y"}, "stream_url"),
        ({"stream_url": "javascript:alert(1)"}, "stream_url"),
        ({"stream_url": "//evil.example/x"}, "stream_url"),
        ({"stream_url": "https://x/" + "y" * 1000}, "stream_url"),
        ({"stream_url": None}, "stream_url"),
        ({"state": "live"}, "state"),
        ({"Title": "x"}, "Title"),
    ],
)
async def test_a_room_with_a_bad_field_is_refused_by_its_name(
    key: AsgiClient, changes: dict[str, Any], field: str
) -> None:
    check_error(await key.call("POST", "/api/v1/rooms", {"title": "Tea"} | changes), 400, field)
    assert (await key.call("GET", "/api/v1/rooms")).json["rooms"] == []


@pytest.mark.parametrize("url", ["", "/live/x.m3u8", "https://a.example/x", "http://a.example"])
async def test_addresses_of_streams_may_be_empty_http_or_paths(key: AsgiClient, url: str) -> None:
    answer = await key.call("POST", "/api/v1/rooms", {"title": "Tea", "stream_url": url})
    assert (answer.status, answer.json["stream_url"]) == (201, url)


async def test_a_change_keeps_what_was_not_sent_and_stands_in_the_log(key: AsgiClient) -> None:
    await make_room(key)
    changed = await key.call("PATCH", "/api/v1/rooms/demo", {"state": "live"})
    expected = {"id": "demo", "title": "Tea", "stream_url": "", "state": "live"}
    assert (changed.status, changed.json) == (200, expected)
    log = (await key.call("GET", "/api/v1/rooms/demo/acts")).json
    assert log["next"] is None
    assert [(act["version"], act["kind"], act["actor"]) for act in log["acts"]] == [
        (1, "room.update", "api-key")
    ]
    assert log["acts"][0]["detail"] == {"state": "live"}


async def test_a_change_by_a_merchant_names_the_merchant(
    key: AsgiClient, bearer: Callable[..., AsgiClient]
) -> None:
    await make_room(key)
    merchant = bearer("demo", user="m-7")
    assert (await merchant.call("PATCH", "/api/v1/rooms/demo", {"title": "New"})).status == 200
    (act,) = (await merchant.call("GET", "/api/v1/rooms/demo/acts")).json["acts"]
    assert (act["actor"], act["actor_role"]) == ("m-7", "merchant")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"state": "paused"}, "state"),
        ({"state": None}, "state"),
        ({"title": ""}, "title"),
        ({"id": "other"}, "id"),
        ({"version": 1}, "version"),
    ],
)
async def test_a_change_that_makes_no_sense_changes_nothing(
    key: AsgiClient, body: dict[str, Any], field: str
) -> None:
    await make_room(key)
    check_error(await key.call("PATCH", "/api/v1/rooms/demo", body), 400, field)
    assert (await key.call("GET", "/api/v1/rooms/demo/acts")).json["acts"] == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/v1/rooms/{}", None),
        ("PATCH", "/api/v1/rooms/{}", {"title": "x"}),
        ("GET", "/api/v1/rooms/{}/shelf", None),
        ("PUT", "/api/v1/rooms/{}/shelf", {"products": []}),
        ("GET", "/api/v1/rooms/{}/acts", None),
        ("GET", "/api/v1/products/{}", None),
    ],
)
@pytest.mark.parametrize("missing", ["nobody", "a%00b", "%F0%9F%8D%B5", "x" * 300])
async def test_what_is_not_there_is_a_404(
    key: AsgiClient, method: str, path: str, body: Any, missing: str
) -> None:
    check_error(await key.call(method, path.format(missing), body), 404, "id")


async def every_page(client: AsgiClient, path: str, name: str, limit: int) -> list[Any]:
    rows: list[Any] = []
    after = ""
    while True:
        page = (await client.call("GET", f"{path}?limit={limit}{after}")).json
        assert len(page[name]) <= limit
        rows += page[name]
        if page["next"] is None:
            return rows
        after = f"&after={page['next']}"


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
async def test_pages_give_every_row_once_and_end(key: AsgiClient, limit: int) -> None:
    ids = ["a", "b", "c", "d", "e", "f"]
    for room_id in ids:
        await make_room(key, room_id)
    await make_products(key, *ids)
    for number in range(6):
        await key.call("PATCH", "/api/v1/rooms/a", {"title": f"Title {number}"})
    listed = await every_page(key, "/api/v1/rooms", "rooms", limit)
    assert [room["id"] for room in listed] == ids
    listed = await every_page(key, "/api/v1/products", "products", limit)
    assert [product["id"] for product in listed] == ids
    acts = await every_page(key, "/api/v1/rooms/a/acts", "acts", limit)
    assert [act["version"] for act in acts] == [6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("path", ["/api/v1/rooms", "/api/v1/products", "/api/v1/rooms/demo/acts"])
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=5", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("after=a%20b", "after"),
        ("after=%00", "after"),
        ("after=" + "x" * 65, "after"),
        ("lmit=3", "lmit"),
    ],
)
async def test_a_page_that_makes_no_sense_is_refused(
    key: AsgiClient, path: str, query: str, field: str
) -> None:
    await make_room(key)
    check_error(await key.call("GET", f"{path}?{query}"), 400, field)


async def test_a_merchant_sees_and_makes_only_the_rooms_it_holds(
    key: AsgiClient, bearer: Callable[..., AsgiClient]
) -> None:
    for room_id in ("a", "b", "c", "d"):
        await make_room(key, room_id)
    merchant = bearer("d", "b", "e")
    listed = await every_page(merchant, "/api/v1/rooms", "rooms", 1)
    assert [room["id"] for room in listed] == ["b", "d"]
    made = await merchant.call("POST", "/api/v1/rooms", {"id": "e", "title": "Mine"})
    assert made.status == 201
    for body in ({"id": "f", "title": "Not mine"}, {"title": "Any id"}):
        check_error(await merchant.call("POST", "/api/v1/rooms", body), 403, None)
    of_all = await every_page(bearer("*"), "/api/v1/rooms", "rooms", 4)
    assert [room["id"] for room in of_all] == ["a", "b", "c", "d", "e"]


async def test_a_product_is_created_read_and_listed(key: AsgiClient) -> None:
    created = await key.call("POST", "/api/v1/products", TEA)
    assert (created.status, created.json) == (201, TEA)
    assert (await key.call("GET", "/api/v1/products/tea")).json == TEA
    assert (await key.call("GET", "/api/v1/products")).json == {"products": [TEA], "next": None}


async def test_a_product_without_id_and_skus_gets_both(key: AsgiClient) -> None:
    body = {"title": "Tea", "price_minor": 0, "currency": "USD"}
    made = (await key.call("POST", "/api/v1/products", body)).json
    assert made["skus"] == [{"sku": made["id"], "title": "Tea", "price_minor": 0}]
    assert made["image_url"] == ""


async def test_creating_the_same_product_again_changes_nothing(key: AsgiClient) -> None:
    await key.call("POST", "/api/v1/products", TEA)
    again = await key.call("POST", "/api/v1/products", TEA)
    assert (again.status, again.json) == (200, TEA)
    for changes in ({"price_minor": 1}, {"skus": TEA["skus"][:1]}, {"title": "Other"}):  # type: ignore[index]
        other = await key.call("POST", "/api/v1/products", TEA | changes)
        check_error(other, 409, "id", "exists and is different")
    assert (await key.call("GET", "/api/v1/products/tea")).json == TEA


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"id": "a b"}, "id"),
        ({"title": ""}, "title"),
        ({"title": "x" * 121}, "title"),
        ({"price_minor": -1}, "price_minor"),
        ({"price_minor": 10**12 + 1}, "price_minor"),
        ({"price_minor": 99.0}, "price_minor"),
        ({"price_minor": "99"}, "price_minor"),
        ({"price_minor": True}, "price_minor"),
        ({"price_minor": None}, "price_minor"),
        ({"currency": "cny"}, "currency"),
        ({"currency": "CNYX"}, "currency"),
        ({"currency": "CN¥"}, "currency"),
        ({"image_url": "data:image/png;base64,x"}, "image_url"),
        ({"skus": {}}, "skus"),
        ({"skus": ["x"]}, "skus.0"),
        ({"skus": [{"sku": "a", "title": "A"}]}, "skus.0.price_minor"),
        ({"skus": [{"sku": "a", "title": "A", "price_minor": 1, "x": 1}]}, "skus.0.x"),
        ({"skus": [{"sku": "a!", "title": "A", "price_minor": 1}]}, "skus.0.sku"),
        ({"skus": [{"sku": "a", "title": "A", "price_minor": 1}] * 2}, "skus.1.sku"),
        ({"skus": [{"sku": "a", "title": "A", "price_minor": 1}] * 4}, "skus"),
        ({"price": 1}, "price"),
    ],
)
async def test_a_product_with_a_bad_field_is_refused_by_its_name(
    key: AsgiClient, changes: dict[str, Any], field: str
) -> None:
    body = {"title": "Tea", "price_minor": 1, "currency": "CNY"} | changes
    check_error(await key.call("POST", "/api/v1/products", body), 400, field)
    assert (await key.call("GET", "/api/v1/products")).json["products"] == []


async def test_a_shelf_is_replaced_in_order_and_logged(key: AsgiClient) -> None:
    await make_room(key)
    await make_products(key, "a", "b", "c")
    assert (await key.call("GET", "/api/v1/rooms/demo/shelf")).json == {"products": []}
    put = await key.call("PUT", "/api/v1/rooms/demo/shelf", {"products": ["c", "a"]})
    assert put.status == 200
    assert [product["id"] for product in put.json["products"]] == ["c", "a"]
    assert (await key.call("GET", "/api/v1/rooms/demo/shelf")).json == put.json
    empty = await key.call("PUT", "/api/v1/rooms/demo/shelf", {"products": []})
    assert empty.json == {"products": []}
    acts = (await key.call("GET", "/api/v1/rooms/demo/acts")).json["acts"]
    assert [act["detail"]["products"] for act in acts] == [[], ["c", "a"]]


@pytest.mark.parametrize(
    ("body", "status", "field", "message"),
    [
        ({"products": ["a", "nope", "nada"]}, 404, "products", "nope, nada"),
        ({"products": ["a", "b", "a"]}, 400, "products.2", "'a' is given twice"),
        ({"products": ["a", "a b"]}, 400, "products.1", ""),
        ({"products": list("abcdef")}, 400, "products", "at most 5"),
        ({"products": "a"}, 400, "products", "must be a list"),
        ({"products": [{"id": "a"}]}, 400, "products.0", "must be text"),
        ({}, 400, "products", "is missing"),
    ],
)
async def test_a_bad_shelf_changes_nothing(
    key: AsgiClient, body: dict[str, Any], status: int, field: str, message: str
) -> None:
    await make_room(key)
    await make_products(key, "a", "b")
    before = await key.call("PUT", "/api/v1/rooms/demo/shelf", {"products": ["b"]})
    check_error(await key.call("PUT", "/api/v1/rooms/demo/shelf", body), status, field, message)
    assert (await key.call("GET", "/api/v1/rooms/demo/shelf")).json == before.json


async def test_the_log_shows_what_moderators_did(key: AsgiClient, services: Services) -> None:
    await make_room(key)
    mute = Act("demo", "mod", "moderator", "room.mute", "bob", "c1", "spam", {"until_ms": 9}, 8)
    await services.rooms.act(mute)
    assert (await key.call("GET", "/api/v1/rooms/demo/acts")).json == {
        "acts": [
            {
                "version": 1,
                "at_ms": 8,
                "actor": "mod",
                "actor_role": "moderator",
                "kind": "room.mute",
                "target_user": "bob",
                "target_comment": "c1",
                "reason": "spam",
                "detail": {"until_ms": 9},
            }
        ],
        "next": None,
    }
