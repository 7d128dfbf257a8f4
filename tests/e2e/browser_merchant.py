"""What tests of the merchant desk stand on: goods, buyers, and what a merchant does there.

The fixtures that bring a merchant and a sale are in `tests.e2e.browser_merchant_fixtures`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, expect

from tests.e2e.browser_support import Person, Shop, Visit

MUG = {
    "id": "desk-mug",
    "title": "青瓷杯 Mug",
    "price_minor": 8900,
    "currency": "CNY",
    "image_url": "/static/demo/product-1.svg",
    "skus": [
        {"sku": "desk-mug-white", "title": "白色 White", "price_minor": 8900},
        {"sku": "desk-mug-blue", "title": "青色 Blue", "price_minor": 9900},
    ],
}
# Buyers come over the WebSocket as the pages do; the demo's provider takes no money.
BUY = """async ([token, sale, sku, qty, pays]) => {
  const { LiveClient } = await import('/static/live-client.js');
  const address = `${location.origin.replace(/^http/, 'ws')}/connection/websocket`;
  const client = new LiveClient(address, { token });
  await new Promise((resolve) => { client.on('connected', resolve); client.connect(); });
  const asked = { sale, sku, qty, request_id: crypto.randomUUID() };
  const placed = await client.rpc('order.place', asked);
  if (pays) await client.rpc('order.pay', { order: placed.order.id });
  client.disconnect();
  return placed;
}"""
Desk = Callable[..., Person]


def go(person: Person, view: str) -> None:
    """Follow a link inside the desk."""
    person.page.evaluate("(view) => { location.hash = view; }", view)


def open_sale(shop: Shop, sale: str) -> None:
    """From a draft to open, over the API."""
    shop.call("POST", f"/api/v1/sales/{sale}/arm", {})
    shop.call("POST", f"/api/v1/sales/{sale}/open", {})


def buy(visit: Visit, shop: Shop, sale: str, user: str, **what: Any) -> str:
    """Somebody buys; the id of the order."""
    buyer = visit("/")
    wanted = {"sku": "desk-mug-white", "qty": 1, "pays": True, **what}
    asked = [shop.token(user), sale, wanted["sku"], wanted["qty"], wanted["pays"]]
    placed = buyer.page.evaluate(BUY, asked)
    assert placed["outcome"] == "reserved"
    order: str = placed["order"]["id"]
    return order


def press(person: Person, words: str, inside: str = "#view") -> None:
    """Press the button with exactly these words."""
    person.page.locator(inside).get_by_role("button", name=words, exact=True).click()


def question(person: Person) -> Locator:
    """The sentence of the question that is open."""
    return person.page.locator("dialog .question")


def answer(person: Person, words: str) -> None:
    """Say yes: press the button of the question that is open, and wait until it has gone."""
    press(person, words, "dialog[open]")
    expect(person.page.locator("dialog[open]")).to_have_count(0)


def counter(person: Person, sku: str, name: str) -> Locator:
    """Live and ledger cell of one counter."""
    return person.page.locator(f"[data-sku={sku}] tr[data-counter={name}] td")
