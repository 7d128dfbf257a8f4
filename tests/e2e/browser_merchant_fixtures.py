"""Fixtures of the merchant desk's tests: a pytest plugin that each of their files names."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.browser_merchant import MUG, Desk, go
from tests.e2e.browser_support import DESK, Person, Shop, Visit


@pytest.fixture
def desk(visit: Visit, shop: Shop) -> Desk:
    """A merchant at the desk, signed in by a link, at a view."""

    def sit_down(view: str = "#/sales", **options: Any) -> Person:
        by, rooms = options.pop("by", ""), options.pop("rooms", ["*"])
        token = shop.token("merchant-1", role="merchant", rooms=rooms, name="青岚")
        person = visit(f"/merchant#token={token}", by=by, **{"screen": DESK, **options})
        expect(person.page.locator("#desk")).to_be_visible()
        go(person, view)
        return person

    return sit_down


@pytest.fixture
def sale(shop: Shop, room: str) -> str:
    """A draft of ten white and five blue mugs in a room of the test's own."""
    shop.call("POST", "/api/v1/products", MUG)
    name = f"s-{uuid.uuid4().hex[:12]}"
    items = [
        {"sku": "desk-mug-white", "stock": 10, "price_minor": 5900, "per_user_max": 3},
        {"sku": "desk-mug-blue", "stock": 5, "price_minor": 6900},
    ]
    body = {"id": name, "room": room, "hold_seconds": 600, "items": items}
    shop.call("POST", "/api/v1/sales", body)
    return name
