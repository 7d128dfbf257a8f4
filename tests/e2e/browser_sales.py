"""What tests of buying in a room share: a sale of their own, a buyer, the parts of its page."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, expect

from tests.e2e.browser_support import Person, Shop, Visit
from tests.support.wait import wait_until_sync

WHITE = {"sku": "mug-white", "stock": 5, "price_minor": 5_900, "per_user_max": 2}
BLUE = {"sku": "mug-blue", "stock": 3, "price_minor": 6_900, "per_user_max": 1}
ONE = {**WHITE, "stock": 1, "per_user_max": 1}


class Sale:
    """A sale of the test's own room, steered by its merchant over HTTP."""

    def __init__(self, shop: Shop, room: str, *items: dict[str, Any], **terms: Any) -> None:
        terms = {"id": f"sale-{room}"[:64], "hold_seconds": 120, **terms}
        self.shop, self.id = shop, terms["id"]
        shop.call("POST", "/api/v1/sales", {"room": room, "items": items, **terms})

    def steer(self, act: str, **how: Any) -> None:
        self.shop.call("POST", f"/api/v1/sales/{self.id}/{act}", how)

    def open(self) -> Sale:
        self.steer("arm")
        self.steer("open")
        return self

    def orders(self) -> list[dict[str, Any]]:
        """Every order of the sale that the ledger holds."""
        page = self.shop.call("GET", f"/api/v1/orders?sale={self.id}")
        orders: list[dict[str, Any]] = page["orders"]
        return orders

    def wait_books(self, sku: str, **counts: int) -> None:
        """Wait until store and ledger agree on these counters of a sku."""

        def agree() -> bool:
            books = self.shop.call("GET", f"/api/v1/sales/{self.id}/books")
            if not books["agree"]:
                return False
            sides = (books["redis"]["items"], books["ledger"]["items"])
            rows = [next(one for one in side if one["sku"] == sku) for side in sides]
            return all(row[name] == count for row in rows for name, count in counts.items())

        wait_until_sync(agree, 15, f"the books of {sku} say {counts}")


def buyer(visit: Visit, shop: Shop, room: str, name: str, **options: Any) -> Person:
    """Somebody with an account, in the room."""
    person = visit(f"/r/{room}#token={shop.token(f'{name}-{room}', name=name)}", **options)
    person.wait_connected()
    return person


def card(person: Person) -> Locator:
    return person.page.locator(".sale-card")


def sheet(person: Person) -> Locator:
    return person.page.locator("dialog.sale-sheet")


def open_sheet(person: Person) -> Locator:
    card(person).locator(".sale-press").click()
    expect(sheet(person)).to_be_visible()
    return sheet(person)


def buy(person: Person) -> Locator:
    """Open the sheet and press its button; returns the sheet."""
    open_sheet(person).locator(".sale-buy").click()
    return sheet(person)


def order_of(person: Person) -> Locator:
    """The first order in the sheet that is open."""
    return person.page.locator("dialog[open] .order").first


def toast(person: Person) -> Locator:
    return person.page.locator("#toast")
