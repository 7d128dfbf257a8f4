"""Coupons, commissions, accounts and sources over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from server.api import Services
from server.database.account_records import Leg, post
from server.database.commission_records import CommissionRecords
from tests.support.api_sales import PRICE_MINOR, SALE, furnish, open_sale, paid, place, reserved
from tests.support.api_stage import NOW_MS
from tests.support.asgi_client import AsgiClient

pytest_plugins = ["tests.support.databases", "tests.support.api_fixtures"]

BATCHES = "/api/v1/coupon-batches"
BATCH: dict[str, Any] = {
    "id": "ten",
    "title": "Ten off",
    "kind": "amount",
    "currency": "CNY",
    "amount_minor": 1_000,
    "issue_max": 2,
}


async def made(key: AsgiClient, **changes: Any) -> dict[str, Any]:
    answer = await key.call("POST", BATCHES, BATCH | changes)
    assert answer.status == 201, answer.body
    batch: dict[str, Any] = answer.json
    return batch


async def granted(key: AsgiClient, user: str, request_id: str = "g-1", batch: str = "ten") -> str:
    answer = await key.call(
        "POST", f"{BATCHES}/{batch}/grant", {"user": user, "request_id": request_id}
    )
    assert answer.status == 200, answer.body
    return str(answer.json["coupon"])


async def test_a_batch_is_made_once_and_shown_with_what_became_of_it(key: AsgiClient) -> None:
    batch = await made(key)
    assert (batch["issued"], batch["held"], batch["spent"], batch["cost_minor"]) == (0, 0, 0, 0)
    assert batch["scope"] == {"skus": [], "products": [], "sales": [], "rooms": []}
    again = await key.call("POST", BATCHES, BATCH)
    assert (again.status, again.json) == (200, batch)
    other = await key.call("POST", BATCHES, BATCH | {"amount_minor": 1})
    assert other.status == 409
    named = (await key.call("POST", BATCHES, {**BATCH, "id": None})).json["id"]
    assert (await key.call("GET", f"{BATCHES}/{named}")).status == 200
    assert (await key.call("GET", f"{BATCHES}/nothing")).status == 404


async def test_batches_are_listed_by_pages(key: AsgiClient) -> None:
    for number in range(5):
        await made(key, id=f"b{number}")
    first = (await key.call("GET", f"{BATCHES}?limit=3")).json
    assert [batch["id"] for batch in first["batches"]] == ["b0", "b1", "b2"]
    rest = (await key.call("GET", f"{BATCHES}?limit=3&after={first['next']}")).json
    assert ([batch["id"] for batch in rest["batches"]], rest["next"]) == (["b3", "b4"], None)


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_minor": 0},
        {"kind": "percent"},
        {"kind": "percent", "percent_bp": 10_001},
        {"kind": "threshold", "threshold_minor": 1_000},
        {"starts_at_ms": 2, "ends_at_ms": 2},
        {"issue_max": 0},
        {"currency": "yuan"},
        {"scope": {"rooms": ["no room!"]}},
        {"extra": 1},
    ],
)
async def test_a_batch_that_makes_no_sense_is_refused(
    key: AsgiClient, changes: dict[str, Any]
) -> None:
    answer = await key.call("POST", BATCHES, BATCH | changes)
    assert answer.status == 400, answer.body
    assert (await key.call("GET", BATCHES)).json["batches"] == []


async def test_a_grant_takes_effect_once_and_ends_with_the_batch(key: AsgiClient) -> None:
    await made(key)
    coupon = await granted(key, "ann")
    assert await granted(key, "ann") == coupon
    more = {"user": "ann", "request_id": "g-2"}
    assert (await key.call("POST", f"{BATCHES}/ten/grant", more)).status == 409, "one per person"
    await granted(key, "bob")
    none = {"user": "eve", "request_id": "g-1"}
    assert (await key.call("POST", f"{BATCHES}/ten/grant", none)).status == 409, "none is left"
    assert (await key.call("POST", f"{BATCHES}/nothing/grant", none)).status == 404
    assert (await key.call("GET", f"{BATCHES}/ten")).json["issued"] == 2


async def test_coupons_and_accounts_need_the_whole_shop(bearer: Callable[..., AsgiClient]) -> None:
    some, every = bearer("demo"), bearer("*")
    for path in (BATCHES, "/api/v1/accounts/ann", "/api/v1/statements/ann.csv"):
        assert (await some.call("GET", path)).status == 403
        assert (await every.call("GET", path)).status == 200
    assert (await some.call("POST", BATCHES, BATCH)).status == 403


async def test_a_back_end_orders_with_a_coupon_of_its_customer(key: AsgiClient) -> None:
    await furnish(key)
    await open_sale(key)
    await made(key)
    coupon = await granted(key, "alice")
    order = await reserved(key, coupons=[coupon])
    assert (order["amount_minor"], order["discount_minor"]) == (PRICE_MINOR - 1_000, 1_000)
    assert [rule["minor"] for rule in order["price"]] == [1_000]
    refused = await place(key, request_id="r-2", coupons=[coupon])
    assert (refused.status, refused.json["error"]["field"]) == (422, "coupons")
    refused = await place(key, request_id="r-2", share="made-up")
    assert (refused.status, refused.json["error"]["field"]) == (422, "share")
    batch = (await key.call("GET", f"{BATCHES}/ten")).json
    assert (batch["issued"], batch["held"], batch["spent"]) == (1, 1, 0)


async def test_orders_of_a_back_end_have_the_source_api(
    key: AsgiClient, services: Services
) -> None:
    await furnish(key)
    await open_sale(key)
    order = await paid(key)
    detail = (await key.call("GET", f"/api/v1/orders/{order}")).json
    assert detail["source"] == {"channel": "api"}


async def test_a_plan_is_set_shown_and_bounded(
    key: AsgiClient, bearer: Callable[..., AsgiClient]
) -> None:
    await furnish(key)
    path = "/api/v1/rooms/demo/commission"
    assert (await key.call("GET", path)).json == {
        "level1_bp": 0,
        "level2_bp": 0,
        "window_days": 7,
    }
    plan = {"level1_bp": 1_000, "level2_bp": 300, "window_days": 3}
    assert (await key.call("PUT", path, plan)).json == plan
    assert (await bearer("demo").call("GET", path)).json == plan
    assert (await bearer("other").call("PUT", path, plan)).status == 403
    for bad in ({"level1_bp": 5_001}, {"level1_bp": -1}, {}, plan | {"level3_bp": 1}):
        assert (await key.call("PUT", path, bad)).status == 400
    assert (await key.call("PUT", "/api/v1/rooms/nowhere/commission", plan)).status == 404
    assert (await key.call("GET", "/api/v1/rooms/nowhere/commission")).status == 404


async def test_accounts_and_their_statement_show_what_was_posted(
    key: AsgiClient, services: Services
) -> None:
    def work(connection: Any) -> None:
        for number, amount in enumerate((300, -100), 1):
            legs = [
                Leg("shop:commission", "CNY", -amount),
                Leg("user:ann:pending", "CNY", amount),
            ]
            post(connection, f"t-{number}", "test", NOW_MS + number, legs)

    await services.database.run(work)
    account = (await key.call("GET", "/api/v1/accounts/ann")).json
    assert account == {
        "user": "ann",
        "balances": [{"account": "pending", "unit": "CNY", "balance": 200}],
    }
    text = (await key.call("GET", "/api/v1/statements/ann.csv")).body.decode("utf-8-sig")
    head, *lines = text.splitlines()
    assert head == "at,transaction,kind,account,unit,amount"
    assert [line.split(",")[1:] for line in lines] == [
        ["t-1", "test", "pending", "CNY", "300"],
        ["t-2", "test", "pending", "CNY", "-100"],
    ]
    assert (await key.call("GET", "/api/v1/accounts/nobody")).json["balances"] == []


async def test_commissions_and_sources_keep_to_the_rooms_of_a_token(
    key: AsgiClient, bearer: Callable[..., AsgiClient], services: Services
) -> None:
    await furnish(key)
    await open_sale(key)
    assert (await CommissionRecords(services.database).page(None, 10)) == []
    for path in ("/api/v1/commissions", "/api/v1/sources"):
        assert (await key.call("GET", path)).status == 200
        assert (await bearer("demo").call("GET", f"{path}?room=other")).status == 403
    assert (await key.call("GET", "/api/v1/commissions?after=nonsense")).status == 400
    assert (await key.call("GET", f"/api/v1/sources?sale={SALE}&by=staff")).json["total"] == {
        "source": "",
        "visits": None,
        "orders": 0,
        "paid_orders": 0,
        "paid_minor": 0,
        "refunded_minor": 0,
    }
    assert (await bearer("other").call("GET", f"/api/v1/sources?sale={SALE}")).status in {403, 404}
